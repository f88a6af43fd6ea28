//! Between a claim that was granted and the reign: gateways are asked what they know, and what the store has lost is put
//! back.

use downbeat::store::Fate;

use crate::{
    conducting::Conducting,
    kinds::{Controls, Known, MS, Message, NAMES, NodeId, Owner, Record, Us},
    node::{Act, Purpose},
    server::Command,
    store::Refused,
    world::{Timer, World},
};

/// How long gateways have to say what they know.
const ROLL_US: Us = 300 * MS;

/// A room that is this node's, and that it does not conduct yet.
pub struct Succession {
    number: u64,
    record: Record,
    dead: Option<Owner>,
    known: Vec<Known>,
    awaited: Vec<NodeId>,
}

impl World {
    pub fn call_the_roll(&mut self, node: NodeId, record: Record, dead: Option<Owner>) {
        let number = self.number();
        let own = self.known_by(node);
        let Some(process) = self.process(node) else { return };
        let lives = |name: &&str| process.observer().live_nodes().any(|lives| lives == *name);
        let awaited: Vec<NodeId> = (0..NAMES.len()).filter(|other| *other != node && lives(&NAMES[*other])).collect();
        let kept = process.keepsake.as_ref().map(|kept| Known { reign: kept.reign, controls: kept.controls.clone() });
        let known = own.into_iter().chain(kept).collect();
        process.succession = Some(Succession { number, record, dead, known, awaited: awaited.clone() });
        if awaited.is_empty() {
            return self.roll_is_called(node, number);
        }
        for other in awaited {
            self.tell(node, other, Message::RollCall { number });
        }
        self.timer(node, ROLL_US, Timer::Roll { number });
    }

    pub fn heard_roll_call(&mut self, node: NodeId, from: NodeId, number: u64) {
        let known = self.known_by(node);
        self.tell(node, from, Message::Roll { number, known });
    }

    pub fn heard_roll(&mut self, node: NodeId, from: NodeId, number: u64, known: Option<&Known>) {
        let Some(succession) = self.process(node).and_then(|process| process.succession.as_mut()) else { return };
        if succession.number != number || !succession.awaited.contains(&from) {
            return;
        }
        succession.awaited.retain(|awaited| *awaited != from);
        succession.known.extend(known.cloned());
        if succession.awaited.is_empty() {
            self.roll_is_called(node, number);
        }
    }

    pub fn roll_is_called(&mut self, node: NodeId, number: u64) {
        let Some(process) = self.nodes[node].process.as_ref() else { return };
        let Some(succession) = process.succession.as_ref().filter(|succession| succession.number == number) else {
            return;
        };
        let Record { lineage, controls: Controls { rev, .. }, .. } = &succession.record;
        let may_be_put_back = |known: &&Known| self.fate(lineage, known.stamp(), *rev) == Fate::MayBePutBack;
        let best = succession.known.iter().filter(may_be_put_back).max_by_key(|known| known.stamp()).cloned();
        let Some(succession) = self.process(node).and_then(|process| process.succession.as_mut()) else { return };
        // Whoever answers from now on is too late.
        succession.awaited.clear();
        let Some(best) = best else { return self.begin_reign(node) };
        succession.number = 0;
        let record = &mut succession.record;
        record.lineage.inherit(best.controls.rev);
        record.controls = best.controls;
        let Record { owner: Owner { incarnation, .. }, reign, controls, lineage } = record.clone();
        let command = Command::Write { incarnation, reign, controls, lineage: Some(lineage) };
        self.after_check(node, Act::Send { command, purpose: Purpose::PuttingBack });
    }

    /// Unanswered or refused, the room is taken up from the beginning.
    pub fn put_back(&mut self, node: NodeId, written: Option<Result<(), Refused>>) {
        if written == Some(Ok(())) {
            self.checks.adoptions += 1;
            return self.begin_reign(node);
        }
        if let Some(process) = self.process(node) {
            process.succession = None;
            process.claiming = false;
        }
        self.read_room(node);
    }

    fn begin_reign(&mut self, node: NodeId) {
        let Some(process) = self.process(node) else { return };
        let Some(Succession { record, dead, .. }) = process.succession.take() else { return };
        process.claiming = false;
        process.keepsake = None;
        process.conducting = Some(Conducting::of(&record));
        self.checks.note(|| format!("{} begins {:?} at rev {}", NAMES[node], record.reign, record.controls.rev));
        self.checks.began(record.owner, record.reign, dead);
        self.announce(node);
        self.read_room(node);
    }
}
