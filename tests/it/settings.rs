//! What is set in the configuration takes effect.

use std::path::Path;
use std::process::Command;

use tollbook::base::time::MINUTE_MS;
use tollbook::http::assets::Looks;
use tollbook::identity::Scope;

use crate::helpers::TestApp;
use crate::pages::browsing::Browser;

const SVG: &[u8] =
    b"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><path d=\"M0 0h8v8\"/></svg>";

fn file(dir: &Path, name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[actix_web::test]
async fn the_logo_is_on_every_page() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content, media_type) in [
        ("logo.PNG", b"\x89PNG\r\n\x1a\nrest".as_slice(), "image/png"),
        ("logo.jpg", b"\xff\xd8\xff\xe0rest".as_slice(), "image/jpeg"),
        ("logo.jpeg", b"\xff\xd8\xff\xe1rest".as_slice(), "image/jpeg"),
        ("logo.webp", b"RIFF\x10\0\0\0WEBPVP8 ".as_slice(), "image/webp"),
    ] {
        let path = file(dir.path(), name, content);
        let app = TestApp::start_with(|config| config.brand.logo_file = Some(path)).await;
        let (_, operator) = app.operator().await;
        for browser in [Browser::new(&app), Browser::with_session(&app, &operator)] {
            let page = browser.get("/sign-in").await;
            let page = if page.answer.status == 303 { browser.get(page.location()).await } else { page };
            let page = if page.answer.status == 303 { browser.get(page.location()).await } else { page };
            let html = page.expect(200).html().to_owned();
            let href = html.split("<img src=\"").nth(1).expect(&html).split('"').next().unwrap();
            let logo = app.get(href).send().await.expect(200);
            assert_eq!(logo.header("content-type"), Some(media_type), "{name}");
            assert_eq!(logo.text, String::from_utf8_lossy(content), "{name}");
            assert_eq!(
                logo.header("content-security-policy"),
                Some("default-src 'none'; frame-ancestors 'none'")
            );
        }
    }
}

#[test]
fn a_logo_that_cannot_be_shown_is_said_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Looks::new("Tollbook", None, Some(path)).unwrap_err().to_string();
    let kind = "must be a PNG, JPEG or WebP file, by its name and by what is in it";
    assert_eq!(refused(&file(dir.path(), "logo.gif", b"GIF89a")), kind);
    assert_eq!(refused(&file(dir.path(), "logo.png", SVG)), kind);
    let svg = "is an SVG, which cannot be drawn on invoices: give a PNG, JPEG or WebP file";
    let drawn = file(dir.path(), "logo.svg", SVG);
    assert_eq!(refused(&drawn), svg);
    assert_eq!(
        refused(&file(dir.path(), "large.png", &vec![b' '; (1 << 20) + 1])),
        "is larger than 1024 KiB"
    );
    std::fs::create_dir(dir.path().join("dir.png")).unwrap();
    assert_eq!(refused(&dir.path().join("dir.png")), "is not a file");
    assert!(refused(&dir.path().join("none.svg")).contains("No such file"));

    for command in [["config", "check"].as_slice(), &["serve", "--listen", "127.0.0.1:0"]] {
        let mut tollbook = Command::new(env!("CARGO_BIN_EXE_tollbook"));
        tollbook.args(command).arg("--data").arg(dir.path().join("data"));
        for (path, why) in [("/nowhere/logo.png", "No such file"), (drawn.to_str().unwrap(), svg)] {
            let done = tollbook.env("TOLLBOOK_BRAND_LOGO_FILE", path).output().unwrap();
            assert!(!done.status.success());
            let said = String::from_utf8(done.stderr).unwrap();
            assert!(said.contains(&format!("brand.logo_file {path}: {why}")), "{said}");
        }
    }
}

#[actix_web::test]
async fn passwords_are_as_long_and_as_hard_as_configured() {
    let app = TestApp::start_with(|config| {
        config.auth.password_min_length = 20;
        config.auth.argon2_parallelism = 2;
        config.auth.argon2_concurrency = 5;
    })
    .await;
    let key = app.operator_key(&[Scope::Admin]).await;
    let create = |password: &str| {
        let body = serde_json::json!({ "email": "x@example.com", "password": password, "operator": true });
        app.post("/api/v1/admin/users", &body.to_string()).bearer(&key).send()
    };
    let refused = create("nineteen characters").await.expect(422);
    assert_eq!(refused.wrong(), [("password".to_owned(), "too_short".to_owned())]);
    assert!(refused.text.contains("at least 20 characters"), "{}", refused.text);
    create("twenty characters ok").await.expect(201);
    let setup = format!("/setup/{}", app.app.setup_token.as_deref().unwrap());
    assert_eq!(app.get(&setup).send().await.expect(409).status, 409, "an operator is there now");

    let passwords = app.app.state.door.passwords();
    let hash = passwords.hash("twenty characters ok".into()).await.unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=2$"), "{}", hash.as_str());
    assert_eq!(passwords.policy().at_once, 5);
}

#[actix_web::test]
async fn the_setup_link_works_as_long_as_configured_and_begins_with_the_configured_seller() {
    let app = TestApp::start_with(|config| {
        config.auth.setup_url_minutes = 5;
        config.auth.password_min_length = 17;
        config.seller.name = Some("Vozia Telecom S.L.".into());
        config.seller.address = Some("Calle Mayor 1\n28013 Madrid".into());
        config.seller.country = Some("ES".into());
        config.seller.vat_id = Some("ESB12345674".into());
        config.seller.email = Some("help@vozia.example".into());
    })
    .await;
    let path = format!("/setup/{}", app.app.setup_token.as_deref().unwrap());
    let browser = Browser::new(&app);
    let page = browser.get(&path).await.expect(200);
    page.says("At least 17 characters");
    for (name, value) in
        [("name", "Vozia Telecom S.L."), ("vat_id", "ESB12345674"), ("email", "help@vozia.example")]
    {
        assert_eq!(page.value(&format!("seller_{name}")), value);
    }
    page.says("Calle Mayor 1 28013 Madrid");
    assert!(page.html().contains("<option value=\"ES\" selected>"));
    app.clock.advance(5 * MINUTE_MS - 1);
    browser.get(&path).await.expect(200);
    app.clock.advance(1);
    browser.get(&path).await.expect(403).says("The setup link is not valid (any more)");
}
