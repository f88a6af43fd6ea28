//! One node with everything embedded.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Folder, Node, ONE, TWO, signed, teacher};
use downbeat::{
    participation::{Database, DatabaseUrl},
    room::TokenRole,
};

#[tokio::test]
async fn a_tenant_is_made_read_changed_and_deleted_while_the_node_runs() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    assert_eq!(node.rooms(&teacher(ONE)).await.failure(), (404, "tenant_unknown".into(), None));

    let made = node.put_acme().await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.headers["location"], "/api/tenants/acme");
    let made = made.json();
    assert_eq!(
        (&made["source"], &made["has_jwt_secret"], &made["limits"]["default_bpm"]),
        (&json!("database"), &json!(true), &json!(120))
    );
    assert_eq!(made["pending_nodes"], json!([]));
    assert_eq!(node.rooms(&teacher(ONE)).await.status, 200);

    let read = node.operate(Method::GET, "/acme", &Value::Null).await;
    assert_eq!((read.status, &read.json()["version"]), (200, &json!(1)));
    assert_eq!(read.headers["cache-control"], "no-store");
    let all = node.operate(Method::GET, "", &Value::Null).await.json();
    let ids: Vec<_> = all["tenants"].as_array().expect("a list").iter().map(|t| (&t["id"], &t["source"])).collect();
    assert_eq!(ids, [(&json!("acme"), &json!("database")), (&json!("filed"), &json!("file"))]);
    let page = node.operate(Method::GET, "?limit=1", &Value::Null).await.json();
    let next = page["next"].as_str().expect("another page");
    let page = node.operate(Method::GET, &format!("?limit=1&cursor={next}"), &Value::Null).await.json();
    assert_eq!((&page["tenants"][0]["id"], &page["next"]), (&json!("filed"), &Value::Null));

    let patched = node.patch_acme(&json!({"limits": {"max_rooms_per_tenant": 1}, "hosts": ["music.acme.org"]})).await;
    assert_eq!((&patched["version"], &patched["limits"]["max_rooms_per_tenant"]), (&json!(2), &json!(1)));
    assert_eq!(node.new_room(&teacher(ONE)).await.status, 201);
    assert_eq!(node.new_room(&teacher(ONE)).await.failure().1, "too_many_rooms");

    let replaced = node.put_acme().await;
    assert_eq!((replaced.status, &replaced.json()["hosts"]), (200, &json!([])));

    assert_eq!(node.operate(Method::DELETE, "/acme", &Value::Null).await.status, 204);
    assert_eq!(node.rooms(&teacher(ONE)).await.failure(), (404, "tenant_unknown".into(), None));
    assert_eq!(node.operate(Method::GET, "/acme", &Value::Null).await.failure(), (404, "tenant_unknown".into(), None));
    assert_eq!(node.operate(Method::DELETE, "/acme", &Value::Null).await.status, 204, "again is no error");
    assert_eq!(node.put_acme().await.status, 201, "and it can be made anew");
    let rooms = node.rooms(&teacher(ONE)).await.json();
    assert_eq!(rooms["rooms"], json!([]), "without what it had");
}

#[tokio::test]
async fn of_a_deleted_tenant_one_line_is_left_however_often_it_is_deleted() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    node.put_acme().await;
    node.patch_acme(&json!({"guests": true, "jwt_secret": TWO})).await;
    let database = Database::new(&DatabaseUrl::Sqlite(folder.0.join("downbeat-data/downbeat.db")));
    let entries = database.audit_entries("acme", 10).await.expect("the audit log");
    let said: Vec<_> = entries.iter().map(|entry| (&*entry.actor, &*entry.action)).collect();
    assert_eq!(said, [("operator", "tenant_changed"), ("operator", "tenant_created")]);
    let fields = json!({"fields": ["guests", "jwt_secret", "previous_jwt_secret"]});
    assert_eq!(entries[0].details, fields, "which fields, and no values");

    node.operate(Method::DELETE, "/acme", &Value::Null).await;
    let left = database.audit_entries("acme", 10).await.expect("the audit log");
    assert_eq!(left.iter().map(|entry| &*entry.action).collect::<Vec<_>>(), ["tenant_erased"]);
    assert_eq!(node.operate(Method::DELETE, "/acme", &Value::Null).await.status, 204);
    assert_eq!(database.audit_entries("acme", 10).await.expect("the audit log"), left);
    assert_eq!(node.operate(Method::DELETE, "/nobody", &Value::Null).await.status, 204);
    assert_eq!(database.audit_entries("nobody", 10).await.expect("the audit log"), []);
}

#[tokio::test]
async fn tenants_outlive_a_restart_and_their_secrets_are_not_in_the_files() {
    let folder = Folder::new();
    let mut node = Node::alone(&folder);
    assert_eq!(node.put_acme().await.status, 201);
    node.kill();
    for file in std::fs::read_dir(folder.0.join("downbeat-data")).expect("the data directory") {
        let path = file.expect("a file").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("its bytes");
            assert!(!bytes.windows(ONE.len()).any(|window| window == ONE.as_bytes()), "{}", path.display());
        }
    }
    let node = Node::alone(&folder);
    assert_eq!(node.rooms(&teacher(ONE)).await.status, 200);
}

#[tokio::test]
async fn tokens_of_both_secrets_are_taken_until_the_former_is_taken_away() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    assert_eq!(node.put_acme().await.status, 201);
    let rotated = node.patch_acme(&json!({"jwt_secret": TWO})).await;
    assert_eq!(rotated["has_previous_jwt_secret"], json!(true));
    assert_eq!(node.rooms(&teacher(ONE)).await.status, 200);
    assert_eq!(node.rooms(&teacher(TWO)).await.status, 200);
    node.patch_acme(&json!({"previous_jwt_secret": null})).await;
    assert_eq!(node.rooms(&teacher(ONE)).await.failure().1, "token_signature_invalid");
    assert_eq!(node.rooms(&teacher(TWO)).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    assert_eq!(node.put_acme().await.status, 201);
    let wrong = async |patch: Value| node.operate(Method::PATCH, "/acme", &patch).await.failure();
    let field = |name: &str| (422, "invalid_field".to_owned(), Some(name.to_owned()));
    assert_eq!(wrong(json!({"limits": {"default_bpm": 300}})).await, field("limits.default_bpm"));
    assert_eq!(wrong(json!({"limits": {"pianos": 1}})).await, field("limits.pianos"));
    assert_eq!(wrong(json!({"limits": 3})).await, field("limits"));
    assert_eq!(wrong(json!({"colour": "red"})).await, field("colour"));
    assert_eq!(wrong(json!({"jwt_secret": "short"})).await, field("jwt_secret"));
    assert_eq!(wrong(json!({"jwt_secret_file": "/etc/passwd"})).await, field("jwt_secret_file"));
    assert_eq!(wrong(json!({"hosts": ["music.filed.org"]})).await, field("hosts"));
    assert_eq!(wrong(json!({"origins": ["::"]})).await, field("origins"));
    assert_eq!(wrong(json!({"id": "zeta"})).await, field("id"));
    assert_eq!(wrong(json!({"jwks_url": "http://elsewhere.org/"})).await, field("jwks_url"));
    let bad_id = node.operate(Method::PUT, "/Acme", &json!({"jwt_secret": ONE})).await;
    assert_eq!(bad_id.failure(), field("id"));
    assert_eq!(node.operate(Method::PUT, "/zeta", &Value::Null).await.failure(), field("jwt_secret"));
    assert_eq!(node.operate(Method::PATCH, "/zeta", &json!({"guests": true})).await.failure().0, 404);
    let huge = json!({"origins": vec!["https://acme.org"; 10_000]});
    assert_eq!(node.operate(Method::PATCH, "/acme", &huge).await.failure().0, 413);
    let now = node.operate(Method::GET, "/acme", &Value::Null).await.json();
    assert_eq!(now["version"], json!(1));
}

#[tokio::test]
async fn a_tenant_of_the_file_is_shown_and_changed_in_the_file_alone() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    let filed = node.operate(Method::GET, "/filed", &Value::Null).await.json();
    assert_eq!((&filed["source"], &filed["version"]), (&json!("file"), &Value::Null));
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let refused = node.operate(method.clone(), "/filed", &json!({"jwt_secret": ONE})).await;
        assert_eq!(refused.failure(), (409, "tenant_in_file".into(), None), "{method}");
    }
    let token = signed("filed", "filed's secret, long enough to be taken", TokenRole::Teacher);
    assert_eq!(node.rooms(&token).await.status, 200);
}

#[tokio::test]
async fn health_says_how_a_tenant_is_doing() {
    let folder = Folder::new();
    let node = Node::alone(&folder);
    assert_eq!(node.put_acme().await.status, 201);
    node.room_of_acme().await;
    let health = node.operate(Method::GET, "/acme/health", &Value::Null).await.json();
    assert_eq!((&health["rooms"], &health["connections"], &health["members"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!((&health["database"], &health["redis"]), (&json!("ok"), &json!("off")));
    assert_eq!(health["usage"]["max_rooms_per_tenant"], json!({"used": 1, "limit": 100}));
    assert_eq!(health["nodes"][0]["version"], json!(1));
    assert_eq!(node.operate(Method::GET, "/zeta/health", &Value::Null).await.failure().0, 404);
}
