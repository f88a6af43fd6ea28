//! A store that fails when its test says so, and is an embedded one otherwise.

use std::sync::Arc;

use async_trait::async_trait;
use downbeat::{
    room::{Controls, RoomKey},
    store::{
        CreateRefused, Done, EmbeddedStore, Fence, Lineage, Look, MemberWrite, Owned, Restoration, Restored,
        RoomCursor, RoomRecord, ServerClock, SessionInfo, Store, StoreError, StoredMembers, TakeOver, TakeOverRefused,
        WriteRefused,
    },
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What happens to the writes of rooms.
#[derive(Clone, Default)]
enum Fault {
    #[default]
    None,
    /// Each is answered with `Unavailable` and leaves no trace.
    Refuse,
    /// Nothing about rooms is answered, reads included.
    Away,
    /// Each waits before it is stored.
    Hold(Arc<Semaphore>),
    /// The next one fails its writer before it is stored. Then the store is away, or well.
    PanicBefore { then_away: bool },
    /// The next one fails its writer once it is stored.
    PanicAfter,
    /// What is written to rooms is acknowledged, and lost.
    Lose,
    /// Rooms are always another's.
    RefuseTakeOvers,
}

pub struct FaultyStore {
    inner: Mutex<Arc<EmbeddedStore>>,
    fault: Mutex<Fault>,
    server: Mutex<Server>,
}

/// The server that the store runs on.
#[derive(Default)]
struct Server {
    /// How often it has lost everything.
    losses: u64,
    generation: Option<String>,
    clock: Option<ServerClock>,
}

/// Writes wait until this is released.
pub struct Held(Arc<Semaphore>);

impl Held {
    pub fn release(self) {
        self.0.close();
    }
}

impl Default for FaultyStore {
    fn default() -> Self {
        let inner = Mutex::new(Arc::new(EmbeddedStore::in_memory()));
        Self { inner, fault: Mutex::default(), server: Mutex::default() }
    }
}

impl FaultyStore {
    /// What is stored, whatever the store says.
    pub fn inner(&self) -> Arc<EmbeddedStore> {
        self.inner.lock().clone()
    }

    /// Comes back empty.
    pub fn lose_everything(&self) {
        *self.inner.lock() = Arc::new(EmbeddedStore::in_memory());
        let mut server = self.server.lock();
        server.losses += 1;
        server.generation = None;
    }

    /// Runs on another server from now on, with all that was stored.
    pub fn move_to(&self, run_id: &str) {
        self.server.lock().clock = Some(ServerClock { run_id: run_id.into(), time_us: 0, offset_us: Some(0) });
    }

    /// Says that it has stored what it has not, as a primary does whose replica takes its place.
    pub fn lose_writes(&self) {
        *self.fault.lock() = Fault::Lose;
    }

    /// Answers nothing about rooms.
    pub fn go_away(&self) {
        *self.fault.lock() = Fault::Away;
    }

    fn loses(&self) -> bool {
        matches!(*self.fault.lock(), Fault::Lose)
    }

    pub fn heal(&self) {
        *self.fault.lock() = Fault::None;
    }

    pub fn refuse_writes(&self) {
        *self.fault.lock() = Fault::Refuse;
    }

    pub fn refuse_takeovers(&self) {
        *self.fault.lock() = Fault::RefuseTakeOvers;
    }

    pub fn panic_before_the_next_write(&self) {
        *self.fault.lock() = Fault::PanicBefore { then_away: false };
    }

    pub fn panic_before_the_next_write_and_go_away(&self) {
        *self.fault.lock() = Fault::PanicBefore { then_away: true };
    }

    pub fn panic_after_the_next_write(&self) {
        *self.fault.lock() = Fault::PanicAfter;
    }

    pub fn hold_writes(&self) -> Held {
        let gate = Arc::new(Semaphore::new(0));
        *self.fault.lock() = Fault::Hold(gate.clone());
        Held(gate)
    }

    async fn before_write(&self) -> Result<(), StoreError> {
        let fault = self.fault.lock().clone();
        match fault {
            Fault::None | Fault::Lose | Fault::PanicAfter | Fault::RefuseTakeOvers => Ok(()),
            Fault::Refuse | Fault::Away => Err(unavailable()),
            Fault::Hold(gate) => {
                // Closed is released.
                let _ = gate.acquire().await;
                Ok(())
            }
            Fault::PanicBefore { then_away } => {
                *self.fault.lock() = if then_away { Fault::Away } else { Fault::None };
                panic!("the store fails its writer, as it was told to");
            }
        }
    }

    fn after_write(&self) {
        if matches!(*self.fault.lock(), Fault::PanicAfter) {
            self.heal();
            panic!("the store fails its writer once it has stored, as it was told to");
        }
    }

    fn answers(&self) -> Result<(), StoreError> {
        match *self.fault.lock() {
            Fault::Away => Err(unavailable()),
            _ => Ok(()),
        }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { reason: "it was told to fail".into() }
}

#[async_trait]
impl Store for FaultyStore {
    async fn create_room(&self, record: RoomRecord, max_rooms: usize) -> Result<(), CreateRefused> {
        self.answers()?;
        self.inner().create_room(record, max_rooms).await
    }

    async fn live_rooms(&self, tenant: &str) -> Result<usize, StoreError> {
        self.inner().live_rooms(tenant).await
    }

    async fn load_room(&self, key: &RoomKey) -> Result<Option<RoomRecord>, StoreError> {
        self.answers()?;
        self.inner().load_room(key).await
    }

    async fn take_over(&self, key: &RoomKey, claim: TakeOver) -> Result<RoomRecord, TakeOverRefused> {
        self.answers()?;
        if matches!(*self.fault.lock(), Fault::RefuseTakeOvers) {
            return Err(TakeOverRefused::Owned { node: "another".into(), incarnation: 0 });
        }
        self.inner().take_over(key, claim).await
    }

    async fn write_room(
        &self,
        key: &RoomKey,
        fence: &Fence,
        controls: &Controls,
        done: Option<Done>,
        lineage: Option<&Lineage>,
    ) -> Result<(), WriteRefused> {
        self.before_write().await?;
        if self.loses() {
            return Ok(());
        }
        let written = self.inner().write_room(key, fence, controls, done, lineage).await;
        self.after_write();
        written
    }

    async fn recent_done(&self, key: &RoomKey) -> Result<Vec<Done>, StoreError> {
        self.answers()?;
        self.inner().recent_done(key).await
    }

    async fn close_room(&self, key: &RoomKey, fence: &Fence) -> Result<(), WriteRefused> {
        self.before_write().await?;
        let closed = self.inner().close_room(key, fence).await;
        self.after_write();
        closed
    }

    async fn list_rooms(
        &self,
        tenant: &str,
        cursor: Option<&RoomCursor>,
        limit: usize,
    ) -> Result<(Vec<RoomRecord>, Option<RoomCursor>), StoreError> {
        self.inner().list_rooms(tenant, cursor, limit).await
    }

    async fn owners(&self) -> Result<Vec<Owned>, StoreError> {
        self.inner().owners().await
    }

    async fn write_members(
        &self,
        key: &RoomKey,
        fence: &Fence,
        members_rev: u64,
        changes: &[MemberWrite],
    ) -> Result<(), WriteRefused> {
        self.answers()?;
        if self.loses() {
            return Ok(());
        }
        self.inner().write_members(key, fence, members_rev, changes).await
    }

    async fn members(&self, key: &RoomKey) -> Result<StoredMembers, StoreError> {
        self.answers()?;
        self.inner().members(key).await
    }

    async fn occupancies(&self, keys: &[RoomKey]) -> Result<Vec<usize>, StoreError> {
        self.inner().occupancies(keys).await
    }

    async fn restore_room(&self, restoration: &Restoration) -> Result<Restored, StoreError> {
        self.inner().restore_room(restoration).await
    }

    async fn bury_room(&self, key: &RoomKey, epoch: u64) -> Result<(), StoreError> {
        self.inner().bury_room(key, epoch).await
    }

    async fn open_session(&self, node: &str, info: &SessionInfo, at_least: u64) -> Result<u64, StoreError> {
        // Never a number twice, whatever was lost.
        let losses = self.server.lock().losses;
        self.inner().open_session(node, info, at_least.max(losses * 1_000_000)).await
    }

    async fn renew_session(&self, node: &str, incarnation: u64, info: &SessionInfo) -> Result<bool, StoreError> {
        self.inner().renew_session(node, incarnation, info).await
    }

    async fn close_session(&self, node: &str, incarnation: u64) -> Result<bool, StoreError> {
        self.inner().close_session(node, incarnation).await
    }

    async fn end_session(&self, node: &str, incarnation: u64, renewals: u64) -> Result<bool, StoreError> {
        self.inner().end_session(node, incarnation, renewals).await
    }

    async fn look(&self) -> Result<Look, StoreError> {
        let look = self.inner().look().await?;
        let server = self.server.lock();
        Ok(Look { generation: server.generation.clone(), server: server.clock.clone(), ..look })
    }

    async fn name_generation(&self, proposal: &str) -> Result<String, StoreError> {
        Ok(self.server.lock().generation.get_or_insert_with(|| proposal.to_owned()).clone())
    }

    async fn agree_clock(&self, run_id: &str, expected: Option<i64>, offset_us: i64) -> Result<i64, StoreError> {
        self.inner().agree_clock(run_id, expected, offset_us).await
    }

    async fn shared_secret(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.inner().shared_secret(name, proposal).await
    }

    fn failure(&self) -> Option<StoreError> {
        None
    }
}
