//! The thread that alone touches the journal's files: batches that wait while it writes share the next write.

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    super::{Batch, NotKept},
    Chunk, JournalError, JournalFigures, line,
    segments::Segments,
};

/// What may go in one write.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// What more a full journal takes, of what tells of losses.
const TELLING_BYTES_MAX: u64 = 1 << 20;

/// What is asked of the thread.
pub enum Ask {
    Keep { batch: Batch, kept: oneshot::Sender<Result<(), NotKept>> },
    Read { bytes_max: u64, read: oneshot::Sender<Result<Option<Chunk>, JournalError>> },
    Settle { upto: u64, settled: oneshot::Sender<()> },
    Count { tenant: String, counted: oneshot::Sender<u64> },
}

pub struct Writer {
    pub segments: Segments,
    pub bytes_max: u64,
    pub figures: watch::Sender<JournalFigures>,
}

/// Batches on their way into one write.
#[derive(Default)]
struct Group {
    text: Vec<u8>,
    lines: Vec<(Batch, u64)>,
    waiters: Vec<oneshot::Sender<Result<(), NotKept>>>,
}

impl Writer {
    /// Until the journal is dropped, and all that was asked before is done.
    pub fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut group = Group::default();
        while let Some(first) = asks.blocking_recv() {
            let mut next = Some(first);
            // What else waits already joins the write, up to something that is to see it.
            while let Some(ask) = next.take() {
                match ask {
                    Ask::Keep { batch, kept } => self.add(&mut group, batch, kept),
                    other => {
                        self.write(&mut group);
                        self.answer(other);
                    }
                }
                if group.text.len() < WRITE_BYTES_MAX {
                    next = asks.try_recv().ok();
                }
            }
            self.write(&mut group);
        }
    }

    // Whoever no longer waits needs no answer, here and below.
    fn add(&self, group: &mut Group, batch: Batch, kept: oneshot::Sender<Result<(), NotKept>>) {
        let before = group.text.len();
        if let Err(error) = line::write(&batch, &mut group.text) {
            group.text.truncate(before);
            let _ = kept.send(Err(NotKept::Unavailable(format!("a batch cannot be written as JSON ({error})"))));
            return;
        }
        let bytes_max = self.bytes_max + if batch.tells_of_losses() { TELLING_BYTES_MAX } else { 0 };
        if self.segments.waiting_bytes() + group.text.len() as u64 > bytes_max {
            group.text.truncate(before);
            let _ = kept.send(Err(NotKept::Full { max: for_people(self.bytes_max) }));
            return;
        }
        group.lines.push((batch, (group.text.len() - before) as u64));
        group.waiters.push(kept);
    }

    fn write(&mut self, group: &mut Group) {
        if group.waiters.is_empty() {
            return;
        }
        let written = self.segments.append(&group.text, std::mem::take(&mut group.lines)).map_err(|error| {
            NotKept::Unavailable(format!("the participation journal cannot be written ({error}): see to the disk"))
        });
        if let Err(error) = &written {
            tracing::error!(%error, "participation is not kept");
        }
        self.tell();
        for kept in group.waiters.drain(..) {
            let _ = kept.send(written.clone());
        }
        group.text.clear();
        group.text.shrink_to(WRITE_BYTES_MAX);
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Keep { .. } => {}
            Ask::Read { bytes_max, read } => {
                let chunk = self.segments.read(bytes_max).map_err(JournalError::Unreadable);
                self.tell();
                let _ = read.send(chunk);
            }
            Ask::Settle { upto, settled } => {
                self.segments.settle(upto);
                self.tell();
                let _ = settled.send(());
            }
            Ask::Count { tenant, counted } => {
                let _ = counted.send(self.segments.waiting_events_of(&tenant));
            }
        }
    }

    fn tell(&self) {
        let segments = &self.segments;
        self.figures.send_replace(JournalFigures { waiting: segments.waiting_events(), damaged: segments.damaged() });
    }
}

/// `64 MiB`, or what else is not a fraction of something longer.
fn for_people(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}
