//! What `redis-cli` shows.

use std::{collections::BTreeSet, sync::Arc};

use downbeat::{
    auth::{Secret, TenantConfig},
    store::{SessionInfo, Store},
};

use super::{
    redis_support::RedisServer,
    samples::{claim, controls, done, here, key, member, owner, record},
    support::{connect_patiently, until_ok},
};

fn lines(answer: &str) -> Vec<&str> {
    answer.lines().collect()
}

#[tokio::test]
async fn a_room_can_be_read_without_tools() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    store.write_room(&room.key, &room.fence(), &controls(11), Some(done(5, "7:mute")), None).await.unwrap();
    store.write_members(&room.key, &room.fence(), 2, &[here(&member("ada", 1))]).await.unwrap();

    let fields = server.command(&["HGETALL", "room:{acme:MUSIC-1234}"]);
    // They come in no order, and of an empty value that comes last no line is left.
    let pairs = lines(&fields);
    let pairs = pairs.chunks(2).map(|pair| (pair[0], pair.get(1).copied().unwrap_or_default()));
    let mut fields: Vec<_> = pairs.map(|(name, value)| format!("{name} = {value}")).collect();
    fields.sort();
    let expected = [
        "admitted = []",
        "all_muted = false",
        "bpm = 96",
        "closed = false",
        "code = MUSIC-1234",
        "created_at = 5",
        "epoch = 1000",
        "exempt = []",
        "incarnation = 7",
        "last_active_at = 6",
        "lineage = 1000:50:0",
        "locked = false",
        "members_rev = 2",
        r#"meter = {"bar0_ub":0,"beats_per_bar":7,"groups":[2,2,3]}"#,
        "name = Brass",
        "nonce = 50",
        "owner = a",
        "playing = true",
        r#"removed = ["mallory"]"#,
        "rev = 11",
        "run = 3",
        r#"settings = {"autostart":true,"max_students":60}"#,
        "since_ms = 900",
        "taken_from = ",
        "teacher_id = ms-lee",
        "tenant = acme",
        r#"timeline = {"segments":[{"beat0_ub":0,"milli_bpm":96000,"ramp":null,"t0_us":1000000}],"stop_at_ub":null}"#,
    ];
    assert_eq!(fields, expected);

    let beside = |what: &str| format!("room:{{acme:MUSIC-1234}}:{what}");
    assert_eq!(server.command(&["SMEMBERS", &beside("muted")]), "bob");
    let assignments = server.command(&["HGETALL", &beside("assignments")]);
    assert_eq!(lines(&assignments), ["1", r#"["ada"]"#, "12", r#"["bob","eve"]"#]);
    let roles = server.command(&["HGETALL", &beside("roles")]);
    assert_eq!(lines(&roles), ["ada", "soloist", "eve", "section:horns"]);
    let answers = server.command(&["LRANGE", &beside("done"), "0", "-1"]);
    assert_eq!(answers, r#"{"connection":5,"request":"7:mute","reply":{"response":{"n":5},"status":"ok"}}"#);
    let members = server.command(&["HGETALL", &beside("members")]);
    assert!(members.starts_with("ada\n{\"student_id\":\"ada\",\"name\":\"ada «The Horn»\""), "{members}");
    assert_eq!(server.command(&["ZRANGE", "rooms:{acme}", "0", "-1"]), "MUSIC-1234");
    assert_eq!(server.command(&["SMEMBERS", "rooms"]), "acme");
}

#[tokio::test]
async fn a_closed_room_leaves_its_epoch_for_an_hour_and_nothing_else() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    store.write_room(&room.key, &room.fence(), &controls(11), Some(done(5, "7:mute")), None).await.unwrap();
    store.write_members(&room.key, &room.fence(), 2, &[here(&member("ada", 1))]).await.unwrap();
    store.close_room(&room.key, &room.fence()).await.unwrap();
    assert_eq!(server.command(&["KEYS", "*"]), "room:{acme:MUSIC-1234}:closed");
    assert_eq!(server.command(&["GET", "room:{acme:MUSIC-1234}:closed"]), "1000");
    let left: i64 = server.command(&["TTL", "room:{acme:MUSIC-1234}:closed"]).parse().unwrap();
    assert!((3_590..=3_600).contains(&left), "{left}");
}

#[tokio::test]
async fn a_session_is_json_and_ends_by_itself() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let info = SessionInfo { address: "10.0.0.1:4000".into(), rooms: 3, process: 9, ..SessionInfo::default() };
    let incarnation = store.open_session("pod-1", &info, 0).await.unwrap();
    assert!(store.renew_session("pod-1", incarnation, &info).await.unwrap());
    let expected = format!(
        r#"{{"incarnation":{incarnation},"renewals":1,"address":"10.0.0.1:4000","metrics_address":"","version":"","ring_version":0,"ring_points":0,"process":9,"ttl_ms":0,"draining":false,"rooms":3,"sockets":0}}"#
    );
    assert_eq!(server.command(&["GET", "lease:{pod-1}"]), expected);
    let left: i64 = server.command(&["PTTL", "lease:{pod-1}"]).parse().unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
    assert_eq!(server.command(&["ZRANGE", "nodes", "0", "-1"]), "pod-1");
    assert_eq!(server.command(&["GET", "incarnation"]), incarnation.to_string());
    server.command(&["PEXPIRE", "lease:{pod-1}", "1"]);
    let ended = async || if store.look().await.unwrap().sessions.is_empty() { Ok(()) } else { Err(()) };
    until_ok(ended).await;
    assert!(!store.renew_session("pod-1", incarnation, &info).await.unwrap(), "and does not come to life again");
}

#[tokio::test]
async fn every_key_begins_with_the_prefix() {
    let server = RedisServer::start();
    let store = connect_patiently(&format!("{}?prefix=school:", server.url())).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    store.write_room(&room.key, &room.fence(), &controls(11), Some(done(5, "7:mute")), None).await.unwrap();
    store.open_session("a", &SessionInfo::default(), 0).await.unwrap();
    store.name_generation("g").await.unwrap();
    store.agree_clock("r", None, 5).await.unwrap();
    store.shared_secret("s", b"s").await.unwrap();
    let keys = server.command(&["KEYS", "*"]);
    assert!(lines(&keys).len() > 9, "{keys}");
    assert!(lines(&keys).iter().all(|key| key.starts_with("school:")), "{keys}");
}

#[tokio::test]
async fn a_database_number_keeps_services_apart() {
    let server = RedisServer::start();
    let store = connect_patiently(&format!("{}/3", server.url())).await;
    store.create_room(record("acme", "MUSIC-1234"), 9).await.unwrap();
    assert_eq!(server.command(&["DBSIZE"]), "0");
    assert_eq!(server.command(&["-n", "3", "EXISTS", "room:{acme:MUSIC-1234}"]), "1");
}

#[tokio::test]
async fn whatever_tenants_are_called_their_rooms_never_meet() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let tenants = [
        "a",
        "a}",
        "a}b",
        "{a}",
        "a:b",
        "a%3Ab",
        "a:MUSIC-0001}",
        "a}:done",
        "A",
        "ä",
        "a b",
        "%",
        "%25",
        "*",
        "a\u{0}",
        "",
    ];
    for (n, tenant) in tenants.iter().enumerate() {
        let mut room = record(tenant, "MUSIC-0001");
        room.owner = n.to_string();
        store.create_room(room, 1).await.unwrap();
    }
    let keys = server.command(&["KEYS", "room:*"]);
    let records: BTreeSet<_> = lines(&keys).into_iter().filter(|key| key.ends_with('}')).collect();
    assert_eq!(records.len(), tenants.len(), "{keys}");
    assert!(records.iter().all(|key| key.matches(['{', '}']).count() == 2), "one hash tag each: {keys}");
    for (n, tenant) in tenants.iter().enumerate() {
        let loaded = store.load_room(&key(tenant, "MUSIC-0001")).await.unwrap().expect("it lives");
        assert_eq!((loaded.owner, &*loaded.key.tenant), (n.to_string(), *tenant));
        assert_eq!(store.live_rooms(tenant).await.unwrap(), 1);
    }
    let mut owners = store.owners().await.unwrap();
    owners.sort_by_key(|owned| owned.owner.node.parse::<usize>().unwrap());
    let found: Vec<_> = owners.iter().map(|owned| &*owned.key.tenant).collect();
    assert_eq!(found, tenants);
}

#[tokio::test]
async fn what_a_newer_node_has_stored_is_left_alone() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    server.command(&["HSET", "room:{acme:MUSIC-1234}", "activity", "a game"]);
    assert_eq!(store.load_room(&room.key).await.unwrap(), Some(room.clone()));
    store.write_room(&room.key, &room.fence(), &controls(11), None, None).await.unwrap();
    store.take_over(&room.key, claim(owner("a", 7), owner("b", 8))).await.unwrap();
    assert_eq!(server.command(&["HGET", "room:{acme:MUSIC-1234}", "activity"]), "a game");
}

#[tokio::test]
async fn a_record_that_was_spoilt_by_hand_is_an_error_that_names_it() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let room = record("acme", "MUSIC-1234");
    store.create_room(room.clone(), 9).await.unwrap();
    server.command(&["HDEL", "room:{acme:MUSIC-1234}", "meter"]);
    let error = store.load_room(&room.key).await.unwrap_err().to_string();
    assert!(error.contains("acme:MUSIC-1234") && error.contains("meter"), "{error}");
}

#[tokio::test]
async fn a_tenant_s_settings_can_be_read_and_its_secrets_cannot() {
    let server = RedisServer::start();
    let store = connect_patiently(&server.url()).await;
    let config = TenantConfig {
        id: "acme".into(),
        jwt_secret: Some(Secret::from("a-secret-that-nobody-may-see-in-redis".to_owned())),
        guests: true,
        ..TenantConfig::default()
    };
    let tenant = Arc::new(config.build(std::path::Path::new(".")).expect("a good tenant"));
    store.note_tenants(&[tenant]).await.unwrap();
    assert_eq!(server.command(&["HGET", "tenant:{acme}", "guests"]), "true");
    assert!(server.command(&["HGET", "tenant:{acme}", "limits"]).contains("\"max_rooms_per_tenant\":100"));
    assert!(!server.command(&["HGETALL", "tenant:{acme}"]).contains("a-secret"));
}
