//! Over TLS, with a certificate whose authority the system trusts.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use downbeat::store::Store;

use super::{redis_support::RedisServer, samples::record, support::connect_patiently};

const URL: &str = "DOWNBEAT_TEST_TLS_URL";
const CHILD: &str = "tls::a_node_that_connects_over_tls";

fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Which authorities a process trusts is said in its environment, so a node that connects is a process of its own.
fn connected(url: &str, authority: &Path) -> Output {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--ignored", "--exact", CHILD]).env(URL, url).env("SSL_CERT_FILE", authority);
    child.output().expect("it runs")
}

#[test]
fn a_server_over_tls_is_trusted_by_its_authority_alone() {
    let mut server = RedisServer::prepare(&[]);
    let folder = server.folder().to_owned();
    for authority in ["ca", "other"] {
        openssl(
            &folder,
            &format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-{authority} -keyout {authority}.key -out {authority}.pem"
            ),
        );
    }
    openssl(&folder, "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout redis.key -out redis.csr");
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").expect("a file in a temporary folder");
    openssl(
        &folder,
        "x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out redis.pem",
    );
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
    command.arg(&folder).args(["--tls-auth-clients", "no"]);
    for (option, file) in [("cert", "redis.pem"), ("key", "redis.key"), ("ca-cert", "ca.pem")] {
        command.arg(format!("--tls-{option}-file")).arg(folder.join(file));
    }
    server.run(command, "eady to accept connections");

    let url = format!("rediss://localhost:{port}");
    let trusted = connected(&url, &folder.join("ca.pem"));
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stdout));
    let untrusted = connected(&url, &folder.join("other.pem"));
    assert!(!untrusted.status.success() && String::from_utf8_lossy(&untrusted.stdout).contains("certificate"));
    let misnamed = connected(&format!("rediss://127.0.0.1:{port}"), &folder.join("ca.pem"));
    assert!(!misnamed.status.success(), "the certificate is another host's");
}

#[tokio::test]
#[ignore = "run by a_server_over_tls_is_trusted_by_its_authority_alone, as a process of its own"]
async fn a_node_that_connects_over_tls() {
    let store = connect_patiently(&std::env::var(URL).expect("the other test says where")).await;
    store.create_room(record("acme", "MUSIC-1234"), 9).await.unwrap();
    assert_eq!(store.owners().await.unwrap().len(), 1);
}
