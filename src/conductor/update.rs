//! What a conductor tells the mirrors of its room.

use crate::{
    relay::{self, Body, Plan, RoomUpdate, Stamp},
    room::{Ejected, MemberChange, Room, RoomEvent},
};

/// One applied change, beside the room as it is after it.
#[derive(Clone, Debug)]
pub(super) struct Update {
    pub stamp: Stamp,
    pub member_changes: Vec<MemberChange>,
    pub events: Vec<RoomEvent>,
    pub timeline_changed: bool,
    pub ejected: Vec<Ejected>,
    pub closed: bool,
}

impl Update {
    /// For the other gateways: they take the state itself from the room's record.
    pub fn into_body(self) -> Body {
        let events = self
            .events
            .into_iter()
            .map(|event| relay::RoomEvent { event: event.event.into(), payload: event.payload.to_string().into() })
            .collect();
        Body::RoomUpdate(RoomUpdate { stamp: self.stamp, events, ..RoomUpdate::default() })
    }
}

/// The beat plan of a room as it stands.
pub(super) fn plan_of(stamp: Stamp, room: &Room) -> Plan {
    let controls = &room.controls;
    Plan {
        stamp,
        run: controls.run,
        playing: controls.playing,
        timeline: controls.timeline.clone(),
        meter: controls.meter.clone(),
        members_rev: 0,
    }
}
