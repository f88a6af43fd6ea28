//! Every message once and in order, whatever becomes of the answers that carry them.

use std::collections::VecDeque;

use downbeat::gateway::longpoll::delivery::{BATCH_BYTES_MAX, Batch, Delivery, POSTS_REMEMBERED_MAX};
use proptest::prelude::*;

fn from<'a>(queue: &'a mut VecDeque<String>) -> impl FnMut() -> Option<String> + 'a {
    || queue.pop_front()
}

fn queue(messages: &[&str]) -> VecDeque<String> {
    messages.iter().map(|message| (*message).to_owned()).collect()
}

fn batch(messages: &[&str], last: u64) -> Option<Batch> {
    Some(Batch { messages: messages.iter().map(|message| (*message).to_owned()).collect(), last })
}

#[test]
fn what_a_client_does_not_confirm_goes_out_again_ahead_of_what_is_new() {
    let mut delivery = Delivery::default();
    assert_eq!(delivery.batch(from(&mut queue(&["a", "b"]))), batch(&["a", "b"], 2));
    assert!(delivery.admit_poll(7, true, 1));
    assert_eq!(delivery.batch(from(&mut queue(&["c"]))), batch(&["b", "c"], 3));
    delivery.confirm(3);
    assert_eq!(delivery.batch(from(&mut queue(&[]))), None);
}

#[test]
fn a_confirmation_that_comes_late_or_twice_changes_nothing() {
    let mut delivery = Delivery::default();
    delivery.batch(from(&mut queue(&["a", "b", "c"])));
    for upto in [2, 1, 2, 0] {
        delivery.confirm(upto);
    }
    assert_eq!(delivery.batch(from(&mut queue(&[]))), batch(&["c"], 3));
}

#[test]
fn a_slice_of_a_poll_that_a_newer_one_has_replaced_is_told_so() {
    let mut delivery = Delivery::default();
    assert!(delivery.admit_poll(1, true, 0));
    assert!(delivery.admit_poll(1, false, 0));
    assert!(delivery.admit_poll(2, true, 0));
    assert!(!delivery.admit_poll(1, false, 0));
    assert!(delivery.admit_poll(2, false, 0));
}

#[test]
fn a_batch_is_bounded_and_the_rest_follows() {
    let mut delivery = Delivery::default();
    let long = "x".repeat(BATCH_BYTES_MAX / 4 + 1);
    let mut waiting: VecDeque<String> = (0..8).map(|n| format!("{n}{long}")).collect();
    let mut heard = String::new();
    while let Some(batch) = delivery.batch(from(&mut waiting)) {
        assert!(batch.messages.iter().map(String::len).sum::<usize>() <= BATCH_BYTES_MAX);
        heard.extend(batch.messages.iter().filter_map(|message| message.chars().next()));
        delivery.confirm(batch.last);
    }
    assert_eq!(heard, "01234567");
}

#[test]
fn a_message_longer_than_a_batch_goes_alone() {
    let mut delivery = Delivery::default();
    let long = "x".repeat(BATCH_BYTES_MAX + 1);
    let mut waiting = queue(&["before", &long, "after"]);
    for expected in ["before", &long, "after"] {
        let batch = delivery.batch(from(&mut waiting)).expect("there is more");
        assert_eq!(batch.messages, [expected]);
        delivery.confirm(batch.last);
    }
}

#[test]
fn a_post_is_taken_once_and_remembered_for_as_long_as_it_may_be_repeated() {
    let mut delivery = Delivery::default();
    assert!(delivery.take_post(1));
    assert!((2..=POSTS_REMEMBERED_MAX as u64).all(|number| delivery.take_post(number)));
    assert!(!delivery.take_post(1));
    assert!(delivery.has_taken(1));
    assert!(delivery.take_post(1_000));
    assert!(!delivery.has_taken(1), "the memory is bounded");
}

/// What may happen to a session whose client shows what it has.
#[derive(Clone, Debug)]
enum Happening {
    /// The room says something.
    Message,
    /// The client polls, and the answer arrives.
    Poll,
    /// The client polls, and the answer is lost on its way.
    LostAnswer,
    /// A request that was long under way arrives, from when the client had only some of what it has now.
    Zombie { forgotten: u64 },
    /// HTTP says that what went out last has arrived, which it had.
    Told,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => Just(Happening::Message),
        3 => Just(Happening::Poll),
        2 => Just(Happening::LostAnswer),
        2 => (0..4_u64).prop_map(|forgotten| Happening::Zombie { forgotten }),
        1 => Just(Happening::Told),
    ]
}

proptest! {
    #[test]
    fn a_client_hears_every_message_once_and_in_order(happenings in prop::collection::vec(happening(), 0..200)) {
        let mut delivery = Delivery::default();
        let mut waiting = VecDeque::new();
        let (mut said, mut heard, mut received, mut poll) = (0, Vec::new(), 0, 0);
        for happening in happenings.into_iter().chain([Happening::Poll]) {
            match happening {
                Happening::Message => {
                    said += 1;
                    waiting.push_back(said.to_string());
                }
                Happening::Told => delivery.confirm(received),
                Happening::Zombie { forgotten } => {
                    poll += 1;
                    delivery.admit_poll(poll, true, received.saturating_sub(forgotten));
                    delivery.batch(|| waiting.pop_front());
                }
                Happening::Poll | Happening::LostAnswer => {
                    poll += 1;
                    prop_assert!(delivery.admit_poll(poll, true, received));
                    let batch = delivery.batch(|| waiting.pop_front());
                    if let (Some(batch), Happening::Poll) = (batch, happening) {
                        heard.extend(batch.messages);
                        received = batch.last;
                    }
                }
            }
        }
        let all: Vec<String> = (1..=said).map(|n: u64| n.to_string()).collect();
        prop_assert_eq!(heard, all);
    }
}
