//! Text frames by example.

use downbeat::protocol::{
    Malformed, Ref, Status, Vsn, decode_text, encode_broadcast, encode_close, encode_error, encode_error_reply,
    encode_heartbeat_reply, encode_push, encode_reply,
};
use serde_json::{Value, json};

use crate::{json_of, parse, text_ref};

#[test]
fn a_v2_array_is_read_and_borrowed() {
    let frame = r#"["1", "2", "music_room:MUSIC-1234", "play_note", {"midi": 60}]"#;
    let inbound = decode_text(Vsn::V2, frame).expect("well formed");
    assert_eq!(inbound.join_ref, Some(text_ref("1")));
    assert_eq!(inbound.reference, Some(text_ref("2")));
    assert_eq!(inbound.event, "play_note");
    assert_eq!(json_of(&inbound), r#"{"midi": 60}"#);
    assert!(matches!(inbound.topic, std::borrow::Cow::Borrowed("music_room:MUSIC-1234")));
}

#[test]
fn further_elements_of_a_v2_array_are_ignored() {
    let inbound = decode_text(Vsn::V2, r#"[null,1,"t","e",{},{"more":[1]},"x"]"#);
    assert_eq!(inbound.map(|inbound| inbound.reference), Ok(Some(Ref::from_integer(1))));
}

#[test]
fn a_v1_object_is_read_whatever_its_order_and_extra_keys() {
    let frame = r#"{"x":[{}],"payload":[1],"ref":7,"event":"e","to\u0070ic":"\u0074"}"#;
    let inbound = decode_text(Vsn::V1, frame).expect("well formed");
    assert_eq!(inbound.join_ref, None);
    assert_eq!(inbound.reference, Some(Ref::from_integer(7)));
    assert_eq!((&*inbound.topic, &*inbound.event), ("t", "e"));
    assert_eq!(json_of(&inbound), "[1]");
}

#[test]
fn v1_takes_a_join_ref_and_the_last_of_a_repeated_key() {
    let frame = r#"{"topic":"a","topic":"b","event":"e","payload":{},"ref":null,"join_ref":"3"}"#;
    let inbound = decode_text(Vsn::V1, frame).expect("well formed");
    assert_eq!(inbound.topic, "b");
    assert_eq!(inbound.join_ref, Some(text_ref("3")));
    assert_eq!(inbound.reference, None);
}

#[test]
fn any_json_may_be_a_payload() {
    for payload in ["null", "true", "1.5", "\"x\"", "[]", "{}"] {
        let frame = format!("[null,null,\"t\",\"e\",{payload}]");
        let inbound = decode_text(Vsn::V2, &frame).expect("well formed");
        assert_eq!(json_of(&inbound), payload);
    }
}

#[test]
fn frames_of_the_wrong_shape_are_malformed() {
    let v2 = [
        "",
        "{}",
        "[",
        "[]",
        "null",
        "1",
        "\"x\"",
        "[null,null,\"t\",\"e\"]",
        "[null,null,\"t\",null,{}]",
        "[null,null,5,\"e\",{}]",
        "[1.5,null,\"t\",\"e\",{}]",
        "[null,{},\"t\",\"e\",{}]",
        "[null,null,\"t\",\"e\",{}] x",
        "[null,null,\"t\",\"e\",{},]",
        "[null,null,\"t\",\"e\",{}",
        "[null,null,\"\\ud800\",\"e\",{}]",
        "[null,null,\"t\",\"e\",nope]",
        "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{}}",
    ];
    for frame in v2 {
        assert!(decode_text(Vsn::V2, frame).is_err(), "{frame}");
    }
    let v1 = [
        "",
        "[]",
        "{}",
        "[null,null,\"t\",\"e\",{}]",
        "{\"topic\":\"t\",\"event\":\"e\"}",
        "{\"topic\":\"t\",\"payload\":{}}",
        "{\"event\":\"e\",\"payload\":{}}",
        "{\"topic\":null,\"event\":\"e\",\"payload\":{}}",
        "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{},\"ref\":[]}",
    ];
    for frame in v1 {
        assert!(decode_text(Vsn::V1, frame).is_err(), "{frame}");
    }
}

#[test]
fn a_missing_field_is_named() {
    let missing = decode_text(Vsn::V1, r#"{"topic":"t","event":"e"}"#).map(|_| ());
    assert_eq!(missing, Err(Malformed::Missing("payload")));
    let missing = decode_text(Vsn::V2, r#"[null,null,"t"]"#).map(|_| ());
    assert_eq!(missing, Err(Malformed::Missing("event")));
}

#[test]
fn topics_and_events_are_bounded() {
    for (topic, event, fits) in [(1024, 1024, true), (1025, 1, false), (1, 1025, false)] {
        let (topic, event) = ("t".repeat(topic), "e".repeat(event));
        let frame = json!([null, null, topic, event, {}]).to_string();
        assert_eq!(decode_text(Vsn::V2, &frame).is_ok(), fits);
    }
    let long_ref = json!([null, "r".repeat(256), "t", "e", {}]).to_string();
    assert!(decode_text(Vsn::V2, &long_ref).is_err());
}

#[test]
fn a_deeply_nested_payload_does_not_overflow_the_stack() {
    let depth = 200_000;
    let nested = format!("[null,null,\"t\",\"e\",{}{}]", "[".repeat(depth), "]".repeat(depth));
    assert!(decode_text(Vsn::V2, &nested).is_ok());
    let extra = format!("[null,null,\"t\",\"e\",1,{}", "[".repeat(depth));
    assert!(decode_text(Vsn::V2, &extra).is_err());
}

#[test]
fn v2_text_is_as_phoenix_writes_it() {
    let (join, message) = (text_ref("1"), text_ref("2"));
    let reply = encode_reply(Vsn::V2, Some(&join), Some(&message), "t", Status::Ok, "{\"a\":1}");
    assert_eq!(reply, r#"["1","2","t","phx_reply",{"status":"ok","response":{"a":1}}]"#);
    let push = encode_push(Vsn::V2, Some(&join), "t", "beat", "{}");
    assert_eq!(push, r#"["1",null,"t","beat",{}]"#);
    assert_eq!(encode_broadcast(Vsn::V2, "t", "beat", "{}"), r#"[null,null,"t","beat",{}]"#);
    assert_eq!(encode_close(Vsn::V2, Some(&join), "t"), r#"["1","1","t","phx_close",{}]"#);
    assert_eq!(
        encode_error(Vsn::V2, Some(&join), "t", "channel_crash"),
        r#"["1","1","t","phx_error",{"reason":"channel_crash"}]"#
    );
    assert_eq!(
        encode_error_reply(Vsn::V2, None, Some(&message), "t", "unmatched topic"),
        r#"[null,"2","t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#
    );
    assert_eq!(
        encode_heartbeat_reply(Vsn::V2, Some(&Ref::from_integer(9))),
        r#"[null,9,"phoenix","phx_reply",{"status":"ok","response":{}}]"#
    );
}

#[test]
fn v1_text_always_has_a_ref_and_never_a_join_ref() {
    let join = text_ref("1");
    let frames = [
        (encode_push(Vsn::V1, Some(&join), "t", "e", "{}"), Value::Null),
        (encode_broadcast(Vsn::V1, "t", "e", "{}"), Value::Null),
        (encode_close(Vsn::V1, Some(&join), "t"), json!("1")),
        (encode_error(Vsn::V1, Some(&join), "t", "x"), json!("1")),
        (encode_heartbeat_reply(Vsn::V1, Some(&Ref::from_integer(4))), json!(4)),
        (encode_reply(Vsn::V1, Some(&join), None, "t", Status::Error, "{}"), Value::Null),
    ];
    for (frame, reference) in frames {
        let object = parse(&frame);
        let keys: Vec<&String> = object.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["event", "payload", "ref", "topic"], "{frame}");
        assert_eq!(object["ref"], reference, "{frame}");
    }
}
