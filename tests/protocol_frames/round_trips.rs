//! Text frames of any content.

use downbeat::protocol::{Inbound, Ref, Status, Vsn, decode_text, encode_push, encode_reply, push_json_string};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{json_of, parse};

fn any_ref() -> impl Strategy<Value = Option<Ref>> {
    let text = "\\PC{0,40}".prop_filter_map("fits a ref", |text| Ref::from_text(&text).ok());
    prop_oneof![Just(None), any::<i64>().prop_map(|integer| Some(Ref::from_integer(integer))), text.prop_map(Some),]
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn ref_value(reference: Option<&Ref>) -> Value {
    let mut out = String::new();
    match reference {
        Some(reference) => reference.push_json(&mut out),
        None => out.push_str("null"),
    }
    parse(&out)
}

/// A server's push in V2 is what a client would send with ref null, so it decodes here as well.
fn assert_same(inbound: &Inbound<'_>, topic: &str, event: &str, payload: &Value) {
    assert_eq!(inbound.topic, topic);
    assert_eq!(inbound.event, event);
    assert_eq!(&parse(json_of(inbound)), payload);
}

proptest! {
    #[test]
    fn any_text_comes_out_of_its_json_string(text in any_text()) {
        let mut out = String::new();
        push_json_string(&mut out, &text);
        prop_assert_eq!(parse(&out), Value::from(text));
    }

    #[test]
    fn text_frames_of_the_server_round_trip(
        join_ref in any_ref(),
        topic in any_text(),
        event in any_text(),
        payload in any_json(),
    ) {
        let payload_json = payload.to_string();
        for vsn in [Vsn::V1, Vsn::V2] {
            let frame = encode_push(vsn, join_ref.as_ref(), &topic, &event, &payload_json);
            let inbound = decode_text(vsn, &frame).expect("own frames are well formed");
            assert_same(&inbound, &topic, &event, &payload);
            prop_assert_eq!(inbound.reference, None);
            let seen = if vsn == Vsn::V2 { join_ref.clone() } else { None };
            prop_assert_eq!(inbound.join_ref, seen);
        }
    }

    #[test]
    fn replies_carry_refs_and_response_unchanged(
        join_ref in any_ref(),
        reference in any_ref(),
        topic in any_text(),
        response in any_json(),
    ) {
        let refs = (join_ref.as_ref(), reference.as_ref());
        let response_json = response.to_string();
        let frame = encode_reply(Vsn::V2, refs.0, refs.1, &topic, Status::Ok, &response_json);
        let payload = json!({"status": "ok", "response": response});
        let expected = json!([ref_value(refs.0), ref_value(refs.1), topic, "phx_reply", payload]);
        prop_assert_eq!(parse(&frame), expected);
    }

    #[test]
    fn client_text_frames_are_read_in_full(
        join_ref in any_ref(),
        reference in any_ref(),
        topic in any_text(),
        event in any_text(),
        payload in any_json(),
    ) {
        let (join, message) = (ref_value(join_ref.as_ref()), ref_value(reference.as_ref()));
        let array = json!([join, message, topic, event, payload]).to_string();
        let object = json!({
            "join_ref": join, "ref": message, "topic": topic, "event": event, "payload": payload,
        });
        for (vsn, frame) in [(Vsn::V2, array), (Vsn::V1, object.to_string())] {
            let inbound = decode_text(vsn, &frame).expect("well formed");
            assert_same(&inbound, &topic, &event, &payload);
            prop_assert_eq!(&inbound.join_ref, &join_ref);
            prop_assert_eq!(&inbound.reference, &reference);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any_text()) {
        let _ = decode_text(Vsn::V1, &text);
        let _ = decode_text(Vsn::V2, &text);
    }
}
