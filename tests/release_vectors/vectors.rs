//! The recorded bytes, by release and by what they are of.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Map, Value};

const THIS_RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Names of records and their recorded form.
pub type Vectors = BTreeMap<String, Value>;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/releases"))
}

/// What every release has recorded under this name, oldest first.
pub fn of_every_release(name: &str) -> Vec<(String, Vectors)> {
    let number = |release: &str| release.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let mut releases: Vec<_> = fs::read_dir(folder())
        .expect("the vectors are there")
        .map(|entry| entry.expect("a folder").file_name().into_string().expect("a release's number"))
        .collect();
    releases.sort_by_key(|release| number(release));
    let read = |release: String| {
        let text = fs::read_to_string(folder().join(&release).join(name)).ok()?;
        Some((release, serde_json::from_str(&text).expect("vectors are JSON")))
    };
    releases.into_iter().filter_map(read).collect()
}

/// Compares what is written today with the newest vectors. `UPDATE_VECTORS=1` writes those of this release anew.
pub fn compare(name: &str, today: &Vectors) {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let folder = folder().join(THIS_RELEASE);
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join(name), serde_json::to_string_pretty(today).expect("plain data") + "\n")
            .expect("the vectors can be written");
    }
    let (release, newest) = of_every_release(name).pop().unwrap_or_else(|| panic!("no release has recorded {name}"));
    for (record, written) in today {
        assert!(
            newest.get(record) == Some(written),
            "{name}: `{record}` is written otherwise than release {release} wrote it.\n\
             was: {}\nis:  {written}\n\
             By accident? Then undo it: nodes of {release} share clusters, and files, with nodes of this release.\n\
             On purpose? Only fields may be added, which the other may leave aside. If {release} is out, raise the version \
             in Cargo.toml; then `UPDATE_VECTORS=1 cargo test --test release_vectors` records a new folder. Never edit, \
             nor delete, the folder of a release that is out.",
            newest.get(record).unwrap_or(&Value::Null),
        );
    }
    assert_eq!(today.len(), newest.len(), "{name}: a record of release {release} is no longer written");
}

/// The object with a field that a later release may add.
pub fn with_more(value: &Value) -> Value {
    let mut fields: Map<_, _> = value.as_object().expect("an object").clone();
    fields.insert("added_by_a_later_release".into(), serde_json::json!({"deep": [1, null, "x"]}));
    Value::Object(fields)
}

pub fn hex(bytes: &[u8]) -> Value {
    Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().expect("text").as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("two digits");
    digits.map(byte).collect()
}
