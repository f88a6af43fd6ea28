//! Rate, errors and duration of events, and what a tenant's limits refuse, as a node tells them.

use serde_json::json;

use super::node::Node;

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_with_their_errors_and_how_long_their_answers_took() {
    let node = Node::start("alone", &[]);
    let code = node.new_room().await;
    let mut teacher = node.teach(&code).await;
    assert_eq!(teacher.ask(&code, "set_tempo", json!({ "bpm": 99 })).await["status"], "ok");
    assert_eq!(teacher.ask(&code, "set_tempo", json!({ "bpm": 9_000 })).await["status"], "error", "at once");
    assert_eq!(teacher.ask(&code, "mute_student", json!({ "student_id": "nobody" })).await["status"], "error");
    assert_eq!(teacher.ask(&code, "play_note", json!({ "midi": 60 })).await["status"], "ok");
    assert_eq!(teacher.ask(&code, "play_note", json!({ "midi": 600 })).await["status"], "error");

    for (series, value) in [
        ("downbeat_events_total{kind=\"set_tempo\"}", 2.0),
        ("downbeat_event_errors_total{kind=\"set_tempo\"}", 1.0),
        ("downbeat_event_seconds_count{kind=\"set_tempo\"}", 1.0),
        ("downbeat_event_errors_total{kind=\"mute_student\"}", 1.0),
        ("downbeat_event_seconds_count{kind=\"mute_student\"}", 1.0),
        ("downbeat_events_total{kind=\"play_note\"}", 2.0),
        ("downbeat_event_errors_total{kind=\"play_note\"}", 1.0),
    ] {
        assert_eq!(node.figure(series).await, Some(value), "{series}");
    }
    let notes = node.figure("downbeat_event_seconds_count{kind=\"play_note\"}").await;
    assert_eq!(notes, None, "a note is not timed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_sockets_rooms_and_refusals_are_told_under_its_name() {
    let node = Node::start("alone", &[]);
    let code = node.new_room().await;
    let mut teacher = node.teach(&code).await;
    assert_eq!(node.figure("downbeat_tenant_connections{tenant=\"acme\"}").await, Some(1.0));
    assert_eq!(node.figure("downbeat_tenant_rooms{tenant=\"acme\"}").await, Some(1.0));
    let too_large = json!({ "midi": 60, "more": "x".repeat(500_000) });
    assert_eq!(teacher.ask(&code, "play_note", too_large).await["status"], "error");
    assert_eq!(node.figure("downbeat_tenant_refused_total{tenant=\"acme\"}").await, Some(1.0));
    teacher.say("no frame").await;
    teacher.closed().await;
    assert_eq!(node.figure("downbeat_tenant_connections{tenant=\"acme\"}").await, Some(0.0));
}
