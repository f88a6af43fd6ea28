//! The cells of a sheet, and how they are written so that a spreadsheet reads them as what they are.
//!
//! RFC 4180 with a byte order mark, by which spreadsheets know that it is UTF-8. Text is always within quotes, also
//! where no comma asks for them: a program that separates cells by semicolons or tabs must not find a formula in the
//! middle of a name. Text that a spreadsheet could take for a formula begins with an apostrophe instead.

use csv::{QuoteStyle, Terminator, WriterBuilder};

/// What a formula may begin with, in the widths of East Asian keyboards too; tab, CR and LF because programs skip them.
const FORMULA_SIGNS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell of a sheet.
pub(super) enum Cell {
    Text(String),
    /// Written as it is, also where it is negative.
    Number(f64),
    /// Nothing to say.
    Empty,
}

/// The lines of a sheet, below their headings.
pub(super) fn sheet<const N: usize>(headings: [&str; N], lines: impl Iterator<Item = [Cell; N]>) -> String {
    let mut writer =
        WriterBuilder::new().terminator(Terminator::CRLF).quote_style(QuoteStyle::NonNumeric).from_writer(Vec::new());
    let mut write = |line: [String; N]| writer.write_record(line);
    let mut written = write(headings.map(str::to_owned));
    for line in lines {
        written = written.and_then(|()| write(line.map(Cell::into_text)));
    }
    // A sheet is written into memory, with as many cells in each line: nothing here can fail.
    let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    format!("\u{feff}{}", String::from_utf8_lossy(&bytes))
}

/// The text, harmless in a spreadsheet.
pub(super) fn harmless(text: &str) -> String {
    let is_unseen = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    let first_seen = text.trim_start_matches(is_unseen).chars().next();
    let is_formula = [text.chars().next(), first_seen].into_iter().flatten().any(|c| FORMULA_SIGNS.contains(&c));
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

impl Cell {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => harmless(&text),
            Self::Number(number) if number.is_finite() => number.to_string(),
            Self::Number(_) | Self::Empty => String::new(),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or(Self::Empty, Into::into)
    }
}
