//! A long-poll session of another node, which is asked over the relay.
//!
//! A call may be lost, and its answer; a node may die. So a poll is asked in slices, a post may be repeated under its
//! number, and two silences in a row, together shorter than two seconds, are the owner's death.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Batch, Gone, POST_TIMEOUT, Polled, PostFailed, WINDOW,
    messages::{Answer, Ask, SERVICE},
    pieces::PIECE_BYTES_MAX,
};
use crate::relay::{CallFailed, Calls};

/// One slice of a poll: how long the owner waits for something to say.
const SLICE: Duration = Duration::from_secs(1);
/// How much later than its slice an answer may be.
const LATE_MAX: Duration = Duration::from_millis(300);
/// How long a silent owner has to answer what it can answer at once.
const ANSWER_MAX: Duration = Duration::from_millis(600);
/// Questions in a row without an answer after which a poll's or a post's owner is taken for dead.
const POLL_SILENCES_MAX: u32 = 2;
const POST_SILENCES_MAX: u32 = 3;
/// After how long a question is asked again that could not be sent, or that the owner had no room for.
const PAUSE: Duration = Duration::from_millis(250);

/// A way to a session of another node.
#[derive(Clone)]
pub struct Remote {
    pub(super) calls: Arc<Calls>,
    pub(super) node: Arc<str>,
    pub(super) session: u64,
}

/// A question that got no answer.
struct Silence {
    /// It was on its way: the owner may be dead. Otherwise the relay is, and nothing is known of the owner.
    was_sent: bool,
}

impl Remote {
    /// Waits for messages after the first `received`, at most for the window.
    pub async fn poll(&self, received: u64) -> Result<Polled, Gone> {
        let poll = getrandom::u64().unwrap_or(1);
        let end = Instant::now() + WINDOW;
        let (mut is_first, mut silences) = (true, 0);
        loop {
            let begun = Instant::now();
            let left = end.saturating_duration_since(begun);
            if left.is_zero() {
                return Ok(Polled::Nothing);
            }
            let (window, within) = if silences == 0 {
                (SLICE.min(left), SLICE.min(left) + LATE_MAX)
            } else {
                (Duration::ZERO, ANSWER_MAX)
            };
            let window_ms = u32::try_from(window.as_millis()).unwrap_or(u32::MAX);
            match self.ask(&Ask::Poll { session: self.session, poll, is_first, received, window_ms }, within).await {
                Ok(Answer::Batch { messages, last }) => return Ok(Polled::Batch(Batch { messages, last })),
                Ok(Answer::Superseded) => return Ok(Polled::Superseded),
                Ok(Answer::Nothing | Answer::Busy) => {
                    (is_first, silences) = (false, 0);
                    // An owner that has no room for the wait leaves it to us.
                    sleep_until(begun + window).await;
                }
                Ok(Answer::Gone | Answer::Taken | Answer::TooManyLines) => return Err(Gone),
                Err(Silence { was_sent: false }) => sleep_until(end.min(begun + PAUSE)).await,
                Err(Silence { was_sent: true }) => {
                    silences += 1;
                    if silences >= POLL_SILENCES_MAX {
                        return Err(Gone);
                    }
                }
            }
        }
    }

    /// Hands over a request's body; Ok once the session has dealt with all of it.
    pub async fn post(&self, content_type: Option<&str>, body: &[u8]) -> Result<(), PostFailed> {
        let number = getrandom::u64().map_err(|_| PostFailed::Gone)?;
        let pieces: Vec<&[u8]> = if body.is_empty() { vec![body] } else { body.chunks(PIECE_BYTES_MAX).collect() };
        let count = u16::try_from(pieces.len()).map_err(|_| PostFailed::Gone)?;
        let posting = async {
            for (piece, body) in (0..).zip(pieces) {
                self.post_piece(&Ask::Post {
                    session: self.session,
                    number,
                    content_type: content_type.map(str::to_owned),
                    piece,
                    pieces: count,
                    body: body.to_vec(),
                })
                .await?;
            }
            Ok(())
        };
        timeout(POST_TIMEOUT, posting).await.unwrap_or(Err(PostFailed::Slow))
    }

    async fn post_piece(&self, ask: &Ask) -> Result<(), PostFailed> {
        let mut silences = 0;
        loop {
            match self.ask(ask, ANSWER_MAX).await {
                Ok(Answer::Taken) => return Ok(()),
                Ok(Answer::TooManyLines) => return Err(PostFailed::TooManyLines),
                Ok(Answer::Busy) => {
                    silences = 0;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(_) => return Err(PostFailed::Gone),
                Err(Silence { was_sent: false }) => tokio::time::sleep(PAUSE).await,
                Err(Silence { was_sent: true }) => {
                    silences += 1;
                    if silences >= POST_SILENCES_MAX {
                        return Err(PostFailed::Gone);
                    }
                }
            }
        }
    }

    /// Tells the owner that the first `upto` messages went out. If this fails, they go out again.
    pub async fn received(&self, upto: u64) {
        let ask = Ask::Received { session: self.session, upto };
        if self.ask(&ask, ANSWER_MAX).await.is_err() {
            // Once more, because what is told in vain is sent twice.
            let _ = self.ask(&ask, ANSWER_MAX).await;
        }
    }

    async fn ask(&self, ask: &Ask, within: Duration) -> Result<Answer, Silence> {
        let payload = rmp_serde::to_vec_named(ask).map_err(|_| Silence { was_sent: true })?;
        match self.calls.ask(&self.node, SERVICE, payload, within).await {
            Ok(payload) => rmp_serde::from_slice(&payload).map_err(|_| Silence { was_sent: true }),
            Err(CallFailed::NotSent(_)) => Err(Silence { was_sent: false }),
            Err(CallFailed::NoAnswer { .. }) => Err(Silence { was_sent: true }),
        }
    }
}
