//! The journal's files: what is appended goes to the last, what is settled leaves the first.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
};

use super::{
    super::Batch,
    Chunk, JournalError,
    segment::{Line, Segment, Torn},
};

/// A file begins once the one before is this part of all that may wait: so the settled lines of the first file, which
/// cannot be given back alone, take little.
const SEGMENTS: u64 = 64;
const SEGMENT_BYTES_MIN: u64 = 4_096;
/// What fresh lines may take in memory, as bytes of their text. Beyond them lines are read from the file again.
const FRESH_BYTES_MAX: u64 = 2 << 20;

/// All that is not settled, in files.
pub struct Segments {
    folder: PathBuf,
    segment_bytes: u64,
    first: VecDeque<Segment>,
    last: Segment,
    number: u64,
    /// Bytes of lines ever settled: the place of the oldest line that is not.
    settled: u64,
    waiting_bytes: u64,
    waiting_events: u64,
    fresh_bytes: u64,
    damaged: u64,
}

impl Segments {
    pub fn open(folder: PathBuf, bytes_max: u64) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let numbers = numbers(&folder).map_err(failed)?;
        let (mut opened, mut damaged) = (VecDeque::new(), 0);
        let number = numbers.last().copied().unwrap_or(1);
        for number in numbers.iter().copied().filter(|of| *of != number).chain([number]) {
            let path = path(&folder, number);
            let (segment, lost) = Segment::open(path.clone()).map_err(|source| JournalError::Io { path, source })?;
            damaged += lost;
            opened.push_back(segment);
        }
        let Some(last) = opened.pop_back() else {
            return Err(failed(io::Error::other("no file was opened")));
        };
        let lines = || opened.iter().chain([&last]).flat_map(|segment| &segment.lines);
        let (waiting_bytes, waiting_events) =
            lines().fold((0, 0), |(bytes, events), line| (bytes + line.bytes, events + line.events));
        let segment_bytes = (bytes_max / SEGMENTS).max(SEGMENT_BYTES_MIN);
        let mut segments = Self {
            folder,
            segment_bytes,
            first: opened,
            last,
            number,
            settled: 0,
            waiting_bytes,
            waiting_events,
            fresh_bytes: 0,
            damaged,
        };
        segments.release();
        Ok(segments)
    }

    /// Events that are not settled.
    pub fn waiting_events(&self) -> u64 {
        self.waiting_events
    }

    /// Those of one tenant.
    pub fn waiting_events_of(&self, tenant: &str) -> u64 {
        let lines = self.first.iter().chain([&self.last]).flat_map(|segment| &segment.lines);
        lines.filter(|line| *line.tenant == *tenant).map(|line| line.events).sum()
    }

    /// Bytes of lines that are not settled.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Lines that could not be read, since the journal was opened.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Appends `text`, which is all of these lines with their lengths, with one write. On an error nothing is appended.
    pub fn append(&mut self, text: &[u8], lines: Vec<(Batch, u64)>) -> io::Result<()> {
        if self.last.end >= self.segment_bytes {
            self.begin_file()?;
        }
        if let Err((error, Torn(is_torn))) = self.last.append(text) {
            if is_torn {
                self.begin_file()?;
            }
            return Err(error);
        }
        let mut at = self.last.end - text.len() as u64;
        for (batch, bytes) in lines {
            let (tenant, events) = (batch.tenant.clone(), batch.events.len() as u64);
            let is_fresh = self.fresh_bytes + bytes <= FRESH_BYTES_MAX;
            self.fresh_bytes += if is_fresh { bytes } else { 0 };
            self.last.lines.push_back(Line { at, bytes, tenant, events, batch: is_fresh.then_some(batch) });
            at += bytes;
            self.waiting_bytes += bytes;
            self.waiting_events += events;
        }
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let number = self.number + 1;
        let (segment, _) = Segment::open(path(&self.folder, number))?;
        self.first.push_back(std::mem::replace(&mut self.last, segment));
        self.number = number;
        self.release();
        Ok(())
    }

    /// The oldest lines that are not settled: about `bytes_max` of them, one at least.
    ///
    /// What is in memory moves out with them: a second reading reads the file.
    pub fn read(&mut self, bytes_max: u64) -> io::Result<Option<Chunk>> {
        let mut chunk = Chunk { batches: Vec::new(), upto: self.settled };
        for segment in self.first.iter_mut().chain([&mut self.last]) {
            let mut next = 0;
            while next < segment.lines.len() {
                let room = bytes_max.max(1).saturating_sub(chunk.upto - self.settled);
                if room == 0 {
                    return Ok(Some(chunk));
                }
                let line = &mut segment.lines[next];
                if let Some(batch) = line.batch.take() {
                    self.fresh_bytes -= line.bytes;
                    chunk.upto += line.bytes;
                    chunk.batches.push(batch);
                    next += 1;
                    continue;
                }
                let count = unread(segment, next, room);
                let lines = segment.lines.range(next..next + count);
                let (from, to) = lines
                    .clone()
                    .fold((u64::MAX, 0), |(from, to), line| (from.min(line.at), to.max(line.at + line.bytes)));
                let text = segment.read(from, to - from)?;
                for line in lines {
                    let start = (line.at - from) as usize;
                    match segment.parse(&text[start..start + line.bytes as usize], line) {
                        Some(batch) => chunk.batches.push(batch),
                        None => self.damaged += 1,
                    }
                    chunk.upto += line.bytes;
                }
                next += count;
            }
        }
        Ok((chunk.upto > self.settled).then_some(chunk))
    }

    /// Releases everything before `upto`.
    pub fn settle(&mut self, upto: u64) {
        for segment in self.first.iter_mut().chain([&mut self.last]) {
            while let Some(line) = segment.lines.front()
                && self.settled + line.bytes <= upto
            {
                self.settled += line.bytes;
                self.waiting_bytes -= line.bytes;
                self.waiting_events -= line.events;
                if line.batch.is_some() {
                    self.fresh_bytes -= line.bytes;
                }
                segment.lines.pop_front();
            }
        }
        self.release();
    }

    /// Gives back the files in which nothing is left. One that cannot be given back is inserted again after the next
    /// start, which does no harm.
    fn release(&mut self) {
        while let Some(segment) = self.first.pop_front_if(|segment| segment.lines.is_empty()) {
            if let Err(error) = std::fs::remove_file(segment.path()) {
                tracing::warn!(path = %segment.path().display(), %error, "a settled file of the journal stays");
            }
        }
        if self.last.lines.is_empty()
            && self.last.end > 0
            && let Err(error) = self.last.clear()
        {
            tracing::warn!(path = %self.last.path().display(), %error, "the settled journal cannot be emptied");
        }
    }
}

/// How many lines from `next` on are to be read from the file together: about `room` bytes, one at least.
fn unread(segment: &Segment, next: usize, room: u64) -> usize {
    let mut bytes = 0;
    let fits = |line: &&Line| {
        let is_first = bytes == 0;
        bytes += line.bytes;
        line.batch.is_none() && (is_first || bytes <= room)
    };
    segment.lines.range(next..).take_while(fits).count()
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.jsonl"))
}

/// The files' numbers, ascending. Other files are let alone.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        numbers.extend(digits.filter(|digits| digits.len() == 12).and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
