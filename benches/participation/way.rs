//! The whole way of events, in one process: from the recorder by journal or stream into the database.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use downbeat::{
    participation::{
        Database, DatabaseUrl, Event, Feed, Inserter, Journal, JournalDrain, Recorder, STREAMED_MAX, Sink, StreamDrain,
        StreamSink,
    },
    redis_url::RedisUrl,
    store::{EventStream, RedisStore},
    telemetry::Metrics,
    time::{Clock, ClusterClock},
};
use tokio::task::JoinSet;

use crate::{
    Failure,
    cost::{Spent, cpu_us_of, own_cpu_us},
    ingest::TENANT,
    school::School,
};

const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Recorded at a time.
const AT_ONCE: usize = 500;
/// No more are on their way at once: so nothing is ever full.
const ON_THE_WAY_MAX: u64 = 20_000;
const STORED_WITHIN: Duration = Duration::from_secs(600);

/// What both ways need.
struct Ground {
    recorder: Arc<Recorder>,
    inserter: Arc<Inserter>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Ground {
    async fn new(url: &DatabaseUrl) -> Result<Self, Failure> {
        let metrics = Arc::new(Metrics::new());
        let inserter = Arc::new(Inserter::new(Database::new(url), metrics.clone()));
        inserter.migrate().await?;
        Ok(Self {
            recorder: Arc::new(Recorder::new(Box::new(|_| true), 1, metrics.clone())),
            inserter,
            clock: Arc::new(ClusterClock::start("bench".into())),
            metrics,
        })
    }

    /// Records the events as fast as they are stored.
    async fn carry(&self, sink: Arc<dyn Sink>, tasks: &mut JoinSet<()>, events: &[Event]) -> Result<f64, Failure> {
        tasks.spawn(Feed::new(self.recorder.clone(), sink).run());
        let (tenant, began) = (Arc::<str>::from(TENANT), Instant::now());
        let mut recorded = 0;
        for some in events.chunks(AT_ONCE) {
            self.stored_at_least(recorded, ON_THE_WAY_MAX, began).await?;
            for event in some {
                // Nobody waits for it here: what is stored is counted below.
                drop(self.recorder.record(&tenant, event.clone()));
            }
            recorded += some.len() as u64;
        }
        self.stored_at_least(recorded, 0, began).await?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Waits until no more than `but` of what was recorded are missing.
    async fn stored_at_least(&self, recorded: u64, but: u64, began: Instant) -> Result<(), Failure> {
        while self.metrics.participation_stored.get() + but < recorded {
            if began.elapsed() > STORED_WITHIN {
                return Err("events are recorded and not stored".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

pub async fn measure(folder: &Path, school: &School, events: &[Event]) -> Result<(), Failure> {
    by_journal(folder, events).await?.print("recorder, journal, drain, SQLite");
    by_stream(school, events).await?.print("recorder, Redis stream, drain, PostgreSQL, empty");
    Ok(())
}

async fn by_journal(folder: &Path, events: &[Event]) -> Result<Spent, Failure> {
    let ground = Ground::new(&DatabaseUrl::Sqlite(folder.join("way.db"))).await?;
    let journal = Arc::new(Journal::open(folder.join("journal"), JOURNAL_BYTES_MAX)?);
    let Ground { inserter, clock, metrics, .. } = &ground;
    let drain = JournalDrain::new(journal.clone(), inserter.clone(), clock.clone(), metrics.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drain.run().await });
    let own_us = own_cpu_us()?;
    let seconds = ground.carry(journal, &mut tasks, events).await?;
    Ok(Spent { events: events.len(), seconds, own_us: own_cpu_us()? - own_us, beside_us: 0 })
}

async fn by_stream(school: &School, events: &[Event]) -> Result<Spent, Failure> {
    let ground = Ground::new(&school.database("way")?.parse()?).await?;
    let (redis, store) = Redis::start(school).await?;
    let stream: Arc<dyn EventStream> = Arc::new(store);
    let Ground { inserter, clock, metrics, .. } = &ground;
    let drain = StreamDrain::new(
        stream.clone(),
        inserter.clone(),
        "bench".into(),
        Arc::new(|| vec![TENANT.into()]),
        Arc::new(|_| true),
        clock.clone(),
        metrics.clone(),
    );
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drain.run().await });
    let beside_us = || Ok::<u64, Failure>(school.cpu_us() + cpu_us_of(redis.0.id())?);
    let (own_us, other_us) = (own_cpu_us()?, beside_us()?);
    let sink = Arc::new(StreamSink::new(stream, STREAMED_MAX));
    let seconds = ground.carry(sink, &mut tasks, events).await?;
    let (own_us, beside_us) = (own_cpu_us()? - own_us, beside_us()? - other_us);
    tasks.shutdown().await;
    Ok(Spent { events: events.len(), seconds, own_us, beside_us })
}

/// A `redis-server` that keeps nothing on disk.
struct Redis(Child);

impl Redis {
    async fn start(school: &School) -> Result<(Self, RedisStore), Failure> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = school.folder().join("redis");
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        let server = Self(command.arg(&folder).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
        let url = RedisUrl::parse(&format!("redis://127.0.0.1:{port}")).map_err(|error| error.to_string())?;
        let began = Instant::now();
        loop {
            let limit = Duration::from_secs(5);
            match RedisStore::connect_within(&url, Duration::from_secs(60), limit).await {
                Ok(store) => return Ok((server, store)),
                Err(error) if began.elapsed() > limit => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Either fails only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
