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

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;

    async fn next(body: &mut Delivered) -> Option<Bytes> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        frame.ok()?.into_data().ok()
    }

    #[tokio::test]
    async fn a_body_ends_only_when_its_session_has_been_told() {
        let (told, telling) = oneshot::channel::<()>();
        let mut body = Delivered::new("[]".into(), async move { telling.await.unwrap_or_default() });
        assert_eq!(next(&mut body).await.as_deref(), Some(&b"[]"[..]));
        let mut end = Box::pin(next(&mut body));
        for _ in 0..3 {
            assert!(poll!(&mut end).is_pending());
        }
        assert!(told.send(()).is_ok());
        assert_eq!(end.await, None);
    }

    #[tokio::test]
    async fn of_a_body_that_breaks_off_nothing_is_told() {
        let is_told = Arc::new(AtomicBool::new(false));
        let tell = is_told.clone();
        let mut body = Delivered::new("[]".into(), async move { tell.store(true, Ordering::Relaxed) });
        next(&mut body).await;
        // HTTP flushes in this turn, and finds the connection broken.
        assert!(poll!(Box::pin(next(&mut body))).is_pending());
        drop(body);
        assert!(!is_told.load(Ordering::Relaxed));
    }
}
