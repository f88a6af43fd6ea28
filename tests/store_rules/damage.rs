use std::path::Path;

use downbeat::store::{OpenError, SessionInfo, Store};
use redb::{ReadableDatabase, ReadableTable, TableHandle};

use super::samples::{TempFile, controls, done, record};

/// A table of the data file, as bytes.
fn raw(name: &str) -> redb::TableDefinition<'_, &'static [u8], &'static [u8]> {
    redb::TableDefinition::new(name)
}

/// Puts a value into a table of a closed data file, as a fault of the disk would.
fn spoil(path: &Path, table: &str, key: &str, value: &[u8]) {
    let database = redb::Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(raw(table)).unwrap().insert(key.as_bytes(), value).unwrap();
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_damaged_record_is_set_aside_and_the_rest_is_loaded() {
    let file = TempFile::new();
    let store = file.open();
    let whole = record("acme", "MUSIC-0001");
    store.create_room(whole.clone(), 10).await.unwrap();
    store.write_room(&whole.key, &whole.fence(), &controls(10), Some(done(1, "r")), None).await.unwrap();
    drop(store);
    spoil(&file.path(), "rooms", r#"["acme","MUSIC-0002"]"#, b"{\"tenant\":\"acme\"");
    spoil(&file.path(), "rooms", r#"["acme","MUSIC-0003"]"#, b"\xff\xfe");
    spoil(&file.path(), "done", r#"["acme","MUSIC-0001",7]"#, b"[]");
    spoil(&file.path(), "done", "\u{0}", b"{}");
    spoil(&file.path(), "meta", "\"mood\"", b"null");

    let store = file.open();
    assert_eq!(store.damaged_records(), 5);
    assert_eq!(store.load_room(&whole.key).await.unwrap(), Some(whole.clone()));
    assert_eq!(store.live_rooms("acme").await.unwrap(), 1);
    assert_eq!(store.recent_done(&whole.key).await.unwrap(), [done(1, "r")]);
    drop(store);

    assert_eq!(file.open().damaged_records(), 0, "set aside once");
    let database = redb::Database::create(file.path()).unwrap();
    let transaction = database.begin_write().unwrap();
    let damaged = transaction.open_table(raw("damaged")).unwrap();
    let kept = damaged.get(br#"rooms/["acme","MUSIC-0003"]"#.as_slice()).unwrap();
    assert_eq!(kept.map(|value| value.value().to_vec()), Some(b"\xff\xfe".to_vec()));
}

#[tokio::test]
async fn a_room_under_anothers_name_is_damaged() {
    let file = TempFile::new();
    let store = file.open();
    store.create_room(record("acme", "MUSIC-0001"), 10).await.unwrap();
    drop(store);
    let value = {
        let database = redb::Database::create(file.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        let rooms = transaction.open_table(raw("rooms")).unwrap();
        let value = rooms.get(br#"["acme","MUSIC-0001"]"#.as_slice()).unwrap();
        value.expect("the key is readable").value().to_vec()
    };
    spoil(&file.path(), "rooms", r#"["other","MUSIC-0001"]"#, &value);
    let store = file.open();
    assert_eq!(store.damaged_records(), 1);
    assert_eq!(store.live_rooms("other").await.unwrap(), 0);
}

#[tokio::test]
async fn incarnations_stay_unique_when_their_record_is_damaged() {
    let file = TempFile::new();
    let store = file.open();
    let mut last = 0;
    for _ in 0..20 {
        last = store.open_session("a", &SessionInfo::default(), 0).await.unwrap();
    }
    store.create_room(record("acme", "MUSIC-0001"), 10).await.unwrap();
    drop(store);
    spoil(&file.path(), "meta", "\"incarnation\"", b"?");
    let next = file.open().open_session("a", &SessionInfo::default(), 0).await.unwrap();
    assert!(next > last, "{next} after {last}");
}

#[test]
fn a_file_of_a_newer_release_is_refused_and_left_alone() {
    let file = TempFile::new();
    drop(file.open());
    spoil(&file.path(), "meta", "\"format\"", b"2");
    for _ in 0..2 {
        let error = file.refuses();
        assert!(matches!(error, OpenError::NewerFormat { found: 2, known: 1, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_reflections_of_a_former_release_are_removed_from_the_file_and_nothing_else_is() {
    let file = TempFile::new();
    let store = file.open();
    let room = record("acme", "MUSIC-0001");
    store.create_room(room.clone(), 10).await.unwrap();
    drop(store);
    let path = file.path();
    spoil(&path, "reflections", r#"["acme","MUSIC-0001","x"]"#, br#"{"id":"x","text":"I listened."}"#);
    spoil(&path, "damaged", r#"reflections/["acme","MUSIC-0001","y"]"#, br#"{"text":"I counted."#);
    spoil(&path, "damaged", r#"rooms/["acme","MUSIC-0002"]"#, b"?");

    let store = file.open();
    assert_eq!(store.damaged_records(), 0, "they are no damage");
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(room));
    drop(store);

    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut tables: Vec<_> = transaction.list_tables().unwrap().map(|table| table.name().to_owned()).collect();
    tables.sort();
    assert_eq!(tables, ["damaged", "done", "meta", "rooms"]);
    let damaged = transaction.open_table(raw("damaged")).unwrap();
    let left: Vec<_> = damaged.iter().unwrap().map(|row| row.unwrap().0.value().to_vec()).collect();
    assert_eq!(left, [br#"rooms/["acme","MUSIC-0002"]"#]);
}
