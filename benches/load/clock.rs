//! The generator's clocks. It measures from outside, so it needs the real ones.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Microseconds that never go back: for schedules and delays.
pub fn monotonic_us() -> i64 {
    micros(clock_gettime(ClockId::Monotonic))
}

/// Microseconds since the epoch: what an embedded server's clock follows, so that a beat's `at` compares with it.
pub fn realtime_us() -> i64 {
    micros(clock_gettime(ClockId::Realtime))
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
