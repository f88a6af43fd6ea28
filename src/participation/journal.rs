//! The single node's way to the database: a journal in files, which outlives the process.
//!
//! A batch is one line, `{"tenant": "acme", "events": […]}`. A thread of its own appends the lines, all that wait with
//! one write, and answers when the operating system has them: the end of the process, `kill -9` included, loses nothing
//! that was kept. There is no wait for the disk: a power cut may cost what the system had not yet written out, some
//! seconds by most settings. The lines stay about two seconds as long as the database answers, so a forced write of
//! each would cost more than it saves.
//!
//! The files, `000000000001.jsonl` and on, stand in one folder that no other process may use meanwhile. The room store's
//! file in the same data directory is locked by its owner; so the store is opened first.
//!
//! After a start, lines that were settled come again where their file still held others: the database knows events by
//! their ids.

mod line;
mod segment;
mod segments;
mod writer;

use std::{io, path::PathBuf, thread::JoinHandle};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Batch, NotKept, Sink};
use segments::Segments;
use writer::{Ask, Writer};

/// How many may wait for the thread; the next one waits for a place.
const ASKS_MAX: usize = 1_024;

/// The journal. Dropping it writes out what is queued.
pub struct Journal {
    asks: Option<mpsc::Sender<Ask>>,
    figures: watch::Receiver<JournalFigures>,
    thread: Option<JoinHandle<()>>,
}

/// What the journal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Events that are kept and not settled.
    pub waiting: u64,
    /// Lines that could not be read since the journal was opened; their events are lost.
    pub damaged: u64,
}

/// The oldest lines that are not settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// In the order in which they were kept. None, where all of the lines are damaged.
    pub batches: Vec<Batch>,
    /// What to settle once all of them are in the database.
    pub upto: u64,
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the participation journal `{}` cannot be opened ({source}): make it readable and writable", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the participation journal cannot be read ({0}): see to the disk; nothing is dropped")]
    Unreadable(io::Error),
    #[error("the participation journal's thread has stopped: restart the node")]
    Stopped,
}

impl Journal {
    /// Opens the folder, or makes it, and looks through what waits in it. Blocks for as long as that takes, about a
    /// second at most: call it before the node serves, and after the room store is opened.
    ///
    /// A torn last line is cut off, as nobody was told that it is kept. A damaged line is logged, counted and left out.
    pub fn open(folder: PathBuf, bytes_max: u64) -> Result<Self, JournalError> {
        let segments = Segments::open(folder.clone(), bytes_max)?;
        let figures = JournalFigures { waiting: segments.waiting_events(), damaged: segments.damaged() };
        let ((told, figures), (asks, asked)) = (watch::channel(figures), mpsc::channel(ASKS_MAX));
        let writer = Writer { segments, bytes_max, figures: told };
        let thread = std::thread::Builder::new()
            .name("participation".to_owned())
            .spawn(move || writer.run(asked))
            .map_err(|source| JournalError::Io { path: folder, source })?;
        Ok(Self { asks: Some(asks), figures, thread: Some(thread) })
    }

    pub fn figures(&self) -> JournalFigures {
        *self.figures.borrow()
    }

    /// How many events of one tenant are kept and not settled.
    pub async fn waiting_of(&self, tenant: &str) -> Result<u64, JournalError> {
        let tenant = tenant.to_owned();
        self.ask(|counted| Ask::Count { tenant, counted }).await
    }

    /// Waits until so many events wait to be drained.
    pub async fn waiting_at_least(&self, events: u64) -> Result<(), JournalError> {
        let mut figures = self.figures.clone();
        figures.wait_for(|figures| figures.waiting >= events).await.map_err(|_| JournalError::Stopped)?;
        Ok(())
    }

    /// The oldest lines that are not settled, about `bytes_max` of them and one at least; the same again until they are
    /// settled. None: nothing waits.
    pub async fn read(&self, bytes_max: u64) -> Result<Option<Chunk>, JournalError> {
        self.ask(|read| Ask::Read { bytes_max, read }).await?
    }

    /// Releases everything before a chunk's end.
    pub async fn settle(&self, upto: u64) -> Result<(), JournalError> {
        self.ask(|settled| Ask::Settle { upto, settled }).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        let asks = self.asks.as_ref().ok_or(JournalError::Stopped)?;
        asks.send(ask(answer)).await.map_err(|_| JournalError::Stopped)?;
        answered.await.map_err(|_| JournalError::Stopped)
    }
}

#[async_trait]
impl Sink for Journal {
    async fn keep(&self, batch: &Batch) -> Result<(), NotKept> {
        let batch = batch.clone();
        let kept = self.ask(|kept| Ask::Keep { batch, kept }).await;
        kept.unwrap_or_else(|error| Err(NotKept::Unavailable(error.to_string())))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the participation journal's thread had panicked");
        }
    }
}
