//! The rules that every bus between nodes keeps; then the bytes on the wire, which a rolling upgrade relies on.

mod inbox;
mod rules;
mod samples;
mod topics;
mod wire;

use std::sync::Arc;

use downbeat::relay::{Inbox, LocalBus, Relay};

use rules::*;

/// A bus that nodes of one test join.
pub trait Bus {
    fn join(&self, node: &str, capacity: usize) -> (Arc<dyn Relay>, Inbox);
}

impl Bus for LocalBus {
    fn join(&self, node: &str, capacity: usize) -> (Arc<dyn Relay>, Inbox) {
        let (relay, inbox) = LocalBus::join(self, node, capacity);
        (Arc::new(relay), inbox)
    }
}

macro_rules! rules_of_every_bus {
    ($($rule:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(&super::LocalBus::new()).await;
            })*
        }
    };
}

rules_of_every_bus! {
    every_kind_of_body_arrives_as_it_was_sent,
    a_node_hears_only_what_it_subscribed_to,
    a_node_never_hears_itself,
    a_node_hears_its_own_inbox_from_the_start,
    messages_of_a_node_arrive_in_order_and_once,
    rooms_of_different_tenants_never_meet,
    an_inbox_that_overflows_ends_in_a_gap_that_names_the_topics,
    an_envelope_that_is_too_long_is_refused_and_counted,
}
