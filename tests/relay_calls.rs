//! Questions from node to node: what is answered, what is not, and what becomes of answers that nobody awaits.

mod relay_support;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use downbeat::relay::{Body, CallFailed, LocalBus, NotPublished, Service};
use parking_lot::Mutex;
use relay_support::{Fate, Node, timed};
use tokio::sync::{Semaphore, mpsc};

const WITHIN: Duration = Duration::from_millis(500);

/// Answers with who asked, and what.
struct Echo;

#[async_trait]
impl Service for Echo {
    async fn serve(&self, from: Arc<str>, payload: Vec<u8>) -> Option<Vec<u8>> {
        Some([from.as_bytes(), b" said ", &payload].concat())
    }
}

/// Tells that it was asked, and answers when it is let.
struct Gated {
    asked: mpsc::UnboundedSender<Vec<u8>>,
    may_answer: Arc<Semaphore>,
}

impl Gated {
    fn offered_by(node: &Node) -> (mpsc::UnboundedReceiver<Vec<u8>>, Arc<Semaphore>) {
        let (asked, questions) = mpsc::unbounded_channel();
        let may_answer = Arc::new(Semaphore::new(0));
        node.calls.offer("gated", Arc::new(Self { asked, may_answer: may_answer.clone() }));
        (questions, may_answer)
    }
}

#[async_trait]
impl Service for Gated {
    async fn serve(&self, _: Arc<str>, payload: Vec<u8>) -> Option<Vec<u8>> {
        self.asked.send(payload.clone()).expect("the test listens");
        self.may_answer.acquire().await.expect("never closed").forget();
        Some(payload)
    }
}

fn two_nodes() -> (Node, Node) {
    let bus = LocalBus::new();
    let (a, b) = (Node::join(&bus, "a"), Node::join(&bus, "b"));
    b.calls.offer("echo", Arc::new(Echo));
    (a, b)
}

async fn ask(from: &Node, to: &Node, service: &str, payload: &[u8]) -> Result<Vec<u8>, CallFailed> {
    from.calls.ask(&to.id, service, payload.to_vec(), WITHIN).await
}

fn no_answer(node: &Node) -> Result<Vec<u8>, CallFailed> {
    Err(CallFailed::NoAnswer { node: node.id.clone(), within: WITHIN })
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_by_the_part_that_it_names() {
    let (a, b) = two_nodes();
    assert_eq!(ask(&a, &b, "echo", b"hello").await, Ok(b"a said hello".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_questions_in_whatever_order_they_come() {
    let (a, b) = two_nodes();
    let (mut questions, may_answer) = Gated::offered_by(&b);
    let slow = async { ask(&a, &b, "gated", b"slow").await };
    let quick = async {
        assert_eq!(questions.recv().await.as_deref(), Some(&b"slow"[..]));
        let answer = ask(&a, &b, "echo", b"quick").await;
        may_answer.add_permits(1);
        answer
    };
    assert_eq!(tokio::join!(slow, quick), (Ok(b"slow".to_vec()), Ok(b"a said quick".to_vec())));
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_and_a_lost_answer_are_told_when_the_time_is_over() {
    let (a, b) = two_nodes();
    for loser in [&a, &b] {
        loser.loses_next(1);
        let (answer, took) = timed(ask(&a, &b, "echo", b"?")).await;
        assert_eq!((answer, took), (no_answer(&b), WITHIN));
        assert!(ask(&a, &b, "echo", b"again").await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_the_other_release_does_not_have_does_not_answer() {
    let (a, b) = two_nodes();
    assert_eq!(ask(&a, &b, "unheard of", b"?").await, no_answer(&b));
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_and_one_that_never_was_do_not_answer() {
    let (a, b) = two_nodes();
    b.dies();
    assert_eq!(ask(&a, &b, "echo", b"?").await, no_answer(&b));
    let stranger = Node::join(&LocalBus::new(), "on another bus");
    assert_eq!(ask(&a, &stranger, "echo", b"?").await, no_answer(&stranger));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_sent_fails_at_once() {
    let (a, b) = two_nodes();
    a.publishes(|_| Fate::IsRefused);
    let (answer, took) = timed(ask(&a, &b, "echo", b"?")).await;
    assert_eq!(answer, Err(CallFailed::NotSent(NotPublished::Unreachable)));
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_reaches_no_other_question() {
    let (a, b) = two_nodes();
    let (mut questions, may_answer) = Gated::offered_by(&b);
    assert_eq!(ask(&a, &b, "gated", b"first").await, no_answer(&b));
    assert_eq!(questions.recv().await.as_deref(), Some(&b"first"[..]));
    may_answer.add_permits(2);
    assert_eq!(ask(&a, &b, "gated", b"second").await, Ok(b"second".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_asker_has_gone_disturbs_nobody() {
    let (a, b) = two_nodes();
    let (mut questions, may_answer) = Gated::offered_by(&b);
    tokio::select! {
        _ = ask(&a, &b, "gated", b"given up") => panic!("nobody has let it answer"),
        question = questions.recv() => assert_eq!(question.as_deref(), Some(&b"given up"[..])),
    }
    may_answer.add_permits(1);
    assert_eq!(ask(&a, &b, "echo", b"next").await, Ok(b"a said next".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_twice_is_taken_once() {
    let (a, b) = two_nodes();
    let answers = Arc::new(Mutex::new(Vec::new()));
    let seen = answers.clone();
    b.publishes(move |body| {
        seen.lock().push(body.clone());
        Fate::Arrives
    });
    assert!(ask(&a, &b, "echo", b"1").await.is_ok());
    let again = answers.lock().first().cloned().expect("an answer");
    assert!(matches!(again, Body::Answer(_)));
    a.calls.take_in(downbeat::relay::Envelope { origin: b.id.clone(), incarnation: 7, body: again });
    assert_eq!(ask(&a, &b, "echo", b"2").await, Ok(b"a said 2".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_bound_are_not_answered_and_later_ones_are_again() {
    const UNDER_WAY_MAX: usize = 8_192;
    let (a, b) = two_nodes();
    let (mut questions, may_answer) = Gated::offered_by(&b);
    let asking: Vec<_> = (0..UNDER_WAY_MAX)
        .map(|_| {
            let (calls, to) = (a.calls.clone(), b.id.clone());
            tokio::spawn(async move { calls.ask(&to, "gated", Vec::new(), Duration::from_secs(60)).await })
        })
        .collect();
    for _ in 0..UNDER_WAY_MAX {
        questions.recv().await.expect("a question");
    }
    assert_eq!(ask(&a, &b, "echo", b"one too many").await, no_answer(&b));
    may_answer.add_permits(UNDER_WAY_MAX);
    for asked in asking {
        assert_eq!(asked.await.expect("no panic"), Ok(Vec::new()));
    }
    assert!(ask(&a, &b, "echo", b"there is room again").await.is_ok());
}
