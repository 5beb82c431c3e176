//! The boundary of failure: the value of an axis at which half of the trials fail, against a second
//! axis, with a colour for each value of a third one and a panel for each combination of the rest.

use super::cells::DiagramCell;
use super::edges::{clamped, range};
use super::palette::NAMED;
use super::panel::{AxisRange, Form, LegendEntry, Line, Panel, Scale, solid};
use super::picture::Stroke;
use super::plan::{Frame, Page, PhaseAxes, levels};
use super::scale;
use super::table::{Factor, TrialTable};
use super::words;
use blowup_core::edge::answer::Answer;
use blowup_core::edge::search::Seeds;
use blowup_core::spec::metric::Rate;
use std::collections::BTreeMap;

/// Where a rate goes from 0 to 1 along an axis, as it is drawn: what lies beyond the tried values
/// stands at an end of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// The largest value up to which no trial fails.
    pub safe: f64,
    /// The geometric middle (the arithmetic one where a value is not above 0) of the last value up
    /// to which fewer than half of the trials fail and the next one.
    pub half: f64,
    /// The smallest value from which on all trials fail.
    pub dead: f64,
    pub reentrant: bool,
}

impl Crossing {
    /// The crossing of tried values, which ascend; `None` without values. It is the answer of an
    /// edge that tried these values.
    pub fn of(tried: &[(f64, Seeds)], window: (f64, f64)) -> Option<Crossing> {
        let values: Vec<(f64, &Seeds)> = tried.iter().map(|(value, seeds)| (*value, seeds)).collect();
        let Answer { safe_up_to, dead_from, brackets, reentrant } = Answer::of(&values, &[0.5]);
        let below = brackets.first()?.low;
        let middle = |below: f64, above: f64| match below > 0.0 {
            true => (below * above).sqrt(),
            false => f64::midpoint(below, above),
        };
        let half = match tried.iter().find(|(value, _)| *value > below) {
            None => window.1,
            Some(_) if below == f64::NEG_INFINITY => window.0,
            Some((above, _)) => middle(below, *above),
        };
        let inside = |value: f64| value.clamp(window.0, window.1);
        (!tried.is_empty()).then_some(Crossing { safe: inside(safe_up_to), half, dead: inside(dead_from), reentrant })
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
         from which on all {all}. Crosses: re-entrant, the rate falls again above the line. A line at the lower or upper end lies beyond \
         the grid"
    ))
}

/// The panels of a page: one for each level of the rows of its diagram. There are none if x has not
/// three numbers, or y is no number. `cells` are those of the page.
pub fn panels(table: &TrialTable, page: &Page<'_>, cells: &[DiagramCell], rate: Rate) -> Vec<Panel> {
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
    // By panel, by colour and along y: by x, which of the trials with a verdict fail.
    let mut tried: BTreeMap<(u32, u32, u32), Vec<(f64, Seeds)>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.counts.verdicts() > 0) {
        let Some(value) = axes.x.levels[cell.levels[0] as usize].number else { continue };
        let key = (row_of(&axes, cell), column_of(&axes, cell), cell.levels[1]);
        tried.entry(key).or_default().push((value, cell.events(table, rate)));
    }
    let mut rows: Vec<u32> = tried.keys().map(|key| key.0).collect();
    rows.dedup();
    let panel = |row: &u32| {
        let (mut lines, mut legend) = (Vec::new(), Vec::new());
        let mut columns: Vec<u32> = tried.keys().filter(|key| key.0 == *row).map(|key| key.1).collect();
        columns.dedup();
        for (number, column) in columns.iter().enumerate() {
            let colour = NAMED[number % NAMED.len()];
            // The strokes of several colours stand side by side.
            let aside = number as f64 - (columns.len() - 1) as f64 / 2.0;
            let crossings = tried.range((*row, *column, 0)..=(*row, *column, u32::MAX));
            let crossings: Vec<(f64, Crossing)> = crossings
                .filter_map(|(key, tried)| {
                    let along = axes.y.levels[key.2 as usize].number?;
                    Some((shifted(along, aside * 0.015, x), Crossing::of(tried, window)?))
                })
                .collect();
            for (x, crossing) in crossings.iter().filter(|(_, crossing)| crossing.safe < crossing.dead) {
                let points = [crossing.safe, crossing.dead].map(|value| (*x, clamped(value, y))).to_vec();
                lines.push(Line { points, stroke: Stroke { width: 1.2, ..solid(colour) }, shape: Form::Line });
            }
            let half = crossings.iter().map(|(x, crossing)| (*x, clamped(crossing.half, y))).collect();
            lines.push(Line { points: half, stroke: solid(colour), shape: Form::Line });
            let returning = crossings.iter().filter(|(_, crossing)| crossing.reentrant);
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
        let of = |failed: [usize; 4]| {
            let seeds = |failed: usize| (0..5).map(|seed| seed < failed).collect::<Seeds>();
            let values = [0.1, 1.0, 10.0, 100.0];
            let tried: Vec<(f64, Seeds)> = values.into_iter().zip(failed.map(seeds)).collect();
            let found = Crossing::of(&tried, (0.01, 1000.0)).unwrap();
            (found.safe, (found.half * 1e4).round() / 1e4, found.dead, found.reentrant)
        };
        assert_eq!(of([0, 1, 3, 5]), (0.1, 3.1623, 100.0, false));
        assert_eq!(of([0, 0, 5, 5]), (1.0, 3.1623, 10.0, false));
        assert_eq!(of([0, 0, 2, 2]), (1.0, 1000.0, 1000.0, false));
        assert_eq!(of([5, 5, 5, 5]), (0.01, 0.01, 0.1, false));
        assert_eq!(of([0, 5, 0, 5]), (0.1, 0.3162, 100.0, true));
        assert_eq!(Crossing::of(&[], (0.0, 1.0)), None);
        let linear = Crossing::of(&[(0.0, vec![false]), (1.0, vec![true])], (0.0, 1.0)).unwrap();
        assert_eq!(linear.half, 0.5);
    }
}
