//! Puts what was laid out on pages into a file. The one place that knows floats: the file format is made of them.

use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke};
use krilla::surface::Surface;
use krilla::{Document, SerializeSettings};

use super::Error;
use super::fonts::Fonts;
use super::layout::{HEIGHT, Op, WIDTH};
use crate::base::Day;

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink(pub u8, pub u8, pub u8);

impl Ink {
    fn colour(self) -> rgb::Color {
        rgb::Color::new(self.0, self.1, self.2)
    }
}

/// What is said about the file as a whole.
pub(super) struct About {
    pub title: String,
    pub author: String,
    pub language: &'static str,
    pub day: Day,
}

/// One integer by another, as the file format has it.
#[expect(clippy::float_arithmetic, reason = "coordinates of a PDF are floats; no amount is ever one")]
#[expect(clippy::cast_precision_loss, reason = "lengths on a page are far below 2^24")]
pub(super) fn ratio(dividend: i32, divisor: i32) -> f32 {
    dividend as f32 / divisor.max(1) as f32
}

/// Thousandths of a point in points.
fn pt(length: i32) -> f32 {
    ratio(length, 1_000)
}

/// The file with these pages. The same pages make the same bytes.
pub(super) fn file(
    fonts: &Fonts,
    about: About,
    pages: &[Vec<Op>],
    logo: Option<&Image>,
) -> Result<Vec<u8>, Error> {
    let failed = |error: &dyn std::fmt::Debug| Error::Write(format!("{error:?}").chars().take(300).collect());
    let archival = ConfigurationBuilder::new().with_archival_validator(Archival::A3_B).finish();
    let settings = SerializeSettings {
        configuration: archival.map_err(|error| failed(&error))?,
        ..SerializeSettings::default()
    };
    let mut document = Document::new_with(settings);
    document.set_metadata(metadata(about));
    for page in pages {
        let settings = PageSettings::from_wh(pt(WIDTH), pt(HEIGHT)).ok_or_else(|| failed(&"page size"))?;
        let mut page_of_file = document.start_page_with(settings);
        let mut surface = page_of_file.surface();
        for op in page {
            draw(&mut surface, fonts, op, logo);
        }
        surface.finish();
        page_of_file.finish();
    }
    document.finish().map_err(|error| failed(&error))
}

fn metadata(about: About) -> Metadata {
    let date = about.day.date();
    let part = |number: i8| u8::try_from(number).unwrap_or(1);
    let created = DateTime::new(u16::try_from(date.year()).unwrap_or_default())
        .month(part(date.month()))
        .day(part(date.day()))
        .hour(0)
        .minute(0)
        .second(0)
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    Metadata::new()
        .title(about.title)
        .authors(vec![about.author])
        .language(about.language.to_owned())
        .creator("Tollbook".to_owned())
        .creation_date(created)
}

fn draw(surface: &mut Surface<'_>, fonts: &Fonts, op: &Op, logo: Option<&Image>) {
    match op {
        Op::Text { x, y, weight, size, ink, text } => {
            let shaped = fonts.shape(*weight, *size, text);
            surface.set_stroke(None);
            surface.set_fill(Some(fill(*ink)));
            let start = Point::from_xy(pt(*x), pt(*y));
            let font = fonts.font(*weight);
            surface.draw_glyphs(start, &shaped.glyphs, font, &shaped.text, pt(*size), false);
        }
        Op::Rule { left, right, y, ink } => {
            let mut path = PathBuilder::new();
            path.move_to(pt(*left), pt(*y));
            path.line_to(pt(*right), pt(*y));
            outline(surface, path, *ink, 600);
        }
        Op::Frame { left, top, right, bottom, ink } => {
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_ltrb(pt(*left), pt(*top), pt(*right), pt(*bottom)) {
                path.push_rect(rect);
            }
            outline(surface, path, *ink, 1_500);
        }
        Op::Logo { x, y, width, height } => {
            let Some((image, size)) = logo.zip(Size::from_wh(pt(*width), pt(*height))) else { return };
            surface.push_transform(&Transform::from_translate(pt(*x), pt(*y)));
            surface.draw_image(image.clone(), size);
            surface.pop();
        }
    }
}

fn fill(ink: Ink) -> Fill {
    Fill { paint: ink.colour().into(), opacity: NormalizedF32::ONE, rule: FillRule::NonZero }
}

fn outline(surface: &mut Surface<'_>, path: PathBuilder, ink: Ink, width: i32) {
    let Some(path) = path.finish() else { return };
    surface.set_fill(None);
    surface.set_stroke(Some(Stroke { paint: ink.colour().into(), width: pt(width), ..Stroke::default() }));
    surface.draw_path(&path);
}
