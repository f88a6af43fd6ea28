//! Somebody in a room, over a socket.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

use crate::node::{Node, PATIENCE};

/// One connection in one topic.
pub struct Pupil {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    topic: String,
    refs: u32,
}

/// How a socket ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub events: Vec<(String, Value)>,
    pub code: u16,
}

impl Pupil {
    /// Connects and joins a room.
    pub async fn join(node: &Node, token: &str, code: &str) -> Self {
        let (socket, _) = connect_async(url(node, token)).await.expect("a socket");
        let mut pupil = Self { socket, topic: format!("music_room:{code}"), refs: 0 };
        let joined = pupil.ask("phx_join", json!({})).await;
        assert_eq!(joined["status"], "ok", "{joined}");
        pupil
    }

    /// Asks, and waits for the reply.
    pub async fn ask(&mut self, event: &str, payload: Value) -> Value {
        let topic = self.topic.clone();
        self.ask_of(&topic, event, payload).await
    }

    pub async fn ask_of(&mut self, topic: &str, event: &str, payload: Value) -> Value {
        self.refs += 1;
        let reference = self.refs.to_string();
        let join_ref = if event == "phx_join" { json!(reference) } else { Value::Null };
        let frame = json!([join_ref, reference, topic, event, payload]).to_string();
        self.socket.send(Message::text(frame)).await.expect("it is open");
        let heard = async {
            loop {
                let frame = self.next_frame().await.expect("it is open");
                if frame[3] == "phx_reply" && frame[1] == reference.as_str() {
                    return frame[4].clone();
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("it is answered in time")
    }

    /// Asks until the reply is as wanted; says how long that took.
    pub async fn until(&mut self, event: &str, payload: &Value, enough: impl Fn(&Value) -> bool) -> Duration {
        let began = Instant::now();
        loop {
            let reply = self.ask(event, payload.clone()).await;
            if enough(&reply) {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "{event}: {reply}");
        }
    }

    /// Waits until the server closes the socket, and tells what it said before.
    pub async fn ended(mut self) -> Ended {
        let mut events = Vec::new();
        let ending = async {
            loop {
                match self.next_frame().await {
                    Ok(frame) if frame[3] == "beat" || frame[3] == "timeline" => {}
                    Ok(frame) => events.push((frame[3].as_str().unwrap_or_default().to_owned(), frame[4].clone())),
                    Err(code) => return code,
                }
            }
        };
        let code = tokio::time::timeout(PATIENCE, ending).await.expect("it is closed in time");
        Ended { events, code }
    }

    /// The next frame of text, or the code that the socket is closed with.
    async fn next_frame(&mut self) -> Result<Value, u16> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(Some(close)))) => return Err(close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }
}

/// The status and the words with which a handshake is refused.
pub async fn refused(node: &Node, token: &str) -> (u16, String) {
    match connect_async(url(node, token)).await {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8_lossy(&body).into_owned())
        }
        other => panic!("no refusal: {other:?}"),
    }
}

fn url(node: &Node, token: &str) -> String {
    format!("ws://{}/socket/websocket?vsn=2.0.0&token={token}", node.address)
}
