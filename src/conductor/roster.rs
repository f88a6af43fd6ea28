//! Who is in a room, for Phoenix Presence and for the teacher's live participation.

use serde_json::{Map, Value, json};

use super::notes::NoteBook;
use crate::{
    protocol::presence::{Meta, Presences},
    room::{MemberChange, Members, TokenRole, ms},
};

/// The presences of a room on this gateway, and what its members have not been told yet.
#[derive(Debug, Default)]
pub struct Roster(Presences);

impl Roster {
    pub(super) fn of(members: &Members) -> Self {
        let mut roster = Self::default();
        for member in members.values() {
            for connection in &member.connections {
                let meta = meta(*connection, &member.name, member.role, member.joined_at_us);
                roster.0.join(&member.student_id, meta);
            }
        }
        roster
    }

    pub(super) fn note(&mut self, change: &MemberChange) {
        match change {
            MemberChange::Joined { student_id, connection, name, role, joined_at_us, .. } => {
                self.0.join(student_id, meta(*connection, name, *role, *joined_at_us));
            }
            MemberChange::Left { student_id, connection, .. } => {
                self.0.leave(student_id, &phx_ref(*connection));
            }
            // A hand is told by its own event, and a meta never changes.
            MemberChange::Changed { .. } => {}
        }
    }

    /// What changed since the last call, in Phoenix' form.
    pub(super) fn take_diff(&mut self) -> Option<String> {
        self.0.take_diff_json()
    }

    /// Everybody, in Phoenix' form.
    pub fn state_json(&mut self) -> String {
        self.0.state_json()
    }
}

fn meta(connection: u64, name: &str, role: TokenRole, joined_at_us: i64) -> Meta {
    let mut fields = Map::new();
    fields.insert("name".into(), name.into());
    fields.insert("role".into(), json!(role));
    fields.insert("joined_at".into(), json!(ms(joined_at_us)));
    Meta::new(&phx_ref(connection), None, fields)
}

/// A connection has one meta for its whole life, so its own number names it on every node.
fn phx_ref(connection: u64) -> String {
    format!("{connection:x}")
}

/// Who has played how much, and who not yet; the payload of `participation`.
pub(super) fn participation(members: &Members, notes: &NoteBook) -> String {
    let students = || members.values().filter(|member| member.role == TokenRole::Student);
    let rows: Vec<Value> = students()
        .map(|member| {
            let (count, last_us) = notes.of(&member.student_id);
            json!({
                "student_id": member.student_id,
                "name": member.name,
                "notes": count,
                "last_note_at": (count > 0).then(|| ms(last_us)),
            })
        })
        .collect();
    let not_yet: Vec<&str> =
        students().map(|member| member.student_id.as_str()).filter(|id| notes.of(id).0 == 0).collect();
    json!({ "students": rows, "not_yet": not_yet }).to_string()
}
