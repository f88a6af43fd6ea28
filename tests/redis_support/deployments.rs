//! Several servers that belong together.

use std::process::Command;

use super::process::{RedisServer, free_port};

/// A primary, its replica, and a Sentinel that promotes the replica when the primary has been silent for a second.
pub struct SentinelSet {
    pub primary: RedisServer,
    pub replica: RedisServer,
    pub sentinel: RedisServer,
}

const SERVICE: &str = "downbeat";

impl SentinelSet {
    /// Resolves once the replica is in step and the Sentinel knows it.
    pub fn start() -> Self {
        let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
        let of_primary = format!("127.0.0.1 {}", primary.port());
        let mut replica = RedisServer::start_with(&["--replicaof", &of_primary]);
        replica.wait_for_log("sync: Finished with success");
        let mut sentinel = RedisServer::prepare(&[]);
        let file = sentinel.folder().join("sentinel.conf");
        let configuration = format!(
            "port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor {SERVICE} {of_primary} 1\n\
             sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 3000\n",
            sentinel.port(),
            sentinel.folder().display(),
        );
        std::fs::write(&file, configuration).expect("a file in a temporary folder");
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        sentinel.run(command, "+slave slave");
        Self { primary, replica, sentinel }
    }

    /// `redis-sentinel://127.0.0.1:<port>/downbeat`.
    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}/{SERVICE}", self.sentinel.port())
    }

    /// Kills the primary and waits until the replica is promoted in its place.
    pub fn fail_over(&mut self) {
        self.primary.kill();
        self.sentinel.wait_for_log("+switch-master");
    }
}

/// Three primaries that share the slots, without replicas.
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Resolves once every node says that the cluster is whole.
    pub fn start() -> Self {
        let node = || {
            let bus = free_port().to_string();
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
            RedisServer::start_with(&cluster)
        };
        let mut nodes: Vec<RedisServer> = (0..3).map(|_| node()).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port()))).arg("--cluster-yes");
        let created = create.output().expect("redis-cli runs");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        for node in &mut nodes {
            node.wait_for_log("Cluster state changed: ok");
        }
        Self { nodes }
    }

    /// `redis-cluster://127.0.0.1:<port>,…`.
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// The node that serves a key or channel.
    pub fn node_of(&self, key: &str) -> &RedisServer {
        let answer = self.nodes.iter().find(|node| node.command(&["GET", key]).split(' ').next() != Some("MOVED"));
        answer.expect("one of the three serves it")
    }
}
