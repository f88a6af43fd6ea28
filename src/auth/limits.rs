//! What one tenant may use.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Problem;

/// A tenant's limits. Missing ones take their default; unknown ones are errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Sockets and long-poll sessions at once, 1 to 1,000,000.
    pub max_concurrent_users: u32,
    /// 1 to 100,000.
    pub max_joins_per_second: u32,
    /// Topics joined on one socket, 1 to 10,000.
    pub max_channels_per_client: u32,
    /// Client messages, 1 to 1,000,000; beats and fan-out are exempt.
    pub max_events_per_second: u32,
    /// The payload of one push, 1 KiB to 16 MiB.
    pub max_payload_bytes: u32,
    /// Live rooms, 1 to 100,000.
    pub max_rooms_per_tenant: u32,
    /// 1 to 10,000.
    pub max_students_per_room: u32,
    /// Per room and student, counted by each gateway, 1 to 1,000.
    pub notes_per_second: u32,
    /// The same for a teacher, 1 to 1,000.
    pub teacher_notes_per_second: u32,
    /// The tempo of a room that was made without one, 1 to 299.
    pub default_bpm: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_users: 200,
            max_joins_per_second: 100,
            max_channels_per_client: 100,
            max_events_per_second: 2_000,
            max_payload_bytes: 256 * 1024,
            max_rooms_per_tenant: 100,
            max_students_per_room: 60,
            notes_per_second: 10,
            teacher_notes_per_second: 50,
            default_bpm: 120,
        }
    }
}

impl Limits {
    /// Every limit that is out of its range.
    pub fn problems(&self) -> Vec<Problem> {
        let checks: [(&str, u32, RangeInclusive<u32>); 10] = [
            ("max_concurrent_users", self.max_concurrent_users, 1..=1_000_000),
            ("max_joins_per_second", self.max_joins_per_second, 1..=100_000),
            ("max_channels_per_client", self.max_channels_per_client, 1..=10_000),
            ("max_events_per_second", self.max_events_per_second, 1..=1_000_000),
            ("max_payload_bytes", self.max_payload_bytes, 1_024..=16 * 1024 * 1024),
            ("max_rooms_per_tenant", self.max_rooms_per_tenant, 1..=100_000),
            ("max_students_per_room", self.max_students_per_room, 1..=10_000),
            ("notes_per_second", self.notes_per_second, 1..=1_000),
            ("teacher_notes_per_second", self.teacher_notes_per_second, 1..=1_000),
            ("default_bpm", self.default_bpm, 1..=299),
        ];
        checks
            .into_iter()
            .filter(|(_, value, range)| !range.contains(value))
            .map(|(name, value, range)| {
                let must = format!("must be an integer from {} to {}", range.start(), range.end());
                Problem::value(name, value, must)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_own_ranges() {
        assert_eq!(Limits::default().problems(), []);
    }

    #[test]
    fn every_limit_out_of_range_is_named() {
        let limits = Limits { default_bpm: 300, notes_per_second: 0, ..Limits::default() };
        let names: Vec<_> = limits.problems().into_iter().map(|problem| problem.setting).collect();
        assert_eq!(names, ["notes_per_second", "default_bpm"]);
    }

    #[test]
    fn an_unknown_limit_is_an_error_that_names_it() {
        let error = serde_json::from_str::<Limits>(r#"{"max_pianos": 3}"#).unwrap_err();
        assert!(error.to_string().contains("max_pianos"));
    }
}
