//! Opening the file: who else has it, which format it is in, and what can be read of it.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use redb::{
    Database, DatabaseError, ReadableTable, ReadableTableMetadata, StorageError, TableDefinition, WriteTransaction,
};
use serde_json::Value;
use thiserror::Error;

use crate::room::RoomKey;
use crate::store::Done;

use super::{
    journal::Bytes,
    json::{self, FORMAT, INCARNATION, RoomJson, Table},
    state::State,
};

/// The file's format that this release writes. It reads this one and those below.
const FORMAT_NUMBER: u64 = 1;

/// Added to the highest incarnation in sight when the record of the last one is damaged:
/// more than any node opens sessions between two changes of its rooms.
const INCARNATION_LEAP: u64 = 1 << 20;

/// `table/key` → the value that could not be understood.
const DAMAGED: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("damaged");

/// Where a former release kept reflections. They are in the database now.
const REFLECTIONS: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("reflections");

/// Why the data file was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("{} is in use by another process: stop that node, or give this one a data file of its own", path.display())]
    InUse { path: PathBuf },
    #[error(
        "{} was written by a newer Downbeat (format {found}; this one knows up to {known}): start that release, or move the file away to begin empty",
        path.display()
    )]
    NewerFormat { path: PathBuf, found: u64, known: u64 },
    #[error("{} cannot be opened ({source}): check that its directory exists and is writable and that the disk has room", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a data file of Downbeat, or is damaged ({source}): restore a copy, or move it away to begin empty", path.display())]
    Unreadable { path: PathBuf, source: Box<redb::Error> },
}

/// What was found in the file.
pub struct Loaded {
    pub state: State,
    /// Records set aside because they could not be understood.
    pub damaged: usize,
}

pub fn open(path: &Path) -> Result<(Database, Loaded), OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    // Both hold what students did: made here, they are their owner's alone.
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
        _ => {}
    }
    let database = Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse { path: path.to_owned() }
        }
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => io(source),
        other => unreadable(path, other.into()),
    })?;
    let found = format(&database).map_err(|error| unreadable(path, error))?;
    if found > FORMAT_NUMBER {
        return Err(OpenError::NewerFormat { path: path.to_owned(), found, known: FORMAT_NUMBER });
    }
    let loaded = load(&database).map_err(|error| unreadable(path, error))?;
    Ok((database, loaded))
}

fn unreadable(path: &Path, source: redb::Error) -> OpenError {
    OpenError::Unreadable { path: path.to_owned(), source: Box::new(source) }
}

fn meta_key(name: &str) -> Vec<u8> {
    Value::from(name).to_string().into_bytes()
}

/// The file's format number; a new file, or one whose number is damaged, gets ours.
fn format(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let key = meta_key(FORMAT);
    let found = {
        let mut meta = transaction.open_table(Table::Meta.definition())?;
        let stored = meta.get(key.as_slice())?.and_then(|value| serde_json::from_slice(value.value()).ok());
        if stored.is_none() {
            let ours = FORMAT_NUMBER.to_string();
            meta.insert(key.as_slice(), ours.as_bytes())?;
        }
        stored.unwrap_or(FORMAT_NUMBER)
    };
    transaction.commit()?;
    Ok(found)
}

/// Reads all records, and moves those that cannot be understood to the table of damaged ones.
fn load(database: &Database) -> Result<Loaded, redb::Error> {
    let transaction = database.begin_write()?;
    drop_reflections(&transaction)?;
    let mut reload = Reload::default();
    for table in [Table::Meta, Table::Done, Table::Rooms] {
        let mut stored = transaction.open_table(table.definition())?;
        let mut damaged = Vec::new();
        for row in stored.iter()? {
            let (key, value) = row?;
            if reload.take(table, key.value(), value.value()).is_none() {
                damaged.push((key.value().to_vec(), value.value().to_vec()));
            }
        }
        let mut aside = transaction.open_table(DAMAGED)?;
        for (key, value) in damaged {
            tracing::error!(
                table = table.name(),
                key = %String::from_utf8_lossy(&key),
                "a stored record cannot be understood; it was set aside in the table `damaged`"
            );
            let name = [table.name().as_bytes(), b"/", &key].concat();
            aside.insert(name.as_slice(), value.as_slice())?;
            stored.remove(key.as_slice())?;
            reload.damaged += 1;
        }
    }
    let loaded = reload.finish();
    {
        let mut meta = transaction.open_table(Table::Meta.definition())?;
        let last = loaded.state.last_incarnation().to_string();
        meta.insert(meta_key(INCARNATION).as_slice(), last.as_bytes())?;
    }
    transaction.commit()?;
    Ok(loaded)
}

/// Removes what a former release kept of reflections, also what it had set aside of them as damaged: nothing reads it
/// any more, and no erasure of a student and no end of the retention would ever reach it.
fn drop_reflections(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let kept = transaction.open_table(REFLECTIONS)?.len()?;
    transaction.delete_table(REFLECTIONS)?;
    let mut aside = transaction.open_table(DAMAGED)?;
    let before = aside.len()?;
    aside.retain(|key, _| !key.starts_with(b"reflections/"))?;
    let dropped = kept + before - aside.len()?;
    if dropped > 0 {
        tracing::warn!(dropped, "reflections that a former release kept in this file were removed from it");
    }
    Ok(())
}

/// The records understood so far.
#[derive(Default)]
struct Reload {
    state: State,
    done: BTreeMap<RoomKey, BTreeMap<u64, Done>>,
    incarnation: Option<u64>,
    rooms: usize,
    damaged: usize,
}

impl Reload {
    /// Takes in one record, or answers none when it cannot be understood.
    fn take(&mut self, table: Table, key: &[u8], value: &[u8]) -> Option<()> {
        match table {
            Table::Meta => {
                let number: u64 = serde_json::from_slice(value).ok()?;
                if key == meta_key(INCARNATION) {
                    self.incarnation = Some(number);
                    self.state.never_below(number);
                }
            }
            Table::Done => {
                let (room, number) = json::parse_done_key(key)?;
                let done = serde_json::from_slice(value).ok()?;
                self.done.entry(room).or_default().insert(number, done);
            }
            Table::Rooms => {
                let record = serde_json::from_slice::<RoomJson>(value).ok()?.into_record()?;
                if json::room_key(&record.key).to_string().as_bytes() != key {
                    return None;
                }
                self.state.never_below(record.incarnation);
                self.rooms += 1;
                let done: VecDeque<_> =
                    self.done.remove(&record.key).map(|done| done.into_iter().collect()).unwrap_or_default();
                self.state.insert_room(record, done);
            }
        }
        Some(())
    }

    fn finish(mut self) -> Loaded {
        // Without its record the last incarnation is only known to be at least the highest in sight.
        let used_before = self.rooms > 0 || self.damaged > 0;
        if self.incarnation.is_none() && used_before {
            self.state.never_below(self.state.last_incarnation() + INCARNATION_LEAP);
        }
        Loaded { state: self.state, damaged: self.damaged }
    }
}
