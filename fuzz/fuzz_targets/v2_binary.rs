//! Binary frames: whatever is read can be written again, as a client's and as the server's.
#![no_main]

use downbeat::protocol::{
    InboundPayload, Vsn, decode_binary, encode_binary_broadcast, encode_binary_push,
    encode_user_broadcast,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    assert!(decode_binary(Vsn::V1, octets).is_err());
    let Ok(inbound) = decode_binary(Vsn::V2, octets) else {
        return;
    };
    let (topic, event) = (&*inbound.topic, &*inbound.event);
    match inbound.payload {
        InboundPayload::Binary(body) => {
            let frame = encode_binary_push(inbound.join_ref.as_ref(), topic, event, body);
            assert!(frame.expect("what fitted fits").ends_with(body));
            assert!(encode_binary_broadcast(topic, event, body).is_ok());
        }
        InboundPayload::UserBroadcast(broadcast) => {
            let frame = encode_user_broadcast(topic, &broadcast).expect("what fitted fits");
            // The same without its two refs and their sizes.
            let refs = [&inbound.join_ref, &inbound.reference];
            let refs_bytes: usize = refs
                .iter()
                .filter_map(|r| r.as_ref())
                .map(|r| r.to_string().len())
                .sum();
            assert_eq!(frame.len(), octets.len() - refs_bytes - 2);
        }
        InboundPayload::Json(_) => panic!("a binary frame carries no JSON"),
    }
});
