//! Which of the values that a request carries is its token.

/// What Supabase's publishable and secret keys begin with. No JSON Web Token does: they begin with base64 of `{`.
const OPAQUE_PREFIX: &str = "sb_";

/// Whether this is one of Supabase's newer keys, in which nothing can be read.
pub fn is_opaque_key(value: &str) -> bool {
    value.starts_with(OPAQUE_PREFIX)
}

/// The token among `values`, which come in the order in which they count: the first that is not empty.
///
/// An opaque key counts only where there is nothing else, because clients send it as `apikey` beside the token.
pub fn pick_token(values: impl IntoIterator<Item = impl AsRef<str>>) -> Option<String> {
    let mut opaque = None;
    for value in values {
        let value = value.as_ref().trim();
        if is_opaque_key(value) {
            opaque.get_or_insert_with(|| value.to_owned());
        } else if !value.is_empty() {
            return Some(value.to_owned());
        }
    }
    opaque
}

/// The token of an `Authorization` header's value; None for any other scheme than `Bearer`.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts_that_is_neither_empty_nor_an_opaque_key() {
        assert_eq!(pick_token(["", " a ", "b"]).as_deref(), Some("a"));
        assert_eq!(pick_token(["sb_publishable_x", "", "b"]).as_deref(), Some("b"));
        assert_eq!(pick_token(["a", "sb_publishable_x"]).as_deref(), Some("a"));
    }

    #[test]
    fn an_opaque_key_alone_counts_so_that_the_refusal_can_speak_of_it() {
        assert_eq!(pick_token(["", "sb_publishable_x", "sb_secret_y"]).as_deref(), Some("sb_publishable_x"));
        assert_eq!(pick_token(["", " "]), None);
    }
}
