//! What one address may do, seen from behind a proxy that the server trusts.

use std::time::Duration;

use downbeat::room::TokenRole;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::{Server, sent, token};

const BEHIND_A_PROXY: [&str; 5] = ["serve", "--config", "downbeat.toml", "--trusted-proxies", "127.0.0.0/8"];

async fn serve(name: &str, more: &[&str]) -> Server {
    Server::start(name, &[BEHIND_A_PROXY.as_slice(), more].concat()).await
}

/// The head of the answer to a handshake that the proxy says is `forwarded_for` somebody's; and the connection.
async fn handshake(server: &Server, forwarded_for: &str, token: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let request = format!(
        "GET /socket/websocket?vsn=2.0.0&token={token} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         x-forwarded-for: {forwarded_for}\r\n\r\n",
        server.address()
    );
    stream.write_all(request.as_bytes()).await.expect("it takes the request");
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut bytes = [0; 4_096];
        let read = stream.read(&mut bytes).await.expect("an answer");
        assert_ne!(read, 0, "closed without an answer");
        answer.extend_from_slice(&bytes[..read]);
    }
    (String::from_utf8_lossy(&answer).into_owned(), stream)
}

async fn status(server: &Server, forwarded_for: &str) -> String {
    let (answer, _) = handshake(server, forwarded_for, &token("acme", TokenRole::Student)).await;
    answer.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn whoever_opens_too_fast_is_told_when_to_come_back_and_others_do_not_notice() {
    let server = serve("rate", &["--address-handshakes-per-s", "1", "--address-handshake-burst", "3"]).await;
    for _ in 0..3 {
        assert_eq!(status(&server, "198.51.100.7").await, "101");
    }
    let (refused, _) = handshake(&server, "198.51.100.7", "none").await;
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    assert_eq!(status(&server, "1.2.3.4, 198.51.100.7").await, "429", "what it says before its address is its own");
    assert_eq!(status(&server, "198.51.100.8").await, "101");
    let metrics = sent(server.client.get(&server.metrics)).await.text;
    assert!(metrics.contains("handshakes_refused_total{kind=\"address_rate\"} 2"), "{metrics}");
}

#[tokio::test]
async fn a_long_poll_s_opening_counts_too_and_is_refused_in_the_words_of_its_clients() {
    let server = serve("polls", &["--address-handshakes-per-s", "1", "--address-handshake-burst", "1"]).await;
    let open = async |forwarded_for: &str| {
        let path = format!("/socket/longpoll?vsn=2.0.0&token={}", token("acme", TokenRole::Student));
        sent(server.request(Method::GET, &path).header("x-forwarded-for", forwarded_for)).await
    };
    assert_eq!(open("2001:db8:0:1::1").await.json()["status"], 410, "a new session's token");
    let refused = open("2001:db8:0:1::2").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.json()["status"], 403);
    assert!(refused.json()["error"].as_str().is_some_and(|words| words.contains("try again in 1 s")));
}

#[tokio::test]
async fn an_address_holds_so_many_sockets_and_a_closed_one_makes_room() {
    let server = serve("held", &["--address-sockets", "1"]).await;
    let (first, held) = handshake(&server, "198.51.100.7", &token("acme", TokenRole::Student)).await;
    assert!(first.starts_with("HTTP/1.1 101"), "{first}");
    assert_eq!(status(&server, "198.51.100.7").await, "429");
    drop(held);
    let mut often = tokio::time::interval(Duration::from_millis(10));
    let freed = async {
        while status(&server, "198.51.100.7").await != "101" {
            often.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed).await.expect("the place is given back");
}

#[tokio::test]
async fn this_machine_and_a_zero_have_no_limit() {
    let few = ["--address-handshakes-per-s", "1", "--address-handshake-burst", "1", "--address-sockets", "1"];
    let alone = Server::start("alone", &[["serve", "--config", "downbeat.toml"].as_slice(), &few].concat()).await;
    let none = serve("none", &["--address-handshakes-per-s", "0", "--address-sockets", "0"]).await;
    let mut held = Vec::new();
    for _ in 0..600 {
        held.push(handshake(&none, "198.51.100.7", &token("acme", TokenRole::Student)).await.1);
    }
    for _ in 0..5 {
        // An untrusted peer's word about others changes nothing.
        let (answer, stream) = handshake(&alone, "198.51.100.7", &token("acme", TokenRole::Student)).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        held.push(stream);
    }
}

#[tokio::test]
async fn guesses_are_counted_by_the_address_behind_the_proxy() {
    let server = serve("guesses", &[]).await;
    let guess = async |forwarded_for: &str| {
        let request = server.request(Method::POST, "/api/music/rooms/MUSIC-0000/guest");
        let begun = tokio::time::Instant::now();
        let answer =
            sent(request.header("x-forwarded-for", forwarded_for).body(json!({"name": "Eve"}).to_string())).await;
        assert_eq!(answer.status, 404, "{}", answer.text);
        begun.elapsed()
    };
    for _ in 0..62 {
        guess("198.51.100.7").await;
    }
    assert!(guess("198.51.100.7").await >= Duration::from_millis(100), "it waits");
    assert_eq!(server.get("/api/ping").await.json(), Value::from_iter([("status", "ok")]));
    let first_of_another = guess("198.51.100.8").await;
    assert!(first_of_another < Duration::from_millis(100), "{first_of_another:?}");
}
