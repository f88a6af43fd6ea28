//! Where a token says its role.

use serde_json::{Map, Value, json};

use crate::room::TokenRole;

/// The place of the role inside the claims: `role`, or `app_metadata.role` for a nested one.
///
/// A name with `://` in it (`https://acme.org/role`, as some identity providers want) is one claim, dots and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePath(Vec<String>);

impl RolePath {
    /// None when the path is empty, has an empty part, or more than eight parts.
    pub fn parse(path: &str) -> Option<Self> {
        let parts: Vec<String> =
            if path.contains("://") { vec![path.to_owned()] } else { path.split('.').map(str::to_owned).collect() };
        let sound = parts.len() <= 8 && parts.iter().all(|part| !part.is_empty());
        sound.then_some(Self(parts))
    }

    /// `role`, then `app_metadata.role`.
    pub fn defaults() -> Vec<Self> {
        vec![Self(vec!["role".into()]), Self(vec!["app_metadata".into(), "role".into()])]
    }

    fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a str> {
        let (last, parents) = self.0.split_last()?;
        let mut at = claims;
        for parent in parents {
            at = at.get(parent)?.as_object()?;
        }
        at.get(last)?.as_str()
    }

    /// Writes a role so that reading by the same path finds it.
    pub fn write(&self, claims: &mut Map<String, Value>, role: TokenRole) {
        let word = match role {
            TokenRole::Teacher => "teacher",
            TokenRole::Student => "student",
        };
        let Some((first, rest)) = self.0.split_first() else {
            return;
        };
        let value = rest.iter().rev().fold(json!(word), |inner, part| json!({ part: inner }));
        claims.insert(first.clone(), value);
    }
}

/// The first path that says `teacher` or `student` decides; whoever says neither is a student.
///
/// A path with any other word is passed over: Supabase's tokens always say `role: authenticated` and keep the
/// application's role in `app_metadata`.
pub fn role_of(claims: &Map<String, Value>, paths: &[RolePath]) -> TokenRole {
    for path in paths {
        match path.find(claims) {
            Some("teacher") => return TokenRole::Teacher,
            Some("student") => return TokenRole::Student,
            _ => {}
        }
    }
    TokenRole::Student
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(claims: Value, paths: &[RolePath]) -> TokenRole {
        role_of(claims.as_object().unwrap(), paths)
    }

    #[test]
    fn the_first_path_that_says_teacher_or_student_decides() {
        let paths = RolePath::defaults();
        let both = json!({"role": "student", "app_metadata": {"role": "teacher"}});
        assert_eq!(role(both, &paths), TokenRole::Student);
        let supabase = json!({"role": "authenticated", "app_metadata": {"role": "teacher"}});
        assert_eq!(role(supabase, &paths), TokenRole::Teacher);
    }

    #[test]
    fn anything_but_the_exact_word_is_a_student() {
        let paths = RolePath::defaults();
        for odd in [json!("Teacher"), json!(["teacher"]), json!(true), json!(null), json!({"teacher": 1})] {
            assert_eq!(role(json!({ "role": odd }), &paths), TokenRole::Student);
        }
        assert_eq!(role(json!({"app_metadata": "teacher"}), &paths), TokenRole::Student);
    }

    #[test]
    fn a_role_is_found_again_where_it_was_written() {
        for path in ["role", "app_metadata.role", "a.b.c.d", "https://acme.org/v1.0/role"] {
            let path = RolePath::parse(path).unwrap();
            let mut claims = Map::new();
            path.write(&mut claims, TokenRole::Teacher);
            assert_eq!(role_of(&claims, &[path]), TokenRole::Teacher, "{claims:?}");
        }
    }

    #[test]
    fn a_path_with_an_empty_part_is_refused() {
        for path in ["", ".", "a..b", "role.", "a.b.c.d.e.f.g.h.i"] {
            assert_eq!(RolePath::parse(path), None, "{path}");
        }
    }
}
