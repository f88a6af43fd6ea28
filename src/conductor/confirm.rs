//! Changes that are acknowledged only once every gateway that they concern has taken them in: after the ok to a mute,
//! not one note of that student goes out, on any node.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::oneshot;
use tracing::Instrument;

use super::{
    actor::{Answer, Conductor, Surroundings},
    ask::{Ask, Declined, Reply, RoomCall, SERVICE, decode, encode},
};
use crate::{
    participation::Receipt,
    relay::RoomUpdate,
    room::{Control, RoomKey},
    store::Home,
    traces,
};

/// How long one try waits for a gateway's word.
const TRY_WITHIN: Duration = Duration::from_millis(500);
/// How long in all; a gateway that is silent for so long has lost its session.
const TRIES_MAX: usize = 8;

/// Whether a control takes something away that a gateway enforces.
pub(super) fn is_needed(control: &Control) -> bool {
    matches!(
        control,
        Control::MuteStudent { .. } | Control::MuteAll | Control::RemoveStudent { .. } | Control::AssignRole { .. }
    )
}

/// Every other process with connections in the room: to be asked before a change that may end some of them.
pub(super) fn others(conductor: &Conductor) -> BTreeSet<Home> {
    let me = conductor.surroundings.membership.home();
    conductor.homes.processes().into_iter().filter(|home| **home != me).cloned().collect()
}

/// Answers once these have confirmed the room's controls as they are now, or are gone, and the change is recorded, or
/// cannot be for now. The conductor goes on with its work meanwhile.
pub(super) fn then_answer(
    conductor: &Conductor,
    others: BTreeSet<Home>,
    receipt: Receipt,
    answer: Answer,
    reply: oneshot::Sender<Answer>,
) {
    if others.is_empty() && receipt.is_settled() {
        // Whoever asked may have gone.
        let _ = reply.send(answer);
        return;
    }
    // Most changes wait for their record alone: the controls are copied for gateways that are asked.
    let controls = (!others.is_empty()).then(|| Arc::new(conductor.room.controls.clone()));
    let (stamp, members_rev) = (conductor.stamp(), conductor.reign.members_rev);
    let update = RoomUpdate { stamp, controls, members_rev, ..RoomUpdate::default() };
    let (surroundings, key) = (conductor.surroundings.clone(), conductor.room.key.clone());
    let confirming = async move {
        let asked = others.iter().map(|home| confirmed_by(&surroundings, &key, home, &update));
        let confirmed = futures_util::future::join_all(asked).await.into_iter().all(|confirmed| confirmed);
        // Unconfirmed it is not acknowledged: asked again under the same name, it waits again.
        receipt.settled().await;
        let answer = if confirmed { answer } else { Err(Declined::Deposed) };
        // Whoever asked may have gone meanwhile.
        let _ = reply.send(answer);
    };
    tokio::spawn(confirming.instrument(traces::step("confirm")));
}

async fn confirmed_by(surroundings: &Surroundings, key: &RoomKey, home: &Home, update: &RoomUpdate) -> bool {
    let ask = Ask::Confirm { update: update.clone() };
    let Some(call) = encode(&RoomCall { key: key.clone(), ask }) else { return false };
    for _ in 0..TRIES_MAX {
        let answer = surroundings.calls.ask(&home.node, SERVICE, call.clone(), TRY_WITHIN).await;
        let confirmed = answer.is_ok_and(|bytes| decode::<Reply>(&bytes) == Some(Reply::Done));
        if confirmed || surroundings.directory.is_gone(home, surroundings.clock.boot_us()) {
            return true;
        }
        // What could not even be sent is tried again no faster than what is not answered.
        tokio::time::sleep(TRY_WITHIN / 5).await;
    }
    tracing::warn!(
        tenant.id = %key.tenant, room.code = %key.code, node.to = %home.node,
        "a gateway has not confirmed a change"
    );
    false
}
