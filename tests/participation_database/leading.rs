use downbeat::participation::Database;

use crate::{postgres_support::PostgresServer, targets::Target};

#[tokio::test]
async fn one_node_at_a_time_leads_a_job() {
    let server = PostgresServer::start();
    let url = server.url().parse().expect("a URL");
    let (here, there) = (Database::new(&url), Database::new(&url));
    let leads = here.try_lead("retention").await.expect("it is up").expect("nobody else does");
    assert!(there.try_lead("retention").await.expect("it is up").is_none());
    assert!(there.try_lead("another").await.expect("it is up").is_some());
    drop(leads);
    let taken_over = async { while there.try_lead("retention").await.expect("it is up").is_none() {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), taken_over).await.expect("the lock ends with its owner");
}

#[tokio::test]
async fn a_node_with_a_file_of_its_own_always_leads() {
    let target = Target::sqlite().await;
    let _leads = target.database.try_lead("retention").await.expect("it is up").expect("it is alone");
    assert!(target.database.try_lead("retention").await.expect("it is up").is_some());
}
