//! A name from outside, as a refusal may repeat it.

use std::{fmt, sync::Arc};

use super::claims::is_printable;

/// The longest tenant's name that is repeated, in characters: what an id may have.
const TENANT_CHARS_MAX: usize = 63;
/// The longest host that is repeated, in characters: what DNS allows, and a port.
const HOST_CHARS_MAX: usize = 253 + 6;

/// What a request called its tenant or its host: repeated where it is short and visible, else only described,
/// because it stands in logs and on people's screens.
///
/// Displays as what may follow a noun: `` `acmee` ``, or `with an empty name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Plain(Arc<str>),
    Empty,
    Long { chars: usize },
    Unprintable,
}

impl Named {
    /// A tenant's name as a claim has it.
    pub fn tenant(name: &str) -> Self {
        Self::within(name, TENANT_CHARS_MAX)
    }

    /// A host as its header has it.
    pub fn host(name: &str) -> Self {
        Self::within(name, HOST_CHARS_MAX)
    }

    fn within(name: &str, chars_max: usize) -> Self {
        let chars = name.chars().count();
        Self(match chars {
            0 => Form::Empty,
            _ if chars > chars_max => Form::Long { chars },
            _ if name.chars().all(is_printable) => Form::Plain(name.into()),
            _ => Form::Unprintable,
        })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Plain(name) => write!(f, "`{name}`"),
            Form::Empty => f.write_str("with an empty name"),
            Form::Long { chars } => write!(f, "with a name of {chars} characters"),
            Form::Unprintable => f.write_str("with a name of unprintable characters"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_repeated_where_it_is_short_and_visible_and_described_where_not() {
        assert_eq!(Named::tenant("acmee").to_string(), "`acmee`");
        assert_eq!(Named::tenant(&"é".repeat(63)).to_string(), format!("`{}`", "é".repeat(63)));
        assert_eq!(Named::tenant(&"é".repeat(64)).to_string(), "with a name of 64 characters");
        assert_eq!(Named::tenant("").to_string(), "with an empty name");
        for hidden in ["a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{200b}"] {
            assert_eq!(Named::tenant(hidden).to_string(), "with a name of unprintable characters");
        }
        let longest_host = format!("{}:65535", "h".repeat(253));
        assert_eq!(Named::host(&longest_host).to_string(), format!("`{longest_host}`"));
        assert_eq!(Named::host(&format!("{longest_host}0")).to_string(), "with a name of 260 characters");
    }
}
