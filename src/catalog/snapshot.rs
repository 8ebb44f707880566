//! The whole catalog in memory, for looking prices up without the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::rules::{Code, in_force};
use super::{DEFAULT_CARD, Meter, Plan, PlanVersion, RateCard, RateVersion, sql};
use crate::base::Timestamp;
use crate::base::id::{MeterId, PlanId, PlanVersionId, RateCardId, RateVersionId};
use crate::catalog::rules::Rate;
use crate::db::{DbError, Part, WriteTx};

/// The id of a version that there is not.
const SUPPOSED: RateVersionId = RateVersionId::new(i64::MAX);

/// Every meter, rate card and plan with all their versions, as of one revision.
#[derive(Debug, Clone)]
pub struct Snapshot {
    revision: i64,
    meters: Vec<Meter>,
    cards: Vec<RateCard>,
    plans: Vec<Plan>,
    meter_by_code: HashMap<Code, MeterId>,
    /// Positions: of the card, and of the version in it.
    rate_version_at: HashMap<RateVersionId, (usize, usize)>,
    plan_version_at: HashMap<PlanVersionId, (usize, usize)>,
    default_card: Option<RateCardId>,
}

impl Snapshot {
    /// Reads the whole catalog.
    ///
    /// # Errors
    /// When it cannot be read, or a row does not make sense: the error names it.
    pub fn load(conn: &Connection) -> Result<Self, DbError> {
        let meters: Vec<Meter> = sql::meters(conn)?
            .into_iter()
            .map(|(row, unit)| Meter {
                id: row.id,
                code: row.code,
                name: row.name,
                unit,
                created_at: row.created_at,
            })
            .collect();
        let meter_by_code = meters.iter().map(|meter| (meter.code.clone(), meter.id)).collect();
        let cards = load_cards(conn, &meter_by_code)?;
        let plans = load_plans(conn)?;
        let default_card = cards.iter().find(|card| card.code.as_str() == DEFAULT_CARD).map(|card| card.id);
        let rate_version_at = positions(cards.iter().map(|card| card.versions.iter().map(|v| v.id)));
        let plan_version_at = positions(plans.iter().map(|plan| plan.versions.iter().map(|v| v.id)));
        let revision = sql::revision(conn)?;
        Ok(Self {
            revision,
            meters,
            cards,
            plans,
            meter_by_code,
            rate_version_at,
            plan_version_at,
            default_card,
        })
    }

    /// Goes up with every change of the catalog.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// All meters, oldest first.
    #[must_use]
    pub fn meters(&self) -> &[Meter] {
        &self.meters
    }

    /// All rate cards, oldest first.
    #[must_use]
    pub fn rate_cards(&self) -> &[RateCard] {
        &self.cards
    }

    /// All plans, oldest first.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// The meter with this code.
    #[must_use]
    pub fn meter_id(&self, code: &str) -> Option<MeterId> {
        self.meter_by_code.get(code).copied()
    }

    /// The meter with this id.
    #[must_use]
    pub fn meter(&self, id: MeterId) -> Option<&Meter> {
        by_id(&self.meters, id, |meter| meter.id)
    }

    /// The rate card with this id.
    #[must_use]
    pub fn rate_card(&self, id: RateCardId) -> Option<&RateCard> {
        by_id(&self.cards, id, |card| card.id)
    }

    /// The rate card with this code.
    #[must_use]
    pub fn rate_card_by_code(&self, code: &str) -> Option<&RateCard> {
        self.cards.iter().find(|card| card.code.as_str() == code)
    }

    /// The pay-as-you-go card.
    #[must_use]
    pub const fn default_card(&self) -> Option<RateCardId> {
        self.default_card
    }

    /// A version of a rate card, and the card.
    #[must_use]
    pub fn rate_version(&self, id: RateVersionId) -> Option<(&RateCard, &RateVersion)> {
        let (card, version) = self.rate_version_at.get(&id)?;
        let card = self.cards.get(*card)?;
        Some((card, card.versions.get(*version)?))
    }

    /// What prices a meter on a card for usage at `at`: the card's version in force then, or where that has no rate
    /// for the meter the default card's.
    #[must_use]
    pub fn rate(&self, card: RateCardId, meter: MeterId, at: Timestamp) -> Option<(RateVersionId, &Rate)> {
        let on = |card: RateCardId| {
            let version = self.rate_card(card)?.in_force(at)?;
            Some((version.id, version.rate(meter)?))
        };
        on(card).or_else(|| self.default_card.filter(|default| *default != card).and_then(on))
    }

    /// The catalog as it would be if these rates were a card's at any time: for asking what they would cost.
    #[must_use]
    pub fn supposing(&self, card: RateCardId, rates: &[Rate]) -> Self {
        let mut supposed = self.clone();
        let rates = rates.iter().filter_map(|rate| Some((self.meter_id(rate.meter.as_str())?, rate.clone())));
        if let Some(card) = supposed.cards.iter_mut().find(|known| known.id == card) {
            card.versions.push(RateVersion {
                id: SUPPOSED,
                version: i64::MAX,
                starts_at: Timestamp::from_millis(i64::MIN),
                created_at: card.created_at,
                rates: rates.collect(),
            });
        }
        supposed
    }

    /// The plan with this id.
    #[must_use]
    pub fn plan(&self, id: PlanId) -> Option<&Plan> {
        by_id(&self.plans, id, |plan| plan.id)
    }

    /// The plan with this code.
    #[must_use]
    pub fn plan_by_code(&self, code: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.code.as_str() == code)
    }

    /// A version of a plan, and the plan.
    #[must_use]
    pub fn plan_version(&self, id: PlanVersionId) -> Option<(&Plan, &PlanVersion)> {
        let (plan, version) = self.plan_version_at.get(&id)?;
        let plan = self.plans.get(*plan)?;
        Some((plan, plan.versions.get(*version)?))
    }
}

/// Rows are loaded in the order of their ids, so a search by halves finds them.
fn by_id<T, I: Ord + Copy>(all: &[T], id: I, id_of: impl Fn(&T) -> I) -> Option<&T> {
    let position = all.binary_search_by_key(&id, id_of).ok()?;
    all.get(position)
}

fn positions<I: Eq + std::hash::Hash>(
    owners: impl Iterator<Item = impl Iterator<Item = I>>,
) -> HashMap<I, (usize, usize)> {
    owners
        .enumerate()
        .flat_map(|(owner, versions)| versions.enumerate().map(move |(at, id)| (id, (owner, at))))
        .collect()
}

fn load_cards(conn: &Connection, meters: &HashMap<Code, MeterId>) -> Result<Vec<RateCard>, DbError> {
    let mut versions: BTreeMap<RateCardId, Vec<RateVersion>> = BTreeMap::new();
    for row in sql::rate_versions(conn)? {
        let mut rates = BTreeMap::new();
        for rate in row.body {
            let unknown =
                || DbError::bad_row("rate_versions", row.id.number(), format!("no meter {}", rate.meter));
            let meter = meters.get(&rate.meter).copied().ok_or_else(unknown)?;
            rates.insert(meter, rate);
        }
        versions.entry(row.of).or_default().push(RateVersion {
            id: row.id,
            version: row.number,
            starts_at: row.starts_at,
            created_at: row.created_at,
            rates,
        });
    }
    let with_versions = |row: sql::Named<_>| RateCard {
        versions: versions.remove(&row.id).unwrap_or_default(),
        id: row.id,
        code: row.code,
        name: row.name,
        created_at: row.created_at,
    };
    Ok(sql::rate_cards(conn)?.into_iter().map(with_versions).collect())
}

fn load_plans(conn: &Connection) -> Result<Vec<Plan>, DbError> {
    let mut versions: BTreeMap<PlanId, Vec<PlanVersion>> = BTreeMap::new();
    for row in sql::plan_versions(conn)? {
        versions.entry(row.of).or_default().push(PlanVersion {
            id: row.id,
            version: row.number,
            starts_at: row.starts_at,
            created_at: row.created_at,
            terms: row.body,
        });
    }
    let with_versions = |row: sql::Named<_>| Plan {
        versions: versions.remove(&row.id).unwrap_or_default(),
        id: row.id,
        code: row.code,
        name: row.name,
        created_at: row.created_at,
    };
    Ok(sql::plans(conn)?.into_iter().map(with_versions).collect())
}

impl RateCard {
    /// The version in force at `at`.
    #[must_use]
    pub fn in_force(&self, at: Timestamp) -> Option<&RateVersion> {
        in_force(&self.versions, at, |version| version.starts_at)
    }
}

impl Plan {
    /// The version offered at `at`.
    #[must_use]
    pub fn in_force(&self, at: Timestamp) -> Option<&PlanVersion> {
        in_force(&self.versions, at, |version| version.starts_at)
    }
}

/// The readers' copy of the catalog: shared by all, loaded again when the catalog has changed.
#[derive(Debug, Default)]
pub struct SnapshotCache {
    current: Mutex<Option<Arc<Snapshot>>>,
}

impl SnapshotCache {
    /// The catalog as `conn` sees it. For read transactions only: those see nothing that may yet be rolled back.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn get(&self, conn: &Connection) -> Result<Arc<Snapshot>, DbError> {
        let revision = sql::revision(conn)?;
        let cached = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(snapshot) = cached.filter(|snapshot| snapshot.revision == revision) {
            return Ok(snapshot);
        }
        let fresh = Arc::new(Snapshot::load(conn)?);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // a reader with an older view of the database must not put the others back
        if current.as_ref().is_none_or(|known| known.revision < fresh.revision) {
            *current = Some(fresh.clone());
        }
        Ok(fresh)
    }
}

/// The writer's copy of the catalog.
#[derive(Debug, Default)]
pub struct CatalogPart {
    current: Option<Arc<Snapshot>>,
    /// The catalog was changed in this transaction, which may yet be rolled back.
    changed: bool,
}

impl CatalogPart {
    /// The catalog, loaded if need be through `conn`, the writer's own connection.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn get(&mut self, conn: &Connection) -> Result<Arc<Snapshot>, DbError> {
        if let Some(snapshot) = &self.current {
            return Ok(snapshot.clone());
        }
        let fresh = Arc::new(Snapshot::load(conn)?);
        self.current = Some(fresh.clone());
        Ok(fresh)
    }

    /// Notes that the catalog's rows have changed.
    pub fn invalidate(&mut self) {
        self.current = None;
        self.changed = true;
    }
}

impl Part for CatalogPart {
    fn flush(&mut self, _conn: &Connection, _now: Timestamp) -> Result<(), DbError> {
        Ok(())
    }

    fn undo(&mut self) {
        // what was loaded may hold rows of the operation that was undone
        if self.changed {
            self.current = None;
        }
    }

    fn committed(&mut self) {
        self.changed = false;
    }

    fn reset(&mut self) {
        self.current = None;
        self.changed = false;
    }
}

/// The catalog as this operation sees it.
///
/// # Errors
/// When the catalog cannot be read, or the writer was opened without a [`CatalogPart`].
pub fn snapshot(tx: &WriteTx<'_>) -> Result<Arc<Snapshot>, DbError> {
    tx.cache::<CatalogPart>()?.get(tx.conn_unflushed())
}
