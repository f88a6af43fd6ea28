//! A long-poll response's body that tells when it went out: what broke off is sent again with the next poll.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http_body::{Body, Frame, SizeHint};

/// The body of one batch. After its data it holds HTTP up for one turn, in which HTTP flushes what it has: a connection
/// that is broken shows itself there, and takes this body with it before its end.
pub struct Delivered {
    data: Option<Bytes>,
    has_paused: bool,
    /// Tells the session, before the body's end: so this word precedes the client's next poll, on whichever node.
    tell: BoxFuture<'static, ()>,
}

impl Delivered {
    pub fn new(body: String, tell: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { data: Some(body.into()), has_paused: false, tell: tell.boxed() }
    }
}

impl Body for Delivered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !std::mem::replace(&mut self.has_paused, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.tell.poll_unpin(context));
        // Never polled again after its end.
        self.tell = futures_util::future::ready(()).boxed();
        Poll::Ready(None)
    }

    /// Never said to be at its end, so that HTTP comes back for it.
    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
