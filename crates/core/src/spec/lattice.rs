//! The values that an edge may try, and those of its first round. They are a fixed list, of which
//! every part is a number that a `[[grid]]` with the same ends and points would have, too: a finer
//! resolution has all values of a coarser one, so a sweep can be resumed with it.

use super::dial::{Cell, Dial};
use super::key::{self, MOST_STEPS};
use super::range::{self, Divided, Progression};
use super::report::{Mistake, Problems, excerpt};
use super::source::{Entry, Node, Raw};
use crate::axis::{Axis, AxisSet, Id, Kind};
use crate::trial::Value;

/// The values of an edge, in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub struct Lattice {
    values: Vec<f64>,
    /// The positions of the first round, with both ends among them.
    pub first: Vec<usize>,
    /// The values as settings of the axis.
    pub(super) dial: Dial,
}

/// The steps of the first round where a spec does not say its points.
const STEPS: u64 = 16;

impl Lattice {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value at a position.
    pub fn at(&self, position: usize) -> f64 {
        self.values[position]
    }

    /// The values of a float axis are those of `range`, and those of an integer axis are its
    /// points, rounded, each once. The first round takes every `stride`-th point.
    fn new(axis: &Axis, range: Progression, stride: u64) -> Lattice {
        let points = (0..range.points).map(|i| range.at(i));
        if !matches!(axis.kind, Kind::Integer { .. }) {
            let first = (0..range.points).step_by(stride as usize).map(|i| i as usize).collect();
            let dial = Dial::Range { axis: axis.id, divided: Divided { range, per: None } };
            return Lattice { values: points.collect(), first, dial };
        }
        let (mut values, mut first): (Vec<f64>, Vec<usize>) = (Vec::new(), Vec::new());
        for (i, value) in (0u64..).zip(points) {
            if values.last() != Some(&value.round()) {
                values.push(value.round());
            }
            if i % stride == 0 && first.last() != Some(&(values.len() - 1)) {
                first.push(values.len() - 1);
            }
        }
        let cell = |value: &f64| vec![Some(Cell { value: Value::Integer(*value as u64), per: None })];
        let dial = Dial::Rows { axes: vec![axis.id], rows: values.iter().map(cell).collect() };
        Lattice { values, first, dial }
    }
}

/// How many steps the lattice has, and how many of them a step of the first round takes. `needed`
/// steps are as fine as the resolution. The first round has `coarse` steps, or fewer where fewer
/// are needed; without `coarse` the numbers are powers of two, so that lattices of one window nest.
fn steps(needed: u64, coarse: Option<u64>) -> (u64, u64) {
    match coarse {
        Some(coarse) => {
            let stride = needed.div_ceil(coarse).next_power_of_two();
            (coarse * stride, stride)
        }
        None if needed <= STEPS => (needed.next_power_of_two(), 1),
        None => {
            let stride = needed.div_ceil(STEPS).next_power_of_two();
            (STEPS * stride, stride)
        }
    }
}

const HINT: &str = "for example over = { axis = \"lr\", log = [1e-4, 100.0], resolution = 1.1 }";

/// Reads the table `over`: the axis and its lattice.
pub fn read(node: &Node, known: &AxisSet, problems: &mut Problems) -> Option<(&'static Axis, Lattice)> {
    let Raw::Table(entries) = &node.raw else {
        problems.push(&node.span, Mistake::kind("over", node.raw.kind(), "a table", HINT));
        return None;
    };
    let before = problems.len();
    for entry in entries.iter().filter(|entry| !key::names(&key::OVER).contains(&entry.key.as_str())) {
        let message = format!("`over` has no key `{}`", excerpt(&entry.key));
        problems.push(&entry.key_span, Mistake::unknown(message, &entry.key, &key::names(&key::OVER)));
    }
    if problems.len() > before {
        return None;
    }
    let find = |name: &str| entries.iter().find(|entry| entry.key == name);
    let Some(entry) = find("axis") else {
        problems.add(&node.span, "`over` names no `axis`", HINT);
        return None;
    };
    let axis = problems.keep(&entry.value.span, axis(&entry.value, known))?;
    let ends = match (find("log"), find("linear")) {
        (Some(_), Some(entry)) => Err((&entry.key_span, Mistake::new("a window is either `log` or `linear`", HINT))),
        (None, None) => Err((&node.span, Mistake::new("`over` has no window, `log` or `linear`", HINT))),
        (Some(entry), None) | (None, Some(entry)) => {
            let ends = range::pair(axis, &entry.key, &entry.value.raw, HINT).and_then(ascending);
            ends.map(|ends| (entry, ends)).map_err(|mistake| (&entry.value.span, mistake))
        }
    };
    let ends = ends.map_err(|(span, mistake)| problems.push(span, mistake)).ok();
    let is_log = find("log").is_some();
    let resolution = match find("resolution") {
        None => {
            problems.add(&node.span, "`over` has no `resolution`", HINT);
            None
        }
        Some(entry) => problems.keep(&entry.value.span, resolution(axis, entry, is_log)).map(|x| (x, entry)),
    };
    let points = find("points").and_then(|entry| problems.keep(&entry.value.span, points(entry)));
    let ((window, (first, last)), (resolution, entry)) = ends.zip(resolution).filter(|_| problems.len() == before)?;
    let span = if is_log { (last / first).ln() / resolution.ln() } else { (last - first) / resolution };
    // A thousandth of a millionth of a step is rounding, as in a ratio of 10 over three decades.
    let needed = (span - 1e-9).ceil().max(1.0);
    let fine = (needed <= MOST_STEPS as f64).then(|| steps(needed as u64, points.map(|points| points - 1)));
    let Some((steps, stride)) = fine.filter(|(steps, _)| *steps <= MOST_STEPS) else {
        let message = format!("this resolution needs more than {MOST_STEPS} steps from {first} to {last}");
        problems.add(&entry.value.span, message, "take a coarser one, or a smaller window");
        return None;
    };
    let range = Progression { log: is_log, first, last, points: steps + 1 };
    if !range.is_distinct() {
        let message = "neighbouring values of this window would be closer than 12 digits tell apart";
        problems.add(&window.value.span, message, "take a coarser resolution, or a larger window");
        return None;
    }
    Some((axis, Lattice::new(axis, range, stride)))
}

fn axis(node: &Node, known: &AxisSet) -> Result<&'static Axis, Mistake> {
    let Some(name) = node.raw.text() else {
        return Err(Mistake::kind("axis", node.raw.kind(), "the name of an axis", HINT));
    };
    let numeric = |axis: &&Axis| axis.is_numeric() && axis.id != Id::Seed;
    match known.find(&name.replace('-', "_")) {
        Some(axis) if numeric(&axis) => Ok(axis),
        Some(_) => {
            let message = format!("`{}` is not a numeric axis of a trial", excerpt(name));
            Err(Mistake::new(message, HINT))
        }
        None => {
            let known: Vec<&str> = known.all().filter(numeric).map(|axis| axis.name).collect();
            Err(Mistake::unknown(format!("`{}` is not an axis", excerpt(name)), name, &known))
        }
    }
}

fn ascending((first, last): (f64, f64)) -> Result<(f64, f64), Mistake> {
    if first < last {
        Ok((first, last))
    } else {
        Err(Mistake::new("this window is empty", "the smaller end comes first"))
    }
}

fn resolution(axis: &Axis, entry: &Entry, is_log: bool) -> Result<f64, Mistake> {
    let (least, what) = match is_log {
        true => (1.0, "the ratio of two neighbouring values, above 1: 1.1 is 10%"),
        false if matches!(axis.kind, Kind::Integer { .. }) => (1.0 - f64::EPSILON, "a distance of 1 or more"),
        false => (0.0, "the distance of two neighbouring values, above 0"),
    };
    match entry.value.raw.number() {
        Some(x) if x > least && x.is_finite() => Ok(x),
        _ => Err(Mistake::new(format!("`resolution` is not a number above {}", least.round()), what)),
    }
}

fn points(entry: &Entry) -> Result<u64, Mistake> {
    match entry.value.raw.integer() {
        Some(n) if (2..=MOST_STEPS as i64).contains(&n) => Ok(n as u64),
        _ => Err(Mistake::new(
            format!("`points` is not an integer from 2 to {MOST_STEPS}"),
            "the values of the first round, with both ends; the default is 17",
        )),
    }
}
