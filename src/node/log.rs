//! The log: one line where an error is handled, text for people or JSON for machines, on standard error. Every line names
//! the node, because the lines of many nodes end up in one place.

mod format;
mod panics;

use std::io::IsTerminal;

use thiserror::Error;
use tokio::runtime::Handle;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, registry::Registry, util::SubscriberInitExt};

use self::format::OfNode;
use crate::{
    cli::{LogFormat, Settings},
    traces::{self, NoTraces, Traces},
};

/// Why the log, or what goes with it, did not start.
#[derive(Debug, Error)]
pub enum NoLog {
    #[error("log: `{filter}` is not a filter ({reason}): write `info`, or `info,downbeat::gateway=debug`")]
    BadFilter { filter: String, reason: String },
    #[error(transparent)]
    NoTraces(#[from] NoTraces),
}

/// Starts the log of this process, and its traces if they are wanted: whoever gets them finishes them.
pub fn start(settings: &Settings, runtime: &Handle) -> Result<Option<Traces>, NoLog> {
    let bad = |reason: String| NoLog::BadFilter { filter: settings.log.clone(), reason };
    let filter = EnvFilter::try_new(&settings.log).map_err(|error| bad(error.to_string()))?;
    let no_spans = format!("{}=off", traces::TARGET).parse().map_err(|_| bad("no directive".to_owned()))?;
    let lines = lines(settings).with_filter(filter.add_directive(no_spans));
    let export = settings.otlp.as_ref();
    let traces = export.map(|export| Traces::start(export, &settings.node_id, runtime.clone())).transpose()?;
    match &traces {
        // Not an empty layer in its place: with one, every line that the filter leaves out would cost a look.
        None => tracing_subscriber::registry().with(lines).init(),
        Some(traces) => tracing_subscriber::registry().with(lines).with(traces.layer()).init(),
    }
    panics::log();
    Ok(traces)
}

fn lines(settings: &Settings) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let node = &settings.node_id;
    match settings.log_format {
        LogFormat::Json => lines.json().map_event_format(|json| OfNode::json(json, node)).boxed(),
        LogFormat::Text => {
            let is_colourful = std::io::stderr().is_terminal();
            lines.map_event_format(|text| OfNode::text(text.with_ansi(is_colourful).with_target(false), node)).boxed()
        }
    }
}
