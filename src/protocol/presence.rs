//! Who is there, in the format of Phoenix Presence, so that `Presence` of phoenix.js works.
//!
//! A key is a person; a meta is one of that person's connections, named by its `phx_ref`.
//! phoenix.js applies a diff's joins before its leaves, so one `phx_ref` must never be in both.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::encode::push_json_string;

/// One connection of a person: encoded once, then shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Its `phx_ref`, and after that the whole of it as JSON.
    text: Arc<str>,
    json_at: usize,
}

impl Meta {
    /// A meta with the given fields. `phx_ref` must be new for every meta on a topic;
    /// `phx_ref_prev` is that of the meta which this one replaces. Both win over fields of
    /// the same name.
    pub fn new(phx_ref: &str, phx_ref_prev: Option<&str>, mut fields: Map<String, Value>) -> Meta {
        fields.remove("phx_ref_prev");
        if let Some(previous) = phx_ref_prev {
            fields.insert("phx_ref_prev".to_owned(), Value::from(previous));
        }
        fields.insert("phx_ref".to_owned(), Value::from(phx_ref));
        let text = format!("{phx_ref}{}", Value::Object(fields));
        Meta { text: Arc::from(text), json_at: phx_ref.len() }
    }

    /// The name of this connection.
    pub fn phx_ref(&self) -> &str {
        &self.text[..self.json_at]
    }

    /// The whole meta as a JSON object.
    pub fn json(&self) -> &str {
        &self.text[self.json_at..]
    }
}

/// Everyone who is present on one topic, and what of it the clients have not been told yet.
#[derive(Debug, Default)]
pub struct Presences {
    by_key: BTreeMap<Arc<str>, Vec<Meta>>,
    diff: Diff,
}

impl Presences {
    /// Adds a connection, after the person's others. One that bears a `phx_ref` already there
    /// takes that one's place.
    pub fn join(&mut self, key: &str, meta: Meta) {
        let metas = match self.by_key.get_mut(key) {
            Some(metas) => metas,
            // Hardly anybody has a second connection.
            None => self.by_key.entry(Arc::from(key)).or_insert_with(|| Vec::with_capacity(1)),
        };
        let same = metas.iter_mut().find(|other| other.phx_ref() == meta.phx_ref());
        let replaced = match same {
            Some(place) => Some(std::mem::replace(place, meta.clone())),
            None => {
                metas.push(meta.clone());
                None
            }
        };
        self.diff.note(key, replaced, Some(meta));
    }

    /// Takes a connection out; false when it was not there.
    pub fn leave(&mut self, key: &str, phx_ref: &str) -> bool {
        let Some(metas) = self.by_key.get_mut(key) else {
            return false;
        };
        let Some(at) = metas.iter().position(|meta| meta.phx_ref() == phx_ref) else {
            return false;
        };
        let left = metas.remove(at);
        if metas.is_empty() {
            self.by_key.remove(key);
        }
        self.diff.note(key, Some(left), None);
        true
    }

    /// The connections of one person, oldest first.
    pub fn metas(&self, key: &str) -> &[Meta] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// How many people are there.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The payload of `presence_state`: `{"<key>": {"metas": [...]}, ...}`. It already has what
    /// the next diff will tell, and phoenix.js takes that repetition well; but what it shows
    /// must not be cancelled in that diff any more, hence `&mut`.
    pub fn state_json(&mut self) -> String {
        for change in self.diff.by_key.values_mut().flatten() {
            change.shown = true;
        }
        let mut out = String::new();
        let presences = self.by_key.iter();
        push_presences(&mut out, presences.map(|(key, metas)| (&**key, metas.iter())));
        out
    }

    /// Whether there is anything that the clients have not been told yet.
    pub fn has_diff(&self) -> bool {
        self.diff.by_key.values().flatten().any(|change| change.joined().is_some() || change.left().is_some())
    }

    /// The payload of `presence_diff`, `{"joins": {...}, "leaves": {...}}`: the net of all that
    /// happened since the last one. `None` when that is nothing.
    pub fn take_diff_json(&mut self) -> Option<String> {
        std::mem::take(&mut self.diff).into_json()
    }
}

/// What has changed, however often a connection came and went in between.
#[derive(Debug, Default)]
struct Diff {
    by_key: BTreeMap<Arc<str>, Vec<Change>>,
}

/// One `phx_ref` as the clients know it, and as it is now.
#[derive(Debug)]
struct Change {
    before: Option<Meta>,
    after: Option<Meta>,
    /// Its last meta, which names it even after it has come and gone.
    latest: Meta,
    /// Whether a newcomer has been given a state amid the change, and so knows neither
    /// `before` nor, for sure, `after`.
    shown: bool,
}

impl Change {
    /// A changed meta under a known `phx_ref` is a join alone: phoenix.js then replaces it.
    fn joined(&self) -> Option<&Meta> {
        let tells = self.shown || self.before != self.after;
        self.after.as_ref().filter(|_| tells)
    }

    fn left(&self) -> Option<&Meta> {
        let known = self.shown || self.before.is_some();
        (known && self.after.is_none()).then_some(&self.latest)
    }
}

impl Diff {
    /// Notes that a connection was `before` and is `after`.
    fn note(&mut self, key: &str, before: Option<Meta>, after: Option<Meta>) {
        let Some(latest) = after.clone().or_else(|| before.clone()) else {
            return;
        };
        let changes = match self.by_key.get_mut(key) {
            Some(changes) => changes,
            None => self.by_key.entry(Arc::from(key)).or_default(),
        };
        let is_same = |change: &Change| change.latest.phx_ref() == latest.phx_ref();
        let Some(at) = changes.iter().position(is_same) else {
            changes.push(Change { before, after, latest, shown: false });
            return;
        };
        let change = &mut changes[at];
        change.after = after;
        change.latest = latest;
        // Come and gone, and nobody saw it: a busy door must not fill the memory.
        if change.joined().is_none() && change.left().is_none() {
            changes.remove(at);
            if changes.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    fn into_json(self) -> Option<String> {
        let mut changes = self.by_key.values().flatten();
        if !changes.any(|change| change.joined().is_some() || change.left().is_some()) {
            return None;
        }
        let of = |pick: fn(&Change) -> Option<&Meta>| {
            let keys = self.by_key.iter();
            keys.map(move |(key, changes)| (&**key, changes.iter().filter_map(pick)))
        };
        let mut out = String::from("{\"joins\":");
        push_presences(&mut out, of(Change::joined));
        out.push_str(",\"leaves\":");
        push_presences(&mut out, of(Change::left));
        out.push('}');
        Some(out)
    }
}

/// Appends `{"<key>": {"metas": [...]}, ...}`; keys without metas are left out.
fn push_presences<'a, M: Iterator<Item = &'a Meta>>(out: &mut String, presences: impl Iterator<Item = (&'a str, M)>) {
    out.push('{');
    let mut first_key = true;
    for (key, metas) in presences {
        let mut metas = metas.peekable();
        if metas.peek().is_none() {
            continue;
        }
        if !std::mem::take(&mut first_key) {
            out.push(',');
        }
        push_json_string(out, key);
        out.push_str(":{\"metas\":[");
        for (at, meta) in metas.enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(meta.json());
        }
        out.push_str("]}");
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_come_and_go_between_two_diffs_take_no_room() {
        let mut presences = Presences::default();
        for at in 0..100 {
            let phx_ref = at.to_string();
            presences.join("ada", Meta::new(&phx_ref, None, Map::new()));
            presences.leave("ada", &phx_ref);
        }
        assert!(presences.diff.by_key.is_empty());
        assert!(presences.by_key.is_empty());
    }

    #[test]
    fn a_person_with_one_connection_takes_space_for_one() {
        let mut presences = Presences::default();
        presences.join("ada", Meta::new("1", None, Map::new()));
        assert_eq!(presences.by_key.values().map(Vec::capacity).collect::<Vec<_>>(), [1]);
    }
}
