//! The rules of RFC 6455 one by one. 0x80 is FIN; 0 continues, 1 is text, 2 binary, 8 close, 9 ping, 10 pong.

use bytes::BytesMut;
use downbeat::protocol::websocket::{Decoder, EMPTY_FRAGMENTS_MAX, Unreadable};

use crate::{Frame, Received, receive, receive_frames};

fn text(text: &str) -> Received {
    Received::Text(text.to_owned())
}

/// Nothing but the first of these frames is read, and then a rule is found broken.
fn assert_breaks_a_rule(frames: &[Frame], rule: &str) {
    let (received, error) = receive_frames(1000, frames);
    assert_eq!(received, []);
    match error {
        Some(Unreadable::Protocol(broken)) => assert!(broken.contains(rule), "{broken}"),
        other => panic!("not found broken: {rule}, but {other:?}"),
    }
}

#[test]
fn the_example_of_the_rfc_is_read() {
    let wire = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(receive(5, [&wire[..]]), (vec![text("Hello")], None));
}

#[test]
fn an_unmasked_frame_breaks_a_rule() {
    assert_breaks_a_rule(&[Frame { mask: None, ..Frame::new(0x81, "bare") }], "not masked");
}

#[test]
fn each_reserved_bit_breaks_a_rule() {
    for bit in [0x40, 0x20, 0x10] {
        assert_breaks_a_rule(&[Frame::new(0x81 | bit, "")], "reserved bit");
    }
}

#[test]
fn each_unknown_opcode_breaks_a_rule() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_breaks_a_rule(&[Frame::new(0x80 | opcode, "")], "opcode");
    }
}

#[test]
fn a_fragmented_control_frame_breaks_a_rule() {
    for opcode in [8, 9, 10] {
        assert_breaks_a_rule(&[Frame::new(opcode, "")], "fragmented");
    }
}

#[test]
fn a_control_frame_has_at_most_125_bytes() {
    for opcode in [8, 9, 10] {
        assert_breaks_a_rule(&[Frame::new(0x80 | opcode, [b'x'; 126])], "125 bytes");
    }
    let (received, error) = receive_frames(10, &[Frame::new(0x89, [7; 125]), Frame::new(0x8a, [7; 125])]);
    assert_eq!((received, error), (vec![Received::Ping(vec![7; 125]), Received::Pong], None));
}

#[test]
fn fragments_are_joined_and_control_frames_may_come_between_them() {
    let frames = [
        Frame::new(0x01, "one "),
        Frame::new(0x89, "still there?"),
        Frame::new(0x00, ""),
        Frame::new(0x8a, ""),
        Frame::new(0x80, "two"),
        Frame::new(0x02, [1]),
        Frame::new(0x80, [2, 3]),
        Frame::new(0x81, "whole"),
    ];
    let expected =
        vec![Received::Ping(b"still there?".into()), Received::Pong, text("one two"), Received::Binary(vec![1, 2, 3])];
    let (mut received, error) = receive_frames(1000, &frames);
    assert_eq!((received.pop(), received, error), (Some(text("whole")), expected, None));
}

#[test]
fn a_continuation_of_nothing_breaks_a_rule() {
    assert_breaks_a_rule(&[Frame::new(0x00, "more")], "without a first one");
    assert_breaks_a_rule(&[Frame::new(0x80, "more")], "without a first one");
    let finished = [Frame::new(0x01, ""), Frame::new(0x80, "done"), Frame::new(0x80, "more")];
    let (received, error) = receive_frames(1000, &finished);
    assert_eq!(received, [text("done")]);
    assert!(matches!(error, Some(Unreadable::Protocol(_))));
}

#[test]
fn a_message_within_another_one_s_fragments_breaks_a_rule() {
    for inner in [0x81, 0x82, 0x01, 0x02] {
        assert_breaks_a_rule(&[Frame::new(0x01, "begun"), Frame::new(inner, "other")], "inside another");
    }
}

#[test]
fn a_size_with_its_topmost_bit_set_breaks_a_rule() {
    let (_, error) = receive(usize::MAX, [&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0][..]]);
    assert!(matches!(error, Some(Unreadable::Protocol(rule)) if rule.contains("topmost bit")));
}

#[test]
fn every_form_of_size_is_read_even_where_a_shorter_one_would_do() {
    for bytes in [0, 125, 126, 0xffff, 0x1_0000] {
        let (received, error) = receive(0x1_0000, [&Frame::new(0x82, vec![7; bytes]).write()[..]]);
        assert_eq!((received, error), (vec![Received::Binary(vec![7; bytes])], None));
    }
    let padded = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 42];
    assert_eq!(receive(1, [&padded[..]]), (vec![Received::Binary(vec![42])], None));
}

#[test]
fn a_message_of_exactly_the_limit_is_read() {
    let frames = [Frame::new(0x82, [1; 300]), Frame::new(0x02, [2; 299]), Frame::new(0x80, [2])];
    let (received, error) = receive_frames(300, &frames);
    assert_eq!(error, None);
    assert_eq!(received[0], Received::Binary(vec![1; 300]));
    assert_eq!(received[1], Received::Binary(vec![2; 300]));
}

#[test]
fn a_frame_over_the_limit_is_refused_before_its_payload_comes() {
    let wire = Frame::new(0x82, [1; 301]).write();
    let header = &wire[..8];
    assert_eq!(receive(300, [header]), (vec![], Some(Unreadable::TooBig)));
    assert_eq!(Decoder::new(300).wanted(&BytesMut::from(header)), 0);
    let enormous = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(receive(300, [&enormous[..]]), (vec![], Some(Unreadable::TooBig)));
    assert_eq!(receive(usize::MAX, [&enormous[..]]), (vec![], None));
}

#[test]
fn fragments_over_the_limit_together_are_refused_before_the_last_one_s_payload_comes() {
    let begun = [Frame::new(0x02, [1; 200]).write(), Frame::new(0x80, [1; 101]).write()[..6].to_vec()].concat();
    assert_eq!(receive(300, [&begun[..]]), (vec![], Some(Unreadable::TooBig)));
    assert_eq!(receive(301, [&begun[..]]), (vec![], None));
}

#[test]
fn a_message_has_a_bounded_number_of_empty_fragments() {
    let mut frames = vec![Frame::new(0x01, "")];
    frames.resize(usize::from(EMPTY_FRAGMENTS_MAX), Frame::new(0x00, ""));
    let few = [&frames[..], &[Frame::new(0x80, "end")]].concat();
    assert_eq!(receive_frames(1000, &few), (vec![text("end")], None));
    frames.push(Frame::new(0x00, ""));
    assert_breaks_a_rule(&frames, "empty fragments");
}

#[test]
fn text_is_checked_once_it_is_whole() {
    let note = "♪".as_bytes();
    let frames = [Frame::new(0x01, &note[..1]), Frame::new(0x80, &note[1..])];
    assert_eq!(receive_frames(1000, &frames), (vec![text("♪")], None));
    let halved = [Frame::new(0x01, &note[..1]), Frame::new(0x80, "")];
    assert_eq!(receive_frames(1000, &halved), (vec![], Some(Unreadable::NotUtf8)));
    assert_eq!(receive_frames(1000, &[Frame::new(0x81, [0xff])]), (vec![], Some(Unreadable::NotUtf8)));
}

#[test]
fn a_client_leaves_with_or_without_a_reason() {
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9going"] {
        assert_eq!(receive_frames(1000, &[Frame::new(0x88, payload)]), (vec![Received::Close], None));
    }
    assert_breaks_a_rule(&[Frame::new(0x88, [3])], "half a code");
    assert_eq!(receive_frames(1000, &[Frame::new(0x88, [3, 232, 0xff])]), (vec![], Some(Unreadable::NotUtf8)));
}

#[test]
fn what_is_wanted_is_what_the_frame_lacks_but_never_much_at_once() {
    let mut decoder = Decoder::new(100_000);
    let wire = [Frame::new(0x81, "first").write(), Frame::new(0x82, vec![7; 50_000]).write()].concat();
    let second_at = 11;
    let mut input = BytesMut::from(&wire[..second_at + 4]);
    assert_eq!(decoder.next(&mut input).map(|message| message.map(Received::from)), Ok(Some(text("first"))));
    assert_eq!(decoder.wanted(&input), 0, "the second header is not whole");
    input.extend_from_slice(&wire[second_at + 4..second_at + 8]);
    assert_eq!(decoder.wanted(&input), 4096);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.wanted(&input), 4096);
    input.extend_from_slice(&wire[second_at + 8..second_at + 20_000]);
    assert_eq!(decoder.wanted(&input), 20_000);
    input.extend_from_slice(&wire[second_at + 20_000..wire.len() - 10]);
    assert_eq!(decoder.wanted(&input), 10);
    input.extend_from_slice(&wire[wire.len() - 10..]);
    assert_eq!(decoder.wanted(&input), 0);
}
