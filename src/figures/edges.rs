//! Pictures of `edges.csv`, one for each edge of a spec: the largest safe value and the smallest
//! dead value against the first numeric axis of `by`, with a band between them, a colour for each
//! value of the next axis, and a panel for each combination of the others.

use super::gallery::{Figure, Source, slug};
use super::palette::{Colour, NAMED};
use super::panel::{AxisRange, Form, LegendEntry, Line, Panel, Scale, dashed, sheet, solid};
use super::picture::Stroke;
use super::scale;
use blowup_core::edge::table::FIXED;
use blowup_core::record;

/// A line of an edge, as its row has it.
struct Row {
    edge: String,
    over: String,
    /// The values of the axes of `by`, in the order of the columns.
    by: Vec<String>,
    safe_up_to: f64,
    dead_from: f64,
    reentrant: bool,
}

/// The figures of a whole `edges.csv`. `source` is the sweep. A line whose search is
/// not over has no ends and is not drawn.
pub fn draw(source: &Source, text: &str) -> Vec<Figure> {
    let mut lines = text.lines().map(|line| record::fields(line.as_bytes()));
    let cells = |fields: &[std::borrow::Cow<'_, [u8]>]| -> Vec<String> {
        fields.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
    };
    let Some(header) = lines.next().map(|fields| cells(&fields)) else { return Vec::new() };
    let place = |name: &str| header.iter().position(|column| column == name);
    let (Some(edge), Some(reentrant)) = (place(FIXED[0]), place(FIXED[4])) else { return Vec::new() };
    let row = |fields: Vec<String>| {
        let number = |at: usize| fields.get(at).and_then(|cell| cell.parse().ok());
        Some(Row {
            edge: fields.get(edge)?.clone(),
            over: fields.get(edge + 1)?.clone(),
            by: fields.get(..edge)?.to_vec(),
            safe_up_to: number(edge + 2)?,
            dead_from: number(edge + 3)?,
            reentrant: fields.get(reentrant)? == "true",
        })
    };
    let rows: Vec<Row> = lines.filter_map(|fields| row(cells(&fields))).collect();
    let mut names: Vec<&str> = rows.iter().map(|row| row.edge.as_str()).collect();
    names.dedup();
    let of = |name: &&str| rows.iter().filter(|row| row.edge == **name).collect::<Vec<&Row>>();
    names.iter().map(|name| figure(source, name, &header[..edge], &of(name))).collect()
}

fn figure(source: &Source, name: &str, by: &[String], rows: &[&Row]) -> Figure {
    let varying: Vec<usize> =
        (0..by.len()).filter(|at| rows.iter().any(|row| row.by[*at] != rows[0].by[*at])).collect();
    let x = varying.iter().copied().find(|at| rows.iter().all(|row| row.by[*at].parse::<f64>().is_ok()));
    let mut others = varying.into_iter().filter(|at| Some(*at) != x);
    let (colours, apart) = (others.next(), others.collect::<Vec<usize>>());
    let key = |row: &Row| apart.iter().map(|at| format!("{} {}", by[*at], row.by[*at])).collect::<Vec<_>>().join(", ");
    let mut keys: Vec<String> = Vec::new();
    rows.iter().map(|row| key(row)).for_each(|key| {
        if !keys.contains(&key) {
            keys.push(key)
        }
    });
    let finite = rows.iter().flat_map(|row| [row.safe_up_to, row.dead_from]).filter(|value| value.is_finite());
    let y = range(finite, 1.0);
    let xs = rows.iter().enumerate().map(|(at, row)| position(row, x, at));
    let x_range = range(xs, 0.0);
    let panels: Vec<Panel> = keys
        .iter()
        .map(|title| {
            let (mut lines, mut legend) = (Vec::new(), Vec::new());
            let here: Vec<&&Row> = rows.iter().filter(|row| key(row) == *title).collect();
            let mut values: Vec<&str> = Vec::new();
            let value = |row: &Row| {
                colours
                    .map_or("", |at| rows.iter().find(|other| other.by[at] == row.by[at]).map_or("", |row| &row.by[at]))
            };
            here.iter().map(|row| value(row)).for_each(|value| {
                if !values.contains(&value) {
                    values.push(value)
                }
            });
            for (number, shown) in values.iter().enumerate() {
                let colour = NAMED[number % NAMED.len()];
                let mut points: Vec<(f64, &Row)> = here
                    .iter()
                    .enumerate()
                    .filter(|(_, row)| value(row) == *shown)
                    .map(|(at, row)| (position(row, x, at), **row))
                    .collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                let along =
                    |get: fn(&Row) -> f64| points.iter().map(|(x, row)| (*x, clamped(get(row), y))).collect::<Vec<_>>();
                let (safe, dead) = (along(|row| row.safe_up_to), along(|row| row.dead_from));
                let band: Vec<_> = safe.iter().copied().chain(dead.iter().rev().copied()).collect();
                // The band of a single line of the edge has no width.
                let shape = if safe.len() > 1 { Form::Area } else { Form::Line };
                let stroke = match shape {
                    Form::Area => solid(colour),
                    Form::Line | Form::Steps | Form::Ticks | Form::Crosses => {
                        Stroke { width: 8.0, ..solid(pale(colour)) }
                    }
                };
                lines.push(Line { points: band, stroke, shape });
                lines.push(Line { points: dead, stroke: dashed(colour), shape: Form::Line });
                lines.push(Line { points: safe, stroke: solid(colour), shape: Form::Line });
                let returns = points.iter().filter(|(_, row)| row.reentrant);
                let returns: Vec<_> = returns.map(|(x, row)| (*x, clamped(row.safe_up_to, y))).collect();
                if !returns.is_empty() {
                    let stroke = Stroke { width: 2.0, ..solid(colour) };
                    lines.push(Line { points: returns, stroke, shape: Form::Crosses });
                }
                let text = colours.map_or_else(|| "safe up to".to_owned(), |at| format!("{} {shown}", by[at]));
                legend.push(LegendEntry::line(text, solid(colour)));
            }
            // The bands of all colours lie below all lines.
            lines.sort_by_key(|line| line.shape != Form::Area);
            Panel {
                title: title.clone(),
                x: x_range,
                y,
                x_title: x.map_or_else(|| "line of edges.csv".to_owned(), |at| scale::title(&by[at])),
                y_title: scale::title(&rows[0].over),
                lines,
                legend,
            }
        })
        .collect();
    let subtitle = "Solid: the largest value up to which no seed has the event. Dashed: the smallest value from which on every seed has it. \
                    The band between them is where it depends on the seed, or on more. Crosses: re-entrant, the rate falls again above. \
                    A value at the lower or upper end may lie outside of the window.";
    let title = source.titled(format!("{name} ({})", source.name));
    let picture = sheet(&title, &source.subtitled(subtitle.to_owned()), &panels, source.canvas);
    Figure { name: slug(&["edge".to_owned(), name.to_owned()]), picture }
}

/// Where a line stands on the horizontal axis: at its value, or at its number.
fn position(row: &Row, x: Option<usize>, number: usize) -> f64 {
    x.and_then(|at| row.by[at].parse().ok()).unwrap_or(number as f64 + 1.0)
}

/// An axis around these values, logarithmic where they span more than `decades` decades and more
/// than a factor of two.
pub(super) fn range(values: impl Iterator<Item = f64>, decades: f64) -> AxisRange {
    let values: Vec<f64> = values.collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low > 0.0 && high.is_finite() && (decades > 0.0 || high / low > 20.0) {
        return AxisRange::decades(values.into_iter()).expect("there is a value above 0");
    }
    match low < high {
        true => AxisRange::linear(low, high),
        false if low.is_finite() => AxisRange::linear(low - 1.0, low + 1.0),
        false => AxisRange { low: 1.0, high: 10.0, scale: Scale::Log },
    }
}

/// A value as it can be drawn: one beyond the axis stands at its end.
pub(super) fn clamped(value: f64, axis: AxisRange) -> f64 {
    value.clamp(axis.low, axis.high)
}

/// The colour mixed with four times as much white.
fn pale(colour: Colour) -> Colour {
    let mix = |part: u8| (255 * 4 + u16::from(part)) / 5;
    Colour(mix(colour.0) as u8, mix(colour.1) as u8, mix(colour.2) as u8)
}
