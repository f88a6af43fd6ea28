//! Bodies of a long poll's POST: bounded, and every line of them a frame or an error.
#![no_main]

use downbeat::protocol::longpoll_body::{EXCESS_LINES_MAX, LINES_MAX, Line, parse_body};
use downbeat::protocol::{Vsn, decode_binary, decode_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (ndjson, body) = input;
    let content_type = ndjson.then_some("application/x-ndjson");
    let Ok(parsed) = parse_body(content_type, body) else {
        return;
    };
    assert!(parsed.messages.len() <= LINES_MAX);
    assert!(parsed.excess.len() <= EXCESS_LINES_MAX);
    assert!(ndjson || parsed.messages.len() == 1);
    for line in parsed.messages.iter().chain(&parsed.excess) {
        match line {
            Line::Text(text) => {
                let _ = decode_text(Vsn::V1, text);
                let _ = decode_text(Vsn::V2, text);
            }
            Line::Binary(octets) => {
                let _ = decode_binary(Vsn::V2, octets);
            }
            Line::Malformed => {}
        }
    }
});
