//! Frames as real clients write and read them: both directions, every form, and what is none.

mod binary;
mod presence;
mod round_trips;
mod text;

use downbeat::protocol::{Inbound, InboundPayload, Ref};
use serde_json::Value;

fn text_ref(text: &str) -> Ref {
    Ref::from_text(text).expect("a short ref")
}

fn parse(frame: &str) -> Value {
    serde_json::from_str(frame).expect("a frame of the server is JSON")
}

fn json_of<'a>(inbound: &Inbound<'a>) -> &'a str {
    match inbound.payload {
        InboundPayload::Json(json) => json.get(),
        _ => panic!("expected a JSON payload"),
    }
}
