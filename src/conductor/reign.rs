//! A reign over a room: its proof, its end, its beginning anew, and what it writes to the store.

use std::collections::BTreeSet;

use super::{
    actor::{Answer, Conductor, Next},
    ask::{Ask, Declined, Reply, RoomCall, SERVICE, encode},
    random,
};
use crate::{
    relay::{Body, RoomEvent, RoomUpdate, Snapshot},
    room::Applied,
    store::{
        Done, Fence, Home, MemberRecord, MemberWrite, Owner, Restoration, RoomRecord, TakeOver, TakeOverRefused,
        WriteRefused,
    },
    telemetry::count,
};

/// A reign is young for this long: gateways that it does not know of yet may be waiting for its plans.
const YOUNG_US: i64 = 10_000_000;
/// How far ahead of a hand-over the first beat lies that counts by the new conductor's plans.
const HAND_OVER_AHEAD_BEATS: i64 = 2;

/// What a conductor holds besides the room.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reign {
    pub fence: Fence,
    /// The rev that the reign began with.
    pub inherited_rev: u64,
    pub members_rev: u64,
    /// The reign has made a change of its own: an earlier reign's can no longer be put under it.
    pub has_changed_controls: bool,
    pub is_handed_over: bool,
    /// By the boot-time clock.
    pub began_us: i64,
}

/// What a conductor knew of its room when its reign ended.
pub(super) type Keepsake = Restoration;

impl Reign {
    pub fn of(record: &RoomRecord, began_us: i64) -> Self {
        Self {
            fence: record.fence(),
            inherited_rev: record.controls.rev,
            members_rev: record.members_rev,
            has_changed_controls: false,
            is_handed_over: false,
            began_us,
        }
    }

    pub fn is_young(&self, boot_us: i64) -> bool {
        boot_us - self.began_us < YOUNG_US
    }
}

impl Conductor {
    pub(super) fn keepsake(&self) -> Keepsake {
        let Fence { incarnation, epoch, nonce } = self.reign.fence;
        let record = RoomRecord {
            key: self.room.key.clone(),
            owner: self.surroundings.membership.node().to_string(),
            incarnation,
            epoch,
            nonce,
            since_ms: epoch,
            taken_from: String::new(),
            from_beat: None,
            members_rev: self.reign.members_rev,
            controls: self.room.controls.clone(),
        };
        let members: Vec<MemberRecord> = self.homes.records(&self.room.members);
        Restoration { record, members, done: self.done.iter().cloned().collect() }
    }

    /// One script moves the record; the timeline goes on as it is, by whose plan is all that changes. If the other dies
    /// at once, the room is taken over from it as from anybody.
    pub(super) async fn hand_over(&mut self, to: Owner) -> bool {
        if !self.reigns() {
            return false;
        }
        let claim = TakeOver {
            expected_reign: Some((self.reign.fence.epoch, self.reign.fence.nonce)),
            from_beat: self.next_beat().map(|beat| beat.saturating_add(HAND_OVER_AHEAD_BEATS)),
            ..self.claim(to.clone(), self.reign.fence.epoch)
        };
        match self.surroundings.store.take_over(&self.room.key, claim).await {
            Ok(_) => {}
            Err(refused) => {
                tracing::warn!(room.key = %self.room.key, node.to = %to.node, %refused, "not handed over");
                return false;
            }
        }
        self.reign.is_handed_over = true;
        count(&self.surroundings.metrics.reigns, "handed_over");
        let (calls, key) = (self.surroundings.calls.clone(), self.room.key.clone());
        let within = super::router::CALL_WITHIN;
        tokio::spawn(async move {
            let Some(call) = encode(&RoomCall { key: key.clone(), ask: Ask::TakeUp }) else { return };
            if let Err(error) = calls.ask(&to.node.as_str().into(), SERVICE, call, within).await {
                // It finds the room in its next search, or at the first request.
                tracing::debug!(room.key = %key, node.to = %to.node, %error, "the new conductor was not told");
            }
        });
        true
    }

    fn next_beat(&self) -> Option<i64> {
        let timeline = self.room.controls.timeline.as_ref()?;
        timeline.next_beat(None, self.now_us()).map(|due| due.beat)
    }

    fn claim(&self, claimant: Owner, highest_seen_epoch: u64) -> TakeOver {
        let node = self.surroundings.membership.node().to_string();
        TakeOver {
            expected: Owner { node, incarnation: self.reign.fence.incarnation },
            claimant,
            expected_reign: None,
            nonce: random(),
            from_beat: None,
            highest_seen_epoch,
            now_ms: self.now_us().div_euclid(1_000).unsigned_abs(),
        }
    }

    /// The reign begins anew above whatever was seen, so that nobody is deaf to it.
    pub(super) async fn re_assert(&mut self, above_epoch: u64) -> Next {
        if !self.reigns() {
            return Next::Ends;
        }
        let me =
            Owner { node: self.surroundings.membership.node().to_string(), incarnation: self.reign.fence.incarnation };
        let highest = above_epoch.max(self.reign.fence.epoch);
        match self.surroundings.store.take_over(&self.room.key, self.claim(me, highest)).await {
            Ok(record) => {
                count(&self.surroundings.metrics.reigns, "re_asserted");
                let is_behind = record.controls.rev < self.room.controls.rev;
                self.reign.fence = record.fence();
                if is_behind && let Err((_, next)) = self.store_whole().await {
                    return next;
                }
                self.announce();
                Next::Goes
            }
            Err(TakeOverRefused::Unavailable(error)) => {
                tracing::warn!(room.key = %self.room.key, %error, "not re-asserted; the next plan will tell");
                Next::Goes
            }
            Err(refused) => {
                tracing::warn!(room.key = %self.room.key, %refused, "this reign is over");
                Next::Ends
            }
        }
    }

    /// The store has lost some of this very reign's changes: it gets all that the conductor knows.
    async fn store_whole(&mut self) -> Result<(), (Declined, Next)> {
        self.store_controls(false, None).await?;
        let write = |member: MemberRecord| MemberWrite { student_id: member.student_id.clone(), member: Some(member) };
        let writes: Vec<_> = self.homes.records(&self.room.members).into_iter().map(write).collect();
        self.store_members(&writes, false).await
    }

    /// A gateway knows of acknowledged changes that this reign did not inherit. They are put under it as long as it has
    /// changed nothing itself; later that would undo what was acknowledged since, and the loss is announced.
    pub(super) async fn restore(&mut self, snapshot: Snapshot) -> (Answer, Next) {
        let is_older = snapshot.stamp < self.stamp();
        if !is_older || snapshot.stamp.rev <= self.reign.inherited_rev {
            return (Ok(Reply::Done), Next::Goes);
        }
        if self.reign.has_changed_controls {
            count(&self.surroundings.metrics.losses, "control_lost");
            let payload = serde_json::json!({ "rev": snapshot.stamp.rev }).to_string().into();
            self.reign.inherited_rev = snapshot.stamp.rev;
            // A change of its own, so that it has a number by which gateways know it.
            let mut controls = self.room.controls.clone();
            controls.rev = controls.rev.max(snapshot.stamp.rev) + 1;
            let before = std::mem::replace(&mut self.room.controls, controls);
            if let Err((declined, next)) = self.store_controls(false, None).await {
                self.room.controls = before;
                return (Err(declined), next);
            }
            self.tell_of_loss(RoomEvent { event: "control_lost".into(), payload });
            return (Ok(Reply::Done), Next::Goes);
        }
        let before = self.room.controls.clone();
        self.room.controls = (*snapshot.controls).clone();
        if let Err((declined, next)) = self.store_controls(false, None).await {
            self.room.controls = before;
            return (Err(declined), next);
        }
        tracing::warn!(room.key = %self.room.key, room.rev = snapshot.stamp.rev, "changes that the store had lost are back");
        self.reign.inherited_rev = snapshot.stamp.rev;
        self.announce();
        (Ok(Reply::Done), Next::Goes)
    }

    fn tell_of_loss(&self, event: RoomEvent) {
        let update = RoomUpdate {
            stamp: self.stamp(),
            controls: Some(std::sync::Arc::new(self.room.controls.clone())),
            members_rev: self.reign.members_rev,
            events: vec![event],
            ..RoomUpdate::default()
        };
        self.surroundings.mirror.deliver(&self.room.key, || self.snapshot(), &update);
        self.surroundings.mirror.publish(&self.topic(), Body::RoomUpdate(update));
    }

    /// Members whose processes are gone leave.
    pub(super) async fn part_from_the_gone(&mut self) -> Next {
        let (directory, boot_us) = (&self.surroundings.directory, self.surroundings.clock.boot_us());
        let me = self.surroundings.membership.home();
        let processes = self.homes.processes().into_iter();
        let gone: BTreeSet<Home> =
            processes.filter(|home| **home != me && directory.is_gone(home, boot_us)).cloned().collect();
        if gone.is_empty() {
            return Next::Goes;
        }
        let now_us = self.now_us();
        for connection in self.homes.connections_on(&gone) {
            let applied: Applied = self.room.depart(connection, now_us);
            let (_, next) = self.carry_out(applied, None).await;
            if next == Next::Ends {
                return next;
            }
        }
        self.homes.keep_only(&self.room.members);
        Next::Goes
    }

    pub(super) async fn store_members(
        &mut self,
        writes: &[MemberWrite],
        closing: bool,
    ) -> Result<(), (Declined, Next)> {
        // A closing room's members go with its record.
        if writes.is_empty() || closing {
            return Ok(());
        }
        let members_rev = self.reign.members_rev + 1;
        let (key, fence) = (&self.room.key, &self.reign.fence);
        let written = self.surroundings.store.write_members(key, fence, members_rev, writes).await;
        // Even where the answer was lost: the number may have been used.
        if !matches!(written, Err(WriteRefused::Fenced { .. } | WriteRefused::Gone)) {
            self.reign.members_rev = members_rev;
        }
        self.judge_write(written, false)
    }

    pub(super) async fn store_controls(&self, closing: bool, done: Option<&Done>) -> Result<(), (Declined, Next)> {
        let (store, key, fence) = (&self.surroundings.store, &self.room.key, &self.reign.fence);
        let written = if closing {
            store.close_room(key, fence).await
        } else {
            store.write_room(key, fence, &self.room.controls, done.cloned()).await
        };
        self.judge_write(written, closing)
    }

    fn judge_write(&self, written: Result<(), WriteRefused>, closing: bool) -> Result<(), (Declined, Next)> {
        let metrics = &self.surroundings.metrics;
        match written {
            Ok(()) => {
                count(&metrics.store_writes, "stored");
                Ok(())
            }
            Err(WriteRefused::Gone) if closing => Ok(()),
            Err(refused @ (WriteRefused::Fenced { .. } | WriteRefused::Gone)) => {
                count(&metrics.store_writes, "fenced");
                tracing::warn!(room.key = %self.room.key, room.epoch = self.reign.fence.epoch, %refused, "this reign is over");
                Err((Declined::Deposed, Next::Ends))
            }
            Err(WriteRefused::Unavailable(error)) => {
                count(&metrics.store_writes, "unavailable");
                tracing::error!(room.key = %self.room.key, %error, "a change could not be stored and was taken back");
                Err((Declined::Unavailable, Next::Goes))
            }
        }
    }
}
