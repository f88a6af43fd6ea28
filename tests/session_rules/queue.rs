//! What waits, in which order, and how much of it.

use downbeat::gateway::session::{QUEUED_BYTES_MAX, QUEUED_CONTROLS_MAX, QUEUED_FRAMES_MAX, Refusal, Step};
use downbeat::protocol::{Inbound, InboundPayload, Ref, Vsn, decode_text};

use crate::{ROOM, drain, frame, join, leave, push, pushed, reference, session, start_join};

#[test]
fn frames_behind_a_join_wait_and_come_in_order() {
    let mut session = session();
    let instance = start_join(&mut session, "1", ROOM);
    assert_eq!(push(&mut session, Some("1"), "2"), Step::Queued);
    assert_eq!(push(&mut session, Some("1"), "3"), Step::Queued);
    assert_eq!(leave(&mut session, Some("1")), Step::Queued);
    assert_eq!(push(&mut session, Some("1"), "4"), Step::Queued);
    assert_eq!(drain(&mut session, ROOM), []);
    session.joined(ROOM, instance);
    let expected = [
        ("2".to_owned(), pushed(instance, "1")),
        ("3".to_owned(), pushed(instance, "1")),
        ("9".to_owned(), Step::Leave { instance, join_ref: reference("1") }),
        ("4".to_owned(), Step::Refuse(Refusal::Unmatched)),
    ];
    assert_eq!(drain(&mut session, ROOM), expected);
    assert_eq!(leave(&mut session, None), Step::LeaveUnjoined);
}

#[test]
fn a_slow_join_does_not_hold_up_other_topics() {
    let mut session = session();
    start_join(&mut session, "1", "slow");
    let instance = join(&mut session, "2", ROOM);
    assert_eq!(push(&mut session, Some("2"), "3"), pushed(instance, "2"));
}

#[test]
fn a_held_push_makes_later_ones_wait_until_it_is_handled() {
    let mut session = session();
    let instance = join(&mut session, "1", ROOM);
    assert_eq!(push(&mut session, Some("1"), "2"), pushed(instance, "1"));
    assert!(session.hold(ROOM, instance));
    assert!(!session.hold(ROOM, instance));
    assert_eq!(push(&mut session, Some("1"), "3"), Step::Queued);
    assert_eq!(push(&mut session, Some("1"), "4"), Step::Queued);
    assert!(session.handled(ROOM, instance));
    // The next one is slow again: what is behind it goes on waiting.
    assert!(session.next_queued(ROOM).is_some());
    assert!(session.hold(ROOM, instance));
    assert!(session.next_queued(ROOM).is_none());
    assert!(session.handled(ROOM, instance));
    assert_eq!(drain(&mut session, ROOM), [("4".to_owned(), pushed(instance, "1"))]);
}

#[test]
fn what_comes_while_others_still_wait_goes_behind_them() {
    let mut session = session();
    let instance = join(&mut session, "1", ROOM);
    session.hold(ROOM, instance);
    push(&mut session, Some("1"), "2");
    session.handled(ROOM, instance);
    assert_eq!(push(&mut session, Some("1"), "3"), Step::Queued);
    let order: Vec<String> = drain(&mut session, ROOM).into_iter().map(|(at, _)| at).collect();
    assert_eq!(order, ["2", "3"]);
}

#[test]
fn a_bypassing_event_waits_for_the_join_but_for_no_handler() {
    let mut session = session();
    let sync = frame(Some("1"), "2", ROOM, "clock_sync");
    assert_eq!(session.receive(&sync), Step::Refuse(Refusal::Unmatched));
    let instance = start_join(&mut session, "1", ROOM);
    assert_eq!(session.receive(&sync), Step::Queued);
    session.joined(ROOM, instance);
    assert_eq!(drain(&mut session, ROOM), [("2".to_owned(), pushed(instance, "1"))]);
    session.hold(ROOM, instance);
    assert_eq!(push(&mut session, Some("1"), "3"), Step::Queued);
    assert_eq!(session.receive(&sync), pushed(instance, "1"));
    // One that speaks for a join still to come has to wait for that.
    let later = frame(Some("7"), "8", ROOM, "clock_sync");
    assert_eq!(session.receive(&later), Step::Queued);
}

#[test]
fn pushes_over_the_queues_length_are_refused_and_leaves_still_fit() {
    let mut session = session();
    let instance = start_join(&mut session, "1", ROOM);
    for _ in 0..QUEUED_FRAMES_MAX {
        assert_eq!(push(&mut session, Some("1"), "2"), Step::Queued);
    }
    assert_eq!(push(&mut session, Some("1"), "2"), Step::Refuse(Refusal::QueueFull));
    for _ in 0..QUEUED_CONTROLS_MAX {
        assert_eq!(leave(&mut session, Some("1")), Step::Queued);
    }
    assert_eq!(leave(&mut session, Some("1")), Step::Refuse(Refusal::QueueFull));
    session.joined(ROOM, instance);
    assert_eq!(drain(&mut session, ROOM).len(), QUEUED_FRAMES_MAX + QUEUED_CONTROLS_MAX);
    assert!(matches!(push(&mut session, None, "2"), Step::Refuse(Refusal::Unmatched)));
}

#[test]
fn bytes_that_wait_are_bounded_over_all_topics_and_given_back() {
    let mut session = session();
    let body = vec![0; QUEUED_BYTES_MAX / 2];
    let big = |topic| Inbound { payload: InboundPayload::Binary(&body), ..frame(None, "2", topic, "play_note") };
    let a = start_join(&mut session, "1", "a");
    start_join(&mut session, "2", "b");
    assert_eq!(session.receive(&big("a")), Step::Queued);
    assert_eq!(session.receive(&big("b")), Step::Refuse(Refusal::QueueFull));
    let small = frame(None, "3", "b", "phx_leave");
    assert_eq!(session.receive(&small), Step::Queued);
    session.joined("a", a);
    assert_eq!(drain(&mut session, "a").len(), 1);
    assert_eq!(session.receive(&big("b")), Step::Queued);
}

#[test]
fn a_frame_that_waited_is_the_frame_that_came() {
    let mut session = session();
    let instance = start_join(&mut session, "1", ROOM);
    let text = format!("[null,7,\"{ROOM}\",\"set_tempo\",{{\"bpm\": 90}}]");
    let inbound = decode_text(Vsn::V2, &text).expect("well formed");
    assert_eq!(session.receive(&inbound), Step::Queued);
    session.joined(ROOM, instance);
    let (queued, _) = session.next_queued(ROOM).expect("a frame waits");
    let queued = queued.as_inbound();
    assert_eq!((&*queued.topic, &*queued.event), (ROOM, "set_tempo"));
    assert_eq!((queued.join_ref, queued.reference), (None, Some(Ref::from_integer(7))));
    assert!(matches!(queued.payload, InboundPayload::Json(json) if json.get() == "{\"bpm\": 90}"));
}
