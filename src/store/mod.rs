//! What must outlive a node: room records and node sessions.
//!
//! Acknowledged means stored: a write has answered `Ok` only once a crash of the process can no longer lose it.
//! Every operation is one step that nothing interrupts, and compares only what it is given with what is stored,
//! so that a store on Redis can carry each out as one script.

mod embedded;
mod events;
mod lineage;
mod records;
mod redis;
mod refused;
mod topics;

use async_trait::async_trait;

use crate::room::{Controls, RoomKey};

pub use self::redis::RedisStore;
pub use embedded::{EmbeddedStore, JournalFigures, OpenError};
pub use events::{AddRefused, EventStream, StreamEntry, TAKEN_BYTES_MAX, Waiting};
pub use lineage::{BadLineage, Fate, LINEAGE_MAX, Lineage, Succession};
pub use records::{
    BadCursor, DONE_PER_ROOM, Done, Fence, Home, Look, MemberRecord, MemberWrite, Owned, Owner, Restoration, Restored,
    RoomCursor, RoomRecord, ServerClock, SessionInfo, SessionRecord, StoredMembers, TakeOver, TakenOver,
};
pub use refused::{CreateRefused, StoreError, TakeOverRefused, WriteRefused};
pub use topics::{
    BROADCASTS_KEPT, BROADCASTS_PER_TOPIC, KEPT_BYTES_MAX, KEPT_TOPICS_MAX, PRESENCES_KEPT, PresenceRecord,
    PresenceWrite, TopicStore,
};

/// Room records and node sessions.
///
/// Whatever fails with [`StoreError`] may nevertheless have happened (the answer was lost, not the write).
/// Writes carry whole values, so that they can be repeated.
#[async_trait]
pub trait Store: Send + Sync {
    /// Stores a new room, unless its code is taken or its tenant already has `max_rooms` rooms; both in one step.
    async fn create_room(&self, record: RoomRecord, max_rooms: usize) -> Result<(), CreateRefused>;

    /// How many rooms of a tenant live.
    async fn live_rooms(&self, tenant: &str) -> Result<usize, StoreError>;

    /// The record of a room, or none when no room with this code lives.
    async fn load_room(&self, key: &RoomKey) -> Result<Option<RoomRecord>, StoreError>;

    /// Gives a room to a new owner if it still belongs to `claim.expected`, and answers the record of the new reign:
    /// its epoch is `max(stored + 1, now in ms, highest seen + 1)`, its controls and members are those last stored.
    /// Takeover, hand-over (the claimant is another node than the one that asks) and re-assertion (claimant and
    /// expected owner are the same) are this one step; the last leaves `taken_from` and `from_beat` as they are. A claim
    /// that was carried out already (same claimant and nonce) is answered the same, and changes nothing.
    /// A store with replicas answers only once enough of them have it.
    async fn take_over(&self, key: &RoomKey, claim: TakeOver) -> Result<RoomRecord, TakeOverRefused>;

    /// The same, and all else that a new reign begins with: thousands of rooms are taken over together, and each
    /// question more for each of them is time in which nobody conducts the last.
    async fn take_over_whole(&self, key: &RoomKey, claim: TakeOver) -> Result<TakenOver, TakeOverRefused> {
        let record = self.take_over(key, claim).await?;
        Ok(TakenOver { record, done: self.recent_done(key).await?, members: self.members(key).await? })
    }

    /// Stores a room's controls, and among the room's recent answers the one that this change is acknowledged with.
    ///
    /// Refused unless `fence` names the incarnation that owns the room and (epoch, nonce, rev) is at least the stored one.
    /// A higher epoch is stored with the controls: so an owner re-asserts itself. With `lineage`, the room's is replaced:
    /// by a conductor that has put back what its reign had not inherited.
    async fn write_room(
        &self,
        key: &RoomKey,
        fence: &Fence,
        controls: &Controls,
        done: Option<Done>,
        lineage: Option<&Lineage>,
    ) -> Result<(), WriteRefused>;

    /// The last [`DONE_PER_ROOM`] answers of a room, oldest first, for a conductor that takes over.
    async fn recent_done(&self, key: &RoomKey) -> Result<Vec<Done>, StoreError>;

    /// Ends a room; its code may be handed out again. Fenced like [`Store::write_room`].
    async fn close_room(&self, key: &RoomKey, fence: &Fence) -> Result<(), WriteRefused>;

    /// At most `limit` rooms of a tenant, in order of their codes, after `cursor`; and the cursor of the next page, if there is one.
    /// Every room that lives from the first page to the last is listed exactly once.
    async fn list_rooms(
        &self,
        tenant: &str,
        cursor: Option<&RoomCursor>,
        limit: usize,
    ) -> Result<(Vec<RoomRecord>, Option<RoomCursor>), StoreError>;

    /// Every room of every tenant and who owns it, in no order: for the search for rooms without a conductor.
    async fn owners(&self) -> Result<Vec<Owned>, StoreError>;

    /// Stores changes of a room's members as the change of number `members_rev`. Fenced by incarnation, epoch and nonce
    /// like [`Store::write_room`], and by `members_rev`, which must be above the stored one.
    async fn write_members(
        &self,
        key: &RoomKey,
        fence: &Fence,
        members_rev: u64,
        changes: &[MemberWrite],
    ) -> Result<(), WriteRefused>;

    /// Who is in a room, as its conductor last stored it; nobody where no such room lives.
    async fn members(&self, key: &RoomKey) -> Result<StoredMembers, StoreError>;

    /// How many people are in each of these rooms, in their order.
    async fn occupancies(&self, keys: &[RoomKey]) -> Result<Vec<usize>, StoreError>;

    /// Gives a room back to a store that has lost it: written whole where the store has no such room, or one with a
    /// lower (epoch, nonce, rev), unless it was closed or buried. The record keeps its owner, who is dead by then.
    async fn restore_room(&self, restoration: &Restoration) -> Result<Restored, StoreError>;

    /// Says that a room is closed to a store that may have lost that: it is removed, and for an hour not restored.
    /// A room made anew under the code is another room, whose epoch is higher, and stays.
    async fn bury_room(&self, key: &RoomKey, epoch: u64) -> Result<(), StoreError>;

    /// Opens a session for `node`, in place of whichever it had, and answers its incarnation: a number that no session
    /// of any node ever has twice, also across restarts of the store, and at least `at_least`. It is below 2⁵³.
    async fn open_session(&self, node: &str, info: &SessionInfo, at_least: u64) -> Result<u64, StoreError>;

    /// Renews exactly this session and counts the renewal. False: it is gone, and its incarnation with it.
    async fn renew_session(&self, node: &str, incarnation: u64, info: &SessionInfo) -> Result<bool, StoreError>;

    /// Ends the node's own session. False: it was gone already.
    async fn close_session(&self, node: &str, incarnation: u64) -> Result<bool, StoreError>;

    /// Ends another node's session that was seen to stand still at `renewals`. False: it has moved since, and lives.
    async fn end_session(&self, node: &str, incarnation: u64, renewals: u64) -> Result<bool, StoreError>;

    /// All sessions, this life's name and the server's clock, at one moment: to be called some four times a second.
    async fn look(&self) -> Result<Look, StoreError>;

    /// Names this life of the store `proposal`, unless it has a name; answers the name in force.
    async fn name_generation(&self, proposal: &str) -> Result<String, StoreError>;

    /// Agrees on what to add to the clock of the server `run_id`: sets it to `offset_us` if it is still `expected`,
    /// and answers the one in force.
    async fn agree_clock(&self, run_id: &str, expected: Option<i64>, offset_us: i64) -> Result<i64, StoreError>;

    /// A secret that all nodes share: `proposal` if nobody proposed one under this name before. At most 64 bytes.
    async fn shared_secret(&self, name: &str, proposal: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// Why the store takes no more writes, or none while it does: for readiness.
    fn failure(&self) -> Option<StoreError>;
}
