use downbeat::store::{Restoration, Restored, RoomRecord};

use super::samples::{WholeStore, controls, done, here, member, record};

fn restoration(record: RoomRecord) -> Restoration {
    Restoration { record, members: vec![member("ada", 1)], done: vec![done(1, "7:mute"), done(2, "8:mute")] }
}

pub async fn a_lost_room_comes_back_whole(store: &dyn WholeStore) {
    let mut lost = record("acme", "MUSIC-1234");
    (lost.members_rev, lost.from_beat, lost.taken_from) = (9, Some(4), "z".into());
    let given = restoration(lost.clone());
    assert_eq!(store.restore_room(&given).await, Ok(Restored::Written));
    assert_eq!(store.load_room(&lost.key).await.unwrap(), Some(lost.clone()));
    assert_eq!(store.recent_done(&lost.key).await.unwrap(), given.done);
    let members = store.members(&lost.key).await.unwrap();
    assert_eq!((members.members_rev, members.members), (9, given.members.clone()));
    assert_eq!(store.live_rooms("acme").await.unwrap(), 1);
    assert_eq!(store.owners().await.unwrap().len(), 1);
    assert_eq!(store.list_rooms("acme", None, 9).await.unwrap().0, [lost]);
    assert_eq!(store.restore_room(&given).await, Ok(Restored::KnownAlready), "many nodes knew it");
}

pub async fn a_restoration_never_sets_a_room_back(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    let handed_over = RoomRecord { from_beat: Some(4), ..room.clone() };
    store.create_room(handed_over, 1).await.unwrap();
    store.write_members(&room.key, &room.fence(), 1, &[here(&member("bob", 2))]).await.unwrap();
    let stored = store.load_room(&room.key).await.unwrap();
    let lower = [(999, 51, 11), (1_000, 49, 11), (1_000, 50, 9), (1_000, 50, 10)];
    for (epoch, nonce, rev) in lower {
        let old = RoomRecord { epoch, nonce, controls: controls(rev), ..room.clone() };
        assert_eq!(store.restore_room(&restoration(old)).await, Ok(Restored::KnownAlready), "{epoch} {nonce} {rev}");
        assert_eq!(store.load_room(&room.key).await.unwrap(), stored);
    }
    for (epoch, nonce, rev) in [(1_000, 50, 11), (1_000, 51, 0), (1_001, 0, 0)] {
        let newer = RoomRecord { epoch, nonce, controls: controls(rev), ..room.clone() };
        assert_eq!(store.restore_room(&restoration(newer.clone())).await, Ok(Restored::Written));
        assert_eq!(store.load_room(&room.key).await.unwrap(), Some(newer));
        assert_eq!(store.members(&room.key).await.unwrap().members, [member("ada", 1)], "nothing of the old is left");
    }
}

pub async fn a_room_that_was_closed_stays_closed(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    store.close_room(&room.key, &room.fence()).await.unwrap();
    assert_eq!(store.restore_room(&restoration(room.clone())).await, Ok(Restored::Closed));
    assert_eq!(store.load_room(&room.key).await.unwrap(), None);
    let anew = RoomRecord { epoch: room.epoch + 1, ..room };
    assert_eq!(store.restore_room(&restoration(anew)).await, Ok(Restored::Written), "another room under the code");
}

pub async fn a_buried_room_is_removed_and_not_restored(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.bury_room(&room.key, room.epoch).await.unwrap();
    assert_eq!(store.restore_room(&restoration(room.clone())).await, Ok(Restored::Closed));
    store.create_room(room.clone(), 1).await.expect("whoever makes a room knows what it does");
    store.bury_room(&room.key, room.epoch - 1).await.unwrap();
    assert!(store.load_room(&room.key).await.unwrap().is_some(), "made anew, with a higher epoch");
    store.bury_room(&room.key, room.epoch).await.unwrap();
    assert_eq!(store.load_room(&room.key).await.unwrap(), None);
    assert_eq!(store.live_rooms("acme").await.unwrap(), 0);
    assert_eq!(store.owners().await.unwrap(), []);
}

pub async fn answers_that_a_gateway_did_not_know_are_kept_when_the_conductor_gives_the_same_room_back(
    store: &dyn WholeStore,
) {
    let record = record("acme", "MUSIC-1234");
    let of_gateway = Restoration { record: record.clone(), members: Vec::new(), done: Vec::new() };
    let of_conductor = Restoration { done: vec![done(1, "a"), done(1, "b")], ..of_gateway.clone() };
    assert_eq!(store.restore_room(&of_gateway).await, Ok(Restored::Written));
    assert_eq!(store.restore_room(&of_conductor).await, Ok(Restored::KnownAlready));
    assert_eq!(store.recent_done(&record.key).await, Ok(vec![done(1, "a"), done(1, "b")]));
    assert_eq!(store.restore_room(&of_conductor).await, Ok(Restored::KnownAlready));
    assert_eq!(store.recent_done(&record.key).await.unwrap().len(), 2, "not twice");
}
