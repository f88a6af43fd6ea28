//! The token of a long-poll session: it names the node that owns the session, and nobody can make one up.
//!
//! Each answer that brings messages brings a new token, which tells how many the client has now. A client that shows
//! its newest token, as phoenix.js does, thus confirms what it has received, on whichever node it asks next.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// What a session's token begins with; an application's own token (a JWT) never does.
const PREFIX: &str = "lp1.";

/// The key that signs session tokens: of the whole cluster, or of this process. Beside it the former ones, of which
/// there are still tokens while nodes are given another.
pub struct TokenKey {
    signing: hmac::Key,
    former: Vec<hmac::Key>,
}

/// What a valid session token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken {
    pub node: String,
    pub session: u64,
    /// How many of the session's messages its client had when it got this token.
    pub received: u64,
}

impl TokenKey {
    pub fn new(secret: &[u8]) -> Self {
        Self { signing: hmac::Key::new(hmac::HMAC_SHA256, secret), former: Vec::new() }
    }

    /// Tokens that were signed with these are taken, too.
    pub fn with_former<'a>(mut self, secrets: impl Iterator<Item = &'a [u8]>) -> Self {
        self.former = secrets.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret)).collect();
        self
    }

    /// `lp1.<node>.<session>.<received>.<signature>`
    pub fn sign(&self, token: &SessionToken) -> String {
        let node = URL_SAFE_NO_PAD.encode(&token.node);
        let signed = format!("{PREFIX}{node}.{:x}.{:x}", token.session, token.received);
        let signature = hmac::sign(&self.signing, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// What the token says, if it was signed with one of these keys.
    pub fn read(&self, text: &str) -> Option<SessionToken> {
        let (signed, signature) = text.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut keys = std::iter::once(&self.signing).chain(&self.former);
        keys.find(|key| hmac::verify(key, signed.as_bytes(), &signature).is_ok())?;
        let (node, numbers) = signed.strip_prefix(PREFIX)?.split_once('.')?;
        let (session, received) = numbers.split_once('.')?;
        let node = String::from_utf8(URL_SAFE_NO_PAD.decode(node).ok()?).ok()?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(SessionToken { node, session: number(session)?, received: number(received)? })
    }
}

/// Whether a value has the form of a session token, valid or not.
pub fn is_session_token(value: &str) -> bool {
    value.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_key_still_reads_and_does_not_sign() {
        let token = SessionToken { node: "a".into(), session: 7, received: 0 };
        let (former, current) = (TokenKey::new(&[1; 32]), TokenKey::new(&[2; 32]));
        let both = TokenKey::new(&[2; 32]).with_former(std::iter::once(&[1; 32][..]));
        assert_eq!(both.read(&former.sign(&token)), Some(token.clone()));
        assert_eq!(both.sign(&token), current.sign(&token));
        assert_eq!(current.read(&former.sign(&token)), None);
    }

    #[test]
    fn a_token_is_read_back_and_one_that_was_tampered_with_is_not() {
        let key = TokenKey::new(b"a key");
        let token = SessionToken { node: "node.a".into(), session: 77, received: 9 };
        let text = key.sign(&token);
        assert!(is_session_token(&text));
        assert_eq!(key.read(&text), Some(token));
        assert_eq!(key.read(&text.replace(".4d.", ".4e.")), None);
        assert_eq!(key.read(&text.replace(".9.", ".8.")), None);
        assert_eq!(TokenKey::new(b"another").read(&text), None);
        for garbage in ["", "lp1.", "lp1...", "lp1.a.b.c", "null"] {
            assert_eq!(key.read(garbage), None, "{garbage}");
        }
    }
}
