use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use downbeat::participation::{EventId, Sink};

use super::samples::{TempFolder, batch, ids, note, waiting};

const FOLDER: &str = "DOWNBEAT_TEST_JOURNAL";
const BYTES_MAX: u64 = 4 << 20;

/// The process that is killed: it keeps notes, several at once, settles some of them now and then, and prints each that
/// was kept, and up to which it is about to settle.
#[tokio::test]
#[ignore = "run by nothing_that_was_kept_is_lost_by_kill_9, as a process of its own"]
async fn a_node_that_records_until_it_is_killed() {
    let path = std::env::var(FOLDER).expect("run by the other test");
    let journal = downbeat::participation::Journal::open(path.into(), BYTES_MAX).unwrap();
    for n in (0..).step_by(3) {
        let keep = |n: u32| {
            let journal = &journal;
            async move {
                journal.keep(&batch("acme", n..n + 1)).await.unwrap();
                println!("kept {n}");
            }
        };
        tokio::join!(keep(n), keep(n + 1), keep(n + 2));
        if n % 300 == 0 {
            let chunk = journal.read(20_000).await.unwrap().unwrap();
            ids(&chunk.batches).iter().for_each(|id| println!("settles {id}"));
            journal.settle(chunk.upto).await.unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_that_was_kept_is_lost_by_kill_9() {
    let folder = TempFolder::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::a_node_that_records_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut kept, mut settled) = (Vec::new(), HashSet::<EventId>::new());
    // The pipe still holds what was told between the last line that counts and the kill.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, n)) = line.split_once("kept ") {
            kept.push(note(n.parse().unwrap()).id);
            if kept.len() == 2_000 {
                child.kill().unwrap();
            }
        } else if let Some((_, id)) = line.split_once("settles ") {
            settled.insert(id.parse().unwrap());
        }
    }
    child.wait().unwrap();
    assert!(kept.len() >= 2_000 && !settled.is_empty());
    let journal = folder.open(BYTES_MAX);
    let there: HashSet<_> = ids(&waiting(&journal).await).into_iter().collect();
    let lost: Vec<_> = kept.iter().filter(|id| !there.contains(id) && !settled.contains(id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(journal.figures().damaged, 0);
    assert!(there.len() < kept.len(), "what was settled is not all there again");
}
