//! The way to a room: to its conductor here, which is summoned from the room's record when it is first needed.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{OnceCell, mpsc, oneshot};

pub use super::actor::RequestId;
use super::{
    Mirror,
    actor::{Conductor, Declined, Ended, Mail, Surroundings},
};
use crate::{
    auth::Tenant,
    placement::Membership,
    room::{Actor, Code, CodeLength, Control, Controls, CreateRoom, Join, Refusal, Room, RoomKey},
    store::{self, Owner, RoomCursor, RoomRecord, Store, TakeOver, TakeOverRefused},
    telemetry::Metrics,
    time::Clock,
};

/// Requests that wait for one room. Past it, whoever asks waits too.
const MAILBOX_LEN: usize = 1_024;
/// A plan a second for each room, spread over this many moments of the second.
const TICK_SLOTS: u64 = 20;
/// How long a request waits for a conductor, in all: well within a client's own timeout of 10 s.
const ASK_PAUSES_MS: [u64; 6] = [0, 50, 100, 200, 400, 800];
/// How long between two tries to take a vacant room up.
const RETAKE_PAUSE: Duration = Duration::from_millis(200);
/// How often a code is drawn before the tenant's codes count as exhausted.
const CODE_DRAWS_MAX: usize = 64;

/// How conductors behave on this node.
#[derive(Clone, Copy, Debug)]
pub struct RouterSettings {
    /// How far ahead a change takes effect.
    pub control_lead_us: i64,
}

/// A room as REST and the listings show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoomStanding {
    pub room_id: Code,
    pub name: String,
    pub bpm: u32,
    pub beats_per_bar: u32,
    pub playing: bool,
    pub teacher_id: String,
    /// How many people are in the room.
    pub members: usize,
    pub settings: crate::room::Settings,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    pub last_active_at: i64,
}

/// Why a room could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CreateRefused {
    #[error("the tenant has its {limit} rooms already: close one, or raise max_rooms_per_tenant")]
    TooManyRooms { limit: usize },
    #[error("no conductor or store is available: try again in a moment")]
    Unavailable,
}

/// Why a control, a join or a look at a room failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ControlRefused {
    #[error("Room not found")]
    NotFound,
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody conducts the room at the moment: try again.
    #[error("no_conductor")]
    NoConductor,
    #[error("unavailable")]
    Unavailable,
}

#[derive(Clone)]
struct Handle {
    mail: mpsc::Sender<Mail>,
    occupancy: Arc<AtomicUsize>,
}

/// Finds the conductor of a room.
pub struct Router {
    surroundings: Arc<Surroundings>,
    node: Arc<str>,
    conductors: Mutex<HashMap<RoomKey, Arc<OnceCell<Handle>>>>,
    /// Rooms whose conductor has ended, on their way to [`Router::run`].
    ended: mpsc::UnboundedSender<(RoomKey, Ended)>,
    to_retake: Mutex<Option<mpsc::UnboundedReceiver<(RoomKey, Ended)>>>,
}

impl Router {
    pub fn new(
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        mirror: Arc<Mirror>,
        membership: Arc<Membership>,
        metrics: Arc<Metrics>,
        settings: RouterSettings,
    ) -> Self {
        let node = membership.node().clone();
        let surroundings = Arc::new(Surroundings {
            clock,
            store,
            mirror,
            membership,
            metrics,
            control_lead_us: settings.control_lead_us,
        });
        let (ended, to_retake) = mpsc::unbounded_channel();
        Self { surroundings, node, conductors: Mutex::default(), ended, to_retake: Mutex::new(Some(to_retake)) }
    }

    /// Makes a room with a code of its own and conducts it, even if the caller goes away meanwhile.
    pub async fn create(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        request: CreateRoom,
        teacher_id: &str,
    ) -> Result<RoomStanding, CreateRefused> {
        let (router, tenant, teacher_id) = (self.clone(), tenant.clone(), teacher_id.to_owned());
        let creating = tokio::spawn(async move { router.create_and_conduct(&tenant, request, &teacher_id).await });
        creating.await.unwrap_or(Err(CreateRefused::Unavailable))
    }

    async fn create_and_conduct(
        &self,
        tenant: &Tenant,
        request: CreateRoom,
        teacher_id: &str,
    ) -> Result<RoomStanding, CreateRefused> {
        let store = &self.surroundings.store;
        let limit = tenant.limits.max_rooms_per_tenant as usize;
        let live_rooms = store.live_rooms(&tenant.id).await.map_err(|_| CreateRefused::Unavailable)?;
        let length = CodeLength::for_live_rooms(live_rooms);
        for _ in 0..CODE_DRAWS_MAX {
            let code = Code::from_number(random() as u32, length);
            let key = RoomKey { tenant: tenant.id.clone(), code };
            let record = self.new_record(key, tenant, request.clone(), teacher_id).ok_or(CreateRefused::Unavailable)?;
            match store.create_room(record.clone(), limit).await {
                Ok(()) => {
                    let standing = standing_of(&record.key, &record.controls, 0);
                    self.install(record);
                    return Ok(standing);
                }
                Err(store::CreateRefused::CodeTaken) => {}
                Err(store::CreateRefused::TooManyRooms { .. }) => return Err(CreateRefused::TooManyRooms { limit }),
                Err(store::CreateRefused::Unavailable(error)) => {
                    tracing::error!(tenant.id = %tenant.id, %error, "a room could not be stored");
                    return Err(CreateRefused::Unavailable);
                }
            }
        }
        Err(CreateRefused::Unavailable)
    }

    /// The room as it stands.
    pub async fn standing(&self, key: &RoomKey) -> Result<RoomStanding, ControlRefused> {
        let record = self.surroundings.store.load_room(key).await.map_err(|_| ControlRefused::Unavailable)?;
        let record = record.ok_or(ControlRefused::NotFound)?;
        Ok(standing_of(key, &record.controls, self.occupancy(key)))
    }

    /// A page of a tenant's rooms, in order of their codes.
    pub async fn list(
        &self,
        tenant: &str,
        limit: usize,
        cursor: Option<&RoomCursor>,
    ) -> Result<(Vec<RoomStanding>, Option<RoomCursor>), ControlRefused> {
        let page = self.surroundings.store.list_rooms(tenant, cursor, limit).await;
        let (records, next) = page.map_err(|_| ControlRefused::Unavailable)?;
        let standings = records
            .iter()
            .map(|record| standing_of(&record.key, &record.controls, self.occupancy(&record.key)))
            .collect();
        Ok((standings, next))
    }

    /// Lets a connection into the room. On success the node's mirror holds the room.
    pub async fn admit(&self, key: &RoomKey, join: Join) -> Result<(), ControlRefused> {
        self.ask(key, |reply| Mail::Admit { join: join.clone(), reply }).await
    }

    /// A connection has left the room, or may have been on its way in. Goes on until a conductor has heard it, so
    /// that nobody haunts a room.
    pub async fn depart(&self, key: &RoomKey, connection: u64) {
        loop {
            match self.ask(key, |reply| Mail::Depart { connection, reply }).await {
                Ok(()) | Err(ControlRefused::NotFound | ControlRefused::Refused(_)) => return,
                // Nobody of this node is in the room: a conductor that takes it up starts without members.
                Err(_) if self.surroundings.mirror.room(key).is_none() => return,
                Err(_) => tokio::time::sleep(RETAKE_PAUSE).await,
            }
        }
    }

    /// Carries out a control; the answer means that it is stored.
    pub async fn control(
        &self,
        key: &RoomKey,
        actor: Actor,
        control: Control,
        request: Option<RequestId>,
    ) -> Result<Value, ControlRefused> {
        // Asked again after a conductor's death, it must not be applied twice, whoever it came from.
        let request = request.unwrap_or_else(|| RequestId { connection: random(), request: "unnamed".to_owned() });
        self.ask(key, |reply| Mail::Control {
            actor: actor.clone(),
            control: control.clone(),
            request: Some(request.clone()),
            reply,
        })
        .await
    }

    /// Asks the conductor; while there is none, or it turns out to be none any longer, tries again for a while.
    async fn ask<T>(
        &self,
        key: &RoomKey,
        mail: impl Fn(oneshot::Sender<Result<T, Declined>>) -> Mail,
    ) -> Result<T, ControlRefused> {
        for pause_ms in ASK_PAUSES_MS {
            if pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
            let handle = match self.summon(key).await {
                Ok(handle) => handle,
                Err(ControlRefused::NoConductor) => continue,
                Err(refused) => return Err(refused),
            };
            let (reply, answer) = oneshot::channel();
            if handle.mail.send(mail(reply)).await.is_err() {
                self.dismiss(key, &handle);
                continue;
            }
            match answer.await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(Declined::Refused(refusal))) => return Err(refusal.into()),
                Ok(Err(Declined::Unavailable)) => return Err(ControlRefused::Unavailable),
                Ok(Err(Declined::Deposed)) | Err(_) => self.dismiss(key, &handle),
            }
        }
        Err(ControlRefused::NoConductor)
    }

    /// The room's conductor, taken up from the record if nobody here conducts it yet.
    async fn summon(&self, key: &RoomKey) -> Result<Handle, ControlRefused> {
        let known = self.conductors.lock().get(key).cloned();
        let cell = match known {
            Some(cell) => cell,
            None => {
                // Unknown codes leave no trace in the map.
                let exists = self.surroundings.store.load_room(key).await.map_err(|_| ControlRefused::Unavailable)?;
                exists.ok_or(ControlRefused::NotFound)?;
                self.conductors.lock().entry(key.clone()).or_default().clone()
            }
        };
        let outcome = cell.get_or_try_init(|| self.take_up(key)).await.cloned();
        if let Err(ControlRefused::NotFound) = outcome {
            self.conductors.lock().remove(key);
        }
        outcome
    }

    async fn take_up(&self, key: &RoomKey) -> Result<Handle, ControlRefused> {
        let store = &self.surroundings.store;
        let incarnation = self.surroundings.membership.standing().ok_or(ControlRefused::NoConductor)?;
        let record = store.load_room(key).await.map_err(|_| ControlRefused::Unavailable)?;
        let record = record.ok_or(ControlRefused::NotFound)?;
        let claim = TakeOver {
            expected: Owner { node: record.owner, incarnation: record.incarnation },
            claimant: Owner { node: self.node.to_string(), incarnation },
            expected_reign: None,
            nonce: random(),
            from_beat: None,
            highest_seen_epoch: self.surroundings.mirror.highest_epoch(key),
            now_ms: self.surroundings.clock.now_us().div_euclid(1_000).unsigned_abs(),
        };
        let record = match store.take_over(key, claim).await {
            Ok(record) => record,
            Err(TakeOverRefused::Gone) => return Err(ControlRefused::NotFound),
            Err(TakeOverRefused::Owned { .. }) => return Err(ControlRefused::NoConductor),
            Err(TakeOverRefused::Unavailable(error)) => {
                tracing::error!(room.key = %key, %error, "a room could not be taken up");
                return Err(ControlRefused::Unavailable);
            }
        };
        let done = store.recent_done(key).await.map_err(|_| ControlRefused::Unavailable)?;
        tracing::info!(room.key = %key, room.epoch = record.epoch, "conducting");
        Ok(self.appoint(record, done))
    }

    fn appoint(&self, record: RoomRecord, done: Vec<store::Done>) -> Handle {
        let (key, fence) = (record.key.clone(), record.fence());
        let members = self.surroundings.mirror.members(&record.key);
        let now_us = self.surroundings.clock.now_us();
        let empty_since_us = members.is_empty().then_some(now_us);
        let room = Room { members, empty_since_us, ..Room::restored(record.key, record.controls, now_us) };
        let occupancy = Arc::new(AtomicUsize::new(0));
        let conductor = Conductor::new(self.surroundings.clone(), room, fence, done, occupancy.clone());
        let (mail, mailbox) = mpsc::channel(MAILBOX_LEN);
        let ended = self.ended.clone();
        tokio::spawn(async move {
            let why = AssertUnwindSafe(conductor.run(mailbox)).catch_unwind().await.unwrap_or(Ended::Vacant);
            // Nobody asks any more only when the node is going down.
            let _ = ended.send((key, why));
        });
        Handle { mail, occupancy }
    }

    fn install(&self, record: RoomRecord) {
        let key = record.key.clone();
        let handle = self.appoint(record, Vec::new());
        self.conductors.lock().insert(key, Arc::new(OnceCell::from(handle)));
    }

    /// Forgets a conductor that has ended, unless a newer one is already there.
    fn dismiss(&self, key: &RoomKey, ended: &Handle) {
        let mut conductors = self.conductors.lock();
        let is_same = |handle: &Handle| handle.mail.same_channel(&ended.mail);
        if conductors.get(key).and_then(|cell| cell.get()).is_some_and(is_same) {
            conductors.remove(key);
        }
    }

    /// Takes up every room of the store: for the node's start.
    pub async fn resume_all(&self) -> Result<usize, store::StoreError> {
        let rooms = self.surroundings.store.owners().await?;
        let count = rooms.len();
        // All at once: the store's journal commits them together.
        futures_util::future::join_all(rooms.iter().map(|(key, _)| self.retake(key))).await;
        Ok(count)
    }

    /// Tries to take a room up until somebody conducts it or it is gone.
    async fn retake(&self, key: &RoomKey) {
        loop {
            match self.summon(key).await {
                Ok(_) => return,
                Err(ControlRefused::NotFound) => return self.surroundings.mirror.end(key),
                Err(refused) => {
                    tracing::warn!(room.key = %key, %refused, "nobody conducts this room yet");
                    tokio::time::sleep(RETAKE_PAUSE).await;
                }
            }
        }
    }

    /// Ticks every conductor once a second, spread evenly over the second, and takes vacant rooms up again at once.
    /// Runs for the node's life.
    pub async fn run(self: &Arc<Self>) {
        let Some(mut to_retake) = self.to_retake.lock().take() else { return };
        let mut interval = tokio::time::interval(Duration::from_millis(1_000 / TICK_SLOTS));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut slots = (0..TICK_SLOTS).cycle();
        loop {
            tokio::select! {
                _ = interval.tick() => slots.next().into_iter().for_each(|slot| self.tick(slot)),
                Some((key, why)) = to_retake.recv() => self.succeed(key, why),
            }
        }
    }

    fn succeed(self: &Arc<Self>, key: RoomKey, why: Ended) {
        {
            let mut conductors = self.conductors.lock();
            let is_over = |handle: &Handle| handle.mail.is_closed();
            if conductors.get(&key).and_then(|cell| cell.get()).is_some_and(is_over) {
                conductors.remove(&key);
            }
        }
        if why == Ended::Vacant {
            let router = self.clone();
            tokio::spawn(async move { router.retake(&key).await });
        }
    }

    fn tick(&self, slot: u64) {
        for (key, cell) in self.conductors.lock().iter() {
            if slot_of(key) == slot
                && let Some(handle) = cell.get()
            {
                // A full mailbox ticks later; a closed one is on its way to `succeed`.
                let _ = handle.mail.try_send(Mail::Tick);
            }
        }
    }

    fn new_record(&self, key: RoomKey, tenant: &Tenant, request: CreateRoom, teacher_id: &str) -> Option<RoomRecord> {
        let now_us = self.surroundings.clock.now_us();
        let limits = &tenant.limits;
        let room = Room::create(key, request, teacher_id, limits.default_bpm, limits.max_students_per_room, now_us);
        Some(RoomRecord {
            key: room.key,
            owner: self.node.to_string(),
            incarnation: self.surroundings.membership.standing()?,
            epoch: now_us.div_euclid(1_000).unsigned_abs(),
            nonce: random(),
            since_ms: now_us.div_euclid(1_000).unsigned_abs(),
            taken_from: String::new(),
            from_beat: None,
            members_rev: 0,
            controls: room.controls,
        })
    }

    fn occupancy(&self, key: &RoomKey) -> usize {
        let conductors = self.conductors.lock();
        let handle = conductors.get(key).and_then(|cell| cell.get());
        handle.map_or(0, |handle| handle.occupancy.load(Ordering::Relaxed))
    }
}

fn standing_of(key: &RoomKey, controls: &Controls, members: usize) -> RoomStanding {
    RoomStanding {
        room_id: key.code.clone(),
        name: controls.settings.name.clone(),
        bpm: controls.bpm,
        beats_per_bar: controls.meter.beats_per_bar,
        playing: controls.playing,
        teacher_id: controls.teacher_id.clone(),
        members,
        settings: controls.settings.clone(),
        created_at: controls.created_at_us.div_euclid(1_000),
        last_active_at: controls.last_active_at_us.div_euclid(1_000),
    }
}

fn slot_of(key: &RoomKey) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key.code.as_str().as_bytes()) % TICK_SLOTS
}

/// Below 2⁵³, as the store asks of a nonce.
fn random() -> u64 {
    // Where the system gives no randomness, two nonces may tie: the epoch then still differs.
    getrandom::u64().unwrap_or_default() >> 11
}
