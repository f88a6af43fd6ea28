//! One run of the model: a queue of events in simulated time, and all that they change.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    rc::Rc,
};

use crate::{
    checks::Checks,
    faults::{Fault, Weather},
    gateway::ControlId,
    kinds::{MS, Message, NAMES, NodeId, SECOND, Us},
    node::{Act, Process, Purpose},
    rings::Rings,
    rng::Rng,
    server::{Answer, Request, Server},
};

/// What protects the room. Each can be taken out, to show what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// The store's script refuses a former reign's write.
    StoreWrite,
    /// A gateway keeps the highest (epoch, nonce, rev) and drops less.
    Gateway,
    /// No (run, beat) twice.
    Dedupe,
    /// The session is asked at every publish and every write.
    Trust,
    /// A takeover counts once a replica has it.
    Barrier,
    /// Rooms are restored only when the store's generation has changed.
    RestoreByGeneration,
    /// The recorded owner puts itself above a reign that gateways know and the store forgot.
    Reassertion,
    /// After a change of primary nobody takes over others' rooms for a while.
    Bar,
    /// The number of a change that may or may not have been stored is not used again.
    BurntRevs,
    /// Incarnations are counted in random steps.
    IncarnationSteps,
    /// A gateway returns what it knows until the conductor has dealt with it.
    Persistence,
    /// What became of a change is judged by which reign inherited what, not by comparing the numbers of changes.
    Lineage,
    /// A conductor does not call dealt with what is of its own reign or a later one: who returns that follows another.
    /// After a re-assertion whose answer was lost it asks whose the room is.
    PresentReign,
    /// A gateway that follows a reign whose lineage it has not heard reads the record until it has, and judges nothing
    /// before.
    KnownLineage,
}

/// What happens in a run.
pub enum Event {
    Timer {
        node: NodeId,
        process: u32,
        timer: Timer,
    },
    Act {
        node: NodeId,
        process: u32,
        act: Act,
    },
    Deliver {
        node: NodeId,
        from: NodeId,
        message: Rc<Message>,
    },
    /// The node's relay has lost messages, and knows it.
    Gap {
        node: NodeId,
    },
    Arrive(Box<Request>),
    Replicated {
        run_id: u32,
        deadline_us: Us,
        back_us: Us,
        answered: Box<Event>,
    },
    Answered {
        node: NodeId,
        process: u32,
        number: u64,
        purpose: Purpose,
        answer: Option<Answer>,
    },
    Fault(Fault),
    TeacherActs,
    TeacherCloses,
    FaultsAreOver,
    MustBeConducted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    Renew,
    Look,
    Plan,
    Beat {
        serial: u64,
    },
    Retry {
        id: ControlId,
    },
    /// Nobody is waited for any longer who has not said what he knows.
    Roll {
        number: u64,
    },
    Sweep,
    Leave,
}

struct Queued {
    at_us: Us,
    order: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_us, self.order).cmp(&(other.at_us, other.order))
    }
}

/// A machine's boot-time clock: it began anywhere, and drifts.
#[derive(Clone, Copy, Debug)]
pub struct BootClock {
    origin_us: Us,
    drift_ppm: i64,
}

impl BootClock {
    pub fn read(self, now_us: Us) -> Us {
        self.origin_us + now_us + now_us * self.drift_ppm / 1_000_000
    }

    /// How long it takes until this clock has gone on by `span_us`.
    pub fn true_span(self, span_us: Us) -> Us {
        span_us - span_us * self.drift_ppm / 1_000_000
    }
}

pub struct Node {
    pub clock: BootClock,
    pub stopped: bool,
    /// What came while the node was stopped.
    backlog: Vec<Event>,
    pub process: Option<Process>,
    pub processes: u32,
    /// Nothing of the relay reaches the node before then.
    pub deaf_until_us: Us,
    /// No command of the node reaches the store before then.
    pub cut_until_us: Us,
    /// When the last message of each sender arrives here: a sender's messages keep their order.
    last_from_us: [Us; NAMES.len()],
}

impl Node {
    pub fn forget(&mut self) {
        self.backlog.clear();
    }
}

pub struct World {
    pub now_us: Us,
    pub rng: Rng,
    pub without: Option<Fence>,
    pub nodes: Vec<Node>,
    pub server: Server,
    pub checks: Checks,
    pub weather: Weather,
    pub ring_owners: Vec<Option<NodeId>>,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
    numbers: u64,
    end_us: Us,
}

impl World {
    pub fn new(seed: u64, rings: &Rings, without: Option<Fence>, tracing: bool) -> Self {
        let mut rng = Rng::seeded(seed);
        let count = 3 + rng.index(3);
        let nodes = (0..count)
            .map(|_| Node {
                clock: BootClock { origin_us: rng.within(0..1_000_000 * SECOND), drift_ppm: rng.within(-200..201) },
                stopped: false,
                backlog: Vec::new(),
                process: None,
                processes: 0,
                deaf_until_us: 0,
                cut_until_us: 0,
                last_from_us: [0; NAMES.len()],
            })
            .collect();
        let weather = Weather::drawn(&mut rng);
        let mut world = Self {
            now_us: 0,
            server: Server::new(&mut rng),
            rng,
            without,
            nodes,
            checks: Checks::new(tracing),
            end_us: weather.end_us,
            weather,
            ring_owners: rings.owners(seed),
            queue: BinaryHeap::new(),
            order: 0,
            numbers: 0,
        };
        world.begin();
        world.at(world.weather.faults_end_us + MS, Event::FaultsAreOver);
        world
    }

    /// Runs to the end, or to the first violation.
    pub fn run(mut self) -> Checks {
        while let Some(Reverse(queued)) = self.queue.pop() {
            if queued.at_us > self.end_us || self.checks.violation.is_some() {
                break;
            }
            self.now_us = queued.at_us;
            self.checks.now_us = queued.at_us;
            self.handle(queued.event);
        }
        self.now_us = self.end_us;
        self.checks.now_us = self.end_us;
        self.check_end();
        self.checks
    }

    pub fn stands(&self, fence: Fence) -> bool {
        self.without != Some(fence)
    }

    pub fn at(&mut self, at_us: Us, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Queued { at_us: at_us.max(self.now_us), order: self.order, event }));
    }

    /// After a span of the node's own clock.
    pub fn timer(&mut self, node: NodeId, span_us: Us, timer: Timer) {
        let at_us = self.now_us + self.nodes[node].clock.true_span(span_us);
        let process = self.nodes[node].processes;
        self.at(at_us, Event::Timer { node, process, timer });
    }

    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn boot_us(&self, node: NodeId) -> Us {
        self.nodes[node].clock.read(self.now_us)
    }

    pub fn process(&mut self, node: NodeId) -> Option<&mut Process> {
        self.nodes[node].process.as_mut()
    }

    fn handle(&mut self, event: Event) {
        let node = match &event {
            Event::Timer { node, process, .. }
            | Event::Act { node, process, .. }
            | Event::Answered { node, process, .. } => {
                if self.nodes[*node].processes != *process || self.nodes[*node].process.is_none() {
                    return;
                }
                *node
            }
            Event::Deliver { node, .. } | Event::Gap { node } => {
                if self.nodes[*node].process.is_none() {
                    return;
                }
                *node
            }
            Event::Arrive(_)
            | Event::Replicated { .. }
            | Event::Fault(_)
            | Event::TeacherActs
            | Event::TeacherCloses
            | Event::FaultsAreOver
            | Event::MustBeConducted => {
                return self.handle_outside(event);
            }
        };
        if self.nodes[node].stopped {
            self.nodes[node].backlog.push(event);
            return;
        }
        match event {
            Event::Timer { timer, .. } => self.timer_fired(node, timer),
            Event::Act { act, .. } => self.act(node, act),
            Event::Deliver { from, message, .. } => self.heard(node, from, &message),
            Event::Gap { .. } => self.become_stale(node),
            Event::Answered { number, purpose, answer, .. } => self.answered(node, number, purpose, answer),
            _ => {}
        }
    }

    fn handle_outside(&mut self, event: Event) {
        match event {
            Event::Arrive(request) => self.arrive(*request),
            Event::Replicated { run_id, deadline_us, back_us, answered } => {
                self.replicated(run_id, deadline_us, back_us, *answered);
            }
            Event::Fault(fault) => self.strike(fault),
            Event::TeacherActs => self.teacher_acts(),
            Event::TeacherCloses => self.close_where_conducted(),
            Event::FaultsAreOver => self.at(self.conducted_by_us(), Event::MustBeConducted),
            // A room that is just being handed over is looked at a little later.
            Event::MustBeConducted if self.checks.handed_over_us > self.now_us - SECOND => {
                self.at(self.checks.handed_over_us + SECOND, Event::MustBeConducted);
            }
            Event::MustBeConducted => self.check_conducted(),
            _ => {}
        }
    }

    /// A stopped node goes on: with what it was about to do, then with all that has come since.
    pub fn go_on(&mut self, node: NodeId) {
        self.nodes[node].stopped = false;
        if let Some(process) = self.process(node) {
            process.stopped_since_beat = true;
        }
        let mut backlog = std::mem::take(&mut self.nodes[node].backlog);
        backlog.sort_by_key(|event| !matches!(event, Event::Act { .. }));
        // Its buffers at the relay overflow at times.
        let overflown = backlog.len() > 20 && self.rng.chance(5_000);
        for event in backlog {
            if !(overflown && matches!(event, Event::Deliver { .. })) {
                let soon_us = self.now_us + self.rng.within(0..2 * MS);
                let at_us =
                    if matches!(event, Event::Act { .. } | Event::Deliver { .. }) { self.now_us } else { soon_us };
                self.at(at_us, event);
            }
        }
        if overflown {
            self.at(self.now_us + 5 * MS, Event::Gap { node });
        }
    }

    /// To all other nodes by way of the relay; to this one at once.
    pub fn publish(&mut self, from: NodeId, message: Message) {
        let message = Rc::new(message);
        for node in 0..self.nodes.len() {
            self.convey(from, node, message.clone());
        }
    }

    pub fn tell(&mut self, from: NodeId, to: NodeId, message: Message) {
        self.convey(from, to, Rc::new(message));
    }

    fn convey(&mut self, from: NodeId, node: NodeId, message: Rc<Message>) {
        if from == node {
            self.at(self.now_us, Event::Deliver { node, from, message });
            return;
        }
        let lost = !self.server.relays()
            || self.nodes[node].deaf_until_us > self.now_us
            || self.nodes[from].deaf_until_us > self.now_us;
        if lost || self.rng.chance(self.weather.message_loss(self.now_us)) {
            if !lost && self.rng.chance(5_000) {
                let at_us = self.now_us + self.rng.within(MS..SECOND);
                self.at(at_us, Event::Gap { node });
            }
            return;
        }
        let delay_us = self.weather.delay_us(self.now_us, &mut self.rng);
        let at_us = (self.server.thaws_us.max(self.now_us) + delay_us).max(self.nodes[node].last_from_us[from]);
        self.nodes[node].last_from_us[from] = at_us;
        self.at(at_us, Event::Deliver { node, from, message });
    }
}
