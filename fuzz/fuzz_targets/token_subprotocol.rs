//! The header `Sec-WebSocket-Protocol`: a token is found beside `phoenix` or not at all.
#![no_main]

use downbeat::protocol::subprotocol::Subprotocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    let found = Subprotocol::parse(header);
    assert!(found.phoenix || found.token.is_none());
    // And with a prefix that the fuzzer need not find out.
    let found = Subprotocol::parse(&format!("phoenix, base64url.bearer.phx.{header}"));
    assert!(found.phoenix);
});
