use downbeat::participation::{Database, DatabaseError};

use crate::{lessons::*, postgres_support::PostgresServer, targets::Target};

pub async fn migrating_twice_applies_nothing_twice(target: Target) {
    assert_eq!(target.database.migrate().await.expect("it is up").applied, 0);
    let other = Database::new(&target.url.parse().expect("a URL"));
    assert_eq!(other.migrate().await.expect("it is up").applied, 0);
}

pub async fn a_newer_database_is_accepted_and_a_changed_migration_is_not(target: Target) {
    let (truth, checksum) = if target.is_sqlite() { ("1", "x'00'") } else { ("TRUE", "'\\x00'") };
    target
        .execute(&format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of a later release', {truth}, {checksum}, 0)"
        ))
        .await;
    assert_eq!(target.database.migrate().await.expect("older nodes work on").applied, 0);
    target.execute(&format!("UPDATE _sqlx_migrations SET checksum = {checksum} WHERE version = 1")).await;
    let error = target.database.migrate().await.expect_err("these are not our tables");
    assert!(matches!(error, DatabaseError::Migration(_)) && !error.is_passing(), "{error}");
}

#[tokio::test]
async fn a_user_who_may_not_create_tables_works_once_an_operator_has_migrated() {
    let server = PostgresServer::start();
    let url = server.database("school");
    server.sql("school", "CREATE ROLE downbeat LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let database = Database::new(&server.url_of("downbeat", "school").parse().expect("a URL"));
    let error = database.migrate().await.expect_err("it may not create tables");
    assert!(!error.is_passing() && error.to_string().contains("downbeat migrate"), "{error}");

    let operator = Database::new(&url.parse().expect("a URL"));
    let both = tokio::join!(operator.migrate(), operator.migrate());
    assert!(both.0.is_ok() && both.1.is_ok(), "two at once: {both:?}");
    server.sql("school", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO downbeat");
    assert_eq!(database.migrate().await.expect("all is applied").applied, 0);
    let notes = batch(Lesson::new().notes("ada", OPENED_US, 5));
    assert_eq!(database.insert(&notes).await.expect("it may write").events, 5);
}

#[tokio::test]
async fn a_database_that_was_killed_serves_again_when_it_is_back() {
    let mut server = PostgresServer::start();
    let database = Database::new(&server.url().parse().expect("a URL"));
    database.migrate().await.expect("it is up");
    let mut lesson = Lesson::new();
    let first = batch(lesson.notes("ada", OPENED_US, 100));
    database.insert(&first).await.expect("it is up");

    server.kill();
    let second = batch(lesson.notes("ada", OPENED_US + SECOND_US, 100));
    for attempt in 0..3 {
        let error = database.insert(&second).await.expect_err("it is down");
        assert!(error.is_passing(), "attempt {attempt}: {error}");
    }
    assert!(database.is_reachable().await.expect_err("it is down").is_passing());

    server.restart();
    database.is_reachable().await.expect("it is back");
    assert_eq!(database.insert(&first).await.expect("it is back").events, 0, "what was told to be durable is there");
    assert_eq!(database.insert(&second).await.expect("it is back").events, 100);
}

#[tokio::test]
async fn a_server_that_was_never_there_fails_nothing_but_the_question() {
    let database = Database::new(&"postgres://ada:hunter2@127.0.0.1:1/school".parse().expect("a URL"));
    let error = database.is_reachable().await.expect_err("nobody listens");
    assert!(error.is_passing() && !error.to_string().contains("hunter2"), "{error}");
}
