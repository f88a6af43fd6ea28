//! How this node comes to conduct a room, and how it gives one away.

use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::{OnceCell, mpsc, oneshot};

use super::{
    Router,
    actor::{Conductor, Ended, Mail, Surroundings},
    ask::{Ask, Reply, Roll},
    people::{Homes, member_of},
    random,
    reign::{Keepsake, Reign},
    router::{ControlRefused, Handle, Whereabouts},
    unheard,
};
use crate::{
    placement::{Decision, Judgement, RecordedOwner, Sight, decide},
    relay::Snapshot,
    room::{ByConnection, Controls, Member, Members, Room, RoomKey, adopt_tracks},
    store::{
        DONE_PER_ROOM, Done, Fate, MemberRecord, MemberWrite, Owned, Owner, RoomRecord, StoredMembers, TakeOver,
        TakeOverRefused, TakenOver,
    },
    telemetry::count,
};

/// Requests that wait for one room. Past it, whoever asks waits too.
const MAILBOX_LEN: usize = 1_024;
/// Rooms that are taken up at once.
const TAKE_UPS_AT_ONCE: usize = 256;
/// Rooms that are handed over at once.
const HAND_OVERS_AT_ONCE: usize = 64;
/// How long gateways have to say who is with them.
const ROLL_WITHIN: Duration = Duration::from_millis(300);

/// A room's controls as somebody knew them, and in which reign.
type Known = (u64, u64, Controls);

impl Router {
    /// Where the room is conducted: taken up here, if nobody conducts it and it falls to this node.
    pub(super) async fn locate(&self, key: &RoomKey) -> Result<Whereabouts, ControlRefused> {
        if let Some(handle) = self.conducting(key) {
            return Ok(Whereabouts::Here(handle));
        }
        let incarnation = self.may_take_over()?;
        let record = self.surroundings.store.load_room(key).await.map_err(|_| ControlRefused::Unavailable)?;
        let Some(record) = record else {
            return Err(if self.is_lost(key).await { ControlRefused::NoConductor } else { ControlRefused::NotFound });
        };
        // After the load: its owner's session stood by then.
        let learnt_at_us = self.surroundings.clock.boot_us();
        self.locate_owned(record.owned(), incarnation, learnt_at_us).await
    }

    /// This node's incarnation, if it may take over anything.
    fn may_take_over(&self) -> Result<u64, ControlRefused> {
        let Surroundings { directory, membership, clock, .. } = &*self.surroundings;
        let standing = membership.standing().filter(|_| !directory.is_restoring(clock.boot_us()));
        standing.ok_or(ControlRefused::NoConductor)
    }

    /// The same for a room of which it was learnt at `learnt_at_us` whose it is.
    async fn locate_owned(
        &self,
        owned: Owned,
        incarnation: u64,
        learnt_at_us: i64,
    ) -> Result<Whereabouts, ControlRefused> {
        let Surroundings { directory, membership, store, .. } = &*self.surroundings;
        let named = directory.named(&owned.key);
        let owner = RecordedOwner { node: &owned.owner.node, incarnation: owned.owner.incarnation };
        let sight = Sight {
            me: RecordedOwner { node: &self.node, incarnation },
            was_mine: *owner.node == *self.node && membership.was_mine(owner.incarnation),
            judgement: self.judge(owner, incarnation, learnt_at_us),
            named: named.as_deref(),
            is_barred: directory.is_barred(learnt_at_us),
        };
        match decide(owner, &sight) {
            Decision::Ask(node) => return Ok(Whereabouts::There(node.into())),
            Decision::Wait => return Err(ControlRefused::NoConductor),
            Decision::EndAndTakeOver { renewals } => {
                let ended = store.end_session(owner.node, owner.incarnation, renewals).await;
                if !ended.unwrap_or(false) {
                    return Err(ControlRefused::NoConductor);
                }
                directory.note_ended(owner.node, owner.incarnation);
            }
            Decision::TakeOver => {}
        }
        let cell = self.conductors.lock().entry(owned.key.clone()).or_default().clone();
        let taken = cell.get_or_try_init(|| self.take_over(owned, incarnation)).await.cloned();
        taken.map(Whereabouts::Here)
    }

    fn judge(&self, owner: RecordedOwner<'_>, mine: u64, learnt_at_us: i64) -> Judgement {
        if *owner.node == *self.node && owner.incarnation < mine {
            // The session that this node has now was opened in its place.
            return Judgement::Dead;
        }
        self.surroundings.directory.judge(owner.node, owner.incarnation, learnt_at_us)
    }

    async fn take_over(&self, owned: Owned, incarnation: u64) -> Result<Handle, ControlRefused> {
        let Owned { key, owner: expected, epoch, nonce } = owned;
        let (key, reign) = (&key, (epoch, nonce));
        let store = &self.surroundings.store;
        let me = Owner { node: self.node.to_string(), incarnation };
        let (is_mine, is_given) = (expected.node == me.node, expected == me);
        let keepsake = self.keepsakes.lock().get(key).cloned();
        let kept_epoch = keepsake.as_ref().map_or(0, |keepsake| keepsake.record.epoch);
        // The same claim until it is known what became of it: its answer may be lost, or be waiting for replicas.
        let nonce = self.claims.lock().entry(key.clone()).or_insert_with(|| (incarnation, random())).to_owned();
        let nonce = if nonce.0 == incarnation { nonce.1 } else { random() };
        self.claims.lock().insert(key.clone(), (incarnation, nonce));
        let claim = TakeOver {
            expected,
            claimant: me,
            expected_reign: Some(reign),
            nonce,
            from_beat: None,
            highest_seen_epoch: self.surroundings.mirror.highest_epoch(key).max(kept_epoch),
            now_ms: self.surroundings.clock.now_us().div_euclid(1_000).unsigned_abs(),
        };
        let taken = store.take_over_whole(key, claim).await;
        if !matches!(taken, Err(TakeOverRefused::Unavailable(_))) {
            self.claims.lock().remove(key);
        }
        let TakenOver { mut record, mut done, members: stored } = match taken {
            Ok(taken) => taken,
            Err(TakeOverRefused::Gone) => return Err(ControlRefused::NotFound),
            Err(TakeOverRefused::Owned { .. }) => return Err(ControlRefused::NoConductor),
            Err(TakeOverRefused::Unavailable(error)) => {
                tracing::warn!(tenant.id = %key.tenant, room.code = %key.code, %error, "a room could not be taken up");
                return Err(ControlRefused::Unavailable);
            }
        };
        let rolls = self.call_the_roll(key, &stored).await;
        let latest =
            rolls.iter().filter_map(|(_, roll)| roll.snapshot.as_deref()).max_by_key(|heard| heard.stamp).cloned();
        let mut known: Vec<Known> = rolls.iter().filter_map(|(_, roll)| known_by(roll)).collect();
        known.extend(
            keepsake.iter().map(|Keepsake { record, .. }| (record.epoch, record.nonce, record.controls.clone())),
        );
        self.put_back_what_was_lost(&mut record, known).await?;
        self.begin_unheard_tempo_anew(&mut record, latest.as_ref()).await?;
        if let Some(keepsake) = keepsake {
            remember_kept(&mut done, keepsake, &record);
        }
        let (members, homes) = self.assemble(&stored, rolls);
        let members_rev = self.store_assembled(&record, &stored, &members, &homes).await?;
        let how = match (is_given, is_mine) {
            (true, _) => "begun",
            (false, true) => "taken_back",
            (false, false) => "taken_over",
        };
        count(&self.surroundings.metrics.reigns, how);
        tracing::info!(
            tenant.id = %key.tenant, room.code = %key.code, room.epoch = record.epoch, taken.from = %record.taken_from,
            "conducting"
        );
        self.keepsakes.lock().remove(key);
        Ok(self.appoint(RoomRecord { members_rev, ..record }, members, homes, done))
    }

    /// Asks every gateway with members in the room what it knows, this one first. Who does not answer is believed to be
    /// as it was stored.
    async fn call_the_roll(&self, key: &RoomKey, stored: &StoredMembers) -> Vec<(Arc<str>, Roll)> {
        let me = self.surroundings.membership.home();
        let view = self.surroundings.directory.view();
        let homes = stored.members.iter().flat_map(|member| member.connections.values());
        let nodes: BTreeSet<&Arc<str>> = homes.filter(|home| **home != me).map(|home| &home.node).collect();
        let lives = |node: &&Arc<str>| **node != me.node && view.nodes.get(*node).is_some_and(|seen| seen.lives);
        let asked = nodes.into_iter().filter(lives).map(|node| async move {
            match self.ask_there(node, key, Ask::RollCall, ROLL_WITHIN).await {
                Reply::Roll(roll) => Some((node.clone(), roll)),
                _ => None,
            }
        });
        let others = futures_util::future::join_all(asked).await;
        let own = (me.node, self.roll(key));
        std::iter::once(own).chain(others.into_iter().flatten()).collect()
    }

    /// Acknowledged changes that the store has lost are stored again, if a gateway or this node still knows them, and as
    /// long as nothing has been changed since. What cannot be put back its gateways will bring up again.
    async fn put_back_what_was_lost(&self, record: &mut RoomRecord, known: Vec<Known>) -> Result<(), ControlRefused> {
        let current_rev = record.controls.rev;
        let may_be_put_back = |(epoch, nonce, controls): &Known| {
            record.lineage.fate(*epoch, *nonce, controls.rev, current_rev) == Fate::MayBePutBack
        };
        let best = known.into_iter().filter(may_be_put_back);
        let Some((_, _, controls)) = best.max_by_key(|(epoch, nonce, controls)| (*epoch, *nonce, controls.rev)) else {
            return Ok(());
        };
        count(&self.surroundings.metrics.losses, "rev_put_back");
        tracing::warn!(
            tenant.id = %record.key.tenant, room.code = %record.key.code, room.rev = controls.rev,
            "changes that the store had lost are put back"
        );
        record.lineage.inherit(controls.rev);
        record.controls = controls;
        let (store, fence) = (&self.surroundings.store, record.fence());
        let written = store.write_room(&record.key, &fence, &record.controls, None, Some(&record.lineage)).await;
        written.map_err(|_| ControlRefused::Unavailable)
    }

    async fn begin_unheard_tempo_anew(
        &self,
        record: &mut RoomRecord,
        heard: Option<&Snapshot>,
    ) -> Result<(), ControlRefused> {
        let (now_us, lead_us) = (self.surroundings.clock.now_us(), self.surroundings.control_lead_us);
        let anew = |heard| unheard::begun_anew(&record.key, &record.controls, heard, now_us, lead_us);
        let Some(controls) = heard.and_then(anew) else { return Ok(()) };
        record.controls = controls;
        let (store, fence) = (&self.surroundings.store, record.fence());
        let written = store.write_room(&record.key, &fence, &record.controls, None, None).await;
        written.map_err(|_| ControlRefused::Unavailable)
    }

    /// Who is in the room: as it was stored, with what the gateways say of themselves.
    fn assemble(&self, stored: &StoredMembers, rolls: Vec<(Arc<str>, Roll)>) -> (Members, Homes) {
        let boot_us = self.surroundings.clock.boot_us();
        let directory = &self.surroundings.directory;
        let deserted: BTreeSet<&Arc<str>> =
            rolls.iter().filter(|(_, roll)| !roll.is_attended).map(|(node, _)| node).collect();
        let (mut members, mut homes) = Homes::settle(&stored.members);
        for member in members.values_mut() {
            member.retain_connections(|connection| {
                let home = homes.get(connection);
                home.is_some_and(|home| !deserted.contains(&home.node) && !directory.is_gone(home, boot_us))
            });
        }
        for record in rolls.iter().flat_map(|(_, roll)| &roll.residents) {
            let member = members.get_or_insert(Member { tracks: ByConnection::new(), ..member_of(record) });
            for (connection, home) in record.connections.iter() {
                member.connections.insert(*connection);
                homes.insert(*connection, home.clone());
            }
            adopt_tracks(&mut members, &record.student_id, &record.tracks);
        }
        members.retain(|member| !member.connections.is_empty());
        homes.keep_only(&members);
        (members, homes)
    }

    /// Stores the members where they are others than were stored; answers the number of that change.
    async fn store_assembled(
        &self,
        record: &RoomRecord,
        stored: &StoredMembers,
        members: &Members,
        homes: &Homes,
    ) -> Result<u64, ControlRefused> {
        let is = homes.records(members);
        let same = |one: &MemberRecord, others: &[MemberRecord]| others.contains(one);
        let gone = stored.members.iter().filter(|was| !members.contains_key(&was.student_id));
        let gone = gone.map(|was| MemberWrite { student_id: was.student_id.clone(), member: None });
        let new = is.iter().filter(|now| !same(now, &stored.members));
        let new = new.map(|now| MemberWrite { student_id: now.student_id.clone(), member: Some(now.clone()) });
        let writes: Vec<MemberWrite> = gone.chain(new).collect();
        // Above what any gateway may have heard and the store may have lost.
        let members_rev = stored.members_rev.max(record.members_rev) + 1;
        if !writes.is_empty() {
            let (store, fence) = (&self.surroundings.store, record.fence());
            let written = store.write_members(&record.key, &fence, members_rev, &writes).await;
            written.map_err(|_| ControlRefused::Unavailable)?;
            return Ok(members_rev);
        }
        Ok(members_rev - 1)
    }

    fn appoint(&self, record: RoomRecord, members: Members, homes: Homes, done: Vec<Done>) -> Handle {
        let (key, now_us) = (record.key.clone(), self.surroundings.clock.now_us());
        let reign = Reign::of(&record, self.surroundings.clock.boot_us());
        let empty_since_us = members.is_empty().then_some(now_us);
        let room = Room { members, empty_since_us, ..Room::restored(record.key, record.controls, now_us) };
        let conductor = Box::new(Conductor::new(self.surroundings.clone(), room, homes, reign, done));
        let (mail, mailbox) = mpsc::channel(MAILBOX_LEN);
        let (ended, kept) = (self.ended.clone(), self.surroundings.mirror.clone());
        tokio::spawn(async move {
            let running = AssertUnwindSafe(conductor.run(mailbox)).catch_unwind().await;
            match running {
                // Nobody asks any more only when the node is going down.
                Ok(why) => drop(ended.send((key, why))),
                Err(_) => {
                    count(&kept.metrics.panics, "conductor");
                    drop(ended.send((key, Ended::Failed)));
                }
            }
        });
        Handle { mail }
    }

    /// Conducts a room that was made for this node.
    pub(super) fn install(&self, record: RoomRecord) {
        let key = record.key.clone();
        let handle = self.appoint(record, Members::new(), Homes::default(), Vec::new());
        self.conductors.lock().insert(key, Arc::new(OnceCell::from(handle)));
    }

    /// Looks for rooms that nobody conducts and that fall to this node, and takes them up; answers how many it conducts.
    /// For those that cannot be taken up now, another search is wanted.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn search(&self) -> Result<usize, crate::store::StoreError> {
        let owners = self.surroundings.store.owners().await?;
        // After the owners were read: their sessions stood by then.
        let learnt_at_us = self.surroundings.clock.boot_us();
        let vacant = owners.into_iter().filter(|owned| self.may_fall_to_this_node(owned));
        stream::iter(vacant)
            .for_each_concurrent(TAKE_UPS_AT_ONCE, |owned| async move {
                let key = owned.key.clone();
                let located = match self.may_take_over() {
                    Ok(incarnation) => self.locate_owned(owned, incarnation, learnt_at_us).await,
                    Err(refused) => Err(refused),
                };
                if let Err(refused) = located {
                    tracing::debug!(
                        tenant.id = %key.tenant, room.code = %key.code, error = %refused,
                        "not taken up now"
                    );
                    if refused != ControlRefused::NotFound {
                        self.search_wanted.notify_one();
                    }
                }
            })
            .await;
        Ok(self.conductors.lock().values().filter(|cell| cell.get().is_some()).count())
    }

    fn may_fall_to_this_node(&self, Owned { key, owner, .. }: &Owned) -> bool {
        if self.conducting(key).is_some() {
            return false;
        }
        let directory = &self.surroundings.directory;
        let view = directory.view();
        let seen = view.nodes.get(owner.node.as_str());
        let lives = seen.is_some_and(|seen| seen.lives && seen.incarnation == owner.incarnation);
        *owner.node == *self.node || (!lives && directory.named(key).as_deref() == Some(&*self.node))
    }

    /// Tries to have a room conducted until somebody does or it is gone.
    pub(super) async fn retake(&self, key: &RoomKey) {
        loop {
            match self.locate(key).await {
                Ok(Whereabouts::Here(_)) => return,
                Ok(Whereabouts::There(_)) => {
                    self.keepsakes.lock().remove(key);
                    return;
                }
                Err(ControlRefused::NotFound) => {
                    self.keepsakes.lock().remove(key);
                    return self.surroundings.mirror.end(key);
                }
                Err(refused) => {
                    tracing::debug!(
                        tenant.id = %key.tenant, room.code = %key.code, error = %refused,
                        "nobody conducts this room yet"
                    );
                    self.lookout.looked_again(super::run::RETAKE_PAUSE).await;
                }
            }
        }
    }

    /// Hands a room over to a node that lives; true once it is that node's.
    pub(super) async fn hand_over(&self, key: &RoomKey, to: &Arc<str>) -> bool {
        let view = self.surroundings.directory.view();
        let (Some(handle), Some(seen)) = (self.conducting(key), view.nodes.get(to)) else { return false };
        let to = Box::new(Owner { node: to.to_string(), incarnation: seen.incarnation });
        let (done, handed_over) = oneshot::channel();
        if handle.mail.send(Mail::HandOver { to, done }).await.is_err() {
            return false;
        }
        handed_over.await.unwrap_or(false)
    }

    /// Hands every room over to whom the ring names without this node; answers how many.
    pub async fn hand_over_all(&self) -> usize {
        let keys: Vec<RoomKey> = self.conductors.lock().keys().cloned().collect();
        let count = AtomicUsize::new(0);
        stream::iter(keys)
            .for_each_concurrent(HAND_OVERS_AT_ONCE, |key| {
                let count = &count;
                async move {
                    let named = self.surroundings.directory.named(&key).filter(|named| *named != self.node);
                    let Some(named) = named else { return };
                    if self.hand_over(&key, &named).await {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
            .await;
        count.into_inner()
    }
}

/// The answers that this node's last reign gave are given again, where the changes that they acknowledge are still
/// there: a store that was given the room back by a gateway has none of them.
fn remember_kept(done: &mut Vec<Done>, keepsake: Keepsake, record: &RoomRecord) {
    let Keepsake { record: kept, done: kept_done, .. } = keepsake;
    if record.lineage.fate(kept.epoch, kept.nonce, kept.controls.rev, record.controls.rev) != Fate::Kept {
        return;
    }
    let is_known = |one: &Done| done.iter().any(|d| (d.connection, &d.request) == (one.connection, &one.request));
    let unknown: Vec<Done> = kept_done.into_iter().filter(|one| !is_known(one)).collect();
    // They are older than what the store has.
    done.splice(..0, unknown);
    let surplus = done.len().saturating_sub(DONE_PER_ROOM);
    done.drain(..surplus);
}

/// What a gateway knows of the room's controls.
fn known_by(roll: &Roll) -> Option<Known> {
    let Snapshot { stamp, controls, .. } = &**roll.snapshot.as_ref()?;
    Some((stamp.epoch, stamp.nonce, (**controls).clone()))
}
