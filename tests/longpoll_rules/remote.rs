//! Requests through nodes that do not own the session, on a bus that loses messages, and with owners that die.

use std::{sync::Arc, time::Duration};

use downbeat::{
    gateway::{
        SessionToken,
        longpoll::{Answer, Ask, Gone, LongPolls, Parcel, PollRequest, Polled, PostFailed, SERVICE, Serving, Session},
    },
    relay::{Body, LocalBus},
};

use super::{
    relay_support::{Fate, Node, pass, timed},
    session::{Line, batch, open},
};

/// A dead owner is found out within this.
const FOUND_OUT_MAX: Duration = Duration::from_secs(2);
const NDJSON: Option<&str> = Some("application/x-ndjson");

/// Node `a` owns a session; its client's requests come to `b` and `c`.
struct House {
    a: Node,
    b: Node,
    c: Node,
    polls: Arc<LongPolls>,
    token: SessionToken,
    line: Line,
}

impl House {
    fn new() -> Self {
        let bus = LocalBus::new();
        let [a, b, c] = ["a", "b", "c"].map(|id| Node::join(&bus, id));
        let polls = Arc::new(LongPolls::default());
        a.calls.offer(SERVICE, Arc::new(Serving::new(polls.clone())));
        let (session, line) = open(&polls);
        let token = SessionToken { node: "a".into(), session, received: 0 };
        Self { a, b, c, polls, token, line }
    }

    /// The client's way to its session through `node`.
    fn through(&self, node: &Node) -> Session {
        let session = LongPolls::default().reach(&node.id, &node.calls, &self.token);
        session.expect("a session of another node may be there")
    }

    /// What `a` is asked, straight from the wire.
    async fn ask(&self, ask: &Ask) -> Answer {
        let payload = rmp_serde::to_vec_named(ask).expect("it encodes");
        let answer = self.b.calls.ask(&self.a.id, SERVICE, payload, Duration::from_secs(1)).await;
        rmp_serde::from_slice(&answer.expect("an answer")).expect("it decodes")
    }

    fn post(&self, number: u64, piece: u16, pieces: u16, body: &str) -> Ask {
        let (session, content_type) = (self.token.session, NDJSON.map(str::to_owned));
        Ask::Post { session, number, content_type, piece, pieces, body: body.into() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_opened_on_one_node_posted_to_on_another_and_polled_on_a_third() {
    let house = House::new();
    assert_eq!(house.through(&house.b).post(NDJSON, b"[1]\n[2]\nAAEC").await, Ok(()));
    let expected = [Parcel::Text("[1]".into()), Parcel::Text("[2]".into()), Parcel::Binary(vec![0, 1, 2])];
    assert_eq!(house.line.taken(), expected);
    house.line.says("hello");
    assert_eq!(house.through(&house.c).poll(0).await, Ok(batch(&["hello"], 1)));
    house.line.says("again");
    assert_eq!(house.through(&house.b).poll(1).await, Ok(batch(&["again"], 2)));
    let own = house.polls.reach("a", &house.a.calls, &house.token).expect("it is here");
    house.line.says("at home");
    assert_eq!(own.poll(2).await, Ok(batch(&["at home"], 3)));
}

#[tokio::test(start_paused = true)]
async fn a_poll_through_another_node_waits_as_long_as_any_and_hears_at_once() {
    let house = House::new();
    let session = house.through(&house.b);
    let (polled, took) = timed(session.poll(0)).await;
    assert_eq!(polled, Ok(Polled::Nothing));
    assert!((9..=10).contains(&took.as_secs()), "{took:?}");
    let talking = async {
        pass(Duration::from_millis(3_500)).await;
        house.line.says("hello");
    };
    let ((polled, took), ()) = tokio::join!(timed(session.poll(0)), talking);
    assert_eq!(polled, Ok(batch(&["hello"], 1)));
    assert!(took < Duration::from_millis(3_600), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_dies_in_mid_poll_is_gone_within_two_seconds() {
    for dies_after in [0, 1, 700, 999, 1_001, 5_500] {
        let house = House::new();
        let session = house.through(&house.b);
        let dying = async {
            let after = Duration::from_millis(dies_after);
            pass(after).await;
            house.a.dies();
            tokio::time::Instant::now()
        };
        let (polled, died) = tokio::join!(session.poll(0), dying);
        assert_eq!(polled, Err(Gone));
        assert!(died.elapsed() <= FOUND_OUT_MAX, "after {dies_after} ms: {:?}", died.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_to_a_dead_owner_is_gone_within_two_seconds() {
    let house = House::new();
    house.a.dies();
    let (posted, took) = timed(house.through(&house.b).post(NDJSON, b"[1]")).await;
    assert_eq!(posted, Err(PostFailed::Gone));
    assert!(took <= FOUND_OUT_MAX, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_has_started_anew_knows_nothing_of_the_session() {
    let house = House::new();
    house.a.calls.offer(SERVICE, Arc::new(Serving::new(Arc::default())));
    assert_eq!(house.through(&house.b).poll(0).await, Err(Gone));
    assert_eq!(house.through(&house.b).post(NDJSON, b"[1]").await, Err(PostFailed::Gone));
    let own = LongPolls::default().reach("a", &house.a.calls, &house.token);
    assert!(own.is_none(), "of this node, and gone");
}

#[tokio::test(start_paused = true)]
async fn messages_whose_answer_was_lost_come_with_the_next_slice_of_the_same_poll() {
    let house = House::new();
    for message in ["one", "two"] {
        house.line.says(message);
    }
    house.a.loses_next(1);
    assert_eq!(house.through(&house.b).poll(0).await, Ok(batch(&["one", "two"], 2)));
}

#[tokio::test(start_paused = true)]
async fn messages_that_went_to_a_node_that_died_in_mid_poll_come_with_the_next_poll() {
    let house = House::new();
    house.b.dies();
    let asking = house.through(&house.b);
    tokio::select! {
        _ = asking.poll(0) => panic!("it hears nothing"),
        polled = async {
            house.line.says("one");
            house.through(&house.c).poll(0).await
        } => assert_eq!(polled, Ok(batch(&["one"], 1))),
    }
    house.line.says("two");
    assert_eq!(house.through(&house.c).poll(0).await, Ok(batch(&["one", "two"], 2)), "the client had not got it");
    assert_eq!(house.through(&house.c).poll(1).await, Ok(batch(&["two"], 2)), "it had got the first");
}

#[tokio::test(start_paused = true)]
async fn a_lost_question_is_asked_again() {
    let house = House::new();
    house.line.says("hello");
    house.b.loses_next(1);
    assert_eq!(house.through(&house.b).poll(0).await, Ok(batch(&["hello"], 1)));
    house.b.loses_next(2);
    assert_eq!(house.through(&house.b).post(NDJSON, b"[1]").await, Ok(()));
    assert_eq!(house.line.taken_texts(), ["[1]"]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_given_up_on_one_node_does_not_hold_back_the_next_on_another() {
    let house = House::new();
    let given_up = house.through(&house.b);
    let given_up = tokio::spawn(async move { given_up.poll(0).await });
    let newer = house.through(&house.c);
    let newer = async {
        pass(Duration::from_millis(100)).await;
        newer.poll(0).await
    };
    let talking = async {
        // By now the old poll has been told, and does not come back with its next slice.
        pass(Duration::from_secs(5)).await;
        house.line.says("hello");
    };
    let (newer, ()) = tokio::join!(newer, talking);
    assert_eq!(newer, Ok(batch(&["hello"], 1)));
    assert_eq!(given_up.await.expect("no panic"), Ok(Polled::Superseded));
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_answers_are_lost_is_repeated_and_taken_once() {
    let house = House::new();
    house.a.loses_next(2);
    assert_eq!(house.through(&house.b).post(NDJSON, b"[1]\n[2]").await, Ok(()));
    assert_eq!(house.line.taken_texts(), ["[1]", "[2]"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_comes_twice_is_taken_once_and_answered_twice() {
    let house = House::new();
    for _ in 0..2 {
        assert!(matches!(house.ask(&house.post(5, 0, 1, "[1]")).await, Answer::Taken));
    }
    assert!(matches!(house.ask(&house.post(6, 0, 1, "[1]")).await, Answer::Taken));
    assert_eq!(house.line.taken_texts(), ["[1]", "[1]"], "the same words under another number are another post");
}

#[tokio::test(start_paused = true)]
async fn a_body_longer_than_an_envelope_arrives_whole_and_once_though_pieces_and_answers_are_lost() {
    let house = House::new();
    let lines: Vec<String> = (0..50).map(|n| format!("[{n},\"{}\"]", "x".repeat(100_000))).collect();
    let body = lines.join("\n");
    let mut turn = 0;
    house.b.publishes(move |_| {
        turn += 1;
        if turn % 3 == 0 { Fate::IsLost } else { Fate::Arrives }
    });
    let mut turn = 0;
    house.a.publishes(move |_| {
        turn += 1;
        if turn % 4 == 0 { Fate::IsLost } else { Fate::Arrives }
    });
    assert_eq!(house.through(&house.b).post(NDJSON, body.as_bytes()).await, Ok(()));
    assert_eq!(house.line.taken_texts(), lines);
}

#[tokio::test(start_paused = true)]
async fn the_pieces_of_a_body_are_taken_when_the_last_is_there_and_never_in_part() {
    let house = House::new();
    assert!(matches!(house.ask(&house.post(9, 0, 3, "[1]\n[")).await, Answer::Taken));
    assert!(matches!(house.ask(&house.post(9, 0, 3, "[1]\n[")).await, Answer::Taken), "a repetition");
    assert!(matches!(house.ask(&house.post(9, 2, 3, "]")).await, Answer::Gone), "a piece is missing");
    assert!(matches!(house.ask(&house.post(9, 1, 3, "2")).await, Answer::Taken));
    assert_eq!(house.line.taken(), []);
    for _ in 0..2 {
        assert!(matches!(house.ask(&house.post(9, 2, 3, "]")).await, Answer::Taken), "the last, and its repetition");
    }
    assert_eq!(house.line.taken_texts(), ["[1]", "[2]"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_too_many_lines_is_refused_as_it_is_at_home() {
    let house = House::new();
    let body = b"[1]\n".repeat(1_001);
    let own = house.polls.reach("a", &house.a.calls, &house.token).expect("it is here");
    for session in [house.through(&house.b), own] {
        assert_eq!(session.post(NDJSON, &body).await, Err(PostFailed::TooManyLines));
    }
    assert_eq!(house.line.taken(), []);
}

#[tokio::test(start_paused = true)]
async fn more_than_an_envelope_holds_comes_in_several_polls() {
    let house = House::new();
    let long = "x".repeat(300_000);
    for n in 0..10 {
        house.line.says(&format!("{n}{long}"));
    }
    let (mut received, mut heard) = (0, String::new());
    while heard.len() < 10 {
        let Ok(Polled::Batch(batch)) = house.through(&house.c).poll(received).await else { panic!("there is more") };
        heard.extend(batch.messages.iter().filter_map(|message| message.chars().next()));
        received = batch.last;
    }
    assert_eq!(heard, "0123456789");
}

#[tokio::test(start_paused = true)]
async fn what_http_has_told_of_reaches_the_owner_before_the_next_poll_on_any_node() {
    let house = House::new();
    house.line.says("one");
    assert_eq!(house.through(&house.b).poll(0).await, Ok(batch(&["one"], 1)));
    house.b.loses_next(1);
    house.through(&house.b).received(1).await;
    house.line.says("two");
    assert_eq!(house.through(&house.c).poll(0).await, Ok(batch(&["two"], 2)), "a client that keeps its first token");
}

#[tokio::test(start_paused = true)]
async fn while_the_bus_cannot_be_reached_a_session_is_not_taken_for_dead() {
    let house = House::new();
    house.b.publishes(|_| Fate::IsRefused);
    let (polled, took) = timed(house.through(&house.b).poll(0)).await;
    assert_eq!((polled, took.as_secs()), (Ok(Polled::Nothing), 10));
    assert_eq!(house.through(&house.b).post(NDJSON, b"[1]").await, Err(PostFailed::Slow));
}

#[tokio::test(start_paused = true)]
async fn an_idle_poll_costs_one_call_a_second() {
    let house = House::new();
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = calls.clone();
    house.b.publishes(move |body| {
        assert!(matches!(body, Body::Call(_)));
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Fate::Arrives
    });
    assert_eq!(house.through(&house.b).poll(0).await, Ok(Polled::Nothing));
    let calls = calls.load(std::sync::atomic::Ordering::Relaxed);
    assert!((9..=11).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_question_is_not_answered_and_a_request_for_no_session_is_gone() {
    let house = House::new();
    let asked = house.b.calls.ask(&house.a.id, SERVICE, b"garbage".to_vec(), Duration::from_secs(1)).await;
    assert!(asked.is_err());
    let stranger = Ask::Poll { session: 1, poll: 1, is_first: true, received: 0, window_ms: 1_000 };
    assert!(matches!(house.ask(&stranger).await, Answer::Gone));
    let request = PollRequest { poll: 1, is_first: false, received: 0, window: Duration::from_secs(1) };
    let session = house.polls.find(house.token.session).expect("it is here");
    assert_eq!(session.poll(request).await, Ok(Polled::Superseded), "a slice of a poll that nobody has begun");
}

#[tokio::test(start_paused = true)]
async fn polls_of_others_beyond_the_places_are_answered_at_once_with_what_there_is() {
    const WAITING_MAX: usize = 4_096;
    let house = House::new();
    let lines: Vec<(u64, Line)> = (0..=WAITING_MAX).map(|_| open(&house.polls)).collect();
    let poll = |session| {
        let ask = Ask::Poll { session, poll: 1, is_first: true, received: 0, window_ms: 5_000 };
        let payload = rmp_serde::to_vec_named(&ask).expect("it encodes");
        let (calls, owner) = (house.b.calls.clone(), house.a.id.clone());
        timed(async move { calls.ask(&owner, SERVICE, payload, Duration::from_secs(9)).await })
    };
    let waiting: Vec<_> = lines.iter().take(WAITING_MAX).map(|(session, _)| tokio::spawn(poll(*session))).collect();
    pass(Duration::from_millis(1)).await;
    let (last, line) = lines.last().expect("one more");
    let (answer, took) = poll(*last).await;
    let answer = rmp_serde::from_slice(&answer.expect("an answer")).expect("it decodes");
    assert!(matches!(answer, Answer::Nothing) && took == Duration::ZERO, "{answer:?} after {took:?}");
    let token = SessionToken { session: *last, ..house.token.clone() };
    let session = LongPolls::default().reach("c", &house.c.calls, &token).expect("elsewhere");
    let talking = async {
        pass(Duration::from_millis(200)).await;
        line.says("hello");
    };
    let ((polled, took), ()) = tokio::join!(timed(session.poll(0)), talking);
    assert_eq!(polled, Ok(batch(&["hello"], 1)));
    assert!((200..=1_100).contains(&took.as_millis()), "within a slice: {took:?}");
    for asked in waiting {
        let (answer, took) = asked.await.expect("no panic");
        assert!(answer.is_ok() && took >= Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_given_up_does_not_come_back_even_if_the_word_of_that_is_lost() {
    let house = House::new();
    let given_up = house.through(&house.b);
    let given_up = tokio::spawn(async move { given_up.poll(0).await });
    // Its first slice has been answered.
    pass(Duration::from_millis(1_200)).await;
    house.a.loses_next(1);
    let talking = async {
        pass(Duration::from_secs(4)).await;
        house.line.says("hello");
    };
    let (newer, ()) = tokio::join!(async { house.through(&house.c).poll(0).await }, talking);
    assert_eq!(newer, Ok(batch(&["hello"], 1)));
    assert_eq!(given_up.await.expect("no panic"), Ok(Polled::Superseded));
}
