//! Joining a topic: from the name on the wire to a seat in a room.

use std::sync::Arc;

use thiserror::Error;

use super::{MusicRoom, Peer, Services};
use crate::{
    conductor::ControlRefused,
    room::{Code, Join, JoinParams, RoomKey},
};

/// The topics of music rooms.
const MUSIC_ROOM: &str = "music_room:";

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
    #[error("{0}")]
    BadParams(String),
    #[error("student_id required")]
    StudentIdRequired,
    /// A guest's token opens one room alone.
    #[error("unauthorized")]
    OtherRoom,
    #[error(transparent)]
    Refused(ControlRefused),
}

/// Takes the peer into the room that the topic names.
pub async fn join(services: &Arc<Services>, peer: &Peer, request: JoinRequest) -> Result<MusicRoom, JoinRefused> {
    let code = request
        .topic
        .strip_prefix(MUSIC_ROOM)
        .ok_or(JoinRefused::UnmatchedTopic)?;
    let code: Code = code.parse().map_err(|_| JoinRefused::RoomNotFound)?;
    if peer.claims.room.as_deref().is_some_and(|room| room != code.as_str()) {
        return Err(JoinRefused::OtherRoom);
    }
    let params = JoinParams::parse(&request.payload).map_err(|bad| JoinRefused::BadParams(bad.to_string()))?;
    let student_id = student_id(peer, params.student_id)?;
    let join = Join {
        name: params
            .name
            .or_else(|| peer.claims.name.clone())
            .unwrap_or_else(|| student_id.clone()),
        student_id: student_id.clone(),
        role: peer.claims.role,
        connection: request.connection,
    };
    let key = RoomKey {
        tenant: peer.tenant.id.clone(),
        code,
    };
    let seat = services.mirror.enter(&key);
    match services.router.admit(&key, join).await {
        Ok(()) => {}
        Err(ControlRefused::NotFound) => return Err(JoinRefused::RoomNotFound),
        Err(refused) => return Err(JoinRefused::Refused(refused)),
    }
    // The conductor has opened the mirror; if not, it failed in between, and the client may try again.
    let room = seat.room().ok_or(JoinRefused::Refused(ControlRefused::NoConductor))?;
    Ok(MusicRoom::new(
        services.clone(),
        peer,
        seat,
        room,
        student_id,
        request.connection,
    ))
}

/// The token's `sub`; where it has none, the tenant may let the client name itself.
fn student_id(peer: &Peer, param: Option<String>) -> Result<String, JoinRefused> {
    match &peer.claims.sub {
        Some(sub) => Ok(sub.clone()),
        None => param.ok_or(JoinRefused::StudentIdRequired),
    }
}
