use downbeat::store::SessionInfo;

use super::samples::WholeStore;

pub async fn no_session_has_the_incarnation_of_another(store: &dyn WholeStore) {
    let info = SessionInfo::default();
    let first = store.open_session("a", &info).await.unwrap();
    let second = store.open_session("b", &info).await.unwrap();
    assert!(store.close_session("a", first).await.unwrap());
    let third = store.open_session("a", &info).await.unwrap();
    assert!(first < second && second < third, "{first} {second} {third}");
}

pub async fn a_session_is_renewed_and_closed_by_its_own_incarnation_alone(store: &dyn WholeStore) {
    let info = SessionInfo { address: "10.0.0.1:4000".into(), ..SessionInfo::default() };
    let old = store.open_session("a", &info).await.unwrap();
    let new = store.open_session("a", &info).await.unwrap();
    assert!(!store.renew_session("a", old, &info).await.unwrap(), "the pod is back under its old name");
    assert!(!store.close_session("a", old).await.unwrap());
    let draining = SessionInfo { draining: true, rooms: 4, ..info };
    assert!(store.renew_session("a", new, &draining).await.unwrap());
    let sessions = store.sessions().await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].incarnation, &sessions[0].info), (new, &draining));
    assert!(store.close_session("a", new).await.unwrap());
    assert!(!store.renew_session("a", new, &draining).await.unwrap(), "dead is dead");
    assert_eq!(store.sessions().await.unwrap(), []);
}

pub async fn a_session_is_ended_by_others_only_where_it_stood_still(store: &dyn WholeStore) {
    let info = SessionInfo::default();
    let incarnation = store.open_session("a", &info).await.unwrap();
    let seen = store.sessions().await.unwrap()[0].renewals;
    assert!(store.renew_session("a", incarnation, &info).await.unwrap());
    assert!(!store.end_session("a", incarnation, seen).await.unwrap(), "it moved");
    let seen = store.sessions().await.unwrap()[0].renewals;
    assert!(!store.end_session("a", incarnation + 1, seen).await.unwrap());
    assert!(store.end_session("a", incarnation, seen).await.unwrap());
    assert!(!store.end_session("a", incarnation, seen).await.unwrap(), "only the first ends it");
    assert!(!store.renew_session("a", incarnation, &info).await.unwrap());
}
