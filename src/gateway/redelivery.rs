//! A long-poll response's body that knows whether it went out: what broke off is sent again with the next poll.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::longpoll::Handle;

/// The body of one batch. HTTP takes the data, and asks for more only once it has written it: that is the proof.
pub struct Delivered {
    data: Option<Bytes>,
    session: Handle,
    number: u64,
    written: bool,
}

impl Delivered {
    pub fn new(body: String, session: Handle, number: u64) -> Self {
        Self {
            data: Some(body.into()),
            session,
            number,
            written: false,
        }
    }
}

impl Body for Delivered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.data.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => {
                self.written = true;
                Poll::Ready(None)
            }
        }
    }

    /// Never said to be at its end, so that HTTP comes back for it.
    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        self.session.delivered(self.number, self.written);
    }
}
