//! What a token may do on private topics, and on nobody else's.

use downbeat::{
    auth::{Claims, Permit, TopicGrant},
    room::TokenRole,
};
use proptest::prelude::*;

const READ: Permit = Permit { read: true, write: false };
const WRITE: Permit = Permit { read: false, write: true };

fn token(sub: Option<&str>, topics: &[TopicGrant]) -> Claims {
    Claims {
        tenant: "acme".into(),
        sub: sub.map(str::to_owned),
        role: TokenRole::Teacher,
        name: None,
        exp_s: i64::MAX,
        room: None,
        topics: topics.to_vec(),
        signed_with: None,
    }
}

fn grant(sub_topic: &str, permit: Permit) -> TopicGrant {
    TopicGrant { sub_topic: sub_topic.into(), any_rest: false, read: permit.read, write: permit.write }
}

fn grant_all(beginning: &str, permit: Permit) -> TopicGrant {
    TopicGrant { any_rest: true, ..grant(beginning, permit) }
}

#[test]
fn a_token_does_everything_under_its_own_sub() {
    let ada = token(Some("ada"), &[]);
    for own in ["ada", "ada:", "ada:notes", "ada/notes", "ada:notes/2", "ada/"] {
        assert_eq!(ada.permit(own), Permit::EVERYTHING, "{own}");
    }
    for foreign in
        ["", "ad", "adam", "ada2:notes", "ada-", "Ada", " ada", "bob", "bob:ada", ":ada", "realtime:ada", "*"]
    {
        assert_eq!(ada.permit(foreign), Permit::NOTHING, "{foreign}");
    }
}

#[test]
fn a_sub_with_a_separator_has_no_topics_of_its_own_for_they_would_be_somebody_elses() {
    for sub in ["ada:notes", "ada/notes", "ada:", "/ada"] {
        for sub_topic in [sub.to_owned(), format!("{sub}:x"), format!("{sub}/x"), "ada".to_owned()] {
            assert_eq!(token(Some(sub), &[]).permit(&sub_topic), Permit::NOTHING, "{sub} on {sub_topic}");
        }
        assert_eq!(token(Some(sub), &[grant(sub, READ)]).permit(sub), READ, "{sub} as listed");
    }
}

#[test]
fn a_star_in_a_sub_or_inside_an_entry_is_an_ordinary_character() {
    assert_eq!(token(Some("*"), &[]).permit("ada"), Permit::NOTHING);
    let listed = token(None, &[grant("a*b", READ)]);
    assert_eq!((listed.permit("a*b"), listed.permit("axb")), (READ, Permit::NOTHING));
}

#[test]
fn a_token_without_sub_has_what_it_lists() {
    let listed = token(None, &[grant("choir", READ), grant_all("section:", WRITE)]);
    assert_eq!(listed.permit("choir"), READ);
    assert_eq!(listed.permit("section:"), WRITE);
    assert_eq!(listed.permit("section:alto"), WRITE);
    for foreign in ["choir:x", "choi", "section", "ada"] {
        assert_eq!(listed.permit(foreign), Permit::NOTHING, "{foreign}");
    }
}

#[test]
fn entries_about_one_topic_add_up() {
    let listed = token(Some("ada"), &[grant("choir", READ), grant_all("ch", WRITE), grant("ada:x", READ)]);
    assert_eq!(listed.permit("choir"), Permit::EVERYTHING);
    assert_eq!(listed.permit("chess"), WRITE);
    assert_eq!(listed.permit("ada:x"), Permit::EVERYTHING, "an entry takes nothing from what is one's own");
}

/// Ids that lie close to each other, with the separators and the star among their characters.
fn id() -> impl Strategy<Value = String> {
    "[ab:/*]{1,4}"
}

fn permit() -> impl Strategy<Value = Permit> {
    any::<(bool, bool)>().prop_map(|(read, write)| Permit { read, write })
}

fn entry() -> impl Strategy<Value = TopicGrant> {
    let form = ("[ab:/*]{0,4}", any::<bool>(), permit());
    form.prop_map(|(text, any_rest, permit)| TopicGrant { any_rest, ..grant(&text, permit) })
}

proptest! {
    #[test]
    fn no_token_does_anything_on_a_topic_of_another_sub(ada in id(), bob in id(), rest in "([:/][ab:/*]{0,3})?") {
        prop_assume!(ada != bob && !bob.contains([':', '/']));
        prop_assert_eq!(token(Some(&ada), &[]).permit(&format!("{bob}{rest}")), Permit::NOTHING);
    }

    #[test]
    fn two_subs_never_own_one_topic(ada in id(), bob in id(), sub_topic in "[ab:/*]{0,8}") {
        let owns = |sub: &str| token(Some(sub), &[]).permit(&sub_topic) != Permit::NOTHING;
        prop_assert!(ada == bob || !(owns(&ada) && owns(&bob)));
    }

    #[test]
    fn the_entries_grant_exactly_what_they_list(
        entries in prop::collection::vec(entry(), 0..6),
        sub_topic in "[ab:/*]{0,5}",
    ) {
        let fits = |entry: &&TopicGrant| match entry.any_rest {
            true => sub_topic.get(..entry.sub_topic.len()) == Some(&entry.sub_topic),
            false => sub_topic == entry.sub_topic,
        };
        let fitting: Vec<_> = entries.iter().filter(fits).collect();
        let expected = Permit {
            read: fitting.iter().any(|entry| entry.read),
            write: fitting.iter().any(|entry| entry.write),
        };
        prop_assert_eq!(token(None, &entries).permit(&sub_topic), expected);
    }

    #[test]
    fn a_token_for_one_room_is_permitted_nothing(
        sub in prop::option::of(id()),
        entries in prop::collection::vec(entry(), 0..6),
        sub_topic in "[ab:/*]{0,5}",
    ) {
        let guest = Claims { room: Some("MUSIC-1234".into()), ..token(sub.as_deref(), &entries) };
        prop_assert_eq!(guest.permit(&sub_topic), Permit::NOTHING);
        if let Some(sub) = sub {
            prop_assert_eq!(guest.permit(&sub), Permit::NOTHING);
        }
    }
}
