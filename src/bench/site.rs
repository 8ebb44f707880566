//! A data directory to start from: many organizations with credit, an operator's key, and what things cost there.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::calls::Calls;
use super::client::{Connection, Head};
use super::events::{Events, KINDS, Shape};
use super::load::{self, Crew, Measured, Source, Until, drive};
use super::process::{Server, run, this_program};
use super::{BenchError, ORGANIZATIONS};
use crate::base::{Clock, Credits, SystemClock, Timestamp};

/// Enough that nobody runs dry.
const CREDIT: i64 = 50_000_000;
const SCOPES: &str = "usage:write,usage:read,billing:read,billing:write,admin";
/// Settings that differ from the defaults: history may be handed in.
const ENVIRONMENT: [(&str, &str); 2] =
    [("TOLLBOOK_USAGE_MAX_AGE_DAYS", "800"), ("TOLLBOOK_LOG_LEVEL", "warn")];

/// One customer.
#[derive(Debug, Clone)]
pub(super) struct Organization {
    pub(super) id: String,
    /// Its balance before the first event, in millionths.
    pub(super) start_micros: i64,
}

/// What the load generator knows about the server's data.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// The value of the `Authorization` header.
    pub(super) bearer: String,
    pub(super) organizations: Vec<Organization>,
    /// Of each of [`KINDS`], in millionths of a credit.
    pub(super) prices: Vec<i64>,
}

#[derive(Deserialize)]
struct Balance {
    balance: Credits,
}

#[derive(Deserialize)]
struct Charged {
    credits: Credits,
}

/// Starts the server on a data directory.
pub(super) fn serve(data: &Path) -> Result<Server, BenchError> {
    let log = data.with_extension("log");
    let data = path_text(data)?;
    Server::start(&["serve", "--data", data, "--listen", "127.0.0.1:0"], &ENVIRONMENT, &log)
}

pub(super) fn path_text(path: &Path) -> Result<&str, BenchError> {
    path.to_str().ok_or_else(|| BenchError::Wrong(format!("{} is not readable text", path.display())))
}

/// A fresh copy of a directory.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), BenchError> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

impl Site {
    /// Fills a new data directory through the command line and the API, and leaves it without a server.
    pub(super) fn create(data: &Path) -> Result<Self, BenchError> {
        let text = path_text(data)?;
        fs::create_dir_all(data)?;
        let admin = |arguments: &[&str]| {
            let mut command = this_program()?;
            command.args(["admin"]).args(arguments).args(["--data", text]).envs(ENVIRONMENT);
            run(&mut command)
        };
        let key = admin(&["create-key", "--operator", "--scopes", SCOPES, "--name", "bench"])?;
        let mut organizations = Vec::with_capacity(ORGANIZATIONS);
        for number in 0..ORGANIZATIONS {
            let (name, external) = (format!("Bench {number}"), format!("bench-{number}"));
            let id = admin(&["create-organization", "--name", &name, "--external-id", &external])?;
            organizations.push(Organization { id, start_micros: 0 });
        }
        let mut site = Self { bearer: format!("Bearer {key}"), organizations, prices: vec![0; KINDS.len()] };
        let server = serve(data)?;
        site.give_credit(&server)?;
        site.learn_prices(&server)?;
        site.note_balances(&server)?;
        server.stop()?;
        Ok(site)
    }

    fn give_credit(&self, server: &Server) -> Result<(), BenchError> {
        let body = format!(r#"{{"credits":{CREDIT},"class":"paid","reason":"bench"}}"#);
        let requests = self.organizations.iter().map(|organization| {
            let headers = [
                ("authorization", self.bearer.as_str()),
                ("tollbook-organization", organization.id.as_str()),
                ("idempotency-key", organization.id.as_str()),
            ];
            let mut request = Vec::new();
            Head::new("POST", "/api/v1/billing/wallet/credit", &headers)
                .with_json(body.as_bytes(), &mut request);
            request
        });
        ask(server, requests).map(|_| ())
    }

    /// Posts one event of each kind for the first organization.
    fn learn_prices(&mut self, server: &Server) -> Result<(), BenchError> {
        let now = SystemClock.now();
        let head = Head::new("POST", "/api/v1/usage/events", &[("authorization", &self.bearer)]);
        let first = self.organizations.first().map_or("", |o| o.id.as_str());
        let requests = KINDS.iter().enumerate().map(|(index, (meter, quantity, attributes))| {
            let body = format!(
                r#"{{"id":"price-{index}","organization":"{first}","meter":"{meter}","quantity":{quantity},"occurred_at":"{now}","attributes":{attributes}}}"#
            );
            let mut request = Vec::new();
            head.with_json(body.as_bytes(), &mut request);
            request
        });
        let answers = ask(server, requests)?;
        self.prices = answers
            .iter()
            .map(|answer| Ok(parse::<Charged>(answer)?.credits.micros()))
            .collect::<Result<_, BenchError>>()?;
        if self.prices.contains(&0) {
            return Err(BenchError::Wrong("an event cost nothing".into()));
        }
        Ok(())
    }

    fn note_balances(&mut self, server: &Server) -> Result<(), BenchError> {
        let balances = self.balances(server)?;
        for (organization, balance) in self.organizations.iter_mut().zip(balances) {
            organization.start_micros = balance;
        }
        Ok(())
    }

    /// The request for an organization's balance.
    pub(super) fn balance_request(&self, organization: &Organization) -> Vec<u8> {
        self.get("/api/v1/billing/balance", organization)
    }

    /// A request for something of an organization's.
    pub(super) fn get(&self, path: &str, organization: &Organization) -> Vec<u8> {
        let headers =
            [("authorization", self.bearer.as_str()), ("tollbook-organization", organization.id.as_str())];
        let mut request = Vec::new();
        Head::new("GET", path, &headers).bare(&mut request);
        request
    }

    /// Of all organizations, in millionths.
    fn balances(&self, server: &Server) -> Result<Vec<i64>, BenchError> {
        let requests = self.organizations.iter().map(|organization| self.balance_request(organization));
        let answers = ask(server, requests)?;
        answers.iter().map(|answer| Ok(parse::<Balance>(answer)?.balance.micros())).collect()
    }
}

/// A running server with its site, and what was charged there so far.
pub(super) struct Place {
    pub(super) server: Server,
    pub(super) site: Rc<Site>,
    /// By organization, in millionths.
    spent: Vec<i64>,
    pub(super) events: u64,
}

impl Place {
    pub(super) fn open(data: &Path, site: &Rc<Site>) -> Result<Self, BenchError> {
        let spent = vec![0; site.organizations.len()];
        Ok(Self { server: serve(data)?, site: site.clone(), spent, events: 0 })
    }

    /// Stops the server and starts it again; the time from there to its first answer.
    pub(super) fn restart(self, data: &Path) -> Result<(Self, Duration), BenchError> {
        let Self { server, site, spent, events } = self;
        server.stop()?;
        let server = serve(data)?;
        let first = site.organizations.first().map(|organization| site.balance_request(organization));
        ask(&server, first.into_iter())?;
        let taken = server.started.elapsed();
        Ok((Self { server, site, spent, events }, taken))
    }

    /// Posts events.
    pub(super) fn ingest(
        &mut self,
        shape: Shape,
        connections: usize,
        until: Until,
    ) -> Result<Measured, BenchError> {
        let source = Rc::new(RefCell::new(Events::new(self.site.clone(), shape)));
        let measured = self.drive(connections, until, source.clone())?;
        self.note(&source.borrow());
        Ok(measured)
    }

    /// Leads calls through their lives.
    pub(super) fn calls(&mut self, connections: usize, until: Until) -> Result<Measured, BenchError> {
        let source = Rc::new(RefCell::new(Calls::new(self.site.clone())));
        let measured = self.drive(connections, until, source.clone())?;
        self.add(source.borrow().spent());
        Ok(measured)
    }

    /// Leads calls through their lives while events are posted; what was seen of the calls, and of the events. `rates`:
    /// requests per second of each.
    pub(super) fn calls_while_ingesting(
        &mut self,
        shape: Shape,
        connections: (usize, usize),
        rates: (u64, u64),
        until: Until,
    ) -> Result<[Measured; 2], BenchError> {
        let calls = Rc::new(RefCell::new(Calls::new(self.site.clone())));
        let events = Rc::new(RefCell::new(Events::new(self.site.clone(), shape)));
        let crews = [
            Crew { connections: connections.0, source: calls.clone(), per_second: Some(rates.0) },
            Crew { connections: connections.1, source: events.clone(), per_second: Some(rates.1) },
        ];
        let measured = drive(self.server.address, self.server.pid(), until, &crews)?;
        self.add(calls.borrow().spent());
        self.note(&events.borrow());
        measured.try_into().map_err(|_| BenchError::Wrong("two crews make two figures".into()))
    }

    /// Puts any load on the server.
    pub(super) fn drive<S: Source>(
        &self,
        connections: usize,
        until: Until,
        source: Rc<RefCell<S>>,
    ) -> Result<Measured, BenchError> {
        load::drive_one(self.server.address, self.server.pid(), connections, until, source)
    }

    fn note(&mut self, events: &Events) {
        self.add(events.spent());
        self.events += events.accepted();
    }

    fn add(&mut self, spent: &[i64]) {
        for (sum, more) in self.spent.iter_mut().zip(spent) {
            *sum += more;
        }
    }

    /// Whether every organization was charged for exactly what was accepted.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        let balances = self.site.balances(&self.server)?;
        for ((organization, spent), balance) in self.site.organizations.iter().zip(&self.spent).zip(balances)
        {
            let wanted = organization.start_micros - spent;
            if wanted != balance {
                return Err(BenchError::Wrong(format!(
                    "{} has {balance} instead of {wanted} millionths",
                    organization.id
                )));
            }
        }
        Ok(())
    }

    /// Reads something over and over, one after the other, and takes the median time of an answer.
    pub(super) fn read_repeatedly(&self, request: &[u8], times: usize) -> Result<Duration, BenchError> {
        let mut taken: Vec<Duration> = (0..times)
            .map(|_| {
                let begun = std::time::Instant::now();
                ask(&self.server, std::iter::once(request.to_vec()))?;
                Ok(begun.elapsed())
            })
            .collect::<Result<_, BenchError>>()?;
        taken.sort_unstable();
        Ok(taken.get(times / 2).copied().unwrap_or_default())
    }
}

fn parse<T: DeserializeOwned>(answer: &[u8]) -> Result<T, BenchError> {
    serde_json::from_slice(answer)
        .map_err(|error| BenchError::Wrong(format!("{error} in {}", String::from_utf8_lossy(answer))))
}

/// Sends requests one after the other; the bodies of the answers.
pub(super) fn ask(
    server: &Server,
    requests: impl Iterator<Item = Vec<u8>>,
) -> Result<Vec<Vec<u8>>, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        let mut answers = Vec::new();
        for request in requests {
            let (status, body) = connection.exchange(&request).await?;
            if !(200..300).contains(&status) {
                let line = String::from_utf8_lossy(&request);
                return Err(BenchError::Wrong(format!(
                    "{}: status {status}, {}",
                    line.lines().next().unwrap_or_default(),
                    String::from_utf8_lossy(body)
                )));
            }
            answers.push(body.to_vec());
        }
        Ok(answers)
    })
}

/// Reads balances of random organizations.
pub(super) struct Reads {
    requests: Vec<Vec<u8>>,
    random: super::ids::Random,
}

impl Reads {
    pub(super) fn new(site: &Site) -> Self {
        let requests = site.organizations.iter().map(|organization| site.balance_request(organization));
        Self { requests: requests.collect(), random: super::ids::Random::new() }
    }
}

impl Source for Reads {
    fn prepare(&mut self, _connection: usize, out: &mut Vec<u8>) {
        let index = self.random.below(self.requests.len());
        out.extend_from_slice(self.requests.get(index).map(Vec::as_slice).unwrap_or_default());
    }

    fn judge(&mut self, _connection: usize, status: u16, body: &[u8]) -> Result<u64, String> {
        if status == 200 && body.starts_with(b"{") && body.windows(10).any(|w| w == br#""balance":"#) {
            return Ok(1);
        }
        Err("not a balance".into())
    }
}

/// Midnight so many days ago, in milliseconds.
pub(super) fn days_ago_ms(days: i64) -> i64 {
    let day_ms = crate::base::time::DAY_MS;
    let now_ms = SystemClock.now().millis();
    now_ms - now_ms.rem_euclid(day_ms) - days * day_ms
}

/// The day of a time, as `YYYY-MM-DD`.
pub(super) fn date_text(at_ms: i64) -> String {
    Timestamp::from_millis(at_ms).to_string().chars().take(10).collect()
}
