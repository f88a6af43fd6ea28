//! The end of a token on a live socket: a warning ahead of it, and the channels' end after it.

/// How long before a token's `exp` its channels are told.
const WARN_BEFORE_S: i64 = 60;
/// How long after it the channels may go on.
const GRACE_S: i64 = 10;

/// Where a socket's token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good,
    /// It ends in so many seconds (0 when it has ended, within the grace).
    EndsIn {
        seconds: i64,
    },
    Over,
}

/// The deadline of one token.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    exp_s: i64,
    warned: bool,
}

impl Expiry {
    pub fn new(exp_s: i64) -> Self {
        Self { exp_s, warned: false }
    }

    pub fn standing(&self, now_s: i64) -> Standing {
        if now_s >= self.exp_s.saturating_add(GRACE_S) {
            Standing::Over
        } else if now_s >= self.exp_s.saturating_sub(WARN_BEFORE_S) {
            Standing::EndsIn { seconds: (self.exp_s - now_s).max(0) }
        } else {
            Standing::Good
        }
    }

    /// True once: the channels have to be warned now.
    pub fn warns(&mut self, now_s: i64) -> bool {
        matches!(self.standing(now_s), Standing::EndsIn { .. }) && !std::mem::replace(&mut self.warned, true)
    }

    pub fn has_warned(&self) -> bool {
        self.warned
    }

    /// When there is next something to do, in seconds since the epoch.
    pub fn check_at_s(&self) -> i64 {
        if self.warned { self.exp_s.saturating_add(GRACE_S) } else { self.exp_s.saturating_sub(WARN_BEFORE_S) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_warns_once_sixty_seconds_ahead_and_ends_ten_seconds_late() {
        let mut expiry = Expiry::new(1_000);
        assert_eq!(expiry.check_at_s(), 940);
        assert!(!expiry.warns(939));
        assert!(expiry.warns(940));
        assert!(!expiry.warns(941));
        assert_eq!(expiry.check_at_s(), 1_010);
        assert_eq!(expiry.standing(1_009), Standing::EndsIn { seconds: 0 });
        assert_eq!(expiry.standing(1_010), Standing::Over);
    }
}
