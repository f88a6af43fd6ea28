//! Binary frames, by example and of any content.

use downbeat::protocol::{
    Encoding, InboundPayload, Malformed, Ref, Status, UserBroadcast, Vsn, decode_binary, encode_binary_broadcast,
    encode_binary_push, encode_binary_reply, encode_user_broadcast,
};
use proptest::prelude::*;

use crate::text_ref;

/// A frame as a client writes it: kind, sizes, an encoding byte if any, fields, body.
fn client_frame(kind: u8, fields: &[&str], encoding: Option<u8>, body: &[u8]) -> Vec<u8> {
    let sizes = fields.iter().map(|field| field.len() as u8);
    let mut frame = vec![kind];
    frame.extend(sizes.chain(encoding));
    frame.extend(fields.iter().flat_map(|field| field.bytes()));
    frame.extend(body);
    frame
}

#[test]
fn a_binary_push_is_read() {
    let frame = b"\x00\x01\x02\x05\x03112topicevt\x01\x02\xff";
    let inbound = decode_binary(Vsn::V2, frame).expect("well formed");
    assert_eq!(inbound.join_ref, Some(text_ref("1")));
    assert_eq!(inbound.reference, Some(text_ref("12")));
    assert_eq!((&*inbound.topic, &*inbound.event), ("topic", "evt"));
    assert!(matches!(inbound.payload, InboundPayload::Binary(b"\x01\x02\xff")));
}

#[test]
fn a_user_broadcast_is_a_broadcast_with_its_own_event() {
    let frame = client_frame(3, &["1", "2", "realtime:x", "cursor", "{\"a\":1}"], Some(1), b"{}");
    let inbound = decode_binary(Vsn::V2, &frame).expect("well formed");
    assert_eq!(inbound.event, "broadcast");
    let InboundPayload::UserBroadcast(broadcast) = inbound.payload else {
        panic!("expected a user broadcast");
    };
    assert_eq!(broadcast.event, "cursor");
    assert_eq!(broadcast.meta, "{\"a\":1}");
    assert_eq!(broadcast.encoding, Encoding::Json);
    assert_eq!(broadcast.body, b"{}");
}

#[test]
fn an_empty_ref_in_a_binary_frame_is_none() {
    let frame = client_frame(0, &["", "", "t", "e"], None, b"");
    let inbound = decode_binary(Vsn::V2, &frame).expect("well formed");
    assert_eq!((inbound.join_ref, inbound.reference), (None, None));
}

#[test]
fn a_binary_frame_cut_at_any_byte_of_its_head_is_truncated() {
    let push = client_frame(0, &["1", "22", "topic", "event"], None, b"");
    let broadcast = client_frame(3, &["1", "22", "topic", "event", "{}"], Some(0), b"");
    for frame in [push, broadcast] {
        assert!(decode_binary(Vsn::V2, &frame).is_ok());
        for len in 0..frame.len() {
            let cut = decode_binary(Vsn::V2, &frame[..len]).map(|_| ());
            assert!(matches!(cut, Err(Malformed::Truncated(_))), "{len}: {cut:?}");
        }
    }
}

#[test]
fn binary_frames_that_no_client_may_send_are_malformed() {
    for kind in [1, 2, 4, 5, 255] {
        let decoded = decode_binary(Vsn::V2, &[kind, 0, 0, 0, 0, 0, 0]).map(|_| ());
        assert_eq!(decoded, Err(Malformed::UnknownKind(kind)));
    }
    let encoding = decode_binary(Vsn::V2, &[3, 0, 0, 0, 0, 0, 2]).map(|_| ());
    assert_eq!(encoding, Err(Malformed::UnknownEncoding(2)));
    let topic = decode_binary(Vsn::V2, b"\x00\x00\x00\x01\x00\xff").map(|_| ());
    assert_eq!(topic, Err(Malformed::NotUtf8("topic")));
    let v1 = decode_binary(Vsn::V1, b"\x00\x00\x00\x01\x01te").map(|_| ());
    assert_eq!(v1, Err(Malformed::BinaryOnV1));
}

#[test]
fn binary_frames_of_the_server_have_the_layout_that_clients_read() {
    let join = text_ref("1");
    let push = encode_binary_push(Some(&join), "to", "ev", b"\xff");
    assert_eq!(push.as_deref(), Ok(&b"\x00\x01\x02\x021toev\xff"[..]));
    let message = Ref::from_integer(12);
    let reply = encode_binary_reply(Some(&join), Some(&message), "to", Status::Ok, b"\xff");
    assert_eq!(reply.as_deref(), Ok(&b"\x01\x01\x02\x02\x02112took\xff"[..]));
    let broadcast = encode_binary_broadcast("to", "ev", b"\xff");
    assert_eq!(broadcast.as_deref(), Ok(&b"\x02\x02\x02toev\xff"[..]));
    let user = UserBroadcast { event: "ev", meta: "{}", encoding: Encoding::Json, body: b"1" };
    let user = encode_user_broadcast("to", &user);
    assert_eq!(user.as_deref(), Ok(&b"\x04\x02\x02\x02\x01toev{}1"[..]));
}

#[test]
fn a_field_of_256_bytes_is_refused_and_one_of_255_is_not() {
    let (fits, long) = ("ü".repeat(127) + "x", "ü".repeat(128));
    assert!(encode_binary_push(None, &fits, &fits, b"").is_ok());
    let refused = encode_binary_push(None, "t", &long, b"").map_err(|error| error.field);
    assert_eq!(refused, Err("event"));
    assert!(encode_binary_broadcast(&long, "e", b"").is_err());
    assert!(encode_binary_reply(None, None, &long, Status::Ok, b"").is_err());
    let user = UserBroadcast { event: "e", meta: &long, encoding: Encoding::Binary, body: b"" };
    assert!(encode_user_broadcast("t", &user).is_err());
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode_binary(Vsn::V2, &octets);
        prop_assert!(decode_binary(Vsn::V1, &octets).is_err());
    }

    #[test]
    fn binary_frames_of_clients_round_trip(
        fields in prop::collection::vec("\\PC{0,60}", 5),
        json in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let [join, message, topic, event, meta] = fields.each_str();
        let named = |text: &str| (!text.is_empty()).then(|| text_ref(text));

        let frame = client_frame(0, &[join, message, topic, event], None, &body);
        let inbound = decode_binary(Vsn::V2, &frame).expect("well formed");
        prop_assert_eq!(&inbound.join_ref, &named(join));
        prop_assert_eq!(&inbound.reference, &named(message));
        prop_assert_eq!((&*inbound.topic, &*inbound.event), (topic, event));
        prop_assert!(matches!(inbound.payload, InboundPayload::Binary(read) if read == body));

        let encoding = u8::from(json);
        let frame = client_frame(3, &[join, message, topic, event, meta], Some(encoding), &body);
        let inbound = decode_binary(Vsn::V2, &frame).expect("well formed");
        let InboundPayload::UserBroadcast(read) = inbound.payload else {
            panic!("expected a user broadcast");
        };
        prop_assert_eq!((read.event, read.meta, read.body), (event, meta, &body[..]));
        // What goes out is the same without its refs, under the next kind.
        let out = encode_user_broadcast(topic, &read).expect("fields fit");
        prop_assert_eq!(out, client_frame(4, &[topic, event, meta], Some(encoding), &body));
    }
}

trait EachStr {
    fn each_str(&self) -> [&str; 5];
}

impl EachStr for Vec<String> {
    fn each_str(&self) -> [&str; 5] {
        std::array::from_fn(|at| self[at].as_str())
    }
}
