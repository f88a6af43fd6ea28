//! `downbeat room <tenant> <code>`: one room, as Redis knows it.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{
    moment::utc,
    reach::{AskError, Cluster, Outlook, Whereabouts, room_key},
    room_text,
    table::Paint,
};
use crate::{
    room::TokenRole,
    store::{MemberRecord, RoomRecord, Store},
    tempo::{BEAT_UB, Meter, Timeline},
};

/// Show one room: who conducts it, since when, taken from whom, and who is in it on which node
///
/// Reads the room's record in Redis, and changes nothing.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct RoomArgs {
    /// The tenant's id
    pub tenant: String,
    /// The room's code, such as MUSIC-1234
    pub code: String,
    #[command(flatten)]
    pub place: Whereabouts,
}

const HELP: &str = "\
What to look at in an incident:
  conducted by   a node that is dead here for more than 3 s: nobody takes the room over; see `downbeat nodes`
  since, from    the last change of the conductor: a failover or a hand-over
  the ring       names the node that should conduct; another conductor hands the room over, paced, once the ring has
                 stood still for a while
  epoch, nonce   the number of the reign, which gateways hold plans against: it never falls
  on             members on a node that is gone leave within 5 s of its death

Examples:
  downbeat room acme MUSIC-1234 --config downbeat.toml
  downbeat room acme MUSIC-1234 --config downbeat.toml --json | jq .members
  downbeat room acme MUSIC-1234 --config downbeat.toml --json | jq .lineage      the last reigns";

#[derive(Serialize)]
pub(super) struct Report {
    pub now: String,
    pub tenant: String,
    pub code: String,
    pub name: String,
    pub teacher_id: String,
    pub owner: String,
    pub owner_state: &'static str,
    /// Whom the ring names; none where no node may conduct.
    pub ring_names: Option<String>,
    pub incarnation: u64,
    pub since: String,
    pub since_ms: u64,
    /// Microseconds since then.
    #[serde(skip)]
    pub reigned_us: i64,
    pub taken_from: String,
    pub from_beat: Option<i64>,
    pub epoch: u64,
    pub nonce: u64,
    pub rev: u64,
    /// The last reigns, as `<epoch>:<nonce>:<rev it began with>`, the oldest first.
    pub lineage: String,
    pub members_rev: u64,
    pub run: u64,
    pub playing: bool,
    pub bpm: u32,
    /// Where the beat stands now, by the stored timeline.
    pub beat: Option<BeatNow>,
    pub meter: Meter,
    pub timeline: Option<Timeline>,
    pub locked: bool,
    pub max_students: u32,
    pub autostart: bool,
    pub all_muted: bool,
    pub muted: Vec<String>,
    pub assignments: BTreeMap<u32, Vec<String>>,
    pub roles: BTreeMap<String, String>,
    pub removed: Vec<String>,
    pub created: String,
    pub last_active: String,
    pub members_by_node: BTreeMap<String, usize>,
    pub members: Vec<MemberLine>,
    /// The last answers that are kept for repeated commands, oldest first.
    pub recent: Vec<Value>,
}

#[derive(Serialize)]
pub(super) struct BeatNow {
    pub beat: i64,
    pub bar: i64,
    pub pulse: u32,
}

#[derive(Serialize)]
pub(super) struct MemberLine {
    pub student_id: String,
    pub name: String,
    pub role: &'static str,
    pub hand: bool,
    pub muted: bool,
    pub joined: String,
    pub connections: Vec<ConnectionLine>,
}

#[derive(Serialize)]
pub(super) struct ConnectionLine {
    pub connection: u64,
    pub node: String,
    pub process: u64,
    /// Whether that process of the node lives.
    pub node_lives: bool,
}

/// What `downbeat room` prints.
pub async fn room(args: &RoomArgs, cluster: &Cluster, paint: Paint) -> Result<String, AskError> {
    let key = room_key(&args.tenant, &args.code)?;
    let record = cluster.store.load_room(&key).await?;
    let record = record.ok_or_else(|| AskError::UnknownRoom { key: key.clone() })?;
    let members = cluster.store.members(&key).await?.members;
    let done = cluster.store.recent_done(&key).await?;
    let outlook = cluster.look().await?;
    let recent = done.iter().filter_map(|done| serde_json::to_value(done).ok()).collect();
    let report = report(&record, &members, recent, &outlook);
    if args.place.json {
        return super::json(&report);
    }
    Ok(room_text::text(&report, paint))
}

fn report(record: &RoomRecord, members: &[MemberRecord], recent: Vec<Value>, outlook: &Outlook) -> Report {
    let controls = &record.controls;
    let since_us = super::micros(record.since_ms);
    let now_us = outlook.now_us();
    let members: Vec<MemberLine> = members.iter().map(|member| member_line(member, record, outlook)).collect();
    let mut members_by_node = BTreeMap::new();
    for connection in members.iter().flat_map(|member| member.connections.first()) {
        *members_by_node.entry(connection.node.clone()).or_default() += 1;
    }
    Report {
        now: utc(now_us),
        tenant: record.key.tenant.to_string(),
        code: record.key.code.to_string(),
        name: controls.settings.name.clone(),
        teacher_id: controls.teacher_id.clone(),
        owner: record.owner.clone(),
        owner_state: outlook.fate(&record.owner, record.incarnation).word(),
        ring_names: outlook.named(&record.key).map(str::to_owned),
        incarnation: record.incarnation,
        since: utc(since_us),
        since_ms: record.since_ms,
        reigned_us: outlook.server.time_us - since_us,
        taken_from: record.taken_from.clone(),
        from_beat: record.from_beat,
        epoch: record.epoch,
        nonce: record.nonce,
        rev: controls.rev,
        lineage: record.lineage.to_string(),
        members_rev: record.members_rev,
        run: controls.run,
        playing: controls.playing,
        bpm: controls.bpm,
        beat: beat_now(record, now_us),
        meter: controls.meter.clone(),
        timeline: controls.timeline.clone(),
        locked: controls.settings.locked,
        max_students: controls.settings.max_students,
        autostart: controls.settings.autostart,
        all_muted: controls.all_muted,
        muted: controls.muted.iter().cloned().collect(),
        assignments: controls.assignments.clone(),
        roles: controls.roles.iter().map(|(id, role)| (id.clone(), role.to_string())).collect(),
        removed: controls.removed.iter().cloned().collect(),
        created: utc(controls.created_at_us),
        last_active: utc(controls.last_active_at_us),
        members_by_node,
        members,
        recent,
    }
}

fn beat_now(record: &RoomRecord, now_us: i64) -> Option<BeatNow> {
    let controls = &record.controls;
    let timeline = controls.timeline.as_ref().filter(|_| controls.playing)?;
    let beat = timeline.position_at(now_us).div_euclid(BEAT_UB);
    let place = controls.meter.position(beat);
    Some(BeatNow { beat, bar: place.bar, pulse: place.pulse })
}

fn member_line(member: &MemberRecord, record: &RoomRecord, outlook: &Outlook) -> MemberLine {
    let connections = member.connections.iter().map(|(connection, home)| ConnectionLine {
        connection: *connection,
        node: home.node.to_string(),
        process: home.process,
        node_lives: outlook.is_there(&home.node, home.process),
    });
    MemberLine {
        student_id: member.student_id.clone(),
        name: member.name.clone(),
        role: match member.role {
            TokenRole::Teacher => "teacher",
            TokenRole::Student => "student",
        },
        hand: member.hand,
        muted: record.controls.is_muted(&member.student_id),
        joined: utc(member.joined_at_us),
        connections: connections.collect(),
    }
}
