//! What goes wrong in a run: drawn from the seed before it begins, but for the stops between a check and its act.

use std::rc::Rc;

use downbeat::{store::Lineage, tempo::Timeline};

use crate::{
    gateway::ControlId,
    kinds::{Controls, MS, NAMES, NodeId, Owner, Record, Reign, SECOND, Us},
    node::terms,
    rng::Rng,
    world::{Event, World},
};

/// A room is conducted again within this after the last fault …
const CONDUCTED_WITHIN_US: Us = 3 * SECOND;
/// … and this more where the primary has changed.
const BAR_US: Us = 2_500 * MS;
/// … and this long after that, everybody follows.
const FOLLOWED_WITHIN_US: Us = 3 * SECOND;
/// How long a node takes to leave.
const DRAIN_US: Us = 2 * SECOND;
const HOUR_US: Us = 3_600 * SECOND;

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Start(NodeId),
    /// SIGSTOP, or a paused machine.
    Stop {
        node: NodeId,
        for_us: Us,
    },
    GoOn(NodeId),
    Kill {
        node: NodeId,
        back_after_us: Option<Us>,
    },
    /// Whoever conducts the room.
    KillConductor,
    Drain {
        node: NodeId,
        back_after_us: Us,
    },
    /// The primary dies; after a while the replica is promoted.
    Die {
        for_us: Us,
        clock_us: Us,
    },
    Promote {
        clock_us: Us,
    },
    Freeze {
        for_us: Us,
    },
    Thaw,
    Empty {
        for_us: Us,
    },
    ComeBackEmpty,
    /// The store's wall clock.
    Leap {
        by_us: Us,
    },
    /// No message of the relay comes or goes.
    Deafen {
        node: NodeId,
        for_us: Us,
    },
    /// No command of the node reaches the store, and no message.
    Cut {
        node: NodeId,
        for_us: Us,
    },
}

/// How the network behaves in this run, and when.
pub struct Weather {
    pub faults_end_us: Us,
    pub end_us: Us,
    /// The span in which the network is bad.
    storm: (Us, Us),
    stops_after_checks: bool,
    /// The replica falls behind at times.
    lags: bool,
    /// It stands still in this span.
    lag_us: (Us, Us),
}

impl Weather {
    pub fn drawn(rng: &mut Rng) -> Self {
        let faults_end_us = rng.within(5 * SECOND..14 * SECOND);
        let from_us = rng.within(SECOND..faults_end_us);
        let long_us = if rng.chance(4_000) { rng.within(SECOND..5 * SECOND) } else { 0 };
        Self {
            faults_end_us,
            end_us: faults_end_us + CONDUCTED_WITHIN_US + BAR_US + FOLLOWED_WITHIN_US,
            storm: (from_us, (from_us + long_us).min(faults_end_us)),
            stops_after_checks: rng.chance(5_000),
            lags: rng.chance(5_000),
            lag_us: (0, 0),
        }
    }

    fn has_faults(&self, now_us: Us) -> bool {
        (SECOND..self.faults_end_us).contains(&now_us)
    }

    fn storms(&self, now_us: Us) -> bool {
        (self.storm.0..self.storm.1).contains(&now_us)
    }

    fn of(&self, now_us: Us, storm: u64, fair: u64) -> u64 {
        match () {
            () if self.storms(now_us) => storm,
            () if self.has_faults(now_us) => fair,
            () => 0,
        }
    }

    pub fn message_loss(&self, now_us: Us) -> u64 {
        self.of(now_us, 1_500, 100)
    }

    pub fn answer_loss(&self, now_us: Us) -> u64 {
        self.of(now_us, 500, 50)
    }

    /// Commands that are read much later than they were sent.
    pub fn stray(&self, now_us: Us) -> u64 {
        self.of(now_us, 300, 30)
    }

    pub fn stop_after_check(&self, now_us: Us) -> u64 {
        if self.stops_after_checks { self.of(now_us, 150, 150) } else { 0 }
    }

    pub fn delay_us(&self, now_us: Us, rng: &mut Rng) -> Us {
        if self.storms(now_us) && rng.chance(2_000) {
            return rng.within(MS..300 * MS);
        }
        rng.within(200..3 * MS)
    }

    /// How long a write takes to the replica.
    pub fn lag_us(&self, now_us: Us, rng: &mut Rng) -> Us {
        match () {
            () if (self.lag_us.0..self.lag_us.1).contains(&now_us) => self.lag_us.1 - now_us + MS,
            () if self.lags && self.has_faults(now_us) && rng.chance(500) => {
                rng.within(MS..3 * SECOND).min(self.faults_end_us - now_us)
            }
            () if self.has_faults(now_us) && rng.chance(2_000) => rng.within(MS..300 * MS),
            () => rng.within(200..3 * MS),
        }
    }
}

impl World {
    /// The room is there, made for a node that is no more; the nodes start; the faults are drawn.
    pub fn begin(&mut self) {
        let milli_bpm = self.rng.within(50_000..150_000) as u32;
        let reign = Reign { epoch: 1_000, nonce: 1 };
        let timeline = Rc::new(Timeline::starting(300 * MS, 0, milli_bpm));
        let controls = Controls { rev: 1, applied: 0, timeline };
        let owner = Owner { node: 0, incarnation: 1 };
        self.server.primary.room =
            Some(Record { owner, reign, controls, lineage: Lineage::founded(reign.epoch, reign.nonce) });
        self.server.primary.generation = Some(1);
        self.server.come_up();
        for node in 0..self.nodes.len() {
            let at_us = self.rng.within(0..200 * MS);
            self.at(at_us, Event::Fault(Fault::Start(node)));
        }
        let resets = self.rng.chance(5_000);
        for _ in 0..self.rng.within(1..9) {
            let at_us = self.rng.within(SECOND..self.weather.faults_end_us);
            let fault = self.draw(resets);
            self.at(at_us, Event::Fault(fault));
        }
        if resets && self.rng.chance(4_000) {
            self.draw_disaster();
        }
        if self.rng.chance(1_000) {
            let at_us = self.rng.within(SECOND..self.weather.faults_end_us);
            self.at(at_us, Event::TeacherCloses);
        }
        for _ in 0..self.rng.within(4..24) {
            let at_us = self.rng.within(SECOND / 2..self.weather.faults_end_us + SECOND);
            self.at(at_us, Event::TeacherActs);
        }
    }

    /// The primary dies with writes that its replica lacks, and the conductor with it, while gateways that know of them
    /// hear nothing; and its successor soon after.
    fn draw_disaster(&mut self) {
        let at_us = self.rng.within(SECOND..(self.weather.faults_end_us - 3 * SECOND).max(2 * SECOND));
        self.weather.lag_us = (at_us - self.rng.within(0..SECOND), at_us);
        let for_us = self.rng.within(100 * MS..SECOND);
        for node in 0..self.nodes.len() {
            if self.rng.chance(5_000) {
                let for_us = self.rng.within(SECOND..8 * SECOND);
                self.at(at_us, Event::Fault(Fault::Deafen { node, for_us }));
            }
        }
        self.at(at_us, Event::Fault(Fault::Die { for_us, clock_us: 0 }));
        let killed_us = at_us + self.rng.within(0..SECOND);
        if self.rng.chance(5_000) {
            self.at(killed_us, Event::Fault(Fault::KillConductor));
        } else {
            // Or another begins anew, right after the promotion that it knows nothing of.
            let (node, back_us) = (self.rng.index(self.nodes.len()), for_us + self.rng.within(0..500 * MS));
            self.at(at_us, Event::Fault(Fault::Kill { node, back_after_us: Some(back_us) }));
            // What it announces then is not heard, and nobody knows that he has missed it.
            let for_us = self.rng.within(2 * SECOND..7 * SECOND);
            self.at(at_us, Event::Fault(Fault::Deafen { node, for_us }));
        }
        let again_us = killed_us + self.rng.within(3 * SECOND..6 * SECOND);
        self.at(again_us.min(self.weather.faults_end_us), Event::Fault(Fault::KillConductor));
    }

    fn draw(&mut self, resets: bool) -> Fault {
        let node = self.rng.index(self.nodes.len());
        let rng = &mut self.rng;
        let sign = if rng.chance(5_000) { 1 } else { -1 };
        let short_us =
            if rng.chance(6_000) { rng.within(100 * MS..3 * SECOND) } else { rng.within(3 * SECOND..15 * SECOND) };
        match rng.index(if resets { 13 } else { 9 }) {
            0 | 1 => Fault::Stop { node, for_us: short_us },
            2 | 3 => {
                let comes_back = rng.chance(7_000);
                Fault::Kill { node, back_after_us: comes_back.then_some(short_us / 3) }
            }
            4 => Fault::Drain { node, back_after_us: short_us / 2 },
            5 => Fault::Freeze { for_us: short_us / 2 },
            6 => Fault::Leap { by_us: sign * HOUR_US },
            7 => Fault::Deafen { node, for_us: short_us },
            8 => Fault::Cut { node, for_us: short_us },
            9..=11 => {
                let clock_us = if rng.chance(2_000) { sign * HOUR_US } else { rng.within(-50 * MS..50 * MS) };
                Fault::Die { for_us: rng.within(100 * MS..3 * SECOND), clock_us }
            }
            _ => Fault::Empty { for_us: rng.within(100 * MS..2 * SECOND) },
        }
    }

    /// The moment at which a fault that would last so long ends: none outlasts the time of faults.
    fn ends_us(&self, for_us: Us) -> Us {
        (self.now_us + for_us).min(self.weather.faults_end_us)
    }

    pub fn strike(&mut self, fault: Fault) {
        self.checks.note(|| format!("fault: {fault:?}"));
        match fault {
            Fault::Start(node) => {
                if self.nodes[node].process.is_none() {
                    self.start(node);
                }
            }
            Fault::Stop { node, for_us } => self.stop(node, for_us),
            Fault::GoOn(node) => {
                if self.nodes[node].stopped {
                    self.go_on(node);
                }
            }
            Fault::Kill { node, back_after_us } => {
                let living = self.nodes.iter().filter(|node| node.process.is_some()).count();
                if living > 2 {
                    self.kill(node);
                    if let Some(after_us) = back_after_us {
                        self.at(self.ends_us(after_us), Event::Fault(Fault::Start(node)));
                    }
                }
            }
            Fault::KillConductor => {
                let conducts = |node: &crate::world::Node| {
                    node.process.as_ref().is_some_and(|process| process.conducting.is_some())
                };
                if let Some(node) = self.nodes.iter().position(conducts) {
                    let back_after_us = Some(self.rng.within(100 * MS..4 * SECOND));
                    self.strike(Fault::Kill { node, back_after_us });
                }
            }
            Fault::Drain { node, back_after_us } => {
                let stays = |node: &crate::world::Node| node.process.as_ref().is_some_and(|process| !process.draining);
                let staying = self.nodes.iter().filter(|node| stays(node)).count();
                let in_time = self.now_us + DRAIN_US < self.weather.faults_end_us;
                if staying > 2 && in_time && !self.nodes[node].stopped && stays(&self.nodes[node]) {
                    if let Some(process) = self.process(node) {
                        process.draining = true;
                    }
                    self.timer(node, DRAIN_US - 100 * MS, crate::world::Timer::Leave);
                    self.at(self.ends_us(DRAIN_US + back_after_us), Event::Fault(Fault::Start(node)));
                }
            }
            Fault::Die { for_us, clock_us } if self.server.is_up() => {
                self.server.die(self.now_us);
                self.at(self.ends_us(for_us), Event::Fault(Fault::Promote { clock_us }));
            }
            Fault::Promote { clock_us } => {
                let replica_after_us = if self.rng.chance(5_000) { 0 } else { self.rng.within(0..SECOND) };
                self.server.promote(self.now_us, clock_us, replica_after_us);
                if self.rng.chance(4_000) {
                    // In a cluster sessions are on servers of their own, which may have lost more than the room's.
                    let rng = &mut self.rng;
                    self.server.primary.sessions.retain(|_| rng.chance(6_000));
                }
                if clock_us.abs() >= HOUR_US {
                    self.checks.leaps += 1;
                }
                let stored = self.server.primary.room.as_ref().map(|room| room.reign);
                self.checks.promoted(stored);
                self.all_resubscribe();
            }
            Fault::Freeze { for_us } if self.server.is_up() => {
                let until_us = self.ends_us(for_us);
                self.server.freeze(until_us);
                self.at(until_us, Event::Fault(Fault::Thaw));
            }
            Fault::Thaw => {
                // The server reads its connections in no order that its clients know.
                let mut waiting = self.server.thaw();
                while !waiting.is_empty() {
                    let next = self.rng.index(waiting.len());
                    self.execute(waiting.swap_remove(next));
                }
            }
            Fault::Empty { for_us } if self.server.is_up() => {
                self.server.die(self.now_us);
                self.at(self.ends_us(for_us), Event::Fault(Fault::ComeBackEmpty));
            }
            Fault::ComeBackEmpty => {
                self.server.come_back_empty(self.now_us);
                self.checks.emptied();
                self.all_resubscribe();
            }
            Fault::Leap { by_us } => {
                self.server.leap(by_us);
                self.checks.leaps += 1;
            }
            Fault::Deafen { node, for_us } => {
                self.nodes[node].deaf_until_us = self.ends_us(for_us);
                self.at(self.ends_us(for_us) + MS, Event::Gap { node });
            }
            Fault::Cut { node, for_us } => {
                self.nodes[node].deaf_until_us = self.ends_us(for_us);
                self.nodes[node].cut_until_us = self.ends_us(for_us);
                self.at(self.ends_us(for_us) + MS, Event::Gap { node });
            }
            Fault::Die { .. } | Fault::Freeze { .. } | Fault::Empty { .. } => {}
        }
    }

    fn all_resubscribe(&mut self) {
        for node in 0..self.nodes.len() {
            let soon_us = self.now_us + self.rng.within(MS..500 * MS);
            self.at(soon_us, Event::Gap { node });
        }
    }

    fn stop(&mut self, node: NodeId, for_us: Us) {
        if self.nodes[node].process.is_some() && !self.nodes[node].stopped {
            self.nodes[node].stopped = true;
            self.at(self.ends_us(for_us), Event::Fault(Fault::GoOn(node)));
        }
    }

    pub fn stop_for_a_while(&mut self, node: NodeId) {
        let for_us = self.rng.within(100 * MS..2 * terms().death_us + 2 * SECOND);
        self.checks.note(|| format!("{} is stopped between a check and its act", NAMES[node]));
        self.stop(node, for_us);
    }

    pub fn kill(&mut self, node: NodeId) {
        self.nodes[node].process = None;
        self.nodes[node].stopped = false;
        self.nodes[node].forget();
    }

    pub fn teacher_acts(&mut self) {
        let node = self.rng.index(self.nodes.len());
        let id: ControlId = self.checks.next_control();
        self.checks.note(|| format!("teacher: control {id} on {}", NAMES[node]));
        if self.nodes[node].process.is_some() {
            self.timer(node, 0, crate::world::Timer::Retry { id });
        }
    }

    /// When the room must be conducted again.
    pub fn conducted_by_us(&self) -> Us {
        let resets = self.checks.promotions + self.checks.empties > 0;
        self.weather.faults_end_us + CONDUCTED_WITHIN_US + if resets { BAR_US } else { 0 }
    }
}
