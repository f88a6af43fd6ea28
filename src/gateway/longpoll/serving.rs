//! Answers what other nodes ask about the long-poll sessions of this one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Gone, Handle, LongPolls, PollRequest, Polled, WINDOW,
    messages::{Answer, Ask},
    parcels,
    pieces::{Gathered, Pieces},
};
use crate::{
    protocol::longpoll_body::parse_body,
    relay::{ENVELOPE_BYTES_MAX, Service},
};

/// Polls of other nodes that wait here at once. Those beyond are answered at once with what there is, so that they
/// never take the places of the nodes' other calls.
const WAITING_MAX: usize = 4_096;
/// A session that has not dealt with a post after so long is slow, and whoever asks is told that it lives.
const SLOW_MIN: Duration = Duration::from_millis(300);
/// What an envelope says beside its answer, with much to spare.
const ENVELOPE_REST_BYTES: usize = 1_024;

/// The part of this node that others ask.
pub struct Serving {
    polls: Arc<LongPolls>,
    pieces: Mutex<Pieces>,
    waiting: Semaphore,
}

impl Serving {
    pub fn new(polls: Arc<LongPolls>) -> Self {
        Self { polls, pieces: Mutex::default(), waiting: Semaphore::new(WAITING_MAX) }
    }

    async fn answer(&self, ask: Ask) -> Answer {
        let answer = match ask {
            Ask::Poll { session, poll, is_first, received, window_ms } => {
                let window = Duration::from_millis(window_ms.into());
                self.poll(session, PollRequest { poll, is_first, received, window }).await
            }
            Ask::Post { session, number, content_type, piece, pieces, body } => match self.session(session) {
                Ok(handle) => {
                    let gathered = self.pieces.lock().add((session, number), piece, pieces, body, Instant::now());
                    let posting = post(&handle, number, gathered, content_type);
                    timeout(SLOW_MIN, posting).await.unwrap_or(Ok(Answer::Busy))
                }
                Err(Gone) => Err(Gone),
            },
            Ask::Received { session, upto } => self.received(session, upto).await,
        };
        answer.unwrap_or(Answer::Gone)
    }

    async fn poll(&self, session: u64, mut request: PollRequest) -> Result<Answer, Gone> {
        let session = self.session(session)?;
        let place = self.waiting.try_acquire();
        request.window = if place.is_ok() { request.window.min(WINDOW) } else { Duration::ZERO };
        Ok(match session.poll(request).await? {
            Polled::Batch(batch) => Answer::Batch { messages: batch.messages, last: batch.last },
            Polled::Nothing => Answer::Nothing,
            Polled::Superseded => Answer::Superseded,
        })
    }

    async fn received(&self, session: u64, upto: u64) -> Result<Answer, Gone> {
        self.session(session)?.received(upto).await?;
        Ok(Answer::Taken)
    }

    fn session(&self, session: u64) -> Result<Handle, Gone> {
        self.polls.find(session).ok_or(Gone)
    }
}

/// Hands a body to its session, once it is whole.
async fn post(session: &Handle, number: u64, gathered: Gathered, content_type: Option<String>) -> Result<Answer, Gone> {
    let body = match gathered {
        Gathered::Whole(body) => body,
        Gathered::Part => return Ok(Answer::Taken),
        Gathered::Full => return Ok(Answer::Busy),
        // Perhaps the last piece of a body that was whole before, and the answer to it was lost.
        Gathered::Unknown if session.has_taken(number).await? => return Ok(Answer::Taken),
        Gathered::Unknown => return Err(Gone),
    };
    let Ok(body) = parse_body(content_type.as_deref(), &body) else {
        return Ok(Answer::TooManyLines);
    };
    session.post(Some(number), parcels(body)).await?;
    Ok(Answer::Taken)
}

#[async_trait]
impl Service for Serving {
    async fn serve(&self, from: Arc<str>, payload: Vec<u8>) -> Option<Vec<u8>> {
        let ask = rmp_serde::from_slice(&payload)
            .inspect_err(|error| tracing::debug!(node.from = %from, %error, "no question about long poll"))
            .ok()?;
        let answer = rmp_serde::to_vec_named(&self.answer(ask).await).ok()?;
        if answer.len() + ENVELOPE_REST_BYTES <= ENVELOPE_BYTES_MAX {
            return Some(answer);
        }
        tracing::warn!(
            node.from = %from, bytes = answer.len(),
            "a message is too long for the relay: its session ends"
        );
        rmp_serde::to_vec_named(&Answer::Gone).ok()
    }
}
