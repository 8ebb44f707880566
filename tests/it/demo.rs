//! `tollbook demo`, run as a program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::process::Installation;

struct Demo {
    child: Child,
    said: String,
}

impl Demo {
    /// Starts it and waits until it listens.
    fn start(installation: &Installation) -> Self {
        let mut command = installation.command(&["demo", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("spawn");
        let mut out = BufReader::new(child.stdout.take().expect("stdout"));
        let mut said = String::new();
        while !said.contains("\nlistening on http://") {
            assert!(out.read_line(&mut said).expect("a line") > 0, "it ended: {said}");
        }
        Self { child, said }
    }

    /// What stands after these words, on the same line.
    fn after(&self, words: &str) -> &str {
        let start = self.said.find(words).unwrap_or_else(|| panic!("{words}: {}", self.said)) + words.len();
        self.said[start..].lines().next().expect("a line").trim()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[actix_web::test]
async fn the_demo_has_a_past_and_goes_on_with_it() {
    let installation = Installation::new(&[]);
    let demo = Demo::start(&installation);
    let (password, key) =
        (demo.after("with the password ").to_owned(), demo.after("operator's key: ").to_owned());
    assert!(key.starts_with("tb_test_"), "{key}");
    // what the documents say to try with it, limits too
    let url = format!("http://{}/api/v1/billing/limits", demo.after("listening on http://"));
    let set = tollbook::outside::builder()
        .unwrap()
        .build()
        .unwrap()
        .post(url)
        .bearer_auth(&key)
        .header("Tollbook-Organization", "ext:brightline")
        .json(&serde_json::json!({ "monthly_limit": 100_000 }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(set.status(), 200);
    // somebody whose card is declined
    let reload = tollbook::outside::builder()
        .unwrap()
        .build()
        .unwrap()
        .get(format!("http://{}/api/v1/billing/wallet/auto-reload", demo.after("listening on http://")))
        .bearer_auth(&key)
        .header("Tollbook-Organization", "ext:nordlicht")
        .send()
        .await
        .expect("an answer");
    let reload = reload.text().await.expect("text");
    assert!(reload.contains("declined"), "{reload}");
    drop(demo);
    let verified = installation.run(&["verify"]);
    assert!(verified.contains(" 3 wallets"), "{verified}");
    let events: u64 = verified
        .split(", ")
        .find_map(|part| part.strip_suffix(" events"))
        .expect("events")
        .parse()
        .expect("a number");
    assert!(events > 5_000, "{verified}");

    let again = Demo::start(&installation);
    assert_eq!(
        (again.after("with the password "), again.after("operator's key: ")),
        (password.as_str(), key.as_str())
    );
    drop(again);
    assert_eq!(installation.run(&["verify"]), verified, "the past is told once");
}

#[test]
fn the_demo_leaves_a_real_book_alone() {
    let installation = Installation::new(&[]);
    installation.prepare();
    let refused = installation.output(&["demo", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not the demo's"));
}
