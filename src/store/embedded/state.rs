//! What the embedded store holds in memory, and the rules by which it changes.
//!
//! Each change first decides, then tells the journal, and only then touches the state:
//! what is refused leaves no trace.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
};

use crate::room::{ByStudent, Code, Controls, RoomKey};
use crate::store::{
    CreateRefused, DONE_PER_ROOM, Done, Fence, Lineage, MemberRecord, MemberWrite, Owned, Restoration, Restored,
    RoomCursor, RoomRecord, SessionInfo, SessionRecord, StoreError, StoredMembers, Succession, TakeOver,
    TakeOverRefused, WriteRefused,
};

use super::json::Changes;

/// Everything there is. Tenants without rooms take no place.
#[derive(Default)]
pub struct State {
    tenants: HashMap<Arc<str>, BTreeMap<Code, Room>>,
    sessions: HashMap<String, SessionRecord>,
    last_incarnation: u64,
    /// The epochs of rooms that were closed, for [`Restored::Closed`]; in memory, as what restores is.
    closed: HashMap<RoomKey, u64>,
    secrets: HashMap<String, Vec<u8>>,
}

struct Room {
    record: RoomRecord,
    /// Recent answers by ascending number.
    done: VecDeque<(u64, Done)>,
    next_done: u64,
    members: ByStudent<MemberRecord>,
}

impl State {
    pub fn create_room(
        &mut self,
        record: RoomRecord,
        max_rooms: usize,
        changes: &mut Changes,
    ) -> Result<(), CreateRefused> {
        if self.room(&record.key).is_some() {
            return Err(CreateRefused::CodeTaken);
        }
        if self.live_rooms(&record.key.tenant) >= max_rooms {
            return Err(CreateRefused::TooManyRooms { max_rooms });
        }
        changes.room(&record)?;
        self.insert_room(record, VecDeque::new());
        Ok(())
    }

    /// Takes in a room with its answers, which ascend by number.
    pub fn insert_room(&mut self, record: RoomRecord, done: VecDeque<(u64, Done)>) {
        let next_done = done.back().map_or(0, |(number, _)| number + 1);
        let RoomKey { tenant, code } = record.key.clone();
        let room = Room { record, done, next_done, members: ByStudent::new() };
        self.tenants.entry(tenant).or_default().insert(code, room);
    }

    pub fn live_rooms(&self, tenant: &str) -> usize {
        self.tenants.get(tenant).map_or(0, BTreeMap::len)
    }

    pub fn room(&self, key: &RoomKey) -> Option<&RoomRecord> {
        Some(&self.tenants.get(&key.tenant)?.get(&key.code)?.record)
    }

    fn room_mut(&mut self, key: &RoomKey) -> Option<&mut Room> {
        self.tenants.get_mut(&key.tenant)?.get_mut(&key.code)
    }

    pub fn take_over(
        &mut self,
        key: &RoomKey,
        claim: TakeOver,
        changes: &mut Changes,
    ) -> Result<RoomRecord, TakeOverRefused> {
        let room = self.room_mut(key).ok_or(TakeOverRefused::Gone)?;
        let stored = &room.record;
        if (&stored.owner, stored.incarnation, stored.nonce)
            == (&claim.claimant.node, claim.claimant.incarnation, claim.nonce)
        {
            return Ok(stored.clone());
        }
        let is_expected = (stored.owner.as_str(), stored.incarnation)
            == (claim.expected.node.as_str(), claim.expected.incarnation)
            && claim.expected_reign.is_none_or(|reign| reign == (stored.epoch, stored.nonce));
        if !is_expected {
            return Err(TakeOverRefused::Owned { node: stored.owner.clone(), incarnation: stored.incarnation });
        }
        let epoch = stored.epoch.saturating_add(1).max(claim.now_ms).max(claim.highest_seen_epoch.saturating_add(1));
        let stays = stored.owner == claim.claimant.node;
        let mut lineage = stored.lineage.clone();
        lineage.succeed(Succession { epoch, nonce: claim.nonce, inherited_rev: stored.controls.rev });
        let record = RoomRecord {
            key: stored.key.clone(),
            owner: claim.claimant.node,
            incarnation: claim.claimant.incarnation,
            epoch,
            nonce: claim.nonce,
            since_ms: claim.now_ms,
            taken_from: if stays { stored.taken_from.clone() } else { stored.owner.clone() },
            from_beat: if stays { stored.from_beat } else { claim.from_beat },
            lineage,
            members_rev: stored.members_rev,
            controls: stored.controls.clone(),
        };
        changes.room(&record)?;
        room.record = record.clone();
        Ok(record)
    }

    pub fn write_room(
        &mut self,
        key: &RoomKey,
        fence: &Fence,
        controls: &Controls,
        done: Option<Done>,
        lineage: Option<&Lineage>,
        changes: &mut Changes,
    ) -> Result<(), WriteRefused> {
        let room = self.room_mut(key).ok_or(WriteRefused::Gone)?;
        room.admits(fence, controls.rev)?;
        let mut record =
            RoomRecord { epoch: fence.epoch, nonce: fence.nonce, controls: controls.clone(), ..room.record.clone() };
        if let Some(lineage) = lineage {
            record.lineage = lineage.clone();
        }
        changes.room(&record)?;
        if let Some(done) = done {
            room.keep(done, changes)?;
        }
        room.record = record;
        Ok(())
    }

    pub fn recent_done(&self, key: &RoomKey) -> Vec<Done> {
        self.tenants
            .get(&key.tenant)
            .and_then(|rooms| rooms.get(&key.code))
            .map(|room| room.done.iter().map(|(_, done)| done.clone()).collect())
            .unwrap_or_default()
    }

    pub fn close_room(&mut self, key: &RoomKey, fence: &Fence, changes: &mut Changes) -> Result<(), WriteRefused> {
        let room = self.room_mut(key).ok_or(WriteRefused::Gone)?;
        room.admits(fence, room.record.controls.rev)?;
        self.remove_room(key, changes)?;
        Ok(())
    }

    fn remove_room(&mut self, key: &RoomKey, changes: &mut Changes) -> Result<(), StoreError> {
        let Some(room) = self.room_mut(key) else { return Ok(()) };
        let epoch = room.record.epoch;
        changes.remove_room(key)?;
        for (number, _) in &room.done {
            changes.remove_done(key, *number)?;
        }
        if let Some(rooms) = self.tenants.get_mut(&key.tenant) {
            rooms.remove(&key.code);
            if rooms.is_empty() {
                self.tenants.remove(&key.tenant);
            }
        }
        self.closed.insert(key.clone(), epoch);
        Ok(())
    }

    pub fn write_members(
        &mut self,
        key: &RoomKey,
        fence: &Fence,
        members_rev: u64,
        writes: &[MemberWrite],
    ) -> Result<(), WriteRefused> {
        let room = self.room_mut(key).ok_or(WriteRefused::Gone)?;
        room.admits(fence, room.record.controls.rev)?;
        if members_rev <= room.record.members_rev {
            return Err(WriteRefused::Fenced { stored: room.record.fence(), rev: room.record.controls.rev });
        }
        room.record.members_rev = members_rev;
        for MemberWrite { student_id, member } in writes {
            match member {
                Some(member) => room.members.insert(member.clone()),
                None => room.members.remove(student_id),
            };
        }
        Ok(())
    }

    pub fn members(&self, key: &RoomKey) -> StoredMembers {
        let room = self.tenants.get(&key.tenant).and_then(|rooms| rooms.get(&key.code));
        room.map_or_else(StoredMembers::default, |room| StoredMembers {
            members_rev: room.record.members_rev,
            members: room.members.values().cloned().collect(),
        })
    }

    pub fn restore_room(&mut self, restoration: &Restoration, changes: &mut Changes) -> Result<Restored, StoreError> {
        let Restoration { record, members, done } = restoration;
        if self.closed.get(&record.key).is_some_and(|epoch| *epoch >= record.epoch) {
            return Ok(Restored::Closed);
        }
        let height = |record: &RoomRecord| (record.epoch, record.nonce, record.controls.rev);
        if let Some(room) = self.room_mut(&record.key).filter(|room| height(&room.record) >= height(record)) {
            // A gateway gave the same room back, and knew of no answers.
            if height(&room.record) == height(record) && room.done.is_empty() {
                for done in done {
                    room.keep(done.clone(), changes)?;
                }
            }
            return Ok(Restored::KnownAlready);
        }
        changes.room(record)?;
        let numbered: VecDeque<_> = (0..).zip(done.iter().cloned()).collect();
        for (number, done) in &numbered {
            changes.done(&record.key, *number, done)?;
        }
        self.insert_room(record.clone(), numbered);
        if let Some(room) = self.room_mut(&record.key) {
            room.members = members.iter().cloned().collect();
        }
        Ok(Restored::Written)
    }

    pub fn bury_room(&mut self, key: &RoomKey, epoch: u64, changes: &mut Changes) -> Result<(), StoreError> {
        if self.room(key).is_none_or(|record| record.epoch <= epoch) {
            self.remove_room(key, changes)?;
            self.closed.insert(key.clone(), epoch);
        }
        Ok(())
    }

    pub fn shared_secret(&mut self, name: &str, proposal: &[u8]) -> Vec<u8> {
        self.secrets.entry(name.to_owned()).or_insert_with(|| proposal.to_vec()).clone()
    }

    pub fn list_rooms(
        &self,
        tenant: &str,
        cursor: Option<&RoomCursor>,
        limit: usize,
    ) -> (Vec<RoomRecord>, Option<RoomCursor>) {
        let Some(rooms) = self.tenants.get(tenant) else {
            return (Vec::new(), None);
        };
        let from = cursor.map_or(Bound::Unbounded, |cursor| Bound::Excluded(cursor.code()));
        let mut rest = rooms.range((from, Bound::Unbounded));
        let page: Vec<_> = rest
            .by_ref()
            // A page of nothing would never come to the list's end.
            .take(limit.max(1))
            .map(|(_, room)| room.record.clone())
            .collect();
        let next = match (rest.next(), page.last()) {
            (Some(_), Some(last)) => Some(RoomCursor::after(last.key.code.clone())),
            _ => None,
        };
        (page, next)
    }

    pub fn owners(&self) -> Vec<Owned> {
        self.tenants.values().flat_map(BTreeMap::values).map(|room| room.record.owned()).collect()
    }

    /// Sees to it that every later incarnation is above `incarnation`.
    pub fn never_below(&mut self, incarnation: u64) {
        self.last_incarnation = self.last_incarnation.max(incarnation);
    }

    pub fn last_incarnation(&self) -> u64 {
        self.last_incarnation
    }

    pub fn open_session(
        &mut self,
        node: &str,
        info: &SessionInfo,
        at_least: u64,
        changes: &mut Changes,
    ) -> Result<u64, StoreError> {
        let incarnation = (self.last_incarnation + 1).max(at_least);
        changes.incarnation(incarnation)?;
        self.last_incarnation = incarnation;
        self.sessions.insert(
            node.to_owned(),
            SessionRecord { node: node.to_owned(), incarnation, renewals: 0, info: info.clone() },
        );
        Ok(incarnation)
    }

    pub fn renew_session(&mut self, node: &str, incarnation: u64, info: &SessionInfo) -> bool {
        match self.sessions.get_mut(node) {
            Some(session) if session.incarnation == incarnation => {
                session.renewals += 1;
                session.info.clone_from(info);
                true
            }
            _ => false,
        }
    }

    /// Ends this session; with `renewals`, only while it stands at that many.
    pub fn end_session(&mut self, node: &str, incarnation: u64, renewals: Option<u64>) -> bool {
        let matches = self.sessions.get(node).is_some_and(|session| {
            session.incarnation == incarnation && renewals.is_none_or(|renewals| session.renewals == renewals)
        });
        matches && self.sessions.remove(node).is_some()
    }

    pub fn sessions(&self) -> Vec<SessionRecord> {
        self.sessions.values().cloned().collect()
    }
}

impl Room {
    /// The fence around a record: only its owner's incarnation writes it, and never from an earlier reign or change.
    fn admits(&self, fence: &Fence, rev: u64) -> Result<(), WriteRefused> {
        let stored = self.record.fence();
        let stored_rev = self.record.controls.rev;
        let owned = fence.incarnation == stored.incarnation;
        if owned && (fence.epoch, fence.nonce, rev) >= (stored.epoch, stored.nonce, stored_rev) {
            Ok(())
        } else {
            Err(WriteRefused::Fenced { stored, rev: stored_rev })
        }
    }

    /// Keeps an answer in place of an earlier one to the same request, or else of the oldest when there are too many.
    fn keep(&mut self, done: Done, changes: &mut Changes) -> Result<(), StoreError> {
        let same =
            self.done.iter().position(|(_, kept)| (kept.connection, &kept.request) == (done.connection, &done.request));
        let oldest = (self.done.len() >= DONE_PER_ROOM).then_some(0);
        let evicted = same.or(oldest);
        if let Some((number, _)) = evicted.and_then(|index| self.done.get(index)) {
            changes.remove_done(&self.record.key, *number)?;
        }
        changes.done(&self.record.key, self.next_done, &done)?;
        if let Some(index) = evicted {
            self.done.remove(index);
        }
        self.done.push_back((self.next_done, done));
        self.next_done += 1;
        Ok(())
    }
}
