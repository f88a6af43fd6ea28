//! Questions from node to node: a call goes to the other's inbox, its answer comes back to ours.
//!
//! The relay is at most once, so a call may be lost, or its answer: whoever asks has a limit of time, and asks only
//! what may be asked twice.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use tracing::Instrument;

use super::{Answer, Body, Call, Envelope, NotPublished, Relay, Topic};
use crate::traces;

/// Calls of others that are being answered at once; what comes beyond is not answered.
const UNDER_WAY_MAX: usize = 8_192;

/// A part of this node that others may ask.
#[async_trait]
pub trait Service: Send + Sync {
    /// Answers a call of `from`. None: no answer, and the caller's time runs out.
    async fn serve(&self, from: Arc<str>, payload: Vec<u8>) -> Option<Vec<u8>>;
}

/// Why a call was not answered. What it asked for may nevertheless have been done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallFailed {
    #[error(transparent)]
    NotSent(#[from] NotPublished),
    #[error("node {node} did not answer within {} ms: it may be gone", within.as_millis())]
    NoAnswer { node: Arc<str>, within: Duration },
}

/// This node's calls to others, and its answers to theirs.
pub struct Calls {
    relay: Arc<dyn Relay>,
    node: Arc<str>,
    /// The session that messages bear.
    incarnation: Box<dyn Fn() -> u64 + Send + Sync>,
    next: AtomicU64,
    pending: Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>,
    services: RwLock<HashMap<Arc<str>, Arc<dyn Service>>>,
    under_way: Arc<Semaphore>,
}

impl Calls {
    /// `first` must differ from process to process, so that no answer to an earlier process is taken for one to this.
    pub fn new(
        relay: Arc<dyn Relay>,
        node: Arc<str>,
        first: u64,
        incarnation: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            relay,
            node,
            incarnation: Box::new(incarnation),
            next: AtomicU64::new(first),
            pending: Mutex::default(),
            services: RwLock::default(),
            under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
        }
    }

    /// From now on calls to `name` are answered by `service`.
    pub fn offer(&self, name: &str, service: Arc<dyn Service>) {
        self.services.write().insert(name.into(), service);
    }

    /// Asks another node.
    ///
    /// # Errors
    /// It was not sent, or not answered `within` that time.
    pub async fn ask(
        &self,
        node: &Arc<str>,
        service: &str,
        payload: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, CallFailed> {
        let span = traces::of_call(service, node);
        let asked = self.ask_within(node, service, payload, within).instrument(span.clone()).await;
        if asked.is_err() {
            span.in_scope(traces::note_failure);
        }
        asked
    }

    async fn ask_within(
        &self,
        node: &Arc<str>,
        service: &str,
        payload: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, CallFailed> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.pending.lock().insert(number, sender);
        let _forget = Forget { calls: self, number };
        let traceparent = traces::traceparent();
        self.send(node, Body::Call(Call { number, service: service.into(), payload, traceparent }))?;
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(payload)) => Ok(payload),
            Ok(Err(_)) | Err(_) => Err(CallFailed::NoAnswer { node: node.clone(), within }),
        }
    }

    /// Takes in what came to this node's inbox.
    pub fn take_in(self: &Arc<Self>, envelope: Envelope) {
        match envelope.body {
            Body::Answer(answer) => {
                let asked = self.pending.lock().remove(&answer.number);
                // Whoever asked may have gone, or its time has run out.
                asked.map(|sender| sender.send(answer.payload));
            }
            Body::Call(call) => self.answer(envelope.origin, call),
            // A neighbouring release may say more than this one understands.
            _ => {}
        }
    }

    fn answer(self: &Arc<Self>, from: Arc<str>, call: Call) {
        let Some(service) = self.services.read().get(&call.service).cloned() else {
            tracing::debug!(call.service = %call.service, node.from = %from, "a call to no part of this release");
            return;
        };
        let Ok(permit) = self.under_way.clone().try_acquire_owned() else {
            tracing::warn!(node.from = %from, "too many calls are under way: one is not answered");
            return;
        };
        let calls = self.clone();
        let span = traces::of_service(&call.service, &from, call.traceparent.as_deref());
        let answering = async move {
            let _permit = permit;
            if let Some(payload) = service.serve(from.clone(), call.payload).await
                && let Err(error) = calls.send(&from, Body::Answer(Answer { number: call.number, payload }))
            {
                tracing::debug!(node.to = %from, %error, "an answer was not sent");
            }
        };
        tokio::spawn(answering.instrument(span));
    }

    fn send(&self, node: &Arc<str>, body: Body) -> Result<(), NotPublished> {
        let envelope = Envelope { origin: self.node.clone(), incarnation: (self.incarnation)(), body };
        self.relay.publish(&Topic::Node(node.clone()), envelope)
    }
}

struct Forget<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.calls.pending.lock().remove(&self.number);
    }
}
