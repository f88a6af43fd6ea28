//! What a conductor tells the mirrors of its room.

use std::sync::Arc;

use super::people::Homes;
use crate::{
    relay::{Ejection, Plan, RoomEvent, RoomUpdate, Snapshot, Stamp},
    room::{Applied, Controls, Ejected, Room},
    store::{Lineage, MemberWrite},
};

/// One applied change, for every gateway.
pub(super) fn update_of(
    stamp: Stamp,
    room: &Room,
    applied: Applied,
    members_rev: u64,
    members: Vec<MemberWrite>,
) -> RoomUpdate {
    RoomUpdate {
        stamp,
        controls: applied.controls_changed.then(|| Arc::new(room.controls.clone())),
        members_rev,
        members,
        member_changes: applied.member_changes,
        events: applied.events.into_iter().map(event_of).collect(),
        timeline_changed: applied.timeline_changed,
        ejected: applied.ejected.into_iter().map(ejection_of).collect(),
        closed: applied.closed,
    }
}

pub(super) fn event_of(event: crate::room::RoomEvent) -> RoomEvent {
    RoomEvent { event: event.event.into(), payload: event.payload.to_string().into() }
}

fn ejection_of(ejected: Ejected) -> Ejection {
    Ejection {
        connections: ejected.connections.iter().copied().collect(),
        last_event: ejected.last_event.map(event_of),
    }
}

/// The room whole.
pub(super) fn snapshot_of(stamp: Stamp, room: &Room, homes: &Homes, lineage: Lineage, members_rev: u64) -> Snapshot {
    Snapshot {
        stamp,
        lineage,
        members_rev,
        controls: Arc::new(room.controls.clone()),
        members: homes.records(&room.members),
    }
}

/// The beat plan of a room as it stands.
pub(super) fn plan_of(stamp: Stamp, controls: &Controls, members_rev: u64) -> Plan {
    Plan {
        stamp,
        run: controls.run,
        playing: controls.playing,
        timeline: controls.timeline.clone(),
        meter: controls.meter.clone(),
        members_rev,
    }
}
