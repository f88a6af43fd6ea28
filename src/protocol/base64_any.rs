//! Base64 as browsers, Elixir and others write it: either alphabet, padded or not.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD_ANY: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL_SAFE_ANY: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// The octets of `text`, or `None` when it is not Base64. A text that mixes the alphabets is not.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let engine = if text.iter().any(|byte| matches!(byte, b'-' | b'_')) { URL_SAFE_ANY } else { STANDARD_ANY };
    engine.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_read_padded_or_not() {
        for text in ["++//8A==", "++//8A", "--__8A==", "--__8A"] {
            let octets = decode(text.as_bytes());
            assert_eq!(octets.as_deref(), Some(&[0xfb, 0xef, 0xff, 0xf0][..]), "{text}");
        }
    }

    #[test]
    fn other_text_is_not_read() {
        for text in ["a", "ab!c", "a b=", "-_+/", "{\"a\":1}"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
