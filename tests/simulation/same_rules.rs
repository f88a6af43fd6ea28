//! The model's store keeps the rules of the embedded one: random commands, the same answers and the same record.

use std::rc::Rc;

use downbeat::{
    room::{Controls as StoredControls, RoomKey},
    store::{self, EmbeddedStore, Fence, Lineage, Restoration, RoomRecord, SessionInfo, Store, TakeOver},
    tempo::Timeline,
};
use futures_util::FutureExt;

use crate::{
    kinds::{Controls, MS, NAMES, Owner, Record, Reign},
    rng::Rng,
    store::{Claim, State},
};

const NOW_MS: u64 = 5;

/// The embedded store without a file answers at once.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("nothing to wait for")
}

fn key() -> RoomKey {
    RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().expect("a code") }
}

fn owner(owner: Owner) -> store::Owner {
    store::Owner { node: NAMES[owner.node].into(), incarnation: owner.incarnation }
}

/// The bits stand in the room's name.
fn stored(controls: &Controls) -> StoredControls {
    serde_json::from_value(serde_json::json!({
        "teacher_id": "ms-lee",
        "settings": {"autostart": true, "max_students": 60, "locked": false, "name": controls.applied.to_string()},
        "rev": controls.rev, "run": 1, "bpm": 120, "playing": true, "timeline": &*controls.timeline,
        "meter": {"beats_per_bar": 4, "groups": [], "bar0_ub": 0},
        "muted": [], "all_muted": false, "exempt": [], "assignments": {}, "roles": {}, "admitted": [], "removed": [],
        "created_at_us": 0, "last_active_at_us": 0, "closed": false,
    }))
    .expect("these are controls")
}

fn full(record: &Record) -> RoomRecord {
    RoomRecord {
        key: key(),
        owner: NAMES[record.owner.node].into(),
        incarnation: record.owner.incarnation,
        epoch: record.reign.epoch,
        nonce: record.reign.nonce,
        since_ms: 0,
        taken_from: String::new(),
        from_beat: None,
        members_rev: 0,
        lineage: record.lineage.clone(),
        controls: stored(&record.controls),
    }
}

/// Small numbers, so that they meet.
struct Draw(Rng);

impl Draw {
    fn small(&mut self) -> u64 {
        1 + self.0.next() % 4
    }

    fn reign(&mut self) -> Reign {
        Reign { epoch: 4 + self.small(), nonce: self.small() }
    }

    fn owner(&mut self) -> Owner {
        Owner { node: self.0.index(3), incarnation: self.small() }
    }

    fn controls(&mut self) -> Controls {
        let timeline = Rc::new(Timeline::starting(0, 0, 120_000));
        Controls { rev: self.small(), applied: self.small().into(), timeline }
    }

    fn record(&mut self) -> Record {
        let reign = self.reign();
        Record { owner: self.owner(), reign, controls: self.controls(), lineage: self.lineage() }
    }

    fn lineage(&mut self) -> Lineage {
        let reign = self.reign();
        Lineage::founded(reign.epoch, reign.nonce)
    }
}

fn step(draw: &mut Draw, model: &mut State, embedded: &EmbeddedStore) {
    let info = SessionInfo::default();
    // The same room as is stored, often: else nothing would be accepted.
    let (mut whose, mut reign) = (draw.owner(), draw.reign());
    if let Some(room) = model.room.as_ref().filter(|_| draw.0.chance(6_000)) {
        (whose, reign) = (room.owner, room.reign);
    }
    match draw.0.index(15) {
        0 | 1 => {
            let at_least = draw.small();
            let opened = now(embedded.open_session(NAMES[whose.node], &info, at_least)).expect("opened");
            assert_eq!(model.open_session(whose.node, false, at_least, 0, 0), opened);
        }
        2 | 3 => {
            let renewed = now(embedded.renew_session(NAMES[whose.node], whose.incarnation, &info)).expect("renewed");
            assert_eq!(model.renew_session(whose.node, whose.incarnation, false, 0), renewed);
        }
        4 | 5 => {
            let renewals = draw.small() - 1;
            let ended =
                now(embedded.end_session(NAMES[whose.node], whose.incarnation, renewals)).expect("ended or not");
            assert_eq!(model.end_session(whose, Some(renewals)), ended);
        }
        6..9 => {
            let claim = Claim {
                expected: whose,
                expected_reign: draw.0.chance(5_000).then_some(reign),
                claimant: draw.owner(),
                nonce: draw.small(),
                highest_seen_epoch: draw.small() + 2,
            };
            let full_claim = TakeOver {
                expected: owner(claim.expected),
                claimant: owner(claim.claimant),
                expected_reign: claim.expected_reign.map(|reign| (reign.epoch, reign.nonce)),
                nonce: claim.nonce,
                from_beat: None,
                highest_seen_epoch: claim.highest_seen_epoch,
                now_ms: NOW_MS,
            };
            let taken = now(embedded.take_over(&key(), full_claim));
            assert_eq!(model.take_over(&claim, NOW_MS).is_ok(), taken.is_ok(), "{claim:?}");
        }
        9..12 => {
            let controls = draw.controls();
            let fence = Fence { incarnation: whose.incarnation, epoch: reign.epoch, nonce: reign.nonce };
            let lineage = draw.0.chance(3_000).then(|| draw.lineage());
            let written = now(embedded.write_room(&key(), &fence, &stored(&controls), None, lineage.as_ref()));
            let modelled = model.write_room(whose.incarnation, reign, &controls, lineage.as_ref(), true);
            assert_eq!(modelled.is_ok(), written.is_ok());
        }
        12 => {
            let fence = Fence { incarnation: whose.incarnation, epoch: reign.epoch, nonce: reign.nonce };
            let closed = now(embedded.close_room(&key(), &fence));
            assert_eq!(model.close_room(whose.incarnation, reign, 0).is_ok(), closed.is_ok());
        }
        _ => {
            let record = draw.record();
            let restoration = Restoration { record: full(&record), members: Vec::new(), done: Vec::new() };
            let restored = now(embedded.restore_room(&restoration)).expect("restored or not");
            assert_eq!(model.restore_room(&record), restored);
        }
    }
}

/// What both hold, in the same form. The model does not keep who was before.
fn record_of(embedded: &EmbeddedStore) -> Option<RoomRecord> {
    let record = now(embedded.load_room(&key())).expect("read")?;
    Some(RoomRecord { since_ms: 0, taken_from: String::new(), ..record })
}

fn sessions_of(embedded: &EmbeddedStore) -> Vec<(String, u64, u64)> {
    let look = now(embedded.look()).expect("a look");
    let mut rows: Vec<_> =
        look.sessions.into_iter().map(|session| (session.node, session.incarnation, session.renewals)).collect();
    rows.sort();
    rows
}

#[test]
fn the_model_s_store_keeps_the_rules_of_the_embedded_one() {
    for seed in 0..300 {
        let mut draw = Draw(Rng::seeded(seed));
        let (mut model, embedded) = (State::default(), EmbeddedStore::in_memory());
        for _ in 0..60 {
            step(&mut draw, &mut model, &embedded);
            model.expire(1_999 * MS);
            assert_eq!(model.room.as_ref().map(full), record_of(&embedded), "seed {seed}");
            let mut rows: Vec<_> =
                model.sessions.iter().map(|row| (NAMES[row.node].to_owned(), row.incarnation, row.renewals)).collect();
            rows.sort();
            assert_eq!(rows, sessions_of(&embedded), "seed {seed}");
        }
    }
}
