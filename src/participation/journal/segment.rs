//! One file of the journal, and what is known of its lines.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{super::Batch, line};

/// What one look at a disk that has bad sectors is lost with.
const BLOCK_BYTES: usize = 4_096;

/// A file of lines, of which the first may be settled.
pub struct Segment {
    path: PathBuf,
    file: File,
    /// Where the next line goes.
    pub end: u64,
    /// The lines that are not settled, oldest first.
    pub lines: VecDeque<Line>,
}

/// A line that is not settled.
pub struct Line {
    /// Where it begins in its file.
    pub at: u64,
    /// With its end.
    pub bytes: u64,
    pub tenant: Arc<str>,
    pub events: u64,
    /// What stands in it, where it need not be read from the file.
    pub batch: Option<Batch>,
}

impl Segment {
    /// Opens the file, or makes it. A torn last line, which nobody was told is kept, is cut off. Answers beside how
    /// many lines were damaged: they are left out.
    pub fn open(path: PathBuf) -> io::Result<(Self, u64)> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let bytes = std::fs::read(&path)?;
        let (mut lines, mut damaged, mut at) = (VecDeque::new(), 0, 0_u64);
        for text in bytes.split_inclusive(|byte| *byte == b'\n') {
            let length = text.len() as u64;
            if text.last() != Some(&b'\n') {
                tracing::info!(path = %path.display(), at, "the journal's last line is torn: cut off");
                file.set_len(at)?;
                break;
            }
            match line::count(text) {
                Ok((tenant, events)) => lines.push_back(Line { at, bytes: length, tenant, events, batch: None }),
                Err(error) => {
                    damaged += 1;
                    report_damage(&path, at, length, &error);
                }
            }
            at += length;
        }
        Ok((Self { path, file, end: at, lines }, damaged))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines with one write.
    ///
    /// # Errors
    /// Nothing was appended; where half a line could not be taken back, [`Torn`] is true: write no more here.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), (io::Error, Torn)> {
        match self.file.write_all(lines) {
            Ok(()) => {
                self.end += lines.len() as u64;
                Ok(())
            }
            Err(error) => Err((error, Torn(self.file.set_len(self.end).is_err()))),
        }
    }

    /// The bytes from `at`. What a bad sector has swallowed are zeros.
    pub fn read(&self, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        read_around(|buffer, at| self.file.read_exact_at(buffer, at), at, length)
    }

    /// Reads a line that is in the file alone.
    pub fn parse(&self, text: &[u8], line: &Line) -> Option<Batch> {
        line::read(text).inspect_err(|error| report_damage(&self.path, line.at, line.bytes, error)).ok()
    }

    /// Forgets all that is in the file.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.end = 0;
        Ok(())
    }
}

/// Whether half a line is left at a file's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn(pub bool);

/// Never says what stands in the line: students wrote it.
fn report_damage(path: &Path, at: u64, bytes: u64, error: &serde_json::Error) {
    tracing::error!(
        path = %path.display(), at, bytes, error = ?error.classify(),
        "a damaged line of the journal is lost"
    );
}

/// Reads at once, or where that fails, block by block with zeros for those that cannot be read.
fn read_around(read: impl Fn(&mut [u8], u64) -> io::Result<()>, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let Err(error) = read(&mut bytes, at) else {
        return Ok(bytes);
    };
    let mut from = 0;
    let mut has_read = false;
    while from < length {
        // Up to the next border of a block, as the disk has them.
        let in_block = ((at + from as u64) % BLOCK_BYTES as u64) as usize;
        let to = (from + BLOCK_BYTES - in_block).min(length);
        match read(&mut bytes[from..to], at + from as u64) {
            Ok(()) => has_read = true,
            Err(_) => bytes[from..to].fill(0),
        }
        from = to;
    }
    // A disk of which nothing can be read may be well again tomorrow.
    if has_read { Ok(bytes) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of ones whose second block cannot be read.
    fn damaged(buffer: &mut [u8], at: u64) -> io::Result<()> {
        let (from, to) = (at as usize, at as usize + buffer.len());
        if from < 2 * BLOCK_BYTES && to > BLOCK_BYTES {
            return Err(io::Error::other("bad sector"));
        }
        buffer.fill(1);
        Ok(())
    }

    #[test]
    fn a_bad_sector_costs_its_own_bytes_alone() {
        let bytes = read_around(damaged, 100, 3 * BLOCK_BYTES).expect("most of it can be read");
        let zeros: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == 0).collect();
        assert_eq!(zeros.first(), Some(&(BLOCK_BYTES - 100)));
        assert_eq!(zeros.last(), Some(&(2 * BLOCK_BYTES - 101)));
        assert_eq!(zeros.len(), BLOCK_BYTES);
    }

    #[test]
    fn a_disk_that_cannot_be_read_at_all_loses_nothing() {
        assert!(read_around(damaged, BLOCK_BYTES as u64, 100).is_err());
    }
}
