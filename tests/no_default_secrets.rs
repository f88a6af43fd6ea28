//! Nothing that is shipped for operators holds a secret: whoever installs Downbeat makes their own, or it does not start.

use std::{fs, path::Path};

/// What operators are given. `deploy/check` tests it, with secrets that it makes up.
const SHIPPED: [&str; 2] = ["deploy", "k8s"];
const NOT_SHIPPED: [&str; 3] = ["deploy/check", "deploy/secrets", "deploy/.env"];
/// What the names of secret values end with.
const SECRET_NAMES: [&str; 9] =
    ["password", "passwd", "passphrase", "jwt_secret", "secret_key", "secretkey", "operator_key", "api_key", "token"];

fn files(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        let name =
            path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below the root").to_string_lossy().into_owned();
        if NOT_SHIPPED.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        if path.is_dir() {
            files(&path, into);
        } else if let Ok(text) = fs::read_to_string(&path) {
            into.push((name, text));
        }
    }
}

fn shipped() -> Vec<(String, String)> {
    let mut found = Vec::new();
    SHIPPED.iter().for_each(|folder| files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found));
    assert!(found.len() > 40, "{}", found.len());
    found
}

/// Whether a value stands for a secret that is elsewhere: a variable without a default, a template's, a file's path.
fn is_elsewhere(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'', ',']);
    // A key within somebody's Secret, a Secret's name, and whether Kubernetes' own token is mounted.
    let is_name = value == "password" || value.starts_with("{existingSecret:") || value == "false";
    let is_variable = value.starts_with("$(") || (value.starts_with('$') && !value.contains(":-"));
    value.is_empty() || is_name || is_variable || value.starts_with("{{") || value.starts_with('/') || value == "{"
}

/// What a line gives a secret's name, if it is no reference.
fn literal_secret(line: &str) -> Option<&str> {
    let code = line.trim_start();
    if code.starts_with('#') || code.starts_with("//") {
        return None;
    }
    let (name, value) = code.split_once([':', '='])?;
    let name = name.trim().trim_start_matches("- ").trim_matches(['"', '\'']).to_ascii_lowercase().replace('-', "_");
    let is_secret = SECRET_NAMES.iter().any(|secret| name.ends_with(secret)) && !name.contains(' ');
    (is_secret && !is_elsewhere(value)).then_some(value)
}

/// The password of a URL, `scheme://user:password@host`.
fn password_of_url(line: &str) -> Option<&str> {
    let rest = line.split("://").nth(1)?;
    let (user_info, _) = rest.split_once('@')?;
    let (_, password) = user_info.split_once(':')?;
    let is_known = is_elsewhere(password) || password.contains(['/', ' ', '…', '{', '"']);
    (!is_known).then_some(password)
}

#[test]
fn no_file_for_operators_holds_a_secret_s_value() {
    let mut found = Vec::new();
    for (name, text) in shipped() {
        for (at, line) in text.lines().enumerate() {
            if let Some(value) = literal_secret(line).or(password_of_url(line)) {
                found.push(format!("{name}:{}: `{}`", at + 1, value.trim()));
            }
        }
        let makes_secrets =
            text.contains("kind: Secret\n") && (text.contains("stringData:") || text.contains("\ndata:"));
        if makes_secrets || text.contains("BEGIN PRIVATE KEY") || text.contains("BEGIN RSA PRIVATE KEY") {
            found.push(format!("{name}: a secret's own file"));
        }
    }
    assert!(found.is_empty(), "secrets that everybody can read:\n{}", found.join("\n"));
}

#[test]
fn a_value_is_told_from_a_reference() {
    for secret in ["password: hunter2", "  - GF_ADMIN_PASSWORD=admin", "jwt_secret = \"x\"", "secret-key: ${K:-abc}"] {
        assert!(literal_secret(secret).is_some(), "{secret}");
    }
    for reference in
        ["password: ${P:?make one}", "secret_key: $(KEY)", "password: \"\"", "# password: x", "token: {{ .T }}"]
    {
        assert!(literal_secret(reference).is_none(), "{reference}");
    }
    assert_eq!(password_of_url("url: redis://user:hunter2@host"), Some("hunter2"));
    assert_eq!(password_of_url("url: postgres://downbeat:${P:?x}@postgres/downbeat"), None);
}
