//! From the rows of `runs.csv` to `summary.csv`, one row per configuration, and to the table at the end of a sweep. Text in, text out.

use crate::record::{self, LABEL, OUTCOME, Verdict};
use crate::store::Counts;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;

/// The columns after those of the configuration.
const COUNTED: [&str; 12] = [
    "trials",
    "converged",
    "stalled",
    "unsettled",
    "diverged",
    "nonfinite",
    "lost",
    "divergence_rate",
    "divergence_low",
    "divergence_high",
    "epoch_diverged_median",
    "epoch_nonfinite_median",
];

/// Fed with rows in grid order.
pub struct Summary {
    columns: Columns,
    /// By the text of all cells that make a configuration.
    configurations: Groups<Vec<u8>, Tally>,
    /// By network, init and activation.
    causes: Groups<[String; 3], Counts>,
    pub all: Counts,
}

struct Columns {
    seed: usize,
    data_seed: usize,
    causes: [usize; 3],
    epoch_diverged: usize,
    epoch_nonfinite: usize,
}

#[derive(Default)]
struct Tally {
    counts: Counts,
    epochs_diverged: Vec<u64>,
    epochs_nonfinite: Vec<u64>,
}

/// A map that remembers the order in which its keys came.
struct Groups<K, V> {
    at: HashMap<K, usize>,
    values: Vec<V>,
}

impl<K: Hash + Eq, V: Default> Groups<K, V> {
    fn new() -> Groups<K, V> {
        Groups { at: HashMap::new(), values: Vec::new() }
    }

    fn of(&mut self, key: K) -> &mut V {
        let at = *self.at.entry(key).or_insert_with(|| {
            self.values.push(V::default());
            self.values.len() - 1
        });
        &mut self.values[at]
    }

    fn in_order(&self) -> Vec<(&K, &V)> {
        let mut keys: Vec<(&K, usize)> = self.at.iter().map(|(key, at)| (key, *at)).collect();
        keys.sort_unstable_by_key(|(_, at)| *at);
        keys.into_iter().map(|(key, at)| (key, &self.values[at])).collect()
    }
}

impl Default for Summary {
    fn default() -> Summary {
        let columns = Columns {
            seed: record::column("seed"),
            data_seed: record::column("data_seed"),
            causes: ["network", "init", "activation"].map(record::column),
            epoch_diverged: record::column("epoch_diverged"),
            epoch_nonfinite: record::column("epoch_nonfinite"),
        };
        Summary { columns, configurations: Groups::new(), causes: Groups::new(), all: Counts::default() }
    }
}

impl Summary {
    /// Counts a whole row of `runs.csv` for the table and for `csv`.
    pub fn add(&mut self, fields: &[Cow<'_, [u8]>]) {
        let Some(verdict) = Verdict::parse(&fields[OUTCOME], &fields[OUTCOME + 1]) else {
            return;
        };
        self.add_to_table(fields);
        let at = &self.columns;
        // A seed of the data of its own makes a configuration; by default it is the seed, which does not.
        let own_data = fields[at.data_seed] != fields[at.seed];
        let cells = (LABEL..OUTCOME).filter(|column| *column != at.seed);
        let key = record::line(cells.map(|c| if c == at.data_seed && !own_data { &b""[..] } else { &fields[c] }));
        let tally = self.configurations.of(key);
        tally.counts.add(verdict);
        let number =
            |column: usize| std::str::from_utf8(&fields[column]).ok().and_then(|text| text.parse::<u64>().ok());
        tally.epochs_diverged.extend(number(at.epoch_diverged));
        tally.epochs_nonfinite.extend(number(at.epoch_nonfinite));
    }

    /// Counts a whole row of `runs.csv` for the table only, which is quicker.
    pub fn add_to_table(&mut self, fields: &[Cow<'_, [u8]>]) {
        if let Some(verdict) = Verdict::parse(&fields[OUTCOME], &fields[OUTCOME + 1]) {
            let cause = self.columns.causes.map(|column| String::from_utf8_lossy(&fields[column]).into_owned());
            self.causes.of(cause).add(verdict);
            self.all.add(verdict);
        }
    }

    /// `summary.csv`
    pub fn csv(&self) -> Vec<u8> {
        let columns = record::runs();
        let configuration = columns[LABEL..OUTCOME].iter().copied().filter(|name| *name != "seed");
        let mut csv = record::line(configuration.chain(COUNTED));
        for (key, tally) in self.configurations.in_order() {
            let c = &tally.counts;
            let rate = rate(c);
            let mut cells: Vec<String> =
                [c.trials, c.converged, c.stalled, c.unsettled, c.diverged, c.nonfinite, c.lost]
                    .map(|n| n.to_string())
                    .into();
            let maybe = |x: Option<f64>| x.map(record::float).unwrap_or_default();
            cells.extend([rate.map(|r| r.0), rate.map(|r| r.1), rate.map(|r| r.2)].map(maybe));
            cells.extend([&tally.epochs_diverged, &tally.epochs_nonfinite].map(|epochs| maybe(median(epochs))));
            csv.extend(&key[..key.len() - 1]);
            csv.push(b',');
            csv.extend(record::line(&cells));
        }
        csv
    }

    /// At most 80 columns wide.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<8} {:<15} {:<12} {:>8} {:>8} {:>5}  {:<12} {:>4}\n",
            "network", "init", "activation", "trials", "diverged", "rate", "95% interval", "lost"
        );
        for ([network, init, activation], c) in self.causes.in_order() {
            let (rate, interval) = match rate(c) {
                Some((rate, low, high)) => (format!("{rate:.2}"), format!("{low:.2} to {high:.2}")),
                None => Default::default(),
            };
            let lost = if c.lost > 0 { c.lost.to_string() } else { String::new() };
            let blown = c.diverged + c.nonfinite;
            let line = format!(
                "{network:<8} {init:<15} {activation:<12} {:>8} {blown:>8} {rate:>5}  {interval:<12} {lost:>4}",
                c.trials
            );
            table.push_str(line.trim_end());
            table.push('\n');
        }
        table
    }
}

/// Divergence rate of the trials with a verdict and its 95% interval.
fn rate(counts: &Counts) -> Option<(f64, f64, f64)> {
    let verdicts = counts.trials - counts.lost;
    let blown = counts.diverged + counts.nonfinite;
    (verdicts > 0).then(|| {
        let (low, high) = wilson(blown, verdicts);
        (blown as f64 / verdicts as f64, low, high)
    })
}

/// The 95% score interval of Wilson (1927) for `hits` of `all > 0`.
pub fn wilson(hits: u64, all: u64) -> (f64, f64) {
    // The 97.5% quantile of the normal distribution.
    const Z: f64 = 1.959963984540054;
    let (n, p) = (all as f64, hits as f64 / all as f64);
    let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Exact at the ends, where rounding could leave 1e-17.
    (if hits == 0 { 0.0 } else { centre - half }, if hits == all { 1.0 } else { centre + half })
}

/// Of the trials that have one; `None` if there are none.
fn median(epochs: &[u64]) -> Option<f64> {
    let mut sorted = epochs.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle] as f64),
        _ => Some((sorted[middle - 1] as f64 + sorted[middle] as f64) / 2.0),
    }
}
