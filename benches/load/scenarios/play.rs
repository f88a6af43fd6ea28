//! Notes played at a steady rate, and what became of each.

use crate::{
    client::{Fleet, Heard},
    clock::monotonic_us,
    error::LoadError,
    lab::{Meter, Usage},
    server::Server,
    stats::Percentiles,
    wire,
};

/// `midi` and `velocity` number a client's notes, so that each can be found again among those delivered.
const NUMBERS: usize = 128 * 128;
/// Notes that have not come when nothing has come for so long are lost …
const SILENCE_US: i64 = 3_000_000;
/// … and so are those that have not come so long after the last was sent.
const LAST_US: i64 = 10_000_000;
/// Delays of this many receivers in all are enough, and cost the generator little.
const SAMPLED_PER_SECOND: usize = 25_000;

/// Who plays, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub rooms: usize,
    pub members: usize,
    /// Notes a second of all clients together.
    pub notes_per_second: f64,
    pub for_us: i64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Notes heard, by everyone together.
    pub delivered: usize,
    /// Notes that somebody should have heard and did not.
    pub lost: i64,
    /// Notes that the server refused to play.
    pub refused: usize,
    /// From the sender's write to the receiver's read.
    pub delay: Percentiles,
    /// From the first to the last receiver of the same note; only where every receiver is sampled.
    pub spread: Percentiles,
    /// How much later than planned a note was sent, at the 99th percentile: the generator's own fault.
    pub send_late_us: f64,
    pub usage: Usage,
}

impl Played {
    pub fn cpu_per_delivered_us(&self) -> f64 {
        self.usage.server_us / self.delivered.max(1) as f64
    }

    pub fn delay_p50_ms(&self) -> f64 {
        self.delay.p50 / 1e3
    }

    pub fn delay_p99_ms(&self) -> f64 {
        self.delay.p99 / 1e3
    }

    pub fn missing(&self) -> f64 {
        self.lost as f64
    }

    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    pub fn summary(&self) -> String {
        format!(
            "{:.2} µs a delivered note · delay p50 {:.2} p99 {:.2} max {:.1} ms · lost {} refused {} of {} · {}, sends late by {:.1} ms (p99)",
            self.cpu_per_delivered_us(),
            self.delay.p50 / 1e3,
            self.delay.p99 / 1e3,
            self.delay.max / 1e3,
            self.lost,
            self.refused,
            self.delivered as i64 + self.lost,
            self.usage,
            self.send_late_us / 1e3,
        )
    }
}

struct Note {
    sent_us: i64,
    first_us: i64,
    last_us: i64,
}

struct Ears {
    /// By sender, then by number.
    notes: Vec<Vec<Note>>,
    delays_us: Vec<i64>,
    delivered: usize,
    refused: usize,
    sample_every: usize,
}

impl Ears {
    fn hear(&mut self, heard: &Heard<'_>) {
        match heard.event {
            b"student_note" => {
                self.delivered += 1;
                if heard.member.is_multiple_of(self.sample_every) {
                    // A note of an earlier measurement is not in the book.
                    let _ = self.time(heard);
                }
            }
            b"phx_reply" if wire::after(heard.payload, br#""status":"ok""#).is_none() => {
                self.refused += 1;
            }
            _ => {}
        }
    }

    fn time(&mut self, heard: &Heard<'_>) -> Option<()> {
        let midi = wire::integer_after(heard.payload, br#""midi":"#)?;
        let velocity = wire::integer_after(heard.payload, br#""velocity":"#)?;
        let sender = wire::integer_after(heard.payload, br#""student_id":"s"#)?;
        let note = self.notes.get_mut(sender)?.get_mut(midi + 128 * velocity)?;
        self.delays_us.push(heard.at_us - note.sent_us);
        note.first_us = note.first_us.min(heard.at_us);
        note.last_us = note.last_us.max(heard.at_us);
        Some(())
    }
}

/// Plays for a while, evenly in time and from room to room, and waits for the last note.
pub fn play(fleet: &mut Fleet, server: &Server, pace: Pace) -> Result<Played, LoadError> {
    let delivered_per_second = pace.notes_per_second * pace.members as f64;
    let mut ears = Ears {
        notes: (0..fleet.len()).map(|_| Vec::new()).collect(),
        delays_us: Vec::new(),
        delivered: 0,
        refused: 0,
        sample_every: if pace.rooms == 1 { 1 } else { 1 + delivered_per_second as usize / SAMPLED_PER_SECOND },
    };
    let planned = (pace.notes_per_second * pace.for_us as f64 / 1e6) as usize;
    let gap_us = 1e6 / pace.notes_per_second;
    let mut late_us = Vec::with_capacity(planned);
    let meter = Meter::start(server)?;
    let start_us = monotonic_us();
    for number in 0..planned {
        let due_us = start_us + (number as f64 * gap_us) as i64;
        while monotonic_us() < due_us {
            fleet.turn(due_us - monotonic_us(), &mut |heard| ears.hear(&heard))?;
        }
        let player = number % pace.rooms * pace.members + number / pace.rooms % pace.members;
        late_us.push(send_note(fleet, &mut ears, player) - due_us);
        // Sends that are overdue together must not starve the ears.
        if number.is_multiple_of(16) {
            fleet.turn(0, &mut |heard| ears.hear(&heard))?;
        }
    }
    let expected = planned * pace.members;
    let ended_us = monotonic_us();
    let (mut delivered_before, mut moved_at_us) = (ears.delivered, ended_us);
    while ears.delivered < expected && monotonic_us() < (moved_at_us + SILENCE_US).min(ended_us + LAST_US) {
        fleet.turn(5_000, &mut |heard| ears.hear(&heard))?;
        if ears.delivered > delivered_before {
            (delivered_before, moved_at_us) = (ears.delivered, monotonic_us());
        }
    }
    let usage = meter.read()?;
    let mut spreads_us: Vec<i64> =
        ears.notes.iter().flatten().map(|note| (note.last_us - note.first_us).max(0)).collect();
    Ok(Played {
        delivered: ears.delivered,
        lost: expected as i64 - ears.delivered as i64,
        refused: ears.refused,
        delay: Percentiles::of(&mut ears.delays_us),
        spread: Percentiles::of(&mut spreads_us),
        send_late_us: Percentiles::of(&mut late_us).p99,
        usage,
    })
}

/// Sends the client's next note; returns when.
fn send_note(fleet: &mut Fleet, ears: &mut Ears, player: usize) -> i64 {
    let book = &mut ears.notes[player];
    let number = book.len() % NUMBERS;
    let payload = format!(r#"{{"midi":{},"velocity":{}}}"#, number % 128, number / 128);
    let sent_us = monotonic_us();
    book.push(Note { sent_us, first_us: i64::MAX, last_us: 0 });
    fleet.send(player, "play_note", &payload);
    sent_us
}
