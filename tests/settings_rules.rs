//! Settings: where they come from, which place wins, and what is said when they are wrong.

use std::{collections::HashMap, ffi::OsString, path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser};
use downbeat::{
    auth::{install_crypto, peek_tenant},
    cli::{Cli, Command, LogFormat, Mode, SettingFlags, Settings, SettingsError, TokenError, mint_token},
    participation::DatabaseUrl,
};

const SECRET: &str = "a-secret-of-exactly-thirty-two-b";
const TENANT: &str = "[[tenants]]\nid = 'acme'\njwt_secret = 'a-secret-of-exactly-thirty-two-b'\n";

/// A folder with a configuration, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str, toml: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("downbeat-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("downbeat.toml"), toml).unwrap();
        Self(folder)
    }

    fn config(&self) -> PathBuf {
        self.0.join("downbeat.toml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load(folder: &Folder, flags: SettingFlags, env: &[(&str, &str)], mode: Mode) -> Result<Settings, SettingsError> {
    install_crypto();
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    let flags = SettingFlags { config: Some(folder.config()), ..flags };
    Settings::load(&flags, &|name| env.get(name).map(OsString::from), mode)
}

fn serve(test: &str, toml: &str, env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    load(&Folder::new(test, toml), SettingFlags::default(), env, Mode::Serve)
}

/// What is said about wrong settings.
fn complaint(test: &str, toml: &str, env: &[(&str, &str)]) -> String {
    serve(test, toml, env).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let settings = serve("defaults", TENANT, &[]).unwrap();
    assert_eq!(settings.listen.to_string(), "0.0.0.0:4000");
    assert_eq!(settings.metrics_listen.to_string(), "0.0.0.0:9464");
    assert_eq!(settings.session_ttl, Duration::from_millis(2_000));
    assert_eq!(settings.holdover, Duration::from_secs(60));
    assert_eq!(settings.drain, Duration::from_secs(20));
    assert_eq!(settings.control_lead, Duration::from_millis(150));
    assert_eq!((settings.log.as_str(), settings.log_format), ("info", LogFormat::Text));
    assert_eq!((settings.max_frame_bytes, settings.idle_timeout.as_secs()), (1 << 20, 60));
    assert!(settings.secret_key.is_none());
    let acme = settings.tenants.get("acme").unwrap();
    assert_eq!((acme.limits.max_rooms_per_tenant, acme.limits.default_bpm, acme.guests), (100, 120, false));
}

#[test]
fn dev_listens_on_this_machine_and_with_lan_on_the_network() {
    let folder = Folder::new("dev", "");
    let listen = |flags: SettingFlags, lan| {
        let settings = load(&folder, flags, &[], Mode::Dev { lan, browser: false }).unwrap();
        (settings.listen.to_string(), settings.metrics_listen.to_string())
    };
    let on = |listen: &str| SettingFlags { listen: Some(listen.into()), ..SettingFlags::default() };
    assert_eq!(listen(SettingFlags::default(), false), ("127.0.0.1:4000".into(), "127.0.0.1:9464".into()));
    assert_eq!(listen(SettingFlags::default(), true).0, "0.0.0.0:4000");
    assert_eq!(listen(on("127.0.0.1:5000"), true).0, "0.0.0.0:5000");
    assert_eq!(listen(on("192.168.1.4:5000"), true).0, "192.168.1.4:5000");
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = Folder::new("order", &format!("holdover_s = 10\ndrain_s = 10\nsession_ttl_ms = '1000'\n{TENANT}"));
    let flags = SettingFlags { holdover_s: Some("30".into()), ..SettingFlags::default() };
    let env = [("DOWNBEAT_HOLDOVER_S", "20"), ("DOWNBEAT_DRAIN_S", "20"), ("DOWNBEAT_SESSION_TTL_MS", "")];
    let settings = load(&folder, flags, &env, Mode::Serve).unwrap();
    assert_eq!(settings.holdover.as_secs(), 30);
    assert_eq!(settings.drain.as_secs(), 20);
    assert_eq!(settings.session_ttl.as_millis(), 1_000, "an empty variable is none");
}

#[test]
fn traces_go_nowhere_until_a_collector_is_named() {
    assert_eq!(serve("untraced", &format!("otlp_sample_ratio = 0.5\n{TENANT}"), &[]).unwrap().otlp, None);
    let env = [("DOWNBEAT_OTLP_ENDPOINT", "http://collector:4318"), ("DOWNBEAT_OTLP_SAMPLE_RATIO", "0.25")];
    let otlp = serve("traced", TENANT, &env).unwrap().otlp.unwrap();
    assert_eq!((otlp.collector.to_string().as_str(), otlp.sample_ratio), ("http://collector:4318/v1/traces", 0.25));
    let wrong = format!("otlp_endpoint = 'https://me:hunter2@otlp.example'\notlp_sample_ratio = 2\n{TENANT}");
    let said = complaint("traced-wrong", &wrong, &[]);
    assert!(said.contains("otlp_endpoint: must not hold a password"), "{said}");
    assert!(said.contains("otlp_sample_ratio is \"2\": must be a number from 0 to 1"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn everything_that_is_wrong_is_listed_at_once_under_the_name_its_owner_used() {
    let toml = format!(
        "metrics_listen = 'localhost'\nlissten = 'x'\nholdover_s = 0\nlog_format = ['json']\n{TENANT}
        colour = 'red'\nhosts = 'acme.org'\norigins = ['https://a.org/path']\n[tenants.limits]\ndefault_bpm = 300\nmax_pianos = 1\n"
    );
    let folder = Folder::new("all", &toml);
    let flags = SettingFlags { listen: Some("4000".into()), ..SettingFlags::default() };
    let env = [("DOWNBEAT_DRAIN_S", "soon"), ("DOWNBEAT_NODE_ID", "a b")];
    let said = load(&folder, flags, &env, Mode::Serve).unwrap_err().to_string();
    for part in [
        "--listen is \"4000\": must be an IP address",
        "metrics_listen is \"localhost\": must be an IP address",
        "holdover_s is \"0\": must be a whole number from 1 to 3600",
        "log_format: must be a single value",
        "DOWNBEAT_DRAIN_S is \"soon\": must be a whole number from 0 to 600",
        "DOWNBEAT_NODE_ID is \"a b\": must be 1 to 63",
        "lissten: is not a setting",
        "tenants[0].colour: unknown field",
        "tenants[0].hosts: invalid type",
        "tenants[0].limits.max_pianos: unknown field",
    ] {
        assert!(said.contains(part), "{part}\nnot in\n{said}");
    }
    assert!(said.starts_with("10 settings are wrong:"), "{said}");
}

#[test]
fn values_of_a_tenant_are_checked_and_named() {
    let toml = "default_tenant = 'zeta'\n[[tenants]]\nid = 'Acme!'\njwt_secret = 'hunter2'\nalgorithm = 'none'\n
        hosts = ['https://a.org']\norigins = ['a.*.org']\nrole_claim = 'a..b'\nlimits = { default_bpm = 300 }\n
        [[tenants]]\nid = 'b'\n[[tenants]]\nid = 'c'\njwks_url = 'http://a.org'\n
        [[tenants]]\nid = 'd'\njwks_file = 'nowhere.json'\n[[tenants]]\nid = 'e'\njwks = '{}'\njwt_secret_file = 'no'\n";
    let said = complaint("tenant", toml, &[]);
    for part in [
        "tenants[0].id is \"Acme!\": must be",
        "tenants[0].jwt_secret: must be at least 32 bytes long, and has 7",
        "tenants[0].algorithm is \"none\": must be one of HS256",
        "tenants[0].hosts is \"https://a.org\": must be a host name",
        "tenants[0].origins is \"a.*.org\": must be an origin",
        "tenants[0].role_claim is \"a..b\": must be",
        "tenants[0].limits.default_bpm is \"300\": must be an integer from 1 to 299",
        "tenants[1].jwt_secret: give one of",
        "tenants[2].jwks_url: must be an https:// URL",
        "tenants[3].jwks_file:",
        "tenants[4].jwt_secret_file is \"no\": must be a readable file",
    ] {
        assert!(said.contains(part), "{part}\nnot in\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let lost = complaint("lost", &format!("default_tenant = 'zeta'\n{TENANT}"), &[]);
    assert!(lost.contains("default_tenant is \"zeta\": must be the id"), "{lost}");
}

#[test]
fn no_error_repeats_a_secret() {
    let wrongs = [
        "[[tenants]]\nid = 'a'\njwt_secret = 'hunter2\n",
        "[[tenants]]\nid = 'a'\njwt_secret = hunter2\n",
        "[[tenants]]\nid = 'a'\njwt_secert = 'hunter2'\n",
        "[[tenants]]\nid = 'a'\njwt_secret = ['hunter2']\n",
        "[[tenants]]\nid = 'a'\njwt_secret = 'hunter2'\njwt_secret = 'hunter2'\n",
        "[[tenants]]\nid = 'a'\njwks = 'hunter2'\n",
        "[[tenants]]\nid = 'a'\njwks = {keys = [{kty = 'oct', k = 'hunter2'}]}\n",
        "[[tenants]]\nid = 'a'\njwks_url = 'https://user:hunter2@a.org'\n",
        "secret_key = 'hunter2'\n",
        "redis_url = 'redis://:hunter2@h/x'\n",
        "redis_url = 'redis://:hunter2'\n",
    ];
    for (at, wrong) in wrongs.iter().enumerate() {
        let said = complaint(&format!("secret-{at}"), wrong, &[("DOWNBEAT_SECRET_KEY", "hunter2")]);
        assert!(!said.contains("hunter2"), "{wrong}\n{said}");
        assert!(said.contains("DOWNBEAT_SECRET_KEY: must be 32 bytes"), "{said}");
    }
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let settings = serve("shown", TENANT, &[("DOWNBEAT_SECRET_KEY", key)]).unwrap();
    assert_eq!(settings.secret_key.unwrap().0[31], 31);
    let shown = format!("{settings:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("30, 31]"), "{shown}");
}

#[test]
fn a_broken_file_names_the_line() {
    let said = complaint("broken", "listen = '0.0.0.0:1'\n\nlog = \n", &[]);
    assert!(said.contains("is not valid TOML in line 3"), "{said}");
    let flags = SettingFlags { config: Some("/nowhere/downbeat.toml".into()), ..SettingFlags::default() };
    let said = Settings::load(&flags, &|_| None, Mode::Serve).unwrap_err().to_string();
    assert!(said.contains("--config is \"/nowhere/downbeat.toml\": must be a readable file"), "{said}");
}

#[test]
fn an_operator_key_is_long_and_shown_nowhere() {
    let said = complaint("operator-short", &format!("operator_key = 'hush'\n{TENANT}"), &[]);
    assert!(said.contains("operator_key: must be 32 visible characters or more") && !said.contains("hush"), "{said}");
    let key = "an-operator-key-of-at-least-32-bytes";
    let env = [("DOWNBEAT_OPERATOR_KEY", key)];
    let settings = serve("operator", TENANT, &env).expect("sound settings");
    assert_eq!(settings.operator_key.as_ref().map(downbeat::auth::Secret::expose), Some(key));
    assert!(!format!("{settings:?}").contains(key));
    assert!(serve("operator-alone", "", &env).is_ok(), "an operator can make the tenants");
}

#[test]
fn nodes_that_share_a_redis_need_a_secret_key_for_the_tenants_that_an_operator_makes() {
    let toml = format!("redis_url = 'redis://h'\noperator_key = 'an-operator-key-of-at-least-32-bytes'\n{TENANT}");
    let said = complaint("operator-cluster", &toml, &[]);
    assert!(said.contains("secret_key: is needed with `operator_key`"), "{said}");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    assert!(serve("operator-cluster-key", &toml, &[("DOWNBEAT_SECRET_KEY", key)]).is_ok());
}

#[test]
fn former_secret_keys_are_a_list() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let toml = format!("previous_secret_key = '{key}, {key}'\n{TENANT}");
    assert_eq!(serve("former", &toml, &[]).expect("sound settings").previous_secret_keys.len(), 2);
    let said = complaint("former-wrong", &format!("previous_secret_key = 'hush,{key}'\n{TENANT}"), &[]);
    assert!(said.contains("previous_secret_key: must be former secret keys") && !said.contains("hush"), "{said}");
}

#[test]
fn a_node_alone_keeps_its_database_in_its_data_directory_and_a_cluster_has_none_unless_named() {
    let file = |path: &str| Some(DatabaseUrl::Sqlite(path.into()));
    let toml = format!("data_dir = 'd'\n{TENANT}");
    assert_eq!(serve("db-default", &toml, &[]).unwrap().database, file("d/downbeat.db"));
    assert_eq!(serve("db-named", &toml, &[("DATABASE_URL", "sqlite:other.db")]).unwrap().database, file("other.db"));
    let toml = format!("redis_url = 'redis://h'\n{TENANT}");
    assert_eq!(serve("db-cluster", &toml, &[]).unwrap().database, None);
    let env = [("DATABASE_URL", "postgres://u:hunter2@h/d")];
    let settings = serve("db-postgres", &toml, &env).unwrap();
    assert!(matches!(settings.database, Some(DatabaseUrl::Postgres(_))), "{settings:?}");
    assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
}

#[test]
fn a_developer_s_own_database_is_left_alone_and_a_wrong_one_is_told_without_its_password() {
    let env = [("DATABASE_URL", "postgres://u:hunter2@h/d")];
    let settings =
        load(&Folder::new("db-dev", ""), SettingFlags::default(), &env, Mode::Dev { lan: false, browser: false })
            .unwrap();
    assert!(matches!(settings.database, Some(DatabaseUrl::Sqlite(_))), "{settings:?}");
    let said = complaint("db-bad", TENANT, &[("DATABASE_URL", "mysql://u:hunter2@h/d")]);
    assert!(said.contains("DATABASE_URL: must begin with `sqlite:` or `postgres://`"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn redis_is_read_from_every_place_and_its_password_stays_hidden() {
    assert!(serve("alone", TENANT, &[]).unwrap().redis.is_none());
    let toml = format!("redis_url = 'redis://file'\n{TENANT}");
    let named = |settings: &Settings| settings.redis.as_ref().unwrap().to_string();
    assert_eq!(named(&serve("redis-file", &toml, &[]).unwrap()), "redis://file:6379/0");
    let env = [("DOWNBEAT_REDIS_URL", "redis-cluster://:hunter2@env")];
    let settings = serve("redis-env", &toml, &env).unwrap();
    assert_eq!(named(&settings), "redis-cluster://env:6379");
    assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
    let flags = SettingFlags { redis_url: Some("rediss://flag".to_owned().into()), ..SettingFlags::default() };
    let settings = load(&Folder::new("redis-flag", &toml), flags, &env, Mode::Serve).unwrap();
    assert_eq!(named(&settings), "rediss://flag:6379/0");
    let said = complaint("redis-bad", TENANT, &[("DOWNBEAT_REDIS_URL", "redis://:hunter2@h/x")]);
    assert!(said.contains("DOWNBEAT_REDIS_URL: the database of redis_url must be a number"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn dev_joins_no_cluster() {
    let dev = |folder: &Folder, flags, env: &[(&str, &str)]| {
        load(folder, flags, env, Mode::Dev { lan: false, browser: false })
    };
    let folder = Folder::new("redis-dev", "");
    let settings = dev(&folder, SettingFlags::default(), &[("DOWNBEAT_REDIS_URL", "nonsense")]).unwrap();
    assert!(settings.redis.is_none(), "a developer's shell may have it for another program");
    let flags = SettingFlags { redis_url: Some("redis://h".to_owned().into()), ..SettingFlags::default() };
    let said = dev(&folder, flags, &[]).unwrap_err().to_string();
    assert!(said.contains("--redis-url: must not be set for `downbeat dev`, which embeds everything"), "{said}");
    let folder = Folder::new("redis-dev-file", "redis_url = 'redis://h'");
    let said = dev(&folder, SettingFlags::default(), &[]).unwrap_err().to_string();
    assert!(said.contains("redis_url: must not be set for `downbeat dev`"), "{said}");
}

#[test]
fn a_production_node_needs_a_tenant_and_two_ports() {
    assert!(complaint("empty", "", &[]).contains("tenants: at least one is needed"));
    let said = complaint("ports", &format!("metrics_listen = '127.0.0.1:4000'\n{TENANT}"), &[]);
    assert!(said.contains("metrics_listen is \"127.0.0.1:4000\": must not be the address of listen"), "{said}");
}

#[test]
fn secret_files_are_found_beside_the_configuration() {
    let folder = Folder::new("beside", "[[tenants]]\nid = 'acme'\njwt_secret_file = 'acme.secret'\n");
    std::fs::write(folder.0.join("acme.secret"), format!("{SECRET}\n")).unwrap();
    let settings = load(&folder, SettingFlags::default(), &[], Mode::Serve).unwrap();
    assert!(settings.tenants.get("acme").is_some());
}

#[test]
fn every_command_parses_and_every_help_teaches() {
    Cli::command().debug_assert();
    let dev = Cli::try_parse_from(["downbeat", "dev", "--lan", "--data-dir", "d"]).unwrap();
    let Command::Dev(dev) = dev.command else { panic!("dev must parse as dev") };
    assert!(dev.lan && dev.settings.data_dir.as_deref() == Some("d"));
    for command in ["dev", "serve", "token"] {
        let help = Cli::try_parse_from(["downbeat", command, "--help"]).unwrap_err().to_string();
        assert!(help.contains("Examples:") && help.contains("[env: DOWNBEAT_CONFIG]"), "{help}");
    }
    assert!(Cli::command().render_help().to_string().contains("downbeat dev"));
}

#[test]
fn the_token_command_signs_for_the_tenant_of_the_file() {
    install_crypto();
    let folder = Folder::new("token", &format!("redis_url = 'x'\n{TENANT}"));
    let config = folder.config();
    let mint = |more: &[&str]| {
        let start = ["downbeat", "token", "--config", config.to_str().unwrap()];
        let cli = Cli::try_parse_from(start.iter().chain(more)).unwrap();
        let Command::Token(args) = cli.command else { panic!("token must parse as token") };
        mint_token(&args, &|_| None, 1_800_000_000)
    };
    let token = mint(&["--tenant", "acme", "--role", "teacher", "--sub", "ada", "--ttl", "15m"]).unwrap();
    assert_eq!(peek_tenant(&token).unwrap().as_deref(), Some("acme"));
    let unknown = mint(&["--tenant", "zeta"]).unwrap_err();
    assert!(unknown.to_string().contains("must be one of the file's tenants: acme"), "{unknown}");
    assert!(matches!(mint(&[]), Err(TokenError::NoTenant { .. })));
}
