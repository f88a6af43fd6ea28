//! What a message between nodes says, in a line.

use crate::{
    relay::{Body, Plan, RoomUpdate, Snapshot, Stamp},
    room::{Controls, MemberChange},
    tempo::{BEAT_UB, Timeline},
};

/// The kind, the stamp (`-` where it has none), and the essentials, at `now_us` of cluster time.
pub(super) fn essentials(body: &Body, now_us: i64) -> (&'static str, String, String) {
    let none = || "-".to_owned();
    match body {
        Body::Plan(plan) => ("plan", stamp(plan.stamp), plan_says(plan, now_us)),
        Body::Note(note) => ("note", none(), format!("{} {}", note.student_id, note.payload)),
        Body::RoomUpdate(update) => ("update", stamp(update.stamp), update_says(update)),
        Body::Snapshot(snapshot) => ("snapshot", stamp(snapshot.stamp), snapshot_says(snapshot, now_us)),
        Body::Call(call) => ("call", none(), format!("number {} to {}", call.number, call.service)),
        Body::Answer(answer) => ("answer", none(), format!("to number {}", answer.number)),
        Body::Broadcast(broadcast) => {
            ("broadcast", none(), format!("{} with {} bytes", broadcast.event, broadcast.body.len()))
        }
        Body::Presences(presences) => {
            ("presence", none(), format!("{} changes on {}", presences.changes.len(), presences.home.node))
        }
        Body::Usage(usage) => ("usage", none(), format!("of {} tenants", usage.tenants.len())),
    }
}

fn stamp(Stamp { epoch, nonce, rev }: Stamp) -> String {
    format!("{epoch}/{nonce:x}/{rev}")
}

fn plan_says(plan: &Plan, now_us: i64) -> String {
    let clock = clock(plan.timeline.as_ref(), plan.playing, now_us);
    format!("run {}, {clock}, members rev {}", plan.run, plan.members_rev)
}

fn snapshot_says(snapshot: &Snapshot, now_us: i64) -> String {
    let Controls { run, timeline, playing, .. } = &*snapshot.controls;
    let clock = clock(timeline.as_ref(), *playing, now_us);
    let (members, rev) = (snapshot.members.len(), snapshot.members_rev);
    format!("run {run}, {clock}, {members} members, members rev {rev}, reigns {}", snapshot.lineage)
}

fn clock(timeline: Option<&Timeline>, playing: bool, now_us: i64) -> String {
    match timeline.filter(|_| playing) {
        Some(timeline) => {
            let beat = timeline.position_at(now_us).div_euclid(BEAT_UB);
            format!("beat {beat} at {} bpm", f64::from(timeline.milli_bpm_at(now_us)) / 1e3)
        }
        None => "stopped".to_owned(),
    }
}

fn update_says(update: &RoomUpdate) -> String {
    let mut says: Vec<String> = Vec::new();
    says.extend(update.events.iter().map(|event| format!("{} {}", event.event, event.payload)));
    says.extend(update.member_changes.iter().map(change_says));
    says.extend(update.timeline_changed.then(|| "new timeline".to_owned()));
    let ejected: usize = update.ejected.iter().map(|ejection| ejection.connections.len()).sum();
    says.extend((ejected > 0).then(|| format!("{ejected} connections end")));
    says.extend(update.closed.then(|| "the room is closed".to_owned()));
    if !update.members.is_empty() {
        says.push(format!("members rev {}", update.members_rev));
    }
    if says.is_empty() { "nothing that members hear".to_owned() } else { says.join("; ") }
}

fn change_says(change: &MemberChange) -> String {
    match change {
        MemberChange::Joined { student_id, first: true, .. } => format!("{student_id} came"),
        MemberChange::Joined { student_id, .. } => format!("{student_id} has one more connection"),
        MemberChange::Left { student_id, last: true, .. } => format!("{student_id} left"),
        MemberChange::Left { student_id, .. } => format!("{student_id} has one connection less"),
        MemberChange::Changed { student_id } => format!("{student_id} changed"),
    }
}
