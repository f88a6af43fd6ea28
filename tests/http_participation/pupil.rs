//! Somebody in a room, over a socket.

use downbeat::room::TokenRole;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::school::{PATIENCE, School, student, teacher};

/// One connection in one room.
pub struct Pupil {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    topic: String,
    refs: u32,
}

impl Pupil {
    pub async fn join(school: &School, code: &str, role: TokenRole, id: &str) -> Self {
        let token = if role == TokenRole::Teacher { teacher("acme") } else { student(id) };
        let url = format!("ws://{}/socket/websocket?vsn=2.0.0&token={token}", school.address);
        let (socket, _) = connect_async(url).await.expect("a socket");
        let mut pupil = Self { socket, topic: format!("music_room:{code}"), refs: 0 };
        pupil.ask("phx_join", json!({ "name": id })).await;
        pupil
    }

    /// Asks, and waits for the ok.
    pub async fn ask(&mut self, event: &str, payload: Value) -> Value {
        self.refs += 1;
        let reference = self.refs.to_string();
        let frame = json!(["1", reference, self.topic, event, payload]).to_string();
        self.socket.send(Message::text(frame)).await.expect("it is open");
        let mut answer = self.hear(|frame| frame[3] == "phx_reply" && frame[1] == reference.as_str()).await;
        assert_eq!(answer[4]["status"], "ok", "{event}: {answer}");
        answer[4]["response"].take()
    }

    /// The next frame that satisfies.
    pub async fn hear(&mut self, enough: impl Fn(&Value) -> bool) -> Value {
        let heard = async {
            while let Some(Ok(message)) = self.socket.next().await {
                let frame: Value =
                    message.to_text().ok().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                if enough(&frame) {
                    return frame;
                }
            }
            panic!("the socket was closed");
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("it is heard in time")
    }
}
