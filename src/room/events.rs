//! The names of everything that a room itself tells its members.

/// Every event that only a room sends. Nobody else may say these names in a room.
const EVENTS: [&str; 27] = [
    "beat",
    "timeline",
    "beat_assignments",
    "tempo_changed",
    "clock_started",
    "clock_stopped",
    "clock_reset",
    "clock_lost",
    "clock_restored",
    "meter_changed",
    "student_note",
    "student_muted",
    "student_unmuted",
    "student_removed",
    "removed_from_room",
    "beat_assigned",
    "beat_assignment_updated",
    "role_assigned",
    "room_locked",
    "room_unlocked",
    "room_closed",
    "settings_changed",
    "hand_raised",
    "hand_lowered",
    "control_lost",
    "participation",
    "system",
];

/// Whether `event` is the room's own; what begins with `phx_` or `presence` is the protocol's, and reserved as well.
pub fn is_reserved(event: &str) -> bool {
    // As JavaScript does, which folds the Kelvin sign into a k: the clients compare names in lower case.
    let lower = event.to_lowercase();
    EVENTS.contains(&&*lower) || lower.starts_with("phx_") || lower.starts_with("presence")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_reserved_however_its_letters_are_written() {
        for event in ["beat", "BEAT", "Clock_Stopped", "cloc\u{212a}_stopped", "phx_reply", "presence_diff", "Presence"]
        {
            assert!(is_reserved(event), "{event}");
        }
        for event in ["", "cursor", "beats", "my_beat", "play_note"] {
            assert!(!is_reserved(event), "{event}");
        }
    }
}
