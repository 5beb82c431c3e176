//! `map.png`, a pixel for each pixel of the map, and `map-axes`, the same with axes and a legend.

use super::colours::{self, palette};
use super::place::PixelCounts;
use crate::figures::canvas::Canvas;
use crate::figures::heading::Heading;
use crate::figures::palette::{Colour, INK, PALE_INK};
use crate::figures::picture::{Anchor, Area, Picture, Text};
use crate::figures::scale::{number, room, title};
use crate::figures::style::{PAD, TEXT, TICK};
use blowup_core::failure::{Failure, counted};
use blowup_core::map::Measure;
use blowup_core::map::raster::Raster;
use blowup_core::spec::map::{Map, Side};
use blowup_core::store::Folder;
use blowup_core::verdict::Outcome;
use std::io::{self, Write};

const WHOLE: &str = "map.png";
const AXES: [&str; 2] = ["map-axes.svg", "map-axes.png"];

/// The files that are written here.
pub const NAMES: [&str; 3] = [WHOLE, AXES[0], AXES[1]];

/// The longer side of the map in the picture with axes, in CSS pixels and in its own pixels.
const SIDE: f64 = 512.0;
const DRAWN: usize = 1024;

/// The width of the legend.
const LEGEND: f64 = 210.0;

/// Draws both.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Folder, map: &Map, raster: &Raster, name: &str, note: &str) -> Result<(), Failure> {
    let places = colours::places(raster);
    let palette = palette(map.measure);
    folder.replace(WHOLE, |to| png(to, raster, &places, &palette))?;
    let picture = with_axes(map, raster, &places, &palette, name, note);
    let [svg, png] = AXES;
    folder.replace(svg, |to| to.write_all(picture.svg().as_bytes()))?;
    let bytes = picture.png().map_err(|error| Failure::new(format!("cannot draw `{png}`: {error}")))?;
    folder.replace(png, |to| to.write_all(&bytes))
}

/// Writes the pixels as a PNG with a palette. Its first row is that of the largest y.
fn png(to: &mut dyn Write, raster: &Raster, places: &[u8], palette: &[Colour]) -> io::Result<()> {
    let mut encoder = png::Encoder::new(to, raster.width as u32, raster.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.iter().flat_map(|Colour(r, g, b)| [*r, *g, *b]).collect::<Vec<u8>>());
    encoder.add_text_chunk("Software".to_owned(), "blowup".to_owned())?;
    let mut writer = encoder.write_header()?;
    let mut rows = writer.stream_writer()?;
    places.chunks(raster.width).rev().try_for_each(|row| rows.write_all(row))?;
    rows.finish()?;
    Ok(writer.finish()?)
}

/// The map with a title, two axes and a legend.
fn with_axes(map: &Map, raster: &Raster, places: &[u8], palette: &[Colour], name: &str, note: &str) -> Picture {
    let longer = raster.width.max(raster.height) as f64;
    let (width, height) = (SIDE * raster.width as f64 / longer, SIDE * raster.height as f64 / longer);
    let [x_ticks, y_ticks] = [ticks(&map.x), ticks(&map.y)];
    let left = PAD + 24.0 + y_ticks.iter().map(|(_, text)| room(text, TEXT)).fold(0.0, f64::max);
    let whole = left + width + 24.0 + LEGEND + PAD;
    let heading = Heading::new(&format!("{name}: where training fails"), note, whole);
    let top = heading.height;
    let total = (top + height + 52.0).max(top + 330.0);
    let mut picture = Picture::new(format!("{name}: a map"), Canvas::Screen, whole, total);
    heading.draw(&mut picture);
    let area = Area::new(left, top, width, height);
    picture.image(area, drawn(raster, places, palette));
    picture.frame(area, INK);
    for (share, text) in x_ticks {
        let x = left + share * width;
        picture.line(vec![(x, area.bottom()), (x, area.bottom() + 5.0)], TICK);
        picture.text(Text::new(x, area.bottom() + 19.0, text, TEXT).anchor(Anchor::Middle));
    }
    for (share, text) in y_ticks {
        let y = area.bottom() - share * height;
        picture.line(vec![(left - 5.0, y), (left, y)], TICK);
        picture.text(Text::new(left - 8.0, y + 4.0, text, TEXT).anchor(Anchor::End));
    }
    let middle = (left + width / 2.0, top + height / 2.0);
    picture.text(Text::new(middle.0, area.bottom() + 39.0, title(map.x.axis.name()), TEXT).anchor(Anchor::Middle));
    picture.text(Text::new(PAD + 10.0, middle.1, title(map.y.axis.name()), TEXT).anchor(Anchor::Middle).upwards());
    legend(&mut picture, area.right() + 24.0, top, map.measure, palette, places);
    picture
}

/// Draws the legend, which says in words what the colours mean.
fn legend(picture: &mut Picture, x: f64, top: f64, measure: Measure, palette: &[Colour], places: &[u8]) {
    let mut y = top + 10.0;
    match measure {
        Measure::Published => {
            let words = [("training converges", "fast", "slowly"), ("training diverges", "soon", "late")];
            for ((from, length), (head, first, last)) in colours::ramps().into_iter().zip(words) {
                picture.text(Text::new(x, y, head, TEXT));
                y += 8.0;
                let each = LEGEND / length as f64;
                for (i, colour) in palette[from..from + length].iter().enumerate() {
                    // Each reaches below the next, so that no line of paper shows between them.
                    let wide = (LEGEND - i as f64 * each).min(2.0 * each);
                    picture.rect(Area::new(x + i as f64 * each, y, wide, 16.0), *colour);
                }
                y += 30.0;
                picture.text(Text::new(x, y, first, TEXT).colour(PALE_INK));
                picture.text(Text::new(x + LEGEND, y, last, TEXT).colour(PALE_INK).anchor(Anchor::End));
                y += 30.0;
            }
            let about =
                ["Every shade of a colour covers", "about the same area: pixels stand", "by the rank of their value."];
            for line in about {
                picture.text(Text::new(x, y, line, TEXT).colour(PALE_INK));
                y += 16.0;
            }
            y += 10.0;
        }
        Measure::Outcome => {
            for (i, outcome) in Outcome::ALL.iter().enumerate().filter(|(i, _)| places.contains(&(1 + *i as u8))) {
                square(picture, x, &mut y, palette[1 + i], outcome.name());
            }
        }
    }
    if places.contains(&0) {
        square(picture, x, &mut y, palette[0], "lost: no verdict");
    }
}

/// Draws a line of the legend: a colour and what it means.
fn square(picture: &mut Picture, x: f64, y: &mut f64, colour: Colour, text: &str) {
    picture.rect(Area::new(x, *y - 10.0, 12.0, 12.0), colour);
    picture.text(Text::new(x + 20.0, *y, text, TEXT));
    *y += 20.0;
}

/// The pixels of the picture with axes, from the top: those of the map or, of a larger one, the
/// means of squares of them.
fn drawn(raster: &Raster, places: &[u8], palette: &[Colour]) -> crate::figures::picture::Pixels {
    let step = raster.width.max(raster.height).div_ceil(DRAWN);
    let (width, height) = (raster.width.div_ceil(step), raster.height.div_ceil(step));
    let mut rgb = Vec::with_capacity(3 * width * height);
    for top in (0..height).rev() {
        for left in 0..width {
            let (mut sums, mut count) = ([0u32; 3], 0);
            for j in top * step..((top + 1) * step).min(raster.height) {
                for i in left * step..((left + 1) * step).min(raster.width) {
                    let Colour(r, g, b) = palette[usize::from(places[raster.number(i, j)])];
                    sums.iter_mut().zip([r, g, b]).for_each(|(sum, part)| *sum += u32::from(part));
                    count += 1;
                }
            }
            rgb.extend(sums.map(|sum| (sum / count) as u8));
        }
    }
    crate::figures::picture::Pixels { width, height, rgb }
}

/// The ticks of an axis: their places, as shares of its length, and their texts.
fn ticks(side: &Side) -> Vec<(f64, String)> {
    const MOST: f64 = 6.0;
    let [low, high] = side.window.ends();
    let log = side.window.is_log();
    let place = |x: f64| {
        if log { (x.ln() - low.ln()) / (high.ln() - low.ln()) } else { (x - low) / (high - low) }
    };
    let decades = if log { (high / low).log10() } else { 0.0 };
    if decades >= 2.0 {
        let step = (decades / MOST).ceil().max(1.0) as i32;
        let (from, to) = ((low.log10() - 1e-9).ceil() as i32, (high.log10() + 1e-9).floor() as i32);
        let powers = (from..=to).filter(|power| power.rem_euclid(step) == 0).map(|power| 10f64.powi(power));
        return powers.map(|x| (place(x), crate::figures::scale::power(x))).collect();
    }
    // Round numbers, with as many decimals as their distance needs.
    let rough = (high - low) / MOST;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let decimals = (-step.log10()).ceil().max(0.0) as usize;
    let first = (low / step).ceil();
    (0..)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|x| *x <= high * (1.0 + 1e-12))
        .map(|x| (place(x), if decimals <= 3 { number(x) } else { format!("{x:.decimals$}") }))
        .collect()
}

/// What stands below the title.
pub fn note(map: &Map, counts: PixelCounts, dimension: Option<f64>) -> String {
    let [width, height] = map.size();
    let mut note = format!("{width} x {height} pixels");
    if counts.inferred > 0 {
        let share = 100.0 * counts.trained as f64 / counts.pixels as f64;
        note.push_str(&format!(", {share:.1}% of them trained and the others inferred"));
    }
    if counts.lost > 0 {
        note.push_str(&format!(", {} lost", counted(counts.lost, "pixel")));
    }
    if let Some(dimension) = dimension {
        note.push_str(&format!("; box-counting dimension of the edge {dimension:.2}"));
    }
    note
}
