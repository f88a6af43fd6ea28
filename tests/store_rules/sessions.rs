use downbeat::store::{SessionInfo, SessionRecord};

use super::samples::WholeStore;

pub async fn no_session_has_the_incarnation_of_another(store: &dyn WholeStore) {
    let info = SessionInfo::default();
    let first = store.open_session("a", &info, 0).await.unwrap();
    let second = store.open_session("b", &info, 0).await.unwrap();
    assert!(store.close_session("a", first).await.unwrap());
    let third = store.open_session("a", &info, 0).await.unwrap();
    assert!(first < second && second < third, "{first} {second} {third}");
}

pub async fn a_session_is_renewed_and_closed_by_its_own_incarnation_alone(store: &dyn WholeStore) {
    let info = SessionInfo { address: "10.0.0.1:4000".into(), ..SessionInfo::default() };
    let old = store.open_session("a", &info, 0).await.unwrap();
    let new = store.open_session("a", &info, 0).await.unwrap();
    assert!(!store.renew_session("a", old, &info).await.unwrap(), "the pod is back under its old name");
    assert!(!store.close_session("a", old).await.unwrap());
    let draining = SessionInfo { draining: true, rooms: 4, ..info };
    assert!(store.renew_session("a", new, &draining).await.unwrap());
    let sessions = store.look().await.unwrap().sessions;
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].incarnation, &sessions[0].info), (new, &draining));
    assert!(store.close_session("a", new).await.unwrap());
    assert!(!store.renew_session("a", new, &draining).await.unwrap(), "dead is dead");
    assert_eq!(store.look().await.unwrap().sessions, []);
}

pub async fn a_session_is_ended_by_others_only_where_it_stood_still(store: &dyn WholeStore) {
    let info = SessionInfo::default();
    let incarnation = store.open_session("a", &info, 0).await.unwrap();
    let seen = store.look().await.unwrap().sessions[0].renewals;
    assert!(store.renew_session("a", incarnation, &info).await.unwrap());
    assert!(!store.end_session("a", incarnation, seen).await.unwrap(), "it moved");
    let seen = store.look().await.unwrap().sessions[0].renewals;
    assert!(!store.end_session("a", incarnation + 1, seen).await.unwrap());
    assert!(store.end_session("a", incarnation, seen).await.unwrap());
    assert!(!store.end_session("a", incarnation, seen).await.unwrap(), "only the first ends it");
    assert!(!store.renew_session("a", incarnation, &info).await.unwrap());
}

pub async fn an_incarnation_is_at_least_what_is_asked_and_below_two_to_the_53rd(store: &dyn WholeStore) {
    let info = SessionInfo::default();
    let first = store.open_session("a", &info, 0).await.unwrap();
    let far = first + 1_000_000_000;
    let second = store.open_session("b", &info, far).await.unwrap();
    assert!(second >= far, "{far} {second}");
    let last = store.open_session("c", &info, first).await.unwrap();
    assert!(last > second && last < 1 << 53, "{first} {last}");
}

pub async fn a_look_shows_every_session_as_its_node_told_of_it(store: &dyn WholeStore) {
    let odd = "pod:7}{ä*\n";
    let info = |process| SessionInfo {
        address: "10.0.0.1:4000".into(),
        version: "1.2.3 \"beta\"".into(),
        ring_version: 3,
        ring_points: 256,
        process,
        draining: process == 2,
        rooms: 5,
        sockets: 60,
        metrics_address: "10.0.0.1:9464".into(),
        ttl_ms: 2_000,
    };
    let first = store.open_session(odd, &info(1), 0).await.unwrap();
    let second = store.open_session("b", &info(2), 0).await.unwrap();
    for _ in 0..2 {
        assert!(store.renew_session(odd, first, &info((1 << 53) - 1)).await.unwrap());
    }
    let mut seen = store.look().await.unwrap().sessions;
    seen.sort_by(|a, b| a.node.cmp(&b.node));
    let record =
        |node: &str, incarnation, renewals, info| SessionRecord { node: node.into(), incarnation, renewals, info };
    assert_eq!(seen, [record("b", second, 0, info(2)), record(odd, first, 2, info((1 << 53) - 1))]);
}

pub async fn a_life_of_the_store_has_the_name_that_was_proposed_first(store: &dyn WholeStore) {
    let name = store.name_generation("first").await.unwrap();
    assert_eq!(store.name_generation("second").await.unwrap(), name);
    assert_eq!(store.look().await.unwrap().generation, Some(name));
}

pub async fn a_secret_is_what_was_proposed_first_under_its_name(store: &dyn WholeStore) {
    let bytes: Vec<u8> = (0..64).map(|n| n * 4).collect();
    assert_eq!(store.shared_secret("polls", &bytes).await.unwrap(), bytes);
    assert_eq!(store.shared_secret("polls", b"late").await.unwrap(), bytes);
    assert_eq!(store.shared_secret("other", b"late").await.unwrap(), b"late");
}
