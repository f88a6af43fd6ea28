//! Broadcasts at a steady rate, each member in turn, and what became of each.

use super::topic::{Gathered, MEMBERS, Way};
use crate::{client::Heard, clock::monotonic_us, error::LoadError, lab::Usage, stats::Percentiles, wire};

/// What a client says, without the frame around it.
const BODY_BYTES: usize = 1_024;
/// Of a broadcast that is heard by all but its sender.
pub const HEARERS: usize = MEMBERS - 1;
/// Broadcasts that have not come when nothing has come for so long are lost …
const SILENCE_US: i64 = 1_500_000;
/// … and so are those that have not come so long after the last was sent.
const LAST_US: i64 = 6_000_000;

/// How it went.
#[derive(Clone, Debug, Default)]
pub struct Spoken {
    pub delivered: usize,
    /// What somebody should have heard and did not.
    pub lost: usize,
    /// What somebody heard twice.
    pub doubled: usize,
    /// Broadcasts that were answered with an error.
    pub refused: usize,
    /// From the sender's write to the read of a receiver on the sender's node …
    pub near: Percentiles,
    /// … and on the other.
    pub far: Percentiles,
    /// How much later than planned a broadcast was sent, at the 99th percentile: the generator's own fault.
    pub send_late_us: f64,
    pub per_second: f64,
    pub usage: Usage,
}

impl Spoken {
    pub fn cpu_per_delivered_us(&self) -> f64 {
        self.usage.server_us / self.delivered.max(1) as f64
    }

    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    pub fn missing(&self) -> f64 {
        (self.lost + self.doubled + self.refused) as f64
    }

    /// The slower of both ways, in microseconds.
    pub fn p99_us(&self) -> f64 {
        self.near.p99.max(self.far.p99)
    }

    pub fn summary(&self) -> String {
        let delays = |delays: &Percentiles| {
            let Percentiles { p50, p99, p999, max } = delays;
            format!("p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.1} ms", p50 / 1e3, p99 / 1e3, p999 / 1e3, max / 1e3)
        };
        let far = if self.far.max > 0.0 { format!(", other node {}", delays(&self.far)) } else { String::new() };
        format!(
            "{:.2} µs a delivery · {}{far} · lost {} doubled {} refused {} of {} · {}, sends late by {:.1} ms (p99)",
            self.cpu_per_delivered_us(),
            delays(&self.near),
            self.lost,
            self.doubled,
            self.refused,
            self.delivered + self.lost,
            self.usage,
            self.send_late_us / 1e3,
        )
    }
}

struct Message {
    sent_us: i64,
    copies: usize,
}

struct Ears {
    /// By number.
    messages: Vec<Message>,
    first_half: usize,
    delivered: usize,
    refused: usize,
    near_us: Vec<i64>,
    far_us: Vec<i64>,
}

impl Ears {
    fn hear(&mut self, heard: &Heard<'_>) {
        match heard.event {
            b"broadcast" => {
                let number = wire::integer_after(heard.payload, br#""n":"#);
                let Some((number, message)) = number.and_then(|n| Some((n, self.messages.get_mut(n)?))) else {
                    return;
                };
                message.copies += 1;
                self.delivered += 1;
                let is_near = (number % MEMBERS < self.first_half) == (heard.member < self.first_half);
                let delays = if is_near { &mut self.near_us } else { &mut self.far_us };
                delays.push(heard.at_us - message.sent_us);
            }
            b"phx_reply" if wire::after(heard.payload, br#""status":"ok""#).is_none() => self.refused += 1,
            _ => {}
        }
    }
}

/// Speaks for a while and waits for the last word.
pub fn speak(gathered: &mut Gathered, way: Way, per_second: f64, for_us: i64) -> Result<Spoken, LoadError> {
    let Gathered { fleet, servers } = gathered;
    let planned = (per_second * for_us as f64 / 1e6) as usize;
    let mut ears = Ears {
        messages: Vec::with_capacity(planned),
        first_half: servers.first_half(),
        delivered: 0,
        refused: 0,
        near_us: Vec::with_capacity(planned * HEARERS),
        far_us: Vec::new(),
    };
    let mut late_us = Vec::with_capacity(planned);
    let meter = servers.meter()?;
    let start_us = monotonic_us();
    for number in 0..planned {
        let due_us = start_us + (number as f64 * 1e6 / per_second) as i64;
        while monotonic_us() < due_us {
            fleet.turn(due_us - monotonic_us(), &mut |heard| ears.hear(&heard))?;
        }
        let body = body(number);
        let sent_us = monotonic_us();
        ears.messages.push(Message { sent_us, copies: 0 });
        fleet.broadcast(number % MEMBERS, "say", way.is_json(), body.as_bytes());
        late_us.push(sent_us - due_us);
        // Sends that are overdue together must not starve the ears.
        if number.is_multiple_of(4) {
            fleet.turn(0, &mut |heard| ears.hear(&heard))?;
        }
    }
    let ended_us = monotonic_us();
    let (mut delivered_before, mut moved_at_us) = (ears.delivered, ended_us);
    while ears.delivered < planned * HEARERS && monotonic_us() < (moved_at_us + SILENCE_US).min(ended_us + LAST_US) {
        fleet.turn(5_000, &mut |heard| ears.hear(&heard))?;
        if ears.delivered > delivered_before {
            (delivered_before, moved_at_us) = (ears.delivered, monotonic_us());
        }
    }
    let usage = meter.read()?;
    let beyond = |of: fn(usize) -> usize| ears.messages.iter().map(|message| of(message.copies)).sum();
    Ok(Spoken {
        delivered: ears.delivered,
        lost: beyond(|copies| HEARERS.saturating_sub(copies)),
        doubled: beyond(|copies| copies.saturating_sub(HEARERS)),
        refused: ears.refused,
        near: Percentiles::of(&mut ears.near_us),
        far: Percentiles::of(&mut ears.far_us),
        send_late_us: Percentiles::of(&mut late_us).p99,
        per_second,
        usage,
    })
}

/// JSON of [`BODY_BYTES`] that says its number.
fn body(number: usize) -> String {
    let mut body = format!(r#"{{"n":{number},"text":""#);
    while body.len() < BODY_BYTES - 2 {
        body.push(char::from(b'a' + (body.len() % 26) as u8));
    }
    body.push_str("\"}");
    body
}
