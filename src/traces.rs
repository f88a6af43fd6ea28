//! Traces: one control's way, from the frame that it came in to its conductor, on whatever node, and back.
//!
//! Off unless the operator names a collector, and then nothing here costs more than the look at one flag. Only controls
//! are traced: no beat, no note, no join. No span bears a name, a token or anything else that a person wrote.

mod collector;
mod export;

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use collector::{BadCollector, Collector};
pub use export::{Export, NoTraces, Traces};

/// What all spans are under; the log leaves them aside.
pub const TARGET: &str = "downbeat_trace";

static IS_ON: AtomicBool = AtomicBool::new(false);

/// A control's frame, until its answer is on its way: where a trace begins.
pub fn of_control(event: &'static str, tenant: &str, room: &str) -> Span {
    if !IS_ON.load(Ordering::Relaxed) {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "control",
        otel.name = event,
        otel.kind = "server",
        otel.status_code = Empty,
        tenant.id = tenant,
        room.code = room,
    )
}

/// A step of what is traced here at the moment; none where nothing is.
pub fn step(name: &'static str) -> Span {
    if !is_traced() {
        return Span::none();
    }
    tracing::info_span!(target: TARGET, "step", otel.name = name, otel.status_code = Empty)
}

/// A question to another node, as a step.
pub fn of_call(service: &str, to: &str) -> Span {
    if !is_traced() {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = "call",
        otel.kind = "client",
        otel.status_code = Empty,
        call.service = service,
        node.to = to,
    )
}

/// The answer to another node's question, as a step of the trace that it came with; none where it came with none.
pub fn of_service(service: &str, from: &str, traceparent: Option<&str>) -> Span {
    let Some(caller) = traceparent.filter(|_| IS_ON.load(Ordering::Relaxed)).and_then(parse) else {
        return Span::none();
    };
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "serve",
        otel.name = "serve",
        otel.kind = "server",
        call.service = service,
        node.from = from,
    );
    // Refused only once the span has begun.
    let _ = span.set_parent(Context::new().with_remote_span_context(caller));
    span
}

/// Marks the step at hand as failed.
pub fn note_failure() {
    if is_traced() {
        Span::current().record("otel.status_code", "error");
    }
}

/// What is traced here at the moment, as W3C's `traceparent`, for another node to go on with. None: nothing is, or not
/// this one of many.
pub fn traceparent() -> Option<String> {
    kept().map(|context| format!("00-{}-{}-01", context.trace_id(), context.span_id()))
}

/// The trace at hand, for a line of the log to name.
pub fn id() -> Option<String> {
    kept().map(|context| context.trace_id().to_string())
}

fn kept() -> Option<SpanContext> {
    if !is_traced() {
        return None;
    }
    let context = Span::current().context().span().span_context().clone();
    (context.is_valid() && context.is_sampled()).then_some(context)
}

fn is_traced() -> bool {
    IS_ON.load(Ordering::Relaxed) && Span::current().metadata().is_some_and(|current| current.target() == TARGET)
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_well_formed = version == "00" && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
    if !is_well_formed || parts.next().is_some() {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default())).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_caller_s_place_is_read_as_w3c_writes_it() {
        let caller = parse(CALLER).expect("as in the recommendation");
        assert_eq!(caller.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(caller.span_id().to_string(), "00f067aa0ba902b7");
        assert!(caller.is_sampled() && caller.is_remote());
    }

    #[test]
    fn what_is_no_caller_s_place_is_left_aside() {
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for bad in ["", "00", "ff-1-2-3", zero, &CALLER[1..], &format!("{CALLER}-more"), &CALLER.replace('4', "ä")] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn while_traces_are_off_there_is_no_span_and_nothing_to_send_along() {
        let spans =
            [of_control("set_tempo", "acme", "MUSIC-1234"), step("store"), of_service("rooms", "a", Some(CALLER))];
        assert!(spans.iter().all(Span::is_none));
        assert_eq!(traceparent(), None);
    }
}
