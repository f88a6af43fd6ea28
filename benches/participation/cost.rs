//! Times and CPU, as they are printed.

use std::{fs, time::Instant};

use crate::Failure;

/// `sysconf(_SC_CLK_TCK)`, which Linux fixes at 100 for programs.
const US_PER_TICK: u64 = 10_000;

/// User and system time of this process, µs, to 10 ms.
pub fn own_cpu_us() -> Result<u64, Failure> {
    cpu_us_of(std::process::id())
}

/// The same of another process.
pub fn cpu_us_of(pid: u32) -> Result<u64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name may hold spaces; what follows its closing bracket does not.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks * US_PER_TICK)
}

/// How long many of a kind took.
#[derive(Default)]
pub struct Times(Vec<f64>);

impl Times {
    pub fn add(&mut self, began: Instant) {
        self.0.push(began.elapsed().as_secs_f64() * 1e3);
    }

    /// Nearest rank, ms; 0 when there is nothing.
    fn rank(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// A row of the table: `goal_ms` is of the 99th percentile.
    pub fn print(&self, name: &str, goal_ms: Option<f64>) {
        let (p50, p99, max) = (self.rank(0.5), self.rank(0.99), self.rank(1.0));
        let goal = goal_ms.map_or_else(String::new, |goal| format!("p99 < {goal}"));
        let verdict = goal_ms.map_or("", |goal| if p99 < goal { "met" } else { "missed" });
        println!("| {name} | {} | {goal} | {p50:.1} | {p99:.1} | {max:.1} | {verdict} |", self.0.len());
    }
}

/// What some events cost on one way.
pub struct Spent {
    pub events: usize,
    pub seconds: f64,
    pub own_us: u64,
    /// PostgreSQL's; Redis' too where it takes part.
    pub beside_us: u64,
}

impl Spent {
    pub fn print(&self, name: &str) {
        let events = self.events as f64;
        let per_core = |us: u64| if us == 0 { "".to_owned() } else { format!("{:.0}", events * 1e6 / us as f64) };
        let each = |us: u64| us as f64 / events;
        println!(
            "| {name} | {:.0} | {} | {} | {} | {:.1} | {:.1} |",
            events / self.seconds,
            per_core(self.own_us),
            per_core(self.beside_us),
            per_core(self.own_us + self.beside_us),
            each(self.own_us),
            each(self.beside_us)
        );
    }
}

/// The head of the table that [`Spent`] prints.
pub fn print_spent_head() {
    println!("\n| way | events/s | per core of Downbeat | of what is beside it | of both | µs each | µs each beside |");
    println!("|---|---|---|---|---|---|---|");
}
