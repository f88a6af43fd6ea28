//! Several nodes on one Redis: what being a cluster costs, how far apart its nodes are, how soon a dead one is replaced.

mod apart;
mod commands;
mod crossing;
mod fall;
mod standing;

use crate::{error::LoadError, lab::Lab, report::Report};

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    if lab.options.only_bare {
        report.note("only of Downbeat");
        return Ok(());
    }
    commands::measure(lab, report)?;
    let mut both = apart::assemble(lab, report)?;
    apart::measure(lab, report, &mut both)?;
    crossing::measure(lab, report, &mut both)?;
    // Its nodes shall not be in the way of the next.
    drop(both);
    standing::measure(lab, report)
}
