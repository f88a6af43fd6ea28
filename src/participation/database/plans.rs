//! How the database goes about each statement.

use sqlx::{AssertSqlSafe, Row};

use super::{Database, DatabaseError, bulk::lite_insertions_of_one, on::On, sql};

/// A statement that touches events or who was where, and how it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// As it is called here.
    pub name: &'static str,
    /// In the database's own words.
    pub steps: Vec<String>,
}

impl Database {
    /// The plans of all statements that touch events or who was where, as the database would make them now for values that it does not
    /// know yet. The statements are those that run.
    pub async fn plans(&self) -> Result<Vec<Plan>, DatabaseError> {
        match &self.pools {
            On::Sqlite(_) => {
                let statements = touching_events(&[sql::SHARED, sql::SQLITE]);
                self.lite_plans(statements.chain(lite_insertions_of_one()).collect()).await
            }
            On::Postgres(_) => self.postgres_plans(touching_events(&[sql::SHARED, sql::POSTGRES]).collect()).await,
        }
    }

    async fn lite_plans(&self, statements: Vec<(&'static str, &'static str)>) -> Result<Vec<Plan>, DatabaseError> {
        let On::Sqlite(pools) = &self.pools else {
            return Ok(Vec::new());
        };
        let mut plans = Vec::new();
        for (name, statement) in statements {
            let explain = format!("EXPLAIN QUERY PLAN {statement}");
            let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&pools.reads).await?;
            let steps = rows.iter().map(|row| row.try_get("detail")).collect::<Result<_, _>>()?;
            plans.push(Plan { name, steps });
        }
        Ok(plans)
    }

    async fn postgres_plans(&self, statements: Vec<(&'static str, &'static str)>) -> Result<Vec<Plan>, DatabaseError> {
        let On::Postgres(pool) = &self.pools else {
            return Ok(Vec::new());
        };
        // A connection of its own: it forgets the settings when it ends.
        let mut connection = pool.acquire().await?.detach();
        sqlx::raw_sql("SET plan_cache_mode = force_generic_plan").execute(&mut connection).await?;
        let mut plans = Vec::new();
        for (name, statement) in statements {
            let count = (1..).take_while(|number| statement.contains(&format!("${number}"))).count();
            let prepare = format!("PREPARE explained AS {statement}");
            sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut connection).await?;
            let explain = format!("EXPLAIN (COSTS OFF) EXECUTE explained ({})", vec!["NULL"; count].join(", "));
            let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut connection).await?;
            let steps = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            sqlx::raw_sql("DEALLOCATE explained").execute(&mut connection).await?;
            plans.push(Plan { name, steps });
        }
        Ok(plans)
    }
}

fn touching_events(
    lists: &[&'static [(&'static str, &'static str)]],
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = lists.iter().copied().flatten().copied().collect::<Vec<_>>();
    all.into_iter().filter(|(_, statement)| {
        ["participation_events", "session_students"].iter().any(|table| statement.contains(table))
    })
}
