//! One file for each thing that is measured.

mod beats;
mod broadcast;
mod ceiling;
mod cluster;
mod fanout;
mod flatness;
mod listen;
mod memory;
mod notes;
mod play;
mod recording;
mod scheduling;

use clap::ValueEnum;

use crate::{
    error::LoadError,
    lab::Lab,
    options::{Options, Scenario},
    report::Report,
};

/// Runs what was asked for and prints the table.
pub fn run(options: Options) -> Result<(), LoadError> {
    let lab = Lab::new(options);
    let mut report = Report::default();
    match (lab.cores.server, lab.cores.generator) {
        (Some(server), Some(generator)) => {
            println!("server on core {server}, generator on core {generator}");
        }
        _ => println!("one core for the server and the generator: figures are CPU, not speed"),
    }
    println!("{} open files for each process", lab.open_files);
    let mut chosen = lab.options.scenario.clone();
    if chosen.is_empty() {
        let apart = [Scenario::Cluster, Scenario::Recording];
        chosen.extend(Scenario::value_variants().iter().filter(|scenario| !apart.contains(scenario)));
    }
    for scenario in chosen {
        let measure = match scenario {
            Scenario::Notes => notes::measure,
            Scenario::Ceiling => ceiling::measure,
            Scenario::Memory => memory::measure,
            Scenario::Beats => beats::measure,
            Scenario::Fanout => fanout::measure,
            Scenario::Scheduling => scheduling::measure,
            Scenario::Flatness => flatness::measure,
            Scenario::Broadcast => broadcast::measure,
            Scenario::Cluster => cluster::measure,
            Scenario::Recording => recording::measure,
        };
        measure(&lab, &mut report)?;
    }
    report.print_table();
    Ok(())
}
