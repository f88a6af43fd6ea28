//! A WebSocket's loop: one task, one future, no timer. It hears what comes and writes on where a socket was full.

use std::{
    future::poll_fn,
    io,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use futures_util::FutureExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rustix::net::Shutdown;
use tokio::net::TcpStream;

use super::{
    Gateway, connection::Connection, frame::Frame, handshake::Admitted, http_stream::HttpStream, outbox::Outbox,
};
use crate::{
    protocol::{
        CloseCode,
        websocket::{Decoder, Message, Unreadable, encode_close, encode_goodbye, encode_pong},
    },
    telemetry::{Open, count},
};

/// Reads in one turn.
const READS_PER_TURN: usize = 8;
/// Turns of reading and writing before other tasks get theirs.
const TURNS: usize = 4;
/// Room for one read; given back when everything in it is understood.
const READ_BYTES: usize = 4 * 1024;
/// How long HTTP may take to let go of a connection: it may still have answers that the client does not read.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client has to read the server's close frame and to answer it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a client may still send after the server has said its last word.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;
const TRANSPORT: &str = "websocket";

/// Why the loop ended.
enum End {
    /// The client's connection broke.
    Gone,
    /// The client said goodbye, with this code if it gave one; it gets the same back.
    Closed(Option<u16>),
    Close(CloseCode),
}

/// One socket's reading side.
struct Reader {
    stream: Arc<TcpStream>,
    decoder: Decoder,
    /// What has come and is not understood yet; no memory while there is nothing.
    input: BytesMut,
}

/// Serves a socket from its upgrade to its end.
pub async fn serve(upgrade: OnUpgrade, gateway: Arc<Gateway>, admitted: Admitted) {
    let Ok(Some((stream, input))) = tokio::time::timeout(UPGRADE_TIMEOUT, bare_stream(upgrade)).await else { return };
    let decoder = Decoder::new(gateway.settings.frame_bytes_max);
    let reader = Reader { stream: stream.clone(), decoder, input };
    let metrics = gateway.metrics.clone();
    let boot_us = gateway.clock.boot_us();
    let connection = Connection::new(gateway, admitted, Some(stream.clone()));
    let (outbox, registration) = (connection.outbox().clone(), connection.registration());
    let open = Open::count(&metrics, TRANSPORT);
    // Whoever is in a room leaves it before the close handshake, which may take its time: the loop owns the connection.
    let end = AssertUnwindSafe(run(reader, connection)).catch_unwind().await;
    drop(open);
    let last = match end {
        Ok(End::Gone) => return,
        Ok(End::Closed(code)) => encode_goodbye(code),
        Ok(End::Close(code)) => {
            count(&metrics.connections_closed, cause(code));
            encode_close(code.number(), code.reason())
        }
        Err(_) => {
            count(&metrics.panics, "socket");
            encode_close(CloseCode::Malformed.number(), CloseCode::Malformed.reason())
        }
    };
    outbox.push_last(Frame::control(last), boot_us);
    // However this ends, the connection then closes. A client that is stuck is dropped.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, part(&stream, &outbox, boot_us)).await;
    // The drain waits for those whose close frame is still on its way.
    drop(registration);
}

/// The stream under the upgraded connection, and what the client sent ahead. Nothing else of HTTP's is kept: its read
/// buffer alone is as large as everything else that an idle socket costs.
async fn bare_stream(upgrade: OnUpgrade) -> Option<(Arc<TcpStream>, BytesMut)> {
    match upgrade.await.ok()?.downcast::<TokioIo<HttpStream<TcpStream>>>() {
        Ok(parts) => Some((Arc::new(parts.io.into_inner().into_inner()), BytesMut::from(&*parts.read_buf))),
        Err(_) => {
            tracing::error!("the upgraded connection is not a TCP stream; this build cannot serve it");
            None
        }
    }
}

async fn run(mut reader: Reader, mut connection: Connection) -> End {
    poll_fn(|context| poll(&mut reader, &mut connection, context)).await
}

fn poll(reader: &mut Reader, connection: &mut Connection, context: &mut Context<'_>) -> Poll<End> {
    let outbox = connection.outbox().clone();
    let clock = connection.gateway().clock.clone();
    outbox.register(context);
    for _ in 0..TURNS {
        let is_blocked = outbox.poll_unblock(context, clock.boot_us()).is_pending();
        let mut progressed = false;
        // Everything that is asked in one go is answered in one write.
        outbox.cork();
        for signal in outbox.take_signals() {
            connection.obey(signal);
            progressed = true;
        }
        while connection.poll_running(context) {
            progressed = true;
        }
        // A client that does not read is not read from either: its answers would only pile up.
        let read = if is_blocked { Ok(false) } else { reader.read(connection, context) };
        let is_blocked_now = outbox.uncork(clock.boot_us());
        match read {
            Ok(heard) => progressed |= heard,
            Err(end) => return Poll::Ready(end),
        }
        if outbox.is_broken() {
            return Poll::Ready(End::Gone);
        }
        if let Some(code) = outbox.closing() {
            return Poll::Ready(End::Close(code));
        }
        if !progressed && is_blocked == is_blocked_now {
            return Poll::Pending;
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

impl Reader {
    /// Reads and handles what is there; true when there was something, or may be more: false only once the loop is
    /// registered for what comes next.
    fn read(&mut self, connection: &mut Connection, context: &mut Context<'_>) -> Result<bool, End> {
        let mut heard = self.handle(connection)?;
        for _ in 0..READS_PER_TURN {
            match self.stream.poll_read_ready(context) {
                Poll::Pending => {
                    if self.input.is_empty() {
                        self.input = BytesMut::new();
                    }
                    return Ok(heard);
                }
                Poll::Ready(Err(_)) => return Err(End::Gone),
                Poll::Ready(Ok(())) => {}
            }
            self.input.reserve(READ_BYTES.max(self.decoder.wanted(&self.input)));
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => return Err(End::Gone),
                Ok(_) => heard |= self.handle(connection)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::Gone),
            }
        }
        Ok(true)
    }

    fn handle(&mut self, connection: &mut Connection) -> Result<bool, End> {
        let mut heard = false;
        while let Some(message) =
            self.decoder.next(&mut self.input).map_err(|unreadable| End::Close(code_of(&unreadable)))?
        {
            heard = true;
            let received = match message {
                Message::Text(text) => connection.receive_text(&text),
                Message::Binary(bytes) => connection.receive_binary(&bytes),
                Message::Ping(payload) => {
                    connection.heard();
                    connection.send_frame(Frame::control(encode_pong(payload)));
                    Ok(())
                }
                Message::Pong => {
                    connection.heard();
                    Ok(())
                }
                Message::Close(code) => return Err(End::Closed(code)),
            };
            received.map_err(End::Close)?;
        }
        Ok(heard)
    }
}

fn code_of(unreadable: &Unreadable) -> CloseCode {
    tracing::debug!(%unreadable, "a socket sent what cannot be read");
    match unreadable {
        Unreadable::TooBig => CloseCode::FrameTooBig,
        Unreadable::NotUtf8 => CloseCode::NotUtf8,
        Unreadable::Protocol(_) => CloseCode::Malformed,
    }
}

/// Writes what is left, says that nothing more comes, and hears the client out. Closing on a client in the middle of a
/// sentence would reset the connection, and the reset would overtake the close frame.
async fn part(stream: &TcpStream, outbox: &Outbox, boot_us: i64) -> io::Result<()> {
    poll_fn(|context| outbox.poll_unblock(context, boot_us)).await;
    rustix::net::shutdown(stream, Shutdown::Write)?;
    let mut discarded = 0;
    let mut into = vec![0; READ_BYTES];
    while discarded < LINGER_BYTES_MAX {
        stream.readable().await?;
        match stream.try_read(&mut into) {
            Ok(0) => break,
            Ok(read) => discarded += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
