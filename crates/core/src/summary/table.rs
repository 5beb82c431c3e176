//! The table that ends a sweep: how often trials failed, by the axes that vary. Where there are
//! few configurations, it has a row for each of them, otherwise a row for each value of each axis.

use super::Groups;
use super::interval::{BySeed, Clusters, Interval};
use crate::axis::Id;
use crate::failure::printable;
use crate::record::{self, Counts, LABEL, Verdict};
use crate::spec::Spec;
use crate::spec::metric::Rate;
use crate::trial::Value;
use std::fmt::Write as _;

/// The most configurations that are listed one by one, and the most values of an axis.
const LISTED: usize = 16;
/// The most distinct values of an axis that are told apart.
const MOST_VALUES: usize = 1 << 12;
/// The most characters of a line.
const WIDTH: usize = 80;
/// The characters of the counts in a line.
const COUNTED: usize = 49;
/// The characters that a value may always have before it is cut.
const SHORT: usize = 12;

/// What is counted of some trials.
#[derive(Debug, Clone, Default)]
struct Group {
    counts: Counts,
    /// The failed trials by their seeds.
    failed: BySeed,
}

/// Counts by the columns that a spec sets.
pub struct ByAxis {
    all: Group,
    clusters: Clusters,
    columns: Vec<AxisColumn>,
    /// The counts by the cells of `columns`; `None` once there are more than `LISTED`.
    configurations: Option<Groups<Group>>,
    key: Vec<u8>,
}

/// A column of the table, and the counts of its values.
struct AxisColumn {
    at: usize,
    /// The column of the number in a short form, and the number that is not shown, since it is the
    /// default.
    number: Option<(usize, Vec<u8>)>,
    name: &'static str,
    is_numeric: bool,
    /// The counts of each value; `None` once there are more than `MOST_VALUES`.
    values: Option<Groups<Group>>,
}

impl ByAxis {
    /// The columns of a spec without the seeds, over which everything is counted.
    pub fn new(spec: &Spec) -> ByAxis {
        let names = record::runs_of(&spec.axes);
        let column = |at: usize, is_numeric: bool| {
            let (name, values) = (names[at], Some(Groups::new()));
            AxisColumn { at, number: None, name, is_numeric, values }
        };
        let of_axis = |(id, number): (Id, Option<Id>)| {
            let plain = |id: Id| (record::column_of(id, &spec.axes), id.axis().usual().map(text).unwrap_or_default());
            let axis = id.axis();
            AxisColumn { number: number.map(plain), ..column(record::column_of(id, &spec.axes), axis.is_numeric()) }
        };
        let axes = spec.axes_set().into_iter().filter(|(id, _)| *id != Id::Seed).map(of_axis);
        let columns = [column(LABEL, false)].into_iter().chain(axes).collect();
        let (all, clusters) = (Group::default(), Clusters::default());
        ByAxis { all, clusters, columns, configurations: Some(Groups::new()), key: Vec::new() }
    }

    /// Counts a row of `runs.csv` whose fields end at `ends`, with its seed.
    pub fn add(&mut self, row: &[u8], ends: &[usize], seed: u64, verdict: Verdict) {
        let one = (self.clusters.of(seed), verdict);
        self.all.add(one);
        self.key.clear();
        let cell = |at: usize| &row[ends[at - 1] + 1..ends[at]];
        for column in &mut self.columns {
            let start = self.key.len();
            self.key.extend_from_slice(cell(column.at));
            if let Some((at, plain)) = &column.number
                && !cell(*at).is_empty()
                && cell(*at) != plain
            {
                self.key.push(b'(');
                self.key.extend_from_slice(cell(*at));
                self.key.push(b')');
            }
            let value = &self.key[start..];
            column.values = column.values.take().and_then(|values| values.with(value, one, MOST_VALUES));
            self.key.push(b',');
        }
        self.configurations = self.configurations.take().and_then(|known| known.with(&self.key, one, LISTED));
    }

    /// The share of failed trials among all with a verdict.
    pub fn failed(&self) -> Option<Interval> {
        self.all.failed.interval()
    }

    /// The table, at most 80 characters wide.
    pub fn text(&self) -> String {
        let varying: Vec<usize> = (0..self.columns.len()).filter(|i| self.columns[*i].varies()).collect();
        let listed = self.configurations.as_ref().filter(|_| varying.len() > 1);
        listed.and_then(|known| self.by_configuration(known, &varying)).unwrap_or_else(|| self.by_value(&varying))
    }

    /// A row per configuration; `None` where the lines would be too long.
    fn by_configuration(&self, known: &Groups<Group>, varying: &[usize]) -> Option<String> {
        let names: Vec<String> = varying.iter().map(|i| self.columns[*i].name.to_owned()).collect();
        let rows: Vec<(Vec<String>, &Group)> = known
            .in_order()
            .into_iter()
            .map(|(key, counts)| {
                let cells = record::fields(key);
                (varying.iter().map(|i| written(&cells[*i], usize::MAX)).collect(), counts)
            })
            .collect();
        let text = lines(&names, &rows);
        text.lines().all(|line| line.chars().count() <= WIDTH).then_some(text)
    }

    fn by_value(&self, varying: &[usize]) -> String {
        let mut rows = vec![(vec!["all".to_owned(), String::new()], self.all.clone())];
        let names = varying.iter().map(|i| self.columns[*i].name.len()).max().unwrap_or(0);
        let longest = (WIDTH - COUNTED - 4).saturating_sub(names).max(SHORT);
        for column in varying.iter().map(|i| &self.columns[*i]) {
            for (at, (value, counts)) in column.told(&self.all, longest).into_iter().enumerate() {
                let name = if at == 0 { column.name } else { "" };
                rows.push((vec![name.to_owned(), value], counts));
            }
        }
        let rows: Vec<(Vec<String>, &Group)> = rows.iter().map(|(cells, counts)| (cells.clone(), counts)).collect();
        lines(&["", ""].map(str::to_owned), &rows)
    }
}

impl AxisColumn {
    fn varies(&self) -> bool {
        self.values.as_ref().is_none_or(|values| values.values.len() > 1)
    }

    /// The values with their counts. Numbers come in ascending order. Where there are many of them,
    /// they are put into ranges with about as many values each.
    fn told(&self, all: &Group, longest: usize) -> Vec<(String, Group)> {
        let Some(values) = &self.values else {
            return vec![(format!("over {MOST_VALUES} values"), all.clone())];
        };
        let values = values.in_order();
        if !self.is_numeric {
            let listed = if values.len() > LISTED { LISTED - 1 } else { values.len() };
            let told = values[..listed]
                .iter()
                .map(|(cell, counts)| (written(&record::fields(cell)[0], longest), (*counts).clone()));
            let rest = &values[listed..];
            let others =
                (!rest.is_empty()).then(|| (format!("{} others", rest.len()), sum(rest.iter().map(|(_, c)| *c))));
            return told.chain(others).collect();
        }
        let number = |cell: &[u8]| std::str::from_utf8(cell).ok().and_then(|text| text.parse::<f64>().ok());
        let mut numbers: Vec<(Option<f64>, &Group)> = values.into_iter().map(|(cell, c)| (number(cell), c)).collect();
        numbers.sort_by(|a, b| a.0.unwrap_or(f64::NAN).total_cmp(&b.0.unwrap_or(f64::NAN)));
        if numbers.len() <= LISTED {
            return numbers.into_iter().map(|(number, counts)| (rounded(number, 5), counts.clone())).collect();
        }
        let parts = LISTED / 2;
        let part = |i: usize| &numbers[i * numbers.len() / parts..(i + 1) * numbers.len() / parts];
        let named = |part: &[(Option<f64>, &Group)]| {
            let ends = [part[0].0, part[part.len() - 1].0].map(|end| rounded(end, 2));
            (ends.join(" to "), sum(part.iter().map(|(_, counts)| *counts)))
        };
        (0..parts).map(part).map(named).collect()
    }
}

/// A number with `digits` digits behind the first, or `-` where the axis does not apply.
fn rounded(number: Option<f64>, digits: usize) -> String {
    let Some(number) = number else { return "-".to_owned() };
    if number.fract() == 0.0 && number.abs() < 1e9 {
        return format!("{number}");
    }
    format!("{:?}", format!("{number:.digits$e}").parse::<f64>().unwrap_or(number))
}

/// The text of a value, as the columns have it.
fn text(value: Value) -> Vec<u8> {
    let mut text = Vec::new();
    value.put(&mut text);
    text
}

impl Group {
    /// Counts a trial, of which the cluster of its seed is given.
    fn add(&mut self, (cluster, verdict): (usize, Verdict)) {
        self.counts.add(verdict);
        if let Some(outcome) = verdict.outcome() {
            self.failed.add(cluster, Rate::Failure, outcome);
        }
    }
}

impl Groups<Group> {
    /// The groups with one trial more; `None` if that makes them more than `most`.
    fn with(mut self, key: &[u8], trial: (usize, Verdict), most: usize) -> Option<Groups<Group>> {
        self.of(key).add(trial);
        (self.values.len() <= most).then_some(self)
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a Group>) -> Group {
    parts.fold(Group::default(), |mut sum, part| {
        sum.counts = sum.counts.plus(&part.counts);
        sum.failed.merge(&part.failed);
        sum
    })
}

/// The text of a cell as it is shown: cut to `longest` characters, and `-` where an axis does not
/// apply.
fn written(text: &[u8], longest: usize) -> String {
    let text = printable(&String::from_utf8_lossy(text)).replace(['\n', '\t'], " ");
    match text.chars().count() {
        0 => "-".to_owned(),
        n if n > longest => text.chars().take(longest - 1).chain(['…']).collect(),
        _ => text,
    }
}

fn lines(names: &[String], rows: &[(Vec<String>, &Group)]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().map(|(cells, _)| cells[i].chars().count());
        cells.chain([names[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: &[String], tail: String| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        line.push_str(&tail);
        text.push_str(line.trim_end());
        text.push('\n');
    };
    let heads = ["trials", "failed", "rate", "95% interval", "blew up", "lost"];
    let [trials, failed, rate, interval, blown, lost] = heads;
    line(names, format!("{trials:>7} {failed:>7} {rate:>5}  {interval:<12} {blown:>8} {lost:>4}"));
    for (cells, Group { counts, failed }) in rows {
        let (rate, interval) = match failed.interval() {
            Some(of) => (format!("{:.2}", of.rate), format!("{:.2} to {:.2}", of.low, of.high)),
            None => Default::default(),
        };
        let lost = if counts.lost > 0 { counts.lost.to_string() } else { String::new() };
        let (failed, blown) = (counts.hits(Rate::Failure), counts.hits(Rate::Divergence));
        line(cells, format!("{:>7} {failed:>7} {rate:>5}  {interval:<12} {blown:>8} {lost:>4}", counts.trials));
    }
    text
}
