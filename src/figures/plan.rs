//! Which diagrams a sweep gets. The rows of one label and network are a *family*. Each combination
//! of what neither an axis nor a facet shows is a *page*, a diagram of its own. Where these would
//! be too many, an axis is held at one of its values. A diagram names what it holds and what it
//! pools.

use super::design::{distinct, varying};
use super::influence::{Influence, influences};
use super::table::{Factor, TrialTable};
use blowup_core::failure::{Failure, excerpt};
use blowup_core::spec::Mistake;
use std::collections::BTreeMap;

/// The names of the axes that the command line asks for.
#[derive(Debug, Clone, Default)]
pub struct AxisSelection {
    pub x: Option<String>,
    pub y: Option<String>,
    /// The axis of the columns of panels, then that of the rows.
    pub facets: Vec<String>,
}

/// The rows that are drawn together.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialFamily {
    /// The name of the family. It is empty if there is only one family.
    pub name: String,
    pub rows: Vec<u32>,
    /// The names of the axes that vary, in the order of what they decide (`by_influence`).
    ranked: Vec<&'static str>,
}

impl TrialFamily {
    fn new(table: &TrialTable, name: String, rows: Vec<u32>) -> TrialFamily {
        let ranked = by_influence(table, &rows, varying(table, &rows)).iter().map(|of| of.factor.name).collect();
        TrialFamily { name, rows, ranked }
    }

    fn ranked<'a>(&self, table: &'a TrialTable) -> Vec<&'a Factor> {
        self.ranked.iter().filter_map(|name| table.factor(name)).collect()
    }
}

/// The factors in the order of what they decide (see `influences`). Those that decide equally
/// little are in this order: with most levels first, then those that are usually axes, then by
/// column.
pub fn by_influence<'a>(table: &TrialTable, rows: &[u32], mut factors: Vec<&'a Factor>) -> Vec<Influence<'a>> {
    factors.sort_by_key(|factor| by_levels(factor, rows));
    influences(table, rows, &factors)
}

/// By this, a factor with more levels comes first, and of equal ones that which is usually an axis.
fn by_levels(factor: &Factor, rows: &[u32]) -> std::cmp::Reverse<(usize, usize)> {
    let usual = ["lr", "depth", "sequence_length"].iter().rev().position(|name| *name == factor.name);
    std::cmp::Reverse((levels(factor, rows).len(), usual.map_or(0, |at| at + 1)))
}

/// The axes of a phase diagram. It has a cell for each pair of levels of x and y, and a panel for
/// each pair of levels of the facets.
#[derive(Clone, Copy)]
pub struct PhaseAxes<'a> {
    pub x: &'a Factor,
    pub y: &'a Factor,
    pub columns: Option<&'a Factor>,
    pub rows: Option<&'a Factor>,
}

/// The kind of a diagram and its axes.
#[derive(Clone, Copy)]
pub enum Frame<'a> {
    Phase(PhaseAxes<'a>),
    /// A line for each level, where there are no two axes.
    Rates {
        by: &'a Factor,
    },
}

/// One diagram.
pub struct Page<'a> {
    pub family: &'a TrialFamily,
    pub frame: Frame<'a>,
    /// The levels that all rows of the page have in common, but not all rows of the family.
    pub fixed: Vec<(&'a Factor, u32)>,
    /// Those of the factors in `fixed` that are held: no page shows their other levels.
    pub held: Vec<&'a Factor>,
    /// The factors that vary within a cell.
    pub pooled: Vec<&'a Factor>,
    pub rows: Vec<u32>,
}

/// How many diagrams a family has at most.
const MOST_PAGES: usize = 12;
/// How many panels stand side by side, or one above the other, at most.
const MOST_PANELS: usize = 8;

/// Divides the rows into families by label and network. Without `split`, or if there is only one
/// pair of those, all rows are one family.
pub fn families(table: &TrialTable, split: bool) -> Vec<TrialFamily> {
    let (label, network) = (table.factor("label"), table.factor("network"));
    let mut by_name: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for row in table.rows() {
        by_name.entry((label.map_or(0, |f| f.code(row)), network.map_or(0, |f| f.code(row)))).or_default().push(row);
    }
    if !split || by_name.len() == 1 {
        return vec![TrialFamily::new(table, String::new(), table.rows())];
    }
    let (several, single): (Vec<_>, Vec<_>) =
        by_name.into_iter().partition(|(_, rows)| !varying(table, rows).is_empty());
    let texts = |rows: &[u32]| [label, network].map(|factor| factor.map_or("", |f| &*f.level(rows[0]).text));
    let short = |rows: &[u32]| match texts(rows) {
        ["", network] => network.to_owned(),
        [label, _] => label.to_owned(),
    };
    let long = |rows: &[u32]| match texts(rows) {
        ["", network] => format!("{network}, no label"),
        [label, network] => format!("{label}, {network}"),
    };
    let shorts: Vec<String> = several.iter().map(|(_, rows)| short(rows)).collect();
    let family = |(i, (_, rows)): (usize, (_, Vec<u32>))| {
        let alone = shorts.iter().filter(|name| **name == shorts[i]).count() == 1;
        TrialFamily::new(table, if alone { shorts[i].clone() } else { long(&rows) }, rows)
    };
    let mut families: Vec<TrialFamily> = several.into_iter().enumerate().map(family).collect();
    // Families in which nothing varies are drawn together, to be compared with each other.
    let mut rest: Vec<u32> = single.into_iter().flat_map(|(_, rows)| rows).collect();
    if !rest.is_empty() {
        rest.sort_unstable();
        let name = if families.is_empty() { String::new() } else { "others".to_owned() };
        families.push(TrialFamily::new(table, name, rest));
    }
    families
}

impl<'a> Frame<'a> {
    /// The factors by which its cells are grouped, in this order.
    pub fn by(&self) -> Vec<&'a Factor> {
        match self {
            Frame::Phase(axes) => [Some(axes.x), Some(axes.y), axes.columns, axes.rows].into_iter().flatten().collect(),
            Frame::Rates { by } => vec![by],
        }
    }
}

impl AxisSelection {
    /// The names of x, of y and of the facets, as far as they are given.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.x.iter().chain(&self.y).chain(&self.facets)
    }

    /// The words for the name of a file, such as `lr depth by init`, or `x lr` where the command
    /// line does not name y.
    pub fn words(&self) -> impl Iterator<Item = String> {
        let lead = |word: &str, axis: &String| format!("{word} {axis}");
        let axes = match (&self.x, &self.y) {
            (Some(x), Some(y)) => Some(format!("{x} {y}")),
            (x, y) => x.as_ref().map(|x| lead("x", x)).or(y.as_ref().map(|y| lead("y", y))),
        };
        let facets = (!self.facets.is_empty()).then(|| format!("by {}", self.facets.join(" ")));
        axes.into_iter().chain(facets)
    }

    /// Whether no axis is named.
    pub fn is_default(&self) -> bool {
        self.names().next().is_none()
    }

    /// The families in which every named axis varies. If there are none, all rows are one family.
    ///
    /// # Errors
    /// If an axis is unknown, is named twice or has a single value, or if more than two facets are
    /// named.
    pub fn families(&self, table: &TrialTable) -> Result<Vec<TrialFamily>, Failure> {
        if self.facets.len() > 2 {
            return Err(Failure::new(format!("`--facet {}` names more than two axes", self.facets.join(","))).hint(
                "the first makes the columns, the second the rows; `--where` chooses among the values of others",
            ));
        }
        for (at, name) in self.names().enumerate() {
            let factor = find(table, name)?;
            if self.names().take(at).any(|earlier| earlier == name) {
                return Err(
                    Failure::new(format!("`{name}` is asked for twice")).hint("x, y and the facets are different axes")
                );
            }
            if factor.levels.len() < 2 {
                return Err(one_value(table, factor));
            }
        }
        let split = !self.names().any(|name| name == "label" || name == "network");
        let mut families = families(table, split);
        if self.is_default() {
            return Ok(families);
        }
        families.retain(|family| {
            self.names().all(|name| table.factor(name).is_some_and(|factor| levels(factor, &family.rows).len() > 1))
        });
        // An axis that varies between the families only compares them, so they are drawn together.
        Ok(if families.is_empty() { self::families(table, false) } else { families })
    }

    /// The diagrams of a family. The axes of these names in `pooled` are chosen nowhere.
    pub fn pages<'a>(&self, table: &'a TrialTable, family: &'a TrialFamily, pooled: &[&str]) -> Vec<Page<'a>> {
        let mut free = family.ranked(table);
        let pooled: Vec<&Factor> =
            free.extract_if(.., |factor| pooled.contains(&factor.name) && !self.asks_for(factor)).collect();
        let (frame, rest) = self.frame(table, &family.rows, free);
        split(family, &frame, rest, pooled, !self.facets.is_empty())
    }

    /// This selection with an x and a y that are numbers, as far as the family has them: those that
    /// are chosen anyway, or else the numeric axis with most levels.
    pub fn of_numbers(&self, table: &TrialTable, family: &TrialFamily) -> AxisSelection {
        let free = family.ranked(table);
        let mut numbers = free.clone();
        numbers.retain(|factor| is_axis(factor, &family.rows) && !self.asks_for(factor));
        numbers.sort_by_key(|factor| std::cmp::Reverse(levels(factor, &family.rows).len()));
        let (Frame::Phase(axes), _) = self.frame(table, &family.rows, free) else { return self.clone() };
        let mut number = |factor: &Factor, asked: &Option<String>| {
            let place = numbers.iter().position(|number| number.name == factor.name);
            let instead = if asked.is_none() && !numbers.is_empty() { Some(place.unwrap_or(0)) } else { place };
            instead.map_or(factor.name, |at| numbers.remove(at).name).to_owned()
        };
        let x = number(axes.x, &self.x);
        AxisSelection { x: Some(x), y: Some(number(axes.y, &self.y)), facets: self.facets.clone() }
    }

    fn asks_for(&self, factor: &Factor) -> bool {
        self.names().any(|name| name == factor.name)
    }

    /// Chooses the axes of a diagram of these rows, and returns the others of `free`, which are in
    /// the order of what they decide, and stay in it. What is not named is chosen among the axes
    /// that decide most about failure: numeric ones with many levels become x and y, others with
    /// few levels become facets.
    pub fn frame<'a>(
        &self,
        table: &'a TrialTable,
        rows: &[u32],
        mut free: Vec<&'a Factor>,
    ) -> (Frame<'a>, Vec<&'a Factor>) {
        let asked = |name: &Option<String>| name.as_deref().and_then(|name| table.factor(name));
        let facets: Vec<&Factor> = self.facets.iter().filter_map(|name| table.factor(name)).collect();
        free.retain(|factor| !self.asks_for(factor));
        let count = |factor: &Factor| levels(factor, rows).len();
        // The axes that decide most are shown. Which of them is x depends on their levels.
        let places = [self.x.is_none(), self.y.is_none(), facets.is_empty(), facets.is_empty()];
        let mut rest = free.split_off(places.iter().filter(|place| **place).count().min(free.len()));
        free.sort_by_key(|factor| by_levels(factor, rows));
        let numeric = |factor: &Factor| is_axis(factor, rows);
        let first = asked(&self.x).or_else(|| take(&mut free, numeric));
        let second = asked(&self.y).or_else(|| take(&mut free, numeric)).or_else(|| take(&mut free, |_| true));
        free.append(&mut rest);
        let frame = match (first, second) {
            (Some(x), Some(y)) => {
                // By custom the learning rate goes to the right.
                let swap = self.x.is_none() && (self.y.is_none() && y.name == "lr" || !numeric(x) && numeric(y));
                let (x, y) = if swap { (y, x) } else { (x, y) };
                let (columns, rows) = if facets.is_empty() {
                    let few = |factor: &Factor| count(factor) <= MOST_PANELS;
                    let columns = take(&mut free, |f| few(f) && !numeric(f)).or_else(|| take(&mut free, few));
                    // No panel may be empty.
                    let crossed = |second: &Factor| {
                        columns.is_some_and(|first| distinct(&[first, second], rows) == count(first) * count(second))
                    };
                    let fits = |f: &Factor| few(f) && crossed(f);
                    (columns, take(&mut free, |f| fits(f) && !numeric(f)).or_else(|| take(&mut free, fits)))
                } else {
                    (facets.first().copied(), facets.get(1).copied())
                };
                Frame::Phase(PhaseAxes { x, y, columns, rows })
            }
            (Some(by), None) | (None, Some(by)) => Frame::Rates { by },
            (None, None) => Frame::Rates { by: table.factor("label").expect("a column that is always there") },
        };
        (frame, free)
    }
}

/// Takes the first factor of which something holds out of a list.
fn take<'a>(factors: &mut Vec<&'a Factor>, holds: impl Fn(&Factor) -> bool) -> Option<&'a Factor> {
    factors.iter().position(|factor| holds(factor)).map(|at| factors.remove(at))
}

/// Divides the family into pages, one for each combination of levels of the factors `rest`, which
/// stand in the order of what they decide. If there would be too many pages, the last of these
/// factors are held. With `pool`, rows are pooled over all of them, as they are over those in
/// `pooled`.
fn split<'a>(
    family: &'a TrialFamily,
    frame: &Frame<'a>,
    mut rest: Vec<&'a Factor>,
    mut pooled: Vec<&'a Factor>,
    pool: bool,
) -> Vec<Page<'a>> {
    if pool {
        pooled.append(&mut rest);
    }
    let (mut rows, mut held) = (family.rows.clone(), Vec::new());
    loop {
        let mut pages: BTreeMap<Vec<u32>, Vec<u32>> = BTreeMap::new();
        for row in &rows {
            pages.entry(rest.iter().map(|factor| factor.code(*row)).collect()).or_default().push(*row);
        }
        if pages.len() > MOST_PAGES {
            let factor = rest.pop().expect("without factors there is one page");
            let usual = usual_level(factor, &rows);
            rows.retain(|row| factor.code(*row) == usual);
            held.insert(0, (factor, usual));
            continue;
        }
        let page = |(codes, rows): (Vec<u32>, Vec<u32>)| Page {
            family,
            frame: *frame,
            fixed: rest.iter().copied().zip(codes).chain(held.iter().copied()).collect(),
            held: held.iter().map(|(factor, _)| *factor).collect(),
            pooled: pooled.clone(),
            rows,
        };
        return pages.into_iter().map(page).collect();
    }
}

/// The level at which a factor is held: the one with most rows. Of several it is the middle one of
/// numbers, and the first name, which is mostly what the others are compared with.
pub fn usual_level(factor: &Factor, rows: &[u32]) -> u32 {
    let mut counts = vec![0; factor.levels.len()];
    rows.iter().for_each(|row| counts[factor.code(*row) as usize] += 1);
    // Where the axis does not apply the cell is empty.
    let is_named = |code: &usize| counts[*code] > 0 && !factor.levels[*code].text.is_empty();
    let most = (0..counts.len()).filter(is_named).map(|code| counts[code]).max().unwrap_or(0);
    let usual: Vec<usize> = (0..counts.len()).filter(|code| is_named(code) && counts[*code] == most).collect();
    let place = if factor.is_numeric() { usual.len().saturating_sub(1) / 2 } else { 0 };
    usual.get(place).map_or_else(|| rows.first().map_or(0, |row| factor.code(*row)), |code| *code as u32)
}

/// The codes of the levels that occur among these rows, in order.
pub fn levels(factor: &Factor, rows: &[u32]) -> Vec<u32> {
    let mut seen = vec![false; factor.levels.len()];
    rows.iter().for_each(|row| seen[factor.code(*row) as usize] = true);
    (0..seen.len() as u32).filter(|code| seen[*code as usize]).collect()
}

/// Whether the factor can be a numeric axis: every level that occurs is a number.
fn is_axis(factor: &Factor, rows: &[u32]) -> bool {
    factor.is_numeric() && levels(factor, rows).iter().all(|code| factor.levels[*code as usize].number.is_some())
}

fn find<'a>(table: &'a TrialTable, name: &str) -> Result<&'a Factor, Failure> {
    table.factor(name).ok_or_else(|| {
        let known: Vec<&'static str> = table.factors.iter().map(|factor| factor.name).collect();
        Failure::new(Mistake::unknown(format!("`{}` is not an axis", excerpt(name)), name, &known).to_string())
    })
}

/// The refusal of an axis with a single value.
fn one_value(table: &TrialTable, factor: &Factor) -> Failure {
    let value = match factor.levels.first() {
        Some(level) if !level.text.is_empty() => format!("one value, {}", level.text),
        Some(_) | None => "no value".to_owned(),
    };
    // An axis that only follows another is not listed, as `lr_output` follows `lr`.
    let seeds = table.factor("seed").filter(|f| f.levels.len() > 1);
    let many = varying(table, &table.rows()).into_iter().chain(seeds);
    let many: Vec<String> = many.map(|f| format!("{} ({})", f.name, f.levels.len())).collect();
    let hint = if many.is_empty() {
        "nothing varies in these rows".to_owned()
    } else {
        format!("these vary: {}", many.join(", "))
    };
    Failure::new(format!("`{}` has {value}, so it is no axis of a figure", factor.name)).hint(hint)
}
