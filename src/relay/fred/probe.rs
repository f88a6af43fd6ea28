//! A message to itself, each second: the only way to notice a server that stands still, or a connection that is dead
//! in one direction.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use fred::{clients::Client, interfaces::PubsubInterface, types::Value};
use futures_util::future::try_join_all;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{line::Life, listener::Hearing, shared::Shared};

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a probe may be under way; then both connections are given up.
const ECHO_PATIENCE: Duration = Duration::from_secs(2);
/// More than the servers of any cluster: what does not fit is as good as lost.
const ECHOES_MAX: usize = 4_096;

/// Where the listener hands the probes that came back.
pub struct Echoes(mpsc::Sender<u64>);

pub fn echoes() -> (Echoes, mpsc::Receiver<u64>) {
    let (sender, receiver) = mpsc::channel(ECHOES_MAX);
    (Echoes(sender), receiver)
}

impl Echoes {
    pub fn take(&self, frame: &[u8]) {
        if let Ok(number) = frame.try_into() {
            // It can only be full of probes that nobody waits for any more.
            let _ = self.0.try_send(u64::from_be_bytes(number));
        }
    }
}

/// Sends the probes.
pub struct Probe {
    shared: Arc<Shared>,
    heard: mpsc::Receiver<u64>,
    number: u64,
}

impl Probe {
    pub fn new(shared: Arc<Shared>, heard: mpsc::Receiver<u64>) -> Self {
        Self { shared, heard, number: 0 }
    }

    pub async fn run(mut self) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A line that is down is being replaced already.
            let (Some(writing), Some(listening)) = (self.shared.writing.get(), self.shared.listening.get()) else {
                continue;
            };
            let started = Instant::now();
            match timeout(ECHO_PATIENCE, self.go_round(&writing.value, &listening.value)).await {
                Ok(true) => {
                    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    self.shared.probe_us.store(micros, Ordering::Relaxed);
                    self.follow_slots(&listening).await;
                }
                Ok(false) => writing.give_up(),
                Err(_) => {
                    writing.give_up();
                    listening.give_up();
                    self.shared.inbox.lose_all();
                }
            }
        }
    }

    /// Whether the probe could be sent; resolves when it has come back from every server.
    async fn go_round(&mut self, writer: &Client, hearing: &Hearing) -> bool {
        self.number += 1;
        let frame = Bytes::copy_from_slice(&self.number.to_be_bytes());
        let sharded = self.shared.channels.sharded;
        let send = |channel: &String| {
            let (channel, frame) = (channel.clone(), Value::Bytes(frame.clone()));
            async move {
                match sharded {
                    true => writer.spublish::<(), _, _>(channel, frame).await,
                    false => writer.publish::<(), _, _>(channel, frame).await,
                }
            }
        };
        if try_join_all(hearing.probes.iter().map(send)).await.is_err() {
            return false;
        }
        let mut missing = hearing.probes.len();
        while missing > 0 {
            match self.heard.recv().await {
                Some(number) if number == self.number => missing -= 1,
                // Of an earlier probe.
                Some(_) => {}
                None => return false,
            }
        }
        true
    }

    async fn follow_slots(&self, listening: &Life<Hearing>) {
        let moved = timeout(ECHO_PATIENCE, listening.value.slots_have_moved()).await;
        if moved.unwrap_or(false) {
            listening.give_up();
        }
    }
}
