//! A session in a few numbers: what trends and overviews are made of.

use std::collections::BTreeSet;

use super::figures::{SessionReport, StudentRow};

/// What is left of a report when many sessions are looked at together.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSummary {
    pub session_id: String,
    pub opened_at_ms: i64,
    pub evenness: Option<f64>,
    pub students: Vec<StudentSummary>,
}

/// One student in one session; fields as in [`StudentRow`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StudentSummary {
    pub student_id: String,
    pub attended_s: f64,
    pub could_play_s: f64,
    pub notes: u64,
    pub notes_per_minute: Option<f64>,
    pub notes_share: Option<f64>,
    pub turns: u64,
    pub offset_median_ms: Option<f64>,
    pub within_50_ms_share: Option<f64>,
    pub assigned_beats_hit_share: Option<f64>,
}

impl SessionReport {
    #[must_use]
    pub fn summary(&self) -> SessionSummary {
        let voices = self.analytics.share_of_voice.iter().map(|voice| voice.notes_share);
        SessionSummary {
            session_id: self.session.session_id.clone(),
            opened_at_ms: self.session.opened_at_ms,
            evenness: self.analytics.evenness,
            students: self.students.iter().zip(voices).map(|(row, notes_share)| row.summary(notes_share)).collect(),
        }
    }
}

impl StudentRow {
    fn summary(&self, notes_share: Option<f64>) -> StudentSummary {
        StudentSummary {
            student_id: self.student_id.clone(),
            attended_s: self.attended_s,
            could_play_s: self.could_play_s,
            notes: self.notes,
            notes_per_minute: self.notes_per_minute,
            notes_share,
            turns: self.turns,
            offset_median_ms: self.offset_median_ms,
            within_50_ms_share: self.within_50_ms_share,
            assigned_beats_hit_share: self.assigned_beats_hit_share,
        }
    }
}

/// Groups of fewer people are not told of outside their room: with four, who is missing from a figure is soon guessed.
pub(super) const GROUP_MIN: usize = 5;

/// Which groups of one whole must not be told of, given who is in each.
///
/// First those of fewer than five people. Then, because somebody may know the whole and subtract what is told, more of
/// them, the smallest first, until what is hidden is either nothing, or two groups at least and five people at least
/// together: what can be computed then is about no smaller group than what is told.
pub(super) fn hidden<P: Ord + Clone>(groups: &[BTreeSet<P>]) -> Vec<bool> {
    let mut hidden: Vec<bool> = groups.iter().map(|group| group.len() < GROUP_MIN).collect();
    loop {
        let of_hidden = || groups.iter().zip(&hidden).filter(|(_, is_hidden)| **is_hidden).map(|(group, _)| group);
        let people: BTreeSet<&P> = of_hidden().flatten().collect();
        // One hidden group alone is of fewer: those of five people are two groups at least.
        let is_safe = of_hidden().next().is_none() || people.len() >= GROUP_MIN;
        let smallest_shown = groups
            .iter()
            .enumerate()
            .filter(|(at, _)| !hidden[*at])
            .min_by_key(|(_, group)| group.len())
            .map(|(at, _)| at);
        match smallest_shown {
            Some(at) if !is_safe => hidden[at] = true,
            _ => return hidden,
        }
    }
}
