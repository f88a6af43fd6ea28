//! Which reign of a room inherited what from the one before: by this it is known whether an acknowledged change that
//! somebody still knows of has been kept, may be put back, or is lost.
//!
//! Comparing the numbers of changes alone does not tell: after a store has lost the last of one reign, the next may have
//! made others under the same numbers.
//!
//! PURE.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Reigns remembered.
pub const LINEAGE_MAX: usize = 16;

/// The beginning of a reign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    pub epoch: u64,
    pub nonce: u64,
    /// The rev of the controls that the reign began with.
    pub inherited_rev: u64,
}

/// The last reigns of a room, the oldest first. As text `<epoch>:<nonce>:<inherited rev>`, separated by spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Lineage(Vec<Succession>);

/// What became of an acknowledged change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    /// It is not there, and nothing has been changed since: it may be put back.
    MayBePutBack,
    /// It is not there, and other changes stand in its place.
    Lost,
}

/// A text that is no lineage's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no lineage: it must be <epoch>:<nonce>:<rev>, separated by spaces")]
pub struct BadLineage(String);

impl Lineage {
    /// Of a room that has just been made.
    pub fn founded(epoch: u64, nonce: u64) -> Self {
        Self(vec![Succession { epoch, nonce, inherited_rev: 0 }])
    }

    /// The reign that these are the predecessors of: of it, and of later ones, this lineage knows nothing.
    pub fn present(&self) -> Option<(u64, u64)> {
        self.0.last().map(|last| (last.epoch, last.nonce))
    }

    /// Another reign has begun.
    pub fn succeed(&mut self, succession: Succession) {
        self.0.push(succession);
        let surplus = self.0.len().saturating_sub(LINEAGE_MAX);
        self.0.drain(..surplus);
    }

    /// The last reign has been given more than it began with.
    pub fn inherit(&mut self, rev: u64) {
        if let Some(last) = self.0.last_mut() {
            last.inherited_rev = rev;
        }
    }

    /// What became of the change `rev` of the reign (`epoch`, `nonce`), now that the controls are at `current_rev`.
    ///
    /// A reign that is not among these, and is not later either, is none of their predecessors: a store that had lost
    /// everything was given the room back from before it, and the same numbers may stand for other changes since.
    pub fn fate(&self, epoch: u64, nonce: u64, rev: u64, current_rev: u64) -> Fate {
        let number = |reign: &Succession| (reign.epoch, reign.nonce);
        let mut rest = self.0.iter().skip_while(|reign| number(reign) < (epoch, nonce));
        match (rest.next().map(number), rest.next()) {
            (None, _) => Fate::Kept,
            (Some(found), _) if found != (epoch, nonce) => Fate::Lost,
            (_, None) => Fate::Kept,
            (_, Some(next)) if next.inherited_rev >= rev => Fate::Kept,
            (_, Some(next)) if next.inherited_rev == current_rev => Fate::MayBePutBack,
            (_, Some(_)) => Fate::Lost,
        }
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Succession { epoch, nonce, inherited_rev }) in self.0.iter().enumerate() {
            let separator = if at > 0 { " " } else { "" };
            write!(f, "{separator}{epoch}:{nonce}:{inherited_rev}")?;
        }
        Ok(())
    }
}

impl FromStr for Lineage {
    type Err = BadLineage;

    fn from_str(text: &str) -> Result<Self, BadLineage> {
        let read = |part: &str| {
            let mut numbers = part.split(':').map(str::parse::<u64>);
            let mut number = || numbers.next()?.ok();
            let succession = Succession { epoch: number()?, nonce: number()?, inherited_rev: number()? };
            numbers.next().is_none().then_some(succession)
        };
        let successions: Option<Vec<_>> = text.split_ascii_whitespace().map(read).collect();
        let mut successions = successions.ok_or_else(|| BadLineage(text.to_owned()))?;
        let surplus = successions.len().saturating_sub(LINEAGE_MAX);
        successions.drain(..surplus);
        Ok(Self(successions))
    }
}

impl From<Lineage> for String {
    fn from(lineage: Lineage) -> Self {
        lineage.to_string()
    }
}

impl TryFrom<String> for Lineage {
    type Error = BadLineage;

    fn try_from(text: String) -> Result<Self, BadLineage> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage() -> Lineage {
        // Reign 20 lost what reign 10 had acknowledged after 5; reign 30 began with all that 20 had done.
        "10:1:0 20:2:5 30:3:7".parse().expect("a lineage")
    }

    #[test]
    fn what_the_next_reign_inherited_is_kept_whatever_came_since() {
        assert_eq!(lineage().fate(10, 1, 5, 9), Fate::Kept);
        assert_eq!(lineage().fate(20, 2, 7, 9), Fate::Kept);
        assert_eq!(lineage().fate(30, 3, 9, 9), Fate::Kept);
    }

    #[test]
    fn what_the_next_reign_did_not_inherit_is_lost_even_under_a_number_that_was_used_again() {
        assert_eq!(lineage().fate(10, 1, 6, 9), Fate::Lost);
        assert_eq!(lineage().fate(10, 1, 7, 7), Fate::Lost);
    }

    #[test]
    fn nothing_of_a_reign_that_is_no_predecessor_is_taken_for_kept_or_put_back_over_what_came_instead() {
        assert_eq!(lineage().fate(25, 1, 6, 7), Fate::Lost);
        assert_eq!(lineage().fate(25, 1, 8, 7), Fate::Lost);
        assert_eq!(lineage().fate(40, 1, 8, 7), Fate::Kept, "of a later reign it knows nothing");
    }

    #[test]
    fn as_long_as_nobody_has_changed_anything_since_it_may_be_put_back() {
        let mut lineage: Lineage = "10:1:0 20:2:5".parse().expect("a lineage");
        assert_eq!(lineage.fate(10, 1, 6, 5), Fate::MayBePutBack);
        lineage.succeed(Succession { epoch: 30, nonce: 3, inherited_rev: 5 });
        assert_eq!(lineage.fate(10, 1, 6, 5), Fate::MayBePutBack);
        assert_eq!(lineage.fate(10, 1, 6, 6), Fate::Lost);
        let mut restored: Lineage = "10:1:0 20:2:5".parse().expect("a lineage");
        restored.inherit(6);
        assert_eq!(restored.fate(10, 1, 6, 6), Fate::Kept);
    }

    #[test]
    fn a_lineage_is_read_as_it_was_written_and_remembers_the_last_reigns() {
        assert_eq!(lineage().to_string(), "10:1:0 20:2:5 30:3:7");
        assert_eq!(lineage().present(), Some((30, 3)));
        assert_eq!("".parse(), Ok(Lineage::default()));
        for bad in ["1", "1:2", "1:2:3:4", "a:b:c", "1:2:-3"] {
            assert_eq!(bad.parse::<Lineage>(), Err(BadLineage(bad.to_owned())));
        }
        let mut long = Lineage::founded(1, 1);
        (2..100).for_each(|epoch| long.succeed(Succession { epoch, nonce: 1, inherited_rev: epoch }));
        assert_eq!(long.0.len(), LINEAGE_MAX);
        assert_eq!(long.to_string().parse(), Ok(long));
    }
}
