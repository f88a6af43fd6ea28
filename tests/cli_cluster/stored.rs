//! What is said of records that stand in Redis, without any node.

use std::time::Duration;

use downbeat::{
    placement::{POINTS_PER_NODE, RING_VERSION, Ring},
    redis_url::RedisUrl,
    room::{ByConnection, MemberRole, RoomKey},
    store::{Home, Lineage, MemberRecord, MemberWrite, Owner, RedisStore, RoomRecord, SessionInfo, Store, TakeOver},
};
use serde_json::{Value, json};

use super::{
    asking::{ask, ask_json},
    redis_support::RedisServer,
};

const TTL_MS: u64 = 60_000;
const PROCESS: u64 = 77;

struct Stored {
    redis: RedisServer,
    store: RedisStore,
}

impl Stored {
    async fn new() -> Self {
        let redis = RedisServer::start();
        let url = RedisUrl::parse(&redis.url()).expect("a URL");
        let store = RedisStore::connect(&url, Duration::from_millis(TTL_MS)).await.expect("it is there");
        Self { redis, store }
    }

    async fn session(&self, node: &str, change: impl FnOnce(&mut SessionInfo)) -> u64 {
        let mut info = SessionInfo {
            address: "10.0.0.7:4000".into(),
            version: "0.1.0".into(),
            ring_version: RING_VERSION,
            ring_points: POINTS_PER_NODE,
            process: PROCESS,
            ttl_ms: TTL_MS,
            ..SessionInfo::default()
        };
        change(&mut info);
        self.store.open_session(node, &info, 0).await.expect("a session")
    }

    async fn room(&self, tenant: &str, code: &str, owner: &str, incarnation: u64) -> RoomKey {
        let record = record(tenant, code, owner, incarnation);
        let key = record.key.clone();
        self.store.create_room(record, 100).await.expect("a room");
        key
    }
}

fn record(tenant: &str, code: &str, owner: &str, incarnation: u64) -> RoomRecord {
    let controls = json!({
        "teacher_id": "ms-lee",
        "settings": {"autostart": true, "max_students": 60, "locked": true, "name": "Brass \u{1b}[2J"},
        "rev": 10, "run": 3, "bpm": 96, "playing": true,
        "timeline": {
            "segments": [{"t0_us": 1_000_000, "beat0_ub": 0, "milli_bpm": 96_000, "ramp": null}],
            "stop_at_ub": null,
        },
        "meter": {"beats_per_bar": 7, "groups": [2, 2, 3], "bar0_ub": 0},
        "muted": ["bob"], "all_muted": false, "exempt": [],
        "assignments": {"1": ["ada"]}, "roles": {"ada": "soloist"},
        "admitted": [], "removed": [], "created_at_us": 5, "last_active_at_us": 6, "closed": false,
    });
    RoomRecord {
        key: RoomKey { tenant: tenant.into(), code: code.parse().expect("a code") },
        owner: owner.into(),
        incarnation,
        epoch: 1_000,
        nonce: 50,
        since_ms: 900,
        taken_from: String::new(),
        from_beat: None,
        members_rev: 0,
        lineage: Lineage::founded(1_000, 50),
        controls: serde_json::from_value(controls).expect("these are controls"),
    }
}

fn member(student_id: &str, homes: &[(u64, &str, u64)]) -> MemberWrite {
    let home = |node: &str, process| Home { node: node.into(), process };
    let connections: ByConnection<Home> =
        homes.iter().map(|(connection, node, process)| (*connection, home(node, *process))).collect();
    let member = MemberRecord {
        student_id: student_id.into(),
        name: student_id.to_uppercase(),
        role: MemberRole::Student,
        hand: false,
        joined_at_us: 1_795_345_290_000_000,
        connections,
        tracks: ByConnection::new(),
    };
    MemberWrite { student_id: student_id.into(), member: Some(member) }
}

fn codes(rooms: &Value) -> Vec<&str> {
    rooms["rooms"].as_array().expect("rooms").iter().map(|room| room["code"].as_str().expect("a code")).collect()
}

#[tokio::test]
async fn rooms_name_who_conducts_them_and_orphans_are_those_whose_owner_is_dead() {
    let stored = Stored::new().await;
    let lives = stored.session("a", |_| {}).await;
    stored.room("acme", "MUSIC-0001", "a", lives).await;
    stored.room("acme", "MUSIC-0002", "b", 7).await;
    stored.room("zeta", "MUSIC-0003", "a", lives - 1).await;
    let url = stored.redis.url();

    let all = ask_json(&url, &["rooms"]);
    assert_eq!(codes(&all), ["MUSIC-0001", "MUSIC-0002", "MUSIC-0003"]);
    let states: Vec<_> = all["rooms"].as_array().unwrap().iter().map(|room| room["owner_state"].clone()).collect();
    assert_eq!(states, ["alive", "dead", "dead"], "a former session of a living node conducts nothing");
    assert_eq!(codes(&ask_json(&url, &["rooms", "--tenant", "zeta"])), ["MUSIC-0003"]);
    assert_eq!(codes(&ask_json(&url, &["rooms", "--orphans"])), ["MUSIC-0002", "MUSIC-0003"]);
    assert_eq!(codes(&ask_json(&url, &["rooms", "--orphans", "--tenant", "acme"])), ["MUSIC-0002"]);

    let text = ask(&url, &["rooms"]);
    assert_eq!(text.line(&["TENANT"])[..3], ["TENANT", "ROOM", "OWNER"]);
    assert_eq!(text.line(&["acme", "MUSIC-0002"])[2..4], ["b", "(dead)"]);
    assert!(text.out.contains("3 rooms, 2 without a living owner"), "{}", text.out);
    assert!(!text.out.contains('\u{1b}'), "a room's name moves no cursor, and a pipe gets no colours: {:?}", text.out);
}

#[tokio::test]
async fn a_room_tells_of_its_last_change_of_conductor_and_of_who_is_in_it_where() {
    let stored = Stored::new().await;
    let (a, b) = (stored.session("a", |_| {}).await, stored.session("b", |_| {}).await);
    let key = stored.room("acme", "MUSIC-0001", "a", a).await;
    let owner = |node: &str, incarnation| Owner { node: node.into(), incarnation };
    let claim = TakeOver {
        expected: owner("a", a),
        claimant: owner("b", b),
        expected_reign: None,
        nonce: 9,
        from_beat: Some(120),
        highest_seen_epoch: 0,
        now_ms: 0,
    };
    let taken = stored.store.take_over(&key, claim).await.expect("taken over");
    let writes = [member("ada", &[(1, "a", PROCESS), (2, "b", PROCESS)]), member("bob", &[(3, "a", PROCESS - 1)])];
    stored.store.write_members(&key, &taken.fence(), 4, &writes).await.expect("members");
    let url = stored.redis.url();

    let room = ask_json(&url, &["room", "acme", "music-0001"]);
    let fields = ["owner", "owner_state", "taken_from", "from_beat", "epoch", "nonce", "rev", "run", "members_rev"];
    let told: Vec<Value> = fields.iter().map(|field| room[field].clone()).collect();
    assert_eq!(Value::from(told), json!(["b", "alive", "a", 120, taken.epoch, 9, 10, 3, 4]));
    assert_eq!(room["since_ms"], taken.since_ms);
    assert_eq!(room["members_by_node"], json!({"a": 2}), "each member counts once, where its first connection ends");
    let of = |id: &str| room["members"].as_array().unwrap().iter().find(|member| member["student_id"] == id).unwrap();
    assert_eq!(of("ada")["connections"].as_array().unwrap().len(), 2);
    assert_eq!(of("bob")["connections"][0]["node_lives"], false, "another process bears its node's name now");
    assert_eq!((&of("bob")["muted"], &of("ada")["muted"]), (&json!(true), &json!(false)));
    let named = Ring::new(["a", "b"], POINTS_PER_NODE);
    assert_eq!(room["ring_names"], named.owner(&key).expect("two nodes"));
    assert!(
        room["beat"]["beat"].as_i64().unwrap() > 1_000_000_000,
        "since 1970, at 96 to the minute: {}",
        room["beat"]
    );

    let text = ask(&url, &["room", "acme", "MUSIC-0001"]).out;
    for part in ["b (alive)", "a, handed over at beat 120", "rev 10", "96 bpm", "a (gone)", "soloist"] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
}

#[tokio::test]
async fn nodes_say_who_lives_who_leaves_whom_the_ring_counts_and_who_is_gone() {
    let stored = Stored::new().await;
    stored.session("a", |info| info.rooms = 4).await;
    stored.session("b", |info| info.draining = true).await;
    stored.session("c", |info| info.ring_version += 1).await;
    let gone = stored.session("d", |_| {}).await;
    assert!(stored.store.close_session("d", gone).await.expect("an answer"));
    let url = stored.redis.url();

    let nodes = ask_json(&url, &["nodes"]);
    let told = |field: &str| -> Vec<Value> {
        nodes["nodes"].as_array().expect("nodes").iter().map(|node| node[field].clone()).collect()
    };
    assert_eq!(told("node"), ["a", "b", "c", "d"]);
    assert_eq!(told("state"), ["alive", "draining", "alive", "gone"]);
    assert_eq!(told("in_ring"), [true, false, false, false]);
    assert_eq!(told("rooms"), [json!(4), json!(0), json!(0), Value::Null]);
    for ago in told("renewed_ago_ms") {
        assert!((0..TTL_MS as i64).contains(&ago.as_i64().expect("each was just seen")), "{ago}");
    }
    let text = ask(&url, &["nodes"]);
    assert_eq!(text.line(&["b"])[1..3], ["draining", "no"]);
    assert_eq!(text.line(&["d"])[1], "gone");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_spoils_no_other_room_s_line() {
    let stored = Stored::new().await;
    let a = stored.session("a", |_| {}).await;
    stored.room("acme", "MUSIC-0001", "a", a).await;
    stored.room("acme", "MUSIC-0002", "a", a).await;
    stored.redis.command(&["HSET", "room:{acme:MUSIC-0001}", "rev", "many"]);
    let rooms = ask_json(&stored.redis.url(), &["rooms"]);
    assert_eq!(codes(&rooms), ["MUSIC-0002"]);
    assert_eq!(rooms["unreadable"][0]["code"], "MUSIC-0001");
    assert!(rooms["unreadable"][0]["reason"].as_str().unwrap().contains("cannot be understood"), "{rooms}");
}

#[tokio::test]
async fn asking_changes_nothing() {
    let stored = Stored::new().await;
    let a = stored.session("a", |_| {}).await;
    stored.room("acme", "MUSIC-0001", "a", a).await;
    let changes = || {
        let info = stored.redis.command(&["INFO", "persistence"]);
        let line = info.lines().find(|line| line.starts_with("rdb_changes_since_last_save:")).expect("it is counted");
        line.trim().to_owned()
    };
    let before = changes();
    for question in [&["nodes"][..], &["rooms"], &["rooms", "--orphans"], &["room", "acme", "MUSIC-0001"]] {
        assert_eq!(ask(&stored.redis.url(), question).code, 0);
    }
    assert_eq!(changes(), before);
}
