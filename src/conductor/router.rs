//! The way to a room: to its conductor here or on another node, which is summoned from the room's record when it is
//! first needed. How a node comes to conduct stands in `succession.rs`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::Value;
use thiserror::Error;
use tokio::{
    sync::{OnceCell, mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Mirror, RequestId, RoomStanding,
    actor::{Answer, Asked, Ended, Mail, Surroundings},
    ask::{Ask, Declined, Reply, RoomCall, SERVICE, decode, encode},
    random,
    reign::Keepsake,
};
use crate::{
    participation::Recorder,
    placement::{Directory, Lookout, Membership},
    relay::Calls,
    room::{Actor, Control, Join, Refusal, RoomKey},
    store::{RoomCursor, Store},
    telemetry::Metrics,
    time::Clock,
    traces,
};

/// Between two tries to find a conductor; the last for all that follow. A look at the store may end one earlier, but not
/// before half of it.
const ASK_PAUSES_MS: [u64; 5] = [20, 50, 100, 200, 400];
/// How long one call to another node may take.
pub(super) const CALL_WITHIN: Duration = Duration::from_millis(700);
/// How long one try of a control may take, which may have to wait for gateways' confirmations. A repetition is answered
/// and not applied.
const CONTROL_WITHIN: Duration = Duration::from_millis(1_000);
/// How long a request waits for a conductor: longer than a failover takes, and well within a client's own timeout of 10 s.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// How often a call that is not answered yet looks whether the asked node still lives.
const STILL_THERE: Duration = Duration::from_millis(250);
/// Between two rounds of telling conductors of connections that have gone, and rooms told at once.
const DEPARTURES_EVERY: Duration = Duration::from_millis(500);
const DEPARTURES_AT_ONCE: usize = 32;

/// How conductors behave on this node.
#[derive(Clone, Copy, Debug)]
pub struct RouterSettings {
    /// How far ahead a change takes effect.
    pub control_lead_us: i64,
}

/// What a router is made of.
pub struct Parts {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub mirror: Arc<Mirror>,
    pub membership: Arc<Membership>,
    pub directory: Arc<Directory>,
    pub lookout: Arc<Lookout>,
    pub calls: Arc<Calls>,
    pub metrics: Arc<Metrics>,
    pub recorder: Arc<Recorder>,
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
pub(super) struct Handle {
    pub mail: mpsc::Sender<Mail>,
}

/// Where a room is conducted.
pub(super) enum Whereabouts {
    Here(Handle),
    There(Arc<str>),
}

/// Finds the conductor of a room.
pub struct Router {
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) lookout: Arc<Lookout>,
    pub(super) node: Arc<str>,
    pub(super) conductors: Mutex<HashMap<RoomKey, Arc<OnceCell<Handle>>>>,
    /// Rooms whose conductor has ended, on their way to [`Router::run`].
    pub(super) ended: mpsc::UnboundedSender<(RoomKey, Ended)>,
    pub(super) to_retake: Mutex<Option<mpsc::UnboundedReceiver<(RoomKey, Ended)>>>,
    /// Claims to rooms of which it is not known what became of them: (incarnation, nonce).
    pub(super) claims: Mutex<HashMap<RoomKey, (u64, u64)>>,
    /// What this node's conductors knew whose reign has ended, until somebody reigns again.
    pub(super) keepsakes: Mutex<HashMap<RoomKey, Keepsake>>,
    /// Departures that no conductor has heard of yet.
    departing: watch::Sender<usize>,
    /// Those that wait for [`Router::run_departures`].
    late_departures: Mutex<HashMap<RoomKey, BTreeSet<u64>>>,
    pub(super) errands_under_way: Mutex<HashSet<(RoomKey, &'static str, u64)>>,
    /// A search for rooms without a conductor is under way, or wanted.
    pub(super) search_wanted: tokio::sync::Notify,
}

impl Router {
    pub fn new(parts: Parts, settings: RouterSettings) -> Self {
        let Parts { clock, store, mirror, membership, directory, lookout, calls, metrics, recorder } = parts;
        let node = membership.node().clone();
        let surroundings = Arc::new(Surroundings {
            clock,
            store,
            mirror,
            membership,
            directory,
            calls,
            metrics,
            recorder,
            control_lead_us: settings.control_lead_us,
        });
        let (ended, to_retake) = mpsc::unbounded_channel();
        Self {
            surroundings,
            lookout,
            node,
            conductors: Mutex::default(),
            ended,
            to_retake: Mutex::new(Some(to_retake)),
            claims: Mutex::default(),
            keepsakes: Mutex::default(),
            departing: watch::Sender::new(0),
            late_departures: Mutex::default(),
            errands_under_way: Mutex::default(),
            search_wanted: tokio::sync::Notify::new(),
        }
    }

    /// The room as it stands.
    pub async fn standing(&self, key: &RoomKey) -> Result<RoomStanding, ControlRefused> {
        let store = &self.surroundings.store;
        let record = store.load_room(key).await.map_err(|_| ControlRefused::Unavailable)?;
        let record = record.ok_or(ControlRefused::NotFound)?;
        let occupancies = store.occupancies(std::slice::from_ref(key)).await;
        let members = occupancies.map_err(|_| ControlRefused::Unavailable)?.first().copied().unwrap_or_default();
        Ok(RoomStanding::of(key, &record.controls, members))
    }

    /// A page of a tenant's rooms, in order of their codes.
    pub async fn list(
        &self,
        tenant: &str,
        limit: usize,
        cursor: Option<&RoomCursor>,
    ) -> Result<(Vec<RoomStanding>, Option<RoomCursor>), ControlRefused> {
        let store = &self.surroundings.store;
        let page = store.list_rooms(tenant, cursor, limit).await;
        let (records, next) = page.map_err(|_| ControlRefused::Unavailable)?;
        let keys: Vec<RoomKey> = records.iter().map(|record| record.key.clone()).collect();
        let occupancies = store.occupancies(&keys).await.map_err(|_| ControlRefused::Unavailable)?;
        let rooms = records.iter().zip(occupancies);
        let standings = rooms.map(|(record, members)| RoomStanding::of(&record.key, &record.controls, members));
        Ok((standings.collect(), next))
    }

    /// Lets a connection into the room. On success the node's mirror holds the room.
    pub async fn admit(&self, key: &RoomKey, join: Join) -> Result<(), ControlRefused> {
        let mirror = &self.surroundings.mirror;
        let home = self.surroundings.membership.home();
        let wants_snapshot = mirror.room(key).is_none();
        let reply = self.ask(key, Ask::Admit { join, home, wants_snapshot }, CALL_WITHIN).await?;
        if let Reply::Snapshot(snapshot) = reply {
            mirror.open(key, &snapshot);
        }
        Ok(())
    }

    /// What a member's connection shows of itself in the room's presence from now on, in place of its former meta:
    /// the JSON text of an object, or None for the plain meta again. The answer means that it is stored; the same as
    /// before changes nothing.
    ///
    /// # Errors
    /// `unknown student` for a connection that the conductor does not have among the student's, and
    /// `payload_size_exceeded` where the room's connections would show too much together; the rest as for a control.
    pub async fn track(
        &self,
        key: &RoomKey,
        student_id: &str,
        connection: u64,
        fields: Option<Arc<str>>,
    ) -> Result<(), ControlRefused> {
        let ask = Ask::Track { student_id: student_id.to_owned(), connection, fields };
        self.ask(key, ask, CALL_WITHIN).await.map(drop)
    }

    /// A connection has left the room, or may have been on its way in. Until a conductor has heard it, it is told again
    /// and again, so that nobody haunts a room.
    pub async fn depart(&self, key: &RoomKey, connection: u64) {
        self.departing.send_modify(|departing| *departing += 1);
        if !self.is_departed(key, connection).await {
            self.late_departures.lock().entry(key.clone()).or_default().insert(connection);
        }
        self.departing.send_modify(|departing| *departing -= 1);
    }

    async fn is_departed(&self, key: &RoomKey, connection: u64) -> bool {
        let heard = self.ask(key, Ask::Depart { connection }, CALL_WITHIN).await;
        matches!(heard, Ok(_) | Err(ControlRefused::NotFound | ControlRefused::Refused(_)))
    }

    /// Resolves when every departure has been heard or waits to be told again, or after `within`.
    pub async fn departed(&self, within: Duration) {
        let mut departing = self.departing.subscribe();
        // What is not heard in time is found out from this node's end.
        let _ = tokio::time::timeout(within, departing.wait_for(|departing| *departing == 0)).await;
    }

    /// Tells again of the departures that nobody has heard of, room by room. Runs for the node's life.
    pub async fn run_departures(&self) {
        loop {
            tokio::time::sleep(DEPARTURES_EVERY).await;
            let late: Vec<_> = self.late_departures.lock().drain().collect();
            stream::iter(late)
                .for_each_concurrent(DEPARTURES_AT_ONCE, |(key, connections)| async move {
                    for connection in connections {
                        if !self.is_departed(&key, connection).await {
                            self.late_departures.lock().entry(key.clone()).or_default().insert(connection);
                        }
                    }
                })
                .await;
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
        let ask = Ask::Control { actor, control, request: Some(request) };
        match self.ask(key, ask, CONTROL_WITHIN).await? {
            Reply::Value(reply) => Ok(reply),
            _ => Err(ControlRefused::NoConductor),
        }
    }

    /// Asks the conductor; while there is none, or it turns out to be none any longer, tries again for a while.
    pub(super) async fn ask(&self, key: &RoomKey, ask: Ask, within: Duration) -> Result<Reply, ControlRefused> {
        let began = Instant::now();
        let mut hint = self.surroundings.mirror.conductor_of(key).filter(|node| *node != self.node);
        let mut pauses = ASK_PAUSES_MS.into_iter();
        let mut pause = Duration::ZERO;
        while began.elapsed() <= ASK_WITHIN {
            if !pause.is_zero() {
                tokio::time::sleep(pause / 2).await;
                self.lookout.looked_again(pause / 2).await;
            }
            pause = pauses.next().map_or(pause, Duration::from_millis);
            let whereabouts = match self.conducting(key) {
                Some(handle) => Whereabouts::Here(handle),
                None => match hint.take().filter(|node| self.lives(node)) {
                    Some(node) => Whereabouts::There(node),
                    None => match self.locate(key).await {
                        Ok(whereabouts) => whereabouts,
                        Err(ControlRefused::NoConductor) => continue,
                        Err(refused) => return Err(refused),
                    },
                },
            };
            let answer = match whereabouts {
                Whereabouts::Here(handle) => self.ask_here(key, &handle, ask.clone()).await.into(),
                Whereabouts::There(node) => self.ask_there(&node, key, ask.clone(), within).await,
            };
            match answer {
                Reply::NoConductor => {}
                Reply::Unavailable => return Err(ControlRefused::Unavailable),
                // The room's record says so; a node that was asked may have looked into an empty store.
                Reply::NotFound => return self.not_found(key).await,
                Reply::Refused(refusal) => return Err(refusal.into()),
                reply => return Ok(reply),
            }
        }
        Err(ControlRefused::NoConductor)
    }

    async fn not_found(&self, key: &RoomKey) -> Result<Reply, ControlRefused> {
        Err(if self.is_lost(key).await { ControlRefused::NoConductor } else { ControlRefused::NotFound })
    }

    /// The conductor of this node, if the room has one.
    pub(super) fn conducting(&self, key: &RoomKey) -> Option<Handle> {
        self.conductors.lock().get(key)?.get().cloned()
    }

    /// Resolves when a node is seen to be gone.
    async fn dies(&self, node: &str) {
        while self.lives(node) {
            tokio::time::sleep(STILL_THERE).await;
        }
    }

    fn lives(&self, node: &str) -> bool {
        self.surroundings.directory.view().nodes.get(node).is_some_and(|seen| seen.lives)
    }

    pub(super) async fn ask_here(&self, key: &RoomKey, handle: &Handle, ask: Ask) -> Answer {
        let (reply, answer) = oneshot::channel();
        let outcome = match handle
            .mail
            .send(Mail::Ask { asked: Box::new(Asked { ask, span: traces::step("conduct") }), reply })
            .await
        {
            Ok(()) => answer.await.unwrap_or(Err(Declined::Deposed)),
            Err(_) => Err(Declined::Deposed),
        };
        if outcome == Err(Declined::Deposed) {
            self.dismiss(key, handle);
        }
        outcome
    }

    pub(super) async fn ask_there(&self, node: &Arc<str>, key: &RoomKey, ask: Ask, within: Duration) -> Reply {
        let Some(call) = encode(&RoomCall { key: key.clone(), ask }) else { return Reply::Unavailable };
        let asked = self.surroundings.calls.ask(node, SERVICE, call, within);
        let answered = tokio::select! {
            answered = asked => answered,
            () = self.dies(node) => return Reply::NoConductor,
        };
        let answer = match answered {
            Ok(bytes) => decode(&bytes),
            Err(error) => {
                tracing::debug!(
                    tenant.id = %key.tenant, room.code = %key.code, node.to = %node, %error,
                    "the conductor was not reached"
                );
                None
            }
        };
        answer.unwrap_or(Reply::NoConductor)
    }

    /// Forgets a conductor that has ended, unless a newer one is already there.
    fn dismiss(&self, key: &RoomKey, ended: &Handle) {
        let mut conductors = self.conductors.lock();
        let is_same = |handle: &Handle| handle.mail.same_channel(&ended.mail);
        // One that is handing over, or at its end, still has its mailbox: then nobody else is there yet.
        if ended.mail.is_closed() && conductors.get(key).and_then(|cell| cell.get()).is_some_and(is_same) {
            conductors.remove(key);
        }
    }
}
