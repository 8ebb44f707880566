//! A browser without a window: it keeps cookies, follows nothing by itself, and finds its way in a page's HTML.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tollbook::base::id::OrganizationId;
use tollbook::base::{Credits, Quantity, Timestamp};
use tollbook::grants::Class;
use tollbook::identity::{NewUser, Role, users, workspaces};
use tollbook::ledger::{Canon, TransactionType};
use tollbook::metering::{self, EventIn, ExternalId, Mode, Outcome, UsageEvent};
use tollbook::wallet::{self, NewCredit};

use crate::helpers::{Answer, BY, TestApp};

pub const PASSWORD: &str = "correct horse battery";

/// Cookies by name.
#[derive(Default)]
pub struct Browser<'a> {
    pub app: Option<&'a TestApp>,
    pub jar: Mutex<BTreeMap<String, String>>,
}

/// A page that came back.
#[derive(Debug)]
pub struct Page {
    pub answer: Answer,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app: Some(app), jar: Mutex::default() }
    }

    /// One that is signed in, without the form.
    pub fn with_session(app: &'a TestApp, token: &str) -> Self {
        let browser = Self::new(app);
        browser.jar.lock().unwrap().insert("tollbook".into(), token.into());
        browser
    }

    fn cookies(&self) -> String {
        let jar = self.jar.lock().unwrap();
        jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn take(&self, call: crate::helpers::Call) -> Page {
        let cookies = self.cookies();
        let call = if cookies.is_empty() { call } else { call.header("Cookie", &cookies) };
        let answer = call.send().await;
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            assert!(
                set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"),
                "{set}"
            );
            let mut jar = self.jar.lock().unwrap();
            if set.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.into(), value.into());
            }
        }
        Page { answer }
    }

    pub async fn get(&self, path: &str) -> Page {
        let app = self.app.unwrap();
        self.take(app.get(path).header("Sec-Fetch-Site", "same-origin")).await
    }

    /// Sends a form as it is, without looking at any page.
    pub async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let call = self
            .app
            .unwrap()
            .call("POST", path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Sec-Fetch-Site", "same-origin")
            .body(body.into_bytes());
        self.take(call).await
    }

    /// Fills in the form of a page that is sent to `path`, and sends it with all that stands in it.
    pub async fn fill(&self, page: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut all = page.hidden(path);
        all.retain(|(hidden, _)| fields.iter().all(|(name, _)| name != hidden));
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.send(path, &all).await
    }
}

impl Page {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.answer.status.as_u16(), status, "{}", self.text());
        // markup of our own that was taken for text
        for shown in ["<time", "<span", "<abbr", "<a href"] {
            assert!(!self.text().contains(shown), "{shown} is shown: {}", self.text());
        }
        self
    }

    /// Where one is sent.
    #[track_caller]
    pub fn location(&self) -> &str {
        assert_eq!(self.answer.status.as_u16(), 303, "{}", self.text());
        self.answer.header("location").unwrap()
    }

    pub fn html(&self) -> &str {
        &self.answer.text
    }

    /// What a person reads, with single spaces.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in self.html().chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                '\u{a0}' if !inside => text.push(' '),
                c if !inside => text.push(c),
                _ => {}
            }
        }
        unescaped(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[track_caller]
    pub fn says(&self, what: &str) {
        assert!(self.text().contains(what), "no {what:?} in: {}", self.text());
    }

    #[track_caller]
    pub fn does_not_say(&self, what: &str) {
        assert!(!self.text().contains(what), "{what:?} in: {}", self.text());
    }

    /// The hidden fields of the form that is sent to `path`.
    #[track_caller]
    pub fn hidden(&self, path: &str) -> Vec<(String, String)> {
        let start =
            self.html().find(&format!("action=\"{path}\"")).unwrap_or_else(|| panic!("no form to {path}"));
        let form = self.html()[start..].split("</form>").next().unwrap();
        form.split("<input type=\"hidden\"")
            .skip(1)
            .map(|field| (attribute(field, "name"), attribute(field, "value")))
            .collect()
    }

    /// What stands in a field.
    #[track_caller]
    pub fn value(&self, name: &str) -> String {
        let at = self.html().find(&format!("id=\"{name}\"")).unwrap_or_else(|| panic!("no field {name}"));
        let tag = self.html()[at..].split('>').next().unwrap();
        attribute(tag, "value")
    }

    /// All addresses of links that begin so.
    pub fn links(&self, begin: &str) -> Vec<String> {
        self.attributes("href", begin)
    }

    /// Where its forms are sent.
    pub fn actions(&self, begin: &str) -> Vec<String> {
        self.attributes("action", begin)
    }

    fn attributes(&self, name: &str, begin: &str) -> Vec<String> {
        let start = format!("{name}=\"");
        let all = self.html().split(&start).skip(1).map(|rest| rest.split('"').next().unwrap());
        all.filter(|value| value.starts_with(begin)).map(|value| value.replace("&#38;", "&")).collect()
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let start = tag.find(&format!("{name}=\"")).map_or(tag.len(), |at| at + name.len() + 2);
    let text = tag.get(start..).unwrap_or("").split('"').next().unwrap_or("");
    unescaped(text)
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    text.replace("&#38;", "&")
}

/// A person who signs in with [`PASSWORD`]; no organization: an operator.
pub async fn person(app: &TestApp, email: &str, place: Option<(OrganizationId, Role, &[&str])>) {
    let password = app.app.state.door.passwords().hash(PASSWORD.into()).await.unwrap();
    let new = NewUser { email: email.into(), name: String::new(), password };
    let place = place
        .map(|(id, role, names)| (id, role, names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
    let made = app.db().write(move |tx| -> Result<_, tollbook::identity::Error> {
        let Some((id, role, names)) = place else { return users::create_operator(tx, &BY, &new) };
        let ids: Vec<_> = names.iter().map(|name| workspaces::ensure(tx, id, name).unwrap()).collect();
        users::create_member(tx, &BY, &new, id, role, &ids)
    });
    made.await.unwrap();
}

/// Signs in through the form.
pub async fn sign_in<'a>(app: &'a TestApp, email: &str) -> Browser<'a> {
    let browser = Browser::new(app);
    let page = browser.get("/sign-in").await.expect(200);
    let fields = [("email", email), ("password", PASSWORD)];
    browser.fill(&page, "/sign-in", &fields).await.location();
    browser
}

/// Gives credit.
pub async fn credit(app: &TestApp, id: OrganizationId, whole: i64, class: Class, expires: Option<Timestamp>) {
    let new = NewCredit {
        amount: Credits::from_whole(whole).unwrap(),
        class,
        priority: None,
        expires_at: expires,
        meters: None,
        cost: None,
        tax: None,
        source: "operator",
        kind: TransactionType::Purchase,
        description: format!("Top-up of {whole}"),
        actor: String::new(),
        metadata: None,
    };
    app.db().write(move |tx| wallet::credit(tx, id, new)).await.unwrap();
}

/// One usage event.
pub struct Use<'a> {
    pub id: &'a str,
    pub meter: &'a str,
    pub quantity: &'a str,
    pub at: &'a str,
    pub agent: &'a str,
    pub workspace: &'a str,
}

/// Charges usage.
pub async fn charge(app: &TestApp, id: OrganizationId, used: &[Use<'_>]) {
    let some = |text: &str| (!text.is_empty()).then(|| Box::<str>::from(text));
    let events: Vec<EventIn> = used
        .iter()
        .map(|used| {
            let event = UsageEvent {
                id: ExternalId::new(used.id).unwrap(),
                organization: None,
                workspace: some(used.workspace),
                agent: some(used.agent),
                number: None,
                call: None,
                meter: used.meter.into(),
                quantity: used.quantity.parse::<Quantity>().unwrap(),
                occurred_at: used.at.parse().unwrap(),
                direction: None,
                toll_free: false,
                byok: false,
                carrier_cost: None,
                mode: Mode::Record,
                extra: None,
            };
            let digests = event.digests(&mut Canon::new());
            EventIn { event, digests }
        })
        .collect();
    let outcomes = app.db().write(move |tx| metering::record(tx, Some(id), Some(id), &events)).await.unwrap();
    for outcome in outcomes {
        assert!(matches!(outcome, Outcome::Charged(_)), "{outcome:?}");
    }
}
