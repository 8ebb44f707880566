//! The operator's accent colour, made readable: a stylesheet of custom properties derived from one hex colour.
//!
//! Any colour may be configured; what is text is moved towards black or white until it passes WCAG AA on the
//! surfaces of `static/app.css`, so a pale brand cannot make a page unreadable.

use std::str::FromStr;

/// Contrast wanted of text, times 100: AA asks for 4.5, the rest is for the rounding of the arithmetic here.
const TEXT_CONTRAST: u32 = 460;
/// The darkest light surface and the lightest dark surface that links stand on.
const LIGHT_SURFACE: Colour = Colour { red: 0xF1, green: 0xF2, blue: 0xEF };
const DARK_SURFACE: Colour = Colour { red: 0x22, green: 0x25, blue: 0x2C };
const WHITE: Colour = Colour { red: 0xFF, green: 0xFF, blue: 0xFF };
const BLACK: Colour = Colour { red: 0, green: 0, blue: 0 };
/// Steps between a colour and black or white.
const STEPS: u32 = 32;

/// Linear light of sRGB values 0, 8, 16 … 256, in 100,000ths (WCAG 2.2, relative luminance). The last is set so that
/// 255 comes out as one.
const LINEAR: [u32; 33] = [
    0, 243, 518, 913, 1444, 2122, 2956, 3955, 5127, 6480, 8022, 9759, 11697, 13843, 16203, 18782, 21586,
    24620, 27889, 31399, 35153, 39157, 43415, 47932, 52712, 57758, 63076, 68669, 74540, 80695, 87137, 93869,
    100_876,
];

/// An opaque sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// Why a text is not a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a colour of the form #rrggbb")]
pub struct ColourError;

impl FromStr for Colour {
    type Err = ColourError;

    fn from_str(text: &str) -> Result<Self, ColourError> {
        let digits = text.strip_prefix('#').ok_or(ColourError)?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ColourError);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| ColourError)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

impl Colour {
    fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }

    /// Relative luminance in 100,000ths.
    fn luminance(self) -> u32 {
        (2_126 * linear(self.red) + 7_152 * linear(self.green) + 722 * linear(self.blue)) / 10_000
    }

    /// This colour `step` of [`STEPS`] on the way to another.
    fn towards(self, other: Self, step: u32) -> Self {
        let mix = |from: u8, to: u8| {
            let mixed = (u32::from(from) * (STEPS - step) + u32::from(to) * step) / STEPS;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
        }
    }

    /// The first step towards `end` that is readable on `surface`.
    fn readable_on(self, surface: Self, end: Self) -> Self {
        (0..=STEPS)
            .map(|step| self.towards(end, step))
            .find(|colour| contrast(*colour, surface) >= TEXT_CONTRAST)
            .unwrap_or(end)
    }
}

fn linear(value: u8) -> u32 {
    let below = usize::from(value / 8);
    let part = u32::from(value % 8);
    let at = |index: usize| LINEAR.get(index).copied().unwrap_or(100_876);
    at(below) + (at(below + 1) - at(below)) * part / 8
}

/// The WCAG contrast of two colours, times 100.
fn contrast(one: Colour, other: Colour) -> u32 {
    let (one, other) = (one.luminance() + 5_000, other.luminance() + 5_000);
    one.max(other) * 100 / one.min(other)
}

/// The stylesheet that is served as `/static/brand.css`, after `app.css`.
#[must_use]
pub fn stylesheet(accent: Colour) -> String {
    let on_accent = if contrast(WHITE, accent) >= TEXT_CONTRAST { WHITE } else { BLACK };
    let fill_dark = accent.readable_on(BLACK, WHITE);
    let on_fill_dark = if contrast(WHITE, fill_dark) >= TEXT_CONTRAST { WHITE } else { BLACK };
    format!(
        ":root{{--accent:{};--on-accent:{};--accent-ink:{}}}\n\
         @media (prefers-color-scheme:dark){{:root{{--accent:{};--on-accent:{};--accent-ink:{}}}}}\n",
        accent.hex(),
        on_accent.hex(),
        accent.readable_on(LIGHT_SURFACE, BLACK).hex(),
        fill_dark.hex(),
        on_fill_dark.hex(),
        accent.readable_on(DARK_SURFACE, WHITE).hex(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        text.parse().expect(text)
    }

    #[test]
    fn contrast_agrees_with_the_standard() {
        assert_eq!(contrast(WHITE, BLACK), 2100);
        // two well-known pairs: 4.54 and 4.48
        assert!((450..=455).contains(&contrast(colour("#767676"), WHITE)));
        assert!((445..=450).contains(&contrast(colour("#777777"), WHITE)));
    }

    #[test]
    fn every_accent_ends_up_readable() {
        for red in (0..=255).step_by(51) {
            for green in (0..=255).step_by(51) {
                for blue in (0..=255).step_by(51) {
                    let accent = Colour { red, green, blue };
                    let light = accent.readable_on(LIGHT_SURFACE, BLACK);
                    let dark = accent.readable_on(DARK_SURFACE, WHITE);
                    assert!(contrast(light, LIGHT_SURFACE) >= 450, "{accent:?}");
                    assert!(contrast(dark, DARK_SURFACE) >= 450, "{accent:?}");
                    let on = if contrast(WHITE, accent) >= TEXT_CONTRAST { WHITE } else { BLACK };
                    assert!(contrast(on, accent) >= 450, "{accent:?}");
                }
            }
        }
    }

    #[test]
    fn a_readable_accent_is_left_alone_and_nothing_else_passes() {
        assert!(
            stylesheet(colour("#3450c0"))
                .starts_with(":root{--accent:#3450c0;--on-accent:#ffffff;--accent-ink:#3450c0}")
        );
        for bad in ["3450c0", "#345", "#3450cg", "#3450c0;}", "", "red"] {
            assert_eq!(bad.parse::<Colour>(), Err(ColourError), "{bad}");
        }
    }
}
