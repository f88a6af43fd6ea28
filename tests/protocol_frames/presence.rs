//! Presence, against phoenix.js' own way of applying it.

use downbeat::protocol::presence::{Meta, Presences};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::parse;

fn meta(phx_ref: &str, name: &str) -> Meta {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), Value::from(name));
    Meta::new(phx_ref, None, fields)
}

fn taken(presences: &mut Presences) -> Option<Value> {
    presences.take_diff_json().map(|json| parse(&json))
}

#[test]
fn the_state_lists_metas_by_key_in_order_of_arrival() {
    let mut presences = Presences::default();
    assert_eq!(presences.state_json(), "{}");
    presences.join("bob", meta("r2", "Bob"));
    presences.join("bob", meta("r1", "Bob"));
    presences.join("a\"da", meta("r3", "Ada"));
    let expected = json!({
        "a\"da": {"metas": [{"name": "Ada", "phx_ref": "r3"}]},
        "bob": {"metas": [{"name": "Bob", "phx_ref": "r2"}, {"name": "Bob", "phx_ref": "r1"}]},
    });
    assert_eq!(parse(&presences.state_json()), expected);
    assert!(presences.leave("bob", "r2"));
    assert!(!presences.leave("bob", "r2"));
    assert_eq!(presences.metas("bob"), [meta("r1", "Bob")]);
    presences.leave("bob", "r1");
    assert_eq!(presences.len(), 1);
}

#[test]
fn fields_cannot_forge_the_refs_of_a_meta() {
    let fields = json!({"phx_ref": "x", "phx_ref_prev": "y", "name": "Ada"});
    let Value::Object(fields) = fields else { panic!("an object") };
    let forged = Meta::new("r1", None, fields.clone());
    assert_eq!(parse(forged.json()), json!({"phx_ref": "r1", "name": "Ada"}));
    let changed = Meta::new("r2", Some("r1"), fields);
    assert_eq!(parse(changed.json()), json!({"phx_ref": "r2", "phx_ref_prev": "r1", "name": "Ada"}));
}

#[test]
fn a_diff_lists_joins_and_leaves_and_starts_afresh() {
    let mut presences = Presences::default();
    presences.join("bob", meta("r2", "Bob"));
    assert!(taken(&mut presences).is_some());
    presences.join("ada", meta("r1", "Ada"));
    presences.leave("bob", "r2");
    let expected = json!({
        "joins": {"ada": {"metas": [{"name": "Ada", "phx_ref": "r1"}]}},
        "leaves": {"bob": {"metas": [{"name": "Bob", "phx_ref": "r2"}]}},
    });
    assert_eq!(taken(&mut presences), Some(expected));
    assert_eq!(taken(&mut presences), None);
}

#[test]
fn who_comes_and_goes_within_a_diff_is_not_in_it() {
    let mut presences = Presences::default();
    presences.join("ada", meta("r1", "Ada"));
    presences.leave("ada", "r1");
    assert_eq!(taken(&mut presences), None);
    presences.join("ada", meta("r1", "Ada"));
    assert!(taken(&mut presences).is_some());
    presences.leave("ada", "r1");
    presences.join("ada", meta("r1", "Ada"));
    assert_eq!(taken(&mut presences), None);
}

/// phoenix.js `Presence.syncDiff`, on (key, phx_ref, name).
fn sync_diff(state: &mut Value, diff: &Value) {
    let state = state.as_object_mut().expect("an object");
    for (key, joined) in diff["joins"].as_object().expect("joins") {
        let mut metas = joined["metas"].as_array().expect("metas").clone();
        if let Some(current) = state.get(key) {
            let kept = current["metas"].as_array().expect("metas").iter();
            let is_new = |old: &&Value| !metas.iter().any(|new| new["phx_ref"] == old["phx_ref"]);
            let mut kept: Vec<Value> = kept.filter(is_new).cloned().collect();
            kept.append(&mut metas);
            metas = kept;
        }
        state.insert(key.clone(), json!({"metas": metas}));
    }
    for (key, left) in diff["leaves"].as_object().expect("leaves") {
        let Some(current) = state.get_mut(key) else {
            continue;
        };
        let gone = left["metas"].as_array().expect("metas").clone();
        let metas = current["metas"].as_array_mut().expect("metas");
        metas.retain(|meta| !gone.iter().any(|other| other["phx_ref"] == meta["phx_ref"]));
        if metas.is_empty() {
            state.remove(key);
        }
    }
}

/// Order of metas within a key is no promise, so states are compared without it.
fn unordered(mut state: Value) -> Value {
    for presence in state.as_object_mut().expect("an object").values_mut() {
        let metas = presence["metas"].as_array_mut().expect("metas");
        metas.sort_by_key(Value::to_string);
    }
    state
}

proptest! {
    #[test]
    fn a_client_that_applies_every_diff_has_the_servers_state(
        changes in prop::collection::vec((0..2usize, 0..3usize, 0..2usize, 0..4u8), 0..60),
    ) {
        let mut presences = Presences::default();
        let mut client = json!({});
        for (key, phx_ref, name, act) in changes {
            let (key, phx_ref, name) = (["a", "b"][key], ["1", "2", "3"][phx_ref], ["x", "y"][name]);
            match act {
                0 | 1 => presences.join(key, meta(phx_ref, name)),
                2 => {
                    presences.leave(key, phx_ref);
                }
                _ => catch_up(&mut client, &mut presences),
            }
        }
        catch_up(&mut client, &mut presences);
    }

    #[test]
    fn a_client_that_gets_the_state_before_a_diff_stays_right(
        changes in prop::collection::vec((0..2usize, 0..3usize, any::<bool>()), 0..20),
        state_after in 0..20usize,
    ) {
        let mut presences = Presences::default();
        let mut client = None;
        for (at, (key, phx_ref, comes)) in changes.into_iter().enumerate() {
            if at == state_after {
                client = Some(parse(&presences.state_json()));
            }
            // As in practice, no phx_ref ever comes twice.
            let (key, phx_ref) = (["a", "b"][key], format!("{phx_ref}-{at}"));
            if comes {
                presences.join(key, meta(&phx_ref, "x"));
            } else if let Some(oldest) = presences.metas(key).first().cloned() {
                presences.leave(key, oldest.phx_ref());
            }
        }
        if let Some(mut client) = client {
            catch_up(&mut client, &mut presences);
        }
    }
}

/// Gives the client the next diff, after which it must know what the server knows.
fn catch_up(client: &mut Value, presences: &mut Presences) {
    if let Some(diff) = taken(presences) {
        sync_diff(client, &diff);
    }
    assert_eq!(unordered(client.clone()), unordered(parse(&presences.state_json())));
}
