//! Who may, and with which server.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use downbeat::store::Store;

use super::{
    redis_support::RedisServer,
    samples::record,
    support::{connect, try_connect, until_ok},
};

#[tokio::test]
async fn a_wrong_password_is_an_error_that_names_the_setting_and_not_the_secret() {
    let server = RedisServer::start_with(&["--requirepass", "correct-horse"]);
    let at = format!("127.0.0.1:{}", server.port());
    for wrong in [format!("redis://:wrong-horse@{at}"), format!("redis://{at}")] {
        let error = try_connect(&wrong).await.err().expect("it is refused").to_string();
        assert!(error.contains("redis_url") && error.contains(&at), "{error}");
        assert!(!error.contains("horse"), "{error}");
    }
    let store = connect(&format!("redis://:correct-horse@{at}")).await;
    store.create_room(record("acme", "MUSIC-1234"), 9).await.unwrap();
}

#[tokio::test]
async fn a_user_of_the_servers_acl_is_let_in() {
    let server = RedisServer::start();
    let rights = ["~db:*", "+@all", "-@dangerous", "+info"];
    let user = [&["ACL", "SETUSER", "downbeat", "on", ">pa:ss%word"], rights.as_slice()].concat();
    assert_eq!(server.command(&user), "OK");
    let url = format!("redis://downbeat:pa%3Ass%25word@127.0.0.1:{}?prefix=db:", server.port());
    let store = connect(&url).await;
    server.command(&["ACL", "SETUSER", "default", "off"]);
    store.create_room(record("acme", "MUSIC-1234"), 9).await.unwrap();
    store.look().await.unwrap();
    assert_eq!(store.owners().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_password_that_is_changed_under_way_is_a_failure_until_it_is_changed_back() {
    let server = RedisServer::start();
    let store = connect(&server.url()).await;
    server.command(&["CONFIG", "SET", "requirepass", "new"]);
    server.command(&["-a", "new", "CLIENT", "KILL", "TYPE", "normal"]);
    until_ok(async || store.look().await.map_or_else(|_| store.failure().map(drop).ok_or(()), |_| Err(()))).await;
    server.command(&["-a", "new", "CONFIG", "SET", "requirepass", ""]);
    until_ok(async || store.look().await).await;
    assert_eq!(store.failure(), None);
}

/// Speaks as much of the protocol as a server that says its version.
fn server_of_version(version: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let info = format!("# Server\r\nredis_version:{version}\r\nrun_id:abc\r\n");
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut request = [0; 4_096];
            while client.read(&mut request).is_ok_and(|read| read > 0) {
                let _ = write!(client, "${}\r\n{info}\r\n", info.len());
            }
        }
    });
    port
}

#[tokio::test]
async fn an_older_server_is_refused_by_its_version() {
    for version in ["6.2.14", "2.8", ""] {
        let url = format!("redis://127.0.0.1:{}", server_of_version(version));
        let error = try_connect(&url).await.err().expect("it is refused").to_string();
        assert!(error.contains(version) && error.contains("7.0"), "{error}");
    }
}
