use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use downbeat::{
    participation::{Batch, Event, EventId, Journal, Kind, NotePlayed, SessionId, Sink},
    room::RoomKey,
};

/// A folder of a test's own, removed at its end.
pub struct TempFolder(PathBuf);

impl TempFolder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-journal-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn open(&self, bytes_max: u64) -> Journal {
        Journal::open(self.0.clone(), bytes_max).unwrap()
    }

    /// The journal's files, oldest first.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    pub fn bytes(&self) -> u64 {
        self.files().iter().map(|file| file.metadata().unwrap().len()).sum()
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The `n`th note of a lesson.
pub fn note(n: u32) -> Event {
    let room = RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().unwrap() };
    let at_us = 1_763_829_430_000_000 + i64::from(n) * 1_000;
    Event {
        id: EventId::new(at_us, 7, n),
        session: SessionId::of(&room, 1_763_829_429_123_456),
        kind: Kind::NOTE_PLAYED,
        student: Some("student-0001".into()),
        actor: None,
        at_us,
        run: 2,
        beat_ub: Some(3_990_000),
        note: Some(NotePlayed { midi: 60, velocity: 64, offset_us: Some(-5_000), uncertainty_us: 300, assigned: true }),
        details: None,
    }
}

pub fn batch(tenant: &str, notes: std::ops::Range<u32>) -> Batch {
    Batch { tenant: tenant.into(), events: notes.map(note).collect() }
}

/// Keeps each of these notes as a batch of its own.
pub async fn keep_each(journal: &Journal, notes: std::ops::Range<u32>) {
    for n in notes {
        journal.keep(&batch("acme", n..n + 1)).await.unwrap();
    }
}

/// Everything that waits, without settling it.
pub async fn waiting(journal: &Journal) -> Vec<Batch> {
    journal.read(u64::MAX).await.unwrap().map(|chunk| chunk.batches).unwrap_or_default()
}

/// Reads and settles everything.
pub async fn drained(journal: &Journal) -> Vec<Batch> {
    let mut batches = Vec::new();
    while let Some(chunk) = journal.read(10_000).await.unwrap() {
        batches.extend(chunk.batches);
        journal.settle(chunk.upto).await.unwrap();
    }
    batches
}

pub fn ids(batches: &[Batch]) -> Vec<EventId> {
    batches.iter().flat_map(|batch| &batch.events).map(|event| event.id).collect()
}

pub fn note_ids(notes: std::ops::Range<u32>) -> Vec<EventId> {
    notes.map(|n| note(n).id).collect()
}
