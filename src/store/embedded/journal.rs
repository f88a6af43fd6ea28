//! The thread that alone writes the file: changes that arrive while the disk is busy share the next commit.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use parking_lot::Mutex;
use redb::{Database, Durability, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

use super::json::{Put, Table};

/// How many changes may wait for the writer; the next one's caller waits for a place.
const QUEUE_MAX: usize = 1024;
/// How many changes share a commit at most.
const BATCH_MAX: usize = 256;

/// Keys and values as they lie in the file.
pub type Bytes = &'static [u8];

impl Table {
    /// The table's name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Rooms => "rooms",
            Table::Done => "done",
        }
    }

    pub fn definition(self) -> TableDefinition<'static, Bytes, Bytes> {
        TableDefinition::new(self.name())
    }
}

/// What the journal has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Changes on the disk.
    pub writes: u64,
    /// Commits that brought them there, each with one wait for the disk.
    pub commits: u64,
}

/// The way to the writer. Dropping it waits until the queue is written.
pub struct Journal {
    queue: Option<mpsc::Sender<Write>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    writes: AtomicU64,
    commits: AtomicU64,
    failure: Mutex<Option<StoreError>>,
}

/// A change on its way to the disk.
struct Write {
    puts: Vec<Put>,
    stored: oneshot::Sender<Result<(), StoreError>>,
}

/// Resolves when a change is on the disk, or has failed to get there.
pub type Stored = oneshot::Receiver<Result<(), StoreError>>;

/// A place in the queue.
pub struct Place<'a>(mpsc::Permit<'a, Write>);

impl Place<'_> {
    /// Queues a change, without waiting.
    pub fn write(self, puts: Vec<Put>) -> Stored {
        let (stored, receiver) = oneshot::channel();
        self.0.send(Write { puts, stored });
        receiver
    }
}

impl Journal {
    pub fn start(database: Database) -> io::Result<Self> {
        let (queue, changes) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared::default());
        let writer = std::thread::Builder::new().name("journal".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || write_all(&database, changes, &shared)
        })?;
        Ok(Self { queue: Some(queue), writer: Some(writer), shared })
    }

    /// Waits for a place in the queue.
    pub async fn place(&self) -> Result<Place<'_>, StoreError> {
        let queue = self.queue.as_ref().ok_or_else(|| self.why_stopped())?;
        let permit = queue.reserve().await.map_err(|_| self.why_stopped())?;
        Ok(Place(permit))
    }

    /// Waits for the disk.
    pub async fn stored(&self, stored: Stored) -> Result<(), StoreError> {
        stored.await.unwrap_or_else(|_| Err(self.why_stopped()))
    }

    pub fn figures(&self) -> JournalFigures {
        JournalFigures {
            writes: self.shared.writes.load(Ordering::Relaxed),
            commits: self.shared.commits.load(Ordering::Relaxed),
        }
    }

    /// Why nothing is written any more, or none while all is well.
    pub fn failure(&self) -> Option<StoreError> {
        let stopped = self.queue.as_ref().is_none_or(mpsc::Sender::is_closed);
        stopped.then(|| self.why_stopped())
    }

    fn why_stopped(&self) -> StoreError {
        let failure = self.shared.failure.lock();
        failure.clone().unwrap_or_else(|| StoreError::Unavailable {
            reason: "the journal's writer has stopped: restart the node".to_owned(),
        })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the journal's writer had panicked");
        }
    }
}

/// The writer's life: until the store is dropped, or the first commit that fails.
///
/// After a failure nothing more is written, because memory is ahead of the file from then on:
/// a later success would make it look whole.
fn write_all(database: &Database, mut queue: mpsc::Receiver<Write>, shared: &Shared) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        if let Err(error) = commit(database, &batch) {
            let failure = StoreError::Unavailable {
                reason: format!("the data file cannot be written ({error}): see to the disk, then restart the node"),
            };
            tracing::error!(%error, "the journal cannot be written; no further change is accepted");
            *shared.failure.lock() = Some(failure.clone());
            queue.close();
            while let Some(late) = queue.blocking_recv() {
                batch.push(late);
            }
            for write in batch {
                // Whoever no longer waits needs no answer.
                let _ = write.stored.send(Err(failure.clone()));
            }
            return;
        }
        shared.commits.fetch_add(1, Ordering::Relaxed);
        shared.writes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for write in batch {
            let _ = write.stored.send(Ok(()));
        }
    }
}

fn commit(database: &Database, batch: &[Write]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    for put in batch.iter().flat_map(|write| &write.puts) {
        let mut table = transaction.open_table(put.table.definition())?;
        match &put.value {
            Some(value) => table.insert(put.key.as_slice(), value.as_slice())?,
            None => table.remove(put.key.as_slice())?,
        };
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use redb::{StorageBackend, backends::InMemoryBackend};

    use super::*;

    /// A disk that can be made to fail.
    #[derive(Debug)]
    struct Disk {
        memory: InMemoryBackend,
        broken: Arc<AtomicBool>,
    }

    impl Disk {
        fn check(&self) -> io::Result<()> {
            if self.broken.load(Ordering::SeqCst) {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Ok(())
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.memory.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.memory.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.check()?;
            self.memory.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.check()?;
            self.memory.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.check()?;
            self.memory.write(offset, data)
        }
    }

    async fn put(journal: &Journal, key: &str) -> Result<(), StoreError> {
        let put = Put { table: Table::Meta, key: key.as_bytes().to_vec(), value: Some(b"1".to_vec()) };
        let stored = journal.place().await?.write(vec![put]);
        journal.stored(stored).await
    }

    #[tokio::test]
    async fn after_a_failed_commit_nothing_is_acknowledged_even_when_the_disk_is_well_again() {
        let broken = Arc::new(AtomicBool::new(false));
        let disk = Disk { memory: InMemoryBackend::new(), broken: Arc::clone(&broken) };
        let database = Database::builder().create_with_backend(disk).expect("the disk is well");
        let journal = Journal::start(database).expect("a thread starts");
        assert_eq!(put(&journal, "first").await, Ok(()));
        assert_eq!(journal.failure(), None);

        broken.store(true, Ordering::SeqCst);
        let (second, third) = tokio::join!(put(&journal, "second"), put(&journal, "third"));
        assert!(second.is_err() && third.is_err());

        broken.store(false, Ordering::SeqCst);
        assert_eq!(put(&journal, "fourth").await, second);
        assert_eq!(journal.failure(), second.err());
        let figures = JournalFigures { writes: 1, commits: 1 };
        assert_eq!(journal.figures(), figures);
    }
}
