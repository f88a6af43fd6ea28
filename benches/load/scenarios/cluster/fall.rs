//! A node dies: when the others see it, and when they conduct its rooms.

use std::{sync::Arc, thread, time::Duration};

use redis::Cmd;

use crate::{
    clock::{monotonic_us, realtime_us},
    cluster::Cluster,
    error::LoadError,
    procfs,
    server::Server,
};

/// From one look at the nodes to the next: the figures are no finer.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE_US: i64 = 60_000_000;
/// Rooms taken over from another node; those that their own node takes back are none of these.
const TAKEN_OVER: &str = "downbeat_reigns_total{";

/// How it went, in seconds from the kill on.
#[derive(Clone, Debug, Default)]
pub struct Fall {
    /// Rooms that the dead node had.
    pub rooms: usize,
    /// Until its session was gone.
    pub session_gone_s: f64,
    /// Until the first record had another owner, and the last, by Redis's clock.
    pub first_s: f64,
    pub last_s: f64,
    /// Until the nodes conducted as many rooms as the dead one had.
    pub conducted_s: f64,
    /// CPU seconds of Redis and of each survivor from the kill on.
    pub redis_cpu_s: f64,
    pub node_cpu_s: Vec<f64>,
    /// Commands of that time for each room.
    pub commands_per_room: Vec<(String, f64)>,
    /// When each tenth of the rooms was taken over, from the first to the last.
    pub tenths_s: Vec<f64>,
}

impl Fall {
    pub fn summary(&self) -> String {
        let list = |values: &[f64]| values.iter().map(|value| format!("{value:.2}")).collect::<Vec<_>>().join(" ");
        let commands: Vec<String> =
            self.commands_per_room.iter().map(|(command, calls)| format!("{command} {calls:.2}")).collect();
        format!(
            "{} rooms: session gone after {:.2} s, records taken over from {:.2} to {:.2} s (tenths: {}), conducted after {:.2} s · CPU: Redis {:.2} s, nodes {} s · commands for each room: {}",
            self.rooms,
            self.session_gone_s,
            self.first_s,
            self.last_s,
            list(&self.tenths_s),
            self.conducted_s,
            self.redis_cpu_s,
            list(&self.node_cpu_s),
            commands.join(", "),
        )
    }
}

/// Kills a node, and waits until all of `topics` have a living owner.
pub fn fall(cluster: &mut Cluster, topics: &[Arc<str>], id: &str) -> Result<Fall, LoadError> {
    let before = owners(cluster, topics)?;
    let rooms = before.iter().filter(|owned| owned.owner == id).count();
    let (mut victim, others): (Vec<_>, Vec<_>) = cluster.nodes.drain(..).partition(|node| node.id == id);
    cluster.nodes = others;
    let reigns_before = cluster.sum(TAKEN_OVER)?;
    let counts_before = cluster.redis.counts()?;
    let cpu_before = cpu_s(cluster)?;
    let mut lease = redis::cmd("EXISTS");
    lease.arg(format!("lease:{{{id}}}"));
    let (killed_us, killed_real_us) = (monotonic_us(), realtime_us());
    victim.iter_mut().try_for_each(|node| node.server.kill())?;
    let mut fell = Fall { rooms, ..Fall::default() };
    let since_s = || (monotonic_us() - killed_us) as f64 / 1e6;
    while cluster.sum(TAKEN_OVER)? - reigns_before < rooms as f64 {
        if fell.session_gone_s == 0.0 && cluster.redis.ask::<u64>(&lease)? == 0 {
            fell.session_gone_s = since_s();
        }
        if monotonic_us() - killed_us > PATIENCE_US {
            let seconds = PATIENCE_US.unsigned_abs() / 1_000_000;
            return Err(LoadError::TooSlow { what: format!("taking over {rooms} rooms"), seconds });
        }
        thread::sleep(LOOK_EVERY);
    }
    fell.conducted_s = since_s();
    let cpu_after = cpu_s(cluster)?;
    let counts = cluster.redis.counts()?.since(&counts_before);
    let spent: Vec<f64> = cpu_after.iter().zip(cpu_before).map(|(after, before)| after - before).collect();
    (fell.redis_cpu_s, fell.node_cpu_s) = (spent[0], spent[1..].to_vec());
    let each = counts.commands.into_iter().map(|(command, calls)| (command, calls as f64 / rooms.max(1) as f64));
    fell.commands_per_room = each.filter(|(_, calls)| *calls >= 0.05).collect();
    let after = owners(cluster, topics)?;
    // The nodes have said it; whether it is so stands in Redis.
    let living = sessions(cluster)?;
    if let Some(orphan) = after.iter().find(|owned| !living.contains(&(owned.owner.clone(), owned.incarnation))) {
        let found = format!("{} in incarnation {}, while {living:?} live", orphan.owner, orphan.incarnation);
        return Err(LoadError::Protocol { what: "a room's owner", found });
    }
    let taken = before.iter().zip(&after).filter(|(was, _)| was.owner == id);
    let mut at_s: Vec<f64> = taken.map(|(_, is)| (is.since_ms * 1e3 - killed_real_us as f64) / 1e6).collect();
    at_s.sort_by(f64::total_cmp);
    fell.tenths_s = (1..=10).filter_map(|tenth| at_s.get((at_s.len() * tenth / 10).checked_sub(1)?).copied()).collect();
    (fell.first_s, fell.last_s) = (at_s.first().copied().unwrap_or_default(), at_s.last().copied().unwrap_or_default());
    Ok(fell)
}

/// Of one room's record.
struct Owned {
    owner: String,
    incarnation: u64,
    /// When its reign began, by Redis's clock.
    since_ms: f64,
}

fn owners(cluster: &mut Cluster, topics: &[Arc<str>]) -> Result<Vec<Owned>, LoadError> {
    let asked: Vec<Cmd> = topics
        .iter()
        .map(|topic| {
            let code = topic.trim_start_matches("music_room:");
            let mut command = redis::cmd("HMGET");
            command.arg(format!("room:{{{}:{code}}}", Server::TENANT)).arg("owner").arg("incarnation").arg("since_ms");
            command
        })
        .collect();
    let answers: Vec<(Option<String>, Option<u64>, Option<f64>)> = cluster.redis.ask_all(&asked)?;
    let owned = answers.into_iter().map(|(owner, incarnation, since_ms)| Owned {
        owner: owner.unwrap_or_default(),
        incarnation: incarnation.unwrap_or_default(),
        since_ms: since_ms.unwrap_or_default(),
    });
    Ok(owned.collect())
}

/// Each node that has a session, and its present incarnation.
fn sessions(cluster: &mut Cluster) -> Result<Vec<(String, u64)>, LoadError> {
    let mut sessions = Vec::new();
    for node in &cluster.nodes {
        let mut lease = redis::cmd("GET");
        lease.arg(format!("lease:{{{}}}", node.id));
        let session: Option<String> = cluster.redis.ask(&lease)?;
        let session = session.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let incarnation = session.and_then(|session| session.get("incarnation")?.as_u64());
        sessions.extend(incarnation.map(|incarnation| (node.id.to_owned(), incarnation)));
    }
    Ok(sessions)
}

/// Seconds of CPU until now: of Redis, then of each node.
fn cpu_s(cluster: &Cluster) -> Result<Vec<f64>, LoadError> {
    let nodes = cluster.nodes.iter().map(|node| node.server.pid());
    let pids = std::iter::once(cluster.redis.pid()).chain(nodes);
    pids.map(|pid| Ok(procfs::cpu_us(pid)? as f64 / 1e6)).collect()
}
