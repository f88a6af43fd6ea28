//! A reign over a room: its proof, its end, its beginning anew, and what it writes to the store.

use std::collections::BTreeSet;

use tracing::Instrument;

use super::{
    actor::{Answer, Conductor, Next},
    ask::{Ask, Declined, Reply, RoomCall, SERVICE, encode},
    random,
};
use crate::{
    relay::{Body, RoomEvent, RoomUpdate, Snapshot, Stamp},
    room::{Applied, Controls},
    store::{
        Done, Fate, Fence, Home, Lineage, MemberRecord, MemberWrite, Owner, Restoration, RoomRecord, TakeOver,
        TakeOverRefused, WriteRefused,
    },
    telemetry::count,
    traces,
};

/// A reign is young for this long: gateways that it does not know of yet may be waiting for its plans.
const YOUNG_US: i64 = 10_000_000;
/// Losses remembered as announced.
const ANNOUNCED_MAX: usize = 64;
/// How far ahead of a hand-over the first beat lies that counts by the new conductor's plans.
const HAND_OVER_AHEAD_BEATS: i64 = 2;

/// What a conductor holds besides the room.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reign {
    pub fence: Fence,
    /// Which reign inherited what, this one last.
    pub lineage: Lineage,
    pub members_rev: u64,
    /// The highest rev of a write whose answer was lost: it may yet be carried out, so its number is never used again.
    pub burnt_rev: u64,
    /// An answer was lost since the record was last read: it may hold more than this conductor knows of.
    pub is_uncertain: bool,
    /// Lost changes that the room was told of, by reign and rev.
    announced: BTreeSet<Stamp>,
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
            lineage: record.lineage.clone(),
            members_rev: record.members_rev,
            burnt_rev: 0,
            is_uncertain: false,
            announced: BTreeSet::new(),
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
            lineage: self.reign.lineage.clone(),
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
            // It may be the other's by now: whoever reads the record knows.
            Err(refused) => {
                tracing::warn!(
                    tenant.id = %self.room.key.tenant,
                    room.code = %self.room.key.code,
                    node.to = %to.node,
                    error = %refused,
                    "the hand-over is uncertain"
                );
                self.reign.is_uncertain = true;
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
                tracing::debug!(
                    tenant.id = %key.tenant, room.code = %key.code, node.to = %to.node, %error,
                    "the new conductor was not told"
                );
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
        // Only this very reign is begun anew: another, even of this node's, is another conductor's.
        let reign = (self.reign.fence.epoch, self.reign.fence.nonce);
        let claim = TakeOver { expected_reign: Some(reign), ..self.claim(me, highest) };
        match self.surroundings.store.take_over(&self.room.key, claim).await {
            Ok(record) => {
                count(&self.surroundings.metrics.reigns, "re_asserted");
                let is_behind = record.controls.rev < self.room.controls.rev;
                self.reign.fence = record.fence();
                self.reign.lineage = record.lineage;
                if record.controls.rev > self.room.controls.rev {
                    // A change whose answer was lost: stored, and so it counts.
                    self.room.controls = record.controls;
                    self.reign.is_uncertain = true;
                }
                if is_behind && let Err((_, next)) = self.store_whole().await {
                    return next;
                }
                self.announce();
                Next::Goes
            }
            Err(TakeOverRefused::Unavailable(error)) => {
                // It may have been carried out: then this reign is over.
                self.reign.is_uncertain = true;
                tracing::warn!(
                    tenant.id = %self.room.key.tenant, room.code = %self.room.key.code, %error,
                    "the reign's new beginning is uncertain"
                );
                Next::Goes
            }
            Err(refused) => {
                tracing::warn!(
                    tenant.id = %self.room.key.tenant, room.code = %self.room.key.code, error = %refused,
                    "this reign is over"
                );
                Next::Ends
            }
        }
    }

    /// After a write whose answer was lost the record is read again: what it holds is true, whatever was answered.
    pub(super) async fn settle_uncertainty(&mut self) -> Result<(), (Declined, Next)> {
        let (store, key) = (&self.surroundings.store, &self.room.key);
        let read = tokio::try_join!(store.load_room(key), store.recent_done(key), store.members(key));
        let Ok((record, done, stored)) = read else { return Err((Declined::Unavailable, Next::Goes)) };
        let Some(record) = record.filter(|record| record.fence() == self.reign.fence) else {
            return Err((Declined::Deposed, Next::Ends));
        };
        self.reign.is_uncertain = false;
        let known = self.homes.records(&self.room.members);
        let is_another = record.controls.rev > self.room.controls.rev || stored.members != known;
        if !is_another {
            return Ok(());
        }
        tracing::warn!(
            tenant.id = %self.room.key.tenant, room.code = %self.room.key.code,
            "a change whose answer was lost had been stored after all"
        );
        if record.controls.rev > self.room.controls.rev {
            self.adopt(record.controls, done);
            self.reign.lineage = record.lineage;
        }
        self.reign.members_rev = self.reign.members_rev.max(stored.members_rev);
        // Who is here this conductor knows best: the store gets it whole.
        let gone = stored.members.iter().filter(|was| !self.room.members.contains_key(&was.student_id));
        let gone = gone.map(|was| MemberWrite { student_id: was.student_id.clone(), member: None });
        let here = known.into_iter().map(|is| MemberWrite { student_id: is.student_id.clone(), member: Some(is) });
        let writes: Vec<MemberWrite> = gone.chain(here).collect();
        self.store_members(&writes, false).await?;
        self.announce();
        Ok(())
    }

    fn adopt(&mut self, controls: Controls, done: Vec<Done>) {
        self.room.controls = controls;
        self.done = done.into();
    }

    /// The store has lost some of this very reign's changes: it gets all that the conductor knows.
    async fn store_whole(&mut self) -> Result<(), (Declined, Next)> {
        self.inherit(self.room.controls.rev).await?;
        let write = |member: MemberRecord| MemberWrite { student_id: member.student_id.clone(), member: Some(member) };
        let writes: Vec<_> = self.homes.records(&self.room.members).into_iter().map(write).collect();
        self.store_members(&writes, false).await
    }

    /// Stores the controls as what the reign began with.
    async fn inherit(&mut self, rev: u64) -> Result<(), (Declined, Next)> {
        let before = self.reign.lineage.clone();
        self.reign.lineage.inherit(rev);
        let stored = self.store_controls_of(Some(self.reign.lineage.clone())).await;
        if stored.is_err() {
            self.reign.lineage = before;
        }
        stored
    }

    /// A gateway knows of acknowledged changes that this reign did not inherit. They are put back as long as nothing
    /// has been changed since; later that would undo what was acknowledged since, and the loss is announced.
    pub(super) async fn restore(&mut self, snapshot: Snapshot) -> (Answer, Next) {
        let Stamp { epoch, nonce, rev } = snapshot.stamp;
        if (epoch, nonce) >= (self.reign.fence.epoch, self.reign.fence.nonce) {
            // Whoever returns a change of this very reign has heard of a later one: this conductor must look first.
            self.reign.is_uncertain = true;
            return (Err(Declined::Unavailable), Next::Goes);
        }
        match self.reign.lineage.fate(epoch, nonce, rev, self.room.controls.rev) {
            Fate::Kept => (Ok(Reply::Done), Next::Goes),
            Fate::MayBePutBack => self.put_back(snapshot).await,
            // Whatever became of the numbers: the room is as it was then.
            Fate::Lost if self.is_as(&snapshot.controls) => (Ok(Reply::Done), Next::Goes),
            Fate::Lost => self.announce_loss(snapshot.stamp).await,
        }
    }

    fn is_as(&self, controls: &Controls) -> bool {
        let Controls { rev, last_active_at_us, .. } = self.room.controls;
        self.room.controls == Controls { rev, last_active_at_us, ..controls.clone() }
    }

    async fn put_back(&mut self, snapshot: Snapshot) -> (Answer, Next) {
        let before = self.room.controls.clone();
        self.room.controls = (*snapshot.controls).clone();
        self.room.controls.rev = snapshot.stamp.rev.max(self.reign.burnt_rev + 1);
        if let Err((declined, next)) = self.inherit(self.room.controls.rev).await {
            self.room.controls = before;
            return (Err(declined), next);
        }
        count(&self.surroundings.metrics.losses, "rev_put_back");
        tracing::warn!(
            tenant.id = %self.room.key.tenant, room.code = %self.room.key.code, room.rev = snapshot.stamp.rev,
            "changes that the store had lost are back"
        );
        self.announce();
        (Ok(Reply::Done), Next::Goes)
    }

    async fn announce_loss(&mut self, lost: Stamp) -> (Answer, Next) {
        if self.reign.announced.contains(&lost) {
            return (Ok(Reply::Done), Next::Goes);
        }
        // A change of its own, so that it has a number by which gateways know it.
        let before = self.room.controls.rev;
        self.room.controls.rev = before.max(lost.rev).max(self.reign.burnt_rev) + 1;
        if let Err((declined, next)) = self.store_controls(false, None).await {
            self.room.controls.rev = before;
            return (Err(declined), next);
        }
        if self.reign.announced.len() >= ANNOUNCED_MAX {
            self.reign.announced.pop_first();
        }
        self.reign.announced.insert(lost);
        count(&self.surroundings.metrics.losses, "control_lost");
        tracing::error!(
            tenant.id = %self.room.key.tenant, room.code = %self.room.key.code, room.rev = lost.rev,
            "an acknowledged change is lost"
        );
        let payload = serde_json::json!({ "rev": lost.rev }).to_string().into();
        self.tell_of_loss(RoomEvent { event: "control_lost".into(), payload });
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
        let mut all: Option<Applied> = None;
        for connection in self.homes.connections_on(&gone) {
            let applied = self.room.depart(connection, now_us);
            match &mut all {
                Some(all) => all.merge(applied),
                None => all = Some(applied),
            }
        }
        if let Some(applied) = all
            && self.carry_out(applied, None, None).await.1 == Next::Ends
        {
            return Next::Ends;
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
        let writing = self.surroundings.store.write_members(key, fence, members_rev, writes);
        let written = traced(writing).await;
        // Even where the answer was lost: the number may have been used.
        if !matches!(written, Err(WriteRefused::Fenced { .. } | WriteRefused::Gone)) {
            self.reign.members_rev = members_rev;
        }
        self.judge_write(written, false)
    }

    pub(super) async fn store_controls(&mut self, closing: bool, done: Option<&Done>) -> Result<(), (Declined, Next)> {
        let (store, key, fence) = (&self.surroundings.store, &self.room.key, &self.reign.fence);
        let written = if closing {
            traced(store.close_room(key, fence)).await
        } else {
            traced(store.write_room(key, fence, &self.room.controls, done.cloned(), None)).await
        };
        self.note_burnt(&written);
        self.judge_write(written, closing)
    }

    async fn store_controls_of(&mut self, lineage: Option<Lineage>) -> Result<(), (Declined, Next)> {
        let (store, key, fence) = (&self.surroundings.store, &self.room.key, &self.reign.fence);
        let written = store.write_room(key, fence, &self.room.controls, None, lineage.as_ref()).await;
        self.note_burnt(&written);
        self.judge_write(written, false)
    }

    /// A write that was not answered may be carried out later, and must not then undo one under the same number.
    fn note_burnt(&mut self, written: &Result<(), WriteRefused>) {
        if matches!(written, Err(WriteRefused::Unavailable(_))) {
            self.reign.burnt_rev = self.reign.burnt_rev.max(self.room.controls.rev);
        }
    }

    fn judge_write(&mut self, written: Result<(), WriteRefused>, closing: bool) -> Result<(), (Declined, Next)> {
        let metrics = self.surroundings.metrics.clone();
        match written {
            Ok(()) => {
                count(&metrics.store_writes, "stored");
                Ok(())
            }
            Err(WriteRefused::Gone) if closing => Ok(()),
            Err(refused @ (WriteRefused::Fenced { .. } | WriteRefused::Gone)) => {
                count(&metrics.store_writes, "fenced");
                tracing::warn!(
                    tenant.id = %self.room.key.tenant,
                    room.code = %self.room.key.code,
                    room.epoch = self.reign.fence.epoch,
                    error = %refused,
                    "this reign is over"
                );
                Err((Declined::Deposed, Next::Ends))
            }
            Err(WriteRefused::Unavailable(error)) => {
                self.reign.is_uncertain = true;
                count(&metrics.store_writes, "unavailable");
                tracing::error!(
                    tenant.id = %self.room.key.tenant, room.code = %self.room.key.code, %error,
                    "a change could not be stored and was taken back"
                );
                Err((Declined::Unavailable, Next::Goes))
            }
        }
    }
}

/// The same write, as a step of what is traced.
async fn traced(write: impl Future<Output = Result<(), WriteRefused>>) -> Result<(), WriteRefused> {
    let step = traces::step("store");
    let written = write.instrument(step.clone()).await;
    if written.is_err() {
        step.in_scope(traces::note_failure);
    }
    written
}
