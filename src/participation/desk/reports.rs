//! The report of a session.

use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};

use super::{
    Desk, DeskError, OfSession, at_last,
    turns::{Ask, TENANT_READS_AT_ONCE},
};
use crate::participation::{Database, Event, ReportOptions, SessionFold, SessionHead, SessionReport};

impl Desk {
    /// The report of a session, live or over. `bucket_us` is the length of a bucket of its activity, see
    /// [`ReportOptions::bucket_us`].
    ///
    /// # Errors
    /// [`DeskError::TooManyAsks`]; [`DeskError::NoSession`]; [`DeskError::Options`] where `bucket_us` does not fit; or as the database.
    pub async fn session_report(&self, of: OfSession<'_>, bucket_us: Option<i64>) -> Result<SessionReport, DeskError> {
        let database = self.of(&of.room.tenant)?;
        let ask = self.turns.ask(&of.room.tenant)?;
        let head = self.head(database, of).await?;
        at_last(self.fold(database, &ask, &of.room.tenant, &head, bucket_us, |_| ())).await
    }

    /// The reports of these sessions, one after the other.
    pub(super) fn folds<'a>(
        &'a self,
        database: &'a Database,
        ask: &'a Ask<'a>,
        tenant: &'a str,
        heads: &'a [SessionHead],
    ) -> impl Stream<Item = Result<SessionReport, DeskError>> + Send + use<'a> {
        let fold = |head: &'a SessionHead| self.fold(database, ask, tenant, head, None, |_| ()).boxed();
        let folds: Vec<BoxFuture<'a, _>> = heads.iter().map(fold).collect();
        stream::iter(folds).buffered(TENANT_READS_AT_ONCE)
    }

    /// Reads a session and reports on it; each event is shown to `see` on the way.
    pub(super) async fn fold(
        &self,
        database: &Database,
        ask: &Ask<'_>,
        tenant: &str,
        head: &SessionHead,
        bucket_us: Option<i64>,
        mut see: impl FnMut(&Event) + Send,
    ) -> Result<SessionReport, DeskError> {
        let mut fold = SessionFold::new(head, ReportOptions { bucket_us, now_us: self.clock.now_us() })?;
        let _turn = ask.turn().await?;
        let take = |event| {
            see(&event);
            fold.take(&event);
        };
        database.session_events(tenant, &head.session, take).await?;
        Ok(fold.finish())
    }
}
