//! A `[[grid]]` block: its keys and those of `[base]` are read into dials, and zipped lists are
//! joined. `check` finds out whether the dials make sense together.

use super::bundle::KnownBundle;
use super::dial::{self, Dial};
use super::report::{Mistake, Problems, excerpt};
use super::settings::Seeds;
use super::source::{Entry, Node, Raw, Span};
use super::task::Tasks;
use crate::axis::{Axis, AxisSet, Id, Kind};
use crate::trial::Budget;
use std::sync::Arc;

/// A block that was checked. `grid` makes its trials.
#[derive(Debug, Clone)]
pub struct Block {
    pub label: String,
    pub tasks: Tasks,
    pub budget: Budget,
    /// The `loss_ratio` of `[divergence]`; `None` where every trial takes that of its loss.
    pub loss_ratio: Option<f64>,
    pub seeds: Seeds,
    /// The dials, of which the first is outermost. The seed is inside them all.
    pub dials: Vec<Dial>,
    /// Whether it is certain that no two points make the same trial.
    pub distinct: bool,
    /// The program that trains its trials; `None` for a built-in net.
    pub program: Option<Arc<Programmed>>,
    /// The bundles that it trains; none of a built-in net.
    pub bundles: Vec<KnownBundle>,
}

/// A program, and the axes that it is given in every block.
#[derive(Debug, Clone)]
pub struct Programmed {
    /// The program as it enters the identity of a trial.
    pub identity: String,
    /// The axes that the spec declares.
    pub declared: Vec<Id>,
}

/// An axis, or several zipped ones, as a table of the spec gives them.
#[derive(Debug, Clone)]
pub struct AxisSetting {
    pub keys: Vec<AxisKey>,
    pub dial: Dial,
}

/// A key that sets an axis, and the places of the key and of its value.
#[derive(Debug, Clone)]
pub struct AxisKey {
    pub axis: &'static Axis,
    pub key_span: Span,
    pub span: Span,
}

/// The axes of `[base]` or of a block.
#[derive(Debug, Clone, Default)]
pub struct Axes {
    pub given: Vec<AxisSetting>,
    /// The axes that are set with a mistake. Nothing that depends on them is judged.
    pub broken: Vec<Id>,
}

impl Axes {
    /// The number of values that are kept in memory.
    pub fn listed(&self) -> u64 {
        self.given.iter().map(|given| given.dial.listed()).sum()
    }

    /// Every axis that is set, with those that short forms set.
    pub fn taken(&self) -> Vec<Id> {
        let set = self.given.iter().flat_map(|given| given.dial.axes()).copied();
        set.chain(self.broken.iter().copied()).collect()
    }

    /// These axes, and those of `base` that these leave open.
    pub fn over(&self, base: &Axes, known: &AxisSet) -> Axes {
        let taken = self.taken();
        let mut all = self.clone();
        for given in &base.given {
            // A short form is one value: `init = "he"` does not keep the 0.1 of `normal(0.1)`.
            let replaced = given.keys.iter().any(|key| taken.contains(&key.axis.id));
            if !replaced && let Some(dial) = given.dial.clone().without(&taken, known) {
                all.given.push(AxisSetting { keys: given.keys.clone(), dial });
            }
        }
        all.broken.extend(base.broken.iter().filter(|id| !taken.contains(id)));
        all
    }
}

/// Reads the entries that are axes, and `zip`. The others are returned.
pub fn axes<'a>(entries: &'a [Entry], known: &AxisSet, problems: &mut Problems) -> (Axes, Vec<&'a Entry>) {
    let (mut axes, mut others, mut zip) = (Axes::default(), Vec::new(), None);
    for entry in entries {
        let axis = match known.find(&entry.key) {
            _ if entry.key == "zip" => {
                zip = Some(&entry.value);
                continue;
            }
            Some(axis) if axis.id != Id::Seed => axis,
            Some(_) | None => {
                others.push(entry);
                continue;
            }
        };
        match dial::read(axis, &entry.value, known, problems) {
            Some(dial) => {
                let key = AxisKey { axis, key_span: entry.key_span.clone(), span: entry.value.span.clone() };
                axes.given.push(AxisSetting { keys: vec![key], dial });
            }
            None => axes.broken.push(axis.id),
        }
    }
    conflicts(&mut axes, problems);
    if let Some(node) = zip {
        join(&mut axes, node, known, problems);
    }
    for given in &mut axes.given {
        let dial = std::mem::replace(&mut given.dial, Dial::Rows { axes: Vec::new(), rows: Vec::new() });
        given.dial = dial.distinct(known);
    }
    (axes, others)
}

/// Reports an axis that is given both alone and in a short form.
fn conflicts(axes: &mut Axes, problems: &mut Problems) {
    let mut broken = Vec::new();
    for given in &axes.given {
        let (Kind::Choice { short: Some(short), .. }, [_, _]) = (&given.keys[0].axis.kind, given.dial.axes()) else {
            continue;
        };
        if let Some(other) = axes.given.iter().find(|other| other.keys[0].axis.id == short.sets) {
            let (name, number) = (given.keys[0].axis.name, short.sets.name());
            let message = format!("`{number}` is given twice: here and in the parentheses of `{name}`");
            let hint = format!("write either {name} = \"{}(0.5)\" or both keys without parentheses", short.names[0]);
            problems.add(&other.keys[0].key_span, message, hint);
            broken.push(short.sets);
        }
    }
    axes.given.retain(|given| !broken.contains(&given.keys[0].axis.id));
}

const ZIP: &str = "for example zip = [[\"depth\", \"lr\"]]: the lists of depth and lr advance together";

/// Reads `zip = [["depth", "lr"], ...]` and joins the dials.
fn join(axes: &mut Axes, node: &Node, known: &AxisSet, problems: &mut Problems) {
    let Raw::List(groups) = &node.raw else {
        problems.push(&node.span, Mistake::kind("zip", node.raw.kind(), "a list of lists", ZIP));
        return;
    };
    let mut used: Vec<Id> = Vec::new();
    for group in groups {
        let Raw::List(items) = &group.raw else {
            problems.push(&group.span, Mistake::kind("zip", group.raw.kind(), "a list of names here", ZIP));
            continue;
        };
        let members: Option<Vec<Id>> =
            items.iter().map(|item| member(axes, &mut used, item, known, problems)).collect();
        match members {
            Some(members) if members.len() < 2 => {
                problems.add(&group.span, "`zip` needs two axes or more", ZIP);
            }
            Some(members) if members.iter().any(|id| axes.broken.contains(id)) => {}
            Some(members) => merge(axes, &members, &group.span, problems),
            None => {}
        }
    }
}

fn member(axes: &Axes, used: &mut Vec<Id>, item: &Node, known: &AxisSet, problems: &mut Problems) -> Option<Id> {
    let here = |id: Id| axes.broken.contains(&id) || axes.given.iter().any(|given| given.keys[0].axis.id == id);
    let found = match item.raw.text().map(|name| (name, known.find(&name.replace('-', "_")))) {
        None => Err(Mistake::kind("zip", item.raw.kind(), "the name of an axis", ZIP)),
        Some((name, None)) => Err(Mistake::unknown(
            format!("`{}` is not an axis", excerpt(name)),
            name,
            &known.names().collect::<Vec<_>>(),
        )),
        Some((name, Some(axis))) if used.contains(&axis.id) => {
            Err(Mistake::new(format!("`{name}` is zipped twice"), "put all axes that advance together in one list"))
        }
        Some((name, Some(axis))) if !here(axis.id) => {
            Err(Mistake::new(format!("`{name}` is zipped, but not set in this block"), "give it a list of values here"))
        }
        Some((_, Some(axis))) => Ok(axis.id),
    };
    let id = problems.keep(&item.span, found)?;
    used.push(id);
    Some(id)
}

/// Joins the dials of `members` into one, in the place of the first.
fn merge(axes: &mut Axes, members: &[Id], span: &Span, problems: &mut Problems) {
    let is_member = |given: &AxisSetting| members.contains(&given.keys[0].axis.id);
    let mut parts: Vec<AxisSetting> = Vec::new();
    let mut place = None;
    for (i, given) in std::mem::take(&mut axes.given).into_iter().enumerate() {
        if is_member(&given) {
            place.get_or_insert(i);
            parts.push(given);
        } else {
            axes.given.push(given);
        }
    }
    let lengths = |parts: &[AxisSetting]| {
        let each = parts.iter().map(|part| format!("`{}` has {}", part.keys[0].axis.name, part.dial.len()));
        each.collect::<Vec<_>>().join(", ")
    };
    let length = parts[0].dial.len();
    if parts.iter().any(|part| part.dial.len() != length) {
        problems.add(span, "the zipped lists differ in length", lengths(&parts));
        axes.broken.extend(parts.iter().flat_map(|part| part.dial.axes().to_vec()));
        return;
    }
    if length > dial::LISTED {
        problems.add(span, format!("the zipped lists are longer than {}", dial::LISTED), lengths(&parts));
        axes.broken.extend(parts.iter().flat_map(|part| part.dial.axes().to_vec()));
        return;
    }
    let columns: Vec<Id> = parts.iter().flat_map(|part| part.dial.axes().to_vec()).collect();
    let row = |i: u64| {
        let mut point = dial::NOTHING_SET;
        parts.iter().for_each(|part| part.dial.set(i, &mut point));
        columns.iter().map(|&id| point.get(id)).collect()
    };
    let dial = Dial::Rows { rows: (0..length).map(row).collect(), axes: columns.clone() };
    let keys = parts.into_iter().flat_map(|part| part.keys).collect();
    axes.given.insert(place.unwrap_or(0), AxisSetting { keys, dial });
}
