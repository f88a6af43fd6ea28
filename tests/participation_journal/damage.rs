use std::{fs, io::Write, path::Path};

use super::samples::{TempFolder, drained, ids, keep_each, note_ids, waiting};

const MIB: u64 = 1 << 20;

/// A journal with five lines, closed; the path of its only file.
async fn five_lines(folder: &TempFolder) -> std::path::PathBuf {
    keep_each(&folder.open(MIB), 0..5).await;
    folder.files().remove(0)
}

fn change_line(file: &Path, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let text = fs::read(file).unwrap();
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    change(&mut lines[at]);
    fs::write(file, lines.concat()).unwrap();
}

fn all_but(at: u32) -> Vec<downbeat::participation::EventId> {
    [note_ids(0..at), note_ids(at + 1..5)].concat()
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_the_next_one_begins_a_line_of_its_own() {
    for torn in [1, 20, 10_000] {
        let folder = TempFolder::new();
        let file = five_lines(&folder).await;
        let whole = fs::read(&file).unwrap();
        let line = whole[..whole.iter().position(|byte| *byte == b'\n').unwrap()].to_vec();
        let mut appended = fs::OpenOptions::new().append(true).open(&file).unwrap();
        appended.write_all(&line[..line.len().min(torn)]).unwrap();

        let journal = folder.open(MIB);
        assert_eq!((journal.figures().waiting, journal.figures().damaged), (5, 0));
        keep_each(&journal, 5..6).await;
        drop(journal);
        let journal = folder.open(MIB);
        assert_eq!(ids(&drained(&journal).await), note_ids(0..6));
        assert_eq!(journal.figures().damaged, 0);
    }
}

#[tokio::test]
async fn a_line_that_was_damaged_before_the_start_costs_itself_alone() {
    for at in 0..5 {
        let folder = TempFolder::new();
        let file = five_lines(&folder).await;
        change_line(&file, at, |line| line[20..60].fill(0));
        let journal = folder.open(MIB);
        assert_eq!((journal.figures().waiting, journal.figures().damaged), (4, 1));
        assert_eq!(ids(&drained(&journal).await), all_but(at as u32));
        assert_eq!(folder.bytes(), 0);
    }
}

#[tokio::test]
async fn a_line_that_is_damaged_while_it_waits_costs_itself_alone() {
    for at in 0..5 {
        let folder = TempFolder::new();
        let file = five_lines(&folder).await;
        let journal = folder.open(MIB);
        change_line(&file, at, |line| line[20..60].fill(0));
        assert_eq!(ids(&drained(&journal).await), all_but(at as u32));
        assert_eq!((journal.figures().waiting, journal.figures().damaged), (0, 1));
        assert_eq!(folder.bytes(), 0);
    }
}

#[tokio::test]
async fn a_line_in_another_shape_costs_itself_alone() {
    let folder = TempFolder::new();
    let file = five_lines(&folder).await;
    // Readable as JSON, and its events can be counted; only their shape is wrong.
    change_line(&file, 2, |line| *line = b"{\"tenant\":\"acme\",\"events\":[{\"id\":7}]}\n".to_vec());
    let journal = folder.open(MIB);
    assert_eq!(ids(&drained(&journal).await), all_but(2));
    assert_eq!((journal.figures().waiting, journal.figures().damaged), (0, 1));
}

#[tokio::test]
async fn a_journal_of_nothing_but_damage_is_no_hindrance() {
    let folder = TempFolder::new();
    let file = five_lines(&folder).await;
    fs::write(&file, "neither this\nnor that\n").unwrap();
    let journal = folder.open(MIB);
    assert_eq!((journal.figures().waiting, journal.figures().damaged), (0, 2));
    assert_eq!(waiting(&journal).await, []);
    keep_each(&journal, 0..1).await;
    assert_eq!(ids(&drained(&journal).await), note_ids(0..1));
}

#[tokio::test]
async fn files_that_are_not_the_journals_are_let_alone() {
    let folder = TempFolder::new();
    five_lines(&folder).await;
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let journal = folder.open(MIB);
    assert_eq!(ids(&drained(&journal).await), note_ids(0..5));
    assert_eq!(fs::read_to_string(folder.path().join("notes.txt")).unwrap(), "mine");
}
