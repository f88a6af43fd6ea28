use std::os::unix::fs::PermissionsExt;

use downbeat::participation::{NotKept, Sink};

use super::samples::{TempFolder, batch, drained, ids, keep_each, note_ids, waiting};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn what_is_kept_is_read_in_its_order_until_it_is_settled() {
    let folder = TempFolder::new();
    let journal = folder.open(MIB);
    assert_eq!(journal.read(MIB).await.unwrap(), None);
    let batches = [batch("acme", 0..3), batch("other", 3..4), batch("acme", 4..6)];
    for batch in &batches {
        journal.keep(batch).await.unwrap();
    }
    assert_eq!(journal.figures().waiting, 6);
    // The first reading has it from memory, the second from the file.
    assert_eq!(waiting(&journal).await, batches);
    assert_eq!(waiting(&journal).await, batches);
    let first = journal.read(1).await.unwrap().unwrap();
    assert_eq!(first.batches, batches[..1]);
    journal.settle(first.upto).await.unwrap();
    journal.settle(first.upto).await.unwrap();
    assert_eq!(waiting(&journal).await, batches[1..]);
    assert_eq!(journal.figures().waiting, 3);
}

#[tokio::test]
async fn each_tenant_is_told_of_its_own_waiting_events_alone_after_a_restart_too() {
    let folder = TempFolder::new();
    let journal = folder.open(MIB);
    for batch in [batch("acme", 0..3), batch("other", 3..4), batch("acme", 4..6)] {
        journal.keep(&batch).await.unwrap();
    }
    let first = journal.read(1).await.unwrap().unwrap();
    journal.settle(first.upto).await.unwrap();
    for (tenant, events) in [("acme", 2), ("other", 1), ("nobody", 0)] {
        assert_eq!(journal.waiting_of(tenant).await.unwrap(), events, "{tenant}");
    }
    drop(journal);
    let journal = folder.open(MIB);
    assert_eq!(journal.waiting_of("other").await.unwrap(), 1);
}

#[tokio::test]
async fn what_was_not_settled_is_there_after_a_restart() {
    let folder = TempFolder::new();
    let journal = folder.open(MIB);
    keep_each(&journal, 0..5).await;
    assert_eq!(waiting(&journal).await.len(), 5, "reading settles nothing");
    drop(journal);
    let journal = folder.open(MIB);
    assert_eq!(journal.figures().waiting, 5);
    keep_each(&journal, 5..6).await;
    assert_eq!(ids(&drained(&journal).await), note_ids(0..6));
}

#[tokio::test]
async fn a_journal_without_anything_to_drain_takes_no_place_on_the_disk() {
    let folder = TempFolder::new();
    let journal = folder.open(MIB);
    keep_each(&journal, 0..500).await;
    assert!(folder.bytes() > 500 * 100);
    assert!(folder.files().len() > 4, "long journals are several files");
    drained(&journal).await;
    assert_eq!(folder.bytes(), 0);
    assert_eq!(folder.files().len(), 1);
    keep_each(&journal, 500..501).await;
    drop(journal);
    assert_eq!(ids(&drained(&folder.open(MIB)).await), note_ids(500..501));
}

#[tokio::test]
async fn a_full_journal_refuses_the_newest_until_there_is_room_again() {
    let folder = TempFolder::new();
    let journal = folder.open(64 << 10);
    let mut kept = 0;
    let refused = loop {
        match journal.keep(&batch("acme", kept..kept + 1)).await {
            Ok(()) => kept += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, NotKept::Full { max: "64 KiB".to_owned() });
    assert!((50..64 << 10).contains(&folder.bytes()), "{}", folder.bytes());
    drop(journal);
    let journal = folder.open(64 << 10);
    assert!(journal.keep(&batch("acme", kept..kept + 1)).await.is_err(), "nor is there room after a restart");

    let first = journal.read(20_000).await.unwrap().unwrap();
    journal.settle(first.upto).await.unwrap();
    let drained_first = ids(&first.batches).len() as u32;
    keep_each(&journal, kept..kept + drained_first).await;
    assert_eq!(
        ids(&drained(&journal).await),
        note_ids(drained_first..kept + drained_first),
        "and nothing else is lost"
    );
}

#[tokio::test]
async fn the_disk_holds_little_more_than_what_waits_while_old_lines_go_and_new_ones_come() {
    let folder = TempFolder::new();
    let bytes_max = 256 << 10;
    let journal = folder.open(bytes_max);
    keep_each(&journal, 0..600).await;
    let waiting_bytes = folder.bytes();
    let mut next = 600;
    // As much comes as goes: some ten times over all that waits.
    for _ in 0..600 {
        let chunk = journal.read(1_000).await.unwrap().unwrap();
        journal.settle(chunk.upto).await.unwrap();
        let gone = ids(&chunk.batches).len() as u32;
        keep_each(&journal, next..next + gone).await;
        next += gone;
        assert!(folder.bytes() <= waiting_bytes + 2 * 4_096, "{} of {waiting_bytes}", folder.bytes());
    }
    assert_eq!(journal.figures().waiting, 600);
    assert_eq!(ids(&drained(&journal).await), note_ids(next - 600..next));
}

#[tokio::test]
async fn nobody_else_on_the_machine_may_read_the_journal() {
    let folder = TempFolder::new();
    let journal = folder.open(MIB);
    keep_each(&journal, 0..1).await;
    let mode = folder.files()[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_with_what_to_do() {
    let folder = TempFolder::new();
    std::fs::write(folder.path(), "in the way").unwrap();
    let refused = downbeat::participation::Journal::open(folder.path().join("journal"), MIB).err().unwrap();
    std::fs::remove_file(folder.path()).unwrap();
    let text = refused.to_string();
    assert!(text.contains("journal") && text.contains("make it readable and writable"), "{text}");
}
