//! A connection that speaks HTTP, and how long it may keep the server waiting. Whoever opens one and then says little, or
//! reads little, would otherwise hold it for ever.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How long a connection may keep the server waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the whole head of a request, from its first byte.
    pub head: Duration,
    /// For the next request to be there, and for the first. HTTP's own code sees to this one.
    pub idle: Duration,
    /// For the next byte of an answer to be taken.
    pub write: Duration,
}

impl Patience {
    /// Balancers keep idle connections for 60 s, and must not send a request into one that is just being closed.
    pub const DEFAULT: Self =
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(90), write: Duration::from_secs(30) };
}

/// Whether a request is being answered: then nothing is awaited of the client but what the handler itself awaits.
/// Counts the beginnings and the ends, so that it is odd meanwhile.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Arc<AtomicU64>);

impl UnderWay {
    /// Until this is dropped.
    pub fn begin(&self) -> Answering {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(&self.0))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering(Arc<AtomicU64>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The stream under HTTP.
pub struct HttpStream<S> {
    stream: S,
    patience: Patience,
    under_way: UnderWay,
    /// What `under_way` said last: since it has changed, another request is waited for.
    seen: u64,
    /// When the head that has begun must be whole.
    head_due: Option<Pin<Box<Sleep>>>,
    /// When the answer that is being written must have moved on.
    write_due: Option<Pin<Box<Sleep>>>,
}

impl<S> HttpStream<S> {
    pub fn new(stream: S, patience: Patience, under_way: UnderWay) -> Self {
        Self { stream, patience, under_way, seen: 0, head_due: None, write_due: None }
    }

    /// The stream alone, once it speaks something else.
    pub fn into_inner(self) -> S {
        self.stream
    }

    fn is_under_way(&mut self) -> bool {
        let count = self.under_way.0.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.seen, count) != count {
            self.head_due = None;
        }
        !count.is_multiple_of(2)
    }

    /// Something of a head has come, so the rest of it must.
    fn note_heard(&mut self) {
        if !self.is_under_way() && self.head_due.is_none() {
            self.head_due = Some(Box::pin(sleep_until(Instant::now() + self.patience.head)));
        }
    }

    /// Ready once a head has been awaited for too long.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_under_way() {
            return Poll::Pending;
        }
        self.head_due.as_mut().map_or(Poll::Pending, |due| due.as_mut().poll(context))
    }

    /// The write's own outcome, unless it was waited for too long.
    fn within_patience<T>(&mut self, wrote: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.write_due = None;
            return wrote;
        }
        let patience = self.patience.write;
        let due = self.write_due.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(due.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HttpStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Ready(Ok(())) => {
                if into.filled().len() > before {
                    self.note_heard();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.poll_overdue(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HttpStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_patience(wrote, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.within_patience(wrote, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.within_patience(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
