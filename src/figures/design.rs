//! What a grid looks like from its rows alone: which factors vary, which of them only follow
//! others, and how numbers are spaced.

use super::table::{Factor, Level, TrialTable};
use blowup_core::axis::{Axis, Kind, TABLE};
use std::collections::HashMap;

/// So many numbers of one name are an axis of their own.
const SWEPT: usize = 3;

/// Joins the name and the number of an initializer (activation, clip) where the two are not an axis
/// each: `normal(0.5)`, `he`.
pub fn shorten(table: &mut TrialTable) {
    let pairs = TABLE.iter().filter_map(|axis| Some((axis.name, axis.id.short_form()?.name())));
    for (name, number) in pairs {
        let rows = table.len();
        let (Some(names), Some(numbers)) = (table.factor(name), table.factor(number)) else { continue };
        let pairs = distinct(&[names, numbers], &table.rows());
        let crossed = numbers.levels.len() > 1 && pairs == names.levels.len() * numbers.levels.len();
        if crossed || most_numbers(names, numbers, rows) >= SWEPT {
            continue;
        }
        let joined = names.paired(numbers, rows, |name_level, number_level| form(name, name_level, number_level));
        let at = table.factors.iter().position(|factor| factor.name == name).expect("it was found");
        table.factors[at] = joined;
    }
}

/// How many numbers the name with the most of them has.
fn most_numbers(names: &Factor, numbers: &Factor, rows: u32) -> usize {
    let mut pairs: Vec<(u32, u32)> = (0..rows).map(|row| (names.code(row), numbers.code(row))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len).max().unwrap_or(0)
}

/// The short form; the number is left out where it is the usual one.
fn form(axis: &str, name: &Level, number: &Level) -> String {
    let takes = Axis::find(axis).is_some_and(|axis| match &axis.kind {
        Kind::Choice { short: Some(short), .. } => short.names.contains(&&*name.text),
        Kind::Choice { short: None, .. } | Kind::Integer { .. } | Kind::Float { .. } | Kind::Boolean | Kind::Text => {
            false
        }
    });
    let gain = axis.ends_with("init") && !matches!(&*name.text, "normal" | "uniform" | "scaled" | "constant");
    match number.number {
        Some(x) if takes && !(gain && x == 1.0) => format!("{}({})", name.text, number.text),
        _ => name.text.clone(),
    }
}

/// For each row the number of its combination of levels, in the order in which they first appear;
/// and how many combinations there are.
pub fn combinations(factors: &[&Factor], rows: &[u32]) -> (Vec<u32>, usize) {
    let (mut numbers, mut count) = (vec![0; rows.len()], usize::from(!rows.is_empty()));
    for factor in factors.iter().filter(|factor| factor.levels.len() > 1) {
        // Two at a time, so that no key is longer than 64 bits.
        let mut seen: HashMap<(u32, u32), u32> = HashMap::new();
        for (number, row) in numbers.iter_mut().zip(rows) {
            let next = seen.len() as u32;
            *number = *seen.entry((*number, factor.code(*row))).or_insert(next);
        }
        count = seen.len();
    }
    (numbers, count)
}

/// How many combinations of levels occur.
pub fn distinct(factors: &[&Factor], rows: &[u32]) -> usize {
    combinations(factors, rows).1
}

/// The factors that have more than one level among these rows and do not follow another one, in the
/// order of the columns. Seeds are repetitions, not causes.
pub fn varying<'a>(table: &'a TrialTable, rows: &[u32]) -> Vec<&'a Factor> {
    let several = |factor: &&Factor| {
        let first = rows.first().map(|row| factor.code(*row));
        factor.levels.len() > 1 && rows.iter().any(|row| Some(factor.code(*row)) != first)
    };
    let candidates: Vec<&Factor> =
        table.factors.iter().filter(|factor| !matches!(factor.name, "seed" | "data_seed")).filter(several).collect();
    // One row for each configuration: what follows what is seen there.
    let (numbers, _) = combinations(&candidates, rows);
    let mut next = 0;
    let mut first = |number: u32| {
        let new = number == next;
        next += u32::from(new);
        new
    };
    let points: Vec<u32> = rows.iter().zip(numbers).filter(|(_, number)| first(*number)).map(|(row, _)| *row).collect();
    let alone: Vec<usize> = candidates.iter().map(|factor| distinct(&[factor], &points)).collect();
    let follows = |a: usize, b: usize| distinct(&[candidates[a], candidates[b]], &points) == alone[b];
    let kept = |a: &usize| {
        !(0..candidates.len()).any(|b| {
            // Of two that follow each other the one that comes first in this order stays.
            let first = (rank(candidates[b]), b) < (rank(candidates[*a]), *a);
            b != *a && alone[b] >= alone[*a] && follows(*a, b) && (first || !follows(b, *a))
        })
    };
    (0..candidates.len()).filter(kept).map(|i| candidates[i]).collect()
}

/// What a person would call the cause comes first.
fn rank(factor: &Factor) -> u8 {
    match factor.name {
        "label" | "task" | "inputs" | "samples" | "epochs" => 2,
        name => {
            let id = Axis::find(name).map(|axis| axis.id);
            u8::from(id.is_some_and(|id| id.follows().is_some() || id.is_number_of_another()))
        }
    }
}

/// How the numbers of a factor lie on a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    Linear,
    /// Of the positive finite ones; zero and infinity stand apart.
    Log,
    /// Not numbers, or so uneven that some would get no room: in order, equally far apart.
    Ordinal,
}

impl Spacing {
    /// Of ascending numbers.
    pub fn of(numbers: &[f64]) -> Spacing {
        // Cells between the middles of neighbours are drawn to scale up to this ratio of their
        // gaps.
        const UNEVEN: f64 = 3.0;
        let finite: Vec<f64> = numbers.iter().copied().filter(|x| x.is_finite()).collect();
        let positive: Vec<f64> = finite.iter().copied().filter(|x| *x > 0.0).collect();
        let logs: Vec<f64> = positive.iter().map(|x| x.ln()).collect();
        let linear = unevenness(&finite).unwrap_or(f64::INFINITY);
        let log =
            if finite.iter().any(|x| *x < 0.0) { f64::INFINITY } else { unevenness(&logs).unwrap_or(f64::INFINITY) };
        let reach = if positive.is_empty() { 1.0 } else { positive[positive.len() - 1] / positive[0] };
        if log <= UNEVEN && (log < linear * 0.999 && reach >= 3.0 || log == linear && reach >= 9.5) {
            Spacing::Log
        } else if linear <= UNEVEN {
            Spacing::Linear
        } else {
            Spacing::Ordinal
        }
    }
}

/// The largest gap over the smallest; none if there is no gap.
fn unevenness(ascending: &[f64]) -> Option<f64> {
    let gaps = || ascending.windows(2).map(|pair| pair[1] - pair[0]);
    (ascending.len() > 1).then(|| gaps().fold(0.0, f64::max) / gaps().fold(f64::INFINITY, f64::min))
}

impl Factor {
    /// Of its numbers; `Ordinal` if it has others.
    pub fn spacing(&self) -> Spacing {
        if !self.is_numeric() {
            return Spacing::Ordinal;
        }
        Spacing::of(&self.levels.iter().filter_map(|level| level.number).collect::<Vec<_>>())
    }
}
