use super::{
    asking::{ask, downbeat, said},
    redis_support::RedisServer,
};

const QUESTIONS: [&[&str]; 4] =
    [&["nodes"], &["rooms"], &["room", "acme", "MUSIC-1234"], &["tail", "acme", "MUSIC-1234"]];

#[test]
fn without_a_redis_the_program_says_what_to_give_and_how_an_embedded_node_is_asked() {
    for question in QUESTIONS {
        let said = said(downbeat(question));
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{question:?}");
        for word in ["--redis-url", "DOWNBEAT_REDIS_URL", "--config", "/api/music/rooms", "/metrics"] {
            assert!(said.err.contains(word), "{word} is missing: {}", said.err);
        }
    }
}

#[test]
fn a_redis_that_is_not_there_is_told_of_without_the_password_and_with_where_to_look() {
    let nobody = RedisServer::prepare(&[]);
    let url = format!("redis://ops:sesame@127.0.0.1:{}", nobody.port());
    for question in QUESTIONS {
        let said = ask(&url, question);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{question:?}");
        assert!(said.err.contains(&format!("redis://127.0.0.1:{}/0", nobody.port())), "{}", said.err);
        assert!(said.err.contains("/readyz") && said.err.contains("docs/operations.md"), "{}", said.err);
        assert!(!said.err.contains("sesame"), "{}", said.err);
    }
}

#[test]
fn a_wrong_url_is_told_as_a_setting_with_its_name() {
    let said = ask("http://127.0.0.1", &["nodes"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("--redis-url") && said.err.contains("redis-sentinel://"), "{}", said.err);
}

#[test]
fn the_redis_is_named_by_flag_environment_or_the_nodes_file() {
    let redis = RedisServer::start();
    let file = redis.folder().join("downbeat.toml");
    let text = format!("redis_url = {:?}\nlisten = \"0.0.0.0:4000\"\n[[tenants]]\nid = \"acme\"\n", redis.url());
    std::fs::write(&file, text).expect("a file in a temporary folder");
    let file = file.to_str().expect("UTF-8");

    let by_flag = downbeat(&["nodes", "--redis-url", &redis.url()]);
    let mut by_environment = downbeat(&["nodes"]);
    by_environment.env("DOWNBEAT_REDIS_URL", redis.url());
    let by_file = downbeat(&["nodes", "--config", file]);
    let mut by_flag_first = downbeat(&["nodes", "--redis-url", &redis.url(), "--config", file]);
    by_flag_first.env("DOWNBEAT_REDIS_URL", "redis://127.0.0.1:1");
    for command in [by_flag, by_environment, by_file, by_flag_first] {
        let said = said(command);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains("No node has been seen"), "{}", said.out);
    }
}

#[test]
fn an_unknown_room_is_told_of_with_the_way_to_the_known_ones() {
    let redis = RedisServer::start();
    let unknown = ask(&redis.url(), &["room", "acme", "MUSIC-1234"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
    assert!(
        unknown.err.contains("MUSIC-1234") && unknown.err.contains("downbeat rooms --tenant acme"),
        "{}",
        unknown.err
    );
    let no_code = ask(&redis.url(), &["room", "acme", "JAZZ-1"]);
    assert_eq!(no_code.code, 1);
    assert!(no_code.err.contains("JAZZ-1") && no_code.err.contains("MUSIC-1234"), "{}", no_code.err);
}

#[test]
fn each_command_teaches_with_examples() {
    for command in ["nodes", "rooms", "room", "tail"] {
        let said = said(downbeat(&[command, "--help"]));
        assert_eq!(said.code, 0);
        assert!(said.out.contains("Examples:") && said.out.contains("--redis-url"), "{}", said.out);
        assert!(said.out.contains(&format!("downbeat {command}")), "{}", said.out);
    }
}
