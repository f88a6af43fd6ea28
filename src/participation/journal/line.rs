//! A line of the journal: one batch as JSON.

use std::sync::Arc;

use serde::{Deserialize, de::IgnoredAny};

use super::super::Batch;

/// Adds a batch's line to `lines`.
pub fn write(batch: &Batch, lines: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *lines, batch)?;
    lines.push(b'\n');
    Ok(())
}

/// Reads a line, with or without its end.
pub fn read(line: &[u8]) -> Result<Batch, serde_json::Error> {
    serde_json::from_slice(line)
}

/// Whose events a line holds and how many, at a fraction of the cost of reading them.
pub fn count(line: &[u8]) -> Result<(Arc<str>, u64), serde_json::Error> {
    #[derive(Deserialize)]
    struct Counted {
        tenant: Arc<str>,
        events: Vec<IgnoredAny>,
    }
    let Counted { tenant, events } = serde_json::from_slice(line)?;
    Ok((tenant, events.len() as u64))
}
