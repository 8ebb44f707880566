//! `tollbook import usage`, run as a program.

use std::fmt::Write;
use std::process::Output;

use crate::process::{Installation, read};

const WELCOME: (&str, &str) = ("TOLLBOOK_CREDITS_WELCOME", "1000");

/// A time some days ago, as text.
fn days_ago(days: i64) -> String {
    let now = tollbook::base::Clock::now(&tollbook::base::SystemClock);
    now.plus_ms(-days * tollbook::base::time::DAY_MS).to_string()
}

/// With a catalog, and one organization with 1,000 credits.
fn with_acme() -> Installation {
    let installation = Installation::new(&[WELCOME]);
    installation.prepare();
    installation.run(&["admin", "create-organization", "--name", "Acme", "--external-id", "acme"]);
    installation
}

fn import(installation: &Installation, csv: &str, more: &[&str]) -> (Output, String) {
    let file = installation.path("calls.csv");
    std::fs::write(&file, csv).expect("write");
    let mut args = vec!["import", "usage", file.to_str().expect("path")];
    args.extend(more);
    let output = installation.output(&args);
    let stdout = String::from_utf8(output.stdout.clone()).expect("UTF-8").trim_end().to_owned();
    (output, stdout)
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// 2,500 voice minutes: three batches.
fn calls(at: &str) -> String {
    let mut csv = "id,organization,meter,quantity,occurred_at,agent_id\n".to_owned();
    for call in 0..2_500 {
        writeln!(csv, "call-{call},ext:acme,voice,60,{at},agent-{}", call % 7).expect("a string");
    }
    csv
}

#[test]
fn a_file_is_charged_once() {
    let acme = with_acme();
    let csv = calls(&days_ago(2));
    let (output, summary) = import(&acme, &csv, &[]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(summary, "2500 rows: 2500 charged (17500 credits), 0 had been charged before, 0 refused");
    let (output, summary) = import(&acme, &csv, &[]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(summary, "2500 rows: 0 charged (0 credits), 2500 had been charged before, 0 refused");
    assert!(acme.run(&["verify"]).contains(" 2500 events"));
}

#[test]
fn a_file_is_charged_beside_a_running_server() {
    let acme = with_acme();
    let server = acme.serve();
    let (output, summary) = import(&acme, &calls(&days_ago(2)), &[]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(summary, "2500 rows: 2500 charged (17500 credits), 0 had been charged before, 0 refused");
    assert!(acme.run(&["verify"]).contains(" 2500 events"));
    server.stop();
}

#[test]
fn a_dry_run_prices_and_charges_nothing() {
    let acme = with_acme();
    let csv = format!("{}bad,ext:acme,parrot,1,{},\n", calls(&days_ago(2)), days_ago(2));
    let (output, summary) = import(&acme, &csv, &["--dry-run"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        summary,
        "2501 rows: 2500 would be charged (17500 credits), 0 have been charged before, 1 would be refused"
    );
    assert!(acme.run(&["verify"]).contains(" 0 events"));
    let left: Vec<_> =
        std::fs::read_dir(acme.data()).expect("data").map(|e| e.expect("entry").file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("dry-run")), "{left:?}");
}

#[test]
fn refused_rows_are_listed_with_line_and_reason_and_can_be_repaired() {
    let acme = with_acme();
    let (recent, old) = (days_ago(1), days_ago(400));
    let csv = format!(
        "id,organization,meter,quantity,occurred_at,note\n\
         good,ext:acme,chat,1,{recent},\"two\nlines\"\n\
         a,ext:acme,parrot,1,{recent},\n\
         b,ext:nobody,chat,1,{recent},\n\
         c,ext:acme,chat,-1,{recent},\n\
         d,ext:acme,chat,1,{old},\n\
         e,ext:acme,chat,1\n\
         good,ext:acme,chat,2,{recent},\n"
    );
    let (output, _) = import(&acme, &csv, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("unknown column \"note\""), "{}", errors(&output));

    let list = acme.path("refused.csv");
    let more = ["--ignore-unknown", "--refused", list.to_str().expect("path")];
    let (output, summary) = import(&acme, &csv, &more);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(summary, "7 rows: 1 charged (1 credits), 0 had been charged before, 6 refused");
    let errors = errors(&output);
    for line in [
        "line 4: meter: there is no meter \"parrot\"",
        "line 5: organization: there is no such organization",
        "line 6: quantity: must not be negative",
        "line 7: occurred_at: is more than 35 days ago",
        "line 8: a row of 4 fields, where the header has 6",
        "line 9: id: this id was used for an event with other content",
    ] {
        assert!(errors.contains(line), "{line}\n{errors}");
    }

    // what was too old is taken when history is asked for; the list can be given as it is
    let listed = read(&list);
    assert!(
        listed.starts_with("id,organization,meter,quantity,occurred_at,note,refused_line,refused_reason\n")
    );
    let repaired: String = listed
        .lines()
        .filter(|line| line.starts_with("id,") || line.starts_with("d,"))
        .fold(String::new(), |text, line| text + line + "\n");
    let (output, summary) = import(&acme, &repaired, &["--ignore-unknown", "--max-age-days", "500"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(summary, "1 rows: 1 charged (1 credits), 0 had been charged before, 0 refused");
    acme.run(&["verify"]);
}

#[test]
fn a_data_directory_has_one_server() {
    let acme = with_acme();
    let server = acme.serve();
    let second = acme.output(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(errors(&second).contains("is in use by another server"), "{}", errors(&second));
    server.stop();
    acme.serve().stop();
}
