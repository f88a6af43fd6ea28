//! What is recorded of lessons: on which way it goes on this node, and the tasks that carry it.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::{
    NodeError,
    on_their_way::{InJournal, InStreams, Nowhere},
};
use crate::{
    auth::Tenants,
    cli::Settings,
    participation::{
        Database, DatabaseUrl, Desk, Feed, Inserter, Journal, JournalDrain, OnTheirWay, RETENTION_DAYS, Recorder,
        Retention, STREAMED_MAX, Sink, StreamDrain, StreamSink,
    },
    placement::Directory,
    room::{Code, CodeLength, RoomKey},
    store::{EventStream, RedisStore},
    telemetry::{Metrics, count},
    time::Clock,
};

/// The journal's folder, in the data directory.
const JOURNAL_FOLDER: &str = "participation";
/// What may wait in it: some 400,000 events.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// How long a start waits for the database's tables. A database that is down does not keep a node down.
const TABLES_WITHIN: Duration = Duration::from_secs(5);
/// How soon a part that has ended begins anew.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How soon tables are asked for again.
const TABLES_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long a stopping node takes to put what it has recorded into the database.
const LAST_ROUND_WITHIN: Duration = Duration::from_secs(2);

/// The parts that record, on this node.
pub(super) struct Recording {
    pub recorder: Arc<Recorder>,
    /// None: nothing is recorded.
    pub database: Option<Database>,
    drain: Option<Drain>,
    on_their_way: Arc<dyn OnTheirWay>,
}

/// What the recording's tasks work off.
pub(super) struct RecordingWork {
    feed: Feed,
    inserter: Arc<Inserter>,
    retention: Retention,
}

/// From the recorder to the database.
struct Way {
    sink: Arc<dyn Sink>,
    drain: Drain,
    on_their_way: Arc<dyn OnTheirWay>,
}

/// Who puts what is kept into the database.
#[derive(Clone)]
enum Drain {
    Journal(Arc<JournalDrain>),
    Stream(Arc<StreamDrain>),
}

impl Drain {
    async fn run(&self) {
        match self {
            Self::Journal(drain) => drain.run().await,
            Self::Stream(drain) => drain.run().await,
        }
    }
}

/// Runs a task again that has ended or failed: without it nothing would be recorded, and nobody would know.
async fn keep_running<F: Future<Output = ()>>(part: &'static str, metrics: Arc<Metrics>, run: impl Fn() -> F) {
    loop {
        if AssertUnwindSafe(run()).catch_unwind().await.is_err() {
            count(&metrics.panics, part);
        }
        tracing::error!(part, "a part of the recording has ended: it begins anew");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// What recording needs of the node.
pub(super) struct Ground<'a> {
    pub settings: &'a Settings,
    pub tenants: &'a Arc<Tenants>,
    pub clock: &'a Arc<dyn Clock>,
    pub metrics: &'a Arc<Metrics>,
    pub redis: Option<&'a Arc<RedisStore>>,
    pub directory: &'a Arc<Directory>,
}

impl Recording {
    /// Opens what is needed. Without a database nothing is recorded, and the log says so.
    pub async fn open(ground: Ground<'_>) -> Result<(Self, Option<RecordingWork>), NodeError> {
        let Ground { settings, tenants, clock, metrics, redis, .. } = ground;
        let Some(url) = &settings.database else {
            tracing::warn!(
                "nothing is recorded of who takes part, and reflections are refused: set DATABASE_URL to a PostgreSQL"
            );
            let recorder = Arc::new(Recorder::off(metrics.clone()));
            return Ok((Self { recorder, database: None, drain: None, on_their_way: Arc::new(Nowhere) }, None));
        };
        if matches!(url, DatabaseUrl::Sqlite(_)) && redis.is_some() {
            tracing::warn!("DATABASE_URL names a file, which serves the nodes of one host only: use PostgreSQL");
        }
        let book = tenants.clone();
        let is_recorded = Box::new(move |tenant: &str| book.get(tenant).is_some_and(|tenant| tenant.participation));
        let recorder = Arc::new(Recorder::new(is_recorded, getrandom::u64()?, metrics.clone()));
        let database = Database::new(url);
        let inserter = Arc::new(Inserter::new(database.clone(), metrics.clone()));
        make_tables(url, &inserter).await?;
        let Way { sink, drain, on_their_way } = way(&ground, inserter.clone())?;
        let book = tenants.clone();
        let days_kept = Box::new(move |tenant: &str| book.get(tenant).map_or(RETENTION_DAYS, |t| t.retention_days));
        let retention = Retention::new(database.clone(), days_kept, clock.clone(), metrics.clone());
        let feed = Feed::new(recorder.clone(), sink);
        let recording = Self { recorder, database: Some(database), drain: Some(drain), on_their_way };
        Ok((recording, Some(RecordingWork { feed, inserter, retention })))
    }

    /// Where what was recorded is asked for.
    pub fn desk(&self, clock: Arc<dyn Clock>) -> Desk {
        Desk::new(self.recorder.clone(), self.database.clone(), self.on_their_way.clone(), clock)
    }

    /// Starts the tasks that run for the node's life.
    pub fn start(&self, work: Option<RecordingWork>, metrics: &Arc<Metrics>, tasks: &mut JoinSet<()>) {
        let Some(RecordingWork { feed, inserter, retention }) = work else { return };
        tasks.spawn(feed.run());
        let retention = Arc::new(retention);
        tasks.spawn(keep_running("retention", metrics.clone(), move || {
            let retention = retention.clone();
            async move { retention.run().await }
        }));
        // Reports need the tables even where nothing is to be inserted.
        tasks.spawn(async move {
            while let Err(error) = inserter.migrate().await {
                tracing::debug!(%error, "the database has no tables yet");
                tokio::time::sleep(TABLES_AGAIN_AFTER).await;
            }
        });
        if let Some(drain) = self.drain.clone() {
            tasks.spawn(keep_running("drain", metrics.clone(), move || {
                let drain = drain.clone();
                async move { drain.run().await }
            }));
        }
    }

    /// The node goes: what it has recorded goes into the database, or stays where the next start, or another node, finds
    /// it.
    pub async fn finish(&self) {
        let lost = self.recorder.emptied(LAST_ROUND_WITHIN).await;
        if lost > 0 {
            tracing::error!(events = lost, "what was recorded last could not be kept, and is lost with this process");
        }
        match &self.drain {
            Some(Drain::Journal(drain)) => {
                let left = drain.last_round(LAST_ROUND_WITHIN).await;
                if left > 0 {
                    tracing::info!(events = left, "what is recorded waits in the journal for the next start");
                }
            }
            Some(Drain::Stream(drain)) => {
                drain.last_round(LAST_ROUND_WITHIN).await;
            }
            None => {}
        }
    }
}

/// On a single node by a journal, in a cluster by the tenants' streams.
fn way(ground: &Ground<'_>, inserter: Arc<Inserter>) -> Result<Way, NodeError> {
    let (clock, metrics) = (ground.clock.clone(), ground.metrics.clone());
    let Some(redis) = ground.redis else {
        let folder = ground.settings.data_dir.join(JOURNAL_FOLDER);
        let journal = Arc::new(Journal::open(folder, JOURNAL_BYTES_MAX)?);
        let drain = JournalDrain::new(journal.clone(), inserter, clock, metrics);
        let on_their_way = Arc::new(InJournal(journal.clone()));
        return Ok(Way { sink: journal, drain: Drain::Journal(Arc::new(drain)), on_their_way });
    };
    let stream: Arc<dyn EventStream> = redis.clone();
    let tenants = ground.tenants.clone();
    let (directory, me) = (ground.directory.clone(), ground.settings.node_id.clone());
    let drain = StreamDrain::new(
        stream.clone(),
        inserter,
        me.as_str().into(),
        Arc::new(move || tenants.all().iter().map(|tenant| tenant.id.clone()).collect()),
        Arc::new(move |tenant| directory.named(&anchor(tenant)).as_deref() == Some(me.as_str())),
        clock,
        metrics,
    );
    let on_their_way = Arc::new(InStreams(stream.clone()));
    let sink = Arc::new(StreamSink::new(stream, STREAMED_MAX));
    Ok(Way { sink, drain: Drain::Stream(Arc::new(drain)), on_their_way })
}

/// The ring places rooms; a tenant's stream goes where this room of it would.
fn anchor(tenant: &str) -> RoomKey {
    RoomKey { tenant: tenant.into(), code: Code::from_number(0, CodeLength::Four) }
}

/// A database that is down, or slow, does not keep the node down; one that will never do does.
async fn make_tables(url: &DatabaseUrl, inserter: &Inserter) -> Result<(), NodeError> {
    tracing::info!(database = %url, "who takes part is recorded");
    match tokio::time::timeout(TABLES_WITHIN, inserter.migrate()).await {
        Ok(Ok(migrated)) if migrated.applied > 0 => {
            tracing::info!(migrations = migrated.applied, "the database's tables were made, or brought up to date");
            Ok(())
        }
        Ok(Ok(_)) => Ok(()),
        // A server may come back; a file that cannot be opened will not by itself.
        Ok(Err(error)) if error.is_passing() && matches!(url, DatabaseUrl::Postgres(_)) => {
            tracing::warn!(database = %url, %error, "what is recorded waits for the database");
            Ok(())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            tracing::warn!(database = %url, "the database does not answer: what is recorded waits for it");
            Ok(())
        }
    }
}
