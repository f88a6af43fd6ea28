//! What gateways and conductors do when they do not agree on who is in a room.

use downbeat::{relay::Body, room::RoomKey, store::Store};
use serde_json::json;

use super::{
    ears::{Heard, of},
    house::House,
    town::{Town, people, stored_people},
};

/// The gateways look every five seconds, and part from nobody at the first sight.
const RECONCILED_MS: i64 = 11_000;

/// The store and the next conductor on a have lost sight of a student's connections.
async fn forget(house: &House, key: &RoomKey, student_id: &str) {
    let store = house.store().inner();
    let record = house.record(key).await;
    let gone = downbeat::store::MemberWrite { student_id: student_id.into(), member: None };
    store.write_members(key, &record.fence(), record.members_rev + 1, &[gone]).await.expect("stored");
}

#[tokio::test(start_paused = true)]
async fn connections_that_the_next_conductor_does_not_know_of_are_returned_by_their_gateway() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    forget(&town.a, &key, "bob").await;
    // b is not asked who is there: nothing that is stored names it.
    town.a.kill_conductor(&key).await;
    town.pass(6_000).await;
    assert_eq!(people(&guests[0]).keys().collect::<Vec<_>>(), ["ada", "bob", "ms-ray"]);
    assert_eq!(stored_people(&town.a, &key).await, people(&guests[0]));
    assert_eq!(people(&guests[2]), people(&guests[0]));
    let leaves = |heard: &[Heard]| of(heard, "presence_diff").any(|d| !d.payload()["leaves"]["bob"].is_null());
    assert!(!leaves(&town.b.heard()), "on his own node he was never away");
}

#[tokio::test(start_paused = true)]
async fn a_conductor_that_takes_over_asks_the_gateways_who_is_there() {
    let town = Town::new().await;
    let (key, _guests) = town.class().await;
    let _cleo = town.b.join(&key, "cleo", 4).await;
    forget(&town.a, &key, "bob").await;
    town.a.relay.said();
    town.a.kill_conductor(&key).await;
    town.pass(500).await;
    let said = town.a.relay.said();
    let first = said.iter().find_map(|said| match &said.body {
        Body::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    });
    let members = &first.expect("the reign is announced").members;
    assert!(members.iter().any(|member| member.student_id == "bob"), "b, where cleo is, has named him");
}

#[tokio::test(start_paused = true)]
async fn a_student_who_was_removed_while_his_gateway_could_not_be_told_is_not_brought_back_by_it() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    town.b.freeze();
    let removing = town.a.begin(&key, "remove_student", json!({"student_id": "bob"}));
    town.a.settle().await;
    town.b.relay.said();
    // What b was told is lost with its inbox; its session lives on.
    town.a.relay.loses(|body| matches!(body, Body::RoomUpdate(_)));
    town.b.thaw();
    town.pass(RECONCILED_MS).await;
    assert_eq!(removing.await.expect("it runs"), Ok(json!({})));
    assert!(!people(&guests[0]).contains_key("bob"));
    assert!(!guests[2].room.lock().is_here("bob", 3));
    assert!(town.b.heard().iter().any(|heard| heard.name() == "-eject"), "his channel ends");
}

#[tokio::test(start_paused = true)]
async fn connections_that_nobody_has_are_parted_from() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    // Gone without a goodbye: b's channel failed.
    guests[2].room.lock().unsettle(3);
    let _cleo = town.b.join(&key, "cleo", 4).await;
    town.pass(RECONCILED_MS).await;
    assert_eq!(people(&guests[0]).keys().collect::<Vec<_>>(), ["ada", "cleo", "ms-ray"]);
    assert_eq!(stored_people(&town.a, &key).await, people(&guests[0]));
}

#[tokio::test(start_paused = true)]
async fn who_has_just_been_let_in_is_not_parted_from_before_the_gateway_has_settled_him() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let join = guests[2].room.lock().room.members.get("bob").cloned().unwrap();
    guests[2].room.lock().unsettle(3);
    town.pass(5_000).await;
    assert!(people(&guests[0]).contains_key("bob"), "one sight is not enough");
    let (student_id, name, role) = (join.student_id, join.name, join.role);
    guests[2].room.lock().settle(downbeat::room::Join { student_id, name, role, connection: 3 });
    town.pass(RECONCILED_MS).await;
    assert!(people(&guests[0]).contains_key("bob"));
    assert!(stored_people(&town.a, &key).await.contains_key("bob"));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_is_not_heard_is_said_until_it_is() {
    let town = Town::new().await;
    let (key, guests) = town.class().await;
    let [ray, _ada, bob] = guests;
    town.b.relay.loses(|body| matches!(body, Body::Call(_)));
    let (router, goodbye_to) = (town.b.router.clone(), key.clone());
    bob.room.lock().unsettle(3);
    drop(bob);
    let leaving = tokio::spawn(async move { router.depart(&goodbye_to, 3).await });
    town.pass(3_000).await;
    assert!(people(&ray).contains_key("bob") && !leaving.is_finished());
    town.b.relay.heal();
    town.pass(5_000).await;
    assert!(leaving.is_finished());
    assert!(!people(&ray).contains_key("bob"));
}
