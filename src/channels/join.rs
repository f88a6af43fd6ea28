//! Joining: from the name on the wire to a seat in a room, or on a topic.

use std::sync::Arc;

use thiserror::Error;

use super::{Bridge, Channel, MusicRoom, Peer, Services, realtime::BadConfig};
use crate::{
    conductor::{ControlRefused, Mirror, Router},
    protocol::topic::REALTIME,
    room::{Code, Join, JoinParams, RoomKey},
};

/// What the topics of music rooms begin with; over the bridge `realtime:` stands before it.
pub const MUSIC_ROOM: &str = "music_room:";

/// A join, read from its frame.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    pub topic: String,
    /// The params' JSON text.
    pub payload: String,
    /// A number that no other join in the cluster has.
    pub connection: u64,
}

/// Why a join was refused; the text is the reply's `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JoinRefused {
    #[error("unmatched topic")]
    UnmatchedTopic,
    /// The code names no room: counts as a guess.
    #[error("Room not found")]
    RoomNotFound,
    /// This socket has tried too many codes that name no room.
    #[error("rate_limit_exceeded")]
    TooManyGuesses,
    #[error("{0}")]
    BadParams(String),
    #[error("student_id required")]
    StudentIdRequired,
    /// A guest's token opens one room alone.
    #[error("unauthorized")]
    OtherRoom,
    #[error(transparent)]
    BadConfig(#[from] BadConfig),
    /// In Supabase's words.
    #[error("{0}")]
    Realtime(String),
    #[error(transparent)]
    Refused(ControlRefused),
}

/// Takes the peer into the room, or to the topic, that the request names.
///
/// # Errors
/// [`JoinRefused`]; nothing is left behind.
pub async fn join(services: &Arc<Services>, peer: &Peer, request: JoinRequest) -> Result<Channel, JoinRefused> {
    if let Some(code) = request.topic.strip_prefix(MUSIC_ROOM) {
        return join_room(services, peer, &request, code, None).await.map(|room| Channel::Room(Box::new(room)));
    }
    let name = request.topic.strip_prefix(REALTIME).ok_or(JoinRefused::UnmatchedTopic)?;
    match name.strip_prefix(MUSIC_ROOM) {
        Some(code) => {
            let bridge = Some(Box::new(Bridge::parse(&request.payload)?));
            join_room(services, peer, &request, code, bridge).await.map(|room| Channel::Room(Box::new(room)))
        }
        None => services.realtime.join(peer, &request).await.map(|topic| Channel::Topic(Box::new(topic))),
    }
}

/// Whether the topic is a room's, by either of its names.
pub fn is_room(topic: &str) -> bool {
    topic.strip_prefix(REALTIME).unwrap_or(topic).starts_with(MUSIC_ROOM)
}

async fn join_room(
    services: &Arc<Services>,
    peer: &Peer,
    request: &JoinRequest,
    code: &str,
    bridge: Option<Box<Bridge>>,
) -> Result<MusicRoom, JoinRefused> {
    let code: Code = code.parse().map_err(|_| JoinRefused::RoomNotFound)?;
    if peer.claims.room.as_deref().is_some_and(|room| room != code.as_str()) {
        return Err(JoinRefused::OtherRoom);
    }
    let params = JoinParams::parse(&request.payload).map_err(|bad| JoinRefused::BadParams(bad.to_string()))?;
    let student_id = student_id(peer, params.student_id)?;
    let join = Join {
        name: params.name.or_else(|| peer.claims.name.clone()).unwrap_or_else(|| student_id.clone()),
        student_id: student_id.clone(),
        role: peer.claims.role,
        connection: request.connection,
    };
    let key = RoomKey { tenant: peer.tenant.id.clone(), code };
    let mut seat = services.mirror.enter(&key);
    // Before the conductor is asked, so that nothing that other nodes say from then on is missed.
    seat.heard().await;
    // Before the conductor is asked: if this future is dropped on the way, the departure still follows.
    let mut stay = Stay::new(services, &key, request.connection);
    match services.router.admit(&key, join.clone()).await {
        Ok(()) => {}
        Err(ControlRefused::NotFound) => {
            stay.never_was();
            return Err(JoinRefused::RoomNotFound);
        }
        Err(ControlRefused::Refused(refusal)) => {
            stay.never_was();
            return Err(JoinRefused::Refused(refusal.into()));
        }
        Err(refused) => return Err(JoinRefused::Refused(refused)),
    }
    // The conductor has opened the mirror; if not, it failed in between, and the client may try again.
    let room = seat.room().ok_or(JoinRefused::Refused(ControlRefused::NoConductor))?;
    room.lock().settle(join);
    Ok(MusicRoom::new(services.clone(), peer, stay, seat, room, student_id, bridge))
}

/// A connection's presence in a room, from before it is admitted. Its end is the departure.
pub struct Stay {
    router: Arc<Router>,
    mirror: Arc<Mirror>,
    key: RoomKey,
    connection: u64,
    departs: bool,
}

impl Stay {
    fn new(services: &Services, key: &RoomKey, connection: u64) -> Self {
        let (router, mirror) = (services.router.clone(), services.mirror.clone());
        Self { router, mirror, key: key.clone(), connection, departs: true }
    }

    /// The room has said no: there is nothing to depart from.
    fn never_was(&mut self) {
        self.departs = false;
    }

    pub fn connection(&self) -> u64 {
        self.connection
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(room) = self.mirror.room(&self.key) {
            room.lock().unsettle(self.connection);
        }
        if !self.departs {
            return;
        }
        let (router, key, connection) = (self.router.clone(), self.key.clone(), self.connection);
        // Without a runtime the node is going down, and the room's members with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { router.depart(&key, connection).await });
        }
    }
}

/// The token's `sub`; where it has none, the tenant may let the client name itself.
fn student_id(peer: &Peer, param: Option<String>) -> Result<String, JoinRefused> {
    match &peer.claims.sub {
        Some(sub) => Ok(sub.clone()),
        None => param.ok_or(JoinRefused::StudentIdRequired),
    }
}
