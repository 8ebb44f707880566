//! What became of credit that was bought: what payments, refunds and disputes should come to, to the cent.

use std::collections::BTreeMap;

use super::model::{Grant, Line, Model, Organization};
use super::money::Money;
use super::price::Micros;

const DAY_MS: i64 = 86_400_000;
/// Customers may ask for their money back so long.
pub const WITHIN_DAYS: u32 = 14;
/// Basis points of tax by the organization's place: the third is outside of the Union.
const RATES: [i128; 4] = [2_100, 2_100, 0, 2_100];

/// What was set aside, by the place of the grant.
pub type Frozen = BTreeMap<usize, Micros>;

#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    Created,
    /// Open, processing or declined.
    Pending(&'static str),
    Settled {
        at: i64,
        grant: usize,
        bonus: Option<usize>,
    },
    Failed,
}

#[derive(Clone, Debug)]
pub struct Sale {
    pub of: usize,
    pub key: u64,
    pub price: i128,
    pub tax: i128,
    pub credits: Micros,
    pub bonus: Micros,
    pub stage: Stage,
    pub reference: Option<String>,
    pub charge: Option<String>,
    /// What credit notes have given back: net and tax.
    credited: (i128, i128),
}

/// How a refund, or a dispute, stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Requested,
    Declined,
    Pending,
    Done,
    Failed,
}

#[derive(Clone, Debug)]
pub struct Refund {
    pub sale: usize,
    pub total: i128,
    part: Part,
    taken: Option<Taken>,
    pub fate: Fate,
    pub reference: Option<String>,
    frozen: Frozen,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    Unused,
    Used,
    Both,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    net: i128,
    tax: i128,
    unused: i128,
    credits: Micros,
    bonus: Micros,
}

#[derive(Clone, Debug)]
pub struct Dispute {
    pub sale: usize,
    pub reference: String,
    pub amount: i128,
    frozen: Frozen,
    pub fate: Fate,
}

/// What a dispute has frozen of a grant since it began, and what is still missing.
#[derive(Clone, Debug)]
pub struct Claim {
    pub dispute: usize,
    pub grant: usize,
    pub missing: Micros,
    pub caught: Micros,
}

/// Everything about money.
#[derive(Clone, Debug, Default)]
pub struct Shop {
    pub sales: Vec<Sale>,
    pub refunds: Vec<Refund>,
    pub disputes: Vec<Dispute>,
    /// Documents of each organization: how many, and what they come to: net and tax.
    pub documents: BTreeMap<(usize, &'static str), (i64, i128, i128)>,
    /// Money accounts, debits less credits, apart from what follows from the grants.
    cash: i128,
    tax: i128,
    refunded: i128,
    disputed: i128,
}

/// To the nearer cent, from the middle up. Nothing here is below zero.
fn nearest(over: i128, under: i128) -> i128 {
    over / under + i128::from(over % under * 2 >= under)
}

/// How the unused part is made up.
struct Unused {
    net: i128,
    credits: Micros,
    forfeited: Micros,
    bonus: Micros,
}

/// A sale as it is now.
struct View {
    rate: i128,
    net_left: i128,
    tax_left: i128,
    cost: i128,
    original: Micros,
    deferred: i128,
    unused: Unused,
}

impl View {
    fn total_left(&self) -> i128 {
        self.net_left + self.tax_left
    }

    /// Net and tax of a total: the tax that is in it, as far as both are there.
    fn parts(&self, total: i128) -> (i128, i128) {
        let tax = nearest(total * self.rate, 10_000 + self.rate);
        let tax = tax.max(total - self.net_left).min(self.tax_left);
        (total - tax, tax)
    }

    /// The largest total with no more than so much net in it, and no more than the tax on that.
    fn total_of(&self, net: i128) -> i128 {
        if net >= self.net_left {
            return self.total_left();
        }
        let mut total = (net + nearest(net * self.rate, 10_000)).min(self.total_left());
        while total > 0 && self.parts(total).0 > net {
            total -= 1;
        }
        total
    }

    fn most(&self, part: Part) -> i128 {
        self.total_of(match part {
            Part::Unused => self.unused.net,
            Part::Used => (self.net_left - self.deferred.max(0)).max(0),
            Part::Both => self.net_left,
        })
    }

    fn take(&self, total: i128, part: Part) -> Result<Taken, String> {
        let most = self.most(part);
        if most <= 0 {
            return Err("nothing_left".into());
        }
        if total <= 0 {
            return Err("invalid_value".into());
        }
        if total > most {
            return Err("too_large".into());
        }
        let (net, tax) = self.parts(total);
        if part == Part::Used {
            return Ok(Taken { net, tax, unused: 0, credits: 0, bonus: 0 });
        }
        let unused = net.min(self.unused.net);
        // all of the credit for all of the money; else so much that it had cost no less
        let credits = if unused == self.unused.net {
            self.unused.credits
        } else {
            let (whole, rest) = (unused * self.original / self.cost, unused * self.original % self.cost);
            (whole + i128::from(rest > 0)).min(self.unused.credits)
        };
        Ok(Taken { net, tax, unused, credits: credits + self.unused.forfeited, bonus: self.unused.bonus })
    }
}

impl Shop {
    /// Debits less credits of the money accounts that grants do not tell.
    pub fn accounts(&self) -> [(&'static str, i128); 4] {
        [
            ("cash", self.cash),
            ("tax_payable", self.tax),
            ("refunds", self.refunded),
            ("disputes", self.disputed),
        ]
    }

    fn document(&mut self, of: usize, kind: &'static str, net: i128, tax: i128) {
        let sum = self.documents.entry((of, kind)).or_default();
        *sum = (sum.0 + 1, sum.1 + net, sum.2 + tax);
    }

    /// Cash that came for credit that was not bought through a payment.
    pub fn received(&mut self, minor: i128) {
        self.cash += minor;
    }
}

impl Model {
    pub fn order(
        &mut self,
        of: usize,
        key: u64,
        price: i64,
        credits: i64,
        bonus: i64,
    ) -> Result<String, String> {
        let (price, credits, bonus) = (i128::from(price), Micros::from(credits), Micros::from(bonus));
        let known = self.shop.sales.iter().position(|s| s.of == of && s.key == key);
        if let Some(place) = known {
            let found = &self.shop.sales[place];
            let agrees = (found.price, found.credits, found.bonus) == (price, credits, bonus);
            return if agrees { Ok(self.sale_text(place)) } else { Err("other intent".into()) };
        }
        self.shop.sales.push(Sale {
            of,
            key,
            price,
            tax: nearest(price * RATES[of], 10_000),
            credits,
            bonus,
            stage: Stage::Created,
            reference: None,
            charge: None,
            credited: (0, 0),
        });
        Ok(self.sale_text(self.shop.sales.len() - 1))
    }

    pub fn sale_text(&self, place: usize) -> String {
        let sale = &self.shop.sales[place];
        let stage = match &sale.stage {
            Stage::Created => "created".into(),
            Stage::Pending(progress) => format!("pending {progress}"),
            Stage::Settled { at, .. } => format!("settled at {at} as {:?}", sale.charge),
            Stage::Failed => "failed".into(),
        };
        format!("{place}: {} + {} {stage} {:?}", sale.price, sale.tax, sale.reference)
    }

    pub fn begun(&mut self, place: usize, reference: &str) -> String {
        let sale = &mut self.shop.sales[place];
        if sale.stage == Stage::Created {
            sale.stage = Stage::Pending("open");
            sale.reference = Some(reference.to_owned());
        }
        self.sale_text(place)
    }

    pub fn refused(&mut self, place: usize) -> String {
        let sale = &mut self.shop.sales[place];
        if sale.stage == Stage::Created {
            sale.stage = Stage::Failed;
        }
        self.sale_text(place)
    }

    /// The provider says how an order stands.
    pub fn told(
        &mut self,
        reference: &str,
        order: usize,
        status: &'static str,
        off: i64,
        charge: Option<&str>,
    ) -> String {
        let by_reference = self.shop.sales.iter().position(|s| s.reference.as_deref() == Some(reference));
        let Some(place) = by_reference.or_else(|| (order < self.shop.sales.len()).then_some(order)) else {
            return "unknown".into();
        };
        let sale = &mut self.shop.sales[place];
        let own = sale.reference.as_deref().is_none_or(|own| own == reference);
        match (&sale.stage, status) {
            (Stage::Settled { .. }, _) => {}
            (_, "paid") if off != 0 => return format!("mismatch {place}"),
            (_, "paid") => self.sell(place, reference, charge),
            (Stage::Created | Stage::Pending(_), "ended") if own => sale.stage = Stage::Failed,
            (Stage::Pending(_), "open" | "processing" | "card_declined") => {
                sale.stage = Stage::Pending(status);
            }
            _ => {}
        }
        self.sale_text(place)
    }

    fn sell(&mut self, place: usize, reference: &str, charge: Option<&str>) {
        let sale = self.shop.sales[place].clone();
        let grant = self.receive(sale.of, 2, sale.credits, Some(sale.price));
        let bonus = (sale.bonus > 0).then(|| self.receive(sale.of, 0, sale.bonus, None));
        self.shop.cash += sale.price + sale.tax;
        self.shop.tax -= sale.tax;
        self.shop.document(sale.of, "invoice", sale.price, sale.tax);
        let at = self.now;
        let sale = &mut self.shop.sales[place];
        let reference = sale.reference.get_or_insert_with(|| reference.to_owned()).clone();
        sale.charge = Some(charge.map_or(reference, str::to_owned));
        sale.stage = Stage::Settled { at, grant, bonus };
    }

    fn receive(&mut self, of: usize, class: usize, amount: Micros, cost: Option<i128>) -> usize {
        let now = self.now;
        let to = &mut self.organizations[of];
        to.settle(&mut self.next_line, now);
        let repaid = to.overdraft.min(amount);
        to.overdraft -= repaid;
        let line = self.next_line;
        to.grants.push(Grant {
            class,
            priority: None,
            expires: None,
            created: now,
            meters: None,
            original: amount,
            remaining: amount - repaid,
            held: 0,
            expired: 0,
            open: true,
            line,
            money: Money::paid(cost.map(|minor| i64::try_from(minor).expect("in range"))),
        });
        let place = to.grants.len() - 1;
        self.money_line(of, "purchase", amount);
        place
    }

    fn money_line(&mut self, of: usize, kind: &'static str, amount: Micros) {
        let to = &mut self.organizations[of];
        let (id, after) = (self.next_line, to.balance());
        let line = Line { id, kind, amount, after, at: self.now, corrects: None, usage: None };
        to.line(&mut self.next_line, line);
        to.close(self.now);
    }

    fn view(&self, place: usize) -> Result<View, String> {
        let sale = self.shop.sales.get(place).ok_or("no such payment")?;
        let Stage::Settled { grant, bonus, .. } = sale.stage else { return Err("not settled".into()) };
        let of_sale = |r: &&Refund| r.sale == place;
        let pending = self.shop.refunds.iter().filter(of_sale).filter(|r| r.fate == Fate::Pending);
        let (mut net_left, mut tax_left) = (sale.price - sale.credited.0, sale.tax - sale.credited.1);
        let mut promised = 0;
        for taken in pending.filter_map(|r| r.taken) {
            net_left -= taken.net;
            tax_left -= taken.tax;
            promised += taken.unused;
        }
        let decided = |r: &Refund| matches!(r.fate, Fate::Pending | Fate::Done) && r.part != Part::Used;
        let bonus = bonus.filter(|_| !self.shop.refunds.iter().filter(of_sale).any(decided));
        // what is owed was used
        let mut repaid = self.organizations[sale.of].clone();
        repaid.repay(self.now);
        let deferred = self.organizations[sale.of].grants[grant].deferred() - promised;
        let grants = &repaid.grants;
        let grant = &grants[grant];
        // what a call holds of a bonus counts as used: it may be
        let (bonus_free, bonus_gone) = bonus.map_or((0, 0), |bonus| {
            let bonus = &grants[bonus];
            (bonus.free(), bonus.original - bonus.free())
        });
        let forfeited = bonus_gone.min(grant.free());
        let credits = grant.free() - forfeited;
        let net = (sale.price * credits / grant.original).min(deferred).min(net_left).max(0);
        let unused = Unused { net, credits, forfeited, bonus: bonus_free };
        let (cost, original) = (sale.price, grant.original);
        Ok(View { rate: RATES[sale.of], net_left, tax_left, cost, original, deferred, unused })
    }

    pub fn offer(&self, place: usize) -> Result<String, String> {
        let view = self.view(place)?;
        let Unused { credits, forfeited, bonus, .. } = view.unused;
        let goes = credits + forfeited + bonus;
        Ok(format!("{} unused, {} used, {goes}", view.most(Part::Unused), view.most(Part::Used)))
    }

    pub fn request(&mut self, of: usize, sale: usize, total: Option<i64>) -> Result<String, String> {
        if self.shop.sales.get(sale).is_none_or(|known| known.of != of) {
            return Err("no such payment".into());
        }
        let view = self.view(sale)?;
        let Stage::Settled { at, .. } = self.shop.sales[sale].stage else { unreachable!("it has a view") };
        if self.now - at > i64::from(WITHIN_DAYS) * DAY_MS {
            return Err("too late".into());
        }
        if self.shop.refunds.iter().any(|r| r.sale == sale && r.fate == Fate::Requested) {
            return Err("asked already".into());
        }
        let total = total.map_or_else(|| view.most(Part::Unused), Into::into);
        view.take(total, Part::Unused)?;
        self.insert(sale, total, Part::Unused);
        Ok(self.refund_text(self.shop.refunds.len() - 1))
    }

    fn insert(&mut self, sale: usize, total: i128, part: Part) {
        let (taken, reference, frozen) = (None, None, Frozen::new());
        self.shop.refunds.push(Refund { sale, total, part, taken, fate: Fate::Requested, reference, frozen });
    }

    pub fn decide(&mut self, place: usize, yes: bool) -> Result<String, String> {
        let Some(refund) = self.shop.refunds.get(place) else { return Err("no such refund".into()) };
        if refund.fate != Fate::Requested {
            return Err("decided".into());
        }
        if yes {
            let (view, part) = (self.view(refund.sale)?, refund.part);
            let total = refund.total.min(view.most(part));
            let taken = view.take(total, part)?;
            self.set_aside(place, total, taken);
        } else {
            self.shop.refunds[place].fate = Fate::Declined;
        }
        Ok(self.refund_text(place))
    }

    pub fn give_back(&mut self, sale: usize, total: Option<i64>, part: Part) -> Result<String, String> {
        let view = self.view(sale)?;
        let total = total.map_or_else(|| view.most(part), Into::into);
        let taken = view.take(total, part)?;
        self.insert(sale, total, part);
        self.set_aside(self.shop.refunds.len() - 1, total, taken);
        Ok(self.refund_text(self.shop.refunds.len() - 1))
    }

    fn set_aside(&mut self, place: usize, total: i128, taken: Taken) {
        let sale = self.shop.refunds[place].sale;
        let Stage::Settled { grant, bonus, .. } = self.shop.sales[sale].stage else {
            unreachable!("settled")
        };
        let wanted = [Some((grant, taken.credits)), bonus.map(|bonus| (bonus, taken.bonus))];
        let frozen = self.freeze(self.shop.sales[sale].of, &wanted);
        let refund = &mut self.shop.refunds[place];
        (refund.total, refund.taken, refund.frozen) = (total, Some(taken), frozen);
        refund.fate = Fate::Pending;
    }

    fn freeze(&mut self, of: usize, wanted: &[Option<(usize, Micros)>]) -> Frozen {
        let to = &mut self.organizations[of];
        to.settle(&mut self.next_line, self.now);
        let mut frozen = Frozen::new();
        for (grant, amount) in wanted.iter().flatten() {
            let part = to.grants[*grant].free().min(*amount);
            if part > 0 {
                to.grants[*grant].held += part;
                frozen.insert(*grant, part);
            }
        }
        to.close(self.now);
        frozen
    }

    fn thaw(&mut self, of: usize, frozen: &Frozen) {
        let to = &mut self.organizations[of];
        for (grant, part) in frozen {
            to.grants[*grant].held -= part;
        }
        to.catch();
        to.repay(self.now);
        to.close(self.now);
    }

    fn withdraw(&mut self, of: usize, kind: &'static str, frozen: &Frozen) {
        let to = &mut self.organizations[of];
        to.settle(&mut self.next_line, self.now);
        for (grant, part) in frozen {
            let grant = &mut to.grants[*grant];
            grant.held -= part;
            grant.remaining -= part;
            grant.money.withdrawn += part;
        }
        self.money_line(of, kind, -frozen.values().sum::<Micros>());
    }

    pub fn refund_text(&self, place: usize) -> String {
        let refund = &self.shop.refunds[place];
        let taken = refund.taken.map(|t| (t.net, t.tax, t.unused, t.credits, t.bonus));
        format!(
            "{place} of {}: {} {:?} {taken:?} {:?}",
            refund.sale, refund.total, refund.fate, refund.reference
        )
    }

    /// The provider says how a refund stands.
    pub fn refund_told(
        &mut self,
        ours: Option<usize>,
        reference: &str,
        charge: &str,
        amount: i64,
        status: Fate,
    ) -> Result<String, String> {
        let ours = ours.filter(|place| *place < self.shop.refunds.len());
        let known = |r: &Refund| r.reference.as_deref() == Some(reference);
        let place = match ours.or_else(|| self.shop.refunds.iter().position(known)) {
            Some(place) => place,
            None => match self.made_elsewhere(charge, amount.into(), status)? {
                Some(place) => place,
                None => return Ok("unknown".into()),
            },
        };
        let refund = &mut self.shop.refunds[place];
        match (refund.fate, status) {
            (Fate::Pending, Fate::Pending) => {
                refund.reference.get_or_insert_with(|| reference.to_owned());
            }
            (Fate::Pending, Fate::Failed) => {
                let (sale, frozen) = (refund.sale, std::mem::take(&mut refund.frozen));
                let of = self.shop.sales[sale].of;
                refund.fate = Fate::Failed;
                refund.reference = None;
                self.thaw(of, &frozen);
            }
            (Fate::Pending, Fate::Done) => self.refunded(place, reference),
            _ => {}
        }
        Ok(self.refund_text(place))
    }

    fn made_elsewhere(&mut self, charge: &str, amount: i128, status: Fate) -> Result<Option<usize>, String> {
        if status != Fate::Done {
            return Ok(None);
        }
        let sold = self.shop.sales.iter().position(|s| s.charge.as_deref() == Some(charge));
        let Some(sale) = sold else { return Ok(None) };
        let view = self.view(sale)?;
        if amount > view.total_left() {
            return Ok(None);
        }
        let taken = view.take(amount, Part::Both)?;
        self.insert(sale, amount, Part::Both);
        let place = self.shop.refunds.len() - 1;
        self.set_aside(place, amount, taken);
        Ok(Some(place))
    }

    fn refunded(&mut self, place: usize, reference: &str) {
        let refund = &mut self.shop.refunds[place];
        refund.fate = Fate::Done;
        refund.reference = Some(reference.to_owned());
        let (taken, sale, total) = (refund.taken.expect("decided"), refund.sale, refund.total);
        let frozen = std::mem::take(&mut refund.frozen);
        let Stage::Settled { grant, .. } = self.shop.sales[sale].stage else { unreachable!("settled") };
        let of = self.shop.sales[sale].of;
        self.note(sale, taken.net, taken.tax);
        self.shop.cash -= total;
        self.shop.tax += taken.tax;
        self.shop.refunded += taken.net - taken.unused;
        let grant = &mut self.organizations[of].grants[grant];
        grant.give_back(taken.credits, taken.unused, 0);
        self.withdraw(of, "refund", &frozen);
    }

    fn note(&mut self, sale: usize, net: i128, tax: i128) {
        let sold = &mut self.shop.sales[sale];
        sold.credited = (sold.credited.0 + net, sold.credited.1 + tax);
        let of = sold.of;
        self.shop.document(of, "credit_note", net, tax);
    }

    pub fn dispute_text(&self, place: usize) -> String {
        let dispute = &self.shop.disputes[place];
        let mut frozen: Micros = dispute.frozen.values().sum();
        if dispute.fate == Fate::Pending {
            let claims = &self.organizations[self.shop.sales[dispute.sale].of].claims;
            frozen += claims.iter().filter(|c| c.dispute == place).map(|c| c.caught).sum::<Micros>();
        }
        format!("{place} of {}: {} {:?} {frozen}", dispute.sale, dispute.amount, dispute.fate)
    }

    /// The provider says how a dispute stands: pending, failed (the bank keeps the money here) or done (it is gone).
    pub fn dispute_told(&mut self, reference: &str, charge: &str, amount: i64, status: Fate) -> String {
        let known = self.shop.disputes.iter().position(|d| d.reference == reference);
        let sold = || self.shop.sales.iter().position(|s| s.charge.as_deref() == Some(charge));
        let place = match (known, sold()) {
            (Some(place), _) => place,
            (None, Some(sale)) => self.disputed(sale, reference, amount.into()),
            (None, None) => return "unknown".into(),
        };
        if self.shop.disputes[place].fate == Fate::Pending {
            match status {
                Fate::Failed => self.won(place),
                Fate::Done => self.lost(place),
                _ => {}
            }
        }
        self.dispute_text(place)
    }

    fn disputed(&mut self, sale: usize, reference: &str, amount: i128) -> usize {
        let Stage::Settled { grant, bonus, .. } = self.shop.sales[sale].stage else {
            unreachable!("charged")
        };
        let sold = &self.shop.sales[sale];
        let (of, paid) = (sold.of, sold.price + sold.tax);
        let part = |credit: Micros| {
            if amount >= paid { credit } else { (credit * amount + paid - 1) / paid }
        };
        let all = [Some((grant, part(sold.credits))), bonus.map(|bonus| (bonus, part(sold.bonus)))];
        let frozen = self.freeze(of, &all);
        let dispute = self.shop.disputes.len();
        for (grant, wanted) in all.iter().flatten().copied() {
            let missing = wanted - frozen.get(&grant).copied().unwrap_or(0);
            self.organizations[of].claims.push(Claim { dispute, grant, missing, caught: 0 });
        }
        self.shop.cash -= amount;
        self.shop.disputed += amount;
        self.withdraw(of, "clawback", &Frozen::new());
        let reference = reference.to_owned();
        self.shop.disputes.push(Dispute { sale, reference, amount, frozen, fate: Fate::Pending });
        self.shop.disputes.len() - 1
    }

    /// What a dispute has frozen since it began counts as frozen by it.
    fn gather(&mut self, place: usize) {
        let dispute = &mut self.shop.disputes[place];
        let of = self.shop.sales[dispute.sale].of;
        for claim in self.organizations[of].claims.iter_mut().filter(|c| c.dispute == place) {
            *dispute.frozen.entry(claim.grant).or_insert(0) += std::mem::take(&mut claim.caught);
        }
    }

    fn won(&mut self, place: usize) {
        self.gather(place);
        let dispute = &mut self.shop.disputes[place];
        dispute.fate = Fate::Failed;
        let (of, amount) = (self.shop.sales[dispute.sale].of, dispute.amount);
        let frozen = dispute.frozen.clone();
        self.shop.cash += amount;
        self.shop.disputed -= amount;
        self.organizations[of].claims.retain(|claim| claim.dispute != place);
        self.thaw(of, &frozen);
        self.withdraw(of, "clawback", &Frozen::new());
    }

    fn lost(&mut self, place: usize) {
        self.gather(place);
        let dispute = &mut self.shop.disputes[place];
        dispute.fate = Fate::Done;
        let (sale, amount, frozen) = (dispute.sale, dispute.amount, dispute.frozen.clone());
        let Stage::Settled { grant, .. } = self.shop.sales[sale].stage else { unreachable!("settled") };
        let of = self.shop.sales[sale].of;
        // refunds on their way will have their own credit notes
        let view = self.view(sale).expect("settled");
        let back = amount.min(view.total_left());
        let mut given_back = 0;
        if back > 0 {
            let (net, tax) = view.parts(back);
            given_back = net;
            self.note(sale, net, tax);
            self.shop.tax += tax;
            self.shop.disputed -= tax;
        }
        let credits = frozen.get(&grant).copied().unwrap_or(0);
        let grant = &mut self.organizations[of].grants[grant];
        let owed = (view.cost * credits / view.original).min(grant.deferred()).min(given_back);
        grant.give_back(credits, 0, owed);
        self.shop.disputed -= owed;
        self.withdraw(of, "clawback", &frozen);
    }
}

impl Organization {
    /// Freezes what has become free of disputed grants.
    pub fn catch(&mut self) {
        for claim in &mut self.claims {
            let grant = &mut self.grants[claim.grant];
            let part = claim.missing.min(grant.free());
            grant.held += part;
            claim.missing -= part;
            claim.caught += part;
        }
    }

    /// What is owed is repaid from what is free.
    pub fn repay(&mut self, now: i64) {
        for place in self.draw_order() {
            let grant = &mut self.grants[place];
            let part = if grant.is_live(now) { grant.free().min(self.overdraft) } else { 0 };
            grant.remaining -= part;
            self.overdraft -= part;
        }
    }
}
