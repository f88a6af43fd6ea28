use std::process::Command;

use downbeat::participation::{Journal, NotKept, Sink};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::samples::{TempFolder, batch, drained, ids, keep_each, note_ids, waiting};

const FOLDER: &str = "DOWNBEAT_TEST_EXHAUSTED";

/// The process whose files may not grow beyond 20 KiB, which to it is a disk that is full in the midst of a line, until
/// it lifts that limit.
#[tokio::test]
#[ignore = "run by a_full_disk_is_a_passing_failure_and_leaves_no_half_line, as a process of its own"]
async fn a_node_whose_disk_takes_no_more() {
    let path: std::path::PathBuf = std::env::var(FOLDER).expect("run by the other test").into();
    let journal = Journal::open(path.clone(), 64 << 20).unwrap();
    let mut kept = 0;
    let refused = loop {
        match journal.keep(&batch("acme", kept..kept + 1)).await {
            Ok(()) => kept += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(&refused, NotKept::Unavailable(why) if why.contains("see to the disk")), "{refused:?}");
    assert!(journal.keep(&batch("acme", kept..kept + 1)).await.is_err());
    assert_eq!(ids(&waiting(&journal).await), note_ids(0..kept));

    setrlimit(Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
    keep_each(&journal, kept..kept + 5).await;
    assert_eq!(ids(&waiting(&journal).await), note_ids(0..kept + 5));
    drop(journal);
    let journal = Journal::open(path, 64 << 20).unwrap();
    assert_eq!(ids(&drained(&journal).await), note_ids(0..kept + 5), "and the file was whole");
    assert_eq!(journal.figures().damaged, 0);
}

#[test]
fn a_full_disk_is_a_passing_failure_and_leaves_no_half_line() {
    let folder = TempFolder::new();
    // The shell's limit is in blocks of 512 bytes. Without the trap the system would end the process.
    // Its output goes into a pipe: a file would be under the limit, too.
    let ended = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 40; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "exhausted::a_node_whose_disk_takes_no_more", "--ignored"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}
