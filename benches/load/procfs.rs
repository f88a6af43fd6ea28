//! What the kernel says of a process: time on a CPU, memory, open files, cores.

use std::fs;

use rustix::{
    process::{Pid, Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::error::{Doing, LoadError};

/// `sysconf(_SC_CLK_TCK)`, which Linux fixes at 100 for programs.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of a process since it began, in microseconds.
///
/// `/proc/PID/stat` counts every thread that ever was, in ticks of 10 ms; `schedstat` counts those that live, in
/// nanoseconds. Whichever is more is nearer to the truth: the first when a thread has ended, else the second.
pub fn cpu_us(pid: u32) -> Result<u64, LoadError> {
    let stat = read(pid, "stat")?;
    // The program's name may hold spaces; what follows its closing bracket does not.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Ok((ticks * 1_000_000 / TICKS_PER_SECOND).max(threads_cpu_us(pid)))
}

/// Time that all cores together have been busy since the machine began, in microseconds, to 10 ms.
pub fn machine_busy_us() -> Result<u64, LoadError> {
    let stat = fs::read_to_string("/proc/stat").doing("reading /proc/stat")?;
    // cpu user nice system idle iowait irq softirq steal …
    let fields = stat.lines().next().unwrap_or_default().split_whitespace();
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    let busy = ticks.iter().take(8).sum::<u64>() - ticks.iter().skip(3).take(2).sum::<u64>();
    Ok(busy * 1_000_000 / TICKS_PER_SECOND)
}

fn threads_cpu_us(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let on_cpu_ns = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    on_cpu_ns.sum::<u64>() / 1_000
}

/// Memory of a process that is in RAM, in KiB. What the kernel holds for its sockets is not part of it.
pub fn rss_kib(pid: u32) -> Result<u64, LoadError> {
    let status = read(pid, "status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| LoadError::Protocol { what: "/proc/PID/status", found: status.clone() })
}

fn read(pid: u32, file: &str) -> Result<String, LoadError> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).doing(&format!("reading {path}"))
}

/// Raises the limit on open files as far as it goes, for this process and those that it starts.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Refused only where it is that high already.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

/// Which cores the server and the generator are kept on.
#[derive(Clone, Debug)]
pub struct Cores {
    pub server: Option<usize>,
    pub generator: Option<usize>,
    /// All that this process was given; None where the system does not say.
    allowed: Option<CpuSet>,
}

impl Cores {
    /// The first two cores that this process may use; with fewer than two, nobody is pinned.
    pub fn choose() -> Self {
        let allowed = sched_getaffinity(None).ok();
        let mut usable = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_some_and(|set| set.is_set(*core)));
        match (usable.next(), usable.next()) {
            (server, generator @ Some(_)) => Self { server, generator, allowed },
            _ => Self { server: None, generator: None, allowed },
        }
    }

    /// Lets the calling thread, and what it starts from then on, run on every core.
    pub fn unpin(&self) {
        if let Some(allowed) = &self.allowed {
            // Without it the figures are worse than they are.
            let _ = sched_setaffinity(None, allowed);
        }
    }
}

/// Keeps a process (None: the calling thread) on one core. What it starts from then on stays there too.
pub fn pin(pid: Option<Pid>, core: Option<usize>) {
    let Some(core) = core else { return };
    let mut set = CpuSet::new();
    set.set(core);
    // Without it the figures are noisier, not wrong.
    let _ = sched_setaffinity(pid, &set);
}
