use downbeat::store::{
    DONE_PER_ROOM, EmbeddedStore, Fence, LINEAGE_MAX, Store, TakeOver, TakeOverRefused, WriteRefused,
};

use super::samples::{WholeStore, claim, controls, done, here, member, owner, record};

pub async fn a_write_is_fenced_by_incarnation_epoch_nonce_and_rev(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let own = room.fence();
    let stale = [
        (Fence { incarnation: 6, epoch: 2_000, nonce: 60 }, 11),
        (Fence { incarnation: 8, epoch: 2_000, nonce: 60 }, 11),
        (Fence { epoch: 999, nonce: 60, ..own }, 11),
        (Fence { nonce: 49, ..own }, 11),
        (own, 9),
    ];
    for (fence, rev) in stale {
        let refused = store.write_room(&room.key, &fence, &controls(rev), Some(done(1, "x")), None).await;
        assert_eq!(refused, Err(WriteRefused::Fenced { stored: own, rev: 10 }), "{fence:?}");
    }
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(room.clone()));
    assert_eq!(store.recent_done(&room.key).await.unwrap(), [], "what is refused leaves no answer");
    for rev in [10, 11, 11] {
        store.write_room(&room.key, &own, &controls(rev), None, None).await.expect("its own, and not older");
    }
    let stored = store.load_room(&room.key).await.unwrap().expect("it lives");
    assert_eq!(stored.controls, controls(11));
}

pub async fn an_owner_re_asserts_itself_with_a_higher_epoch(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let higher = Fence { epoch: 5_000, nonce: 1, ..room.fence() };
    store.write_room(&room.key, &higher, &controls(10), None, None).await.unwrap();
    let stored = store.load_room(&room.key).await.unwrap().expect("it lives");
    assert_eq!(stored.fence(), higher);
    let late = store.write_room(&room.key, &room.fence(), &controls(11), None, None).await;
    assert!(matches!(late, Err(WriteRefused::Fenced { .. })), "{late:?}");
}

pub async fn only_the_expected_owner_is_taken_over(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    for wrong in [owner("a", 6), owner("b", 7)] {
        let refused = store.take_over(&room.key, claim(wrong, owner("c", 9))).await;
        let stands = TakeOverRefused::Owned { node: "a".into(), incarnation: 7 };
        assert_eq!(refused, Err(stands));
    }
    let taken = store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await.unwrap();
    assert_eq!((taken.owner.as_str(), taken.incarnation, taken.nonce), ("b", 8, 99));
    assert_eq!(taken.controls, room.controls, "the timeline is inherited as it is");
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(taken.clone()));
    let late = store.write_room(&room.key, &room.fence(), &controls(11), None, None).await;
    let fenced = WriteRefused::Fenced { stored: taken.fence(), rev: 10 };
    assert_eq!(late, Err(fenced));
}

pub async fn the_epoch_of_a_takeover_is_above_all_that_was_known(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    // Far ahead of any clock, because a store may have one of its own.
    let far = 1 << 50;
    let mut highest = room.epoch;
    for ((seen, now_ms), incarnation) in [(0, 0), (0, far), (far + 9, far), (0, 0)].into_iter().zip(7..) {
        let next = owner("a", incarnation + 1);
        let claim = TakeOver { highest_seen_epoch: seen, now_ms, ..claim(owner("a", incarnation), next) };
        let taken = store.take_over(&room.key, claim).await.unwrap();
        assert!(taken.epoch > highest && taken.epoch > seen, "{taken:?}");
        highest = taken.epoch;
    }
}

#[tokio::test]
async fn in_the_embedded_store_an_epoch_is_the_highest_of_stored_seen_and_the_claimants_time() {
    for (seen, now_ms, expected) in [(0, 0, 1_001), (5_000, 4_000, 5_001), (5_000, 6_000, 6_000)] {
        let store = EmbeddedStore::in_memory();
        let room = record("acme", "MUSIC-1234");
        store.create_room(room.clone(), 1).await.unwrap();
        let claim = TakeOver { highest_seen_epoch: seen, now_ms, ..claim(owner("a", 7), owner("b", 8)) };
        let taken = store.take_over(&room.key, claim).await.unwrap();
        assert_eq!(taken.epoch, expected);
    }
}

pub async fn a_reign_says_since_when_from_whom_and_from_which_beat_it_is(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let handed = TakeOver { from_beat: Some(-3), ..claim(owner("a", 7), owner("b", 8)) };
    let taken = store.take_over(&room.key, handed).await.unwrap();
    assert_eq!((taken.taken_from.as_str(), taken.from_beat), ("a", Some(-3)));
    assert!(taken.since_ms >= 1_700_000_000_000 && taken.since_ms <= taken.epoch, "{taken:?}");
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(taken));
    let next = store.take_over(&room.key, claim(owner("b", 8), owner("c", 9))).await.unwrap();
    assert_eq!((next.taken_from.as_str(), next.from_beat), ("b", None), "the beat was the last reign's");
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(next));
}

pub async fn whoever_knows_a_reign_gives_away_that_one_alone(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let (epoch, nonce) = (room.epoch, room.nonce);
    let stands = Err(TakeOverRefused::Owned { node: "a".into(), incarnation: 7 });
    for wrong in [(epoch - 1, nonce), (epoch + 1, nonce), (epoch, nonce - 1), (epoch, nonce + 1)] {
        let given = TakeOver { expected_reign: Some(wrong), ..claim(owner("a", 7), owner("b", 8)) };
        assert_eq!(store.take_over(&room.key, given).await, stands, "{wrong:?}");
    }
    let given = TakeOver { expected_reign: Some((epoch, nonce)), ..claim(owner("a", 7), owner("b", 8)) };
    assert_eq!(store.take_over(&room.key, given).await.unwrap().owner, "b");
}

pub async fn an_owner_takes_its_own_room_over_above_what_it_has_seen(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let seen = 1 << 52;
    let again = TakeOver { highest_seen_epoch: seen, nonce: (1 << 53) - 1, ..claim(owner("a", 7), owner("a", 9)) };
    let taken = store.take_over(&room.key, again).await.unwrap();
    assert_eq!((taken.owner.as_str(), taken.incarnation, taken.epoch, taken.nonce), ("a", 9, seen + 1, (1 << 53) - 1));
    let late = store.write_room(&room.key, &room.fence(), &controls(11), None, None).await;
    assert_eq!(late, Err(WriteRefused::Fenced { stored: taken.fence(), rev: 10 }), "its own earlier reign is over too");
}

pub async fn one_of_two_racing_claimants_takes_over(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let (b, c) = tokio::join!(
        store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))),
        store.take_over(&room.key, claim(owner("a", 7), owner("c", 9))),
    );
    assert_ne!(b.is_ok(), c.is_ok(), "{b:?} {c:?}");
}

pub async fn the_last_answers_are_kept_oldest_first_and_bounded(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let write = |n: u64, request: &'static str| {
        let (key, fence) = (room.key.clone(), room.fence());
        async move { store.write_room(&key, &fence, &controls(10), Some(done(n, request)), None).await.unwrap() }
    };
    for n in 0..DONE_PER_ROOM as u64 + 3 {
        write(n, "7:mute").await;
    }
    let kept = store.recent_done(&room.key).await.unwrap();
    let expected: Vec<_> = (3..DONE_PER_ROOM as u64 + 3).map(|n| done(n, "7:mute")).collect();
    assert_eq!(kept, expected);
    write(10, "7:mute").await;
    let kept = store.recent_done(&room.key).await.unwrap();
    assert_eq!(kept.len(), DONE_PER_ROOM, "a repeated request takes the place of its first answer");
    assert_eq!(kept.last(), Some(&done(10, "7:mute")));
    assert_eq!(kept.iter().filter(|done| done.connection == 10).count(), 1);
}

pub async fn a_claim_that_was_carried_out_is_answered_the_same_and_changes_nothing(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    let claim = claim(owner("a", 7), owner("b", 8));
    let first = store.take_over(&room.key, claim.clone()).await.unwrap();
    assert_eq!(store.take_over(&room.key, claim.clone()).await, Ok(first.clone()));
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(first));
    let another = TakeOver { nonce: claim.nonce + 1, ..claim };
    assert!(store.take_over(&room.key, another).await.is_err(), "another claim finds the room owned");
}

pub async fn every_reign_enters_the_lineage_with_what_it_inherited(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    store.write_room(&room.key, &room.fence(), &controls(12), None, None).await.unwrap();
    let taken = store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await.unwrap();
    let expected = format!("1000:50:0 {}:{}:12", taken.epoch, taken.nonce);
    assert_eq!(taken.lineage.to_string(), expected);
    let mut mended = taken.lineage.clone();
    mended.inherit(15);
    store.write_room(&room.key, &taken.fence(), &controls(15), None, Some(&mended)).await.unwrap();
    store.write_room(&room.key, &taken.fence(), &controls(16), None, None).await.unwrap();
    assert_eq!(store.load_room(&room.key).await.unwrap().unwrap().lineage, mended, "a write without one leaves it");
    let mut last = taken;
    for n in 0..20 {
        let again = TakeOver { nonce: 100 + n, ..claim(owner("b", 8), owner("b", 8)) };
        last = store.take_over(&room.key, again).await.unwrap();
    }
    assert_eq!(last.lineage.to_string().split(' ').count(), LINEAGE_MAX);
}

pub async fn whoever_re_asserts_itself_has_the_room_from_whom_it_had_it(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    let handed = TakeOver { from_beat: Some(40), ..claim(owner("a", 7), owner("b", 8)) };
    store.take_over(&room.key, handed).await.unwrap();
    let again = TakeOver { nonce: 77, ..claim(owner("b", 8), owner("b", 8)) };
    let again = store.take_over(&room.key, again).await.unwrap();
    assert_eq!((again.taken_from.as_str(), again.from_beat), ("a", Some(40)));
}

pub async fn whoever_takes_over_learns_at_once_what_was_answered_and_who_is_there(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let (own, ada) = (room.fence(), member("ada", 1));
    store.write_room(&room.key, &own, &controls(11), Some(done(1, "a")), None).await.unwrap();
    store.write_members(&room.key, &own, 1, &[here(&ada)]).await.unwrap();
    let taken = store.take_over_whole(&room.key, claim(owner("a", 7), owner("b", 8))).await.unwrap();
    assert_eq!(Ok(Some(taken.record)), store.load_room(&room.key).await);
    assert_eq!(taken.done, [done(1, "a")]);
    assert_eq!((taken.members.members_rev, taken.members.members), (1, vec![ada]));
}
