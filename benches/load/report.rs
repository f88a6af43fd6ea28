//! What is printed: each figure beside its goal and beside the bare server's.

use std::{
    cell::Cell,
    io::{Write, stdout},
};

use crate::stats::median;

/// A figure's bound.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// There is none; the figure is there to be read with others.
    None,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub ours: f64,
    pub bare: Option<f64>,
    pub goal: Goal,
}

impl Row {
    pub fn new(name: impl Into<String>, unit: &'static str, ours: f64, goal: Goal) -> Self {
        Self { name: name.into(), unit, ours, bare: None, goal }
    }

    pub fn beside(mut self, bare: Option<f64>) -> Self {
        self.bare = bare;
        self
    }

    fn line(&self) -> String {
        let (goal, met) = match self.goal {
            Goal::AtMost(most) => (format!("≤ {most}"), Some(self.ours <= most)),
            Goal::AtLeast(least) => (format!("≥ {least}"), Some(self.ours >= least)),
            Goal::None => (String::new(), None),
        };
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        let bare = self.bare.map_or_else(String::new, figure);
        let ratio =
            self.bare.filter(|bare| *bare > 0.0).map_or_else(String::new, |bare| format!("{:.2} ×", self.ours / bare));
        format!("| {} ({}) | {goal} | {} | {bare} | {ratio} | {verdict} |", self.name, self.unit, figure(self.ours))
    }
}

fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        0.0..1.0 => format!("{value:.3}"),
        1.0..100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// A figure that every round gives.
pub struct Figure<T> {
    pub name: String,
    pub unit: &'static str,
    pub goal: Goal,
    pub of: fn(&T) -> f64,
    pub pick: Pick,
}

/// Which of the rounds' figures stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    Median,
    /// The highest: for what must not happen in any round.
    Worst,
}

impl<T> Figure<T> {
    pub fn new(name: impl Into<String>, unit: &'static str, of: fn(&T) -> f64, goal: Goal) -> Self {
        Self { name: name.into(), unit, goal, of, pick: Pick::Median }
    }

    pub fn worst(mut self) -> Self {
        self.pick = Pick::Worst;
        self
    }

    /// None without rounds.
    pub fn over(&self, rounds: &[T]) -> Option<f64> {
        let values = rounds.iter().map(self.of);
        match self.pick {
            _ if rounds.is_empty() => None,
            Pick::Median => Some(median(values)),
            Pick::Worst => Some(values.fold(f64::NEG_INFINITY, f64::max)),
        }
    }
}

/// Collects the rows while it tells how the run goes.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    disturbed: Cell<usize>,
}

/// Prints a line. A reader that has gone (`| head`) ends nothing.
fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

impl Report {
    pub fn row(&mut self, row: Row) {
        say(&format!("  {}", row.line()));
        self.rows.push(row);
    }

    /// One row for each figure, unless Downbeat was not measured.
    pub fn rounds<T>(&mut self, figures: &[Figure<T>], ours: &[T], bare: &[T]) {
        for figure in figures {
            if let Some(value) = figure.over(ours) {
                let row = Row::new(figure.name.clone(), figure.unit, value, figure.goal);
                self.row(row.beside(figure.over(bare)));
            }
        }
    }

    /// Something to know beside the figures, indented under its scenario.
    pub fn note(&self, text: &str) {
        say(&format!("    {text}"));
    }

    /// A measurement counts although something else kept the machine busy.
    pub fn disturbed(&self) {
        self.disturbed.set(self.disturbed.get() + 1);
    }

    pub fn title(&self, text: &str) {
        say(&format!("\n{text}"));
    }

    /// The whole table, in Markdown.
    pub fn print_table(&self) {
        say("\n| figure | goal | Downbeat | bare | ratio | |");
        say("|---|---|---|---|---|---|");
        for row in &self.rows {
            say(&row.line());
        }
        if self.disturbed.get() > 0 {
            say(&format!(
                "\n{} measurements of these were disturbed by other work on the machine, twice in a row: run them again",
                self.disturbed.get()
            ));
        }
    }
}
