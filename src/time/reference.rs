//! What a node knows of cluster time, and when it speaks up for it.
//!
//! Cluster time = Redis' `TIME` + the offset that Redis holds for that server process. A server that is replaced
//! brings another clock, and any server's clock may be set: then the nodes that were alive propose the offset with
//! which time goes on as they knew it, by compare-and-set. One of them wins, all follow what is in force, and since a
//! changed offset is never contested, nobody proposes twice.

use std::sync::Arc;

use super::{
    sample::{Advice, Sample, is_sane},
    window::{DRIFT_PARTS, Look, Reading, Window},
};

/// A server's clock that is less off than this was not set, as far as we care: its nodes slew after it.
const LEAP_US_MIN: i64 = 20_000;
/// A leap must also be beyond so many times our own uncertainty.
const LEAP_UNCERTAINTIES: i64 = 8;
/// So many looks in a row that agree with each other are needed before an offset is proposed …
const LOOKS_TO_PROPOSE: usize = 3;
/// … or, where there is no offset to replace, this much time.
const WATCH_US: i64 = 500_000;
/// How long a node without a time of its own leaves the word to those that have one.
const PATIENCE_US: i64 = 3_000_000;
/// A first estimate that is better than this sets the clock at once; a worse one waits for three looks, since what is
/// wrong in it can only be slewed away later.
const GOOD_FIRST_US: i64 = 5_000;
/// How long after an agreement there may be nodes that have not heard of it.
const NEWS_US: i64 = 2_000_000;
/// For how long without a sample a node knows better than the offset of a server that it turns to. As long as the
/// holdover's default limit.
const FRESH_US: i64 = 60_000_000;

/// Cluster time at one reading of the boot-time clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    pub boot_us: i64,
    pub cluster_us: i64,
    /// How far `cluster_us` may be off.
    pub uncertainty_us: i64,
}

impl Estimate {
    /// Cluster time when the boot-time clock reads `boot_us`.
    pub fn at(&self, boot_us: i64) -> i64 {
        self.cluster_us.saturating_add(boot_us.saturating_sub(self.boot_us))
    }

    /// How far `at` may be off then: 100 ppm more for the time between.
    pub fn uncertainty_at(&self, boot_us: i64) -> i64 {
        let age_us = boot_us.saturating_sub(self.boot_us).saturating_abs();
        self.uncertainty_us.saturating_add(age_us / DRIFT_PARTS).saturating_add(1)
    }
}

/// Makes one estimate of cluster time out of the samples, and advice where Redis has to be told.
#[derive(Debug, Default)]
pub struct Reference {
    /// The server whose clock and offset are believed.
    followed: Option<Server>,
    /// A server whose offset is missing, or contradicts the time that this node knows: watched, not yet believed.
    doubted: Option<Server>,
    held: Option<Estimate>,
    /// The server and offset that `held` came from.
    in_force: Option<(Arc<str>, i64)>,
    news: News,
    /// Whoever asked earlier may know less than we already do.
    not_before_boot_us: i64,
}

/// An agreement moves time by the error of whoever proposed it, and those who have not heard of it yet report only
/// their own: until they have, the others answer for the difference.
#[derive(Debug, Default)]
struct News {
    until_boot_us: i64,
    apart_us: i64,
}

#[derive(Debug)]
struct Server {
    run_id: Arc<str>,
    offset_us: Option<i64>,
    since_boot_us: i64,
    window: Window,
}

impl Server {
    fn new(sample: &Sample, offset_us: Option<i64>) -> Self {
        let (run_id, since_boot_us) = (sample.run_id.clone(), sample.asked_boot_us);
        Self { run_id, offset_us, since_boot_us, window: Window::default() }
    }
}

impl Reference {
    /// What is known of cluster time; none before the first offset is known.
    pub fn estimate(&self) -> Option<Estimate> {
        self.held
    }

    /// Takes in a sample. Samples come one after the other: one that was asked for before the last was answered, and
    /// one that makes no sense, is dropped. `is_founder`: this node has just created the `generation` key, so nobody
    /// can be there who has a time to defend.
    pub fn take_in(&mut self, sample: &Sample, is_founder: bool) -> Advice {
        let Some(look) = sample.look().filter(|look| look.asked_boot_us >= self.not_before_boot_us) else {
            return Advice::Wait;
        };
        self.not_before_boot_us = look.answered_boot_us;
        let known_us = sample.offset_us.or_else(|| self.followed_offset_us(&sample.run_id));
        match known_us {
            Some(offset_us) if self.believes(sample, offset_us) => {
                self.follow(sample, look, offset_us);
                match sample.offset_us {
                    Some(_) => Advice::Steered,
                    // Redis was emptied and its clock is the same: what was in force goes on.
                    None => Advice::Propose { run_id: sample.run_id.clone(), expected_us: None, offset_us },
                }
            }
            _ => self.doubt(sample, look, known_us, is_founder),
        }
    }

    /// Follows the offset that the store says is in force for that server, whoever proposed it. `boot_us`: now.
    pub fn agreed(&mut self, run_id: &str, offset_us: i64, boot_us: i64) {
        self.believe_doubted(run_id, offset_us);
        if let Some(followed) = self.followed.as_mut().filter(|followed| *followed.run_id == *run_id) {
            followed.offset_us = Some(offset_us);
            self.not_before_boot_us = self.not_before_boot_us.max(boot_us);
            self.hold();
        }
    }

    fn followed_offset_us(&self, run_id: &Arc<str>) -> Option<i64> {
        self.followed.as_ref().filter(|followed| followed.run_id == *run_id)?.offset_us
    }

    /// Whether server + offset is cluster time, as far as this node can tell.
    fn believes(&self, sample: &Sample, offset_us: i64) -> bool {
        let Some(held) = self.held else {
            return true;
        };
        let mut watched = self.followed.iter().chain(&self.doubted).filter(|server| server.run_id == sample.run_id);
        let is_stranger = watched.clone().next().is_none();
        if is_stranger && sample.asked_boot_us.saturating_sub(held.boot_us) > FRESH_US {
            return true;
        }
        // Changed while this node watched that server: the others have agreed.
        if watched.any(|server| server.offset_us != Some(offset_us)) {
            return true;
        }
        let half_trip_us = (sample.answered_boot_us - sample.asked_boot_us) / 2;
        let middle_boot_us = sample.asked_boot_us + half_trip_us;
        let apart_us =
            held.at(middle_boot_us).saturating_sub(sample.server_us.saturating_add(offset_us)).saturating_abs();
        let leap_us = held.uncertainty_at(middle_boot_us).saturating_mul(LEAP_UNCERTAINTIES).max(LEAP_US_MIN);
        apart_us.saturating_sub(half_trip_us) <= leap_us
    }

    fn follow(&mut self, sample: &Sample, look: Look, offset_us: i64) {
        self.believe_doubted(&sample.run_id, offset_us);
        self.doubted = None;
        let known = self.followed.take().filter(|followed| followed.run_id == sample.run_id);
        let mut followed = known.unwrap_or_else(|| Server::new(sample, Some(offset_us)));
        followed.offset_us = Some(offset_us);
        followed.window.push(look);
        self.followed = Some(followed);
        self.hold();
    }

    /// The server that was doubted is right, if it is with another offset that it was doubted.
    fn believe_doubted(&mut self, run_id: &str, offset_us: i64) {
        let is_settled = |doubted: &mut Server| *doubted.run_id == *run_id && doubted.offset_us != Some(offset_us);
        if let Some(doubted) = self.doubted.take_if(is_settled) {
            self.followed = Some(doubted);
        }
    }

    fn doubt(&mut self, sample: &Sample, look: Look, known_us: Option<i64>, is_founder: bool) -> Advice {
        let is_same = |doubted: &Server| doubted.run_id == sample.run_id && doubted.offset_us == known_us;
        let mut doubted = self.doubted.take().filter(is_same).unwrap_or_else(|| Server::new(sample, known_us));
        doubted.window.push(look);
        let watched_us = look.answered_boot_us - doubted.since_boot_us;
        let has_watched = doubted.window.len() >= LOOKS_TO_PROPOSE || (known_us.is_none() && watched_us >= WATCH_US);
        let reading = doubted.window.newest();
        self.doubted = Some(doubted);
        let offset_us = match (self.held, reading) {
            (Some(held), Some(reading)) if has_watched => held.at(reading.boot_us).saturating_sub(reading.server_us),
            (None, _) if is_founder || watched_us >= PATIENCE_US => 0,
            _ => return Advice::Wait,
        };
        Advice::Propose { run_id: sample.run_id.clone(), expected_us: sample.offset_us, offset_us }
    }

    /// Renews the estimate out of what the followed server's looks say.
    fn hold(&mut self) {
        let Some(Server { run_id, offset_us: Some(offset_us), window, .. }) = &self.followed else {
            return;
        };
        let Some(Reading { boot_us, server_us, uncertainty_us }) = window.newest() else {
            return;
        };
        let cluster_us = server_us.saturating_add(*offset_us);
        let is_first_good = uncertainty_us <= GOOD_FIRST_US || window.len() >= LOOKS_TO_PROPOSE;
        if !is_sane(cluster_us) || (self.held.is_none() && !is_first_good) {
            return;
        }
        let in_force = Some((run_id.clone(), *offset_us));
        if let Some(held) = self.held {
            let moved_us = cluster_us.saturating_sub(held.at(boot_us)).saturating_abs();
            let known_us = held.uncertainty_at(boot_us);
            // A server's clock that was set by less than a leap moves time as well.
            if self.in_force != in_force || moved_us > known_us.saturating_add(uncertainty_us) {
                self.news = News { until_boot_us: boot_us + NEWS_US, apart_us: known_us.saturating_add(moved_us) };
            }
        }
        self.in_force = in_force;
        let news_us = if boot_us < self.news.until_boot_us { self.news.apart_us } else { 0 };
        self.held = Some(Estimate { boot_us, cluster_us, uncertainty_us: uncertainty_us.saturating_add(news_us) });
    }
}
