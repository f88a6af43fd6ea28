//! A stand-in for a client's connection, which repeats what it is told; and a session's own rules.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use downbeat::{
    gateway::longpoll::{Batch, Carried, Ended, Gone, LongPolls, Parcel, PollRequest, Polled},
    telemetry::Metrics,
};
use parking_lot::Mutex;

use super::relay_support::{pass, timed};

#[derive(Default)]
struct State {
    waiting: VecDeque<String>,
    taken: Vec<Parcel>,
    is_closing: bool,
    waker: Option<Waker>,
}

/// The test's end of a session's connection.
#[derive(Clone, Default)]
pub struct Line(Arc<Mutex<State>>);

impl Line {
    /// The room says this.
    pub fn says(&self, message: &str) {
        self.change(|state| state.waiting.push_back(message.to_owned()));
    }

    pub fn closes(&self) {
        self.change(|state| state.is_closing = true);
    }

    /// What the client has posted.
    pub fn taken(&self) -> Vec<Parcel> {
        self.0.lock().taken.clone()
    }

    pub fn taken_texts(&self) -> Vec<String> {
        let text = |parcel| match parcel {
            Parcel::Text(text) => text,
            other => panic!("{other:?} is no text"),
        };
        self.taken().into_iter().map(text).collect()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        change(&mut state);
        state.waker.take().into_iter().for_each(Waker::wake);
    }
}

impl Carried for Line {
    fn take(&mut self, parcel: Parcel) -> Result<(), Ended> {
        if parcel == Parcel::Malformed {
            return Err(Ended);
        }
        self.0.lock().taken.push(parcel);
        Ok(())
    }

    fn heard(&self) {}

    fn pop(&mut self) -> Option<String> {
        self.0.lock().waiting.pop_front()
    }

    fn poll_ready(&mut self, leave_messages: bool, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        state.waker = Some(context.waker().clone());
        let has_something = state.is_closing || (!leave_messages && !state.waiting.is_empty());
        if has_something { Poll::Ready(()) } else { Poll::Pending }
    }

    fn work(&mut self) {}

    fn is_closing(&self) -> bool {
        self.0.lock().is_closing
    }
}

/// Opens a session; answers its number and the test's end of it.
pub fn open(polls: &LongPolls) -> (u64, Line) {
    let line = Line::default();
    (polls.open(&Arc::new(Metrics::new()), line.clone()), line)
}

pub fn batch(messages: &[&str], last: u64) -> Polled {
    Polled::Batch(Batch { messages: messages.iter().map(|message| (*message).to_owned()).collect(), last })
}

fn poll(poll: u64, received: u64) -> PollRequest {
    PollRequest { poll, is_first: true, received, window: Duration::from_secs(10) }
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_for_a_message_and_no_longer_than_its_window() {
    let polls = LongPolls::default();
    let (number, line) = open(&polls);
    let session = polls.find(number).expect("it is open");
    assert_eq!(timed(session.poll(poll(1, 0))).await, (Ok(Polled::Nothing), Duration::from_secs(10)));
    let (polled, ()) = tokio::join!(session.poll(poll(2, 0)), async { line.says("hello") });
    assert_eq!(polled, Ok(batch(&["hello"], 1)));
}

#[tokio::test(start_paused = true)]
async fn a_newer_poll_takes_over_and_gets_what_the_older_one_may_have_got() {
    let polls = LongPolls::default();
    let (number, line) = open(&polls);
    let session = polls.find(number).expect("it is open");
    let older = session.poll(poll(1, 0));
    let newer = async {
        tokio::task::yield_now().await;
        session.poll(poll(2, 0)).await
    };
    let room = async {
        pass(Duration::from_secs(1)).await;
        line.says("hello");
    };
    let (older, newer, ()) = tokio::join!(older, newer, room);
    assert_eq!((older, newer), (Ok(Polled::Superseded), Ok(batch(&["hello"], 1))));
    assert_eq!(session.poll(poll(3, 0)).await, Ok(batch(&["hello"], 1)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_shows_nothing_gets_nothing_twice_once_http_has_told() {
    let polls = LongPolls::default();
    let (number, line) = open(&polls);
    let session = polls.find(number).expect("it is open");
    line.says("one");
    assert_eq!(session.poll(poll(1, 0)).await, Ok(batch(&["one"], 1)));
    assert_eq!(session.received(1).await, Ok(()));
    line.says("two");
    assert_eq!(session.poll(poll(2, 0)).await, Ok(batch(&["two"], 2)));
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_nobody_polls_it_when_it_is_closed_and_when_what_is_posted_is_no_message() {
    let polls = LongPolls::default();
    let (closed, line) = open(&polls);
    let session = polls.find(closed).expect("it is open");
    let (polled, ()) = tokio::join!(session.poll(poll(1, 0)), async { line.closes() });
    assert_eq!(polled, Err(Gone));
    let (spoiled, _line) = open(&polls);
    let session = polls.find(spoiled).expect("it is open");
    assert_eq!(session.post(None, vec![Parcel::Malformed]).await, Err(Gone));
    let (abandoned, line) = open(&polls);
    let session = polls.find(abandoned).expect("it is open");
    // The line is the test's alone once the session has let go of it.
    let let_go = async {
        while Arc::strong_count(&line.0) > 1 {
            pass(Duration::from_secs(1)).await;
        }
    };
    let ((), took) = timed(let_go).await;
    assert!((29..=32).contains(&took.as_secs()), "after {took:?}");
    assert_eq!(session.poll(poll(1, 0)).await, Err(Gone));
    assert!([closed, spoiled, abandoned].into_iter().all(|session| polls.find(session).is_none()));
}
