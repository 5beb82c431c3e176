//! The boundary of failure: the value of an axis at which half of the trials fail, against a second
//! axis, with a colour for each value of a third one and a panel for each combination of the rest.

use super::cells::DiagramCell;
use super::edges::{clamped, range};
use super::palette::NAMED;
use super::panel::{AxisRange, Form, LegendEntry, Line, Panel, Scale, solid};
use super::picture::Stroke;
use super::plan::{Frame, Page, PhaseAxes, levels};
use super::scale;
use super::table::Factor;
use super::words;
use blowup_core::spec::metric::Rate;
use std::collections::BTreeMap;

/// Where a rate goes from 0 to 1 along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// The largest value up to which no trial fails. It is the lower end of the window where trials
    /// fail at the smallest value.
    pub safe: f64,
    /// The geometric middle (the arithmetic one where a value is not above 0) of the last value at
    /// which fewer than half of the trials fail and the next one. It is an end of the window where
    /// the rate is not below or not above one half.
    pub half: f64,
    /// The smallest value from which on all trials fail, or the upper end of the window.
    pub dead: f64,
    /// Whether the rate falls below one half again above `half`.
    pub returns: bool,
}

impl Crossing {
    /// The crossing of rates at ascending values; `None` without values. `ends` is the window.
    pub fn of(rates: &[(f64, f64)], ends: (f64, f64)) -> Option<Crossing> {
        let first = rates.iter().position(|(_, rate)| *rate >= 0.5);
        let middle = |below: f64, above: f64| match below > 0.0 {
            true => (below * above).sqrt(),
            false => f64::midpoint(below, above),
        };
        let half = match first {
            None => ends.1,
            Some(0) => ends.0,
            Some(at) => middle(rates[at - 1].0, rates[at].0),
        };
        let safe = rates.iter().take_while(|(_, rate)| *rate == 0.0).last();
        let dead = rates.iter().rev().take_while(|(_, rate)| *rate == 1.0).last();
        let returns = first.is_some_and(|first| rates[first..].iter().any(|(_, rate)| *rate < 0.5));
        (!rates.is_empty()).then_some(Crossing {
            safe: safe.map_or(ends.0, |(value, _)| *value),
            half,
            dead: dead.map_or(ends.1, |(value, _)| *value),
            returns,
        })
    }
}

/// What the figure says of itself, without the last full stop. It is `None` of rates that do not
/// grow from safe values to others.
pub fn subtitle(rate: Rate) -> Option<String> {
    let [all, one] = match rate {
        Rate::Failure => ["fail", "fails"],
        Rate::Divergence => ["blow up", "blows up"],
        Rate::Nonfinite
        | Rate::Relapse
        | Rate::Ruined
        | Rate::Converged
        | Rate::Stalled
        | Rate::Unsettled
        | Rate::Untrained => return None,
    };
    Some(format!(
        "Lines: where half of the trials {all}. Upright strokes: from the largest value up to which none {one} to the smallest \
         from which on all {all}. Crosses: the rate falls below one half again above the line. A line at the lower or upper end \
         lies beyond the grid"
    ))
}

/// The panels of a page: one for each level of the rows of its diagram. There are none if x has not
/// three numbers, or y is no number. `cells` are those of the page.
pub fn panels(page: &Page<'_>, cells: &[DiagramCell], rate: Rate) -> Vec<Panel> {
    let Frame::Phase(axes) = page.frame else { return Vec::new() };
    let values = numbers(axes.x, &page.rows);
    let (Some(low), Some(high)) = (values.first(), values.last()) else { return Vec::new() };
    if values.len() < 3 || !axes.x.is_numeric() || !axes.y.is_numeric() {
        return Vec::new();
    }
    // A zero has no place on a logarithmic axis: it stands at its lower end.
    let above: Vec<f64> = values.iter().copied().filter(|value| *value > 0.0).collect();
    let is_zero_first = *low == 0.0 && above.len() > 1;
    let y = range(if is_zero_first { above } else { vec![*low, *high] }.into_iter(), 0.0);
    let window = (y.low, y.high);
    let x = wider(range(numbers(axes.y, &page.rows).into_iter(), 0.0));
    // By panel, by colour and along y: the rates by x.
    let mut rates: BTreeMap<(u32, u32, u32), Vec<(f64, f64)>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.counts.verdicts() > 0) {
        let Some(value) = axes.x.levels[cell.levels[0] as usize].number else { continue };
        let key = (row_of(&axes, cell), column_of(&axes, cell), cell.levels[1]);
        let share = cell.counts.hits(rate) as f64 / cell.counts.verdicts() as f64;
        rates.entry(key).or_default().push((value, share));
    }
    let mut rows: Vec<u32> = rates.keys().map(|key| key.0).collect();
    rows.dedup();
    let panel = |row: &u32| {
        let (mut lines, mut legend) = (Vec::new(), Vec::new());
        let mut columns: Vec<u32> = rates.keys().filter(|key| key.0 == *row).map(|key| key.1).collect();
        columns.dedup();
        for (number, column) in columns.iter().enumerate() {
            let colour = NAMED[number % NAMED.len()];
            // The strokes of several colours stand side by side.
            let aside = number as f64 - (columns.len() - 1) as f64 / 2.0;
            let crossings = rates.range((*row, *column, 0)..=(*row, *column, u32::MAX));
            let crossings: Vec<(f64, Crossing)> = crossings
                .filter_map(|(key, rates)| {
                    let along = axes.y.levels[key.2 as usize].number?;
                    Some((shifted(along, aside * 0.015, x), Crossing::of(rates, window)?))
                })
                .collect();
            for (x, crossing) in crossings.iter().filter(|(_, crossing)| crossing.safe < crossing.dead) {
                let points = [crossing.safe, crossing.dead].map(|value| (*x, clamped(value, y))).to_vec();
                lines.push(Line { points, stroke: Stroke { width: 1.2, ..solid(colour) }, shape: Form::Line });
            }
            let half = crossings.iter().map(|(x, crossing)| (*x, clamped(crossing.half, y))).collect();
            lines.push(Line { points: half, stroke: solid(colour), shape: Form::Line });
            let returning = crossings.iter().filter(|(_, crossing)| crossing.returns);
            let points: Vec<(f64, f64)> = returning.map(|(x, crossing)| (*x, clamped(crossing.half, y))).collect();
            if !points.is_empty() {
                lines.push(Line { points, stroke: solid(colour), shape: Form::Crosses });
            }
            if let Some(factor) = axes.columns {
                if number == 0 {
                    legend.push(LegendEntry { text: scale::title(factor.name), stroke: None });
                }
                legend.push(LegendEntry::line(words::at(factor, *column), solid(colour)));
            }
        }
        let of_row = axes.rows.map(|factor| (factor, *row));
        let names = of_row.into_iter().chain(page.fixed.iter().copied());
        let names = names.map(|(factor, code)| format!("{} = {}", factor.name, words::at(factor, code)));
        Panel {
            title: names.collect::<Vec<_>>().join(", "),
            x,
            y,
            x_title: scale::title(axes.y.name),
            y_title: scale::title(axes.x.name),
            lines,
            legend,
        }
    };
    rows.iter().map(panel).collect()
}

fn column_of(axes: &PhaseAxes<'_>, cell: &DiagramCell) -> u32 {
    axes.columns.map_or(0, |_| cell.levels[2])
}

fn row_of(axes: &PhaseAxes<'_>, cell: &DiagramCell) -> u32 {
    axes.rows.map_or(0, |_| cell.levels[2 + usize::from(axes.columns.is_some())])
}

/// The finite numbers of a factor among these rows, ascending.
fn numbers(factor: &Factor, rows: &[u32]) -> Vec<f64> {
    let number = |code: &u32| factor.levels[*code as usize].number;
    levels(factor, rows).iter().filter_map(number).filter(|number| number.is_finite()).collect()
}

/// A value that is moved by a share of an axis.
fn shifted(value: f64, share: f64, axis: AxisRange) -> f64 {
    match axis.scale {
        Scale::Log => value * (axis.high / axis.low).powf(share),
        Scale::Linear | Scale::Log1p => value + (axis.high - axis.low) * share,
    }
}

/// An axis with room beside its ends.
fn wider(axis: AxisRange) -> AxisRange {
    const ROOM: f64 = 0.06;
    AxisRange { low: shifted(axis.low, -ROOM, axis), high: shifted(axis.high, ROOM, axis), ..axis }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crossing_lies_between_the_values_that_enclose_one_half() {
        let of = |rates: [f64; 4]| {
            let values = [0.1, 1.0, 10.0, 100.0];
            let rates: Vec<(f64, f64)> = values.into_iter().zip(rates).collect();
            let found = Crossing::of(&rates, (0.01, 1000.0)).unwrap();
            (found.safe, (found.half * 1e4).round() / 1e4, found.dead, found.returns)
        };
        assert_eq!(of([0.0, 0.2, 0.6, 1.0]), (0.1, 3.1623, 100.0, false));
        assert_eq!(of([0.0, 0.0, 1.0, 1.0]), (1.0, 3.1623, 10.0, false));
        assert_eq!(of([0.0, 0.0, 0.4, 0.4]), (1.0, 1000.0, 1000.0, false));
        assert_eq!(of([1.0, 1.0, 1.0, 1.0]), (0.01, 0.01, 0.1, false));
        assert_eq!(of([0.0, 1.0, 0.0, 1.0]), (0.1, 0.3162, 100.0, true));
        assert_eq!(Crossing::of(&[], (0.0, 1.0)), None);
        let linear = Crossing::of(&[(0.0, 0.0), (1.0, 1.0)], (0.0, 1.0)).unwrap();
        assert_eq!(linear.half, 0.5);
    }
}
