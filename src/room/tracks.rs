//! What connections show of themselves in presence beside what the room says of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    applied::{Applied, MemberChange},
    connections::ByConnection,
    permission::Refusal,
    state::{Member, Members, Room},
};

/// The most that all connections of a room may show together, in bytes of JSON text. A node says in one message
/// (of 1 MiB at most) who is in the room, and in a roll call twice.
pub const TRACKED_BYTES_MAX: usize = 256 << 10;

/// What a connection shows of itself, in place of its plain meta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Counts the connection's changes from 1, so that no two of its metas bear one name, and the later one is known.
    pub version: u64,
    /// The version of the meta that this one has replaced; 0 is the plain one.
    pub replaces: u64,
    /// The JSON text of an object; None: the plain meta is shown again.
    pub fields: Option<Arc<str>>,
}

impl Member {
    /// What this connection shows of itself; None for the plain meta.
    #[must_use]
    pub fn tracked(&self, connection: u64) -> Option<(&Track, &Arc<str>)> {
        let track = self.tracks.get(&connection)?;
        Some((track, track.fields.as_ref()?))
    }

    /// Parts with connections, and with what they show.
    pub(crate) fn retain_connections(&mut self, stays: impl Fn(u64) -> bool) {
        self.connections.retain(&stays);
        self.tracks.retain(&stays);
    }
}

impl Room {
    /// What a connection shows of itself from now on, as the JSON text of an object; None: its plain meta again. The
    /// same as before changes nothing.
    ///
    /// # Errors
    /// `unknown student` for a connection that is not this student's, `payload_size_exceeded` where the room's
    /// connections would show more than [`TRACKED_BYTES_MAX`] together; the room is then unchanged.
    pub fn track(&mut self, student_id: &str, connection: u64, fields: Option<&Arc<str>>) -> Result<Applied, Refusal> {
        let is_here = |member: &&Member| member.connections.contains(&connection);
        let member = self.members.get(student_id).filter(is_here).ok_or(Refusal::UnknownStudent)?;
        let shown = member.tracked(connection);
        let mut applied = self.begin_with_members();
        if shown.map(|(_, shown)| shown) == fields {
            return Ok(applied);
        }
        let freed = shown.map_or(0, |(_, shown)| shown.len());
        let added = fields.map_or(0, |fields| fields.len());
        if added > freed && tracked_bytes(&self.members) - freed + added > TRACKED_BYTES_MAX {
            return Err(Refusal::TrackedTooMuch);
        }
        let track = Track {
            version: member.tracks.get(&connection).map_or(0, |track| track.version) + 1,
            replaces: shown.map_or(0, |(track, _)| track.version),
            fields: fields.cloned(),
        };
        self.touch(student_id, &mut applied);
        if let Some(member) = self.members.get_mut(student_id) {
            member.tracks.insert(connection, track);
        }
        applied.member_changes.push(MemberChange::Changed { student_id: student_id.to_owned() });
        Ok(applied)
    }
}

/// Takes over what another node knows of a member's connections, where it knows of something later and there is space;
/// true where it did.
pub(crate) fn adopt_tracks(members: &mut Members, student_id: &str, known: &ByConnection<Track>) -> bool {
    if known.is_empty() {
        return false;
    }
    let mut bytes = tracked_bytes(members);
    let Some(member) = members.get_mut(student_id) else { return false };
    let mut has_adopted = false;
    for (connection, track) in known.iter().filter(|(connection, _)| member.connections.contains(connection)) {
        let present = member.tracks.get(connection);
        let with_it = bytes - present.map_or(0, Track::bytes) + track.bytes();
        if present.is_some_and(|present| present.version >= track.version) || with_it > TRACKED_BYTES_MAX {
            continue;
        }
        bytes = with_it;
        member.tracks.insert(*connection, track.clone());
        has_adopted = true;
    }
    has_adopted
}

impl Track {
    fn bytes(&self) -> usize {
        self.fields.as_ref().map_or(0, |fields| fields.len())
    }
}

fn tracked_bytes(members: &Members) -> usize {
    members.values().flat_map(|member| member.tracks.values()).map(Track::bytes).sum()
}
