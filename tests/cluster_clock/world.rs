//! Nodes whose boot clocks drift, a network that delays, a store whose clock is set and replaced: all of it on one
//! thread in true time, so that a seed replays exactly.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

use downbeat::time::{Advice, Line, Reference, SLEW_PPB_MAX, Sample};

pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
const EPOCH: i64 = 1_790_000_000 * SECOND;
const SAMPLE_EVERY: i64 = SECOND / 4;
const LOOK_EVERY: i64 = SECOND / 50;

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// From `least` to `most`, both included.
    pub fn roll(&mut self, least: i64, most: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let span = (most - least + 1).unsigned_abs();
        least + i64::try_from((mixed ^ (mixed >> 31)) % span).expect("a small span")
    }
}

/// What happens to Redis.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Another server process with its own clock, and empty.
    Replaced { clock_off_us: i64 },
    /// The server of before the last replacement is back, with what it held then; its clock has gone wrong meanwhile.
    Back { clock_leaps_us: i64 },
    /// Somebody sets the server's clock.
    Leap { by_us: i64 },
    /// `FLUSHALL`.
    Emptied,
    /// Nobody reaches it for so long.
    Away { for_us: i64 },
}

struct Server {
    run_id: Arc<str>,
    clock_off_us: i64,
    offsets: HashMap<Arc<str>, i64>,
}

pub struct Node {
    boot_off_us: i64,
    drift_ppb: i64,
    is_founder: bool,
    reference: Reference,
    line: Line,
    /// When it was set, in true time.
    pub set_at_us: Option<i64>,
    last: Option<(i64, i64)>,
}

impl Node {
    fn boot_us(&self, true_us: i64) -> i64 {
        let drifted = i128::from(true_us) * i128::from(1_000_000_000 + self.drift_ppb) / 1_000_000_000;
        self.boot_off_us + drifted as i64
    }

    pub fn cluster_us(&self, true_us: i64) -> i64 {
        self.line.at(self.boot_us(true_us))
    }

    pub fn uncertainty_us(&self, true_us: i64) -> i64 {
        self.line.uncertainty_us(self.boot_us(true_us))
    }

    fn bend(&mut self, true_us: i64) {
        if let Some(estimate) = self.reference.estimate() {
            self.line = self.line.towards(self.boot_us(true_us), estimate);
            self.set_at_us = self.set_at_us.or(Some(true_us));
        }
    }
}

enum Event {
    Ask(usize),
    Served { node: usize, asked_us: i64 },
    Answered { node: usize, sample: Sample },
    Proposed { node: usize, run_id: Arc<str>, expected_us: Option<i64>, offset_us: i64 },
    InForce { node: usize, run_id: Arc<str>, offset_us: Option<i64> },
    Trouble(Trouble),
    Look,
}

pub struct World {
    now_us: i64,
    dice: Dice,
    /// One way, at most.
    delay_us_max: i64,
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    events: Vec<Option<Event>>,
    /// The last is the one that answers.
    servers: Vec<Server>,
    away_until_us: i64,
    pub nodes: Vec<Node>,
    /// Proposals that won, so far.
    pub wins: usize,
    /// The last trouble or its end.
    troubled_us: i64,
    pub widest_us: i64,
}

impl World {
    pub fn new(seed: u64, delay_us_max: i64) -> Self {
        let first = Server { run_id: "run-0".into(), clock_off_us: 0, offsets: HashMap::new() };
        let mut world = Self {
            now_us: 0,
            dice: Dice::new(seed),
            delay_us_max,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            servers: vec![first],
            away_until_us: 0,
            nodes: Vec::new(),
            wins: 0,
            troubled_us: 0,
            widest_us: 0,
        };
        world.at(LOOK_EVERY, Event::Look);
        world
    }

    pub fn start_node(&mut self, at_us: i64, is_founder: bool) {
        let drift_ppb = self.dice.roll(-100_000, 100_000);
        let boot_off_us = self.dice.roll(0, 1_000 * HOUR);
        let wrong_us = self.dice.roll(-HOUR, HOUR);
        let line = Line::not_set(boot_off_us, EPOCH + wrong_us);
        let reference = Reference::default();
        self.nodes.push(Node { boot_off_us, drift_ppb, is_founder, reference, line, set_at_us: None, last: None });
        self.at(at_us, Event::Ask(self.nodes.len() - 1));
    }

    pub fn trouble(&mut self, at_us: i64, trouble: Trouble) {
        self.at(at_us, Event::Trouble(trouble));
    }

    fn at(&mut self, at_us: i64, event: Event) {
        self.queue.push(Reverse((at_us, self.events.len())));
        self.events.push(Some(event));
    }

    fn after_a_delay(&mut self, event: Event) {
        let delay_us = self.dice.roll(20, self.delay_us_max);
        self.at(self.now_us + delay_us, event);
    }

    fn ask_again(&mut self, node: usize) {
        self.at(self.now_us + SAMPLE_EVERY, Event::Ask(node));
    }

    pub fn run_until(&mut self, until_us: i64) {
        while let Some(&Reverse((at_us, event))) = self.queue.peek().filter(|next| next.0.0 <= until_us) {
            self.queue.pop();
            self.now_us = at_us;
            if let Some(event) = self.events[event].take() {
                self.happen(event);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let now_us = self.now_us;
        match event {
            Event::Ask(node) if now_us < self.away_until_us => self.ask_again(node),
            Event::Ask(node) => self.after_a_delay(Event::Served { node, asked_us: now_us }),
            Event::Served { node, asked_us } => {
                let server = self.servers.last().expect("a server");
                let sample = Sample {
                    asked_boot_us: self.nodes[node].boot_us(asked_us),
                    answered_boot_us: 0,
                    run_id: server.run_id.clone(),
                    server_us: EPOCH + now_us + server.clock_off_us,
                    offset_us: server.offsets.get(&server.run_id).copied(),
                };
                self.after_a_delay(Event::Answered { node, sample });
            }
            Event::Answered { node, mut sample } => {
                let asked = &mut self.nodes[node];
                sample.answered_boot_us = asked.boot_us(now_us);
                let advice = asked.reference.take_in(&sample, asked.is_founder);
                asked.bend(now_us);
                match advice {
                    Advice::Propose { run_id, expected_us, offset_us } => {
                        self.after_a_delay(Event::Proposed { node, run_id, expected_us, offset_us });
                    }
                    Advice::Steered | Advice::Wait => self.ask_again(node),
                }
            }
            Event::Proposed { node, run_id, expected_us, offset_us } => {
                let server = self.servers.last_mut().expect("a server");
                if server.run_id == run_id && server.offsets.get(&run_id).copied() == expected_us {
                    server.offsets.insert(run_id.clone(), offset_us);
                    self.wins += 1;
                }
                let in_force_us = server.offsets.get(&run_id).copied();
                self.after_a_delay(Event::InForce { node, run_id, offset_us: in_force_us });
            }
            Event::InForce { node, run_id, offset_us } => {
                let told = &mut self.nodes[node];
                if let Some(offset_us) = offset_us {
                    told.reference.agreed(&run_id, offset_us, told.boot_us(now_us));
                    told.bend(now_us);
                }
                self.ask_again(node);
            }
            Event::Trouble(trouble) => self.befall(trouble),
            Event::Look => {
                self.look();
                self.at(now_us + LOOK_EVERY, Event::Look);
            }
        }
    }

    fn befall(&mut self, trouble: Trouble) {
        self.troubled_us = self.now_us;
        let server = self.servers.last_mut().expect("a server");
        match trouble {
            Trouble::Leap { by_us } => server.clock_off_us += by_us,
            Trouble::Emptied => server.offsets.clear(),
            Trouble::Replaced { clock_off_us } => {
                let run_id = format!("run-{}", self.events.len()).into();
                self.servers.push(Server { run_id, clock_off_us, offsets: HashMap::new() });
            }
            Trouble::Back { clock_leaps_us } => {
                let before = self.servers.len().checked_sub(2).expect("a server of before");
                self.servers[before].clock_off_us += clock_leaps_us;
                self.servers.truncate(before + 1);
            }
            Trouble::Away { for_us } => {
                self.away_until_us = self.now_us + for_us;
                // Oscillators part by 100 ppm meanwhile; 400 ppm of the slewing rate are left to work that off.
                self.troubled_us = self.away_until_us + for_us / 4;
            }
        }
    }

    /// What must hold at every moment.
    fn look(&mut self) {
        let now_us = self.now_us;
        for (at, node) in self.nodes.iter_mut().enumerate().filter(|(_, node)| node.set_at_us.is_some()) {
            let (boot_us, cluster_us) = (node.boot_us(now_us), node.cluster_us(now_us));
            if let Some((boot_before_us, cluster_before_us)) = node.last.replace((boot_us, cluster_us)) {
                let elapsed_us = boot_us - boot_before_us;
                let bent_us = (cluster_us - cluster_before_us - elapsed_us).abs();
                // One microsecond is cut off at each bend, of which there are two at most between two looks.
                assert!(
                    bent_us <= elapsed_us * SLEW_PPB_MAX / 1_000_000_000 + 3,
                    "node {at} stepped by {bent_us} µs within {elapsed_us} µs at {now_us}"
                );
            }
        }
        // Who has come this second cannot know how far those are off who have not heard of an agreement just made.
        let has_come = |node: &&Node| node.set_at_us.is_some_and(|set_us| now_us >= set_us + SECOND);
        let set: Vec<&Node> = self.nodes.iter().filter(has_come).collect();
        let is_calm = now_us >= self.troubled_us + 10 * SECOND;
        for (at, one) in set.iter().enumerate() {
            for other in &set[at + 1..] {
                let apart_us = (one.cluster_us(now_us) - other.cluster_us(now_us)).abs();
                let known_us = one.uncertainty_us(now_us) + other.uncertainty_us(now_us);
                assert!(apart_us <= known_us, "{apart_us} µs apart, of which {known_us} µs are reported, at {now_us}");
                let is_settled = |node: &Node| node.set_at_us.is_some_and(|set_us| now_us >= set_us + 10 * SECOND);
                if is_calm && is_settled(one) && is_settled(other) {
                    self.widest_us = self.widest_us.max(apart_us);
                }
            }
        }
    }
}
