//! Text frames of V2: whatever is read says the same once written and read again.
#![no_main]

use downbeat::protocol::{InboundPayload, Vsn, decode_text, encode_push};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(inbound) = decode_text(Vsn::V2, text) else {
        return;
    };
    let InboundPayload::Json(payload) = inbound.payload else {
        panic!("a text frame carries JSON");
    };
    let frame = encode_push(
        Vsn::V2,
        inbound.join_ref.as_ref(),
        &inbound.topic,
        &inbound.event,
        payload.get(),
    );
    let again = decode_text(Vsn::V2, &frame).expect("own frames are well formed");
    assert_eq!(again.join_ref, inbound.join_ref);
    assert_eq!(again.topic, inbound.topic);
    assert_eq!(again.event, inbound.event);
    assert!(matches!(again.payload, InboundPayload::Json(json) if json.get() == payload.get()));
});
