//! What all scenarios share: who is measured, on which core, and how much CPU went by.

use std::fmt;

use crate::{
    client::Fleet,
    clock,
    error::LoadError,
    options::Options,
    procfs::{self, Cores},
    report::Report,
    server::{Server, Subject},
};

/// In percent of one core: what others may take of the machine without spoiling a measurement.
const OTHERS_SHARE_MAX: f64 = 20.0;

/// The options and the machine.
pub struct Lab {
    pub options: Options,
    pub cores: Cores,
    /// The most open files of one process.
    pub open_files: u64,
}

impl Lab {
    pub fn new(options: Options) -> Self {
        let lab = Self { options, cores: Cores::choose(), open_files: procfs::raise_open_files() };
        procfs::pin(None, lab.cores.generator);
        lab
    }

    pub fn start(&self, subject: Subject) -> Result<Server, LoadError> {
        Server::start(subject, &self.options.server, &self.cores)
    }

    /// Who takes turns: Downbeat first, then the bare server.
    pub fn subjects(&self, clock: bool) -> Vec<Subject> {
        let mut subjects = vec![Subject::Downbeat, Subject::Bare { clock }];
        subjects.retain(|subject| match subject {
            Subject::Downbeat => !self.options.only_bare,
            _ => !self.options.no_bare,
        });
        subjects
    }

    pub fn duration_us(&self) -> i64 {
        i64::from(self.options.seconds) * 1_000_000
    }

    /// As many connections as `wanted`, or as one process may have open beside its other files.
    pub fn connections(&self, wanted: usize) -> usize {
        let allowed = usize::try_from(self.open_files).unwrap_or(usize::MAX);
        wanted.min(allowed.saturating_sub(500))
    }
}

/// Rooms with all their members in.
pub fn assemble(server: &Server, rooms: usize, members: usize, autostart: bool) -> Result<Fleet, LoadError> {
    let topics = server.rooms(rooms, members, autostart)?;
    let mut fleet = Fleet::new()?;
    fleet.join(server.address, &server.joins(&topics, members))?;
    Ok(fleet)
}

/// Hears what comes for a while and forgets it.
pub fn settle(fleet: &mut Fleet, for_us: i64) -> Result<(), LoadError> {
    let until_us = clock::monotonic_us() + for_us;
    loop {
        let left_us = until_us - clock::monotonic_us();
        if left_us <= 0 {
            return Ok(());
        }
        fleet.turn(left_us, &mut |_| {})?;
    }
}

/// Counts CPU time from its making on.
pub struct Meter {
    /// What is measured: one process, or a cluster's.
    servers: Vec<u32>,
    servers_us: u64,
    generator_us: u64,
    machine_us: u64,
    began_us: i64,
}

/// What went by under a [`Meter`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub server_us: f64,
    pub generator_us: f64,
    /// Of everything else on the machine.
    pub others_us: f64,
    pub elapsed_us: f64,
}

impl Meter {
    pub fn start(server: &Server) -> Result<Self, LoadError> {
        Self::of(vec![server.pid()])
    }

    /// Of several processes together.
    pub fn of(servers: Vec<u32>) -> Result<Self, LoadError> {
        Ok(Self {
            servers_us: cpu_us(&servers)?,
            servers,
            generator_us: procfs::cpu_us(std::process::id())?,
            machine_us: procfs::machine_busy_us()?,
            began_us: clock::monotonic_us(),
        })
    }

    pub fn read(&self) -> Result<Usage, LoadError> {
        let server_us = cpu_us(&self.servers)?.saturating_sub(self.servers_us) as f64;
        let generator_us = procfs::cpu_us(std::process::id())?.saturating_sub(self.generator_us) as f64;
        let machine_us = procfs::machine_busy_us()?.saturating_sub(self.machine_us) as f64;
        Ok(Usage {
            server_us,
            generator_us,
            others_us: (machine_us - server_us - generator_us).max(0.0),
            elapsed_us: (clock::monotonic_us() - self.began_us) as f64,
        })
    }
}

fn cpu_us(pids: &[u32]) -> Result<u64, LoadError> {
    pids.iter().map(|pid| procfs::cpu_us(*pid)).sum()
}

impl Usage {
    /// Server and generator, each in percent of one core.
    pub fn shares(&self) -> (f64, f64) {
        (self.share(self.server_us), self.share(self.generator_us))
    }

    /// Something else took more of a core than [`OTHERS_SHARE_MAX`] percent.
    pub fn is_disturbed(&self) -> bool {
        self.share(self.others_us) > OTHERS_SHARE_MAX
    }

    fn share(&self, us: f64) -> f64 {
        100.0 * us / self.elapsed_us.max(1.0)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, generator) = self.shares();
        let others = self.share(self.others_us);
        write!(f, "server {server:.1} %, generator {generator:.1} %, others {others:.0} % of a core")
    }
}

/// Measures once more when others have kept the machine busy; the second one counts in any case.
pub fn undisturbed<T>(
    report: &Report,
    usage: fn(&T) -> &Usage,
    mut measure: impl FnMut() -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let measured = measure()?;
    if !usage(&measured).is_disturbed() {
        return Ok(measured);
    }
    report.note(&format!("disturbed, once more: {}", usage(&measured)));
    let measured = measure()?;
    if usage(&measured).is_disturbed() {
        report.disturbed();
    }
    Ok(measured)
}
