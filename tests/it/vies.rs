//! VAT ids are confirmed by the register, and by nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tollbook::base::id::OrganizationId;
use tollbook::base::{Mode, Timestamp};
use tollbook::db::DbError;
use tollbook::identity::{Actor, BillingDetails, By, SellerTerms, VatStanding, organizations};
use tollbook::outbox::{self, pause_ms};
use tollbook::outside;
use tollbook::vies::{Register, Terms};

use crate::ledger_kit::Kit;

const BY: By = By::actor(Actor::System);
const ID: &str = "DE136695976";

/// What the register does with a question.
enum Does {
    Answer(u16, Vec<u8>),
    /// The answer, when the id has changed.
    Late(Vec<u8>),
    Nothing,
}

/// A register that does what it is told, one question after the other, and keeps what it was asked.
#[derive(Clone)]
struct Fake {
    url: String,
    next: Arc<Mutex<VecDeque<Does>>>,
    asked: Arc<Mutex<Vec<Value>>>,
    go_on: Arc<tokio::sync::Notify>,
}

impl Fake {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/rest-api", listener.local_addr().unwrap());
        let fake = Self { url, next: Arc::default(), asked: Arc::default(), go_on: Arc::default() };
        let served = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fake = served.clone();
                tokio::spawn(async move { fake.serve(stream).await });
            }
        });
        fake
    }

    async fn serve(&self, mut stream: tokio::net::TcpStream) {
        let mut read = Vec::new();
        let body = loop {
            let mut chunk = [0; 4_096];
            let count = stream.read(&mut chunk).await.unwrap_or(0);
            assert!(count > 0, "a question ends");
            read.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            assert!(head.starts_with("POST /rest-api/check-vat-number HTTP/1.1"), "{head}");
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            if body.len() >= length.parse::<usize>().unwrap() {
                break body.to_owned();
            }
        };
        self.asked.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        let does = self.next.lock().unwrap().pop_front().expect("a question that was expected");
        match does {
            does @ (Does::Answer(..) | Does::Late(_)) => {
                let (status, body) = match does {
                    Does::Answer(status, body) => (status, body),
                    Does::Late(body) => {
                        self.go_on.notified().await;
                        (200, body)
                    }
                    Does::Nothing => unreachable!(),
                };
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            }
            Does::Nothing => tokio::time::sleep(Duration::from_mins(1)).await,
        }
    }

    fn will(&self, status: u16, body: &Value) {
        self.next.lock().unwrap().push_back(Does::Answer(status, body.to_string().into_bytes()));
    }

    fn questions(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn says(id: &str, valid: bool) -> Value {
    json!({ "countryCode": id[..2], "vatNumber": id[2..], "requestDate": "2026-11-21T09:00:00.000Z", "valid": valid,
        "requestIdentifier": "WAPIAAAAYtest", "name": "Müller & Söhne GmbH", "address": "Berlin" })
}

fn failed(error: &str) -> Value {
    json!({ "actionSucceed": false, "errorWrappers": [{ "error": error }] })
}

struct Site {
    kit: Kit,
    fake: Fake,
    register: Register,
    acme: OrganizationId,
}

impl Site {
    async fn new() -> Self {
        Self::with("ESB12345674").await
    }

    async fn with(seller: &str) -> Self {
        let kit = Kit::at("2026-11-21T09:00:00Z").await;
        let fake = Fake::start().await;
        let acme = kit.organization("acme", "UTC").await;
        let register = register(&kit, Some(&fake), seller);
        Self { kit, fake, register, acme }
    }

    async fn set(&self, country: &str, vat_id: &str) {
        let details =
            BillingDetails { country: country.into(), vat_id: vat_id.into(), ..BillingDetails::default() };
        let (register, acme) = (self.register.clone(), self.acme);
        self.kit.write(move |tx| register.set_details(tx, &BY, acme, &details)).await.unwrap();
    }

    /// Carries out what is due, as the server's worker does.
    async fn work(&self) -> usize {
        outbox::step(self.kit.db(), outbox::Lane::Money, 10, |work| self.register.carry_out(work))
            .await
            .unwrap()
    }

    fn standing(&self) -> VatStanding {
        self.kit.db().read_blocking(|tx| organizations::get(tx.conn(), self.acme)).unwrap().vat
    }

    async fn enqueued(&self) -> usize {
        self.register.enqueue_due().await.unwrap()
    }

    /// The clock moves on until what failed is tried again.
    async fn later(&self, attempts: i64) {
        self.kit.clock.advance(pause_ms(attempts));
        self.kit.write(|_| Ok::<_, DbError>(())).await.unwrap();
    }

    fn why(&self, work: i64) -> (outbox::State, String) {
        let found =
            self.kit.db().read_blocking(|tx| outbox::get(tx.conn(), tollbook::base::id::WorkId::new(work)));
        let found = found.unwrap().expect("work");
        (found.state, found.last_error.unwrap_or_default())
    }
}

fn register(kit: &Kit, fake: Option<&Fake>, seller: &str) -> Register {
    let details = BillingDetails { vat_id: seller.into(), country: "ES".into(), ..BillingDetails::default() };
    let terms = Terms {
        url: fake.map(|fake| fake.url.clone()),
        recheck_days: 30,
        seller: SellerTerms { details, ..SellerTerms::default() },
    };
    let client = outside::client(Mode::Test, Duration::from_secs(2)).unwrap();
    Register::new(kit.db().clone(), client, terms)
}

fn confirmed(site: &Site) -> (Timestamp, String) {
    match site.standing() {
        VatStanding::Confirmed { checked_at, answer } => (checked_at, answer),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_valid_id_is_confirmed_with_its_consultation_number() {
    let site = Site::new().await;
    site.set("DE", ID).await;
    assert_eq!(site.standing(), VatStanding::Unconfirmed);
    site.fake.will(200, &says(ID, true));
    assert_eq!(site.work().await, 1);
    let (at, answer) = confirmed(&site);
    assert_eq!(at, site.kit.now());
    assert!(answer.contains("WAPIAAAAYtest") && answer.contains("2026-11-21T09:00:00.000Z"), "{answer}");
    let asked = json!({ "countryCode": "DE", "vatNumber": "136695976", "requesterMemberStateCode": "ES",
        "requesterNumber": "B12345674" });
    assert_eq!(*site.fake.asked.lock().unwrap(), [asked]);
    // nothing else changed: nothing is asked
    let details = BillingDetails {
        company_name: "Renamed".into(),
        country: "DE".into(),
        vat_id: ID.into(),
        ..BillingDetails::default()
    };
    let (register, acme) = (site.register.clone(), site.acme);
    site.kit.write(move |tx| register.set_details(tx, &BY, acme, &details)).await.unwrap();
    assert_eq!(site.work().await, 0);
    confirmed(&site);
}

#[tokio::test]
async fn an_id_that_the_register_does_not_know_exempts_nobody() {
    let site = Site::new().await;
    site.set("DE", ID).await;
    site.fake.will(200, &says(ID, false));
    site.work().await;
    assert_eq!(site.standing().name(), "invalid");
    site.set("DE", "DE111111125").await;
    site.fake.will(400, &failed("INVALID_INPUT"));
    site.work().await;
    assert_eq!(site.standing().name(), "invalid");
    // taken away: nothing is asked, and nothing is left
    site.set("DE", "").await;
    assert_eq!((site.work().await, site.standing()), (0, VatStanding::Unconfirmed));
}

#[tokio::test]
async fn who_does_not_answer_is_asked_again_until_somebody_does() {
    let site = Site::new().await;
    site.set("DE", ID).await;
    let whys: [(&str, &str); 5] = [
        ("MS_UNAVAILABLE", "200: MS_UNAVAILABLE"),
        ("garbage", "502: cannot be read"),
        ("long", "the answer is too long"),
        ("silence", "error sending request"),
        ("other", "200: the answer is about another id"),
    ];
    for (attempts, (does, why)) in (1..).zip(whys) {
        match does {
            "garbage" => {
                let page = b"<html>Bad gateway</html>".to_vec();
                site.fake.next.lock().unwrap().push_back(Does::Answer(502, page));
            }
            "long" => {
                let body = vec![b' '; 10 << 20];
                site.fake.next.lock().unwrap().push_back(Does::Answer(200, body));
            }
            "silence" => site.fake.next.lock().unwrap().push_back(Does::Nothing),
            "other" => site.fake.will(200, &says("DE111111125", true)),
            error => site.fake.will(200, &failed(error)),
        }
        assert_eq!(site.work().await, 1, "{does}");
        let (state, error) = site.why(1);
        assert_eq!(state, outbox::State::Waiting, "{does}");
        assert!(error.contains(why), "{does}: {error}");
        assert_eq!(site.standing(), VatStanding::Unconfirmed, "{does}");
        // not before its time, and not twice
        assert_eq!((site.work().await, site.enqueued().await), (0, 0));
        site.later(attempts).await;
    }
    site.fake.will(200, &says(ID, true));
    assert_eq!(site.work().await, 1);
    confirmed(&site);
    assert_eq!((site.why(1).0, site.fake.questions()), (outbox::State::Done, 6));
}

#[tokio::test]
async fn an_answer_that_comes_after_the_id_has_changed_confirms_nothing() {
    let site = Site::new().await;
    site.set("DE", ID).await;
    site.set("DE", "DE111111125").await;
    // both questions are about what is there now
    site.fake.will(200, &says("DE111111125", false));
    site.fake.will(200, &says("DE111111125", false));
    assert_eq!(site.work().await, 2);
    assert_eq!(site.standing().name(), "invalid");
    // the id changes while the register thinks
    site.set("DE", ID).await;
    site.fake.next.lock().unwrap().push_back(Does::Late(says(ID, true).to_string().into_bytes()));
    let asking = site.work();
    let changing = async {
        while site.fake.questions() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        site.set("FR", "FR40303265045").await;
        site.fake.go_on.notify_one();
    };
    tokio::join!(asking, changing);
    assert_eq!(site.standing(), VatStanding::Unconfirmed);
    assert_eq!(site.why(3).0, outbox::State::Done);
}

#[tokio::test]
async fn what_was_said_is_asked_again_after_its_days() {
    let site = Site::new().await;
    site.set("DE", ID).await;
    site.fake.will(200, &says(ID, true));
    site.work().await;
    let day_ms = tollbook::base::time::DAY_MS;
    site.kit.clock.advance(30 * day_ms);
    assert_eq!(site.enqueued().await, 0);
    site.kit.clock.advance(1);
    assert_eq!((site.enqueued().await, site.enqueued().await), (1, 0));
    // while nobody answers, what was said last stands
    site.fake.will(500, &failed("SERVICE_UNAVAILABLE"));
    site.work().await;
    confirmed(&site);
    site.later(1).await;
    site.fake.will(200, &says(ID, false));
    site.work().await;
    assert_eq!((site.standing().name(), site.enqueued().await), ("invalid", 0));
}

#[tokio::test]
async fn a_seller_that_the_register_does_not_know_does_not_stop_it() {
    let site = Site::new().await;
    site.set("DE", ID).await;
    site.fake.will(400, &failed("INVALID_REQUESTER_INFO"));
    site.fake.will(200, &says(ID, true));
    site.work().await;
    confirmed(&site);
    assert!(site.fake.asked.lock().unwrap()[1].get("requesterNumber").is_none());
    // one without an id of the Union asks without
    let site = Site::with("CHE-123.456.788").await;
    site.set("DE", ID).await;
    site.fake.will(200, &says(ID, true));
    site.work().await;
    assert!(site.fake.asked.lock().unwrap()[0].get("requesterNumber").is_none());
    confirmed(&site);
}

#[tokio::test]
async fn without_a_register_nothing_is_asked_and_with_one_later_everything() {
    let mut site = Site::new().await;
    site.register = register(&site.kit, None, "");
    site.set("DE", ID).await;
    assert_eq!((site.work().await, site.enqueued().await), (0, 0));
    site.register = register(&site.kit, Some(&site.fake), "");
    assert_eq!(site.enqueued().await, 1);
    site.fake.will(200, &says(ID, true));
    site.work().await;
    confirmed(&site);
}
