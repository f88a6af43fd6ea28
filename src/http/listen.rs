//! From a listening port to its routes.

use std::{io, net::SocketAddr};

use axum::{Router, serve::ListenerExt};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// Serves `app` until the sender of `closed` is dropped; then takes nobody new, and ends with the last request.
pub fn serve(listener: TcpListener, app: Router, mut closed: watch::Receiver<()>) -> JoinHandle<io::Result<()>> {
    let listener = listener.tap_io(|stream| {
        // A beat must not wait for the kernel to fill a packet. Where it is refused, it is slower, not wrong.
        let _ = stream.set_nodelay(true);
    });
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let until_closed = async move {
        // An error is what closing looks like: the sender has gone.
        let _ = closed.changed().await;
    };
    tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(until_closed).await })
}
