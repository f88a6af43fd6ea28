//! From a listening port to its routes.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, connect_info::Connected},
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tower::ServiceBuilder;

/// What a client may still send after the server has said its last word, and how long it may take.
const LINGER_BYTES_MAX: u64 = 16 * 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves `app` until the sender of `closed` is dropped; then takes nobody new, and ends with the last request.
pub fn serve(listener: TcpListener, app: Router, mut closed: watch::Receiver<()>) -> JoinHandle<io::Result<()>> {
    // The handlers know addresses as axum does for its own listener.
    let app = app.layer(ServiceBuilder::new().map_request(|mut request: Request| {
        if let Some(ConnectInfo(Peer(address))) = request.extensions_mut().remove::<ConnectInfo<Peer>>() {
            request.extensions_mut().insert(ConnectInfo(address));
        }
        request
    }));
    let service = app.into_make_service_with_connect_info::<Peer>();
    let until_closed = async move {
        // An error is what closing looks like: the sender has gone.
        let _ = closed.changed().await;
    };
    tokio::spawn(async move { axum::serve(Port(listener), service).with_graceful_shutdown(until_closed).await })
}

struct Port(TcpListener);

#[derive(Clone, Copy)]
struct Peer(SocketAddr);

impl Listener for Port {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // A beat must not wait for the kernel to fill a packet. Where it is refused, it is slower, not wrong.
        let _ = stream.set_nodelay(true);
        (Connection(Some(stream)), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Port>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection that does not close on a client in the middle of a sentence.
///
/// The problem: closing a socket with unread input resets it, and the reset overtakes what was written last: the close
/// frame that tells a client its message was too big. So such a connection says that it is done, and hears the rest
/// out, within bounds.
struct Connection(Option<TcpStream>);

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(stream) = self.0.take() else { return };
        let has_unread = matches!(stream.try_read(&mut [0; 1]), Ok(1..));
        if let (true, Ok(runtime)) = (has_unread, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                // However this ends, the connection then closes.
                let _ = tokio::time::timeout(LINGER_TIMEOUT, linger(stream)).await;
            });
        }
    }
}

async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

impl Connection {
    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}
