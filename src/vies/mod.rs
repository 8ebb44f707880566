//! Whether VAT ids are known to VIES, the register of the European Union.
//!
//! A changed id is asked about by work in the outbox, written in the transaction that changes it. A member state that does
//! not answer is asked again; until the register has said yes, an id exempts from nothing. What it said is kept with the
//! organization as it came, consultation number included, and asked again after some time.

mod answer;
mod sql;

use reqwest::Client;
use serde::Serialize;

use crate::base::id::OrganizationId;
use crate::base::time::DAY_MS;
use crate::db::{Db, DbError, WriteTx};
use crate::identity::{Actor, BillingDetails, By, Error, Organization, Seller, SellerTerms, organizations};
use crate::outbox::{self, Failure, Work};
use crate::tax::VatId;
use answer::Reading;

/// The kind of work that asks about an organization's VAT id.
const CHECK: &str = "vat.check";
/// An answer has some hundred bytes.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// Organizations looked at in one transaction.
const STEP: u32 = 200;

/// How the register is asked.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Where its REST service is, without a slash at the end; none for never asking.
    pub url: Option<String>,
    /// What was said is asked again after so many days.
    pub recheck_days: u32,
    /// In whose name it is asked.
    pub seller: SellerTerms,
}

/// Asks the register.
#[derive(Clone)]
pub struct Register {
    db: Db,
    client: Client,
    terms: Terms,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    country_code: &'a str,
    vat_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requester_member_state_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requester_number: Option<&'a str>,
}

impl Register {
    /// A register asked through `client`.
    #[must_use]
    pub const fn new(db: Db, client: Client, terms: Terms) -> Self {
        Self { db, client, terms }
    }

    /// Says who gets the invoices, and has the register asked when the VAT id or its country is another.
    ///
    /// # Errors
    /// Those of [`organizations::set_details`].
    pub fn set_details(
        &self,
        tx: &WriteTx<'_>,
        by: &By,
        id: OrganizationId,
        details: &BillingDetails,
    ) -> Result<Organization, Error> {
        let before = organizations::get(tx.conn()?, id)?.details;
        let after = organizations::set_details(tx, by, id, details)?;
        let is_other = before.vat_id != after.details.vat_id || before.country != after.details.country;
        if is_other && self.terms.url.is_some() && after.details.vat_id.parse::<VatId>().is_ok() {
            outbox::enqueue(tx, CHECK, &id.to_string(), tx.now())?;
        }
        Ok(after)
    }

    /// Has the register asked about every id that it said nothing about for so long. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue_due(&self) -> Result<usize, DbError> {
        if self.terms.url.is_none() {
            return Ok(0);
        }
        let kept_ms = i64::from(self.terms.recheck_days) * DAY_MS;
        let (mut count, mut after) = (0, 0);
        loop {
            let before = self.db.now().plus_ms(-kept_ms);
            // reading first: mostly nothing is due, and then nothing is written
            let due = self.db.read(move |tx| unasked(tx, before, after)).await?;
            let Some(last) = due.last else { return Ok(count) };
            after = last;
            if !due.unasked.is_empty() {
                count += due.unasked.len();
                self.db.write(move |tx| enqueue(tx, &due.unasked)).await?;
            }
        }
    }

    /// Carries out work that [`Register::set_details`] or [`Register::enqueue_due`] wrote down.
    ///
    /// # Errors
    /// Why it came to nothing.
    pub async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        let Some(url) = self.terms.url.as_deref() else {
            return Err(Failure::Never("no register is configured".into()));
        };
        let id: OrganizationId =
            work.subject.parse().map_err(|_| Failure::Never("no such organization".into()))?;
        let terms = self.terms.seller.clone();
        let found = self.db.read(move |tx| {
            let vat_id = organizations::get(tx, id)?.details.vat_id;
            let seller = Seller::now(tx, &terms)?.details.vat_id;
            Ok::<_, Error>((vat_id.parse::<VatId>().ok(), seller.parse::<VatId>().ok()))
        });
        let (asked, seller) = found.await.map_err(later)?;
        // taken away again meanwhile
        let Some(asked) = asked else { return Ok(()) };
        let mut reading = self.ask(url, &asked, seller.as_ref()).await?;
        if reading == Reading::Requester {
            tracing::warn!("the register of VAT ids does not know the seller's own: asking without it");
            reading = self.ask(url, &asked, None).await?;
        }
        let answer = match reading {
            Reading::Said(answer) => answer,
            Reading::Requester => return Err(Failure::Later("INVALID_REQUESTER_INFO".into())),
            Reading::Later(why) => return Err(Failure::Later(why)),
        };
        let by = By::actor(Actor::System);
        let noted = self.db.write(move |tx| organizations::set_vat_answer(tx, &by, id, &asked, answer));
        noted.await.map(|_| ()).map_err(later)
    }

    async fn ask(&self, url: &str, asked: &VatId, by: Option<&VatId>) -> Result<Reading, Failure> {
        let question = Question {
            country_code: asked.prefix(),
            vat_number: asked.number(),
            requester_member_state_code: by.map(VatId::prefix),
            requester_number: by.map(VatId::number),
        };
        let sent = self.client.post(format!("{url}/check-vat-number")).json(&question).send();
        let mut response = sent.await.map_err(later)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(later)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(Failure::Later("the answer is too long".into()));
            }
        }
        match answer::read(asked, &body) {
            // what is not understood is better told by its status
            Reading::Later(why) => Ok(Reading::Later(format!("{}: {why}", response.status().as_u16()))),
            reading => Ok(reading),
        }
    }
}

fn later(error: impl std::fmt::Display) -> Failure {
    Failure::Later(error.to_string())
}

/// A step through the ids that are due.
struct Due {
    /// Where the next step begins; none when there is no more.
    last: Option<i64>,
    /// Those that nothing has been written down for.
    unasked: Vec<String>,
}

fn unasked(conn: &rusqlite::Connection, before: crate::base::Timestamp, after: i64) -> Result<Due, DbError> {
    let found = sql::due(conn, before, after, STEP)?;
    let last = found.last().map(|(id, _)| id.number());
    let mut unasked = Vec::new();
    for (id, vat_id) in found {
        let subject = id.to_string();
        if vat_id.parse::<VatId>().is_ok() && !sql::waits(conn, CHECK, &subject)? {
            unasked.push(subject);
        }
    }
    Ok(Due { last, unasked })
}

fn enqueue(tx: &WriteTx<'_>, subjects: &[String]) -> Result<(), DbError> {
    for subject in subjects {
        // somebody may have been faster
        if !sql::waits(tx.conn()?, CHECK, subject)? {
            outbox::enqueue(tx, CHECK, subject, tx.now())?;
        }
    }
    Ok(())
}
