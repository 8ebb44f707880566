//! The program itself, as scripts and service units use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn tollbook(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollbook"));
    command.args(arguments).arg("--data").arg(data).args(["--mode", "test"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = tollbook(data, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "what a script needs is alone on standard output: {text}");
    text.trim().to_owned()
}

struct Serving {
    child: Child,
    url: String,
}

fn serve(data: &Path) -> Serving {
    let mut child = tollbook(data, &["serve", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
    Serving { child, url }
}

#[actix_web::test]
async fn the_first_minutes_from_a_shell_beside_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let mut server = serve(data);
    let password = "correct horse battery\n";
    let operator =
        run(data, &["admin", "create-operator", "--email", "op@example.com", "--password-stdin"], password);
    assert!(printed(&operator).starts_with("usr_"));
    let organization = printed(&run(
        data,
        &[
            "admin",
            "create-organization",
            "--name",
            "Acme",
            "--external-id",
            "c1",
            "--timezone",
            "Europe/Madrid",
        ],
        "",
    ));
    assert!(organization.starts_with("org_"));
    let user =
        ["admin", "create-user", "--organization", "ext:c1", "--email", "o@example.com", "--role", "owner"];
    let user = run(data, &[&user[..], &["--password-stdin"]].concat(), password);
    assert!(printed(&user).starts_with("usr_"));
    let key =
        printed(&run(data, &["admin", "create-key", "--operator", "--scopes", "admin,billing:read"], ""));
    assert!(key.starts_with("tb_test_"));

    // the running server knows them all
    let client = tollbook::outside::builder().unwrap().build().unwrap();
    let get = |path: String| client.get(format!("{}{path}", server.url)).bearer_auth(&key).send();
    let found = get(format!("/api/v1/admin/organizations/{organization}")).await.unwrap();
    assert_eq!(found.status(), 200);
    let body = r#"{"email":"o@example.com","password":"correct horse battery"}"#;
    let signed_in = client
        .post(format!("{}/api/v1/auth/sessions", server.url))
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(signed_in.status(), 201);

    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = server.child.wait().unwrap();
    assert!(status.success(), "SIGTERM drains and exits 0, not {status}");
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("/setup?token=tb_setup_"), "{log}");
    assert!(!log.contains("correct horse"), "no password in the log");

    assert!(printed(&run(data, &["verify"], "")).starts_with("verified:"));
    let doctor = run(data, &["doctor"], "");
    assert!(doctor.status.success(), "{doctor:?}");
    // a second operator cannot have the same address
    let again =
        run(data, &["admin", "create-operator", "--email", "op@example.com", "--password-stdin"], password);
    assert!(!again.status.success() && again.stdout.is_empty());
}

#[test]
fn mistakes_are_told_on_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, input, said) in [
        (&["admin", "create-key", "--operator", "--scopes", "root"][..], "", "root"),
        (&["admin", "create-key", "--scopes", "admin"], "", "--operator"),
        (&["admin", "create-operator", "--email", "x", "--password-stdin"], "long enough to be one", "email"),
        (&["admin", "create-operator", "--email", "x@example.com", "--password-stdin"], "short", "password"),
        (&["admin", "create-organization", "--name", "A", "--timezone", "Mars/Olympus"], "", "timezone"),
        (
            &["admin", "create-key", "--organization", "ext:none", "--scopes", "usage:read"],
            "",
            "organization",
        ),
        (&["healthcheck"], "", ""),
        (&["serve", "--listen", "nonsense"], "", "server.listen"),
    ] {
        let output = run(dir.path(), arguments, input);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    }
    let nowhere = dir.path().join("nothing-here");
    assert!(!run(&nowhere, &["verify"], "").status.success());
    assert!(!nowhere.exists(), "verify makes no database");
}

#[test]
fn the_configuration_says_where_each_value_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["config", "check"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("server.mode = \"test\"  # --mode"), "{text}");
    assert!(text.contains("database.data_dir"), "{text}");
}
