//! Joins, leaves, refs, and how channels end.

use downbeat::gateway::session::{Instance, JoinEnd, Refusal, Removed, Replaced, Step};
use downbeat::protocol::{Ref, Vsn, decode_text};

use crate::{ROOM, drain, frame, join, leave, push, pushed, reference, session, start_join};

#[test]
fn a_heartbeat_is_answered_whatever_else_goes_on() {
    let mut session = session();
    start_join(&mut session, "1", ROOM);
    let heartbeat = frame(None, "2", "phoenix", "heartbeat");
    assert_eq!(session.receive(&heartbeat), Step::Heartbeat);
}

#[test]
fn other_events_on_the_sockets_own_topic_match_nothing() {
    let other = session().receive(&frame(None, "2", "phoenix", "play_note"));
    assert_eq!(other, Step::Refuse(Refusal::Unmatched));
}

#[test]
fn a_join_ends_with_its_own_refs() {
    let mut session = session();
    let Step::Join { instance, replaced: None } = session.receive(&frame(Some("1"), "2", ROOM, "phx_join")) else {
        panic!("expected a fresh join");
    };
    assert_eq!(session.channel(ROOM).map(|channel| channel.joined), Some(false));
    let end = JoinEnd { join_ref: reference("1"), reference: reference("2"), replaced: None };
    assert_eq!(session.joined(ROOM, instance), Some(end));
    assert_eq!(session.channel(ROOM).map(|channel| channel.joined), Some(true));
    assert_eq!(push(&mut session, Some("1"), "3"), pushed(instance, "1"));
}

#[test]
fn a_refused_join_leaves_the_topic_unjoined() {
    let mut session = session();
    let instance = start_join(&mut session, "1", ROOM);
    assert!(session.refused(ROOM, instance).is_some());
    assert_eq!(session.channel(ROOM), None);
    assert_eq!(push(&mut session, Some("1"), "3"), Step::Refuse(Refusal::Unmatched));
    assert_eq!(session.refused(ROOM, instance), None);
}

#[test]
fn a_push_to_an_unjoined_topic_is_unmatched_and_answered_without_join_ref() {
    let join_ref = reference("1");
    assert_eq!(push(&mut session(), Some("1"), "3"), Step::Refuse(Refusal::Unmatched));
    assert_eq!(Refusal::Unmatched.reply_join_ref(join_ref.as_ref()), None);
    assert_eq!(Refusal::Unmatched.reason(), "unmatched topic");
    let others = [Refusal::TooManyChannels, Refusal::QueueFull];
    assert!(others.iter().all(|other| other.reply_join_ref(join_ref.as_ref()).is_some()));
}

#[test]
fn a_leave_ends_the_channel_under_the_join_ref_of_its_join() {
    let mut session = session();
    let instance = join(&mut session, "1", ROOM);
    let left = Step::Leave { instance, join_ref: reference("1") };
    assert_eq!(leave(&mut session, None), left);
    assert_eq!(leave(&mut session, Some("1")), Step::LeaveUnjoined);
    assert_eq!(session.channels().count(), 0);
}

#[test]
fn leaving_an_unjoined_topic_is_ok() {
    assert_eq!(leave(&mut session(), Some("1")), Step::LeaveUnjoined);
}

#[test]
fn a_second_join_replaces_the_channel_and_its_end_names_the_old_one() {
    let mut session = session();
    let old = join(&mut session, "1", ROOM);
    let step = session.receive(&frame(Some("5"), "5", ROOM, "phx_join"));
    let Step::Join { instance, replaced } = step else {
        panic!("expected a join, got {step:?}");
    };
    assert_eq!(replaced, Some(old));
    let replaced = Some(Replaced { instance: old, join_ref: reference("1") });
    let end = JoinEnd { join_ref: reference("5"), reference: reference("5"), replaced };
    assert_eq!(session.joined(ROOM, instance), Some(end));
    assert_eq!(push(&mut session, Some("1"), "6"), Step::Stale);
    assert_eq!(push(&mut session, Some("5"), "7"), pushed(instance, "5"));
}

#[test]
fn a_second_join_that_is_refused_still_closes_the_old_channel() {
    let mut session = session();
    let old = join(&mut session, "1", ROOM);
    let new = start_join(&mut session, "5", ROOM);
    let end = session.refused(ROOM, new).expect("the join was running");
    assert_eq!(end.replaced.map(|replaced| replaced.instance), Some(old));
    assert_eq!(push(&mut session, Some("1"), "6"), Step::Refuse(Refusal::Unmatched));
}

#[test]
fn a_stale_join_ref_is_dropped_on_push_and_leave_and_a_null_one_is_not() {
    let mut session = session();
    let instance = join(&mut session, "2", ROOM);
    assert_eq!(push(&mut session, Some("1"), "3"), Step::Stale);
    assert_eq!(leave(&mut session, Some("1")), Step::Stale);
    assert_eq!(push(&mut session, None, "4"), pushed(instance, "2"));
}

#[test]
fn a_channel_joined_under_no_join_ref_takes_every_frame() {
    let mut session = session();
    let Step::Join { instance, .. } = session.receive(&frame(None, "1", ROOM, "phx_join")) else {
        panic!("expected a join");
    };
    session.joined(ROOM, instance);
    let step = push(&mut session, Some("8"), "9");
    assert_eq!(step, Step::Push { instance, join_ref: None });
}

#[test]
fn an_integer_join_ref_is_the_same_as_its_text() {
    let mut session = session();
    let text = format!("[1,1,\"{ROOM}\",\"phx_join\",{{}}]");
    let inbound = decode_text(Vsn::V2, &text).expect("well formed");
    let Step::Join { instance, .. } = session.receive(&inbound) else { panic!("a join") };
    let end = session.joined(ROOM, instance).expect("the join was running");
    assert_eq!(end.join_ref, Some(Ref::from_integer(1)));
    assert!(matches!(push(&mut session, Some("1"), "2"), Step::Push { .. }));
    assert_eq!(push(&mut session, Some("01"), "3"), Step::Stale);
}

#[test]
fn one_channel_too_many_is_refused_until_another_ends() {
    let mut session = session();
    let first = join(&mut session, "1", "a");
    start_join(&mut session, "2", "b");
    join(&mut session, "3", "c");
    let fourth = frame(Some("4"), "4", "d", "phx_join");
    assert_eq!(session.receive(&fourth), Step::Refuse(Refusal::TooManyChannels));
    assert!(matches!(session.receive(&frame(Some("5"), "5", "c", "phx_join")), Step::Join { replaced: Some(_), .. }));
    assert!(session.remove("a", first).is_some());
    assert!(matches!(session.receive(&fourth), Step::Join { .. }));
}

#[test]
fn a_failed_channel_ends_alone_and_its_late_result_is_recognised() {
    let mut session = session();
    let failed = join(&mut session, "1", ROOM);
    let sibling = join(&mut session, "2", "sibling");
    session.hold(ROOM, failed);
    assert_eq!(push(&mut session, Some("1"), "3"), Step::Queued);
    let removed = Some(Removed::Joined { join_ref: reference("1") });
    assert_eq!(session.remove(ROOM, failed), removed);
    assert!(!session.handled(ROOM, failed));
    assert_eq!(session.remove(ROOM, failed), None);
    let waited = [("3".to_owned(), Step::Refuse(Refusal::Unmatched))];
    assert_eq!(drain(&mut session, ROOM), waited);
    let left: Vec<Instance> = session.channels().map(|channel| channel.instance).collect();
    assert_eq!(left, [sibling]);
}

#[test]
fn a_join_that_is_removed_can_still_be_answered_and_its_late_result_is_recognised() {
    let mut session = session();
    let first = start_join(&mut session, "1", ROOM);
    let rejoin = frame(Some("4"), "4", ROOM, "phx_join");
    assert_eq!(session.receive(&rejoin), Step::Queued);
    let end = JoinEnd { join_ref: reference("1"), reference: reference("1"), replaced: None };
    assert_eq!(session.remove(ROOM, first), Some(Removed::Joining(end)));
    let steps = drain(&mut session, ROOM);
    let [(_, Step::Join { instance: second, replaced: None })] = steps.as_slice() else {
        panic!("expected the waiting join, got {steps:?}");
    };
    assert_eq!(session.joined(ROOM, first), None);
    assert_eq!(session.refused(ROOM, first), None);
    assert!(session.joined(ROOM, *second).is_some());
}
