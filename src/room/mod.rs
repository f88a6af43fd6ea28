//! What a room is and which rules it keeps: `(state, command, now) → effects`, nothing else.
//!
//! No I/O, no clock, no knowledge of sockets: the conductor feeds it and carries out what it answers.
//!
//! Where to look: what can be asked stands in `control.rs` and `requests.rs`, how it is read in `parse.rs`; who may
//! ask in `permission.rs`; what it does in `apply.rs`, and from there in `clock.rs`, `people.rs`, `assignments.rs`,
//! `membership.rs` and `tracks.rs`; what clients see of it in `view.rs`.
//!
//! **The place of activities.** A room holds at most one activity (a game: turns, patterns, call and response) with
//! its own pure state. It will stand in [`Controls`] as `activity: Option<Activity>`, so that it survives the
//! conductor, its controls will come as one more variant of [`Control`], dispatched in `apply.rs`, and its rule
//! about notes will be asked last in [`Controls::may_play`].

mod applied;
mod apply;
mod assignments;
mod by_student;
mod change;
mod clock;
mod code;
mod connections;
mod control;
mod difference;
mod events;
mod fields;
mod membership;
mod parse;
mod pattern;
mod people;
mod permission;
mod requests;
mod role;
mod state;
mod tracks;
mod view;

pub use applied::{Applied, Ejected, MemberChange, RoomEvent};
pub use by_student::{ByStudent, Person};
pub use code::{Code, CodeLength, InvalidCode, RoomKey};
pub use connections::{ByConnection, Connections};
pub use control::{Actor, Bpm, ChangeSettings, Control, CreateRoom, Place, Quantise};
pub use difference::difference;
pub use events::is_reserved;
pub use fields::{BadField, is_student_id};
pub use membership::{EMPTY_ROOM_LIFETIME_US, Join};
pub use pattern::{is_assigned, nearest_beat, pattern_length, place_of_beat};
pub use permission::Refusal;
pub use requests::{ClockReport, ClockSync, Competency, JoinParams, Note, PlayedAt, Reflection, ReflectionType};
pub use role::{RoomRole, TokenRole, UnknownRole};
pub use state::{Controls, Member, MemberRole, Members, Room, Settings};
pub(crate) use tracks::adopt_tracks;
pub use tracks::{TRACKED_BYTES_MAX, Track};
pub use view::{BeatView, MemberView, MilliBpm, Moment, NoteView, Source, TimelineView, beats, ms};
