//! The store of a node that runs alone: all of it in memory, each change journalled to a file before it is acknowledged.
//!
//! A change is checked and applied under one lock, which also fixes its place in the journal's queue;
//! then its caller waits for the disk. Sessions are not journalled: they end with the process.

mod journal;
mod json;
mod reload;
mod state;
mod topics;

use std::path::Path;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};

use crate::room::{Controls, RoomKey};

use super::{
    CreateRefused, Done, Fence, Lineage, Look, MemberWrite, Owned, Restoration, Restored, RoomCursor, RoomRecord,
    SessionInfo, Store, StoreError, StoredMembers, TakeOver, TakeOverRefused, WriteRefused,
};
use journal::Journal;
use json::Changes;
use state::State;
use topics::Topics;

pub use journal::JournalFigures;
pub use reload::OpenError;

/// This store has one life: what it holds is never lost without the node.
const GENERATION: &str = "embedded";

/// The store of a single node. Dropping it writes out what is queued, and frees the file.
pub struct EmbeddedStore {
    state: RwLock<State>,
    /// In memory alone: presences end with the process, and so may broadcasts.
    topics: Mutex<Topics>,
    journal: Option<Journal>,
    damaged_records: usize,
}

impl EmbeddedStore {
    /// Opens the file at `path`, or makes it (and its directory), and reads everything in it.
    /// Blocks for as long as that takes: call it before the node serves.
    ///
    /// A record that cannot be understood is logged and set aside in the file; the rest is loaded.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let (database, loaded) = reload::open(path)?;
        let journal = Journal::start(database).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let (state, topics) = (RwLock::new(loaded.state), Mutex::default());
        Ok(Self { state, topics, journal: Some(journal), damaged_records: loaded.damaged })
    }

    /// A store without a file: it forgets everything when it is dropped.
    pub fn in_memory() -> Self {
        let (state, topics) = (RwLock::default(), Mutex::default());
        Self { state, topics, journal: None, damaged_records: 0 }
    }

    /// How many records were set aside when the file was opened.
    pub fn damaged_records(&self) -> usize {
        self.damaged_records
    }

    /// What the journal has done since it was opened; zeros in memory.
    pub fn journal_figures(&self) -> JournalFigures {
        self.journal.as_ref().map(Journal::figures).unwrap_or_default()
    }

    /// Carries out one change and waits until it is on the disk.
    /// If the caller goes away meanwhile, the change stays.
    async fn change<T, R: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut State, &mut Changes) -> Result<T, R> + Send,
    ) -> Result<T, R> {
        let Some(journal) = &self.journal else {
            return change(&mut self.state.write(), &mut Changes::unwanted());
        };
        // The place comes first: once the change is applied, it must reach the journal.
        let place = journal.place().await?;
        let (value, stored) = {
            let mut state = self.state.write();
            let mut changes = Changes::wanted();
            let value = change(&mut state, &mut changes)?;
            (value, place.write(changes.into_puts()))
        };
        journal.stored(stored).await?;
        Ok(value)
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn create_room(&self, record: RoomRecord, max_rooms: usize) -> Result<(), CreateRefused> {
        self.change(|state, changes| state.create_room(record, max_rooms, changes)).await
    }

    async fn live_rooms(&self, tenant: &str) -> Result<usize, StoreError> {
        Ok(self.state.read().live_rooms(tenant))
    }

    async fn load_room(&self, key: &RoomKey) -> Result<Option<RoomRecord>, StoreError> {
        Ok(self.state.read().room(key).cloned())
    }

    async fn take_over(&self, key: &RoomKey, claim: TakeOver) -> Result<RoomRecord, TakeOverRefused> {
        self.change(|state, changes| state.take_over(key, claim, changes)).await
    }

    async fn write_room(
        &self,
        key: &RoomKey,
        fence: &Fence,
        controls: &Controls,
        done: Option<Done>,
        lineage: Option<&Lineage>,
    ) -> Result<(), WriteRefused> {
        self.change(|state, changes| state.write_room(key, fence, controls, done, lineage, changes)).await
    }

    async fn recent_done(&self, key: &RoomKey) -> Result<Vec<Done>, StoreError> {
        Ok(self.state.read().recent_done(key))
    }

    async fn close_room(&self, key: &RoomKey, fence: &Fence) -> Result<(), WriteRefused> {
        self.change(|state, changes| state.close_room(key, fence, changes)).await
    }

    async fn list_rooms(
        &self,
        tenant: &str,
        cursor: Option<&RoomCursor>,
        limit: usize,
    ) -> Result<(Vec<RoomRecord>, Option<RoomCursor>), StoreError> {
        Ok(self.state.read().list_rooms(tenant, cursor, limit))
    }

    async fn owners(&self) -> Result<Vec<Owned>, StoreError> {
        Ok(self.state.read().owners())
    }

    /// In memory alone: the members of a node that runs alone end with it.
    async fn write_members(
        &self,
        key: &RoomKey,
        fence: &Fence,
        members_rev: u64,
        changes: &[MemberWrite],
    ) -> Result<(), WriteRefused> {
        self.state.write().write_members(key, fence, members_rev, changes)
    }

    async fn members(&self, key: &RoomKey) -> Result<StoredMembers, StoreError> {
        Ok(self.state.read().members(key))
    }

    async fn occupancies(&self, keys: &[RoomKey]) -> Result<Vec<usize>, StoreError> {
        let state = self.state.read();
        Ok(keys.iter().map(|key| state.members(key).members.len()).collect())
    }

    async fn restore_room(&self, restoration: &Restoration) -> Result<Restored, StoreError> {
        self.change(|state, changes| state.restore_room(restoration, changes)).await
    }

    async fn bury_room(&self, key: &RoomKey, epoch: u64) -> Result<(), StoreError> {
        self.change(|state, changes| state.bury_room(key, epoch, changes)).await
    }

    async fn open_session(&self, node: &str, info: &SessionInfo, at_least: u64) -> Result<u64, StoreError> {
        self.change(|state, changes| state.open_session(node, info, at_least, changes)).await
    }

    async fn renew_session(&self, node: &str, incarnation: u64, info: &SessionInfo) -> Result<bool, StoreError> {
        Ok(self.state.write().renew_session(node, incarnation, info))
    }

    async fn close_session(&self, node: &str, incarnation: u64) -> Result<bool, StoreError> {
        Ok(self.state.write().end_session(node, incarnation, None))
    }

    async fn end_session(&self, node: &str, incarnation: u64, renewals: u64) -> Result<bool, StoreError> {
        Ok(self.state.write().end_session(node, incarnation, Some(renewals)))
    }

    async fn look(&self) -> Result<Look, StoreError> {
        let sessions = self.state.read().sessions();
        Ok(Look { sessions, generation: Some(GENERATION.to_owned()), ..Look::default() })
    }

    async fn name_generation(&self, _proposal: &str) -> Result<String, StoreError> {
        Ok(GENERATION.to_owned())
    }

    /// This store has no clock of its own: the node's is the cluster's.
    async fn agree_clock(&self, _run_id: &str, _expected: Option<i64>, offset_us: i64) -> Result<i64, StoreError> {
        Ok(offset_us)
    }

    async fn shared_secret(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.state.write().shared_secret(name, proposal))
    }

    fn failure(&self) -> Option<StoreError> {
        self.journal.as_ref().and_then(Journal::failure)
    }
}
