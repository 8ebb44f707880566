use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::base::Credits;

fn no_env(_: &str) -> Option<String> {
    None
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(content.as_bytes()).expect("written");
    file
}

fn env(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let pairs: HashMap<String, String> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    move |name| pairs.get(name).cloned()
}

/// What is wrong with a file, as `key message (line N)`.
fn errors(content: &str) -> Vec<String> {
    let file = file(content);
    let errors = Config::load(Some(file.path()), no_env).expect_err("refused");
    let prefix = format!("{}:", file.path().display());
    errors.0.iter().map(|e| e.to_string().replace(&prefix, "line ")).collect()
}

fn source(config: &Config, key: &str) -> Source {
    config.settings().iter().find(|s| s.key == key).expect(key).source.clone()
}

#[test]
fn the_example_holds_every_setting_at_its_default() {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let config = Config::load(Some(&example), no_env).expect("accepted");
    assert_eq!(config, Config::default());
    let text = std::fs::read_to_string(&example).expect("read");
    let mut lines: Vec<String> = Vec::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            lines.push(format!("{section}.{key} = {value}"));
        }
    }
    // a secret's `…_file` is another way to give the secret, not a setting of its own
    lines.retain(|line| {
        !["_token_file", "_key_file", "_secrets_file", "password_file"].iter().any(|end| line.contains(end))
    });
    let mut settings: Vec<String> =
        Config::default().settings().iter().map(|s| format!("{} = {}", s.key, s.value)).collect();
    lines.sort();
    settings.sort();
    assert_eq!(lines, settings);
}

#[test]
fn nothing_given_is_the_default() {
    let config = Config::load(None, no_env).expect("accepted");
    assert_eq!(config, Config::default());
    assert!(config.settings().iter().all(|s| s.source == Source::Default));
}

#[test]
fn the_stronger_place_wins_and_is_named() {
    let file =
        file("[server]\nlisten = \"127.0.0.1:1\"\nworkers = 3\nmode = \"test\"\n[log]\nlevel = \"warn\"\n");
    let arguments = [Argument { name: "--listen", key: "server.listen", value: "127.0.0.1:3".into() }];
    let env = env(&[
        ("TOLLBOOK_SERVER_LISTEN", "127.0.0.1:2"),
        ("TOLLBOOK_SERVER_WORKERS", "5"),
        ("TOLLBOOK_LOG_LEVEL", ""),
    ]);
    let config = Config::load_with(Some(file.path()), env, &arguments).expect("accepted");
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!((config.server.workers, config.server.mode), (5, Mode::Test));
    assert_eq!(config.log.level, "warn", "an empty variable is as good as none");
    assert_eq!(source(&config, "server.listen"), Source::Argument("--listen"));
    assert_eq!(source(&config, "server.workers"), Source::Environment("TOLLBOOK_SERVER_WORKERS".into()));
    assert_eq!(source(&config, "server.mode"), Source::File { path: file.path().into(), line: 4 });
    assert_eq!(source(&config, "usage.max_batch"), Source::Default);
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_line() {
    let found = errors(
        "top = 1
[server]
listen = \"nowhere\"
workers = 1000
wrokers = 4
mode = \"prod\"
public_url = \"https://billing.example.com/\"
trusted_proxies = [\"10.0.0.0/33\"]
[credits]
currency = \"EURO\"
per_unit = 0
welcome = 0.0000001
[auth]
argon2_memory_kib = 64
login_attempts = \"10\"
session_idle_minutes = 120
session_absolute_hours = 1
[usage]
max_age_days = -1
max_batch = 1.5
max_future_seconds = 99999999999
[log]
level = \"loud=very\"
[brand]
accent = \"blue\"
[nothing]
a = 1
[void]
",
    );
    let expected = [
        "server.listen must be an address and a port, such as 127.0.0.1:8080 (line 3)",
        "server.public_url must begin with https:// or http:// and not end with a slash (line 7)",
        "server.mode must be one of \"test\" \"live\" (line 6)",
        "server.workers must be from 0 to 256 (line 4)",
        "server.trusted_proxies must be an address or a network, such as 10.0.0.0/8, not 10.0.0.0/33 (line 8)",
        "brand.accent must be a colour such as \"#1f5fbf\" (line 25)",
        "credits.currency is not an ISO 4217 currency code with a minor unit, such as EUR (line 10)",
        "credits.per_unit must be from 1 to 1000000 (line 11)",
        "credits.welcome has more than 6 decimals (line 12)",
        "usage.max_age_days must be from 1 to 3660 (line 19)",
        "usage.max_future_seconds must be from 0 to 86400 (line 21)",
        "usage.max_batch must be a whole number (line 20)",
        "auth.login_attempts must be a whole number, without quotes (line 15)",
        "auth.argon2_memory_kib must be from 19456 to 1048576 (line 14)",
        "auth.session_idle_minutes must not be longer than session_absolute_hours (line 16)",
        "log.level must be error, warn, info, debug or trace, or a filter such as \"info,tollbook=debug\" (line 23)",
        "top is not in a section (line 1)",
        "[nothing] is not a known section (line 26)",
        "server.wrokers is not a known setting (line 5)",
        "[void] is not a known section (line 28)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_toml_is_reported_with_its_line() {
    let found = errors("[server]\nworkers = 2\nmode = test\n[log\n");
    assert!(
        found.iter().any(|e| e.starts_with("the file is not valid TOML") && e.ends_with("(line 3)")),
        "{found:?}"
    );
    assert!(found.iter().any(|e| e.ends_with("(line 4)")), "{found:?}");
    let twice = errors("[server]\nworkers = 2\nworkers = 3\n");
    assert!(twice.iter().any(|e| e.contains("duplicate key")), "{twice:?}");
    let missing = Config::load(Some(Path::new("/nonexistent/tollbook.toml")), no_env).expect_err("refused");
    assert!(missing.to_string().starts_with("/nonexistent/tollbook.toml cannot be read"), "{missing}");
}

#[test]
fn values_in_the_environment_are_checked_too() {
    let env = env(&[
        ("TOLLBOOK_SERVER_WORKERS", "many"),
        ("TOLLBOOK_CREDITS_WELCOME", "-1"),
        ("TOLLBOOK_SERVER_TRUSTED_PROXIES", "10.0.0.1, nowhere"),
    ]);
    let errors = Config::load(None, env).expect_err("refused").to_string();
    assert_eq!(
        errors.lines().collect::<Vec<_>>(),
        [
            "server.workers must be a whole number (TOLLBOOK_SERVER_WORKERS)",
            "server.trusted_proxies must be an address or a network, such as 10.0.0.0/8, not nowhere \
             (TOLLBOOK_SERVER_TRUSTED_PROXIES)",
            "credits.welcome must be from 0 to 100000000 (TOLLBOOK_CREDITS_WELCOME)",
        ]
    );
}

#[test]
fn credits_are_read_exactly() {
    for content in ["[credits]\nwelcome = 1_000.000001\n", "[credits]\nwelcome = 1000.000001\n"] {
        let file = file(content);
        let config = Config::load(Some(file.path()), no_env).expect("accepted");
        assert_eq!(config.credits.welcome, Credits::from_micros(1_000_000_001));
    }
    let env = env(&[("TOLLBOOK_CREDITS_WELCOME", "5000")]);
    assert_eq!(Config::load(None, env).expect("accepted").credits.welcome.to_string(), "5000");
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let held = file("s3cret-of-metrics\n");
    let path = held.path().to_str().expect("path");
    let by_variable =
        Config::load(None, env(&[("TOLLBOOK_SERVER_METRICS_TOKEN_FILE", path)])).expect("accepted");
    let by_file = file(&format!("[server]\nmetrics_token_file = \"{path}\"\n"));
    let by_file = Config::load(Some(by_file.path()), no_env).expect("accepted");
    let direct = file("[server]\nmetrics_token = \"s3cret-of-metrics\"\n");
    let direct = Config::load(Some(direct.path()), no_env).expect("accepted");
    for config in [by_variable, by_file, direct] {
        assert_eq!(config.server.metrics_token.as_ref().map(Secret::expose), Some("s3cret-of-metrics"));
        let token = config.server.metrics_token.clone().expect("token");
        let setting = config.settings().iter().find(|s| s.key == "server.metrics_token").expect("setting");
        for shown in [format!("{config:?}"), format!("{token}"), setting.to_string()] {
            assert!(shown.contains("[hidden]") && !shown.contains("s3cret"), "{shown}");
        }
    }
}

#[test]
fn a_secret_in_a_stronger_place_wins_and_twice_in_one_is_refused() {
    let held = file("stronger\n");
    let path = held.path().to_str().expect("path").to_owned();
    let weaker = file("[server]\nmetrics_token = \"weaker\"\n");
    let config = Config::load(Some(weaker.path()), env(&[("TOLLBOOK_SERVER_METRICS_TOKEN_FILE", &path)]))
        .expect("accepted");
    assert_eq!(config.server.metrics_token.as_ref().map(Secret::expose), Some("stronger"));

    let refused = |pairs: &[(&str, &str)]| Config::load(None, env(pairs)).expect_err("refused").to_string();
    let twice = refused(&[
        ("TOLLBOOK_SERVER_METRICS_TOKEN", "s3cret"),
        ("TOLLBOOK_SERVER_METRICS_TOKEN_FILE", &path),
    ]);
    assert!(twice.contains("is given twice") && !twice.contains("s3cret"), "{twice}");
    let missing = refused(&[("TOLLBOOK_SERVER_METRICS_TOKEN_FILE", "/nonexistent/token")]);
    assert!(missing.contains("cannot be read from /nonexistent/token"), "{missing}");
    let empty = file("\n");
    let empty = refused(&[("TOLLBOOK_SERVER_METRICS_TOKEN_FILE", empty.path().to_str().expect("path"))]);
    assert!(empty.contains("is empty"), "{empty}");
}

#[test]
fn networks_hold_the_addresses_that_begin_like_them() {
    let env = env(&[("TOLLBOOK_SERVER_TRUSTED_PROXIES", "10.1.0.0/16,192.0.2.7,2001:db8::/32,0.0.0.0/0")]);
    let networks = Config::load(None, env).expect("accepted").server.trusted_proxies;
    let holds = |at: usize, address: &str| networks[at].contains(address.parse().expect(address));
    assert!(holds(0, "10.1.255.255") && !holds(0, "10.2.0.0") && holds(0, "::ffff:10.1.2.3"));
    assert!(holds(1, "192.0.2.7") && !holds(1, "192.0.2.6"));
    assert!(holds(2, "2001:db8::1") && !holds(2, "2001:db9::1") && !holds(2, "10.1.0.0"));
    assert!(holds(3, "203.0.113.9") && !holds(3, "::1"));
}

#[test]
fn addresses_from_outside_are_plain_origins() {
    for (url, fits) in [
        ("https://billing.example.com", true),
        ("http://localhost:8080", true),
        ("https://example.com/billing", true),
        ("ftp://example.com", false),
        ("https://", false),
        ("https://example.com/?a=1", false),
        ("https://user@example.com", false),
        ("javascript:alert(1)", false),
    ] {
        let loaded = Config::load(None, env(&[("TOLLBOOK_SERVER_PUBLIC_URL", url)]));
        assert_eq!(loaded.is_ok(), fits, "{url}");
    }
}

#[test]
fn currencies_of_which_stripe_does_not_take_every_amount_do_not_go_with_it() {
    let currency = "[credits]\ncurrency = \"KWD\"\n";
    let stripe = "[server]\nmode = \"test\"\n[payments.stripe]\nsecret_key = \"sk_test_x\"\n";
    let found = errors(&format!("{currency}{stripe}"));
    assert_eq!(found, ["credits.currency KWD has three decimals, of which Stripe takes two (line 2)"]);
    assert!(Config::load(Some(file(currency).path()), no_env).is_ok());
    assert!(Config::load(Some(file(stripe).path()), no_env).is_ok());
}

#[test]
fn a_prefix_of_numbers_is_short_and_plain() {
    for good in ["", "ACME", "A1-B2"] {
        let file = file(&format!("[invoices]\nprefix = \"{good}\"\n"));
        let config = Config::load(Some(file.path()), no_env).expect(good);
        assert_eq!(config.invoices.prefix, good);
    }
    for bad in ["acme", "A B", "-A", "A-", "A--B", "É", "ABCDEFGHIJKLM"] {
        let found = errors(&format!("[invoices]\nprefix = \"{bad}\"\n"));
        assert!(
            found.len() == 1 && found.iter().all(|text| text.contains("capital letters")),
            "{bad}: {found:?}"
        );
    }
}
