//! The report of a session.

use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};

use super::{Desk, DeskError, OfSession, READ_AT_ONCE, at_last};
use crate::participation::{Database, ReportOptions, SessionFold, SessionHead, SessionReport};

impl Desk {
    /// The report of a session, live or over. `bucket_us` is the length of a bucket of its activity, see
    /// [`ReportOptions::bucket_us`].
    ///
    /// # Errors
    /// [`DeskError::NoSession`]; [`DeskError::Options`] where `bucket_us` does not fit; or as the database.
    pub async fn session_report(&self, of: OfSession<'_>, bucket_us: Option<i64>) -> Result<SessionReport, DeskError> {
        let database = self.of(&of.room.tenant)?;
        let head = self.head(database, of).await?;
        at_last(self.fold(database, &of.room.tenant, &head, bucket_us)).await
    }

    /// The reports of these sessions, one after the other.
    pub(super) fn folds<'a>(
        &'a self,
        database: &'a Database,
        tenant: &'a str,
        heads: &'a [SessionHead],
    ) -> impl Stream<Item = Result<SessionReport, DeskError>> + Send + use<'a> {
        let fold = |head: &'a SessionHead| self.fold(database, tenant, head, None).boxed();
        let folds: Vec<BoxFuture<'a, _>> = heads.iter().map(fold).collect();
        stream::iter(folds).buffered(READ_AT_ONCE)
    }

    async fn fold(
        &self,
        database: &Database,
        tenant: &str,
        head: &SessionHead,
        bucket_us: Option<i64>,
    ) -> Result<SessionReport, DeskError> {
        let mut fold = SessionFold::new(head, ReportOptions { bucket_us, now_us: self.clock.now_us() })?;
        // Closed with the node, when nobody reads any more.
        let _turn = self.reading.acquire().await.map_err(|_| DeskError::Unavailable)?;
        database.session_events(tenant, &head.session, |event| fold.take(&event)).await?;
        Ok(fold.finish())
    }
}
