//! A topic with its hundred, on whichever servers.

use std::sync::Arc;

use crate::{
    client::Fleet,
    cluster::Cluster,
    error::LoadError,
    lab::{Lab, Meter, settle},
    server::{Server, Subject},
};

pub const MEMBERS: usize = 100;

/// Who serves the topic, and what its members ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The bare server.
    Bare,
    /// … that writes once in two milliseconds, as Downbeat does to a busy socket.
    BareCoalescing,
    /// One node; the topic is public, and nobody waits for an answer.
    Public,
    /// … each broadcast is answered.
    Acknowledged,
    /// … the topic is private: each is kept for replay, and answered when it is.
    Private,
    /// … the bodies are octets and go out as kind 04.
    Octets,
    /// Two nodes on one Redis, half of the members on each.
    TwoNodes,
    /// … the topic is private.
    TwoNodesPrivate,
}

impl Way {
    pub fn is_private(self) -> bool {
        matches!(self, Self::Private | Self::TwoNodesPrivate)
    }

    pub fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareCoalescing)
    }

    pub fn is_json(self) -> bool {
        self != Self::Octets
    }

    pub fn needs_redis(self) -> bool {
        matches!(self, Self::TwoNodes | Self::TwoNodesPrivate)
    }

    fn config(self) -> String {
        let ack = self == Self::Acknowledged || self.is_private();
        let private = self.is_private();
        format!(r#"{{"broadcast":{{"ack":{ack},"self":false}},"presence":{{"enabled":false}},"private":{private}}}"#)
    }
}

/// What runs, and the members: the first half of them is on the first node, where there are two.
pub struct Gathered {
    pub fleet: Fleet,
    pub servers: Servers,
}

pub enum Servers {
    One(Server),
    Two(Cluster),
}

impl Servers {
    /// The processes; of a cluster with its Redis.
    pub fn meter(&self) -> Result<Meter, LoadError> {
        Meter::of(match self {
            Self::One(server) => vec![server.pid()],
            Self::Two(cluster) => {
                let nodes = cluster.nodes.iter().map(|node| node.server.pid());
                nodes.chain([cluster.redis.pid()]).collect()
            }
        })
    }

    /// How many members are on the first node.
    pub fn first_half(&self) -> usize {
        match self {
            Self::One(_) => MEMBERS,
            Self::Two(_) => MEMBERS / 2,
        }
    }
}

/// Starts what is needed, and has everybody in.
pub fn gather(lab: &Lab, way: Way) -> Result<Gathered, LoadError> {
    join(lab, way, &way.config())
}

/// The same for members who ask for this, in JSON text.
pub fn join(lab: &Lab, way: Way, config: &str) -> Result<Gathered, LoadError> {
    let servers = match way {
        Way::Bare => Servers::One(lab.start(Subject::Bare { clock: false })?),
        Way::BareCoalescing => Servers::One(lab.start(Subject::BareCoalescing)?),
        _ if way.needs_redis() => Servers::Two(Cluster::start(lab, &["a", "b"])?),
        _ => Servers::One(lab.start(Subject::Downbeat)?),
    };
    let topic: Arc<str> = "realtime:load".into();
    let mut fleet = Fleet::new()?;
    let mut enter = |server: &Server, members| {
        let join = server.topic_join(&topic, way.is_private(), config);
        fleet.join(server.address, &vec![join; members])
    };
    match &servers {
        Servers::One(server) => enter(server, MEMBERS)?,
        Servers::Two(cluster) => cluster.nodes.iter().try_for_each(|node| enter(&node.server, MEMBERS / 2))?,
    }
    settle(&mut fleet, 300_000)?;
    Ok(Gathered { fleet, servers })
}
