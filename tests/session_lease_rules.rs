//! A node's trust in its session always ends before others hold it for dead.

use downbeat::placement::{Judgement, Observer, Renewal, Session, Terms};
use proptest::prelude::*;

const MS: i64 = 1_000;

fn terms() -> Terms {
    Terms::from_ttl_ms(2_000)
}

/// A session of incarnation 7 whose opening was sent at 0.
fn session() -> Session {
    Session::opened(7, Renewal::sent(0), terms())
}

#[test]
fn the_usual_session_is_renewed_each_half_second_and_trusted_for_one_and_a_half() {
    let expected = Terms { renew_every_us: 500 * MS, trust_us: 1_500 * MS, death_us: 2_000 * MS };
    assert_eq!(terms(), expected);
}

#[test]
fn trust_is_counted_from_when_the_renewal_was_sent_not_answered() {
    let session = session();
    let renewal = Renewal::sent(500 * MS);
    assert!(session.renewal_succeeded(renewal, 1_400 * MS));
    assert!(session.is_trusted(2_000 * MS - 1));
    assert!(!session.is_trusted(2_000 * MS));
}

#[test]
fn a_session_once_lapsed_is_never_trusted_again() {
    let session = session();
    assert!(session.is_trusted(1_500 * MS - 1));
    assert!(!session.is_trusted(1_500 * MS));
    let late = Renewal::sent(1_499 * MS);
    assert!(!session.renewal_succeeded(late, 1_500 * MS));
    assert!(!session.is_trusted(1_600 * MS));
    // A time that another thread read a little earlier does not bring it back either.
    assert!(!session.renewal_succeeded(late, 1_400 * MS));
    assert!(!session.is_trusted(1_400 * MS));
}

#[test]
fn an_answer_that_comes_too_late_ends_the_session_by_itself() {
    let session = session();
    assert!(!session.renewal_succeeded(Renewal::sent(1_400 * MS), 1_500 * MS));
    assert!(!session.is_trusted(1_400 * MS));
}

#[test]
fn an_earlier_renewal_answered_later_does_not_shorten_trust() {
    let session = session();
    assert!(session.renewal_succeeded(Renewal::sent(1_000 * MS), 1_100 * MS));
    assert!(session.renewal_succeeded(Renewal::sent(500 * MS), 1_200 * MS));
    assert!(session.is_trusted(2_500 * MS - 1));
}

#[test]
fn a_discarded_session_stays_discarded() {
    let session = session();
    session.discard();
    assert!(!session.is_trusted(1));
    assert!(!session.renewal_succeeded(Renewal::sent(1), 2));
    assert_eq!(session.incarnation(), 7);
}

#[test]
fn a_session_stalls_after_two_seconds_without_a_renewal() {
    let mut observer = Observer::new(terms());
    let look = |observer: &mut Observer, at: i64, renewals| observer.observe(at, at + 5 * MS, [("a", 7, renewals)]);
    look(&mut observer, 0, 3);
    look(&mut observer, 2_004 * MS, 3);
    assert_eq!(observer.judge("a", 7, 0), Judgement::Alive, "first seen at 5 ms");
    look(&mut observer, 2_005 * MS, 3);
    assert_eq!(observer.judge("a", 7, 0), Judgement::Stalled { renewals: 3 });
    assert_eq!(observer.live_nodes().count(), 0);
    look(&mut observer, 2_100 * MS, 4);
    assert_eq!(observer.judge("a", 7, 0), Judgement::Alive, "it moved before anybody ended it");
    assert_eq!(observer.live_nodes().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_session_whose_key_is_gone_or_anothers_is_dead() {
    let mut observer = Observer::new(terms());
    observer.observe(10, 20, [("a", 8, 0)]);
    assert_eq!(observer.judge("a", 7, 10), Judgement::Dead);
    assert_eq!(observer.judge("b", 5, 10), Judgement::Dead);
    assert_eq!(observer.judge("a", 8, 10), Judgement::Alive);
}

#[test]
fn a_session_learnt_of_after_the_last_look_is_not_judged_by_it() {
    let mut observer = Observer::new(terms());
    assert_eq!(observer.judge("a", 9, 0), Judgement::Unknown);
    observer.observe(10, 20, []);
    assert_eq!(observer.judge("a", 9, 11), Judgement::Unknown, "it may have opened since");
    observer.observe(12, 20, []);
    assert_eq!(observer.judge("a", 9, 11), Judgement::Dead);
}

#[test]
fn an_observer_that_was_paused_does_not_hold_the_living_for_dead() {
    let mut observer = Observer::new(terms());
    observer.observe(0, 1, [("a", 7, 3)]);
    observer.observe(60_000 * MS, 60_001 * MS, [("a", 7, 123)]);
    assert_eq!(observer.judge("a", 7, 0), Judgement::Alive);
}

/// What happens next, and how much time (ms) passes before.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The node sends a renewal, which takes so long to the store and so long back.
    Renew { there_ms: i64, back_ms: i64 },
    /// The observer asks for the sessions, likewise.
    Look { there_ms: i64, back_ms: i64 },
}

fn any_steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let delay = || prop_oneof![4 => 0_i64..30, 1 => 0_i64..2_500];
    let step = (any::<bool>(), delay(), delay()).prop_map(|(renew, there_ms, back_ms)| {
        if renew { Step::Renew { there_ms, back_ms } } else { Step::Look { there_ms, back_ms } }
    });
    prop::collection::vec((prop_oneof![3 => 0_i64..300, 1 => 0_i64..2_500], step), 1..60)
}

/// An arrival, in the order in which they happen.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    RenewalAtStore { sent_us: i64, back_us: i64 },
    RenewalAnswered { sent_us: i64 },
    LookAtStore { asked_us: i64, back_us: i64 },
    LookAnswered { asked_us: i64, renewals: u64 },
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The observer's clock is `skew` ahead of the node's, which neither knows.
    #[test]
    fn nobody_is_held_for_dead_while_it_trusts_itself(steps in any_steps(), skew in -1_000_000_000_i64..1_000_000_000) {
        let mut pending = std::collections::BTreeMap::new();
        let mut order = 0_u64;
        let mut schedule = |pending: &mut std::collections::BTreeMap<_, _>, at_us: i64, arrival: Arrival| {
            order += 1;
            pending.insert((at_us, order), arrival);
        };
        let mut now_us = 0;
        for (wait_ms, step) in steps {
            now_us += wait_ms * MS;
            match step {
                Step::Renew { there_ms, back_ms } => schedule(&mut pending, now_us + there_ms * MS,
                    Arrival::RenewalAtStore { sent_us: now_us, back_us: back_ms * MS }),
                Step::Look { there_ms, back_ms } => schedule(&mut pending, now_us + there_ms * MS,
                    Arrival::LookAtStore { asked_us: now_us + skew, back_us: back_ms * MS }),
            }
        }
        let session = session();
        let mut observer = Observer::new(terms());
        let mut newest_look_us = i64::MIN;
        let mut renewals = 0;
        let mut lapsed = false;
        while let Some(((now_us, _), arrival)) = pending.pop_first() {
            match arrival {
                Arrival::RenewalAtStore { sent_us, back_us } => {
                    renewals += 1;
                    schedule(&mut pending, now_us + back_us, Arrival::RenewalAnswered { sent_us });
                }
                Arrival::RenewalAnswered { sent_us } => {
                    let extended = session.renewal_succeeded(Renewal::sent(sent_us), now_us);
                    prop_assert!(!(extended && lapsed), "a lapsed session came back");
                }
                Arrival::LookAtStore { asked_us, back_us } =>
                    schedule(&mut pending, now_us + back_us, Arrival::LookAnswered { asked_us, renewals }),
                // The observer has one look under way at a time: an answer that was overtaken is not used.
                Arrival::LookAnswered { asked_us, renewals } if asked_us > newest_look_us => {
                    newest_look_us = asked_us;
                    observer.observe(asked_us, now_us + skew, [("a", 7, renewals)]);
                }
                Arrival::LookAnswered { .. } => {}
            }
            let trusted = session.is_trusted(now_us);
            prop_assert!(!(trusted && lapsed), "a lapsed session is trusted");
            lapsed = !trusted;
            // To end a stalled session the store must still hold the renewals that were seen.
            if let Judgement::Stalled { renewals: seen } = observer.judge("a", 7, i64::MIN) {
                prop_assert!(!trusted || seen != renewals, "it could be ended while it trusts itself");
            }
        }
    }
}
