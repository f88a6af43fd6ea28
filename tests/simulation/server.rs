//! The store's server and its replica: commands arrive and are answered after a while, or not at all; writes reach
//! the replica later; a promotion forgets those that did not.

use std::collections::VecDeque;

use downbeat::store::{Lineage, Restored};

use crate::{
    kinds::{Controls, MS, NodeId, Owner, Record, Reign, SECOND, Us},
    node::Purpose,
    rng::Rng,
    store::{Claim, Refused, SessionRow, State},
    world::{Event, Fence, World},
};

/// Every command is given up after this long: less than the session's margin.
pub const TIMEOUT_US: Us = 400 * MS;
/// How long a takeover waits for a replica.
const BARRIER_US: Us = 300 * MS;
/// Store clocks begin here: 2023.
const EPOCH_US: Us = 1_700_000_000 * SECOND;

pub struct Request {
    pub node: NodeId,
    pub process: u32,
    pub number: u64,
    pub purpose: Purpose,
    pub deadline_us: Us,
    pub command: Command,
}

#[derive(Debug)]
pub enum Command {
    Open { at_least: u64, step: u64, draining: bool },
    Renew { incarnation: u64, draining: bool },
    End { owner: Owner, renewals: Option<u64> },
    Look,
    Name(u64),
    Read,
    TakeOver(Claim),
    Write { incarnation: u64, reign: Reign, controls: Controls, lineage: Option<Lineage> },
    Close { incarnation: u64, reign: Reign },
    Restore(Record),
}

#[derive(Debug)]
pub enum Answer {
    Opened(u64),
    Renewed(bool),
    Ended(bool),
    Looked {
        sessions: Vec<SessionRow>,
        generation: Option<u64>,
        run_id: u32,
    },
    Named(u64),
    /// With the name of the store's life.
    Read(Option<Record>, Option<u64>),
    TakenOver(Result<Record, Refused>),
    Written(Result<(), Refused>),
    Closed,
    Restored(Restored),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Up,
    Frozen,
    Down,
}

pub struct Server {
    pub primary: State,
    pub run_id: u32,
    replica: State,
    /// States on their way to the replica, and when they are there.
    replicating: VecDeque<(Us, State)>,
    /// When the replica is there (again).
    replica_from_us: Us,
    condition: Condition,
    /// Messages wait until then.
    pub thaws_us: Us,
    waiting: Vec<Request>,
    clock_offset_us: Us,
}

impl Server {
    pub fn new(rng: &mut Rng) -> Self {
        Self {
            primary: State::default(),
            run_id: 1,
            replica: State::default(),
            replicating: VecDeque::new(),
            replica_from_us: 0,
            condition: Condition::Up,
            thaws_us: 0,
            waiting: Vec::new(),
            clock_offset_us: EPOCH_US + rng.within(-SECOND..SECOND),
        }
    }

    pub fn relays(&self) -> bool {
        self.condition != Condition::Down
    }

    /// The room and all else that was there before the run began.
    pub fn come_up(&mut self) {
        self.replica = self.primary.clone();
    }

    pub fn is_up(&self) -> bool {
        self.condition == Condition::Up
    }

    pub fn leap(&mut self, by_us: Us) {
        self.clock_offset_us += by_us;
    }

    fn clock_us(&self, now_us: Us) -> Us {
        self.clock_offset_us + now_us
    }

    /// The primary's state is on its way to the replica; answers when it is there, if a replica is.
    fn replicate(&mut self, now_us: Us, lag_us: Us) -> Option<Us> {
        if now_us < self.replica_from_us {
            return None;
        }
        self.replicate_until(now_us);
        let at_us = (now_us + lag_us).max(self.replicating.back().map_or(0, |(at_us, _)| *at_us));
        self.replicating.push_back((at_us, self.primary.clone()));
        Some(at_us)
    }

    pub fn die(&mut self, now_us: Us) {
        self.replicate_until(now_us);
        self.condition = Condition::Down;
        self.waiting.clear();
    }

    fn replicate_until(&mut self, now_us: Us) {
        while self.replicating.front().is_some_and(|(at_us, _)| *at_us <= now_us) {
            self.replica = self.replicating.pop_front().map(|(_, state)| state).unwrap_or_default();
        }
    }

    /// The replica becomes the primary, with a clock of its own; a new replica comes later.
    pub fn promote(&mut self, now_us: Us, clock_offset_us: Us, replica_after_us: Us) {
        self.primary = std::mem::take(&mut self.replica);
        self.restart(now_us, clock_offset_us, replica_after_us);
    }

    pub fn come_back_empty(&mut self, now_us: Us) {
        self.primary = State::default();
        self.restart(now_us, 0, 0);
    }

    fn restart(&mut self, now_us: Us, clock_offset_us: Us, replica_after_us: Us) {
        self.condition = Condition::Up;
        self.run_id += 1;
        self.clock_offset_us += clock_offset_us;
        self.replica = self.primary.clone();
        self.replicating.clear();
        self.replica_from_us = now_us + replica_after_us;
    }

    pub fn freeze(&mut self, until_us: Us) {
        self.condition = Condition::Frozen;
        self.thaws_us = until_us;
    }

    pub fn thaw(&mut self) -> Vec<Request> {
        self.condition = Condition::Up;
        std::mem::take(&mut self.waiting)
    }
}

impl World {
    /// Sends a command; the answer, or that there was none in time, comes as [`Event::Answered`].
    pub fn send(&mut self, node: NodeId, command: Command, purpose: Purpose) {
        let number = self.number();
        let deadline_us = self.now_us + self.nodes[node].clock.true_span(TIMEOUT_US);
        let process = self.nodes[node].processes;
        if let Some(process) = self.process(node) {
            process.pending.push(number);
        }
        let mut delay_us = self.weather.delay_us(self.now_us, &mut self.rng);
        if self.rng.chance(self.weather.stray(self.now_us)) {
            // A broken connection whose last bytes are read much later.
            let stray_us = self.rng.within(0..3 * SECOND);
            delay_us += stray_us.min(self.weather.faults_end_us - self.now_us);
        }
        let at_us = self.now_us + delay_us;
        if self.nodes[node].cut_until_us > self.now_us {
            self.at(deadline_us, Event::Answered { node, process, number, purpose, answer: None });
            return;
        }
        if at_us > deadline_us {
            self.at(deadline_us, Event::Answered { node, process, number, purpose, answer: None });
        }
        self.at(at_us, Event::Arrive(Box::new(Request { node, process, number, purpose, deadline_us, command })));
    }

    pub fn arrive(&mut self, request: Request) {
        match self.server.condition {
            Condition::Down => self.give_up(&request, self.now_us + MS),
            Condition::Frozen => {
                self.give_up(&request, request.deadline_us);
                self.server.waiting.push(request);
            }
            Condition::Up => self.execute(request),
        }
    }

    fn give_up(&mut self, request: &Request, at_us: Us) {
        let Request { node, process, number, purpose, .. } = *request;
        self.at(at_us.min(request.deadline_us), Event::Answered { node, process, number, purpose, answer: None });
    }

    pub fn execute(&mut self, request: Request) {
        let Request { node, process, number, purpose, deadline_us, command } = request;
        self.checks.note(|| format!("store: {command:?} of {}", crate::kinds::NAMES[node]));
        let is_read = matches!(command, Command::Look | Command::Read);
        let needs_replica = matches!(command, Command::TakeOver(_)) && self.stands(Fence::Barrier);
        let answer = self.carry_out(node, command);
        let mut answer_us = Some(self.now_us);
        if !is_read {
            let lag_us = self.weather.lag_us(self.now_us, &mut self.rng);
            let replicated_us = self.server.replicate(self.now_us, lag_us);
            if needs_replica {
                answer_us = replicated_us.filter(|at_us| *at_us <= self.now_us + BARRIER_US);
            }
        }
        let lost = self.rng.chance(self.weather.answer_loss(self.now_us));
        let back_us = self.weather.delay_us(self.now_us, &mut self.rng);
        match answer_us.map(|at_us| at_us + back_us).filter(|at_us| !lost && *at_us <= deadline_us) {
            Some(at_us) => {
                let answered = Event::Answered { node, process, number, purpose, answer: Some(answer) };
                let replicated_us = answer_us.unwrap_or(self.now_us);
                if replicated_us > self.now_us {
                    let run_id = self.server.run_id;
                    self.at(
                        replicated_us,
                        Event::Replicated { run_id, deadline_us, back_us, answered: Box::new(answered) },
                    );
                } else {
                    self.at(at_us, answered);
                }
            }
            None => self.at(deadline_us, Event::Answered { node, process, number, purpose, answer: None }),
        }
    }

    /// A replica has confirmed a write; its primary answers if it is still there.
    pub fn replicated(&mut self, run_id: u32, deadline_us: Us, back_us: Us, answered: Event) {
        let Event::Answered { node, process, number, purpose, answer } = answered else { return };
        let is_there = self.server.run_id == run_id && self.server.is_up();
        let (at_us, answer) = if is_there { (self.now_us + back_us, answer) } else { (deadline_us, None) };
        self.at(at_us, Event::Answered { node, process, number, purpose, answer });
    }

    fn carry_out(&mut self, node: NodeId, command: Command) -> Answer {
        let clock_us = self.server.clock_us(self.now_us);
        let now_ms = (clock_us / MS).unsigned_abs();
        let fenced = self.stands(Fence::StoreWrite);
        let state = &mut self.server.primary;
        state.expire(clock_us);
        match command {
            Command::Open { at_least, step, draining } => {
                let incarnation =
                    state.open_session(node, draining, at_least.max(clock_us.unsigned_abs()), step, clock_us);
                self.checks.opened(node, incarnation);
                Answer::Opened(incarnation)
            }
            Command::Renew { incarnation, draining } => {
                Answer::Renewed(state.renew_session(node, incarnation, draining, clock_us))
            }
            Command::End { owner, renewals } => Answer::Ended(state.end_session(owner, renewals)),
            Command::Look => Answer::Looked {
                sessions: state.sessions.clone(),
                generation: state.generation,
                run_id: self.server.run_id,
            },
            Command::Name(proposal) => Answer::Named(state.name_generation(proposal)),
            Command::Read => Answer::Read(state.room.clone(), state.generation),
            Command::TakeOver(claim) => Answer::TakenOver(state.take_over(&claim, now_ms)),
            Command::Write { incarnation, reign, controls, lineage } => {
                let written = state.write_room(incarnation, reign, &controls, lineage.as_ref(), fenced);
                if written.is_ok() {
                    self.checks.stored(node, reign);
                }
                Answer::Written(written)
            }
            Command::Close { incarnation, reign } => {
                let closed = state.close_room(incarnation, reign, clock_us);
                self.checks.closed |= closed.is_ok();
                self.checks.was_closed |= closed.is_ok();
                Answer::Closed
            }
            Command::Restore(record) => Answer::Restored(state.restore_room(&record)),
        }
    }
}
