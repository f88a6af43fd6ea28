//! Where the members' connections end, beside the room's own list of who is in it.

use std::collections::{BTreeSet, HashMap};

use crate::{
    room::{Member, MemberChange, Members},
    store::{Home, MemberRecord, MemberWrite},
};

/// The home of every connection of a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Homes(HashMap<u64, Home>);

impl Homes {
    /// Members as they were stored or told, taken apart into the room's list and the homes.
    pub fn settle(records: &[MemberRecord]) -> (Members, Self) {
        let mut members = Members::new();
        let mut homes = Self::default();
        for record in records.iter().filter(|record| !record.connections.is_empty()) {
            members.insert(member_of(record));
            homes.0.extend(record.connections.iter().map(|(connection, home)| (*connection, home.clone())));
        }
        (members, homes)
    }

    pub fn insert(&mut self, connection: u64, home: Home) {
        self.0.insert(connection, home);
    }

    pub fn remove(&mut self, connection: u64) {
        self.0.remove(&connection);
    }

    pub fn get(&self, connection: u64) -> Option<&Home> {
        self.0.get(&connection)
    }

    /// Forgets the homes of connections that are nobody's any more.
    pub fn keep_only(&mut self, members: &Members) {
        let live: BTreeSet<u64> = members.values().flat_map(|member| &member.connections).copied().collect();
        self.0.retain(|connection, _| live.contains(connection));
    }

    /// Every process that connections end on.
    pub fn processes(&self) -> BTreeSet<&Home> {
        self.0.values().collect()
    }

    /// The connections that end on these processes.
    pub fn connections_on(&self, gone: &BTreeSet<Home>) -> Vec<u64> {
        self.0.iter().filter(|(_, home)| gone.contains(home)).map(|(connection, _)| *connection).collect()
    }

    pub fn record_of(&self, member: &Member) -> MemberRecord {
        let connections = member.connections.iter();
        MemberRecord {
            student_id: member.student_id.clone(),
            name: member.name.clone(),
            role: member.role,
            hand: member.hand,
            joined_at_us: member.joined_at_us,
            connections: connections.filter_map(|id| Some((*id, self.0.get(id)?.clone()))).collect(),
            tracks: member.tracks.clone(),
        }
    }

    pub fn records(&self, members: &Members) -> Vec<MemberRecord> {
        members.values().map(|member| self.record_of(member)).collect()
    }

    /// What is to be stored after these changes.
    pub fn writes(&self, members: &Members, changes: &[MemberChange]) -> Vec<MemberWrite> {
        let touched: BTreeSet<&str> = changes.iter().map(student_of).collect();
        let write = |student_id: &str| MemberWrite {
            student_id: student_id.to_owned(),
            member: members.get(student_id).map(|member| self.record_of(member)),
        };
        touched.into_iter().map(write).collect()
    }
}

/// The member of a record, without the homes.
pub(super) fn member_of(record: &MemberRecord) -> Member {
    Member {
        student_id: record.student_id.clone(),
        name: record.name.clone(),
        role: record.role,
        hand: record.hand,
        joined_at_us: record.joined_at_us,
        connections: record.connections.keys().copied().collect(),
        tracks: record.tracks.clone(),
    }
}

fn student_of(change: &MemberChange) -> &str {
    let (MemberChange::Joined { student_id, .. }
    | MemberChange::Left { student_id, .. }
    | MemberChange::Changed { student_id }) = change;
    student_id
}
