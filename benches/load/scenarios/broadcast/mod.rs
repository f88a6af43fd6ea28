//! Broadcasts of 1 KiB on a topic of 100: what a delivered one costs, how late it is, how many there may be.

mod ceiling;
mod presence;
mod speak;
mod steady;
mod topic;

use crate::{error::LoadError, lab::Lab, report::Report};

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    steady::measure(lab, report)?;
    ceiling::measure(lab, report)?;
    if lab.options.only_bare {
        return Ok(());
    }
    presence::measure(lab, report)
}

/// None where there is no Redis, without which the rest can be measured.
fn with_redis<T>(report: &Report, result: Result<T, LoadError>) -> Result<Option<T>, LoadError> {
    match result {
        Err(error @ LoadError::NoRedis) => {
            report.note(&error.to_string());
            Ok(None)
        }
        result => result.map(Some),
    }
}
