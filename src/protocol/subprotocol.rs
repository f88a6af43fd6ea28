//! The token that a browser hides in `Sec-WebSocket-Protocol`, since it can set no other header.

use super::base64_any;

/// The subprotocol to echo when the client offers it.
pub const PHOENIX: &str = "phoenix";

const TOKEN_PREFIX: &str = "base64url.bearer.phx.";

/// Most bytes of Base64 that are looked at as a token.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a client offers in `Sec-WebSocket-Protocol`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subprotocol {
    /// Whether [`PHOENIX`] is offered. It must then be echoed, or a browser gives up.
    pub phoenix: bool,
    /// The token beside it. `None` when there is none, or none that can be read.
    pub token: Option<String>,
}

impl Subprotocol {
    /// Reads the header's value, a list like `phoenix, base64url.bearer.phx.<b64>`. Several such
    /// headers are to be joined with commas first. The token counts only beside `phoenix`,
    /// without which no one could echo a protocol that keeps the token to itself.
    pub fn parse(header: &str) -> Subprotocol {
        let offers = || header.split(',').map(str::trim);
        if !offers().any(|offer| offer == PHOENIX) {
            return Subprotocol::default();
        }
        let encoded = offers().find_map(|offer| offer.strip_prefix(TOKEN_PREFIX));
        Subprotocol { phoenix: true, token: encoded.and_then(decode_token) }
    }
}

fn decode_token(encoded: &str) -> Option<String> {
    if encoded.is_empty() || encoded.len() > TOKEN_BYTES_MAX {
        return None;
    }
    String::from_utf8(base64_any::decode(encoded.as_bytes())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> Option<String> {
        Subprotocol::parse(header).token
    }

    #[test]
    fn the_pair_of_phoenix_js_carries_a_token() {
        // btoa("a.b>c?d") without its padding, as phoenix.js writes it.
        let found = Subprotocol::parse("phoenix, base64url.bearer.phx.YS5iPmM/ZA");
        assert!(found.phoenix);
        assert_eq!(found.token.as_deref(), Some("a.b>c?d"));
    }

    #[test]
    fn padding_and_the_other_alphabet_make_no_difference() {
        for encoded in ["YS5iPmM/ZA==", "YS5iPmM_ZA", "YS5iPmM_ZA=="] {
            let header = format!("phoenix,base64url.bearer.phx.{encoded}");
            assert_eq!(token(&header).as_deref(), Some("a.b>c?d"), "{encoded}");
        }
    }

    #[test]
    fn phoenix_alone_is_echoed_and_has_no_token() {
        let found = Subprotocol::parse("phoenix");
        assert!(found.phoenix);
        assert_eq!(found.token, None);
    }

    #[test]
    fn what_cannot_be_read_is_no_token() {
        for encoded in ["", "%%%", "/w==", "a"] {
            let found = Subprotocol::parse(&format!("phoenix, base64url.bearer.phx.{encoded}"));
            assert_eq!(found.token, None, "{encoded}");
            assert!(found.phoenix);
        }
        let long = "YWFh".repeat(TOKEN_BYTES_MAX / 4);
        assert!(token(&format!("phoenix, base64url.bearer.phx.{long}")).is_some());
        assert_eq!(token(&format!("phoenix, base64url.bearer.phx.{long}YWFh")), None);
    }

    #[test]
    fn without_phoenix_there_is_neither() {
        for header in ["", "graphql-ws", "base64url.bearer.phx.YQ", "phoenixx"] {
            assert_eq!(Subprotocol::parse(header), Subprotocol::default(), "{header}");
        }
    }
}
