use std::sync::Arc;

use downbeat::store::{DONE_PER_ROOM, OpenError, RoomRecord, SessionInfo, Store};

use super::samples::{TempFile, controls, done, key, record};

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_restart() {
    let file = TempFile::new();
    let store = file.open();
    let room = record("a:b\"c", "MUSIC-1234");
    store.create_room(room.clone(), 10).await.unwrap();
    store.create_room(record("acme", "MUSIC-0001"), 10).await.unwrap();
    for n in 0..DONE_PER_ROOM as u64 + 9 {
        store.write_room(&room.key, &room.fence(), &controls(20), Some(done(n, "r")), None).await.unwrap();
    }
    store.close_room(&key("acme", "MUSIC-0001"), &room.fence()).await.unwrap();
    let incarnation = store.open_session("a", &SessionInfo::default(), 0).await.unwrap();
    let answers = store.recent_done(&room.key).await.unwrap();
    drop(store);

    let store = file.open();
    assert_eq!(store.damaged_records(), 0);
    let expected = RoomRecord { controls: controls(20), ..room.clone() };
    assert_eq!(store.owners().await.unwrap().len(), 1);
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(expected));
    assert_eq!(store.recent_done(&room.key).await.unwrap(), answers);
    assert_eq!(store.look().await.unwrap().sessions, [], "a session ends with its process");
    assert!(store.open_session("a", &SessionInfo::default(), 0).await.unwrap() > incarnation);
    // Answers are still numbered on from where they were.
    store.write_room(&room.key, &room.fence(), &controls(20), Some(done(500, "r")), None).await.unwrap();
    drop(store);
    let kept = file.open().recent_done(&room.key).await.unwrap();
    assert_eq!(kept.len(), DONE_PER_ROOM);
    assert_eq!(kept.last(), Some(&done(500, "r")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_wait_together_share_commits() {
    const WRITES: u32 = 500;
    let file = TempFile::new();
    let store = Arc::new(file.open());
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..WRITES {
        let store = Arc::clone(&store);
        writers.spawn(async move { store.create_room(record("acme", &format!("MUSIC-{n:04}")), 1_000).await });
    }
    for result in writers.join_all().await {
        result.unwrap();
    }
    let figures = store.journal_figures();
    assert_eq!(figures.writes, u64::from(WRITES));
    assert!(figures.commits < figures.writes, "{figures:?}");
}

#[tokio::test]
async fn a_refused_write_costs_no_commit() {
    let file = TempFile::new();
    let store = file.open();
    store.create_room(record("acme", "MUSIC-0001"), 1).await.unwrap();
    let before = store.journal_figures();
    assert!(store.create_room(record("acme", "MUSIC-0001"), 1).await.is_err());
    assert_eq!(store.journal_figures(), before);
}

#[test]
fn a_file_in_use_is_refused_with_what_to_do() {
    let file = TempFile::new();
    let _holder = file.open();
    let error = file.refuses();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("stop that node"), "{error}");
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let file = TempFile::new();
    drop(file.open());
    let text = "not a data file ".repeat(4_000);
    std::fs::write(file.path(), &text).unwrap();
    let error = file.refuses();
    assert!(matches!(error, OpenError::Unreadable { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text);
}

#[test]
fn a_path_that_is_no_place_for_a_file_is_refused() {
    let file = TempFile::new();
    std::fs::create_dir_all(file.path()).unwrap();
    let error = file.refuses();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
}
