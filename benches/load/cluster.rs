//! Several nodes on one Redis, all on this machine and on whatever cores are free.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use crate::{
    clock::monotonic_us,
    error::LoadError,
    lab::Lab,
    redis_server::RedisServer,
    server::{Place, Recording, Server},
};

/// So long all nodes need to see each other: two looks at the store.
const ACQUAINTED: Duration = Duration::from_millis(500);
/// How long rooms that were made may take until they are conducted.
const CONDUCTED_US: i64 = 60_000_000;

/// Nodes that share their rooms. They end before their Redis does.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub redis: RedisServer,
}

/// One of them.
pub struct Node {
    pub id: &'static str,
    pub server: Server,
}

impl Cluster {
    /// Starts Redis and these nodes, and waits until they know each other.
    pub fn start(lab: &Lab, ids: &[&'static str]) -> Result<Self, LoadError> {
        let mut cluster = Self { nodes: Vec::new(), redis: RedisServer::start(&lab.cores)? };
        cluster.join(lab, ids, None)?;
        Ok(cluster)
    }

    /// Starts further nodes, whose boot-time clocks are ahead of the machine's by `boot_ahead_s`, if it can be had, and
    /// waits until all know each other.
    pub fn join(&mut self, lab: &Lab, ids: &[&'static str], boot_ahead_s: Option<u32>) -> Result<(), LoadError> {
        for id in ids {
            let place = Place { redis_url: self.redis.url(), id, recording: Recording::USUAL, boot_ahead_s };
            let server = Server::join(&place, &lab.options.server, &lab.cores)?;
            self.nodes.push(Node { id, server });
        }
        thread::sleep(ACQUAINTED);
        Ok(())
    }

    /// Makes rooms, each node its share, and waits until all are conducted. Returns their topics.
    pub fn rooms(&self, count: usize, members: usize, autostart: bool) -> Result<Vec<Arc<str>>, LoadError> {
        let before = self.sum("downbeat_rooms ")?;
        let shares = self.nodes.len();
        let made: Vec<Result<Vec<Arc<str>>, LoadError>> = thread::scope(|scope| {
            let makers = self.nodes.iter().enumerate().map(|(number, node)| {
                let share = count / shares + usize::from(number < count % shares);
                scope.spawn(move || node.server.rooms(share, members, autostart))
            });
            // All begin before the first is waited for.
            let makers: Vec<_> = makers.collect();
            let failed = || Err(LoadError::NotListening("a thread of the generator failed".into()));
            makers.into_iter().map(|maker| maker.join().unwrap_or_else(|_| failed())).collect()
        });
        let topics = made.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        let began_us = monotonic_us();
        while self.sum("downbeat_rooms ")? < before + count as f64 {
            if monotonic_us() - began_us > CONDUCTED_US {
                let seconds = CONDUCTED_US.unsigned_abs() / 1_000_000;
                return Err(LoadError::TooSlow { what: format!("conducting {count} new rooms"), seconds });
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(topics)
    }

    /// The sum of a metric over the nodes: of all lines that begin so.
    pub fn sum(&self, metric: &str) -> Result<f64, LoadError> {
        self.nodes.iter().map(|node| node.server.metric(metric)).sum()
    }
}

/// Whether processes can be given a boot-time clock of their own: Linux, root, and `unshare` of util-linux.
pub fn can_shift_boot_clock() -> bool {
    let mut tried = Command::new("unshare");
    tried.args(["--time", "--boottime", "1", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    tried.status().is_ok_and(|status| status.success())
}
