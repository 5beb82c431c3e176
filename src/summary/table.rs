//! The table that ends a sweep: how often trials blew up, by the axes that vary. A row per configuration where there are few of them, else
//! a row per value of each axis.

use super::{Groups, rate};
use crate::failure::printable;
use crate::record::{self, LABEL, Verdict};
use crate::spec::Spec;
use crate::store::Counts;
use std::fmt::Write as _;

/// Configurations that are listed one by one, and values of an axis that are.
const LISTED: usize = 16;
/// Distinct values of an axis that are told apart.
const MOST_VALUES: usize = 1 << 12;
/// Characters of a line.
const WIDTH: usize = 80;
/// Characters of a name or a value.
const LONGEST: usize = 30;

/// Counts by the columns that a spec sets.
pub struct ByAxis {
    columns: Vec<Column>,
    /// By the cells of `columns`; none once there are more than `LISTED`.
    configurations: Option<Groups<Counts>>,
    key: Vec<u8>,
}

struct Column {
    at: usize,
    name: &'static str,
    is_numeric: bool,
    /// None once there are more than `MOST_VALUES`.
    values: Option<Groups<Counts>>,
}

impl ByAxis {
    /// Without the seeds, over which everything is counted.
    pub fn new(spec: &Spec) -> ByAxis {
        let column = |name: &'static str, is_numeric: bool| Column {
            at: record::column(name),
            name,
            is_numeric,
            values: Some(Groups::new()),
        };
        let mut columns = vec![column(record::runs()[LABEL], false)];
        let axes = spec.axes_set().into_iter().map(|id| id.axis()).filter(|axis| axis.name() != "seed");
        columns.extend(axes.map(|axis| column(axis.name(), axis.is_numeric())));
        ByAxis { columns, configurations: Some(Groups::new()), key: Vec::new() }
    }

    /// Counts a row of `runs.csv` whose fields end at `ends`.
    pub fn add(&mut self, row: &[u8], ends: &[usize], verdict: Verdict) {
        self.key.clear();
        for column in &mut self.columns {
            let cell = &row[ends[column.at - 1] + 1..ends[column.at]];
            self.key.extend_from_slice(cell);
            self.key.push(b',');
            column.values = column.values.take().and_then(|values| values.with(cell, verdict, MOST_VALUES));
        }
        self.configurations =
            self.configurations.take().and_then(|known| known.with(&self.key, verdict, LISTED));
    }

    /// At most 80 characters wide.
    pub fn text(&self, all: &Counts) -> String {
        let varying: Vec<usize> = (0..self.columns.len()).filter(|i| self.columns[*i].varies()).collect();
        let listed = self.configurations.as_ref().filter(|_| varying.len() > 1);
        listed.and_then(|known| self.by_configuration(known, &varying)).unwrap_or_else(|| self.by_value(all, &varying))
    }

    /// None where the lines are too long.
    fn by_configuration(&self, known: &Groups<Counts>, varying: &[usize]) -> Option<String> {
        let names: Vec<String> = varying.iter().map(|i| self.columns[*i].name.to_owned()).collect();
        let rows: Vec<(Vec<String>, &Counts)> = known
            .in_order()
            .into_iter()
            .map(|(key, counts)| {
                let cells = record::fields(key);
                (varying.iter().map(|i| written(&cells[*i])).collect(), counts)
            })
            .collect();
        let text = lines(&names, &rows);
        text.lines().all(|line| line.chars().count() <= WIDTH).then_some(text)
    }

    fn by_value(&self, all: &Counts, varying: &[usize]) -> String {
        let mut rows = vec![(vec!["all".to_owned(), String::new()], *all)];
        for column in varying.iter().map(|i| &self.columns[*i]) {
            for (at, (value, counts)) in column.told(all).into_iter().enumerate() {
                let name = if at == 0 { column.name } else { "" };
                rows.push((vec![name.to_owned(), value], counts));
            }
        }
        let rows: Vec<(Vec<String>, &Counts)> = rows.iter().map(|(cells, counts)| (cells.clone(), counts)).collect();
        lines(&["", ""].map(str::to_owned), &rows)
    }
}

impl Column {
    fn varies(&self) -> bool {
        self.values.as_ref().is_none_or(|values| values.values.len() > 1)
    }

    /// Its values with their counts: numbers in ascending order and, where they are many, in ranges with about as many values each.
    fn told(&self, all: &Counts) -> Vec<(String, Counts)> {
        let Some(values) = &self.values else {
            return vec![(format!("more than {MOST_VALUES} values"), *all)];
        };
        let mut values: Vec<(String, Counts)> =
            values.in_order().into_iter().map(|(cell, counts)| (written(&record::fields(cell)[0]), *counts)).collect();
        if self.is_numeric {
            let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NEG_INFINITY);
            values.sort_by(|a, b| number(&a.0).total_cmp(&number(&b.0)));
        }
        if values.len() <= LISTED {
            return values;
        }
        if !self.is_numeric {
            let rest = values.split_off(LISTED - 1);
            values.push((format!("{} other values", rest.len()), sum(&rest)));
            return values;
        }
        let parts = LISTED / 2;
        let part = |i: usize| &values[i * values.len() / parts..(i + 1) * values.len() / parts];
        let named = |part: &[(String, Counts)]| (format!("{} to {}", part[0].0, part[part.len() - 1].0), sum(part));
        (0..parts).map(part).map(named).collect()
    }
}

impl Groups<Counts> {
    /// With one trial more; none if it is one of more than `most` groups.
    fn with(mut self, key: &[u8], verdict: Verdict, most: usize) -> Option<Groups<Counts>> {
        self.of(key).add(verdict);
        (self.values.len() <= most).then_some(self)
    }
}

fn sum(parts: &[(String, Counts)]) -> Counts {
    parts.iter().fold(Counts::default(), |sum, (_, counts)| sum.plus(counts))
}

/// The text of a cell as it is shown: `-` where an axis does not apply.
fn written(text: &[u8]) -> String {
    let text = printable(&String::from_utf8_lossy(text)).replace(['\n', '\t'], " ");
    match text.chars().count() {
        0 => "-".to_owned(),
        n if n > LONGEST => text.chars().take(LONGEST - 1).chain(['…']).collect(),
        _ => text,
    }
}

fn lines(names: &[String], rows: &[(Vec<String>, &Counts)]) -> String {
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
    line(names, format!("{:>7} {:>8} {:>5}  {:<12} {:>4}", "trials", "blew up", "rate", "95% interval", "lost"));
    for (cells, c) in rows {
        let (rate, interval) = match rate(c) {
            Some((rate, low, high)) => (format!("{rate:.2}"), format!("{low:.2} to {high:.2}")),
            None => Default::default(),
        };
        let lost = if c.lost > 0 { c.lost.to_string() } else { String::new() };
        let blown = c.diverged + c.nonfinite;
        line(cells, format!("{:>7} {blown:>8} {rate:>5}  {interval:<12} {lost:>4}", c.trials));
    }
    text
}
