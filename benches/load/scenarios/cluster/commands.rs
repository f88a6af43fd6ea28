//! What nodes ask of Redis while nothing happens: for their sessions, and for the plans of rooms with members.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    client::Fleet,
    cluster::Cluster,
    error::LoadError,
    lab::{Lab, Meter, settle},
    redis_server::Counts,
    report::{Goal, Report, Row},
};

const NODES: [&str; 3] = ["a", "b", "c"];
const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// The most rooms with a member.
const ATTENDED: usize = 1_000;
const PLANS: &str = "downbeat_plans_published_total";
/// How often a node asks for its session's sake: two renewals and four looks.
const SESSION_COMMANDS: f64 = 6.0;

/// What Redis did in a while.
struct Watched {
    counts: Counts,
    /// Plans that conductors published, by the nodes' own count.
    plans: f64,
    seconds: f64,
    /// CPU of one node, in percent of a core.
    share: f64,
}

impl Watched {
    /// Scripts run, for each node and second.
    fn scripts(&self) -> f64 {
        self.per_second(&["evalsha", "eval"]) / NODES.len() as f64
    }

    fn plans(&self) -> f64 {
        self.plans / self.seconds
    }

    /// Published for each node and second beside plans.
    fn other_publishes(&self) -> f64 {
        (self.per_second(&["publish", "spublish"]) - self.plans()) / NODES.len() as f64
    }

    /// At most so many a second; of what comes at fixed intervals, a short while may see one more.
    fn goal(&self, per_second: f64) -> Goal {
        Goal::AtMost(((per_second + 1.0 / self.seconds) * 100.0).round() / 100.0)
    }

    fn per_second(&self, commands: &[&str]) -> f64 {
        self.counts.of(commands) as f64 / self.seconds
    }

    /// Of what was sent, and not called by scripts: the generator's own question is one.
    fn sent_per_read(&self) -> f64 {
        self.counts.of(&["evalsha", "eval", "publish", "spublish"]) as f64 / self.counts.reads.max(1) as f64
    }

    fn summary(&self) -> String {
        let by_command: BTreeMap<&str, f64> =
            self.counts.commands.iter().map(|(command, calls)| (&**command, *calls as f64 / self.seconds)).collect();
        let by_command: Vec<String> =
            by_command.iter().map(|(command, calls)| format!("{command} {calls:.1}")).collect();
        format!(
            "a second: {} · {:.2} scripts and publishes a read · {:.1} % of a core for a node",
            by_command.join(", "),
            self.sent_per_read(),
            self.share
        )
    }
}

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    let most = lab.options.rooms;
    let mut sizes: Vec<usize> = SIZES.into_iter().filter(|size| *size < most).collect();
    sizes.push(most);
    report.title(&format!("Cluster: what {} nodes ask of Redis with up to {most} rooms", NODES.len()));
    let mut cluster = Cluster::start(lab, &NODES)?;
    let mut topics = Vec::new();
    for size in sizes {
        topics.extend(cluster.rooms(size - topics.len(), 2, true)?);
        one_size(lab, report, &mut cluster, &topics)?;
    }
    Ok(())
}

fn one_size(lab: &Lab, report: &mut Report, cluster: &mut Cluster, topics: &[Arc<str>]) -> Result<(), LoadError> {
    let rooms = topics.len();
    let mut fleet = Fleet::new()?;
    settle(&mut fleet, i64::from(lab.options.settle) * 1_000_000)?;
    let empty = watch(lab, cluster, &mut fleet)?;
    report.note(&format!("{rooms} rooms, empty: {}", empty.summary()));
    let attended = lab.connections(rooms.min(ATTENDED).min(lab.options.connections));
    for (number, topic) in topics[..attended].iter().enumerate() {
        let server = &cluster.nodes[number % NODES.len()].server;
        fleet.join(server.address, &[server.join_of(number, topic)])?;
    }
    settle(&mut fleet, 1_000_000)?;
    let playing = watch(lab, cluster, &mut fleet)?;
    report.note(&format!("{rooms} rooms, {attended} with a member: {}", playing.summary()));
    let least = empty.goal(SESSION_COMMANDS);
    report.row(Row::new(format!("Redis scripts per node, {rooms} empty rooms"), "1/s", empty.scripts(), least));
    let name = format!("Redis scripts per node, {rooms} rooms, {attended} of them with a beat and a member");
    report.row(Row::new(name, "1/s", playing.scripts(), least));
    report.row(Row::new(format!("plans published, {rooms} empty rooms"), "1/s", empty.plans(), Goal::None));
    let plans = playing.plans() / attended.max(1) as f64;
    let once = playing.goal(1.0);
    report.row(Row::new(format!("plans published per room with a member, {attended} of {rooms}"), "1/s", plans, once));
    let name = format!("other publishes per node, {attended} of {rooms} rooms with a member: probes, use of limits");
    report.row(Row::new(name, "1/s", playing.other_publishes(), Goal::None));
    report.row(Row::new(
        format!("scripts and publishes for each read of Redis, {attended} of {rooms}"),
        "",
        playing.sent_per_read(),
        Goal::None,
    ));
    Ok(())
}

fn watch(lab: &Lab, cluster: &mut Cluster, fleet: &mut Fleet) -> Result<Watched, LoadError> {
    let meter = Meter::start(&cluster.nodes[0].server)?;
    let (before, plans_before) = (cluster.redis.counts()?, cluster.sum(PLANS)?);
    settle(fleet, lab.duration_us())?;
    let (counts, plans) = (cluster.redis.counts()?.since(&before), cluster.sum(PLANS)? - plans_before);
    let usage = meter.read()?;
    Ok(Watched { counts, plans, seconds: usage.elapsed_us / 1e6, share: usage.shares().0 })
}
