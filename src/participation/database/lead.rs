//! Jobs that one node alone does.

use sqlx::PgConnection;

use super::{
    Database, DatabaseError,
    on::{On, lock_number},
    sql,
};

/// This node does the job until it drops this, or loses its connection to the database.
#[derive(Debug)]
pub struct Leadership {
    /// The lock is the connection's: it ends with it. None in SQLite, which one node alone uses.
    _connection: Option<PgConnection>,
}

impl Database {
    /// None while another node does the job.
    pub async fn try_lead(&self, job: &str) -> Result<Option<Leadership>, DatabaseError> {
        let On::Postgres(pool) = &self.pools else {
            return Ok(Some(Leadership { _connection: None }));
        };
        let mut connection = pool.acquire().await?.detach();
        let query = sqlx::query_scalar(sql::PG_LEAD).bind(lock_number("job", job));
        let leads: bool = query.fetch_one(&mut connection).await?;
        Ok(leads.then_some(Leadership { _connection: Some(connection) }))
    }
}
