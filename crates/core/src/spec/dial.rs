//! A dial of a grid block: the settings through which one axis steps, or several axes that advance
//! together. A setting is made when it is asked for, so a range of a billion points costs nothing
//! until it is run.

use super::range::{self, Divided};
use super::report::{Mistake, Problems};
use super::source::{Node, Raw, Span};
use super::value::{self, Written};
use crate::axis::{Axis, AxisSet, COUNT, Id, Kind};
use crate::trial::{Clip, Value};

/// The value of an axis at a point, before it is divided by the value of the axis `per`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    pub value: Value,
    pub per: Option<Id>,
}

/// What is set at one point of a block. The other axes have their defaults.
#[derive(Debug, Clone)]
pub struct Point {
    /// The values of the built-in axes, by their places in the table.
    built_in: [Option<Cell>; COUNT],
    declared: Vec<(Id, Cell)>,
}

/// A point at which no axis is set.
pub const NOTHING_SET: Point = Point { built_in: [None; COUNT], declared: Vec::new() };

impl Point {
    /// What is set for an axis.
    pub fn get(&self, id: Id) -> Option<Cell> {
        match id.place() {
            Some(place) => self.built_in[place],
            None => self.declared.iter().find(|(axis, _)| *axis == id).map(|(_, cell)| *cell),
        }
    }

    fn set(&mut self, id: Id, cell: Option<Cell>) {
        match id.place() {
            Some(place) => self.built_in[place] = cell,
            None => {
                self.declared.retain(|(axis, _)| *axis != id);
                self.declared.extend(cell.map(|cell| (id, cell)));
            }
        }
    }
}

/// The settings of one or several axes, in their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Dial {
    /// A range of a float axis that stands alone.
    Range { axis: Id, divided: Divided },
    /// Rows with one cell for each axis of `axes`. An empty cell leaves its axis alone.
    Rows { axes: Vec<Id>, rows: Vec<Vec<Option<Cell>>> },
}

/// The most points of a list or an integer range, which are kept in memory.
pub const LISTED: u64 = 1_000_000;

impl Dial {
    /// The number of settings.
    pub fn len(&self) -> u64 {
        match self {
            Dial::Range { divided, .. } => divided.range.points,
            Dial::Rows { rows, .. } => rows.len() as u64,
        }
    }

    /// The number of rows that are kept in memory.
    pub fn listed(&self) -> u64 {
        match self {
            Dial::Range { .. } => 0,
            Dial::Rows { rows, .. } => rows.len() as u64,
        }
    }

    /// The axes of the dial, in the order of its cells.
    pub fn axes(&self) -> &[Id] {
        match self {
            Dial::Range { axis, .. } => std::slice::from_ref(axis),
            Dial::Rows { axes, .. } => axes,
        }
    }

    /// Sets the axes of the dial in `point` to its setting at `position`.
    pub fn set(&self, position: u64, point: &mut Point) {
        match self {
            Dial::Range { axis, divided } => point.set(*axis, Some(range_cell(divided, position))),
            Dial::Rows { axes, rows } => {
                for (axis, cell) in axes.iter().zip(&rows[position as usize]) {
                    point.set(*axis, *cell);
                }
            }
        }
    }

    /// The cells of `axis`. Of a range they are its ends, between which the others lie.
    pub fn cells(&self, axis: Id) -> Vec<Option<Cell>> {
        match self {
            Dial::Range { axis: own, .. } if *own != axis => Vec::new(),
            Dial::Range { divided, .. } => {
                [0, divided.range.points - 1].iter().map(|&i| Some(range_cell(divided, i))).collect()
            }
            Dial::Rows { axes, rows } => match axes.iter().position(|&own| own == axis) {
                Some(column) => rows.iter().map(|row| row[column]).collect(),
                None => Vec::new(),
            },
        }
    }

    /// A dial of the first setting alone.
    pub fn first(&self) -> Dial {
        let axes = self.axes().to_vec();
        let mut point = NOTHING_SET;
        self.set(0, &mut point);
        Dial::Rows { rows: vec![axes.iter().map(|&id| point.get(id)).collect()], axes }
    }

    /// The dial without the axes in `taken`, which another table sets; `None` if nothing is left.
    pub fn without(self, taken: &[Id], known: &AxisSet) -> Option<Dial> {
        if !self.axes().iter().any(|axis| taken.contains(axis)) {
            return Some(self);
        }
        let Dial::Rows { axes, rows } = self else { return None };
        let kept: Vec<usize> = (0..axes.len()).filter(|&i| !taken.contains(&axes[i])).collect();
        if kept.is_empty() {
            return None;
        }
        let rows = rows.iter().map(|row| kept.iter().map(|&i| row[i]).collect()).collect();
        Some(Dial::Rows { axes: kept.iter().map(|&i| axes[i]).collect(), rows }.distinct(known))
    }

    /// Clears the cells that cannot apply beside the others of their row, and then drops the rows
    /// that came before.
    pub fn distinct(self, known: &AxisSet) -> Dial {
        let Dial::Rows { axes, mut rows } = self else { return self };
        for row in &mut rows {
            for i in 0..axes.len() {
                let idle = !known.of_program
                    && axes[i].axis().needs.iter().any(|need| {
                        let other = axes.iter().position(|&axis| axis == need.axis).and_then(|j| row[j]);
                        other.is_some_and(|cell| cell.per.is_none() && !need.holds(cell.value))
                    });
                if idle {
                    row[i] = None;
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        rows.retain(|row| seen.insert(row.iter().map(key).collect::<Vec<_>>()));
        Dial::Rows { axes, rows }
    }
}

fn range_cell(divided: &Divided, position: u64) -> Cell {
    Cell { value: Value::Float(divided.range.at(position)), per: divided.per }
}

/// A cell in a form that can be hashed.
fn key(cell: &Option<Cell>) -> Option<(u8, u64, &'static str, Option<Id>)> {
    cell.map(|Cell { value, per }| match value {
        Value::Text(text) => (0, 0, text, per),
        Value::Integer(i) => (1, i, "", per),
        Value::Float(x) => (2, x.to_bits(), "", per),
        Value::Boolean(b) => (3, u64::from(b), "", per),
    })
}

/// Reads what a spec gives `axis`: a value, a list, a range, or a list that holds ranges. Equal
/// rows are kept, for `zip`. It returns `None` after a mistake.
pub fn read(axis: &'static Axis, node: &Node, known: &AxisSet, problems: &mut Problems) -> Option<Dial> {
    if let (Raw::Table(entries), Kind::Float { .. }) = (&node.raw, &axis.kind) {
        let divided = range::read(axis, entries, &node.span, known, problems)?;
        return Some(Dial::Range { axis: axis.id, divided });
    }
    let single = std::slice::from_ref(node);
    let items = if let Raw::List(items) = &node.raw { items } else { single };
    if items.is_empty() {
        problems.add(&node.span, format!("`{}` has no values", axis.name), "give it at least one, or leave it out");
        return None;
    }
    if items.len() as u64 > LISTED {
        problems.push(&node.span, too_many(axis));
        return None;
    }
    let (mut cells, mut fine) = (Vec::new(), true);
    for item in items {
        // A table of `network` names a file.
        if let Some(entries) = item.raw.table().filter(|_| axis.id != Id::Network) {
            match range::read(axis, entries, &item.span, known, problems) {
                Some(divided) if cells.len() as u64 + divided.range.points <= LISTED => {
                    points(axis, divided, &mut cells)
                }
                Some(_) => {
                    problems.push(&item.span, too_many(axis));
                    fine = false;
                }
                None => fine = false,
            }
            continue;
        }
        let written = value::typed(axis, &item.raw).and_then(|written| checked(axis, written));
        match problems.keep(&item.span, written) {
            Some(Written { value, number }) => cells.push((Some(Cell { value, per: None }), number)),
            None => fine = false,
        }
    }
    // Beside a short form no `clip_threshold` can be given.
    if axis.id == Id::Clip && cells.iter().any(|(_, number)| number.is_some()) {
        for (item, _) in items.iter().zip(&cells).filter(|(_, (cell, number))| number.is_none() && clips(*cell)) {
            clips_nothing(&item.span, problems);
        }
    }
    fine.then(|| rows(axis, cells))
}

/// Whether a cell of `clip` is a kind of clipping.
pub fn clips(cell: Option<Cell>) -> bool {
    matches!(cell, Some(Cell { value: Value::Text(name), .. }) if Clip::RULES.contains(&name))
}

/// Warns that a kind of clipping has no threshold.
pub fn clips_nothing(span: &Span, problems: &mut Problems) {
    let hint = "write clip = \"norm(1.0)\", or set `clip_threshold`; its default, inf, is no clipping";
    problems.warn(span, "`clip` has no threshold here, so it clips nothing", hint);
}

fn too_many(axis: &Axis) -> Mistake {
    let message = format!("the values of `{}` are more than {LISTED}", axis.name);
    Mistake::new(message, "take fewer points; only a range of decimals that stands alone may be longer")
}

fn checked(axis: &Axis, written: Written) -> Result<Written, Mistake> {
    value::allowed(axis, written.value)?;
    if let (Kind::Choice { short: Some(short), .. }, Some(number)) = (&axis.kind, written.number) {
        value::allowed(short.sets.axis(), Value::Float(number))?;
        if written.value != Value::Text("constant") && short.sets == Id::InitScale && number < 0.0 {
            return Err(negative_scale());
        }
        if written.value == Value::Text("autoclip") && is_no_percentile(number) {
            return Err(no_percentile());
        }
    }
    Ok(written)
}

/// The mistake that only `constant` may have a negative scale.
pub fn negative_scale() -> Mistake {
    Mistake::new("`init_scale` is below 0", "only init = \"constant\" may be negative")
}

/// Whether a threshold of autoclip is above 100. Infinity means that nothing is clipped.
pub fn is_no_percentile(threshold: f64) -> bool {
    threshold > 100.0 && threshold.is_finite()
}

/// The mistake that it is.
pub fn no_percentile() -> Mistake {
    Mistake::new("the percentile of `autoclip` is above 100", "for example clip = \"autoclip(10)\"")
}

/// Appends the points of a range. Integers are rounded, and each of them comes once.
fn points(axis: &Axis, divided: Divided, cells: &mut Vec<(Option<Cell>, Option<f64>)>) {
    let start = cells.len();
    // Integers that are divided are rounded after the division.
    let whole = matches!(axis.kind, Kind::Integer { .. }) && divided.per.is_none();
    for i in 0..divided.range.points {
        let mut cell = range_cell(&divided, i);
        if let (true, Value::Float(x)) = (whole, cell.value) {
            cell.value = Value::Integer(x.round() as u64);
        }
        if cells[start..].last() != Some(&(Some(cell), None)) {
            cells.push((Some(cell), None));
        }
    }
}

/// The dial of these cells: one column, or two where a short form sets a second axis. Then names
/// without a number have the second axis at its default.
fn rows(axis: &Axis, cells: Vec<(Option<Cell>, Option<f64>)>) -> Dial {
    let sets = axis.id.short_form().filter(|_| cells.iter().any(|(_, number)| number.is_some()));
    let Some(sets) = sets else {
        return Dial::Rows { axes: vec![axis.id], rows: cells.into_iter().map(|(cell, _)| vec![cell]).collect() };
    };
    let row = |(cell, number): (Option<Cell>, Option<f64>)| {
        let value = number.map(Value::Float).or(sets.axis().usual());
        vec![cell, value.map(|value| Cell { value, per: None })]
    };
    Dial::Rows { axes: vec![axis.id, sets], rows: cells.into_iter().map(row).collect() }
}
