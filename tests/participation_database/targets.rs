//! The two databases, each made for one test.

use std::{
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use downbeat::participation::Database;
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Row};

use crate::postgres_support::PostgresServer;

/// One server for all tests of the binary, a database for each. Statics are never dropped: its watchdog ends it.
static SERVER: LazyLock<Mutex<PostgresServer>> = LazyLock::new(|| Mutex::new(PostgresServer::start()));

pub struct Target {
    pub database: Database,
    pub url: String,
    file: Option<PathBuf>,
}

impl Target {
    pub async fn sqlite() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-lite-{}-{}.sqlite", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let file = std::env::temp_dir().join(name);
        let url = format!("sqlite:{}", file.display());
        Self::made(url, Some(file)).await
    }

    pub async fn postgres(name: &str) -> Self {
        // A name of PostgreSQL has at most 63 bytes.
        let name: String = name.chars().take(60).collect();
        let url = tokio::task::spawn_blocking(move || SERVER.lock().database(&name));
        Self::made(url.await.expect("a database"), None).await
    }

    async fn made(url: String, file: Option<PathBuf>) -> Self {
        let database = Database::new(&url.parse().expect("a database's URL"));
        database.migrate().await.expect("an empty database can be migrated");
        Self { database, url, file }
    }

    pub fn is_sqlite(&self) -> bool {
        self.file.is_some()
    }

    /// Runs statements beside the product.
    pub async fn execute(&self, statements: &str) {
        if self.is_sqlite() {
            let pool = sqlx::SqlitePool::connect(&self.url).await.expect("the file is there");
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&pool).await.expect("the statements are good");
            pool.close().await;
        } else {
            let pool = sqlx::PgPool::connect(&self.url).await.expect("the server is there");
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&pool).await.expect("the statements are good");
            pool.close().await;
        }
    }

    pub async fn count(&self, table: &str) -> i64 {
        let statement = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        if self.is_sqlite() {
            let pool = sqlx::SqlitePool::connect(&self.url).await.expect("the file is there");
            sqlx::query_scalar(statement).fetch_one(&pool).await.expect("a count")
        } else {
            let pool = sqlx::PgPool::connect(&self.url).await.expect("the server is there");
            sqlx::query_scalar(statement).fetch_one(&pool).await.expect("a count")
        }
    }

    /// The places in which the text stands: each column of each table that there is, as text; and, of SQLite, the
    /// bytes of its files.
    pub async fn places_of(&self, text: &str) -> Vec<String> {
        let mut places = Vec::new();
        if let Some(file) = &self.file {
            let pool = sqlx::SqlitePool::connect(&self.url).await.expect("the file is there");
            let columns = "SELECT m.name AS t, c.name AS c FROM sqlite_schema m, pragma_table_info(m.name) c \
                           WHERE m.type = 'table'";
            for row in sqlx::query(columns).fetch_all(&pool).await.expect("tables") {
                let (table, column): (String, String) = (row.get(0), row.get(1));
                let found = format!("SELECT COUNT(*) FROM {table} WHERE instr(CAST({column} AS TEXT), '{text}') > 0");
                let count: i64 = sqlx::query_scalar(AssertSqlSafe(found)).fetch_one(&pool).await.expect("a count");
                if count > 0 {
                    places.push(format!("{table}.{column}"));
                }
            }
            pool.close().await;
            for file in [file.clone(), file.with_extension("sqlite-wal")] {
                let bytes = std::fs::read(&file).unwrap_or_default();
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    places.push(file.display().to_string());
                }
            }
        } else {
            let pool = sqlx::PgPool::connect(&self.url).await.expect("the server is there");
            let columns = "SELECT table_name::text, column_name::text FROM information_schema.columns \
                           WHERE table_schema = 'public'";
            for row in sqlx::query(columns).fetch_all(&pool).await.expect("tables") {
                let (table, column): (String, String) = (row.get(0), row.get(1));
                let found = format!("SELECT COUNT(*) FROM {table} WHERE strpos({column}::text, '{text}') > 0");
                let count: i64 = sqlx::query_scalar(AssertSqlSafe(found)).fetch_one(&pool).await.expect("a count");
                if count > 0 {
                    places.push(format!("{table}.{column}"));
                }
            }
        }
        places
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            for file in [file.clone(), file.with_extension("sqlite-wal"), file.with_extension("sqlite-shm")] {
                let _ = std::fs::remove_file(file);
            }
        }
    }
}
