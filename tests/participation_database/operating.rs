//! Tenants that were made at run time.

use downbeat::{
    auth::KeptTenant,
    participation::{AuditEntry, Database, DatabaseError, TenantWrite},
};

use crate::targets::Target;

fn write(settings: &str, is_deleted: bool) -> TenantWrite {
    let audit = AuditEntry {
        tenant: "acme".to_owned(),
        at_us: 7,
        actor: "operator".to_owned(),
        action: "tenant_changed".to_owned(),
        subject: None,
        details: serde_json::Value::Null,
    };
    TenantWrite { settings: settings.to_owned(), secrets: "{}".to_owned(), is_deleted, audit }
}

async fn put(database: &Database, id: &str, settings: &str) -> KeptTenant {
    let kept = database.change_tenant(id, 7, |_| Ok::<_, DatabaseError>(Some(write(settings, false)))).await;
    kept.expect("it is up").expect("it is there")
}

fn names(changed: &[KeptTenant]) -> Vec<(&str, i64)> {
    changed.iter().map(|kept| (kept.id.as_str(), kept.change)).collect()
}

pub async fn each_change_of_a_tenant_has_the_next_number_and_is_found_by_it(target: Target) {
    let database = &target.database;
    assert_eq!(database.tenants_changed(0).await.expect("it is up"), []);
    let first = put(database, "acme", r#"{"guests":true}"#).await;
    put(database, "zeta", "{}").await;
    assert_eq!((first.change, first.updated_at_us, first.is_deleted), (1, 7, false));
    assert_eq!(names(&database.tenants_changed(0).await.expect("it is up")), [("acme", 1), ("zeta", 2)]);
    put(database, "acme", "{}").await;
    assert_eq!(names(&database.tenants_changed(2).await.expect("it is up")), [("acme", 3)]);
    let gone = database.change_tenant("zeta", 9, |present| {
        assert_eq!(present.map(|present| present.change), Some(2));
        Ok::<_, DatabaseError>(Some(write("{}", true)))
    });
    let gone = gone.await.expect("it is up").expect("it is told");
    assert_eq!((gone.change, gone.is_deleted), (4, true));
    assert_eq!(database.tenants_changed(3).await.expect("it is up"), [gone]);
    assert_eq!(database.audit_entries("acme", 10).await.expect("it is up").len(), 4);
}

pub async fn a_change_that_is_refused_or_none_leaves_everything_as_it_was(target: Target) {
    let database = &target.database;
    let before = put(database, "acme", "{}").await;
    let refused = database.change_tenant("acme", 8, |_| Err(DatabaseError::Data("no".to_owned()))).await;
    assert_eq!(refused, Err(DatabaseError::Data("no".to_owned())));
    let left = database.change_tenant("acme", 8, |_| Ok::<_, DatabaseError>(None)).await;
    assert_eq!(left, Ok(Some(before.clone())));
    assert_eq!(database.tenants_changed(0).await.expect("it is up"), [before]);
}

pub async fn changes_at_the_same_time_come_one_after_the_other(target: Target) {
    let database = &target.database;
    let all = (0..16).map(|number| async move { put(database, &format!("t{}", number % 4), "{}").await.change });
    let mut numbers = futures_util::future::join_all(all).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<i64>>());
    assert_eq!(database.tenants_changed(0).await.expect("it is up").len(), 4);
}
