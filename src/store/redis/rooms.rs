//! A room's life: each operation is one script on the room's keys.
//!
//! The list of a tenant's rooms has another slot in a Redis Cluster. There a room is first listed, then made, and is
//! first removed, then struck off; an entry whose room is missing is struck off by [`super::index`] after a minute.

use std::collections::BTreeMap;

use redis::Value as Answer;
use serde::Serialize;

use crate::room::{Controls, RoomKey};
use crate::store::{
    CreateRefused, DONE_PER_ROOM, Done, Fence, Lineage, MemberRecord, MemberWrite, Restoration, Restored, RoomRecord,
    StoreError, StoredMembers, TakeOver, TakeOverRefused, TakenOver, WriteRefused,
};

use super::{
    RedisStore,
    keys::DONE,
    odd, read,
    record::{Answered, Lists, json, parsed},
    script::{
        BURY_ROOM, CLOSE_ROOM, CREATE_ROOM, Call, ENLIST, LOAD_ROOM, MEMBERS, RESTORE_ROOM, Script, TAKE_OVER,
        WRITE_MEMBERS, WRITE_ROOM,
    },
};

/// As many as `scripts/shared.lua` reads a room in.
const ROOM_LISTS: usize = 4;

impl RedisStore {
    pub(super) async fn make_room(&self, record: &RoomRecord, max_rooms: usize) -> Result<(), CreateRefused> {
        let key = &record.key;
        if !self.keys.together() && !self.enlist(key, Some(max_rooms)).await? {
            return Err(CreateRefused::TooManyRooms { max_rooms });
        }
        let call = Lists::whole(record)?.add_to(self.named(&CREATE_ROOM, key).arg(max_rooms));
        let answer = self.run_replicated(call).await?;
        match tag(&answer) {
            "created" => Ok(()),
            "taken" => Err(CreateRefused::CodeTaken),
            "full" => Err(CreateRefused::TooManyRooms { max_rooms }),
            _ => Err(odd(&answer).into()),
        }
    }

    /// Takes a place in the list of the tenant's rooms; false: it has too many already.
    async fn enlist(&self, key: &RoomKey, max_rooms: Option<usize>) -> Result<bool, StoreError> {
        let call = ENLIST.on(vec![self.keys.rooms(&key.tenant)]).arg(key.code.as_str()).optional(max_rooms);
        if tag(&self.run(call).await?) == "full" {
            return Ok(false);
        }
        let mut note = redis::cmd("SADD");
        note.arg(self.keys.tenants()).arg(&*key.tenant);
        self.rooms.ask(|mut wire| async move { wire.ask(&note).await }).await?;
        Ok(true)
    }

    pub(super) async fn read_room(&self, key: &RoomKey) -> Result<Option<RoomRecord>, StoreError> {
        let answer = self.run(LOAD_ROOM.on(self.keys.room(key))).await?;
        read::<Answered>(answer)?.into_record(key)
    }

    pub(super) async fn claim(&self, key: &RoomKey, claim: &TakeOver) -> Result<TakenOver, TakeOverRefused> {
        let (expected_epoch, expected_nonce) = claim.expected_reign.unzip();
        let call = TAKE_OVER
            .on(self.keys.room(key))
            .arg(&claim.expected.node)
            .arg(claim.expected.incarnation)
            .arg(&claim.claimant.node)
            .arg(claim.claimant.incarnation)
            .arg(claim.nonce)
            .arg(claim.highest_seen_epoch)
            .optional(claim.from_beat)
            .optional(expected_epoch)
            .optional(expected_nonce);
        let answer = self.run_replicated(call).await?;
        match tag(&answer) {
            "taken" => {
                let Answer::Array(mut lists) = answer else { return Err(odd(&answer).into()) };
                lists.remove(0);
                let beside = Answer::Array(lists.split_off(lists.len().min(ROOM_LISTS)));
                let record = read::<Answered>(Answer::Array(lists))?.into_record(key)?.ok_or(TakeOverRefused::Gone)?;
                let (done, members_rev, members): (Vec<String>, String, BTreeMap<String, String>) = read(beside)?;
                let done = done.iter().map(|done| parsed(key, "done", done)).collect::<Result<_, _>>()?;
                Ok(TakenOver { record, done, members: stored_members(key, &members_rev, &members)? })
            }
            "gone" => Err(TakeOverRefused::Gone),
            "owned" => {
                let (_, node, incarnation): (String, String, u64) = read(answer)?;
                Err(TakeOverRefused::Owned { node, incarnation })
            }
            _ => Err(odd(&answer).into()),
        }
    }

    pub(super) async fn store_controls(
        &self,
        key: &RoomKey,
        fence: &Fence,
        controls: &Controls,
        done: Option<&Done>,
        lineage: Option<&Lineage>,
    ) -> Result<(), WriteRefused> {
        let (same, done) = match done {
            Some(done) => (how_it_begins(done)?, json(done)?),
            None => Default::default(),
        };
        let call = fenced(self.named(&WRITE_ROOM, key), fence).arg(controls.rev).arg(same).arg(done).arg(DONE_PER_ROOM);
        let mut lists = Lists::of(controls)?;
        if let Some(lineage) = lineage {
            lists.record.extend(["lineage".to_owned(), lineage.to_string()]);
        }
        written(self.run(lists.add_to(call)).await?)
    }

    pub(super) async fn read_done(&self, key: &RoomKey) -> Result<Vec<Done>, StoreError> {
        let mut range = redis::cmd("LRANGE");
        range.arg(&self.keys.room(key)[DONE]).arg(0).arg(-1);
        let answer = self.rooms.ask(|mut wire| async move { wire.ask(&range).await }).await?;
        read::<Vec<String>>(answer)?.iter().map(|done| parsed(key, "done", done)).collect()
    }

    pub(super) async fn end_room(&self, key: &RoomKey, fence: &Fence) -> Result<(), WriteRefused> {
        let listed = self.listed_since(key).await?;
        written(self.run(fenced(self.named(&CLOSE_ROOM, key), fence)).await?)?;
        self.strike(key, listed).await;
        Ok(())
    }

    pub(super) async fn give_back(&self, restoration: &Restoration) -> Result<Restored, StoreError> {
        let Restoration { record, members, done } = restoration;
        let key = &record.key;
        if !self.keys.together() {
            self.enlist(key, None).await?;
        }
        let done = done.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        let members = here(members.iter())?;
        let call = self.named(&RESTORE_ROOM, key).arg(record.epoch).arg(record.nonce).arg(record.controls.rev);
        let answer = self.run(Lists::whole(record)?.add_to(call.list(&done).list(&members))).await?;
        match tag(&answer) {
            "written" => Ok(Restored::Written),
            "known" => Ok(Restored::KnownAlready),
            "closed" => Ok(Restored::Closed),
            _ => Err(odd(&answer)),
        }
    }

    pub(super) async fn bury(&self, key: &RoomKey, epoch: u64) -> Result<(), StoreError> {
        let listed = self.listed_since(key).await?;
        let answer = self.run(self.named(&BURY_ROOM, key).arg(epoch)).await?;
        if tag(&answer) == "buried" {
            self.strike(key, listed).await;
        }
        Ok(())
    }

    pub(super) async fn store_members(
        &self,
        key: &RoomKey,
        fence: &Fence,
        members_rev: u64,
        changes: &[MemberWrite],
    ) -> Result<(), WriteRefused> {
        // The last word about each.
        let last: BTreeMap<_, _> = changes.iter().map(|change| (&change.student_id, &change.member)).collect();
        let gone: Vec<_> = last.iter().filter(|(_, member)| member.is_none()).map(|(id, _)| (*id).clone()).collect();
        let here = here(last.values().filter_map(|member| member.as_ref()))?;
        let call = fenced(WRITE_MEMBERS.on(self.keys.room(key)), fence).arg(members_rev);
        written(self.run(call.list(&here).list(&gone)).await?)
    }

    pub(super) async fn read_members(&self, key: &RoomKey) -> Result<StoredMembers, StoreError> {
        let (members_rev, members): (String, BTreeMap<String, String>) =
            read(self.run(MEMBERS.on(self.keys.room(key))).await?)?;
        stored_members(key, &members_rev, &members)
    }

    /// A script on a room's keys that begins with its name.
    fn named(&self, script: &'static Script, key: &RoomKey) -> Call {
        script.on(self.keys.room(key)).arg(&*key.tenant).arg(key.code.as_str())
    }
}

/// Members as they are stored.
fn stored_members(
    key: &RoomKey,
    members_rev: &str,
    members: &BTreeMap<String, String>,
) -> Result<StoredMembers, StoreError> {
    if members_rev.is_empty() {
        return Ok(StoredMembers::default());
    }
    let members = members.values().map(|member| parsed(key, "members", member)).collect::<Result<_, _>>()?;
    Ok(StoredMembers { members_rev: parsed(key, "members_rev", members_rev)?, members })
}

fn fenced(call: Call, fence: &Fence) -> Call {
    call.arg(fence.incarnation).arg(fence.epoch).arg(fence.nonce)
}

/// Members as `HSET` takes them.
fn here<'a>(members: impl Iterator<Item = &'a MemberRecord>) -> Result<Vec<String>, StoreError> {
    let mut items = Vec::new();
    for member in members {
        items.extend([member.student_id.clone(), json(member)?]);
    }
    Ok(items)
}

/// An answer's JSON up to its reply: what it has in common with another answer to the same request.
fn how_it_begins(done: &Done) -> Result<String, StoreError> {
    #[derive(Serialize)]
    struct Request<'a> {
        connection: u64,
        request: &'a str,
    }
    let mut begins = json(&Request { connection: done.connection, request: &done.request })?;
    begins.pop();
    begins.push(',');
    Ok(begins)
}

/// What a script's answer begins with.
fn tag(answer: &Answer) -> &str {
    match answer {
        Answer::Array(items) => match items.first() {
            Some(Answer::BulkString(tag)) => std::str::from_utf8(tag).unwrap_or_default(),
            _ => "",
        },
        _ => "",
    }
}

/// The answer of a script behind the fence.
fn written(answer: Answer) -> Result<(), WriteRefused> {
    match tag(&answer) {
        "written" | "closed" => Ok(()),
        "gone" => Err(WriteRefused::Gone),
        "fenced" => {
            let (_, incarnation, epoch, nonce, rev): (String, u64, u64, u64, u64) = read(answer)?;
            Err(WriteRefused::Fenced { stored: Fence { incarnation, epoch, nonce }, rev })
        }
        _ => Err(odd(&answer).into()),
    }
}
