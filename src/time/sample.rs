use std::sync::Arc;

use super::window::Look;

/// No reading of a clock that is meant seriously is greater: 9,000 years in microseconds.
const SANE_US: i64 = 1 << 58;
/// A longer round trip says too little about the time.
const ROUND_TRIP_US_MAX: i64 = 1_000_000;

/// One look at Redis' clock, all of it from one script on one server.
#[derive(Clone, Debug)]
pub struct Sample {
    /// This node's boot-time clock in microseconds, read before the question was sent …
    pub asked_boot_us: i64,
    /// … and after the answer came.
    pub answered_boot_us: i64,
    /// The life of that server process (`INFO server`: a new one at each start).
    pub run_id: Arc<str>,
    /// The server's `TIME` in microseconds since the Unix epoch.
    pub server_us: i64,
    /// What the server holds in `clock:{run_id}`: cluster time = `server_us` + this. None where it holds nothing.
    pub offset_us: Option<i64>,
}

impl Sample {
    /// The part that is about the server's clock; none if no honest node and server would say this.
    pub(super) fn look(&self) -> Option<Look> {
        let &Self { asked_boot_us, answered_boot_us, server_us, offset_us, .. } = self;
        let clocks = [asked_boot_us, answered_boot_us, server_us, server_us.saturating_add(offset_us.unwrap_or(0))];
        let has_sense =
            clocks.into_iter().all(is_sane) && (0..=ROUND_TRIP_US_MAX).contains(&(answered_boot_us - asked_boot_us));
        has_sense.then_some(Look { asked_boot_us, answered_boot_us, server_us })
    }
}

/// Whether that may be the reading of a clock.
pub(super) fn is_sane(us: i64) -> bool {
    (0..=SANE_US).contains(&us)
}

/// What the node has to do after a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing: the sample was taken in, and what Redis holds is right.
    Steered,
    /// Nothing yet: the sample was dropped, or the server is watched some looks longer before anybody proposes.
    Wait,
    /// Ask the store to set `clock:{run_id}` to `offset_us` if it still holds `expected_us` (none: nothing), and hand
    /// what is in force afterwards, whoever won, to `agreed`. A lost proposal needs no care: the next sample repeats
    /// it as long as it is right.
    Propose { run_id: Arc<str>, expected_us: Option<i64>, offset_us: i64 },
}
