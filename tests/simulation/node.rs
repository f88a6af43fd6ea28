//! A node's process: its session, its view of the others' sessions, and what it does with answers.

use downbeat::{
    placement::{Observer, Renewal, Session, Terms},
    store::Restored,
};

use crate::{
    claims::ClaimKind,
    conducting::{Change, Conducting},
    gateway::{Gateway, SWEEP_US},
    kinds::{MS, NAMES, NodeId, Owner, Record, Reign, SECOND, Us},
    server::{Answer, Command},
    store::SessionRow,
    succession::Succession,
    world::{Fence, Timer, World},
};

const LOOK_EVERY_US: Us = 250 * MS;
pub const PLAN_EVERY_US: Us = SECOND;
/// After a change of primary no takeover of others' rooms for the sessions' time to live and this.
const BAR_MARGIN_US: Us = 500 * MS;
/// After the store has come back empty, none while gateways restore.
const RESTORE_US: Us = 1_500 * MS;

pub fn terms() -> Terms {
    Terms::from_ttl_ms(2_000)
}

/// Everything that dies with a process.
pub struct Process {
    pub session: Option<Session>,
    /// Each incarnation that this process had.
    pub incarnations: Vec<u64>,
    highest_incarnation: u64,
    opening: bool,
    renewing: bool,
    looking: bool,
    looks: u64,
    reading: bool,
    observer: Observer,
    pub sessions: Vec<SessionRow>,
    run_id: Option<u32>,
    generation: Option<u64>,
    /// No takeover of others' rooms before then, by this node's clock.
    pub barred_until_us: Us,
    /// Gateways give rooms back until then: who finds no record finds nothing out.
    pub restoring_until_us: Us,
    /// The store has lost everything in this process's time: a room that it lacks may be one of the lost.
    pub has_lost_rooms: bool,
    pub pending: Vec<u64>,
    /// The room's record and when it was learnt, by this node's clock.
    pub record: Option<(Record, Us)>,
    pub claiming: bool,
    /// The claim of which it is not known what became of it: its incarnation and nonce.
    pub claimed: Option<(u64, u64)>,
    pub succession: Option<Succession>,
    pub conducting: Option<Conducting>,
    /// What this node's conductor knew whose reign has ended, until somebody reigns again.
    pub keepsake: Option<Record>,
    pub gateway: Option<Gateway>,
    pub draining: bool,
    pub handed_over_us: Us,
    pub stopped_since_beat: bool,
    /// Whether a session is asked whether it is to be trusted.
    trust_checked: bool,
}

/// What an answer is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    Opening(Renewal),
    Renewing { renewal: Renewal, incarnation: u64 },
    Looking { asked_us: Us },
    Naming,
    Reading,
    Ending { claim: ClaimKind },
    Claiming { claim: ClaimKind, incarnation: u64 },
    PuttingBack,
    Writing { reign: Reign, change: Change },
    Settling { reign: Reign },
    Restoring,
    Closing,
}

/// What a node does after it has asked its session, and perhaps after a pause that it does not notice.
#[derive(Debug)]
pub enum Act {
    Send { command: Command, purpose: Purpose },
    Publish(crate::kinds::Message),
}

impl Process {
    fn new(trust_checked: bool) -> Self {
        Self {
            session: None,
            incarnations: Vec::new(),
            highest_incarnation: 0,
            opening: false,
            renewing: false,
            looking: false,
            looks: 0,
            reading: false,
            observer: Observer::new(terms()),
            sessions: Vec::new(),
            run_id: None,
            generation: None,
            barred_until_us: i64::MIN,
            restoring_until_us: i64::MIN,
            has_lost_rooms: false,
            pending: Vec::new(),
            record: None,
            claiming: false,
            claimed: None,
            succession: None,
            conducting: None,
            keepsake: None,
            gateway: None,
            draining: false,
            handed_over_us: i64::MIN,
            stopped_since_beat: false,
            trust_checked,
        }
    }

    /// The incarnation in which the node may act right now.
    pub fn standing(&self, boot_us: Us) -> Option<u64> {
        let session = self.session.as_ref()?;
        (session.is_trusted(boot_us) || !self.trust_checked).then(|| session.incarnation())
    }

    /// The room was closed.
    fn forget_room(&mut self) {
        self.gateway = None;
        self.conducting = None;
        self.keepsake = None;
    }

    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The set of nodes that live and do not leave, as bits.
    pub fn live(&self) -> usize {
        let place = |name: &str| NAMES.iter().position(|known| *known == name);
        let live = self
            .observer
            .live_nodes()
            .filter_map(place)
            .filter(|node| !self.sessions.iter().any(|row| row.node == *node && row.draining));
        live.fold(0, |bits, node| bits | 1 << node)
    }
}

impl World {
    pub fn start(&mut self, node: NodeId) {
        self.checks.note(|| format!("{} starts", NAMES[node]));
        let trust_checked = self.stands(Fence::Trust);
        let state = &mut self.nodes[node];
        state.processes += 1;
        state.process = Some(Process::new(trust_checked));
        let first_us = self.rng.within(0..20 * MS);
        self.timer(node, first_us, Timer::Renew);
        self.timer(node, first_us + 30 * MS, Timer::Look);
        self.timer(node, first_us + 60 * MS, Timer::Plan);
        self.timer(node, first_us + 90 * MS, Timer::Sweep);
    }

    pub fn standing(&self, node: NodeId) -> Option<u64> {
        self.nodes[node].process.as_ref()?.standing(self.boot_us(node))
    }

    pub fn timer_fired(&mut self, node: NodeId, timer: Timer) {
        match timer {
            Timer::Renew => {
                self.timer(node, terms().renew_every_us, Timer::Renew);
                self.renew(node);
            }
            Timer::Look => {
                self.timer(node, LOOK_EVERY_US, Timer::Look);
                self.look(node);
            }
            Timer::Plan => {
                self.timer(node, PLAN_EVERY_US, Timer::Plan);
                self.tick(node);
            }
            Timer::Sweep => {
                self.timer(node, SWEEP_US, Timer::Sweep);
                self.sweep(node);
            }
            Timer::Roll { number } => self.roll_is_called(node, number),
            Timer::Beat { serial } => self.beat(node, serial),
            Timer::Retry { id } => self.send_control(node, id),
            Timer::Leave => self.leave(node),
        }
    }

    /// Goes on after the session was asked: mostly at once, sometimes only after the node was stopped.
    pub fn after_check(&mut self, node: NodeId, act: Act) {
        let process = self.nodes[node].processes;
        let at_us = self.now_us + self.rng.within(0..200);
        self.at(at_us, crate::world::Event::Act { node, process, act });
        if self.rng.chance(self.weather.stop_after_check(self.now_us)) {
            self.stop_for_a_while(node);
        }
    }

    pub fn act(&mut self, node: NodeId, act: Act) {
        match act {
            Act::Send { command, purpose } => self.send(node, command, purpose),
            Act::Publish(message) => self.publish(node, message),
        }
    }

    fn renew(&mut self, node: NodeId) {
        let renewal = Renewal::sent(self.boot_us(node));
        let Some(process) = self.process(node) else { return };
        let draining = process.draining;
        if process.opening || process.renewing {
            return;
        }
        match process.session.as_ref().map(Session::incarnation) {
            Some(incarnation) => {
                process.renewing = true;
                let command = Command::Renew { incarnation, draining };
                self.send(node, command, Purpose::Renewing { renewal, incarnation });
            }
            None => self.open(node),
        }
    }

    fn open(&mut self, node: NodeId) {
        let renewal = Renewal::sent(self.boot_us(node));
        let step = if self.stands(Fence::IncarnationSteps) { self.rng.next() >> 44 } else { 0 };
        let Some(process) = self.process(node) else { return };
        process.opening = true;
        let command = Command::Open { at_least: process.highest_incarnation + 1, step, draining: process.draining };
        self.send(node, command, Purpose::Opening(renewal));
    }

    fn look(&mut self, node: NodeId) {
        let asked_us = self.boot_us(node);
        let Some(process) = self.process(node) else { return };
        if !process.looking {
            process.looking = true;
            self.send(node, Command::Look, Purpose::Looking { asked_us });
        }
    }

    pub fn read_room(&mut self, node: NodeId) {
        let Some(process) = self.process(node) else { return };
        if !process.reading {
            process.reading = true;
            self.send(node, Command::Read, Purpose::Reading);
        }
    }

    pub fn answered(&mut self, node: NodeId, number: u64, purpose: Purpose, answer: Option<Answer>) {
        let boot_us = self.boot_us(node);
        let trust_checked = self.stands(Fence::Trust);
        let Some(process) = self.process(node) else { return };
        let Some(place) = process.pending.iter().position(|pending| *pending == number) else { return };
        process.pending.swap_remove(place);
        match (purpose, answer) {
            (Purpose::Opening(renewal), answer) => {
                process.opening = false;
                if let Some(Answer::Opened(incarnation)) = answer {
                    process.session = Some(Session::opened(incarnation, renewal, terms()));
                    process.incarnations.push(incarnation);
                    process.highest_incarnation = process.highest_incarnation.max(incarnation);
                }
            }
            (Purpose::Renewing { renewal, incarnation }, answer) => {
                process.renewing = false;
                let Some(Answer::Renewed(renewed)) = answer else { return };
                let session = process.session.as_ref().filter(|session| session.incarnation() == incarnation);
                let goes_on = session
                    .is_some_and(|session| renewed && (session.renewal_succeeded(renewal, boot_us) || !trust_checked));
                if !goes_on {
                    if let Some(session) = process.session.take() {
                        session.discard();
                    }
                    self.end_reign(node, &format!("it discards incarnation {incarnation}"));
                    self.open(node);
                }
            }
            (Purpose::Looking { asked_us }, answer) => {
                process.looking = false;
                if let Some(Answer::Looked { sessions, generation, run_id }) = answer {
                    self.looked(node, asked_us, sessions, generation, run_id);
                }
            }
            (Purpose::Naming, Some(Answer::Named(name))) => self.generation_is(node, name),
            (Purpose::Reading, answer) => {
                process.reading = false;
                if let Some(Answer::Read(record, generation)) = answer {
                    self.read(node, record, generation);
                }
            }
            (Purpose::Ending { claim }, answer) => self.ended(node, claim, matches!(answer, Some(Answer::Ended(true)))),
            (Purpose::Claiming { claim, incarnation }, answer) => {
                let taken = if let Some(Answer::TakenOver(taken)) = answer { Some(taken) } else { None };
                self.claimed(node, claim, incarnation, taken);
            }
            (Purpose::Writing { reign, change }, answer) => {
                let written = if let Some(Answer::Written(written)) = answer { Some(written) } else { None };
                self.written(node, reign, change, written);
            }
            (Purpose::PuttingBack, answer) => {
                self.put_back(node, if let Some(Answer::Written(written)) = answer { Some(written) } else { None });
            }
            (Purpose::Settling { reign }, answer) => {
                self.settled(node, reign, if let Some(Answer::Read(record, _)) = answer { Some(record) } else { None });
            }
            // Somebody knows what this node has not heard.
            (Purpose::Restoring, Some(Answer::Restored(Restored::Closed))) => process.forget_room(),
            (Purpose::Naming | Purpose::Restoring | Purpose::Closing, _) => {}
        }
    }

    fn looked(&mut self, node: NodeId, asked_us: Us, sessions: Vec<SessionRow>, generation: Option<u64>, run_id: u32) {
        let boot_us = self.boot_us(node);
        let bars = self.stands(Fence::Bar);
        let Some(process) = self.process(node) else { return };
        let seen = sessions.iter().map(|row| (NAMES[row.node], row.incarnation, row.renewals));
        process.observer.observe(asked_us, boot_us, seen);
        process.highest_incarnation =
            sessions.iter().map(|row| row.incarnation).fold(process.highest_incarnation, u64::max);
        process.sessions = sessions;
        process.looks += 1;
        let looks = process.looks;
        let before = process.run_id.replace(run_id);
        let changed = before.is_some_and(|before| before != run_id);
        if changed && bars {
            process.barred_until_us = process.barred_until_us.max(boot_us + terms().death_us + BAR_MARGIN_US);
        }
        if changed && let Some(conducting) = &mut process.conducting {
            conducting.reassert_above = Some(conducting.reign.epoch);
        }
        match generation {
            Some(name) => self.generation_is(node, name),
            None => {
                let proposal = self.rng.next();
                self.send(node, Command::Name(proposal), Purpose::Naming);
            }
        }
        self.decide_about_room(node);
        if looks % 2 == 0 {
            self.read_room(node);
        }
    }

    /// Another name, and nothing less, says that everything was lost: the gateway gives back what it knows.
    fn generation_is(&mut self, node: NodeId, name: u64) {
        let boot_us = self.boot_us(node);
        let Some(process) = self.process(node) else { return };
        let before = process.generation.replace(name);
        if before.is_some_and(|before| before != name) {
            self.checks.note(|| format!("{} sees another generation", NAMES[node]));
            let Some(process) = self.process(node) else { return };
            process.barred_until_us = process.barred_until_us.max(boot_us + RESTORE_US);
            process.restoring_until_us = boot_us + RESTORE_US;
            process.has_lost_rooms = true;
            // The session went with everything else, and the conductor lays down what it knows.
            self.renew(node);
            if self.process(node).is_some_and(|process| process.conducting.is_some()) {
                self.end_reign(node, "the store has lost everything");
            } else {
                self.give_back(node);
            }
        }
    }

    /// A conductor knows more of its room than the gateway beside it.
    pub fn give_back(&mut self, node: NodeId) {
        let Some(process) = self.process(node) else { return };
        let known = process.keepsake.clone().or_else(|| process.gateway.as_ref().map(Gateway::as_record));
        let Some(record) = known else { return };
        self.send(node, Command::Restore(record), Purpose::Restoring);
    }

    /// The record as it was when it was read.
    fn read(&mut self, node: NodeId, record: Option<Record>, generation: Option<u64>) {
        let boot_us = self.boot_us(node);
        let always_restores = !self.stands(Fence::RestoreByGeneration);
        let Some(process) = self.process(node) else { return };
        process.record = record.clone().map(|record| (record, boot_us));
        let Some(record) = record else {
            // In a life of the store that this process has not seen yet, it says nothing.
            let is_seen = process.generation.is_some() && process.generation == generation;
            if always_restores || (is_seen && process.has_lost_rooms && boot_us >= process.restoring_until_us) {
                self.give_back(node);
            } else if is_seen && !process.has_lost_rooms {
                process.forget_room();
            }
            return;
        };
        self.follow_record(node, &record);
    }

    /// The node leaves: its rooms are handed over by now, or holdover covers them.
    fn leave(&mut self, node: NodeId) {
        let incarnation = self.process(node).and_then(|process| process.session.as_ref().map(Session::incarnation));
        if let Some(incarnation) = incarnation {
            let command = Command::End { owner: Owner { node, incarnation }, renewals: None };
            self.send(node, command, Purpose::Closing);
        }
        self.kill(node);
    }
}
