//! A line's form: that of the library, with the node's name in it.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::traces;

/// Writes lines as `inner` does, with `node.id` in each, and `trace.id` where a traced control is at work.
pub(super) struct OfNode<F> {
    inner: F,
    node: Node,
}

enum Node {
    /// What a line begins with, in place of its brace.
    Json(String),
    /// What a line ends with.
    Text(String),
}

impl<F> OfNode<F> {
    /// `inner` writes one object a line.
    pub fn json(inner: F, node: &str) -> Self {
        Self { inner, node: Node::Json(format!("{{\"node.id\":{},", serde_json::Value::from(node))) }
    }

    pub fn text(inner: F, node: &str) -> Self {
        Self { inner, node: Node::Text(format!(" node.id={node}")) }
    }
}

impl<S, N, F> FormatEvent<S, N> for OfNode<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::with_capacity(256);
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        match (&self.node, traces::id()) {
            (Node::Json(beginning), None) => writeln!(writer, "{beginning}{}", rest(line)),
            (Node::Json(beginning), Some(id)) => writeln!(writer, "{beginning}\"trace.id\":\"{id}\",{}", rest(line)),
            (Node::Text(end), None) => writeln!(writer, "{line}{end}"),
            (Node::Text(end), Some(id)) => writeln!(writer, "{line}{end} trace.id={id}"),
        }
    }
}

/// Of an object what follows its brace.
fn rest(line: &str) -> &str {
    line.strip_prefix('{').unwrap_or(line)
}
