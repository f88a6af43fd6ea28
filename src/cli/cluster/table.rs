//! Aligned columns for people, in colour where the output is a terminal.

use std::{ffi::OsString, io::IsTerminal};

use crate::cli::Env;

/// What a text is to somebody who looks for what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// Of little weight.
    Faint,
    Good,
    /// Passing, or to be looked at.
    Odd,
    Bad,
    Head,
}

/// Whether to colour, which is decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

/// A text and its tone. It never holds control characters: names come from outside, and terminals obey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

/// Rows under a head.
pub struct Table {
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Paint {
    /// In colour on a terminal that has colours, unless `NO_COLOR` says no.
    pub fn of_stdout(env: Env<'_>) -> Self {
        let is_set = |value: Option<OsString>| value.is_some_and(|value| !value.is_empty());
        let dumb = env("TERM").is_some_and(|term| term == "dumb");
        Self(std::io::stdout().is_terminal() && !is_set(env("NO_COLOR")) && !dumb)
    }

    pub fn paint(self, cell: &Cell) -> String {
        let code = match cell.tone {
            Tone::Plain => return cell.text.clone(),
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Odd => "33",
            Tone::Bad => "31;1",
            Tone::Head => "1",
        };
        if self.0 { format!("\x1b[{code}m{}\x1b[0m", cell.text) } else { cell.text.clone() }
    }
}

impl Cell {
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        Self { text: text.as_ref().chars().map(shown).collect(), tone }
    }

    pub fn plain(text: impl ToString) -> Self {
        Self::new(text.to_string(), Tone::Plain)
    }

    /// A figure that is not there.
    pub fn none() -> Self {
        Self::new("-", Tone::Faint)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl Table {
    pub fn new(head: &'static [&'static str]) -> Self {
        Self { head, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// The head and the rows, one a line.
    pub fn text(&self, paint: Paint) -> String {
        let head: Vec<Cell> = self.head.iter().map(|name| Cell::new(name, Tone::Head)).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| all().filter_map(|row| row.get(column)).map(Cell::width).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        for row in all() {
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                text += &paint.paint(cell);
                // No blanks at the end of a line.
                if at + 1 < row.len() {
                    text.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NODE", "STATE"]);
        table.row([Cell::plain("a"), Cell::new("dead", Tone::Bad)]);
        table.row([Cell::plain("größer"), Cell::none()]);
        table
    }

    #[test]
    fn columns_stand_under_each_other() {
        assert_eq!(table().text(Paint(false)), "NODE    STATE\na       dead\ngrößer  -\n");
    }

    #[test]
    fn colours_take_no_place() {
        let text = table().text(Paint(true));
        assert!(text.contains("\u{1b}[31;1mdead\u{1b}[0m"), "{text:?}");
        assert!(text.contains("a       \u{1b}[31;1m"), "{text:?}");
    }

    #[test]
    fn a_name_gives_the_terminal_no_orders() {
        let mut table = Table::new(&["NAME"]);
        table.row([Cell::plain("\u{1b}[2Jada\n")]);
        assert_eq!(table.text(Paint(true)).lines().nth(1), Some("\u{fffd}[2Jada\u{fffd}"));
    }
}
