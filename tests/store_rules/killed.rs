use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use downbeat::store::{EmbeddedStore, Store};

use super::samples::{TempFile, key, record};

const FILE: &str = "DOWNBEAT_TEST_DATA_FILE";

/// The process that is killed: it creates rooms, several at once, and prints each code that was acknowledged.
#[tokio::test]
#[ignore = "run by no_acknowledged_room_is_lost_by_kill_9, as a process of its own"]
async fn a_node_that_creates_rooms_until_it_is_killed() {
    let path = std::env::var(FILE).expect("run by the other test");
    let store = EmbeddedStore::open(path).unwrap();
    for n in (0..10_000).step_by(4) {
        let create = |n: u32| {
            let store = &store;
            async move {
                let code = format!("MUSIC-{n:04}");
                store.create_room(record("acme", &code), 10_000).await.unwrap();
                println!("acknowledged {code}");
            }
        };
        tokio::join!(create(n), create(n + 1), create(n + 2), create(n + 3));
    }
}

#[tokio::test]
async fn no_acknowledged_room_is_lost_by_kill_9() {
    let file = TempFile::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::a_node_that_creates_rooms_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FILE, file.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The pipe still holds what was acknowledged between the fiftieth line and the kill.
    let mut acknowledged = Vec::new();
    for line in lines {
        let line = line.unwrap();
        if let Some((_, code)) = line.split_once("acknowledged ") {
            acknowledged.push(code.to_owned());
            if acknowledged.len() == 50 {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!((50..10_000).contains(&acknowledged.len()), "{}", acknowledged.len());
    let store = file.open();
    for code in acknowledged {
        assert!(store.load_room(&key("acme", &code)).await.unwrap().is_some(), "{code}");
    }
    assert_eq!(store.damaged_records(), 0);
}
