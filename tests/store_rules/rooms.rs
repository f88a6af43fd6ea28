use downbeat::{
    room::RoomKey,
    store::{CreateRefused, Fence, RoomCursor, TakeOverRefused, WriteRefused},
};

use super::samples::{WholeStore, claim, controls, done, key, owner, record};

pub async fn a_room_is_loaded_as_it_was_created(store: &dyn WholeStore) {
    let created = record("acme", "MUSIC-1234");
    store.create_room(created.clone(), 100).await.unwrap();
    assert_eq!(store.load_room(&created.key).await.unwrap(), Some(created));
    let neighbour = key("other", "MUSIC-1234");
    assert_eq!(store.load_room(&neighbour).await.unwrap(), None);
}

pub async fn a_code_is_not_handed_out_twice_while_its_room_lives(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 100).await.unwrap();
    let mut second = room.clone();
    second.owner = "b".into();
    let refused = store.create_room(second, 100).await;
    assert_eq!(refused, Err(CreateRefused::CodeTaken));
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(room));
    store.create_room(record("other", "MUSIC-1234"), 100).await.expect("another tenant's code");
}

pub async fn the_cap_on_rooms_holds_under_a_race_and_is_each_tenants_own(store: &dyn WholeStore) {
    let create = |n: u32| store.create_room(record("acme", &format!("MUSIC-{n:04}")), 3);
    let results = tokio::join!(create(1), create(2), create(3), create(4), create(5));
    let results = [results.0, results.1, results.2, results.3, results.4];
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    let too_many = Err(CreateRefused::TooManyRooms { max_rooms: 3 });
    assert_eq!(results.iter().filter(|result| **result == too_many).count(), 2);
    assert_eq!(store.live_rooms("acme").await.unwrap(), 3);
    store.create_room(record("other", "MUSIC-0001"), 3).await.expect("another tenant's cap");
    assert_eq!(store.live_rooms("nobody").await.unwrap(), 0);
}

pub async fn a_closed_room_is_gone_and_its_code_is_free(store: &dyn WholeStore) {
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 1).await.unwrap();
    let fence = room.fence();
    store.write_room(&room.key, &fence, &controls(11), Some(done(1, "a")), None).await.unwrap();
    let foreign = Fence { incarnation: 8, ..fence };
    let refused = store.close_room(&room.key, &foreign).await;
    assert!(matches!(refused, Err(WriteRefused::Fenced { .. })), "{refused:?}");

    store.close_room(&room.key, &fence).await.unwrap();

    assert_eq!(store.load_room(&room.key).await.unwrap(), None);
    assert_eq!(store.close_room(&room.key, &fence).await, Err(WriteRefused::Gone));
    let late = store.write_room(&room.key, &fence, &controls(12), None, None).await;
    assert_eq!(late, Err(WriteRefused::Gone));
    let late = store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await;
    assert_eq!(late, Err(TakeOverRefused::Gone));
    store.create_room(room.clone(), 1).await.expect("the code and the place are free");
    assert_eq!(store.recent_done(&room.key).await.unwrap(), []);
}

pub async fn a_list_pages_through_every_room_of_one_tenant_by_code(store: &dyn WholeStore) {
    let codes = ["MUSIC-0001", "MUSIC-0002", "MUSIC-000300", "MUSIC-0004", "MUSIC-9999"];
    for code in codes.iter().rev() {
        store.create_room(record("acme", code), 100).await.unwrap();
    }
    store.create_room(record("other", "MUSIC-0003"), 100).await.unwrap();
    let mut listed = Vec::new();
    let mut cursor: Option<RoomCursor> = None;
    loop {
        let (page, next) = store.list_rooms("acme", cursor.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        listed.extend(page.iter().map(|room| room.key.code.to_string()));
        // As a client hands it back; and in the meantime the room that it names may close.
        cursor = next.map(|next| next.to_string().parse().expect("the list's own cursor"));
        let Some(at) = &cursor else { break };
        let last = RoomKey { tenant: "acme".into(), code: at.code().clone() };
        store.close_room(&last, &record("acme", "MUSIC-0001").fence()).await.unwrap();
    }
    assert_eq!(listed, codes);
    assert_eq!(store.list_rooms("nobody", None, 2).await.unwrap(), (Vec::new(), None));
    for forged in ["", "MUSIC-0001", "!", "TVVTSUM"] {
        assert!(forged.parse::<RoomCursor>().is_err(), "{forged}");
    }
}

pub async fn every_room_of_every_tenant_is_listed_with_its_owner(store: &dyn WholeStore) {
    assert_eq!(store.owners().await.unwrap(), []);
    let rooms = [record("acme", "MUSIC-0001"), record("acme", "MUSIC-0002"), record("other", "MUSIC-0001")];
    for room in &rooms {
        store.create_room(room.clone(), 10).await.unwrap();
    }
    let taken = store.take_over(&rooms[1].key, claim(owner("a", 7), owner("b", 8))).await.unwrap();
    store.close_room(&rooms[2].key, &rooms[2].fence()).await.unwrap();
    let mut owners = store.owners().await.unwrap();
    owners.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(owners, [rooms[0].owned(), taken.owned()]);
}

pub async fn a_page_that_ends_with_the_last_room_names_no_next_one(store: &dyn WholeStore) {
    for code in ["MUSIC-0001", "MUSIC-0002"] {
        store.create_room(record("acme", code), 10).await.unwrap();
    }
    let (page, next) = store.list_rooms("acme", None, 2).await.unwrap();
    assert_eq!((page.len(), next), (2, None));
    let (page, next) = store.list_rooms("acme", None, 0).await.unwrap();
    assert_eq!((page.len(), next.is_some()), (1, true), "a page of nothing would never come to the end");
}

pub async fn controls_come_back_as_they_were_written(store: &dyn WholeStore) {
    let mut room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 10).await.unwrap();
    let mut changed = room.controls.clone();
    changed.rev = 11;
    changed.teacher_id = "null".into();
    changed.settings.name = "12 «Bläser» {\"a\":1}".into();
    changed.settings.locked = true;
    changed.timeline = None;
    changed.muted = Default::default();
    changed.all_muted = true;
    changed.exempt = ["eve".to_owned()].into();
    changed.assignments = [(3, vec!["a b".to_owned(), "7".to_owned()])].into();
    changed.roles = Default::default();
    changed.removed = Default::default();
    changed.created_at_us = -5;
    changed.last_active_at_us = (1 << 53) - 1;
    changed.closed = true;
    store.write_room(&room.key, &room.fence(), &changed, None, None).await.unwrap();
    room.controls = changed;
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(room));
}
