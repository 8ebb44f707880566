//! Style that a machine can hold: who imports whom, where SQL lives, how long a file gets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module imports only from lower ranks.
const RANKS: &[(&str, u32)] = &[
    ("base", 0),
    ("config", 0),
    ("db", 1),
    ("outside", 1),
    ("tax", 1),
    ("ledger", 2),
    ("identity", 2),
    ("outbox", 2),
    ("events", 2),
    ("idempotency", 2),
    ("grants", 3),
    ("catalog", 3),
    ("limits", 3),
    ("alerts", 3),
    ("vies", 3),
    ("wallet", 4),
    ("metering", 5),
    ("invoices", 5),
    ("revenue", 5),
    ("calls", 6),
    ("onboarding", 6),
    ("payments", 6),
    ("subscriptions", 7),
    ("numbers", 7),
    ("notifications", 8),
    ("connectors", 8),
    ("scheduler", 9),
    ("http", 10),
    ("app", 11),
    ("bench", 12),
    ("cli", 13),
];
/// Neighbours of one rank that may see each other, one way.
const NEIGHBOURS: &[(&str, &str)] = &[("config", "base")];
/// Statements of one noun stay together, and so do its tests; everything else fits in less.
const MAX_LINES: usize = 750;
const MAX_LINES_OF_A_COLLECTION: usize = 1_000;
/// Reads whole tables as they are, to compare them with what they should be.
const READS_TABLES_WHOLE: &str = "src/ledger/verify.rs";

fn files(dir: &str, endings: &[&str]) -> Vec<PathBuf> {
    fn visit(dir: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, endings, found);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|e| e == *ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), endings, &mut found);
    found.sort();
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The module of the crate that a file belongs to.
fn module(path: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inside = path.strip_prefix(src).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules named after `crate::`, also in `crate::{a, b::c}`.
fn imports(text: &str) -> BTreeSet<String> {
    let name =
        |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(name(rest));
            continue;
        };
        let mut depth = 1;
        let mut item = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => {
                    found.insert(name(item.trim()));
                    item.clear();
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            item.push(c);
        }
        found.insert(name(item.trim()));
    }
    found.remove("");
    found
}

#[test]
fn modules_import_only_from_lower_ranks() {
    let ranks: BTreeMap<&str, u32> = RANKS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files("src", &["rs"]) {
        let module = module(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(rank) = ranks.get(module.as_str()) else {
            wrong.push(format!("{module} has no rank"));
            continue;
        };
        for import in imports(&text(&path)) {
            let Some(other) = ranks.get(import.as_str()) else { continue };
            let allowed =
                import == module || other < rank || NEIGHBOURS.contains(&(module.as_str(), import.as_str()));
            if !allowed {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_in_every_form() {
    let text =
        "use crate::db::Db; use crate::{base, wallet::{self, Error}, http}; crate::ledger::open(); self::x";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["base", "db", "http", "ledger", "wallet"]);
}

#[test]
fn sql_lives_in_its_own_files() {
    let statement =
        ["SELECT ", "INSERT INTO ", "INSERT OR ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA "];
    let mut wrong = Vec::new();
    for path in files("src", &["rs"]) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let in_tests = name.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests");
        // the benchmark's floor is a database of its own
        let exempt = path.ends_with(READS_TABLES_WHOLE) || module(&path) == "bench";
        if name == "sql.rs" || module(&path) == "db" || in_tests || exempt {
            continue;
        }
        let all = text(&path);
        let code = all.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            let quoted = line
                .trim_start()
                .trim_start_matches("r#")
                .strip_prefix('"')
                .unwrap_or_else(|| line.split_once('"').map_or("", |(_, rest)| rest));
            if statement.iter().any(|s| quoted.starts_with(s)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_about_one_thing() {
    let mut wrong = Vec::new();
    for path in files("src", &["rs"]).into_iter().chain(files("tests", &["rs"])) {
        let lines = text(&path).lines().count();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_collection = name == "sql.rs" || name.ends_with("tests.rs");
        if lines > if is_collection { MAX_LINES_OF_A_COLLECTION } else { MAX_LINES } {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("unimplemented", "!")];
    let mut wrong = Vec::new();
    for path in files("src", &["rs"]).into_iter().chain(files("templates", &["html", "txt"])) {
        for (number, line) in text(&path).lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// No inline script, style or handler: the pages' own policy would block it.
#[test]
fn pages_keep_to_their_own_policy() {
    let mut wrong = Vec::new();
    for path in files("templates", &["html"]) {
        for (number, line) in text(&path).lines().enumerate() {
            let lower = line.to_lowercase();
            let inline = lower.contains("<style")
                || lower.contains(" style=")
                || lower.contains(" onclick=")
                || lower.contains("javascript:")
                || (lower.contains("<script") && !lower.contains(" src="));
            if inline {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_template_is_used_and_every_migration_is_run() {
    let code: String = files("src", &["rs"]).iter().map(|path| text(path)).collect();
    let templates = files("templates", &["html", "txt"]);
    let markup: String = templates.iter().map(|path| text(path)).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in &templates {
        let name = path.strip_prefix(root.join("templates")).unwrap().to_str().unwrap();
        assert!(code.contains(name) || markup.contains(name), "{name} is used nowhere");
    }
    for path in files("migrations", &["sql"]) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let number = name.split('_').next().unwrap();
        assert!(number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()), "{name}");
        assert!(code.contains(&format!("migrations/{name}")), "{name} is not run");
    }
}

/// A setting that nothing reads is a promise to the operator that is not kept.
#[test]
fn every_setting_is_read() {
    let read: String = files("src", &["rs"])
        .iter()
        .filter(|path| !["config", "bench"].contains(&module(path).as_str()) && !path.ends_with("tests.rs"))
        .map(|path| text(path).split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned())
        .collect();
    let is_read = |key: &str| {
        let mut found = read.match_indices(key);
        found.any(|(at, _)| {
            !read[at + key.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    let settings = tollbook::config::Config::default();
    let unread: Vec<&str> =
        settings.settings().iter().map(|setting| setting.key.as_str()).filter(|key| !is_read(key)).collect();
    assert!(unread.is_empty(), "{unread:?}");
}
