//! Stops a node's tasks in their tracks, as SIGSTOP does, and lets them go on.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// While it is closed, nothing behind it runs.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_closed: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    pub fn is_closed(&self) -> bool {
        self.0.lock().is_closed
    }

    pub fn close(&self) {
        self.0.lock().is_closed = true;
    }

    pub fn open(&self) {
        let mut state = self.0.lock();
        state.is_closed = false;
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// The task, behind this gate.
    pub fn before<F: Future<Output = ()>>(&self, task: F) -> impl Future<Output = ()> + use<F> {
        Gated { gate: self.clone(), task: Box::pin(task) }
    }
}

struct Gated<F> {
    gate: Gate,
    task: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Gated<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.gate.0.lock();
        if state.is_closed {
            state.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        self.task.as_mut().poll(context)
    }
}
