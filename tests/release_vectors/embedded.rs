//! The data file of a node that runs alone: its tables, as they lie in it.

use std::{collections::BTreeMap, path::Path};

use downbeat::store::{OpenError, RoomRecord, Store};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use serde_json::Value;

use crate::{
    store_samples::{TempFile, controls, done, record},
    vectors::{Vectors, compare, of_every_release, with_more},
};

type Bytes = &'static [u8];

/// A room that was handed over, and two answers.
fn room() -> RoomRecord {
    RoomRecord { taken_from: "b".into(), from_beat: Some(-3), ..record("acme", "MUSIC-1234") }
}

fn dump(path: &Path) -> Vectors {
    let database = Database::open(path).expect("a data file");
    let reading = database.begin_read().expect("it can be read");
    let mut tables = Vectors::new();
    for table in reading.list_tables().expect("tables") {
        let definition = TableDefinition::<Bytes, Bytes>::new(table.name());
        let table = reading.open_table(definition).expect("a table");
        for row in table.iter().expect("rows") {
            let (key, value) = row.expect("a row");
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
            tables.insert(format!("{} {}", definition.name(), text(key.value())), Value::String(text(value.value())));
        }
    }
    tables
}

fn build(path: &Path, rows: &BTreeMap<String, Value>) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    let database = Database::create(path).expect("a new file");
    let writing = database.begin_write().expect("it can be written");
    for (row, value) in rows {
        let (table, key) = row.split_once(' ').expect("a table and a key");
        let mut table = writing.open_table(TableDefinition::<Bytes, Bytes>::new(table)).expect("a table");
        table.insert(key.as_bytes(), value.as_str().expect("text").as_bytes()).expect("a row");
    }
    writing.commit().expect("it is written");
}

async fn written() -> Vectors {
    let file = TempFile::new();
    let store = file.open();
    store.create_room(room(), 9).await.expect("a room");
    for n in [5, 6] {
        let answer = Some(done(n, "7:mute"));
        store.write_room(&room().key, &room().fence(), &controls(11), answer, None).await.expect("a change");
    }
    store.open_session("a", &Default::default(), 70_000).await.expect("a session");
    drop(store);
    let mut rows = dump(&file.path());
    // Numbers that are drawn anew are told by their place alone.
    rows.insert("meta \"incarnation\"".into(), "70001".into());
    rows
}

async fn read(rows: &BTreeMap<String, Value>) -> (Option<RoomRecord>, usize, u64) {
    let file = TempFile::new();
    build(&file.path(), rows);
    let store = file.open();
    assert_eq!(store.damaged_records(), 0, "everything is understood");
    let next = store.open_session("a", &Default::default(), 0).await.expect("a session");
    let answers = store.recent_done(&room().key).await.expect("answers");
    (store.load_room(&room().key).await.expect("a room"), answers.len(), next)
}

#[tokio::test]
async fn the_data_file_is_written_as_the_newest_vectors_say() {
    compare("embedded.json", &written().await);
}

#[tokio::test]
async fn the_data_file_of_every_release_is_read_with_what_a_later_one_adds() {
    let expected = RoomRecord { controls: controls(11), ..room() };
    for (release, rows) in of_every_release("embedded.json") {
        let later = rows.iter().map(|(row, value)| {
            let parsed: Value = serde_json::from_str(value.as_str().expect("text")).expect("JSON");
            let more = if parsed.is_object() { with_more(&parsed) } else { parsed };
            (row.clone(), Value::String(more.to_string()))
        });
        for rows in [rows.clone(), later.collect()] {
            let (room, answers, next) = read(&rows).await;
            assert_eq!(room.as_ref(), Some(&expected), "{release}");
            assert_eq!(answers, 2, "{release}");
            assert!(next > 70_001, "{release}");
        }
    }
}

#[tokio::test]
async fn a_file_of_a_newer_format_is_refused_and_left_alone() {
    for (_, mut rows) in of_every_release("embedded.json") {
        rows.insert("meta \"format\"".into(), "2".into());
        let file = TempFile::new();
        build(&file.path(), &rows);
        let refused = file.refuses();
        assert!(matches!(refused, OpenError::NewerFormat { found: 2, .. }), "{refused}");
        assert_eq!(dump(&file.path()), rows);
    }
}
