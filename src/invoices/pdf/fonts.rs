//! The letters of a document: which there are, how wide text becomes, where it breaks.
//!
//! Lengths are thousandths of a point, so that everything up to the drawing is exact.

use std::collections::HashMap;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, UnicodeBuffer};

use super::Error;
use super::draw::ratio;

static REGULAR: &[u8] = include_bytes!("../../../fonts/NotoSans-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../../fonts/NotoSans-Bold.ttf");

/// What stands for a character that the font does not have: the first of these that it has.
const INSTEAD: [char; 3] = ['\u{fffd}', '\u{25a1}', '?'];

/// How heavy letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// One of the two fonts, for measuring and for drawing.
struct Cut {
    face: Face<'static>,
    font: Font,
    instead: char,
}

impl Cut {
    fn new(file: &'static [u8]) -> Result<Self, Error> {
        let face = Face::from_slice(file, 0).ok_or(Error::Font)?;
        let font = Font::new(file.into(), 0).ok_or(Error::Font)?;
        let has = |c: &char| face.glyph_index(*c).is_some();
        let instead = INSTEAD.into_iter().find(has).ok_or(Error::Font)?;
        Ok(Self { face, font, instead })
    }

    /// The text with what the font does not have replaced, and without anything that is not to be seen.
    fn known(&self, text: &str) -> String {
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        shown.map(|c| if self.face.glyph_index(c).is_some() { c } else { self.instead }).collect()
    }
}

/// A piece of text on one line, ready to be drawn.
pub(super) struct Shaped {
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    /// In thousandths of a point.
    pub width: i32,
}

/// Both fonts.
pub(super) struct Fonts {
    regular: Cut,
    bold: Cut,
}

impl Fonts {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self { regular: Cut::new(REGULAR)?, bold: Cut::new(BOLD)? })
    }

    const fn cut(&self, weight: Weight) -> &Cut {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    pub(super) fn font(&self, weight: Weight) -> Font {
        self.cut(weight).font.clone()
    }

    /// Chooses and places the glyphs of a line. What the font does not have is replaced visibly.
    pub(super) fn shape(&self, weight: Weight, size: i32, text: &str) -> Shaped {
        let cut = self.cut(weight);
        let text = cut.known(text);
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(&text);
        buffer.guess_segment_properties();
        // the fonts have no script that is written the other way
        buffer.set_direction(Direction::LeftToRight);
        let shaped = rustybuzz::shape(&cut.face, &[], buffer);
        let (infos, positions) = (shaped.glyph_infos(), shaped.glyph_positions());
        let em = cut.face.units_per_em();
        let mut glyphs = Vec::with_capacity(infos.len());
        let mut advance = 0_i64;
        for (index, (info, position)) in infos.iter().zip(positions).enumerate() {
            let later = infos.iter().skip(index + 1).map(|info| info.cluster);
            let end = later.filter(|cluster| *cluster > info.cluster).min();
            let byte = |cluster: u32| usize::try_from(cluster).unwrap_or(text.len());
            glyphs.push(KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                ratio(position.x_advance, em),
                ratio(position.x_offset, em),
                ratio(position.y_offset, em),
                ratio(position.y_advance, em),
                byte(info.cluster)..end.map_or(text.len(), byte),
                None,
            ));
            advance += i64::from(position.x_advance);
        }
        let width = advance * i64::from(size) / i64::from(em.max(1));
        Shaped { text, glyphs, width: i32::try_from(width).unwrap_or(i32::MAX) }
    }

    pub(super) fn width(&self, weight: Weight, size: i32, text: &str) -> i32 {
        self.shape(weight, size, text).width
    }

    /// The lines of a text that is at most `width` wide: broken between words, and within words that are wider alone.
    pub(super) fn wrap(&self, weight: Weight, size: i32, width: i32, text: &str) -> Vec<String> {
        let mut widths = Widths { fonts: self, weight, size, known: HashMap::new() };
        let space = widths.of_char(' ');
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let (mut line, mut filled) = (String::new(), 0);
            for word in paragraph.split([' ', '\t']).filter(|word| !word.is_empty()) {
                let wide = self.width(weight, size, word);
                if !line.is_empty() && filled + space + wide <= width {
                    line.push(' ');
                    line.push_str(word);
                    filled += space + wide;
                    continue;
                }
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                if wide <= width {
                    (line, filled) = (word.to_owned(), wide);
                } else {
                    (line, filled) = widths.broken(word, width, &mut lines);
                }
            }
            lines.push(line);
        }
        lines.retain(|line| !line.is_empty());
        lines
    }
}

/// Widths of single characters, each measured once.
struct Widths<'a> {
    fonts: &'a Fonts,
    weight: Weight,
    size: i32,
    known: HashMap<char, i32>,
}

impl Widths<'_> {
    fn of_char(&mut self, c: char) -> i32 {
        let (fonts, weight, size) = (self.fonts, self.weight, self.size);
        *self.known.entry(c).or_insert_with(|| fonts.width(weight, size, c.encode_utf8(&mut [0; 4])))
    }

    /// Breaks a word that is wider than a line, and gives its rest with the rest's width.
    fn broken(&mut self, word: &str, width: i32, lines: &mut Vec<String>) -> (String, i32) {
        let (mut line, mut filled) = (String::new(), 0);
        for c in word.chars() {
            let wide = self.of_char(c);
            if filled + wide > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                filled = 0;
            }
            line.push(c);
            filled += wide;
        }
        (line, filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_into_lines_that_fit() {
        let fonts = Fonts::new().expect("fonts");
        let long = "W".repeat(300);
        for text in ["one two three four five six seven", &long, "a b\nc", "", "   ", "\u{301}x"] {
            let lines = fonts.wrap(Weight::Regular, 10_000, 60_000, text);
            for line in &lines {
                assert!(fonts.width(Weight::Regular, 10_000, line) <= 60_000, "{line}");
            }
            let kept = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(kept(&lines.concat()), kept(text));
        }
        assert_eq!(fonts.wrap(Weight::Bold, 10_000, 60_000, "a\n\nb"), ["a", "b"]);
    }

    #[test]
    fn what_the_font_does_not_have_is_replaced_visibly() {
        let fonts = Fonts::new().expect("fonts");
        let shaped = fonts.shape(Weight::Regular, 10_000, "株式会社 Łódź Ωμέγα Жук €•\u{0}\u{feff}🦀");
        assert!(shaped.glyphs.iter().all(|glyph| krilla::text::Glyph::glyph_id(glyph).to_u32() != 0));
        assert!(shaped.text.contains("Łódź Ωμέγα Жук €•"), "{}", shaped.text);
        assert_eq!(shaped.text.chars().filter(|c| INSTEAD.contains(c)).count(), 5, "{}", shaped.text);
    }
}
