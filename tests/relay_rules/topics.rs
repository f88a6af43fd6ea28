use downbeat::relay::Topic;
use proptest::prelude::*;

use super::samples::room;

#[test]
fn a_topics_text_is_readable() {
    assert_eq!(room("acme", "MUSIC-1234").to_string(), "acme:music_room:MUSIC-1234");
    assert_eq!(Topic::node("downbeat-0").to_string(), "node:downbeat-0");
    assert_eq!(room("a:b {é}", "MUSIC-1234").to_string(), "a%3Ab%20%7B%C3%A9%7D:music_room:MUSIC-1234");
    for bad in [
        "",
        "node",
        "a:b:MUSIC-1234",
        "a:music_room:MUSIC-1",
        "node:a:b",
        "node:%4",
        "node:%zz",
        "node:%+1",
        "node:%ff",
        "node:%3a",
        "node:%41",
    ] {
        assert!(bad.parse::<Topic>().is_err(), "{bad}");
    }
}

fn any_topic() -> impl Strategy<Value = Topic> {
    let names = prop_oneof!["[a-z:%{}-]{0,6}", any::<String>(), Just("node".to_owned())];
    (names, prop::option::of(0_u32..10_000)).prop_map(|(name, code)| match code {
        Some(code) => room(&name, &format!("MUSIC-{code:04}")),
        None => Topic::node(name),
    })
}

proptest! {
    #[test]
    fn a_topic_is_read_back_from_its_text_so_no_two_share_one(topic in any_topic()) {
        prop_assert_eq!(topic.to_string().parse::<Topic>(), Ok(topic));
    }
}
