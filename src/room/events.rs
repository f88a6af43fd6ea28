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
    let lower = event.to_ascii_lowercase();
    EVENTS.contains(&&*lower) || lower.starts_with("phx_") || lower.starts_with("presence")
}
