//! `[[edge]]`: a block whose trials are not all trained. Along one of its axes, `over`, only those
//! values are tried that decide where an event begins; see the room [`edge`](crate::edge). A
//! combination of the other axes is a *line*, and its values are a fixed lattice.

use super::block::{AxisKey, AxisSetting, Block};
use super::dial::{self, Dial, Point};
use super::draft::{Draft, DraftReader, Over};
use super::event::{self, Event};
use super::expect::columns;
use super::filter::Attribute;
use super::grid::Grid;
use super::key::{self, MOST_LINES};
use super::lattice::{self, Lattice};
use super::report::{Mistake, Problems};
use super::settings::tables;
use super::source::{Entry, Node, Raw, Span};
use crate::axis::{Axis, Id};
use crate::edge::table::FIXED;
use crate::verdict::Record;
use std::collections::HashSet;
use std::ops::Range;

/// An edge that was checked.
#[derive(Debug)]
pub struct Edge {
    pub name: String,
    pub over: &'static Axis,
    /// The attributes that tell its lines apart, and perhaps more.
    pub by: Vec<Attribute>,
    pub event: Event,
    /// The shares of the seeds for which there are brackets.
    pub shares: Vec<f64>,
    pub lattice: Lattice,
    /// How many combinations the other axes have, before any is dropped.
    pub combinations: u64,
    /// The lines that no `[[exclude]]` drops, each once, by their numbers among the combinations.
    pub lines: Vec<u64>,
    pub seeds: u64,
    /// The first point of its block in the grid.
    start: u64,
}

impl Edge {
    /// The points of the grid at which the trials of a line with this value stand, one for each
    /// seed. `position` is the position of the value in the lattice.
    pub fn points(&self, line: u64, position: usize) -> Range<u64> {
        let first = self.start + (line * self.lattice.len() as u64 + position as u64) * self.seeds;
        first..first + self.seeds
    }

    /// The trials of the first round.
    pub fn first_trials(&self) -> u64 {
        (self.lines.len() * self.lattice.first.len()) as u64 * self.seeds
    }

    /// The most trials that it can take: those of every value of the lattice.
    pub fn most_trials(&self) -> u64 {
        (self.lines.len() * self.lattice.len()) as u64 * self.seeds
    }

    /// Whether the attribute differs among the trials of one line.
    pub fn is_along(&self, column: &Attribute) -> bool {
        matches!(column, Attribute::Axis(axis) if axis.id == self.over.id || matches!(axis.id, Id::Seed | Id::DataSeed))
    }
}

/// An edge as it is read, beside its block.
pub struct Head {
    name: String,
    over: &'static Axis,
    by: Option<(Vec<Attribute>, Span)>,
    event: Event,
    shares: Vec<f64>,
    lattice: Lattice,
    span: Span,
}

/// Reads `[[edge]]`. Of each edge there is its block, and its head if that has no mistake.
pub fn drafts(
    node: &Node,
    reader: &mut DraftReader<'_>,
    record: &Record,
    problems: &mut Problems,
) -> (Vec<Option<Head>>, Vec<Draft>) {
    let (mut heads, mut drafts): (Vec<Option<Head>>, Vec<Draft>) = (Vec::new(), Vec::new());
    for (span, entries) in tables("edge", node, problems) {
        let (own, rest): (Vec<Entry>, Vec<Entry>) =
            entries.iter().cloned().partition(|entry| key::names(&key::EDGE).contains(&entry.key.as_str()));
        let before = problems.len();
        let find = |name: &str| own.iter().find(|entry| entry.key == name);
        let name = name(find("name"), &span, &heads, problems);
        let over = match find("over") {
            Some(entry) => lattice::read(&entry.value, reader.known, problems).map(|over| (over, entry)),
            None => {
                let hint = "for example over = { axis = \"lr\", log = [1e-4, 100.0], resolution = 1.1 }";
                problems.add(&span, "this edge has no `over`", hint);
                None
            }
        };
        let setting = match &over {
            Some(((axis, lattice), entry)) => Over::Is(AxisSetting {
                keys: vec![AxisKey { axis, key_span: entry.key_span.clone(), span: entry.value.span.clone() }],
                dial: lattice.dial.clone(),
            }),
            // An edge is mostly one of the learning rate. Where its `over` is wrong nobody should
            // be told that it has none.
            None => Over::Broken(Id::Lr),
        };
        let by = find("by").map(|entry| (columns(&entry.value, reader.known, problems), entry.value.span.clone()));
        let event =
            find("event").map_or(Some(Event::BlewUp), |entry| event::read(entry, reader.known, record, problems));
        let shares = find("share").map_or(vec![0.5], |entry| shares(&entry.value, problems));
        let fine = problems.len() == before;
        let head = (|| {
            let ((over, lattice), _) = over.filter(|_| fine)?;
            Some(Head { name: name?, over, by, event: event?, shares, lattice, span: span.clone() })
        })();
        let Some(draft) = reader.draft(span, &rest, &key::names(&key::EDGE), setting, problems) else { break };
        heads.push(head);
        drafts.push(draft);
    }
    (heads, drafts)
}

fn name(entry: Option<&Entry>, span: &Span, before: &[Option<Head>], problems: &mut Problems) -> Option<String> {
    let Some(entry) = entry else {
        problems.add(span, "this edge has no `name`", "for example name = \"largest safe step\"");
        return None;
    };
    let name = problems.keep(&entry.value.span, super::draft::label("name", &entry.value))?;
    if name.is_empty() || before.iter().flatten().any(|head| head.name == name) {
        let message = if name.is_empty() { "the name of this edge is empty" } else { "another edge has this name" };
        problems.add(&entry.value.span, message, "a name tells the rows of edges.csv apart");
        return None;
    }
    Some(name)
}

/// Reads the value of `share`.
fn shares(node: &Node, problems: &mut Problems) -> Vec<f64> {
    let hint = "for example share = [0.1, 0.5, 0.9]";
    let Raw::List(items) = &node.raw else {
        problems.push(&node.span, Mistake::kind("share", node.raw.kind(), "a list of numbers", hint));
        return Vec::new();
    };
    let mut shares: Vec<f64> = Vec::new();
    for item in items {
        match item.raw.number() {
            Some(x) if shares.contains(&x) => {
                problems.add(&item.span, format!("the share {x} stands twice"), "keep one")
            }
            Some(x) if x > 0.0 && x <= 1.0 => shares.push(x),
            _ => problems.add(&item.span, "a share is a number above 0 and at most 1", hint),
        }
    }
    if items.is_empty() {
        problems.add(&node.span, "`share` is empty", hint);
    }
    shares
}

/// The edges of these heads. Their blocks are the last ones of the grid, of which `grid` has all.
pub fn finish(heads: Vec<Head>, blocks: &[Block], grid: Grid<'_>, problems: &mut Problems) -> Vec<Edge> {
    let first = blocks.len() - heads.len();
    let sizes =
        blocks.iter().map(|block| block.dials.iter().map(Dial::len).fold(block.seeds.len(), u64::saturating_mul));
    let starts: Vec<u64> =
        sizes.scan(0u64, |sum, size| Some(std::mem::replace(sum, sum.saturating_add(size)))).collect();
    let each = heads.into_iter().zip(&blocks[first..]).zip(&starts[first..]);
    each.filter_map(|((head, block), start)| edge(head, block, *start, grid, problems)).collect()
}

fn edge(head: Head, block: &Block, start: u64, grid: Grid<'_>, problems: &mut Problems) -> Option<Edge> {
    let Head { name, over, by, event, shares, lattice, span } = head;
    let others = &block.dials[..block.dials.len() - 1];
    let by = match by {
        Some((by, place)) => told_apart(others, by, &place, problems)?,
        None => varying(others),
    };
    if let Some(column) = by.iter().find(|column| column.name() == over.name) {
        let message = format!("`{}` is what the edge is over, so it cannot stand in `by`", column.name());
        problems.add(&span, message, "leave it out of `by`");
        return None;
    }
    if let Some(column) = by.iter().find(|column| FIXED.contains(&column.name())) {
        let message = format!("`{}` is the name of a column of edges.csv, so it cannot stand in `by`", column.name());
        problems.add(&span, message, "give the axis another name");
        return None;
    }
    let count = others.iter().map(Dial::len).fold(1, u64::saturating_mul);
    if count > MOST_LINES {
        let message = format!("this edge has {count} combinations, more than {MOST_LINES}");
        problems.add(&span, message, "give its axes fewer values, or write several specs");
        return None;
    }
    let seeds = block.seeds.len();
    let mut edge =
        Edge { name, over, by, event, shares, lattice, combinations: count, lines: Vec::new(), seeds, start };
    let mut seen = HashSet::new();
    for line in 0..count {
        if !grid.excludes.is_empty() {
            match excluded(&edge, line, grid) {
                Some(0) => {}
                Some(n) if n == edge.lattice.len() as u64 * seeds => continue,
                Some(_) => {
                    let hint = "an [[exclude]] drops a whole combination of an edge or nothing of it; name no value of its `over` and no seed, or make the window smaller";
                    problems.add(&span, "an [[exclude]] cuts values out of this edge", hint);
                    return None;
                }
                None => {
                    let message = format!("this edge has more than {LOOKED_AT} values that an [[exclude]] could drop");
                    problems.add(&span, message, "put the edge into a spec without [[exclude]]");
                    return None;
                }
            }
        }
        let id = |position: usize| grid.at(edge.points(line, position).start).id();
        let (ends, last) = (&edge.lattice.first, edge.lattice.first.len() - 1);
        if id(ends[0]) == id(ends[1]) || id(ends[last - 1]) == id(ends[last]) {
            let at =
                edge.by.iter().map(|by| format!("{}={}", by.name(), by.text(&grid.at(edge.points(line, 0).start))));
            let at = at.collect::<Vec<_>>().join(" ");
            let message =
                format!("different values of `{}` make the same trial in this edge{}", over.name, at_text(&at));
            problems.add(&span, message, "the axis does not apply there, or its window goes beyond what it can do");
            return None;
        }
        // Two combinations are one where an axis in which they differ does not apply.
        if seen.insert(id(0)) {
            edge.lines.push(line);
        }
    }
    if edge.lines.is_empty() {
        problems.add(&span, "every combination of this edge is excluded", "loosen the [[exclude]] tables");
        return None;
    }
    Some(edge)
}

fn at_text(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!(" at {at}") }
}

/// The most trials that are compared with the excludes.
const LOOKED_AT: u64 = 1_000_000;

/// How many trials of a line are excluded; `None` if there are too many to look at.
fn excluded(edge: &Edge, line: u64, grid: Grid<'_>) -> Option<u64> {
    let points = edge.points(line, 0).start..edge.points(line, edge.lattice.len() - 1).end;
    let all = (points.end - points.start).saturating_mul(line + 1);
    (all <= LOOKED_AT).then(|| grid.all_at(points).iter().filter(|trial| grid.is_excluded(trial)).count() as u64)
}

/// The axes with more than one value, in the order of the columns.
fn varying(dials: &[Dial]) -> Vec<Attribute> {
    let several = dials.iter().filter(|dial| dial.len() > 1);
    let mut axes: Vec<Id> =
        several.flat_map(|dial| dial.axes().iter().filter(|id| varies(dial, **id))).copied().collect();
    axes.sort_unstable();
    axes.dedup();
    axes.into_iter().map(|id| Attribute::Axis(id.axis())).collect()
}

fn varies(dial: &Dial, id: Id) -> bool {
    let cells = dial.cells(id);
    cells.iter().any(|cell| *cell != cells[0])
}

/// The attributes of `by`, if they tell all combinations of the dials apart.
fn told_apart(dials: &[Dial], by: Vec<Attribute>, place: &Span, problems: &mut Problems) -> Option<Vec<Attribute>> {
    let named = |id: Id| by.iter().any(|column| matches!(column, Attribute::Axis(axis) if axis.id == id));
    for dial in dials.iter().filter(|dial| dial.len() > 1) {
        let apart = match dial {
            Dial::Range { axis, .. } => named(*axis),
            Dial::Rows { axes, .. } => {
                let kept: Vec<Id> = axes.iter().copied().filter(|id| named(*id)).collect();
                let row = |i: u64| {
                    let mut point: Point = dial::NOTHING_SET;
                    dial.set(i, &mut point);
                    kept.iter().map(|id| format!("{:?}", point.get(*id))).collect::<Vec<_>>()
                };
                let mut seen = HashSet::new();
                (0..dial.len()).all(|i| seen.insert(row(i)))
            }
        };
        if !apart {
            let name = dial.axes().iter().find(|id| !named(**id) && varies(dial, **id)).map_or("", |id| id.name());
            let message = format!("`{name}` has several values in this edge and is not in `by`");
            let hint = "one edge is found for each combination: add it to `by`, leave `by` out, or give it one value";
            problems.add(place, message, hint);
            return None;
        }
    }
    Some(by)
}
