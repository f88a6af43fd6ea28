//! From a listening port to its routes: HTTP/1.1, over connections that have to make progress.
//!
//! HTTP/2 is not spoken: WebSockets would gain nothing by it, balancers speak it to browsers and HTTP/1.1 to nodes, and
//! its streams within streams are where most floods of late were found.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    middleware::from_fn,
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::edge;
use crate::{
    gateway::{Addresses, Answering, Held, HttpStream, Patience, UnderWay, proxies::TrustedProxies},
    telemetry::{Metrics, count},
    time::Clock,
};

/// A request's first line and headers, in bytes. Balancers take 8 to 16 KiB for a header; a token takes 8 at most.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What is read ahead of one connection.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// When to try again after the system had no more files, or memory, for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// How a port treats whoever comes.
#[derive(Clone)]
pub struct Reception {
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub addresses: Arc<Addresses>,
    /// Whose word about their clients is believed.
    pub proxies: Arc<TrustedProxies>,
    pub patience: Patience,
}

/// Serves `app` until the sender of `closed` is dropped; then takes nobody new, and ends with the last request.
pub fn serve(
    listener: TcpListener,
    app: Router,
    reception: Reception,
    mut closed: watch::Receiver<()>,
) -> JoinHandle<io::Result<()>> {
    let app = app.layer(from_fn(edge::guarded));
    tokio::spawn(async move {
        // Every connection has one sender; when the last is dropped, all have ended.
        let (open, mut all_ended) = mpsc::channel::<Infallible>(1);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // An error is what closing looks like: the sender has gone.
                _ = closed.changed() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(held) = reception.admit(peer.ip()) {
                        let (app, reception) = (app.clone(), reception.clone());
                        let (open, closed) = (open.clone(), closed.clone());
                        tokio::spawn(async move {
                            reception.attend(stream, peer, app, closed).await;
                            drop((held, open));
                        });
                    }
                }
                // A client that has gone again by itself is no reason to wait.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be taken: see the limit of open files");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((listener, open));
        // Nothing is ever sent.
        let _ = all_ended.recv().await;
        Ok(())
    })
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Reception {
    /// A place for one more connection of this peer, unless it has too many already; then it is closed at once.
    fn admit(&self, peer: IpAddr) -> Option<Option<Held>> {
        if self.proxies.trust(peer) {
            return Some(None);
        }
        let held = self.addresses.open_connection(peer, self.clock.boot_us());
        if held.is_none() {
            count(&self.metrics.handshakes_refused, "address_connections");
        }
        held.map(Some)
    }

    /// One connection, until it is closed or has become a socket.
    async fn attend(self, stream: TcpStream, peer: SocketAddr, app: Router, mut closed: watch::Receiver<()>) {
        // A beat must not wait for the kernel to fill a packet. Where it is refused, it is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let under_way = UnderWay::default();
        let stream = HttpStream::new(stream, self.patience, under_way.clone());
        let routes = TowerToHyperService::new(app);
        let proxies = self.proxies;
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(Body::new);
            let client = proxies.client(peer.ip(), request.headers());
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(client);
            let answering = under_way.begin();
            let answer = routes.call(request);
            async move { answer.await.map(|response| response.map(|body| Watched { body, _answering: answering })) }
        });
        let mut http = http1::Builder::new();
        // A hundred headers at most is what the library has by itself; set, it would cost an allocation a request.
        http.timer(TokioTimer::new()).header_read_timeout(self.patience.idle);
        http.max_header_size(HEAD_BYTES_MAX).max_buf_size(READ_AHEAD_BYTES_MAX);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let mut is_closing = false;
        loop {
            tokio::select! {
                // However it ends, it has ended.
                _ = connection.as_mut() => break,
                _ = closed.changed(), if !is_closing => {
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// An answer's body: until it is dropped, its request is under way.
struct Watched {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
