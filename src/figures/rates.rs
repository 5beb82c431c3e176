//! The diagram where there are no two axes. Each level has a line, with a rate and its 95%
//! interval, or with a median.

use super::canvas::Canvas;
use super::cells::{DiagramCell, PlotMetric};
use super::font;
use super::heading::Heading;
use super::palette::{GRID, INK, NAMED, PALE_INK};
use super::picture::{Anchor, Area, Picture, Stroke, Text};
use super::scale;
use super::style::{PAD, TEXT, TICK};
use super::table::{Factor, TrialTable};
use super::words;

/// The height of a line, in pixels.
const LINE: f64 = 22.0;
/// The width of the plot, in pixels.
const PLOT: f64 = 320.0;
/// The width of the narrowest plot.
const LEAST: f64 = 80.0;
/// The width of the counts beside the plot, and the height of what lies below it.
const COUNTS: f64 = 110.0;
const BELOW: f64 = 52.0 + PAD;

/// Draws the diagram. `cells` are those of the levels of `by`.
pub fn draw(
    table: &TrialTable,
    by: &Factor,
    cells: &[DiagramCell],
    metric: PlotMetric,
    (title, subtitle): (&str, &str),
    canvas: Canvas,
) -> Picture {
    let most = canvas.width().map_or(260.0, |width| (width * 0.3).min(260.0));
    let names: Vec<String> = cells.iter().map(|cell| words::at(by, cell.levels[0])).collect();
    let left = PAD + names.iter().map(|name| font::width(name, TEXT)).fold(40.0, f64::max).min(most) + 10.0;
    let plot = canvas.width().map_or(PLOT, |width| (width - left - COUNTS - PAD).max(LEAST));
    let width = left + plot + COUNTS + PAD;
    let heading = Heading::new(title, subtitle, width);
    let top = heading.height + 18.0;
    let line = canvas.height().map_or(LINE, |height| ((height - top - BELOW) / cells.len().max(1) as f64).max(TEXT));
    let bottom = top + line * cells.len() as f64;
    let mut picture = Picture::new(title, canvas, width.ceil(), (bottom + BELOW).ceil());
    heading.draw(&mut picture);
    let name = font::fitted(&scale::title(by.name), TEXT, left + plot - PAD);
    let (x, anchor) =
        if font::width(&name, TEXT) < left - 8.0 - PAD { (left - 8.0, Anchor::End) } else { (PAD, Anchor::Start) };
    picture.text(Text::new(x, top - 8.0, name, TEXT).anchor(anchor).colour(PALE_INK));
    let values: Vec<Option<f64>> = cells.iter().map(|cell| cell.value(table, metric)).collect();
    let (low, high) = ends(metric, &values);
    let place = |x: f64| left + plot * ((x - low) / (high - low)).clamp(0.0, 1.0);
    for x in ticks(metric, low, high) {
        picture.line(vec![(place(x), top), (place(x), bottom)], Stroke { colour: GRID, ..TICK });
        picture.line(vec![(place(x), bottom), (place(x), bottom + 4.0)], TICK);
        picture.text(Text::new(place(x), bottom + 17.0, scale::number(x), TEXT).anchor(Anchor::Middle));
    }
    picture.frame(Area::new(left, top, plot, bottom - top), GRID);
    let axis = match metric {
        PlotMetric::Rate(_) => format!("{}, with its 95% interval", metric.title()),
        PlotMetric::Median(_) | PlotMetric::LrSensitivity => metric.title(),
    };
    picture.text(Text::new(left + plot / 2.0, bottom + 38.0, axis, TEXT + 1.0).anchor(Anchor::Middle));
    for (i, cell) in cells.iter().enumerate() {
        let y = top + line * (i as f64 + 0.5);
        let name = font::fitted(&names[i], TEXT, most);
        picture.text(Text::new(left - 8.0, y + 4.0, name, TEXT).anchor(Anchor::End));
        let count = match metric {
            PlotMetric::Rate(rate) => {
                format!("{} of {}", cell.counts.hits(rate), cell.counts.verdicts())
            }
            PlotMetric::Median(_) | PlotMetric::LrSensitivity => {
                values[i].map_or_else(|| "no value".to_owned(), scale::number)
            }
        };
        let lost = if cell.counts.lost > 0 { format!(", {} lost", cell.counts.lost) } else { String::new() };
        picture.text(Text::new(left + plot + 10.0, y + 4.0, format!("{count}{lost}"), TEXT).colour(PALE_INK));
        let Some(value) = values[i].filter(|x| x.is_finite()) else { continue };
        if let PlotMetric::Rate(rate) = metric
            && let Some((low, high)) = cell.interval(table, rate)
        {
            picture
                .line(vec![(place(low), y), (place(high), y)], Stroke { colour: NAMED[0], width: 2.0, dashed: false });
        }
        let x = place(value);
        picture.rect(Area::new(x - 4.0, y - 4.0, 8.0, 8.0), INK);
    }
    picture
}

/// The smallest and the largest value of the axis.
fn ends(metric: PlotMetric, values: &[Option<f64>]) -> (f64, f64) {
    if let PlotMetric::Rate(_) = metric {
        return (0.0, 1.0);
    }
    let finite = || values.iter().flatten().copied().filter(|x| x.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    if high > low { (low, high) } else { (low, low + 1.0) }
}

fn ticks(metric: PlotMetric, low: f64, high: f64) -> Vec<f64> {
    match metric {
        PlotMetric::Rate(_) => vec![0.0, 0.25, 0.5, 0.75, 1.0],
        PlotMetric::Median(_) | PlotMetric::LrSensitivity => {
            [0.0, 0.5, 1.0].map(|part| low + part * (high - low)).to_vec()
        }
    }
}
