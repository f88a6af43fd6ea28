#[path = "../redis_support/mod.rs"]
mod redis_support;

use redis_support::*;

#[test]
fn t() {
    let mut a = RedisServer::start();
    assert_eq!(a.command(&["PING"]), "PONG");
    a.freeze();
    a.thaw();
    a.restart();
    let c = RedisCluster::start();
    assert_eq!(c.node_of("x").command(&["GET", "x"]), "");
    let mut s = SentinelSet::start();
    s.fail_over();
    println!("{}", s.replica.command(&["ROLE"]));
}
