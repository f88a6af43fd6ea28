//! Who is in a room, for Phoenix Presence and for the teacher's live participation.

use serde_json::{Map, Value, json};

use super::notes::NoteBook;
use crate::{
    protocol::presence::{Meta, Presences},
    room::{Member, Members, TokenRole, Track, ms},
};

/// The presences of a room on this gateway, and what its members have not been told yet.
#[derive(Debug, Default)]
pub struct Roster(Presences);

impl Roster {
    pub(super) fn of(members: &Members) -> Self {
        let mut roster = Self::default();
        roster.follow(&Members::new(), members);
        roster
    }

    /// Of these members, some have become others.
    pub(super) fn follow(&mut self, before: &Members, after: &Members) {
        // Leaves first: a connection may have become another student's.
        for (member, connection) in connections(before) {
            let phx_ref = phx_ref_of(member, connection);
            let stays = |now: &Member| phx_ref_of(now, connection) == phx_ref;
            if !counterpart(after, member, connection).is_some_and(stays) {
                self.0.leave(&member.student_id, &phx_ref);
            }
        }
        for (member, connection) in connections(after) {
            let is_alike = |was: &Member| shown(was, connection) == shown(member, connection);
            if !counterpart(before, member, connection).is_some_and(is_alike) {
                self.0.join(&member.student_id, meta(member, connection));
            }
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

fn connections(members: &Members) -> impl Iterator<Item = (&Member, u64)> {
    members.values().flat_map(|member| member.connections.iter().map(move |connection| (member, *connection)))
}

/// The same person in another list of members, if this connection is there too.
fn counterpart<'a>(members: &'a Members, member: &Member, connection: u64) -> Option<&'a Member> {
    members.get(&member.student_id).filter(|other| other.connections.contains(&connection))
}

/// All that the meta of this connection is made of.
fn shown(member: &Member, connection: u64) -> (&str, TokenRole, i64, Option<&Track>) {
    (&member.name, member.role, member.joined_at_us, member.tracks.get(&connection))
}

/// What the connection shows of itself, and over it what the room says: alike on every node.
fn meta(member: &Member, connection: u64) -> Meta {
    let tracked = member.tracked(connection);
    // It was checked by whoever took it in; an object that is none shows nothing.
    let parsed = tracked.and_then(|(_, fields)| serde_json::from_str(fields).ok());
    let mut fields: Map<String, Value> = parsed.unwrap_or_default();
    fields.insert("name".into(), member.name.as_str().into());
    fields.insert("role".into(), json!(member.role));
    fields.insert("joined_at".into(), json!(ms(member.joined_at_us)));
    let previous = tracked.map(|(track, _)| phx_ref(connection, track.replaces));
    Meta::new(&phx_ref_of(member, connection), previous.as_deref(), fields)
}

fn phx_ref_of(member: &Member, connection: u64) -> String {
    phx_ref(connection, member.tracked(connection).map_or(0, |(track, _)| track.version))
}

/// A connection's own number names its plain meta on every node; each that takes its place has a number too.
fn phx_ref(connection: u64, version: u64) -> String {
    match version {
        0 => format!("{connection:x}"),
        _ => format!("{connection:x}.{version}"),
    }
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
