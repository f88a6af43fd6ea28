//! `downbeat rooms`: all rooms, and who conducts them.

use clap::Args;
use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::{
    moment::{span, utc},
    reach::{AskError, Cluster, Fate, Outlook, Whereabouts},
    table::{Cell, Paint, Table, Tone},
};
use crate::{
    room::RoomKey,
    store::{RoomRecord, Store},
};

/// Rooms that are read at once.
const READ_AT_ONCE: usize = 64;

/// List the rooms of a cluster: who conducts each, since when, with how many people
///
/// Reads the rooms' records in Redis, and changes nothing. A room whose owner is dead plays on in every gateway, and is
/// taken over by the node that the ring names, within 3 s of the death.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct RoomsArgs {
    /// Only this tenant's rooms
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// Only the rooms whose owner is dead: nobody conducts them now
    #[arg(long)]
    pub orphans: bool,
    #[command(flatten)]
    pub place: Whereabouts,
}

const HELP: &str = "\
OWNER       the node that conducts the room, and (dead) or (draining) if it is
SINCE       how long it has; FROM: the node that conducted before, empty while nobody did
MEMBERS     people in the room
EPOCH, REV  the number of the reign, and of the last change of the room's controls

Examples:
  downbeat rooms --config downbeat.toml
  downbeat rooms --config downbeat.toml --tenant acme
  downbeat rooms --config downbeat.toml --orphans        nothing, 3 s after a node has died, if all is well
  downbeat rooms --config downbeat.toml --json | jq '.rooms[] | select(.owner == \"a\") | .code'";

#[derive(Serialize)]
struct Report {
    now: String,
    rooms: Vec<RoomLine>,
    /// Rooms whose record cannot be read, and why.
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct RoomLine {
    tenant: String,
    code: String,
    name: String,
    owner: String,
    owner_state: &'static str,
    incarnation: u64,
    since: String,
    since_ms: u64,
    taken_from: String,
    epoch: u64,
    rev: u64,
    members: usize,
    playing: bool,
    bpm: u32,
    #[serde(skip)]
    reigned_us: i64,
}

#[derive(Serialize)]
struct Unreadable {
    tenant: String,
    code: String,
    reason: String,
}

/// What `downbeat rooms` prints.
pub async fn rooms(args: &RoomsArgs, cluster: &Cluster, paint: Paint) -> Result<String, AskError> {
    let keys = cluster.store.listed_rooms(args.tenant.as_deref()).await?;
    let answers: Vec<_> = stream::iter(keys)
        .map(|key| async move { (cluster.store.load_room(&key).await, key) })
        .buffered(READ_AT_ONCE)
        .collect()
        .await;
    // After the records: an owner that is not seen now is none that has only just come.
    let outlook = cluster.look().await?;
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for (answer, key) in answers {
        match answer {
            Ok(record) => records.extend(record),
            Err(error) => unreadable.push(told(&key, AskError::from(error))),
        }
    }
    records.retain(|record| !args.orphans || outlook.fate(&record.owner, record.incarnation) == Fate::Dead);
    let keys: Vec<RoomKey> = records.iter().map(|record| record.key.clone()).collect();
    let members = cluster.store.occupancies(&keys).await?;
    let lines = records.iter().zip(members).map(|(record, members)| line(record, members, &outlook));
    let report = Report { now: utc(outlook.now_us()), rooms: lines.collect(), unreadable };
    if args.place.json {
        return super::json(&report);
    }
    Ok(text(&report, args, paint))
}

fn told(key: &RoomKey, error: AskError) -> Unreadable {
    let reason = match error {
        AskError::Unreachable { reason } => reason,
        other => other.to_string(),
    };
    Unreadable { tenant: key.tenant.to_string(), code: key.code.to_string(), reason }
}

fn line(record: &RoomRecord, members: usize, outlook: &Outlook) -> RoomLine {
    let since_us = super::micros(record.since_ms);
    RoomLine {
        tenant: record.key.tenant.to_string(),
        code: record.key.code.to_string(),
        name: record.controls.settings.name.clone(),
        owner: record.owner.clone(),
        owner_state: outlook.fate(&record.owner, record.incarnation).word(),
        incarnation: record.incarnation,
        since: utc(since_us),
        since_ms: record.since_ms,
        taken_from: record.taken_from.clone(),
        epoch: record.epoch,
        rev: record.controls.rev,
        members,
        playing: record.controls.playing,
        bpm: record.controls.bpm,
        // By the server's own clock, as `since_ms` is.
        reigned_us: outlook.server.time_us - since_us,
    }
}

fn text(report: &Report, args: &RoomsArgs, paint: Paint) -> String {
    let mut text = String::new();
    if report.rooms.is_empty() {
        text += match (args.orphans, &args.tenant) {
            (true, _) => "Every room is conducted by a node that lives.\n",
            (false, Some(_)) => "This tenant has no rooms now.\n",
            (false, None) => "There are no rooms now. Those of another prefix or database number are not seen here.\n",
        };
    } else {
        text += &table(&report.rooms).text(paint);
        let orphans = report.rooms.iter().filter(|room| room.owner_state == "dead").count();
        text += &format!("\n{} rooms, {orphans} without a living owner\n", report.rooms.len());
    }
    for Unreadable { tenant, code, reason } in &report.unreadable {
        text += &format!("{tenant}:{code} cannot be read: {reason}\n");
    }
    text
}

fn table(rooms: &[RoomLine]) -> Table {
    let mut table =
        Table::new(&["TENANT", "ROOM", "OWNER", "SINCE", "FROM", "MEMBERS", "PLAYING", "BPM", "EPOCH", "REV", "NAME"]);
    for room in rooms {
        let owner = match room.owner_state {
            // Given back by a gateway that had not heard yet who conducts it.
            _ if room.owner.is_empty() => Cell::new("nobody", Tone::Bad),
            "alive" => Cell::plain(&room.owner),
            "draining" => Cell::new(format!("{} (draining)", room.owner), Tone::Odd),
            state => Cell::new(format!("{} ({state})", room.owner), Tone::Bad),
        };
        table.row([
            Cell::plain(&room.tenant),
            Cell::plain(&room.code),
            owner,
            Cell::plain(span(room.reigned_us)),
            if room.taken_from.is_empty() { Cell::none() } else { Cell::plain(&room.taken_from) },
            Cell::plain(room.members),
            if room.playing { Cell::new("yes", Tone::Good) } else { Cell::new("no", Tone::Faint) },
            Cell::plain(room.bpm),
            Cell::plain(room.epoch),
            Cell::plain(room.rev),
            Cell::plain(&room.name),
        ]);
    }
    table
}
