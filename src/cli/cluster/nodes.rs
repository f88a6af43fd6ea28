//! `downbeat nodes`: who is there.

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use super::{
    figures::Figures,
    moment::{span, utc},
    reach::{AskError, Cluster, Outlook, Whereabouts},
    table::{Cell, Paint, Table, Tone},
};
use crate::{placement::may_conduct, store::SessionRecord};

/// Show the nodes of a cluster: who lives, who leaves, how late their beats are
///
/// Reads the nodes' sessions in Redis, and asks each node's metrics address for its figures (`-` where it does not
/// answer from here). Changes nothing.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct NodesArgs {
    #[command(flatten)]
    pub place: Whereabouts,
}

const HELP: &str = "\
STATE       alive; draining: it leaves and hands its rooms over; gone: it has no session, and its rooms are, or
            within 3 s will be, conducted by others
RING        whether rooms are given to it: not while it drains, nor if it hashes rooms as another release does
ROOMS       that it conducts; HOLDOVER: rooms with members on it that hear no conductor and play on by themselves
RENEWED     since its session was renewed, every 500 ms: it is dead to the others after 2 s
LATE P99    how long after their due time 99 of 100 beats were handed to the sockets, since the node's start
READY       what it answers on /readyz
INCARNATION, PROCESS    the number of its session, new after each lapse; and of its process, new after each start

Examples:
  downbeat nodes --redis-url redis://10.0.0.5:6379
  downbeat nodes --config downbeat.toml --json | jq '.nodes[] | select(.in_ring | not)'
  watch -n 1 downbeat nodes --config downbeat.toml";

#[derive(Serialize)]
struct Report {
    redis: String,
    /// The server's process.
    run_id: String,
    /// This life of its data.
    generation: Option<String>,
    /// Cluster time.
    now: String,
    nodes: Vec<NodeReport>,
}

#[derive(Serialize)]
struct NodeReport {
    node: String,
    state: &'static str,
    in_ring: bool,
    renewed_ago_ms: Option<i64>,
    #[serde(flatten)]
    session: Option<SessionReport>,
    figures: Option<Figures>,
}

#[derive(Serialize)]
struct SessionReport {
    incarnation: u64,
    process: u64,
    renewals: u64,
    address: String,
    metrics_address: String,
    version: String,
    ring_version: u32,
    draining: bool,
    rooms: u64,
    sockets: u64,
}

/// What `downbeat nodes` prints.
pub async fn nodes(args: &NodesArgs, cluster: &Cluster, paint: Paint) -> Result<String, AskError> {
    let outlook = cluster.look().await?;
    let report = report(cluster.url.to_string(), outlook).await;
    if args.place.json {
        return super::json(&report);
    }
    let mut text =
        format!("{}, {}, data of life {}\n\n", report.redis, report.now, or_dash(report.generation.as_deref()));
    if report.nodes.is_empty() {
        text += "No node has been seen for a day. Nodes with another prefix or database number are not seen here.\n";
        return Ok(text);
    }
    text += &table(&report.nodes).text(paint);
    if report.nodes.iter().all(|node| !node.in_ring) {
        text += "\nNo node conducts rooms. Those that run play on what they know: start a node, or see to Redis.\n";
    }
    Ok(text)
}

async fn report(redis: String, outlook: Outlook) -> Report {
    let now = utc(outlook.now_us());
    // Without a proxy: nodes are asked at their own addresses.
    let client = reqwest::Client::builder().no_proxy().build().ok();
    let nodes = outlook.nodes.into_iter().map(|(node, seen)| {
        let client = client.clone();
        async move {
            let metrics = seen.session.as_ref().map(|session| session.info.metrics_address.clone());
            let figures = match (client, metrics.filter(|address| !address.is_empty())) {
                (Some(client), Some(address)) => Figures::of(&client, &address).await,
                _ => None,
            };
            let state = match &seen.session {
                None => "gone",
                Some(session) if session.info.draining => "draining",
                Some(_) => "alive",
            };
            NodeReport {
                node,
                state,
                in_ring: seen.session.as_ref().is_some_and(|session| may_conduct(&session.info)),
                renewed_ago_ms: seen.renewed_ago_us.map(|us| us / 1_000),
                session: seen.session.map(SessionReport::from),
                figures,
            }
        }
    });
    let nodes = join_all(nodes).await;
    Report { redis, run_id: outlook.server.run_id, generation: outlook.generation, now, nodes }
}

impl From<SessionRecord> for SessionReport {
    fn from(SessionRecord { incarnation, renewals, info, .. }: SessionRecord) -> Self {
        Self {
            incarnation,
            process: info.process,
            renewals,
            address: info.address,
            metrics_address: info.metrics_address,
            version: info.version,
            ring_version: info.ring_version,
            draining: info.draining,
            rooms: info.rooms,
            sockets: info.sockets,
        }
    }
}

fn table(nodes: &[NodeReport]) -> Table {
    let mut table = Table::new(&[
        "NODE",
        "STATE",
        "RING",
        "ROOMS",
        "HOLDOVER",
        "SOCKETS",
        "RENEWED",
        "LATE P99",
        "READY",
        "ADDRESS",
        "VERSION",
        "INCARNATION",
        "PROCESS",
    ]);
    for node in nodes {
        let figures = node.figures.unwrap_or_default();
        let renewed = node.renewed_ago_ms.map_or_else(Cell::none, |ms| {
            let tone = if ms > 1_000 { Tone::Odd } else { Tone::Plain };
            Cell::new(format!("{} ago", span(ms * 1_000)), tone)
        });
        let head = [
            Cell::plain(&node.node),
            Cell::new(node.state, tone_of(node.state)),
            if node.in_ring { Cell::plain("yes") } else { Cell::new("no", Tone::Odd) },
        ];
        let Some(session) = &node.session else {
            let dash = || Cell::none();
            table.row([head.to_vec(), vec![dash(), dash(), dash(), renewed], vec![dash(); 6]].concat());
            continue;
        };
        let late = figures.beat_late_p99_ms.map_or_else(Cell::none, |ms| {
            let tone = if ms > 10.0 { Tone::Odd } else { Tone::Plain };
            Cell::new(format!("{ms:.2} ms"), tone)
        });
        let holdover = figures.rooms_in_holdover.map_or_else(Cell::none, |rooms| {
            let tone = if rooms > 0 { Tone::Bad } else { Tone::Plain };
            Cell::new(rooms.to_string(), tone)
        });
        let ready = match figures.ready {
            None => Cell::none(),
            Some(true) => Cell::plain("yes"),
            Some(false) => Cell::new("no", Tone::Bad),
        };
        let rest = vec![
            Cell::plain(session.rooms),
            holdover,
            Cell::plain(session.sockets),
            renewed,
            late,
            ready,
            Cell::plain(&session.address),
            Cell::plain(&session.version),
            Cell::plain(session.incarnation),
            Cell::new(session.process.to_string(), Tone::Faint),
        ];
        table.row([head.to_vec(), rest].concat());
    }
    table
}

fn tone_of(state: &str) -> Tone {
    match state {
        "alive" => Tone::Good,
        "draining" => Tone::Odd,
        _ => Tone::Bad,
    }
}

fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}
