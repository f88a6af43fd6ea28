//! `downbeat tail <tenant> <code>`: what nodes say to each other about a room, as it is said.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
};

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    moment::{time_of_day, utc},
    reach::{AskError, Cluster, Whereabouts, room_key},
    table::{Cell, Paint, Tone},
    tail_text::essentials,
};
use crate::{
    relay::{Body, Envelope, FredRelay, Gap, INBOX_CAPACITY, Inbound, Relay, SubscribeError, Topic},
    room::RoomKey,
    store::Store,
};

/// Watch what the nodes say to each other about one room
///
/// Subscribes to the room's topic and prints a line per message until Ctrl-C. It says nothing itself: only a probe, to
/// its own ear each second, by which it notices that it has become deaf.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct TailArgs {
    /// The tenant's id
    pub tenant: String,
    /// The room's code, such as MUSIC-1234
    pub code: String,
    /// End after this many messages
    #[arg(long, short = 'n', value_name = "MESSAGES")]
    pub count: Option<NonZeroUsize>,
    #[command(flatten)]
    pub place: Whereabouts,
}

const HELP: &str = "\
A line is: cluster time when it came, the node that sent it, its kind, its stamp (epoch/nonce/rev), what it says.
  plan        the conductor's beat plan, each second. None for 3 s: the gateways are in holdover. From two nodes: look
              at the epochs, the gateways hear the higher one alone
  update      a change of the room: of its controls (the rev grows), or of who is there (the members rev grows)
  note        one that was played on that node
  snapshot    all of the room, at the beginning of a reign, and for who fell behind
  GAP         messages may be missing here: the connection was lost, and is there again. The nodes read records again
              then

Examples:
  downbeat tail acme MUSIC-1234 --config downbeat.toml
  downbeat tail acme MUSIC-1234 --config downbeat.toml --json | jq 'select(.kind == \"plan\") | .body.stamp'
  downbeat tail acme MUSIC-1234 --config downbeat.toml -n 3";

/// Prints messages until Ctrl-C, or until there were as many as were asked for.
pub async fn tail(args: &TailArgs, cluster: &Cluster, paint: Paint) -> Result<(), AskError> {
    let key = room_key(&args.tenant, &args.code)?;
    let watch =
        Watch { started: Instant::now(), started_us: cluster.look().await?.now_us(), json: args.place.json, paint };
    if cluster.store.load_room(&key).await?.is_none() {
        let known = AskError::UnknownRoom { key: key.clone() };
        writeln!(io::stderr(), "downbeat: {known}. Listening all the same")?;
    }
    // No node's name: those have no slash.
    let name = format!("tail/{:016x}", getrandom::u64().unwrap_or_default());
    let (relay, mut inbox, _tasks) = FredRelay::connect(&cluster.url, name, INBOX_CAPACITY).await?;
    let topic = Topic::Room(key.clone());
    // What could not be had in time is subscribed to with the next connection, which a gap announces.
    match relay.subscribe(&topic).await {
        Ok(()) => watch.say("listening", &format!("to {topic}; Ctrl-C ends it"))?,
        Err(SubscribeError::Unreachable) => watch.say("waiting", "for Redis, which does not answer just now")?,
    }
    let mut left = args.count.map(NonZeroUsize::get);
    loop {
        let inbound = tokio::select! {
            inbound = inbox.recv() => inbound,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match inbound {
            Some(Inbound::Message { topic: Topic::Room(room), envelope }) if room == key => {
                watch.print(&key, &envelope)?;
                left = left.map(|left| left - 1);
                if left == Some(0) {
                    return Ok(());
                }
            }
            Some(Inbound::Message { .. }) => {}
            Some(Inbound::Gap(gap)) => watch.say("GAP", of(&gap))?,
            None => return Ok(()),
        }
    }
}

fn of(gap: &Gap) -> &'static str {
    match gap {
        Gap::All => "messages may be missing: the connection was lost; it is there again, and the subscription holds",
        Gap::Topics(_) => "messages were lost here: they came too fast, or are of a release that this one cannot read",
    }
}

/// Prints, and knows what time it is: cluster time when it began, and how long ago that is.
struct Watch {
    started: Instant,
    started_us: i64,
    json: bool,
    paint: Paint,
}

impl Watch {
    fn now_us(&self) -> i64 {
        self.started_us + i64::try_from(self.started.elapsed().as_micros()).unwrap_or_default()
    }

    /// What happens to the watch itself.
    fn say(&self, kind: &str, what: &str) -> io::Result<()> {
        let now_us = self.now_us();
        if self.json {
            return self.line(&json!({ "at": utc(now_us), "kind": kind.to_lowercase(), "says": what }).to_string());
        }
        let tone = if kind == "listening" { Tone::Good } else { Tone::Bad };
        let told = self.paint.paint(&Cell::new(format!("{kind} {what}"), tone));
        self.line(&format!("{}  {told}", time_of_day(now_us)))
    }

    fn print(&self, key: &RoomKey, envelope: &Envelope) -> io::Result<()> {
        let now_us = self.now_us();
        if self.json {
            return self.line(&raw(key, envelope, now_us).to_string());
        }
        let (kind, stamp, what) = essentials(&envelope.body, now_us);
        let tone = match kind {
            "note" => Tone::Plain,
            "plan" => Tone::Faint,
            _ => Tone::Head,
        };
        let kind = self.paint.paint(&Cell::new(format!("{kind:<8}"), tone));
        let what = Cell::plain(format!("{stamp}  {what}"));
        let origin = Cell::plain(format!("{:<8}", envelope.origin));
        let (origin, what) = (self.paint.paint(&origin), self.paint.paint(&what));
        self.line(&format!("{}  {origin}  {kind}  {what}", time_of_day(now_us)))
    }

    fn line(&self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

/// Everything that stands in a message.
fn raw(key: &RoomKey, envelope: &Envelope, now_us: i64) -> Value {
    let (kind, body) = match &envelope.body {
        Body::Plan(body) => ("plan", serde_json::to_value(body)),
        Body::Note(body) => ("note", serde_json::to_value(body)),
        Body::RoomUpdate(body) => ("room_update", serde_json::to_value(body)),
        Body::Snapshot(body) => ("snapshot", serde_json::to_value(body)),
        Body::Call(body) => ("call", serde_json::to_value(body)),
        Body::Answer(body) => ("answer", serde_json::to_value(body)),
        Body::Usage(body) => ("usage", serde_json::to_value(body)),
        Body::Broadcast(body) => ("broadcast", serde_json::to_value(body)),
        Body::Presences(body) => ("presences", serde_json::to_value(body)),
    };
    json!({
        "at": utc(now_us),
        "at_us": now_us,
        "tenant": key.tenant,
        "code": key.code,
        "origin": envelope.origin,
        "incarnation": envelope.incarnation,
        "kind": kind,
        "body": body.unwrap_or(Value::Null),
    })
}
