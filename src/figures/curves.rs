//! Survival curves. Each axis has a panel. In it each value of the axis has two curves: the share
//! of its trials that have not diverged yet, and the share of those that are still finite.

use super::palette::{Colour, NAMED, step};
use super::panel::{AxisRange, Form, LegendEntry, Line, Panel, dashed, solid};
use super::picture::Stroke;
use super::plan::levels;
use super::scale;
use super::survival::{Curve, curve};
use super::table::{Factor, SurvivalEvent, TrialTable};
use super::words;

/// How many curves a panel has at most, if their values are numbers and have shades in order.
const SHADES: usize = 7;
/// How many curves a panel has at most, if their values are names and have colours.
const COLOURS: usize = NAMED.len();

/// The points of a line.
type Points = Vec<(f64, f64)>;

/// One level in a panel: the trials that have it, and their colour.
pub struct Share {
    pub name: String,
    pub colour: Colour,
    pub rows: Vec<u32>,
}

/// A panel for each of the axes `by`, and what the figure says of itself. None if no trial was
/// trained for an epoch.
pub fn panels(table: &TrialTable, by: &[&Factor], rows: &[u32]) -> Option<(Vec<Panel>, String)> {
    let budget = table.factor("epochs")?;
    let end = rows.iter().filter_map(|row| budget.level(*row).number).fold(0.0, f64::max);
    if end == 0.0 {
        return None;
    }
    let mut panels = Vec::new();
    for factor in by {
        let (shares, all) = (shares(factor, rows), levels(factor, rows).len());
        let parts = shares.len();
        for (i, shares) in shares.into_iter().enumerate() {
            let part = match parts {
                1 if shares.len() < all => format!(", {} of its {all} values", shares.len()),
                1 => String::new(),
                parts => format!(", {} of {parts}", i + 1),
            };
            panels.push(panel(table, format!("by {}{part}", scale::title(factor.name)), end, &shares));
        }
    }
    if by.is_empty() {
        let all = Share { name: "all trials".to_owned(), colour: NAMED[0], rows: rows.to_vec() };
        panels.push(panel(table, String::new(), end, &[all]));
    }
    let all = curve(table, rows, SurvivalEvent::Diverged);
    let lost = if all.lost > 0 { format!(", {} lost", all.lost) } else { String::new() };
    let subtitle = format!(
        "Solid: share of trials that have not crossed the threshold yet, with its 95% interval, which goes by seeds. Dashed: share of trials \
         whose loss and gradient are still finite. Estimator of Kaplan and Meier; a trial that comes through is censored at its last epoch \
         (upright strokes). Legend: the share left in the end, of so many. {}{lost}.",
        words::trials_of(all.trials)
    );
    Some((panels, subtitle))
}

/// The levels of a factor, divided among panels. Of many numbers only some are shown, evenly
/// chosen, in one panel. Names fill as many panels as they need.
pub fn shares(factor: &Factor, rows: &[u32]) -> Vec<Vec<Share>> {
    let all = levels(factor, rows);
    let numeric = factor.is_numeric();
    let share = |code: u32, colour: Colour| Share {
        name: words::at(factor, code),
        colour,
        rows: rows.iter().copied().filter(|row| factor.code(*row) == code).collect(),
    };
    if numeric {
        let shown = all.len().min(SHADES);
        let pick = |i: usize| all[if shown > 1 { (i * (all.len() - 1) + (shown - 1) / 2) / (shown - 1) } else { 0 }];
        return vec![(0..shown).map(|i| share(pick(i), step(i, shown))).collect()];
    }
    all.chunks(all.len().div_ceil(all.len().div_ceil(COLOURS)).max(1))
        .map(|part| part.iter().zip(NAMED).map(|(code, colour)| share(*code, colour)).collect())
        .collect()
}

/// One panel: the curves of these levels up to epoch `end`. A curve that another one covers is told
/// in the legend.
fn panel(table: &TrialTable, title: String, end: f64, shares: &[Share]) -> Panel {
    let (mut bands, mut lines, mut legend) = (Vec::new(), Vec::new(), Vec::new());
    let mut drawn: Vec<(&str, [Points; 2])> = Vec::new();
    for share in shares {
        let [alive, finite] =
            [SurvivalEvent::Diverged, SurvivalEvent::Nonfinite].map(|event| curve(table, &share.rows, event));
        let band = Line { points: band(&alive), stroke: solid(share.colour), shape: Form::Area };
        // Equal bands on top of each other would look like a narrower one.
        if !bands.iter().any(|other: &Line| other.points == band.points) {
            bands.push(band);
        }
        let shown = [steps(&alive), steps(&finite)];
        for (points, stroke) in shown.iter().zip([solid(share.colour), dashed(share.colour)]).rev() {
            lines.push(Line { points: points.clone(), stroke, shape: Form::Steps });
        }
        let censored = alive.points.iter().filter(|point| point.censored > 0);
        let points = censored.map(|point| (f64::from(point.epoch), point.survival)).collect();
        let stroke = Stroke { width: 1.2, ..solid(share.colour) };
        lines.push(Line { points, stroke, shape: Form::Ticks });
        let equal = drawn.iter().find(|(_, other)| *other == shown).map(|(name, _)| format!(", as {name}"));
        let (left, of, equal) = (last(&alive), alive.trials, equal.unwrap_or_default());
        legend.push(LegendEntry::line(format!("{}: {left:.2} of {of}{equal}", share.name), solid(share.colour)));
        drawn.push((&share.name, shown));
    }
    let lines = bands.into_iter().chain(lines).collect();
    Panel {
        title,
        x: AxisRange::epochs(end),
        y: AxisRange::linear(-0.02, 1.02),
        x_title: "epoch".to_owned(),
        y_title: "share of trials".to_owned(),
        lines,
        legend,
    }
}

/// The share that survives to the end.
fn last(curve: &Curve) -> f64 {
    curve.points.last().map_or(1.0, |point| point.survival)
}

/// The outline of the intervals of a curve: along their upper ends, and back along the lower ones.
fn band(curve: &Curve) -> Vec<(f64, f64)> {
    let (mut upper, mut lower) = (Vec::new(), Vec::new());
    // Nothing is known before the first epoch has ended.
    if curve.points.first().is_some_and(|first| first.epoch > 1) {
        (upper, lower) = (vec![(1.0, 1.0)], vec![(1.0, curve.low)]);
    }
    for point in &curve.points {
        for (ends, end) in [(&mut upper, point.high), (&mut lower, point.low)] {
            // An interval holds until the next epoch in which something happens.
            let before = ends.last().map(|(_, end)| *end);
            ends.extend(before.map(|before| (f64::from(point.epoch), before)));
            ends.push((f64::from(point.epoch), end));
        }
    }
    lower.reverse();
    upper.into_iter().chain(lower).collect()
}

/// The points of a curve, from 1 at epoch 0.
fn steps(curve: &Curve) -> Vec<(f64, f64)> {
    let first = (curve.trials > 0).then_some((0.0, 1.0));
    first.into_iter().chain(curve.points.iter().map(|point| (f64::from(point.epoch), point.survival))).collect()
}
