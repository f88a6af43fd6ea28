use downbeat::store::{Fence, Restoration, Restored, RoomRecord, StoredMembers, WriteRefused};

use super::samples::{WholeStore, claim, gone, here, key, member, owner, record, tracking};

pub async fn members_are_stored_change_by_change(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    assert_eq!(store.members(&room.key).await.unwrap(), StoredMembers::default());
    let (ada, bob) = (member("ada", 1), member("bob", (1 << 53) - 1));
    store.write_members(&room.key, &room.fence(), 3, &[here(&bob), here(&ada)]).await.unwrap();
    let both = StoredMembers { members_rev: 3, members: vec![ada.clone(), bob.clone()] };
    assert_eq!(store.members(&room.key).await.unwrap(), both);
    let mut raised = bob.clone();
    raised.hand = true;
    let changes = [gone("bob"), gone("ada"), gone("nobody"), here(&raised)];
    store.write_members(&room.key, &room.fence(), 4, &changes).await.unwrap();
    let last = StoredMembers { members_rev: 4, members: vec![raised] };
    assert_eq!(store.members(&room.key).await.unwrap(), last, "the last word about each counts");
    let loaded = store.load_room(&room.key).await.unwrap().expect("it lives");
    assert_eq!((loaded.members_rev, loaded.controls.rev), (4, 10), "members have a number of their own");
}

pub async fn a_write_of_members_is_fenced_and_its_number_rises(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let own = room.fence();
    let ada = [here(&member("ada", 1))];
    store.write_members(&room.key, &own, 5, &ada).await.unwrap();
    let stale = [
        (Fence { incarnation: 6, epoch: 2_000, nonce: 60 }, 6),
        (Fence { incarnation: 8, epoch: 2_000, nonce: 60 }, 6),
        (Fence { epoch: 999, nonce: 60, ..own }, 6),
        (Fence { nonce: 49, ..own }, 6),
        (own, 5),
        (own, 4),
    ];
    for (fence, members_rev) in stale {
        let refused = store.write_members(&room.key, &fence, members_rev, &[gone("ada")]).await;
        assert_eq!(refused, Err(WriteRefused::Fenced { stored: own, rev: 10 }), "{fence:?} {members_rev}");
    }
    assert_eq!(store.members(&room.key).await.unwrap().members.len(), 1);
    let nowhere = store.write_members(&key("acme", "MUSIC-9999"), &own, 6, &ada).await;
    assert_eq!(nowhere, Err(WriteRefused::Gone));
}

pub async fn members_outlive_their_conductor_and_end_with_their_room(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    store.write_members(&room.key, &room.fence(), 1, &[here(&member("ada", 1))]).await.unwrap();
    let taken = store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await.unwrap();
    assert_eq!(taken.members_rev, 1);
    assert_eq!(store.members(&room.key).await.unwrap().members, [member("ada", 1)]);
    store.close_room(&room.key, &taken.fence()).await.unwrap();
    assert_eq!(store.members(&room.key).await.unwrap(), StoredMembers::default());
    store.create_room(room.clone(), 1).await.unwrap();
    assert_eq!(store.members(&room.key).await.unwrap(), StoredMembers::default(), "nobody haunts the next room");
}

pub async fn what_a_connection_tracks_is_kept_with_its_member(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let (ada, mut bob) = (tracking("ada", 1), tracking("bob", (1 << 53) - 1));
    store.write_members(&room.key, &room.fence(), 1, &[here(&ada), here(&bob)]).await.unwrap();
    assert_eq!(store.members(&room.key).await.unwrap().members, [ada.clone(), bob.clone()]);
    bob.tracks.values_mut().for_each(|track| (track.version, track.fields) = (4, None));
    store.write_members(&room.key, &room.fence(), 2, &[here(&bob), here(&member("ada", 1))]).await.unwrap();
    let taken = store.take_over_whole(&room.key, claim(owner("a", 7), owner("b", 8))).await.unwrap();
    assert_eq!(taken.members.members, [member("ada", 1), bob.clone()], "untracked is known too");
    store.close_room(&room.key, &taken.record.fence()).await.unwrap();
    let again = RoomRecord { epoch: taken.record.epoch + 1, ..room };
    let given_back = Restoration { record: again.clone(), members: vec![ada.clone(), bob.clone()], done: Vec::new() };
    assert_eq!(store.restore_room(&given_back).await, Ok(Restored::Written));
    assert_eq!(store.members(&again.key).await.unwrap().members, [ada, bob]);
}

pub async fn occupancies_come_in_the_order_of_their_rooms(store: &dyn WholeStore) {
    let (one, two) = (record("acme", "MUSIC-0001"), record("other", "MUSIC-0001"));
    for room in [&one, &two] {
        store.create_room(room.clone(), 1).await.unwrap();
    }
    store.write_members(&one.key, &one.fence(), 1, &[here(&member("ada", 1)), here(&member("bob", 2))]).await.unwrap();
    store.write_members(&two.key, &two.fence(), 1, &[here(&member("ada", 3))]).await.unwrap();
    let keys = [two.key, key("acme", "MUSIC-9999"), one.key];
    assert_eq!(store.occupancies(&keys).await.unwrap(), [1, 0, 2]);
    assert!(store.occupancies(&[]).await.unwrap().is_empty());
}
