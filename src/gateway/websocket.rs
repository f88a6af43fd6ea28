//! A WebSocket's loop: one task, one future, no timer. It writes what waits, then hears what came.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{FutureExt, Sink, Stream, StreamExt, future::poll_fn};

use super::{connection::Connection, outbox::Frame};
use crate::{
    protocol::CloseCode,
    telemetry::{Open, count},
};

/// Frames read in one go before other tasks get their turn.
const READS_PER_TURN: usize = 16;
/// How long a client has to answer the server's close frame, or to read it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const TRANSPORT: &str = "websocket";

/// Turns of reading and writing before other tasks get theirs.
const TURNS: usize = 4;

/// Why the loop ended.
enum End {
    /// The client's connection broke.
    Gone,
    /// The client said goodbye.
    Closed,
    Close(CloseCode),
}

/// Serves one upgraded socket to its end.
pub async fn serve(mut socket: WebSocket, connection: Connection) {
    let metrics = connection.gateway().metrics.clone();
    let registration = connection.registration();
    let open = Open::count(&metrics, TRANSPORT);
    // Whoever is in a room leaves it before the close handshake, which may take its time: the loop owns the connection.
    let end = AssertUnwindSafe(run(&mut socket, connection)).catch_unwind().await;
    drop(open);
    let code = match end {
        Ok(End::Gone) => return,
        Ok(End::Closed) => {
            // Reading on is what sends the answer to the client's close frame.
            let answered = async { while let Some(Ok(_)) = socket.next().await {} };
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, answered).await;
            return;
        }
        Ok(End::Close(code)) => code,
        Err(_) => {
            count(&metrics.panics, "socket");
            CloseCode::Malformed
        }
    };
    count(&metrics.connections_closed, cause(code));
    close(socket, code).await;
    // The drain waits for those whose close frame is still on its way.
    drop(registration);
}

async fn run(socket: &mut WebSocket, mut connection: Connection) -> End {
    let mut unflushed = false;
    poll_fn(|context| poll(socket, &mut connection, &mut unflushed, context)).await
}

fn poll(
    socket: &mut WebSocket,
    connection: &mut Connection,
    unflushed: &mut bool,
    context: &mut Context<'_>,
) -> Poll<End> {
    connection.outbox().register(context);
    let mut blocked = match write(socket, connection, unflushed, context) {
        Ok(blocked) => blocked,
        Err(end) => return Poll::Ready(end),
    };
    for _ in 0..TURNS {
        let mut progressed = false;
        for signal in connection.outbox().take_signals() {
            connection.obey(signal);
            progressed = true;
        }
        while connection.poll_running(context) {
            progressed = true;
        }
        // A client that does not read is not read from either: its answers would only pile up.
        for _ in 0..if blocked { 0 } else { READS_PER_TURN } {
            match Pin::new(&mut *socket).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => {
                    if let Some(end) = receive(connection, message) {
                        return Poll::Ready(end);
                    }
                    progressed = true;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(end_of(&error)),
                Poll::Ready(None) => return Poll::Ready(End::Gone),
                Poll::Pending => break,
            }
        }
        // Everything that was asked in one go is answered in one write.
        blocked = match write(socket, connection, unflushed, context) {
            Ok(blocked) => blocked,
            Err(end) => return Poll::Ready(end),
        };
        if !progressed {
            return Poll::Pending;
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Writes everything that waits into one flush; true when the socket takes no more for now.
fn write(
    socket: &mut WebSocket,
    connection: &Connection,
    unflushed: &mut bool,
    context: &mut Context<'_>,
) -> Result<bool, End> {
    let outbox = connection.outbox();
    let mut sink = Pin::new(socket);
    let mut blocked = false;
    loop {
        match sink.as_mut().poll_ready(context) {
            Poll::Pending => {
                blocked = true;
                break;
            }
            Poll::Ready(Err(_)) => return Err(End::Gone),
            Poll::Ready(Ok(())) => {}
        }
        let Some(frame) = outbox.pop() else { break };
        let message = match frame {
            Frame::Text(text) => Message::Text(text),
            Frame::Binary(bytes) => Message::Binary(bytes),
        };
        sink.as_mut().start_send(message).map_err(|_| End::Gone)?;
        *unflushed = true;
    }
    if *unflushed && !blocked {
        match sink.poll_flush(context) {
            Poll::Ready(Ok(())) => {
                *unflushed = false;
                outbox.written(connection.gateway().clock.boot_us());
            }
            Poll::Ready(Err(_)) => return Err(End::Gone),
            Poll::Pending => blocked = true,
        }
    }
    match outbox.closing() {
        Some(code) if blocked || outbox.is_empty() => Err(End::Close(code)),
        _ => Ok(blocked),
    }
}

fn receive(connection: &mut Connection, message: Message) -> Option<End> {
    let received = match message {
        Message::Text(text) => connection.receive_text(&text),
        Message::Binary(bytes) => connection.receive_binary(&bytes),
        Message::Ping(_) | Message::Pong(_) => {
            connection.heard();
            Ok(())
        }
        Message::Close(_) => return Some(End::Closed),
    };
    received.err().map(End::Close)
}

/// The close code for what the WebSocket layer could not read.
fn end_of(error: &axum::Error) -> End {
    use std::error::Error;
    match error.source().and_then(|source| source.downcast_ref::<tungstenite::Error>()) {
        Some(tungstenite::Error::Capacity(_)) => End::Close(CloseCode::FrameTooBig),
        Some(tungstenite::Error::Utf8(_)) => End::Close(CloseCode::NotUtf8),
        Some(tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
            End::Gone
        }
        Some(tungstenite::Error::Protocol(_)) => End::Close(CloseCode::Malformed),
        _ => End::Gone,
    }
}

async fn close(mut socket: WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.number(), reason: code.reason().into() };
    let farewell = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // A client that is stuck is dropped.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await;
}

fn cause(code: CloseCode) -> &'static str {
    match code {
        CloseCode::ForcedDisconnect => "forced",
        CloseCode::Idle => "idle",
        CloseCode::NotUtf8 => "not_utf8",
        CloseCode::FrameTooBig => "frame_too_big",
        CloseCode::Malformed => "malformed",
        CloseCode::Drain => "drain",
        CloseCode::SlowReader => "slow_reader",
    }
}
