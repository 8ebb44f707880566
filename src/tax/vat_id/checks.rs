//! The forms and check digits of each state.
//!
//! Forms are those that VIES lists (<https://ec.europa.eu/taxation_customs/vies/#/faq>); the check digits are
//! each national register's own. A check answers nothing when the form is wrong, else whether the check digits fit.

use jiff::civil::Date;

type Verdict = Option<bool>;

pub(super) fn check(prefix: &str, number: &str) -> Verdict {
    if !number.is_ascii() {
        return None;
    }
    match prefix {
        "AT" => austria(number),
        "BE" => belgium(number),
        "BG" => bulgaria(number),
        "CY" => cyprus(number),
        "CZ" => czechia(number),
        "DE" => germany(number),
        "DK" => denmark(number),
        "EE" => sums::<9>(number, [3, 7, 1, 3, 7, 1, 3, 7, 1], 10),
        "EL" => greece(number),
        "ES" => spain(number),
        "FI" => sums::<8>(number, [7, 9, 10, 5, 8, 4, 2, 1], 11),
        "FR" => france(number),
        "HR" => digits::<11>(number).map(|d| iso_7064_11_10(&d)),
        "HU" => sums::<8>(number, [9, 7, 3, 1, 9, 7, 3, 1], 10),
        "IE" => ireland(number),
        "IT" => italy(number),
        "LT" => lithuania(number),
        "LU" => digits::<8>(number).map(|_| as_number(number, 0, 6) % 89 == as_number(number, 6, 8)),
        "LV" => latvia(number),
        "MT" => starts_above_zero(number).and_then(|()| sums::<8>(number, [3, 4, 6, 7, 8, 9, 10, 1], 37)),
        "NL" => netherlands(number),
        // ten, the remainder that is no digit, is -1: the sum with the check digit taken off
        "PL" => sums::<10>(number, [6, 5, 7, 2, 3, 4, 5, 6, 7, 10], 11),
        "PT" => portugal(number),
        "RO" => romania(number),
        "SE" => sweden(number),
        "SI" => slovenia(number),
        "SK" => slovakia(number),
        "XI" => united_kingdom(number),
        _ => None,
    }
}

// --- arithmetic

fn digits<const N: usize>(text: &str) -> Option<[u32; N]> {
    if text.len() != N {
        return None;
    }
    let mut found = [0; N];
    for (slot, c) in found.iter_mut().zip(text.chars()) {
        *slot = c.to_digit(10)?;
    }
    Some(found)
}

fn weighted<'a>(digits: impl IntoIterator<Item = &'a u32>, weights: &[u32]) -> u32 {
    digits.into_iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// All digits, weighted, are a multiple of the modulus.
fn sums<const N: usize>(number: &str, weights: [u32; N], modulus: u32) -> Verdict {
    digits::<N>(number).map(|d| weighted(&d, &weights) % modulus == 0)
}

/// The digits from one place to another as a number; zero if they are none.
fn as_number(text: &str, from: usize, to: usize) -> u64 {
    text.get(from..to).and_then(|part| part.parse().ok()).unwrap_or_default()
}

fn starts_above_zero(number: &str) -> Option<()> {
    (!number.starts_with('0')).then_some(())
}

/// Luhn's sum (ISO/IEC 7812-1); zero when the last digit is the check digit of the others.
fn luhn(digits: &[u32]) -> u32 {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let places = digits.iter().rev().enumerate();
    places.map(|(place, digit)| if place % 2 == 1 { doubled(*digit) } else { *digit }).sum::<u32>() % 10
}

/// ISO/IEC 7064, MOD 11,10.
fn iso_7064_11_10(digits: &[u32]) -> bool {
    let Some((check, head)) = digits.split_last() else { return false };
    let product = head.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (product + check) % 10 == 1
}

fn is_date(year: u64, month: u64, day: u64) -> bool {
    let (Ok(year), Ok(month), Ok(day)) = (i16::try_from(year), i8::try_from(month), i8::try_from(day)) else {
        return false;
    };
    Date::new(year, month, day).is_ok()
}

/// The first six digits as year, month, day.
fn year_month_day(number: &str) -> (u64, u64, u64) {
    (as_number(number, 0, 2), as_number(number, 2, 4), as_number(number, 4, 6))
}

/// Which letter of an alphabet, and the other way round.
fn place_in(alphabet: &str, letter: char) -> Option<u32> {
    alphabet.find(letter).and_then(|place| u32::try_from(place).ok())
}

fn letter_at(alphabet: &str, place: u64) -> Option<char> {
    alphabet.chars().nth(usize::try_from(place).ok()?)
}

// --- the states

fn austria(number: &str) -> Verdict {
    let [head @ .., check] = digits::<8>(number.strip_prefix('U')?)?;
    Some((16 - luhn(&head)) % 10 == check)
}

fn belgium(number: &str) -> Verdict {
    let [first, ..] = digits::<10>(number)?;
    if first > 1 {
        return None;
    }
    let (head, check) = (as_number(number, 0, 8), as_number(number, 8, 10));
    Some(head + check > 0 && (head + check) % 97 == 0)
}

fn bulgaria(number: &str) -> Verdict {
    if let Some([head @ .., check]) = digits::<9>(number) {
        let first = weighted(&head, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
        let again = weighted(&head, &[3, 4, 5, 6, 7, 8, 9, 10]) % 11;
        return Some(check == if first == 10 { again % 10 } else { first });
    }
    let [head @ .., check] = digits::<10>(number)?;
    let (year, month, day) = year_month_day(number);
    let (century, month) = match month {
        0..=20 => (1900, month),
        21..=40 => (1800, month - 20),
        _ => (2000, month - 40),
    };
    let citizen = is_date(century + year, month, day)
        && weighted(&head, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == check;
    let foreigner = weighted(&head, &[21, 19, 17, 13, 11, 9, 7, 3, 1]) % 10 == check;
    let other = (11 - weighted(&head, &[4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == check;
    Some(citizen || foreigner || other)
}

fn cyprus(number: &str) -> Verdict {
    let (head, letter) = number.split_at_checked(8)?;
    let digits = digits::<8>(head)?;
    let letter = letter.chars().next().filter(|l| letter.len() == 1 && l.is_ascii_uppercase())?;
    if head.starts_with("12") {
        return None;
    }
    let odd = |digit: u32| match digit {
        0 => 1,
        1 => 0,
        2..=4 => 2 * digit + 1,
        other => 2 * other + 3,
    };
    let at_place = |(place, digit): (usize, &u32)| if place % 2 == 0 { odd(*digit) } else { *digit };
    let sum: u32 = digits.iter().enumerate().map(at_place).sum();
    Some(letter_at("ABCDEFGHIJKLMNOPQRSTUVWXYZ", u64::from(sum % 26)) == Some(letter))
}

fn czechia(number: &str) -> Verdict {
    if let Some([head @ .., check]) = digits::<8>(number) {
        if number.starts_with('9') {
            return None;
        }
        let rest = (11 - weighted(&head, &[8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        return Some(check == if rest == 0 { 1 } else { rest % 10 });
    }
    // people without a birth number
    if let Some([6, head @ .., check]) = digits::<9>(number) {
        return Some((weighted(&head, &[8, 7, 6, 5, 4, 3, 2]) % 11 + 8) % 10 == check);
    }
    birth_number(number)
}

/// The birth numbers of Czechia and Slovakia: nine digits until 1953, then ten with a check digit.
fn birth_number(number: &str) -> Verdict {
    let long = digits::<10>(number).is_some();
    if !long && digits::<9>(number).is_none() {
        return None;
    }
    let (year, month, day) = year_month_day(number);
    let year = match (long, year) {
        (true, 54..) | (false, 0..=53) => 1900 + year,
        (true, _) => 2000 + year,
        (false, 80..) => 1800 + year,
        (false, _) => return None,
    };
    if !is_date(year, month % 50 % 20, day) {
        return None;
    }
    Some(!long || as_number(number, 0, 9) % 11 % 10 == as_number(number, 9, 10))
}

fn germany(number: &str) -> Verdict {
    starts_above_zero(number)?;
    digits::<9>(number).map(|d| iso_7064_11_10(&d))
}

fn denmark(number: &str) -> Verdict {
    starts_above_zero(number)?;
    sums::<8>(number, [2, 7, 6, 5, 4, 3, 2, 1], 11)
}

fn greece(number: &str) -> Verdict {
    let [head @ .., check] = digits::<9>(number)?;
    Some(weighted(&head, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == check)
}

fn spain(number: &str) -> Verdict {
    const PERSON: &str = "TRWAGMYFPDXBNJZSQVHLCKE";
    let (first, last) = (number.chars().next()?, number.chars().last()?);
    let middle = number.get(1..8).filter(|_| number.len() == 9)?;
    let middle_digits = digits::<7>(middle)?;
    let person = |lead: &str| {
        let all: u64 = format!("{lead}{middle}").parse().ok()?;
        last.is_ascii_uppercase().then_some(letter_at(PERSON, all % 23) == Some(last))
    };
    match first {
        '0'..='9' => person(number.get(..1)?),
        'K' | 'L' | 'M' | 'X' => person("0"),
        'Y' => person("1"),
        'Z' => person("2"),
        'A'..='H' | 'J' | 'N' | 'P'..='S' | 'U'..='W' => {
            let with_none: Vec<u32> = middle_digits.into_iter().chain([0]).collect();
            let check = u64::from((10 - luhn(&with_none)) % 10);
            let as_letter = letter_at("JABCDEFGHI", check);
            Some(letter_at("0123456789", check) == Some(last) || as_letter == Some(last))
        }
        _ => None,
    }
}

fn france(number: &str) -> Verdict {
    // no I and no O
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let (key, siren) = number.split_at_checked(2)?;
    let siren_digits = digits::<9>(siren)?;
    let mut key_places = key.chars().map(|c| place_in(ALPHABET, c));
    let (tens, ones) = (key_places.next()??, key_places.next()??);
    // Monaco's begin with 000 and are in no register of companies
    if !siren.starts_with("000") && luhn(&siren_digits) != 0 {
        return Some(false);
    }
    let siren: u64 = siren.parse().ok()?;
    if tens < 10 && ones < 10 {
        return Some((siren * 100 + 12) % 97 == u64::from(tens * 10 + ones));
    }
    let check =
        if tens < 10 { (tens * 24 + ones).checked_sub(10) } else { (tens * 34 + ones).checked_sub(100) };
    let check = u64::from(check?);
    Some((siren + 1 + check / 11) % 11 == check % 11)
}

fn ireland(number: &str) -> Verdict {
    const ALPHABET: &str = "WABCDEFGHIJKLMNOPQRSTUV";
    let letter = number.chars().nth(7)?;
    let weights = [8, 7, 6, 5, 4, 3, 2];
    let (head, extra) = if let Some(head) = number.get(..7).and_then(digits::<7>) {
        let extra = match number.len() {
            8 => 0,
            9 => place_in(ALPHABET, number.chars().nth(8)?)?,
            _ => return None,
        };
        (head, extra)
    } else {
        // until 2013: a digit, a letter or sign, five digits
        let sign = number.chars().nth(1).filter(|c| c.is_ascii_uppercase() || matches!(c, '+' | '*'));
        sign.filter(|_| number.len() == 8)?;
        let [first] = digits::<1>(number.get(..1)?)?;
        digits::<5>(number.get(2..7)?)?;
        (digits::<7>(&format!("0{}{first}", number.get(2..7)?))?, 0)
    };
    Some((weighted(&head, &weights) + 9 * extra) % 23 == place_in(ALPHABET, letter)?)
}

fn italy(number: &str) -> Verdict {
    let all = digits::<11>(number)?;
    let province = as_number(number, 7, 10);
    let exists = matches!(province, 1..=100 | 120 | 121 | 888 | 999);
    (exists && as_number(number, 0, 7) > 0).then(|| luhn(&all) == 0)
}

fn lithuania(number: &str) -> Verdict {
    let found: Vec<u32> = match number.len() {
        9 => digits::<9>(number)?.to_vec(),
        12 => digits::<12>(number)?.to_vec(),
        _ => return None,
    };
    let (check, head) = found.split_last()?;
    if head.last() != Some(&1) {
        return None;
    }
    let first = weighted(head, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2]) % 11;
    let again = weighted(head, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4]) % 11;
    Some(*check == if first == 10 { again % 10 } else { first })
}

fn latvia(number: &str) -> Verdict {
    let all @ [head @ .., check] = digits::<11>(number)?;
    let [first, second, ..] = all;
    if first > 3 {
        return Some(weighted(&all, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]) % 11 == 3);
    }
    // a person: day, month, year, and a digit for the century; since 2017 the number says nothing and begins with 32
    if (first, second) != (3, 2) {
        let century = 1800 + 100 * as_number(number, 6, 7);
        let (day, month, year) = year_month_day(number);
        if !is_date(century + year, month, day) {
            return None;
        }
    }
    Some((1 + weighted(&head, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])) % 11 % 10 == check)
}

fn netherlands(number: &str) -> Verdict {
    let (head, rest) = number.split_at_checked(9)?;
    let all @ [..] = digits::<9>(head)?;
    let suffix = digits::<2>(rest.strip_prefix('B')?)?;
    if as_number(head, 0, 9) == 0 || suffix == [0, 0] {
        return None;
    }
    let company = weighted(&all, &[9, 8, 7, 6, 5, 4, 3, 2, 10]) % 11 == 0;
    // sole traders since 2020: ISO/IEC 7064, MOD 97-10, over the id with its prefix, letters counted from ten
    let as_digit = |c: char| c.to_digit(36).unwrap_or_default();
    let remainder = format!("NL{number}").chars().map(as_digit).fold(0, |remainder, digit| {
        let shift = if digit > 9 { 100 } else { 10 };
        (remainder * shift + digit) % 97
    });
    Some(company || remainder == 1)
}

fn portugal(number: &str) -> Verdict {
    starts_above_zero(number)?;
    let [head @ .., check] = digits::<9>(number)?;
    let rest = weighted(&head, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    Some((11 - rest) % 11 % 10 == check)
}

fn romania(number: &str) -> Verdict {
    starts_above_zero(number)?;
    if !(2..=10).contains(&number.len()) {
        return None;
    }
    let [head @ .., check] = digits::<10>(&format!("{number:0>10}"))?;
    Some(10 * weighted(&head, &[7, 5, 3, 2, 1, 7, 5, 3, 2]) % 11 % 10 == check)
}

fn sweden(number: &str) -> Verdict {
    let head = number.strip_suffix("01")?;
    digits::<10>(head).map(|d| luhn(&d) == 0)
}

fn slovenia(number: &str) -> Verdict {
    starts_above_zero(number)?;
    let [head @ .., check] = digits::<8>(number)?;
    // eleven, where the sum is a multiple, is no digit: such numbers are not issued
    let rest = 11 - weighted(&head, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    Some(check == if rest == 10 { 0 } else { rest })
}

fn slovakia(number: &str) -> Verdict {
    let [first, _, third, ..] = digits::<10>(number)?;
    if birth_number(number) == Some(true) {
        return Some(true);
    }
    if first == 0 || !matches!(third, 2..=4 | 7..=9) {
        return None;
    }
    Some(as_number(number, 0, 10).is_multiple_of(11))
}

fn united_kingdom(number: &str) -> Verdict {
    // government departments, health authorities
    if let Some(department) = number.strip_prefix("GD") {
        let [..] = digits::<3>(department)?;
        return (as_number(department, 0, 3) < 500).then_some(true);
    }
    if let Some(authority) = number.strip_prefix("HA") {
        let [..] = digits::<3>(authority)?;
        return (as_number(authority, 0, 3) >= 500).then_some(true);
    }
    if number.len() != 9 && digits::<12>(number).is_none() {
        return None;
    }
    let all = digits::<9>(number.get(..9)?)?;
    let rest = weighted(&all, &[8, 7, 6, 5, 4, 3, 2, 10, 1]) % 97;
    // numbers above a million follow a second rule too, since the first ran out in 2009
    let is_new = as_number(number, 0, 3) >= 100;
    Some(rest == 0 || (is_new && matches!(rest, 42 | 55)))
}
