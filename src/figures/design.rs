//! What the rows show of the design of a grid: which factors vary, which of them only follow
//! others, and how their numbers are spaced.

use super::table::{Factor, Level, TrialTable};
use blowup_core::axis::{Axis, Id, Kind, Named, TABLE};
use blowup_core::trial::Value;
use std::collections::HashMap;

/// If one name stands with so many numbers, the numbers are an axis of their own.
const SWEPT: usize = 3;

/// Joins the name of an initializer, activation or clip with its number, where the number is not an
/// axis of its own. The levels are then `normal(0.5)` or `he`. Those of `attention_scale` are the
/// names of their rules.
pub fn shorten(table: &mut TrialTable) {
    name_attention(table);
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

/// Names the rules of attention that the numbers of `attention_scale` come from, which depend on
/// the width: `standard` is 1 / sqrt(width / heads), and `mup` is heads / width.
fn name_attention(table: &mut TrialTable) {
    let [Some(scale), Some(width), Some(heads)] = ["attention_scale", "width", "heads"].map(|name| table.factor(name))
    else {
        return;
    };
    let names = Id::AttentionScale.axis().named();
    if scale.levels.iter().all(|level| level.number.is_none()) {
        return;
    }
    let whole = |factor: &Factor, row| Some(Value::Integer(factor.level(row).number? as u64));
    let rule = |row: u32| {
        let level = scale.level(row);
        let sides = [(Id::Width, width), (Id::Heads, heads)];
        let of = |id: Id| sides.iter().find(|(side, _)| *side == id).and_then(|(_, factor)| whole(factor, row));
        let is = |named: &Named| Some(((named.number)(&of)? / level.number? - 1.0).abs() < 1e-9);
        let named = names.iter().find(|named| is(named) == Some(true));
        named.map_or_else(|| level.clone(), |named| Level::name(named.name))
    };
    let mut levels: Vec<Level> = Vec::new();
    let mut codes = Vec::new();
    for level in (0..table.len()).map(rule) {
        let known = levels.iter().position(|known| *known == level);
        codes.push(known.unwrap_or(levels.len()) as u32);
        if known.is_none() {
            levels.push(level);
        }
    }
    // The empty cell comes last.
    if let Some(empty) = levels.iter().position(|level| level.text.is_empty()) {
        let level = levels.remove(empty);
        levels.push(level);
        let (empty, last) = (empty as u32, levels.len() as u32 - 1);
        codes.iter_mut().for_each(|code| match *code {
            code_of if code_of == empty => *code = last,
            code_of if code_of > empty => *code -= 1,
            _ => {}
        });
    }
    if levels.iter().any(|level| names.iter().any(|named| named.name == level.text)) {
        let at = table.factors.iter().position(|factor| factor.name == "attention_scale").expect("it was found");
        let codes = if levels.len() > 1 { codes } else { Vec::new() };
        table.factors[at] = Factor { name: "attention_scale", levels, codes };
    }
}

/// How many different numbers stand with one name, at most.
fn most_numbers(names: &Factor, numbers: &Factor, rows: u32) -> usize {
    let mut pairs: Vec<(u32, u32)> = (0..rows).map(|row| (names.code(row), numbers.code(row))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len).max().unwrap_or(0)
}

/// The name with its number, as a spec may write it. The number is left out where it is the usual
/// one.
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

/// Numbers the combinations of levels in the order in which they first appear. Returns the number
/// of each row and how many combinations there are.
pub fn combinations(factors: &[&Factor], rows: &[u32]) -> (Vec<u32>, usize) {
    let (mut numbers, mut count) = (vec![0; rows.len()], usize::from(!rows.is_empty()));
    for factor in factors.iter().filter(|factor| factor.levels.len() > 1) {
        // Factors are added one at a time, so that a key has only 64 bits.
        let mut seen: HashMap<(u32, u32), u32> = HashMap::new();
        for (number, row) in numbers.iter_mut().zip(rows) {
            let next = seen.len() as u32;
            *number = *seen.entry((*number, factor.code(*row))).or_insert(next);
        }
        count = seen.len();
    }
    (numbers, count)
}

/// How many combinations of levels occur in these rows.
pub fn distinct(factors: &[&Factor], rows: &[u32]) -> usize {
    combinations(factors, rows).1
}

/// The factors that have more than one level among these rows and do not follow another factor, in
/// the order of the columns. Seeds are left out, since they repeat a configuration.
pub fn varying<'a>(table: &'a TrialTable, rows: &[u32]) -> Vec<&'a Factor> {
    let several = |factor: &&Factor| {
        let first = rows.first().map(|row| factor.code(*row));
        factor.levels.len() > 1 && rows.iter().any(|row| Some(factor.code(*row)) != first)
    };
    let candidates: Vec<&Factor> =
        table.factors.iter().filter(|factor| !matches!(factor.name, "seed" | "data_seed")).filter(several).collect();
    // One row of each configuration shows which factors follow which.
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
            // Of two factors that follow each other, the one with the smaller rank stays.
            let first = (rank(candidates[b]), b) < (rank(candidates[*a]), *a);
            b != *a && alone[b] >= alone[*a] && follows(*a, b) && (first || !follows(b, *a))
        })
    };
    (0..candidates.len()).filter(kept).map(|i| candidates[i]).collect()
}

/// The factors that vary over the whole table, each a cause of its own. A label is none where the
/// others together say which it is.
pub fn causes(table: &TrialTable) -> Vec<&Factor> {
    let rows = table.rows();
    let mut causes: Vec<&Factor> =
        varying(table, &rows).into_iter().filter(|factor| !copies_init(table, factor)).collect();
    if let Some(at) = causes.iter().position(|factor| factor.name == "label") {
        let label = causes.remove(at);
        if distinct(&causes, &rows) < distinct(&[&causes[..], &[label]].concat(), &rows) {
            causes.insert(at, label);
        }
    }
    causes
}

/// Whether the factor is the initializer of recurrent weights, and is that of the other weights in
/// every recurrent net.
fn copies_init(table: &TrialTable, factor: &Factor) -> bool {
    let init = table.factor("init").expect("a column that is always there");
    let same = |row| matches!(&*factor.level(row).text, "") || factor.level(row).text == init.level(row).text;
    factor.name == "recurrent_init" && (0..table.len()).all(same)
}

/// The rank of a factor among those that follow each other. A person would call the smallest the
/// cause.
fn rank(factor: &Factor) -> u8 {
    match factor.name {
        "label" | "task" | "inputs" | "samples" | "epochs" => 2,
        name => {
            let id = Axis::find(name).map(|axis| axis.id);
            u8::from(id.is_some_and(|id| id.follows().is_some() || id.is_number_of_another()))
        }
    }
}

/// The scale on which the numbers of a factor are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    Linear,
    /// A logarithmic scale of the positive finite numbers. Zero and infinity stand apart from it.
    Log,
    /// The levels stand in order at equal distances: they are no numbers, or numbers so uneven that
    /// some would have no room.
    Ordinal,
}

impl Spacing {
    /// The scale for these numbers, which ascend.
    pub fn of(numbers: &[f64]) -> Spacing {
        // The largest ratio between the gaps of neighbours that is drawn to scale.
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

/// The largest gap between neighbours divided by the smallest. None if there are fewer than two.
fn unevenness(ascending: &[f64]) -> Option<f64> {
    let gaps = || ascending.windows(2).map(|pair| pair[1] - pair[0]);
    (ascending.len() > 1).then(|| gaps().fold(0.0, f64::max) / gaps().fold(f64::INFINITY, f64::min))
}

impl Factor {
    /// The scale for its numbers, or `Ordinal` if a level is no number.
    pub fn spacing(&self) -> Spacing {
        if !self.is_numeric() {
            return Spacing::Ordinal;
        }
        Spacing::of(&self.levels.iter().filter_map(|level| level.number).collect::<Vec<_>>())
    }
}
