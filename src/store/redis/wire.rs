//! A connection, to one server or to a cluster's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{
    Cmd, ErrorKind, Pipeline, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection,
    cluster_async,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
};

use super::script::Call;

/// How many commands go out in one write.
const PIPELINE_MAX: usize = 500;

/// A connection. Clones share it.
#[derive(Clone)]
pub struct Wire {
    to: To,
    /// Commands sent by the whole store.
    sent: Arc<AtomicU64>,
}

#[derive(Clone)]
pub enum To {
    Server(MultiplexedConnection),
    Cluster(cluster_async::ClusterConnection),
}

impl Wire {
    pub fn new(to: To, sent: Arc<AtomicU64>) -> Self {
        Self { to, sent }
    }

    pub async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        match &mut self.to {
            To::Server(connection) => command.query_async(connection).await,
            To::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// Asks one server, whichever of a cluster's it is.
    pub async fn ask_any(&mut self, command: &Cmd) -> RedisResult<Value> {
        if let To::Cluster(connection) = &mut self.to {
            self.sent.fetch_add(1, Ordering::Relaxed);
            let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
            return connection.route_command(command.clone(), any).await;
        }
        self.ask(command).await
    }

    /// Runs a script; on a server that does not know it, which has not run it then, by its text.
    pub async fn run(&mut self, call: &Call) -> RedisResult<Value> {
        match self.ask(&call.by_hash()).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.ask(&call.in_full()).await
            }
            answer => answer,
        }
    }

    /// Answers in the order of the commands. To one server they go in few writes; in a cluster each to where it belongs.
    pub async fn ask_all(&mut self, commands: Vec<Cmd>) -> RedisResult<Vec<Value>> {
        let connection = match &mut self.to {
            To::Server(connection) => connection,
            To::Cluster(_) => {
                let asked = commands.into_iter().map(|command| {
                    let mut wire = self.clone();
                    async move { wire.ask(&command).await }
                });
                return stream::iter(asked).buffered(PIPELINE_MAX).try_collect().await;
            }
        };
        self.sent.fetch_add(commands.len() as u64, Ordering::Relaxed);
        let mut answers = Vec::with_capacity(commands.len());
        for chunk in commands.chunks(PIPELINE_MAX) {
            let mut pipeline = Pipeline::with_capacity(chunk.len());
            for command in chunk {
                pipeline.add_command(command.clone());
            }
            let chunk: Vec<Value> = pipeline.query_async(connection).await?;
            answers.extend(chunk);
        }
        Ok(answers)
    }

    /// Runs scripts, answers in their order.
    pub async fn run_all(&self, calls: Vec<Call>) -> RedisResult<Vec<Value>> {
        let run = calls.into_iter().map(|call| {
            let mut wire = self.clone();
            async move { wire.run(&call).await }
        });
        stream::iter(run).buffered(PIPELINE_MAX).try_collect().await
    }

    /// Runs a script, then waits until `replicas` replicas have what it wrote, at most for `limit`.
    /// Answers how many have it.
    ///
    /// On the same connection, because `WAIT` speaks of what its own connection wrote. It goes out after the answer, so
    /// that the scripts of a burst are all behind the first `WAIT`, and the others' are answered at once.
    /// In a cluster, whose client may change connections in between, both go in one write.
    pub async fn run_and_wait(&mut self, call: &Call, replicas: u32, limit: Duration) -> RedisResult<(Value, u32)> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas).arg(limit.as_millis().to_string());
        if let To::Cluster(connection) = &mut self.to {
            self.sent.fetch_add(2, Ordering::Relaxed);
            let mut both = Pipeline::with_capacity(2);
            both.add_command(call.in_full()).add_command(wait);
            return both.query_async(connection).await;
        }
        let answer = self.run(call).await?;
        let acknowledged = redis::from_redis_value(self.ask(&wait).await?)?;
        Ok((answer, acknowledged))
    }
}
