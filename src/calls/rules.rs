//! How long a call may last for what there is. Pure.

use crate::base::{Credits, Quantity};
use crate::catalog::rules::Rate;
use crate::metering::rating::{Rated, RatingError, RatingInput, billable_quantity, rate};

/// What a quantity of a call costs, by the very function that will charge it. `input` says everything but the quantity.
///
/// # Errors
/// As [`rate`].
pub fn price(by: &Rate, input: &RatingInput, quantity: Quantity) -> Result<Rated, RatingError> {
    rate(by, &RatingInput { quantity, ..*input })
}

/// The most whole billing increments, as a quantity, that `credit` covers, not beyond `bound`; at least one increment is
/// tried however small the bound is. Zero when not even that is covered.
///
/// More of a meter never costs less, so the increments are searched by halves.
#[must_use]
pub fn max_quantity(by: &Rate, input: &RatingInput, credit: Credits, bound: Quantity) -> Quantity {
    let increment = by.increment.micros().max(1);
    let covered = |increments: i64| {
        increments.checked_mul(increment).is_some_and(|micros| {
            price(by, input, Quantity::from_micros(micros)).is_ok_and(|r| r.total <= credit)
        })
    };
    let (mut good, mut beyond) = (0, (bound.micros() / increment).max(1).saturating_add(1));
    while beyond - good > 1 {
        let middle = good + (beyond - good) / 2;
        if covered(middle) {
            good = middle;
        } else {
            beyond = middle;
        }
    }
    Quantity::from_micros(good.saturating_mul(increment))
}

/// The stretch that a hold covers: what is wanted, as it would be billed, as far as it goes.
#[must_use]
pub fn stretch(by: &Rate, wanted: Quantity, most: Quantity) -> Quantity {
    billable_quantity(by, wanted).unwrap_or(most).min(most)
}

/// What is left of `most` after `elapsed`; not negative.
#[must_use]
pub fn left(most: Quantity, elapsed: Quantity) -> Quantity {
    Quantity::from_micros(most.micros().saturating_sub(elapsed.micros()).max(0))
}

/// Seconds as milliseconds, rounded down.
#[must_use]
pub const fn millis(seconds: Quantity) -> i64 {
    seconds.micros() / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::rules::{PassThrough, Price, Tier};
    use proptest::prelude::*;

    fn micros(range: std::ops::Range<i64>) -> impl Strategy<Value = Credits> {
        range.prop_map(Credits::from_micros)
    }

    fn tiers() -> impl Strategy<Value = Vec<Tier>> {
        (
            proptest::collection::vec((1..3_000_000_000_i64, micros(0..20_000_000)), 0..3),
            micros(0..20_000_000),
        )
            .prop_map(|(steps, last)| {
                let mut end = 0;
                let mut tiers: Vec<Tier> = steps
                    .into_iter()
                    .map(|(length, price)| {
                        end += length;
                        Tier { up_to: Some(Quantity::from_micros(end)), price }
                    })
                    .collect();
                tiers.push(Tier { up_to: None, price: last });
                tiers
            })
    }

    fn any_price() -> impl Strategy<Value = Price> {
        prop_oneof![
            micros(0..20_000_000).prop_map(Price::Flat),
            tiers().prop_map(Price::Graduated),
            tiers().prop_map(Price::Volume),
        ]
    }

    prop_compose! {
        fn any_rate()(
            unit in prop_oneof![Just(1_000_000_i64), Just(60_000_000), Just(7)],
            increment in prop_oneof![Just(1_i64), Just(1_000_000), Just(6_000_000), Just(60_000_000)],
            least in 0..5_i64,
            price in any_price(),
            byok in proptest::option::of(micros(0..5_000_000)),
            surcharge in proptest::option::of(micros(0..5_000_000)),
            rounding in prop_oneof![Just(1_i64), Just(10_000), Just(1_000_000)],
        ) -> Rate {
            Rate {
                meter: "voice".parse().expect("code"),
                unit_size: Quantity::from_micros(unit),
                increment: Quantity::from_micros(increment),
                minimum: Quantity::from_micros(increment * least),
                price,
                byok_price: byok,
                toll_free_surcharge: surcharge,
                pass_through: PassThrough::TollFree,
                rounding: Credits::from_micros(rounding),
            }
        }
    }

    prop_compose! {
        fn any_input()(
            toll_free_inbound: bool,
            byok: bool,
            allowance in proptest::option::of(0..2_000_000_000_i64),
            used in 0..5_000_000_000_i64,
        ) -> RatingInput {
            RatingInput {
                quantity: Quantity::ZERO,
                toll_free_inbound,
                byok,
                carrier_cost: None,
                allowance_left: allowance.map(Quantity::from_micros),
                used_in_cycle: Quantity::from_micros(used),
                surcharge_before: Credits::ZERO,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_call_as_long_as_allowed_is_covered_and_one_increment_more_is_not(
            by in any_rate(),
            input in any_input(),
            credit in micros(0..1_000_000_000),
            bound in 1..14_400_i64,
        ) {
            let bound = Quantity::from_whole(bound).expect("quantity");
            let most = max_quantity(&by, &input, credit, bound);
            let cost = |quantity| price(&by, &input, quantity).expect("price").total;
            prop_assert!(cost(most) <= credit);
            prop_assert_eq!(most.micros() % by.increment.micros(), 0);
            let more = Quantity::from_micros(most.micros() + by.increment.micros());
            if more <= bound {
                prop_assert!(cost(more) > credit, "{} of {} would cost {}", more, most, cost(more));
            }
            // to the micro-credit: with one less, less is allowed (or the same is free)
            let exact = cost(most);
            prop_assert!(max_quantity(&by, &input, exact, bound) >= most || most > bound);
            if exact.is_positive() {
                let short = Credits::from_micros(exact.micros() - 1);
                prop_assert!(max_quantity(&by, &input, short, bound) < most);
            }
        }

        #[test]
        fn more_never_costs_less(by in any_rate(), input in any_input(), a in 0..9_000_000_000_i64, b in 0..9_000_000_000_i64) {
            let cost = |micros| price(&by, &input, Quantity::from_micros(micros)).expect("price").total;
            prop_assert!(cost(a.min(b)) <= cost(a.max(b)));
        }

        #[test]
        fn what_a_call_holds_covers_it_whatever_others_give_back(
            by in any_rate(),
            input in any_input(),
            covered in 0..9_000_000_000_i64,
            more_allowance in 0..2_000_000_000_i64,
        ) {
            let covered = Quantity::from_micros(covered);
            let held = price(&by, &input, covered).expect("price").total;
            let allowance_left = input.allowance_left.map(|left| Quantity::from_micros(left.micros() + more_allowance));
            let later = RatingInput { allowance_left, ..input };
            prop_assert!(price(&by, &later, covered).expect("price").total <= held);
        }
    }

    #[test]
    fn at_the_seeded_price_seven_credits_are_a_minute() {
        let by = Rate {
            meter: "voice".parse().expect("code"),
            unit_size: Quantity::from_whole(60).expect("quantity"),
            increment: Quantity::from_whole(1).expect("quantity"),
            minimum: Quantity::ZERO,
            price: Price::Flat(Credits::from_whole(7).expect("credits")),
            byok_price: None,
            toll_free_surcharge: Credits::from_whole(2),
            pass_through: PassThrough::Never,
            rounding: Credits::from_micros(1),
        };
        let seconds = |credit: i64, input: &RatingInput| {
            let most = max_quantity(
                &by,
                input,
                Credits::from_whole(credit).expect("credits"),
                Quantity::from_whole(14_400).expect("quantity"),
            );
            most.micros() / 1_000_000
        };
        let plain = RatingInput::default();
        assert_eq!([0, 7, 8, 1_000_000].map(|credit| seconds(credit, &plain)), [0, 60, 68, 14_400]);
        let toll_free = RatingInput { toll_free_inbound: true, ..plain };
        assert_eq!(seconds(9, &toll_free), 60);
        let included = RatingInput { allowance_left: Quantity::from_whole(30), ..plain };
        assert_eq!([0, 7].map(|credit| seconds(credit, &included)), [30, 90]);
    }
}
