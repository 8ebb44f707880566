use proptest::prelude::*;

use super::*;
use crate::catalog::rules::{Code, check_rates};

fn credits(text: &str) -> Credits {
    text.parse().expect(text)
}

fn quantity(text: &str) -> Quantity {
    text.parse().expect(text)
}

fn parsed(json: &str) -> Rate {
    let rate: Rate = serde_json::from_str(json).expect(json);
    check_rates(std::slice::from_ref(&rate), |_| true).expect(json);
    rate
}

/// Per minute, by the second, with a toll-free surcharge, its pass-through and an own-key price.
fn voice() -> Rate {
    parsed(
        r#"{"meter":"voice","unit_size":60,"increment":1,"price":{"flat":7},"byok_price":3,
            "toll_free_surcharge":2,"pass_through":"toll_free"}"#,
    )
}

fn used(seconds: &str) -> RatingInput {
    RatingInput { quantity: quantity(seconds), ..RatingInput::default() }
}

/// The items as text, `kind quantity credits` each.
fn items(price_by: &Rate, input: &RatingInput) -> Vec<String> {
    let rated = rate(price_by, input).expect("rated");
    let lines = rated.lines.as_slice();
    lines.iter().map(|l| format!("{} {} {}", l.kind.as_str(), l.quantity, l.credits)).collect()
}

#[test]
fn a_voice_minute_is_priced_by_the_second() {
    assert_eq!(items(&voice(), &used("60")), ["base 60 7"]);
    assert_eq!(items(&voice(), &used("84")), ["base 84 9.8"]);
    assert_eq!(items(&voice(), &used("83.2")), ["base 84 9.8"]);
    assert_eq!(items(&voice(), &used("1")), ["base 1 0.116667"], "half up to a micro-credit");
}

#[test]
fn nothing_used_is_nothing_billed() {
    let mut rate_ = voice();
    rate_.minimum = quantity("60");
    assert_eq!(items(&rate_, &used("0")), Vec::<String>::new());
    assert_eq!(rate(&rate_, &used("0")).map(|r| (r.billable, r.total)), Ok((Quantity::ZERO, Credits::ZERO)));
    let toll_free = RatingInput { toll_free_inbound: true, allowance_left: Some(quantity("9")), ..used("0") };
    assert_eq!(items(&rate_, &toll_free), Vec::<String>::new());
}

#[test]
fn increments_and_minimums() {
    let cases = [
        // increment, minimum, used, billed
        ("1", "0", "0.000001", "1"),
        ("1", "1", "1", "1"),
        ("6", "6", "1", "6"),
        ("6", "6", "6.000001", "12"),
        ("6", "30", "7", "30"),
        ("6", "30", "31", "36"),
        ("60", "60", "60", "60"),
        ("60", "60", "61", "120"),
        ("0.000001", "0", "1.234567", "1.234567"),
    ];
    for (increment, minimum, used_, billed) in cases {
        let mut rate_ = voice();
        (rate_.increment, rate_.minimum) = (quantity(increment), quantity(minimum));
        check_rates(std::slice::from_ref(&rate_), |_| true).expect("acceptable");
        assert_eq!(
            billable_quantity(&rate_, quantity(used_)),
            Ok(quantity(billed)),
            "{increment}/{minimum} {used_}"
        );
    }
}

#[test]
fn the_allowance_comes_first_and_what_is_beyond_is_overage() {
    let with = |left: &str| RatingInput { allowance_left: Some(quantity(left)), ..used("90") };
    assert_eq!(items(&voice(), &with("1000")), ["included 90 0"]);
    assert_eq!(items(&voice(), &with("90")), ["included 90 0"]);
    assert_eq!(items(&voice(), &with("30")), ["included 30 0", "overage 60 7"]);
    assert_eq!(items(&voice(), &with("0")), ["overage 90 10.5"]);
    let rated = rate(&voice(), &with("30")).expect("rated");
    assert_eq!((rated.allowance_used, rated.tier_used), (quantity("30"), quantity("60")));
}

#[test]
fn the_allowance_is_used_in_billed_units() {
    let mut rate_ = voice();
    (rate_.increment, rate_.minimum) = (quantity("60"), quantity("60"));
    let input = RatingInput { allowance_left: Some(quantity("100")), ..used("61") };
    assert_eq!(items(&rate_, &input), ["included 100 0", "overage 20 2.333333"]);
}

#[test]
fn toll_free_pays_the_surcharge_on_top_also_on_included_minutes() {
    let base = RatingInput { toll_free_inbound: true, ..used("90") };
    assert_eq!(items(&voice(), &base), ["base 90 10.5", "surcharge 90 3"]);
    let included = RatingInput { allowance_left: Some(quantity("60")), ..base };
    assert_eq!(items(&voice(), &included), ["included 60 0", "overage 30 3.5", "surcharge 90 3"]);
    let own_key = RatingInput { byok: true, ..base };
    assert_eq!(items(&voice(), &own_key), ["byok 90 4.5", "surcharge 90 3"]);
    let mut without = voice();
    without.toll_free_surcharge = None;
    assert_eq!(items(&without, &base), ["base 90 10.5"]);
}

#[test]
fn carrier_cost_is_passed_through_only_above_the_surcharge() {
    let cost = |cost: &str, toll_free_inbound| RatingInput {
        toll_free_inbound,
        carrier_cost: Some(credits(cost)),
        ..used("60")
    };
    let below = ["base 60 7", "surcharge 60 2"];
    assert_eq!(items(&voice(), &cost("0", true)), below);
    assert_eq!(items(&voice(), &cost("2", true)), below);
    assert_eq!(items(&voice(), &cost("2.000001", true))[2], "pass_through 0 0.000001");
    assert_eq!(items(&voice(), &cost("62.75", true))[2], "pass_through 0 60.75");
    assert_eq!(items(&voice(), &cost("62.75", false)), ["base 60 7"], "not toll-free: the minute covers it");

    let mut rate_ = voice();
    rate_.pass_through = PassThrough::Always;
    assert_eq!(items(&rate_, &cost("62.75", false)), ["base 60 7", "pass_through 0 62.75"]);
    let never_connected = RatingInput { quantity: Quantity::ZERO, ..cost("60", true) };
    assert_eq!(items(&rate_, &never_connected), ["pass_through 0 60"], "the carrier was paid");
    rate_.pass_through = PassThrough::Never;
    assert_eq!(items(&rate_, &cost("62.75", true)), below);
}

#[test]
fn own_key_usage_pays_its_own_price_and_leaves_the_allowance() {
    let input = RatingInput { byok: true, allowance_left: Some(quantity("600")), ..used("90") };
    assert_eq!(items(&voice(), &input), ["byok 90 4.5"]);
    assert_eq!(rate(&voice(), &input).map(|r| r.allowance_used), Ok(Quantity::ZERO));
    let mut free = voice();
    free.byok_price = Some(Credits::ZERO);
    assert_eq!(items(&free, &input), ["byok 90 0"]);
    let mut without = voice();
    without.byok_price = None;
    assert_eq!(items(&without, &input), ["included 90 0"], "no such price: the flag changes nothing");
}

const GRADUATED: &str = r#"{"meter":"tokens","unit_size":1000000,"price":{"graduated":
    [{"up_to":1000000,"price":30},{"up_to":5000000,"price":20},{"price":10}]}}"#;

#[test]
fn graduated_tiers_price_each_unit_by_its_step() {
    let rate_ = parsed(GRADUATED);
    let cases = [
        ("0", "1000000", "30"),
        ("0", "1500000", "40"),
        ("0", "7000000", "130"),
        ("999999", "2", "0.00005"),
        ("1000000", "1000000", "20"),
        ("6000000", "1000000", "10"),
    ];
    for (before, tokens, price) in cases {
        let input = RatingInput { used_in_cycle: quantity(before), ..used(tokens) };
        assert_eq!(rate(&rate_, &input).map(|r| r.total), Ok(credits(price)), "{tokens} after {before}");
    }
}

#[test]
fn volume_tiers_price_an_item_by_what_was_used_before_it() {
    let rate_ = parsed(&GRADUATED.replace("graduated", "volume"));
    let cases = [
        ("0", "7000000", "210"),
        ("999999", "2000000", "60"),
        ("1000000", "2000000", "40"),
        ("9e6", "1e6", "10"),
    ];
    for (before, tokens, price) in cases {
        let input = RatingInput { used_in_cycle: quantity(before), ..used(tokens) };
        assert_eq!(rate(&rate_, &input).map(|r| r.total), Ok(credits(price)), "{tokens} after {before}");
    }
}

#[test]
fn each_item_is_rounded_once_half_up() {
    let mut rate_ = voice();
    rate_.rounding = credits("0.01");
    assert_eq!(items(&rate_, &used("1")), ["base 1 0.12"]);
    rate_.price = Price::Flat(credits("0.3"));
    assert_eq!(items(&rate_, &used("1")), ["base 1 0.01"], "0.005 is half of the step: up");
    rate_.price = Price::Flat(credits("0.299999"));
    assert_eq!(items(&rate_, &used("1")), ["base 1 0"]);
    rate_.rounding = credits("5");
    rate_.price = Price::Flat(credits("7"));
    assert_eq!(items(&rate_, &used("60")), ["base 60 5"]);
}

#[test]
fn refuses_what_cannot_be_priced() {
    let huge = RatingInput { quantity: Quantity::from_micros(i64::MAX), ..RatingInput::default() };
    assert_eq!(rate(&voice(), &huge), Err(RatingError::Overflow));
    let mut dear = voice();
    dear.price = Price::Flat(Credits::from_micros(i64::MAX));
    assert_eq!(rate(&dear, &used("61")), Err(RatingError::Overflow));
    assert!(rate(&dear, &used("60")).is_ok());
    let late = RatingInput { used_in_cycle: Quantity::from_micros(i64::MAX), ..used("1") };
    assert_eq!(rate(&parsed(GRADUATED), &late), Err(RatingError::Overflow));
    let negatives = [
        (RatingInput { quantity: quantity("-1"), ..used("1") }, "quantity"),
        (RatingInput { carrier_cost: Some(credits("-1")), ..used("1") }, "carrier_cost"),
        (RatingInput { allowance_left: Some(quantity("-1")), ..used("1") }, "allowance_left"),
        (RatingInput { used_in_cycle: quantity("-1"), ..used("1") }, "used_in_cycle"),
    ];
    for (input, field) in negatives {
        assert_eq!(rate(&voice(), &input), Err(RatingError::Negative(field)));
    }
    for spoil in [
        |r: &mut Rate| r.unit_size = Quantity::ZERO,
        |r: &mut Rate| r.increment = Quantity::ZERO,
        |r: &mut Rate| r.rounding = Credits::ZERO,
        |r: &mut Rate| {
            r.price = Price::Graduated(vec![Tier { up_to: Some(quantity("1")), price: Credits::ZERO }]);
        },
    ] {
        let mut rate_ = voice();
        spoil(&mut rate_);
        assert_eq!(rate(&rate_, &used("2")), Err(RatingError::InvalidRate));
    }
}

#[test]
fn kinds_keep_their_numbers() {
    for (place, kind) in ItemKind::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(kind.code()), place);
        assert_eq!(ItemKind::from_code(i64::from(kind.code())), Some(kind));
        assert_eq!(serde_json::to_string(&kind).expect("json"), format!("\"{}\"", kind.as_str()));
    }
    assert_eq!((ItemKind::from_code(-1), ItemKind::from_code(6)), (None, None));
}

// ---- properties

const UNITS: i64 = 1_000_000;

prop_compose! {
    fn any_price()(
        kind in 0_u8..3,
        prices in proptest::collection::vec(0_i64..50 * UNITS, 1..5),
        steps in proptest::collection::vec(1_i64..2_000 * UNITS, 4),
    ) -> Price {
        let last = prices.len() - 1;
        let mut end = 0;
        let tiers = prices.iter().zip(steps.iter().chain([&1])).enumerate().map(|(at, (price, step))| {
            end += step;
            let up_to = (at < last).then_some(Quantity::from_micros(end));
            Tier { up_to, price: Credits::from_micros(*price) }
        }).collect();
        match kind {
            0 => Price::Flat(Credits::from_micros(prices[0])),
            1 => Price::Graduated(tiers),
            _ => Price::Volume(tiers),
        }
    }
}

prop_compose! {
    fn any_rate()(
        price in any_price(),
        unit_size in prop_oneof![Just(1), Just(60), Just(1000)],
        increment in prop_oneof![Just(1), Just(UNITS), Just(6 * UNITS), Just(60 * UNITS)],
        minimum_increments in 0_i64..4,
        byok in proptest::option::of(0_i64..20 * UNITS),
        surcharge in proptest::option::of(0_i64..20 * UNITS),
        pass_through in prop_oneof![Just(PassThrough::Never), Just(PassThrough::TollFree), Just(PassThrough::Always)],
        rounding in prop_oneof![Just(1_i64), Just(10_000), Just(UNITS)],
    ) -> Rate {
        let rate = Rate {
            meter: "voice".parse::<Code>().expect("code"),
            unit_size: Quantity::from_micros(unit_size * UNITS),
            increment: Quantity::from_micros(increment),
            minimum: Quantity::from_micros(increment * minimum_increments),
            price,
            byok_price: byok.map(Credits::from_micros),
            toll_free_surcharge: surcharge.map(Credits::from_micros),
            pass_through,
            rounding: Credits::from_micros(rounding),
        };
        check_rates(std::slice::from_ref(&rate), |_| true).expect("acceptable");
        rate
    }
}

prop_compose! {
    fn any_input()(
        quantity in 0_i64..5_000 * UNITS,
        toll_free_inbound: bool,
        byok: bool,
        carrier_cost in proptest::option::of(0_i64..500 * UNITS),
        allowance_left in proptest::option::of(0_i64..5_000 * UNITS),
        used_in_cycle in 0_i64..5_000 * UNITS,
        surcharge_before in 0_i64..100 * UNITS,
    ) -> RatingInput {
        RatingInput {
            quantity: Quantity::from_micros(quantity),
            toll_free_inbound,
            byok,
            carrier_cost: carrier_cost.map(Credits::from_micros),
            allowance_left: allowance_left.map(Quantity::from_micros),
            used_in_cycle: Quantity::from_micros(used_in_cycle),
            surcharge_before: Credits::from_micros(surcharge_before),
        }
    }
}

fn of_kind(rated: &Rated, kind: ItemKind) -> Option<Line> {
    rated.lines.as_slice().iter().find(|line| line.kind == kind).copied()
}

proptest! {
    #[test]
    fn the_items_add_up(rate_ in any_rate(), input in any_input()) {
        let rated = rate(&rate_, &input).expect("rated");
        let lines = rated.lines.as_slice();
        let sum: i64 = lines.iter().map(|l| l.credits.micros()).sum();
        prop_assert_eq!(sum, rated.total.micros());
        prop_assert!(lines.iter().all(|l| !l.credits.is_negative() && !l.quantity.is_negative()));
        prop_assert!(lines.iter().all(|l| l.credits.micros() % rate_.rounding.micros() == 0));
        let units: i64 = lines.iter().filter(|l| l.kind.counts_quantity()).map(|l| l.quantity.micros()).sum();
        prop_assert_eq!(units, rated.billable.micros());
        let mut kinds: Vec<ItemKind> = lines.iter().map(|l| l.kind).collect();
        kinds.dedup();
        prop_assert_eq!(kinds.len(), lines.len(), "each kind once");
    }

    #[test]
    fn billed_units_cover_what_was_used(rate_ in any_rate(), input in any_input()) {
        let rated = rate(&rate_, &input).expect("rated");
        let (used, billed) = (input.quantity.micros(), rated.billable.micros());
        prop_assert!(billed >= used);
        prop_assert_eq!(billed % rate_.increment.micros(), 0);
        prop_assert!(used == 0 || billed >= rate_.minimum.micros());
        // no more than needed: one increment less would be too little, or below the minimum
        let less = billed - rate_.increment.micros();
        prop_assert!(billed == 0 || less < used || less < rate_.minimum.micros());
        prop_assert_eq!(billable_quantity(&rate_, rated.billable), Ok(rated.billable), "billing twice changes nothing");
    }

    #[test]
    fn more_usage_never_costs_less(rate_ in any_rate(), input in any_input(), more in 0_i64..1_000 * UNITS) {
        let longer =
            RatingInput { quantity: Quantity::from_micros(input.quantity.micros() + more), ..input };
        let short = rate(&rate_, &input).expect("rated").total;
        let long = rate(&rate_, &longer).expect("rated").total;
        prop_assert!(short <= long, "{} > {}", short, long);
    }

    #[test]
    fn a_larger_allowance_never_costs_more(rate_ in any_rate(), input in any_input(), more in 0_i64..1_000 * UNITS) {
        let left = input.allowance_left.unwrap_or_default();
        let small = RatingInput { allowance_left: Some(left), ..input };
        let large = RatingInput { allowance_left: Some(Quantity::from_micros(left.micros() + more)), ..input };
        let small = rate(&rate_, &small).expect("rated");
        let large = rate(&rate_, &large).expect("rated");
        prop_assert!(large.total <= small.total);
        prop_assert!(large.allowance_used >= small.allowance_used);
    }

    #[test]
    fn the_allowance_takes_units_away_and_nothing_else(rate_ in any_rate(), input in any_input()) {
        prop_assume!(!(input.byok && rate_.byok_price.is_some()));
        let with = rate(&rate_, &input).expect("rated");
        prop_assert_eq!(with.allowance_used, with.billable.min(input.allowance_left.unwrap_or_default()));
        prop_assert_eq!(with.allowance_used.micros() + with.tier_used.micros(), with.billable.micros());
        let without = rate(&rate_, &RatingInput { allowance_left: None, ..input }).expect("rated");
        prop_assert_eq!(of_kind(&with, ItemKind::Surcharge), of_kind(&without, ItemKind::Surcharge));
        prop_assert_eq!(of_kind(&with, ItemKind::PassThrough), of_kind(&without, ItemKind::PassThrough));
        // the paid rest costs what that rest alone would
        let exact = Rate { increment: Quantity::from_micros(1), minimum: Quantity::ZERO, ..rate_ };
        let alone = RatingInput { quantity: with.tier_used, allowance_left: None, ..input };
        let alone = rate(&exact, &alone).expect("rated");
        let credits = |line: Option<Line>| line.map(|l| l.credits);
        let paid = of_kind(&with, ItemKind::Overage).or(of_kind(&with, ItemKind::Base));
        prop_assert_eq!(credits(paid), credits(of_kind(&alone, ItemKind::Base)));
    }

    #[test]
    fn graduated_prices_do_not_depend_on_how_usage_is_cut(
        price in any_price(),
        start in 0_i64..6_000 * UNITS,
        parts in proptest::collection::vec(0_i64..500 * UNITS, 0..6),
    ) {
        prop_assume!(!matches!(price, Price::Volume(_)));
        let q = Quantity::from_micros;
        let mut at = start;
        let mut cut = 0_i128;
        for part in &parts {
            cut += units_price(&price, q(at), q(*part)).expect("priced");
            at += part;
        }
        prop_assert_eq!(units_price(&price, q(start), q(at - start)), Ok(cut));
        let difference = units_price(&price, q(0), q(at)).expect("priced")
            - units_price(&price, q(0), q(start)).expect("priced");
        prop_assert_eq!(cut, difference);
    }

    #[test]
    fn rounding_moves_by_at_most_half_a_step(amount in 0_i128..1_000_000_000_000, divisor in 1_i64..1_000_000, step in 1_i64..100_000) {
        let rounded = i128::from(round_fraction(amount, divisor, Credits::from_micros(step)).expect("rounded").micros());
        prop_assert_eq!(rounded % i128::from(step), 0);
        let off = 2 * (rounded * i128::from(divisor) - amount);
        let whole = i128::from(divisor) * i128::from(step);
        prop_assert!(-whole < off && off <= whole, "half goes up");
    }

    #[test]
    fn carrier_and_surcharge_together_are_the_dearer_of_the_two(rate_ in any_rate(), input in any_input()) {
        let rate_ = Rate { rounding: Credits::from_micros(1), pass_through: PassThrough::Always, ..rate_ };
        let rated = rate(&rate_, &input).expect("rated");
        let credits = |kind| of_kind(&rated, kind).map_or(0, |line| line.credits.micros());
        // together with what the same call was surcharged before
        let surcharge = credits(ItemKind::Surcharge) + input.surcharge_before.micros();
        let cost = input.carrier_cost.map_or(0, Credits::micros);
        prop_assert_eq!(surcharge + credits(ItemKind::PassThrough), surcharge.max(cost));
    }

    #[test]
    fn nothing_makes_rating_panic(
        rate_ in any_rate(), quantity: i64, carrier: i64, left: i64, used: i64, unit: i64, increment: i64, price: i64,
    ) {
        let rate_ = Rate {
            unit_size: Quantity::from_micros(unit),
            increment: Quantity::from_micros(increment),
            toll_free_surcharge: Some(Credits::from_micros(price.saturating_abs())),
            pass_through: PassThrough::Always,
            ..rate_
        };
        let input = RatingInput {
            quantity: Quantity::from_micros(quantity),
            toll_free_inbound: true,
            byok: false,
            carrier_cost: Some(Credits::from_micros(carrier)),
            allowance_left: Some(Quantity::from_micros(left)),
            used_in_cycle: Quantity::from_micros(used),
            surcharge_before: Credits::from_micros(carrier),
        };
        if let Ok(rated) = rate(&rate_, &input) {
            prop_assert!(!rated.total.is_negative());
        }
    }
}
