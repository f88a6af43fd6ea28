use downbeat::protocol::websocket::{encode_binary, encode_close, encode_pong, encode_text};
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use crate::oracle;

fn read_by_client(frames: &[&[u8]]) -> Vec<Message> {
    let (messages, error) = oracle::read_as(Role::Client, 1 << 20, &frames.concat());
    assert!(error.is_none(), "{error:?}");
    messages
}

#[test]
fn a_header_is_as_short_as_its_payload_allows() {
    assert_eq!(encode_text("Hello")[..], *b"\x81\x05Hello");
    assert_eq!(encode_binary(&[])[..], *b"\x82\x00");
    for (bytes, header) in [
        (125, &[0x82, 125][..]),
        (126, &[0x82, 126, 0, 126]),
        (0xffff, &[0x82, 126, 0xff, 0xff]),
        (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let frame = encode_binary(&vec![7; bytes]);
        assert_eq!(frame[..header.len()], *header);
        assert_eq!(frame.len(), header.len() + bytes);
    }
}

#[test]
fn a_client_reads_every_size_of_message() {
    for bytes in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 0x1_2345] {
        let text = "x".repeat(bytes);
        let messages = read_by_client(&[&encode_text(&text), &encode_binary(text.as_bytes())]);
        assert_eq!(messages, [Message::text(&*text), Message::binary(text.into_bytes())]);
    }
}

#[test]
fn a_close_frame_carries_code_and_reason() {
    assert_eq!(encode_close(1012, "bye")[..], *b"\x88\x05\x03\xf4bye");
}

#[test]
fn a_long_reason_is_cut_after_a_whole_character() {
    let cut = encode_close(1001, &format!("{}♪♪", "x".repeat(120)));
    assert_eq!(cut.len(), 2 + 125);
    assert!(cut.ends_with("x♪".as_bytes()));
    let shorter = encode_close(1001, &format!("{}♪♪", "x".repeat(121)));
    assert_eq!(shorter.len(), 2 + 2 + 121);
    assert!(shorter.ends_with(b"xx"));
}

#[test]
fn a_pong_never_exceeds_a_control_frame() {
    assert_eq!(encode_pong(&[9; 125]).len(), 2 + 125);
    assert_eq!(encode_pong(&[9; 300]), encode_pong(&[9; 125]));
}

proptest! {
    #[test]
    fn a_client_reads_what_the_server_wrote(
        text in ".{0,300}", octets: Vec<u8>, ping in prop::collection::vec(any::<u8>(), 0..=125), reason in ".{0,150}",
    ) {
        let frames = [encode_text(&text), encode_pong(&ping), encode_binary(&octets), encode_close(4001, &reason)];
        let messages = read_by_client(&frames.each_ref().map(|frame| &frame[..]));
        prop_assert_eq!(&messages[..3], &[Message::text(text), Message::Pong(ping.into()), Message::binary(octets)]);
        let Some(Message::Close(Some(close))) = messages.get(3) else { panic!("no close: {messages:?}") };
        prop_assert_eq!(u16::from(close.code), 4001);
        prop_assert!(reason.starts_with(close.reason.as_str()));
        prop_assert!(close.reason.len() == reason.len() || close.reason.len() > 119);
    }
}
