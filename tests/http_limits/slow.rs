//! Clients that take their time.

use downbeat::gateway::Patience;
use tokio::{
    io::AsyncReadExt,
    time::{Instant, interval},
};

use super::serving::{NEVER, PATIENT, SOON, rest, send, serving, until};

#[tokio::test]
async fn a_head_that_comes_drop_by_drop_ends_its_connection() {
    let server = serving(Patience { head: SOON, ..PATIENT }).await;
    let stream = server.connect().await;
    let (mut reading, mut writing) = stream.into_split();
    let begun = Instant::now();
    let drip = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let mut often = interval(SOON / 10);
        let mut line = b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
        while writing.write_all(&line).await.is_ok() {
            line = b"y".to_vec();
            often.tick().await;
        }
    });
    let mut answer = Vec::new();
    let _ = reading.read_to_end(&mut answer).await;
    assert!(begun.elapsed() >= SOON, "each drop begins no new wait, but the first one has its time");
    assert!(!String::from_utf8_lossy(&answer).contains("200"));
    drip.abort();
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_and_so_is_one_that_says_nothing_more() {
    let server = serving(Patience { idle: SOON, ..PATIENT }).await;
    let mut silent = server.connect().await;
    assert_eq!(rest(&mut silent).await, "");

    let mut asking = server.connect().await;
    send(&mut asking, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(until(&mut asking, "hello").await.starts_with("HTTP/1.1 200"));
    send(&mut asking, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(&mut asking, "hello").await;
    assert_eq!(rest(&mut asking).await, "");
}

#[tokio::test]
async fn whoever_waits_for_an_answer_is_not_hurried() {
    let server = serving(Patience { head: SOON, idle: SOON, write: SOON }).await;
    let mut waiting = server.connect().await;
    send(&mut waiting, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // Another one's whole idle time passes meanwhile, twice.
    for _ in 0..2 {
        rest(&mut server.connect().await).await;
    }
    server.go.notify_one();
    assert!(until(&mut waiting, "at last").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_head_of_one_request_does_not_hurry_the_next() {
    let server = serving(Patience { head: SOON, idle: NEVER, write: NEVER }).await;
    let mut keeping = server.connect().await;
    for _ in 0..2 {
        send(&mut keeping, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        until(&mut keeping, "hello").await;
        // For longer than a head may take, by another connection's end.
        let mut other = server.connect().await;
        send(&mut other, "GET").await;
        rest(&mut other).await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_its_connection() {
    let server = serving(Patience { write: SOON, ..PATIENT }).await;
    let mut stuck = server.connect().await;
    send(&mut stuck, "GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut first = [0; 1];
    stuck.read_exact(&mut first).await.expect("it begins");
    // The server's end is what ends the wait: closing, it waits for its last connection.
    drop(server.closing);
    server.served.await.expect("no panic").expect("no error");
    assert!(rest(&mut stuck).await.len() < 64 << 20);
}

#[tokio::test]
async fn a_large_answer_that_is_read_arrives_whole() {
    let server = serving(Patience { write: SOON * 20, ..PATIENT }).await;
    let mut reading = server.connect().await;
    send(&mut reading, "GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(rest(&mut reading).await.len() > 64 << 20);
}

#[tokio::test]
async fn heads_have_a_length_and_a_number_of_headers() {
    let server = serving(PATIENT).await;
    let status = async |request: String| {
        let mut stream = server.connect().await;
        send(&mut stream, &request).await;
        rest(&mut stream).await.lines().next().unwrap_or_default().to_owned()
    };
    let padded = |bytes: usize| format!("GET / HTTP/1.1\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(bytes));
    assert_eq!(status(padded(30_000)).await, "HTTP/1.1 200 OK");
    assert_eq!(status(padded(33_000)).await, "HTTP/1.1 431 Request Header Fields Too Large");
    let many = |count| format!("GET / HTTP/1.1\r\nconnection: close\r\n{}\r\n", "x: y\r\n".repeat(count));
    assert_eq!(status(many(99)).await, "HTTP/1.1 200 OK");
    assert_eq!(status(many(100)).await, "HTTP/1.1 431 Request Header Fields Too Large");
    // A head without an end is refused as soon as it is too long, not when its time is up.
    assert_eq!(status(format!("GET /?{}", "y".repeat(33_000))).await, "HTTP/1.1 431 Request Header Fields Too Large");
}

#[tokio::test]
async fn requests_one_after_another_in_one_write_are_answered_in_their_order() {
    let server = serving(PATIENT).await;
    let mut stream = server.connect().await;
    let ask = |path, close| format!("GET {path} HTTP/1.1\r\nhost: a\r\n{close}\r\n");
    send(&mut stream, &(ask("/", "").repeat(50) + &ask("/none", "connection: close\r\n"))).await;
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 50);
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 1);
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let server = serving(PATIENT).await;
    let mut stream = server.connect().await;
    send(&mut stream, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let answer = rest(&mut stream).await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_body_of_two_lengths_is_never_taken_for_two_requests() {
    let server = serving(PATIENT).await;
    let smuggling = [
        "content-length: 5\r\ncontent-length: 6\r\n\r\nhelloGET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\nGET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
        "transfer-encoding: identity, chunked, gzip\r\n\r\n0\r\n\r\nGET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "content-length: +5\r\n\r\nhello",
    ];
    for body in smuggling {
        let mut stream = server.connect().await;
        send(&mut stream, &format!("POST /read HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{body}")).await;
        let answer = rest(&mut stream).await;
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{body:?}: {answer}");
    }
}
