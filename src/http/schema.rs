//! The JSON that other modules read and write, described for the OpenAPI document.
#![expect(dead_code, reason = "these types describe; the room and its conductor have the real ones")]

use serde_json::Value;
use utoipa::ToSchema;

/// What a new room shall be.
#[derive(ToSchema)]
#[schema(example = json!({"name": "Tuesday band", "bpm": 96}))]
pub(super) struct NewRoom {
    /// Beats a minute. Default: the tenant's `default_bpm`.
    #[schema(minimum = 1, maximum = 299)]
    bpm: Option<u32>,
    /// Whether the first join starts the clock. Default: true.
    autostart: Option<bool>,
    /// Default: 4.
    #[schema(minimum = 1, maximum = 64)]
    beats_per_bar: Option<u32>,
    /// Default: the tenant's `max_students_per_room`.
    #[schema(minimum = 1, maximum = 10_000)]
    max_students: Option<u32>,
    /// Printable characters.
    #[schema(max_length = 100)]
    name: Option<String>,
}

/// What shall change; the rest stays.
#[derive(ToSchema)]
#[schema(example = json!({"bpm": 120, "locked": true}))]
pub(super) struct RoomChanges {
    /// Beats a minute, from now on.
    #[schema(minimum = 1, maximum = 299)]
    bpm: Option<u32>,
    autostart: Option<bool>,
    #[schema(minimum = 1, maximum = 10_000)]
    max_students: Option<u32>,
    /// Printable characters.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Whether newcomers are refused.
    locked: Option<bool>,
}

/// A room as it stands.
#[derive(ToSchema)]
pub(super) struct Room {
    /// The code that people join with.
    #[schema(example = "MUSIC-1234")]
    room_id: String,
    name: String,
    /// Beats a minute; during a ramp, those it leads to.
    #[schema(minimum = 1, maximum = 299)]
    bpm: u32,
    #[schema(minimum = 1, maximum = 64)]
    beats_per_bar: u32,
    /// Whether the clock runs.
    playing: bool,
    /// Who made the room.
    teacher_id: String,
    /// How many people are in it.
    members: u32,
    settings: RoomSettings,
    /// Milliseconds since 1970.
    created_at: i64,
    /// Milliseconds since 1970.
    last_active_at: i64,
}

/// What the teacher chose.
#[derive(ToSchema)]
pub(super) struct RoomSettings {
    autostart: bool,
    max_students: u32,
    locked: bool,
    name: String,
}

/// A page of rooms.
#[derive(ToSchema)]
pub(super) struct RoomPage {
    rooms: Vec<Room>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
}

/// Who enters.
#[derive(ToSchema)]
#[schema(example = json!({"name": "Bob"}))]
pub(super) struct GuestName {
    /// What the others see: printable characters.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// Messages, sent in their order.
#[derive(ToSchema)]
#[schema(example = json!({"messages": [{"topic": "lobby", "event": "cursor", "payload": {"x": 1}}]}))]
pub(super) struct BroadcastBatch {
    #[schema(min_items = 1, max_items = 100)]
    messages: Vec<BroadcastMessage>,
}

/// What everybody on a topic hears.
#[derive(ToSchema)]
pub(super) struct BroadcastMessage {
    /// The topic's name without the `realtime:` that it has on sockets.
    #[schema(min_length = 1, max_length = 246)]
    topic: String,
    #[schema(min_length = 1, max_length = 255)]
    event: String,
    /// Any JSON but null, of the length that the tenant allows.
    payload: Value,
    /// Whether the private topic of that name is meant. Default: false.
    private: Option<bool>,
}
