//! The least of a collector: it takes OTLP over HTTP, and keeps every span.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, sync::Notify};

use super::node::PATIENCE;

/// A span, and what sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub resource: Vec<KeyValue>,
    pub span: Span,
}

impl Sent {
    pub fn node(&self) -> String {
        text(&self.resource, "service.instance.id")
    }

    pub fn attribute(&self, name: &str) -> String {
        text(&self.span.attributes, name)
    }

    pub fn resource(&self, name: &str) -> String {
        text(&self.resource, name)
    }
}

fn text(values: &[KeyValue], name: &str) -> String {
    let found = values.iter().find(|value| value.key == name).and_then(|value| value.value.clone()?.value);
    match found {
        Some(Value::StringValue(text)) => text,
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

#[derive(Default)]
struct Kept {
    spans: Mutex<Vec<Sent>>,
    came: Notify,
}

pub struct Collector {
    kept: Arc<Kept>,
    pub endpoint: String,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let kept = Arc::<Kept>::default();
        let app = Router::new().route("/v1/traces", post(take)).with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { kept, endpoint }
    }

    pub fn spans(&self) -> Vec<Sent> {
        self.kept.spans.lock().expect("no thread has panicked").clone()
    }

    /// The spans of the first trace that satisfies, once there is one, within `PATIENCE`.
    pub async fn trace(&self, enough: impl Fn(&[Sent]) -> bool) -> Vec<Sent> {
        let found = async {
            loop {
                let came = self.kept.came.notified();
                if let Some(trace) = self.traces().into_iter().find(|trace| enough(trace)) {
                    return trace;
                }
                came.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("no such trace: {:#?}", self.spans()))
    }

    pub fn traces(&self) -> Vec<Vec<Sent>> {
        let mut traces: Vec<Vec<Sent>> = Vec::new();
        for sent in self.spans() {
            match traces.iter_mut().find(|trace| trace[0].span.trace_id == sent.span.trace_id) {
                Some(trace) => trace.push(sent),
                None => traces.push(vec![sent]),
            }
        }
        traces
    }
}

async fn take(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let mut spans = kept.spans.lock().expect("no thread has panicked");
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Sent { resource: resource.clone(), span });
        }
    }
    kept.came.notify_waiters();
}
