//! A server with a route or two, and raw connections to it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, routing::get};
use downbeat::{
    gateway::{AddressLimits, Addresses, Patience, proxies::TrustedProxies},
    http::{Reception, serve},
    telemetry::Metrics,
    time::FakeClock,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
};

/// Longer than any test takes: what is not tried must not happen.
pub const NEVER: Duration = Duration::from_secs(600);
pub const PATIENT: Patience = Patience { head: NEVER, idle: NEVER, write: NEVER };
/// What is tried.
pub const SOON: Duration = Duration::from_millis(150);

pub struct Serving {
    pub address: SocketAddr,
    /// Lets `/slow` answer.
    pub go: Arc<Notify>,
    pub closing: watch::Sender<()>,
    pub served: JoinHandle<std::io::Result<()>>,
}

pub async fn serving(patience: Patience) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let go = Arc::new(Notify::new());
    let gone = Arc::clone(&go);
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/slow",
            get(async move || {
                gone.notified().await;
                "at last"
            }),
        )
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route(
            "/read",
            get(async || "").post(async |request: Request| {
                let body: Body = request.into_body();
                axum::body::to_bytes(body, 1 << 20)
                    .await
                    .map_or_else(|_| "broken".to_owned(), |body| body.len().to_string())
            }),
        );
    let reception = Reception {
        clock: Arc::new(FakeClock::at(0)),
        metrics: Arc::new(Metrics::new()),
        addresses: Arc::new(Addresses::new(AddressLimits::DEFAULT)),
        proxies: Arc::new(TrustedProxies::default()),
        patience,
    };
    let (closing, closed) = watch::channel(());
    let served = serve(listener, app, reception, closed);
    Serving { address, go, closing, served }
}

impl Serving {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }
}

pub async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("it takes what is sent");
}

/// All that comes until the server closes.
pub async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut with something unread ends in an error; it has ended all the same.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the answer's body has ended with these words.
pub async fn until(stream: &mut TcpStream, words: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4_096];
    while !text.ends_with(words) {
        let read = stream.read(&mut bytes).await.expect("an answer");
        assert_ne!(read, 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    text
}
