//! A note's way to the next node, beside the same note's way within its own.

use super::apart::{Both, MEMBERS};
use crate::{
    client::{Fleet, Heard},
    clock::monotonic_us,
    error::LoadError,
    lab::Lab,
    report::{Goal, Report, Row},
    stats::Percentiles,
    wire,
};

/// Notes a second of one player.
const NOTES_PER_SECOND: f64 = 10.0;
/// `midi` and `velocity` number a room's notes.
const NUMBERS: usize = 128 * 128;
/// What has not come so long after the last note is lost.
const LAST_US: i64 = 2_000_000;

#[derive(Default)]
struct Delays {
    within_us: Vec<i64>,
    across_us: Vec<i64>,
}

/// When each note was sent, by room and number.
type Book = Vec<Vec<i64>>;

impl Delays {
    fn hear(&mut self, book: &Book, heard: &Heard<'_>) {
        let Some(delay_us) = delay_us(book, heard) else { return };
        match heard.member % MEMBERS {
            0 => {}
            1 => self.within_us.push(delay_us),
            _ => self.across_us.push(delay_us),
        }
    }
}

/// None for what is no note of this book.
fn delay_us(book: &Book, heard: &Heard<'_>) -> Option<i64> {
    if heard.event != b"student_note" {
        return None;
    }
    let midi = wire::integer_after(heard.payload, br#""midi":"#)?;
    let velocity = wire::integer_after(heard.payload, br#""velocity":"#)?;
    Some(heard.at_us - book.get(heard.member / MEMBERS)?.get(midi + 128 * velocity)?)
}

/// The first member of each room plays: the second is on the same node, the third on the other.
pub fn measure(lab: &Lab, report: &mut Report, both: &mut Both) -> Result<(), LoadError> {
    let (mut book, mut delays) = (vec![Vec::new(); both.rooms], Delays::default());
    let rate = NOTES_PER_SECOND * both.rooms as f64;
    let planned = ((rate * lab.duration_us() as f64 / 1e6) as usize).min(NUMBERS * both.rooms);
    let start_us = monotonic_us();
    for number in 0..planned {
        let due_us = start_us + (number as f64 * 1e6 / rate) as i64;
        hear_until(&mut both.fleet, due_us, &book, &mut delays)?;
        send(&mut both.fleet, number % both.rooms, &mut book);
    }
    let until_us = monotonic_us() + LAST_US;
    while monotonic_us() < until_us && delays.across_us.len() + delays.within_us.len() < 2 * planned {
        both.fleet.turn(5_000, &mut |heard| delays.hear(&book, &heard))?;
    }
    let lost = 2 * planned - delays.within_us.len() - delays.across_us.len();
    let (within, across) = (Percentiles::of(&mut delays.within_us), Percentiles::of(&mut delays.across_us));
    report.note(&format!("{planned} notes at {rate:.0}/s; the slowest across {:.1} ms", across.max / 1e3));
    let row = |name: &str, us: f64| Row::new(name, "ms", us / 1e3, Goal::None);
    report.row(row("note's delay within a node, p50", within.p50));
    report.row(row("note's delay within a node, p99", within.p99));
    report.row(row("note's delay across nodes, p50", across.p50));
    report.row(row("note's delay across nodes, p99", across.p99));
    report.row(Row::new("… as a multiple of the delay within, p50", "×", across.p50 / within.p50.max(1.0), Goal::None));
    report.row(Row::new("… as a multiple of the delay within, p99", "×", across.p99 / within.p99.max(1.0), Goal::None));
    report.row(Row::new("notes lost, within and across", "notes", lost as f64, Goal::AtMost(0.0)));
    Ok(())
}

fn hear_until(fleet: &mut Fleet, due_us: i64, book: &Book, delays: &mut Delays) -> Result<(), LoadError> {
    loop {
        let left_us = due_us - monotonic_us();
        if left_us <= 0 {
            return Ok(());
        }
        fleet.turn(left_us, &mut |heard| delays.hear(book, &heard))?;
    }
}

fn send(fleet: &mut Fleet, room: usize, book: &mut Book) {
    let number = book[room].len();
    let payload = format!(r#"{{"midi":{},"velocity":{}}}"#, number % 128, number / 128);
    book[room].push(monotonic_us());
    fleet.send(room * MEMBERS, "play_note", &payload);
}
