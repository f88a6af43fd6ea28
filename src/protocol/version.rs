//! The serializer that a client asks for with the query value `vsn`.

use thiserror::Error;

/// One of the two forms in which Phoenix frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vsn {
    /// `vsn` 1.0.x, and what a client that names none gets: frames are JSON objects.
    V1,
    /// `vsn` 2.0.x: frames are JSON arrays, or binary.
    V2,
}

/// A `vsn` that is not spoken here. The handshake is refused with HTTP 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("vsn is not spoken here; ask for 1.0.0 or 2.0.0")]
pub struct BadVsn;

impl Vsn {
    /// Reads the query value `vsn`; absent means `1.0.0`.
    ///
    /// The patch number is one to nine digits without a leading zero, as in semantic versions;
    /// pre-releases and build tags are refused.
    pub fn parse(vsn: Option<&str>) -> Result<Vsn, BadVsn> {
        let Some(vsn) = vsn else { return Ok(Vsn::V1) };
        let (version, patch) = if let Some(patch) = vsn.strip_prefix("1.0.") {
            (Vsn::V1, patch)
        } else if let Some(patch) = vsn.strip_prefix("2.0.") {
            (Vsn::V2, patch)
        } else {
            return Err(BadVsn);
        };
        let digits = (1..=9).contains(&patch.len()) && patch.bytes().all(|b| b.is_ascii_digit());
        if digits && (patch == "0" || !patch.starts_with('0')) { Ok(version) } else { Err(BadVsn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_vsn_is_version_one() {
        assert_eq!(Vsn::parse(None), Ok(Vsn::V1));
    }

    #[test]
    fn any_patch_of_the_two_versions_is_accepted() {
        assert_eq!(Vsn::parse(Some("1.0.0")), Ok(Vsn::V1));
        assert_eq!(Vsn::parse(Some("1.0.17")), Ok(Vsn::V1));
        assert_eq!(Vsn::parse(Some("2.0.0")), Ok(Vsn::V2));
        assert_eq!(Vsn::parse(Some("2.0.10")), Ok(Vsn::V2));
    }

    #[test]
    fn everything_else_is_refused() {
        let others = [
            "",
            "1",
            "1.0",
            "1.0.",
            "2.0.x",
            "2.0.-1",
            "2.0.+1",
            "2.0.0 ",
            " 2.0.0",
            "2.0.00",
            "2.0.0-rc.1",
            "2.0.0+b",
            "2.0.٣",
            "2.1.0",
            "3.0.0",
            "12.0.0",
            "1.0.0000000000",
            "[]",
            "\u{0}",
        ];
        for other in others {
            assert_eq!(Vsn::parse(Some(other)), Err(BadVsn), "{other:?}");
        }
    }
}
