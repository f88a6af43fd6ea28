use downbeat::participation::{BadDatabaseUrl, DatabaseUrl};

fn parse(text: &str) -> Result<DatabaseUrl, BadDatabaseUrl> {
    text.parse()
}

#[test]
fn a_file_is_named_from_here_or_from_the_root() {
    for (text, path) in [
        ("sqlite:downbeat.sqlite", "downbeat.sqlite"),
        ("sqlite://data/downbeat.sqlite", "data/downbeat.sqlite"),
        ("sqlite:///var/lib/downbeat.sqlite", "/var/lib/downbeat.sqlite"),
        ("sqlite:/var/lib/downbeat.sqlite", "/var/lib/downbeat.sqlite"),
    ] {
        assert_eq!(parse(text), Ok(DatabaseUrl::Sqlite(path.into())), "{text}");
    }
    for bad in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:a?mode=memory"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn neither_a_url_nor_what_is_said_of_a_bad_one_shows_a_password() {
    let url = parse("postgresql://ada:hunter2@db.example:6432/school?sslmode=require").expect("a URL");
    assert_eq!(url.to_string(), "postgres://db.example:6432/school");
    assert!(!format!("{url:?}").contains("hunter2"));
    for bad in [
        "postgres://ada:hunter2@db:port/school",
        "mysql://ada:hunter2@db/school",
        "hunter2",
        "postgres://hunter2:x@[::",
    ] {
        let error = parse(bad).expect_err(bad);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
