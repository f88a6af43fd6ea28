//! The way of finished spans to the collector: gathered for a second, sent in one request by a thread of its own.
//!
//! A collector that does not answer costs traces and one line in the log, nothing else.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter as ExportsSpans,
    },
};
use reqwest::{Client, redirect};
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use super::{Collector, IS_ON, TARGET};

/// Spans wait so long for others to go with.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// Spans that wait at most; beyond, the newest are left out.
const QUEUE_MAX: usize = 8_192;
/// How long the collector may take for one request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a node that stops waits for what is left to be sent.
const LAST_WITHIN: Duration = Duration::from_secs(2);
/// What is read of a collector's answer: an error's text.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where traces go, and how many of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    pub collector: Collector,
    /// From 0 to 1. Whether a trace is kept is decided where it begins; all nodes then keep to that.
    pub sample_ratio: f64,
}

/// Traces cannot be sent.
#[derive(Debug, Error)]
#[error("otlp_endpoint: nothing can be sent to it ({0})")]
pub struct NoTraces(String);

/// What sends a node's traces, until [`Traces::finish`].
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// `runtime` carries the requests; it must live until [`Traces::finish`] has returned.
    ///
    /// # Errors
    /// There is no HTTP client to be had, or the environment's `OTEL_…` variables cannot be read.
    pub fn start(export: &Export, node_id: &str, runtime: Handle) -> Result<Self, NoTraces> {
        let client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).build();
        let client = client.map_err(|error| NoTraces(error.to_string()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OnRuntime { client, runtime })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(export.collector.to_string())
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| NoTraces(error.to_string()))?;
        let exporter = Reporting { exporter, collector: export.collector.clone(), has_failed: AtomicBool::new(false) };
        let batches =
            BatchConfigBuilder::default().with_scheduled_delay(GATHERED_FOR).with_max_queue_size(QUEUE_MAX).build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(export.sample_ratio)));
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", "downbeat"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", node_id.to_owned()),
        ]);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(sampler)
            .with_resource(resource.build())
            .build();
        IS_ON.store(true, Ordering::Relaxed);
        Ok(Self(provider))
    }

    /// Turns spans of [`TARGET`], and no others, into the collector's.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        OpenTelemetryLayer::new(self.0.tracer("downbeat"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
    }

    /// Sends what is left. Blocks for [`LAST_WITHIN`] at most.
    pub fn finish(self) {
        // What could not be sent has been logged by then.
        let _ = self.0.shutdown_with_timeout(LAST_WITHIN);
    }
}

/// Sends by the runtime's threads, while the exporter's own thread waits for the answer.
#[derive(Debug)]
struct OnRuntime {
    client: Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { send(&client, request).await }).await?
    }
}

async fn send(client: &Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too long".into());
        }
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    Ok(response)
}

/// Says once that the collector takes nothing, and once that it does again.
#[derive(Debug)]
struct Reporting {
    exporter: SpanExporter,
    collector: Collector,
    has_failed: AtomicBool,
}

impl ExportsSpans for Reporting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exported = self.exporter.export(batch).await;
        let had_failed = self.has_failed.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Err(error) if !had_failed => {
                tracing::warn!(
                    otlp.endpoint = %self.collector, %error,
                    "traces are lost: the collector does not take them"
                );
            }
            Ok(()) if had_failed => tracing::info!(otlp.endpoint = %self.collector, "the collector takes traces again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
