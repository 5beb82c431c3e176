//! The texts of figures. A title and a subtitle are understood without any text around the figure.

use super::cells::{DiagramCell, PlotMetric};
use super::plan::{Page, levels};
use super::scale;
use super::table::{Factor, TrialTable};
use blowup_core::failure::counted;
use blowup_core::record::Counts;
use blowup_core::spec::metric::Rate;

impl PlotMetric {
    /// The name of the metric, for the title and the legend.
    pub fn title(self) -> String {
        match self {
            PlotMetric::Rate(Rate::Failure) => "failure rate".to_owned(),
            PlotMetric::Rate(Rate::Divergence) => "divergence rate".to_owned(),
            PlotMetric::Rate(rate) => format!("rate of {} trials", adjective(rate)),
            PlotMetric::Median(column) => format!("median {column}"),
            PlotMetric::LrSensitivity => "learning-rate sensitivity".to_owned(),
        }
    }

    /// The meaning of the metric, as a sentence without its full stop.
    fn meaning(self) -> String {
        match self {
            PlotMetric::Rate(Rate::Divergence) => "Share of trials that diverged or became non-finite".to_owned(),
            PlotMetric::Rate(Rate::Failure) => {
                "Share of trials that diverged, became non-finite, relapsed or were ruined".to_owned()
            }
            PlotMetric::Rate(rate) => format!("Share of {} trials", adjective(rate)),
            PlotMetric::Median(column) => format!("Median of {column} over the trials that have one"),
            PlotMetric::LrSensitivity => {
                "Mean over the learning rates of the smaller of the final and the initial loss, less the best of them"
                    .to_owned()
            }
        }
    }
}

/// What the trials that a rate counts are.
fn adjective(rate: Rate) -> &'static str {
    match rate {
        Rate::Failure => "failed",
        Rate::Divergence => "blown up",
        Rate::Nonfinite => "non-finite",
        Rate::Relapse => "relapsed",
        Rate::Ruined => "ruined",
        Rate::Converged => "converged",
        Rate::Stalled => "stalled",
        Rate::Unsettled => "unsettled",
        Rate::Untrained => "untrained",
    }
}

/// The title of a page, such as `Divergence rate: grid, mlp, clip = none`.
pub fn title(what: &str, source: &str, page: &Page<'_>) -> String {
    let fixed = page.fixed.iter().map(|(factor, code)| format!("{} = {}", factor.name, at(factor, *code)));
    let family = Some(page.family.name.clone()).filter(|name| !name.is_empty());
    let parts: Vec<String> = family.into_iter().chain(fixed).collect();
    let rest = if parts.is_empty() { String::new() } else { format!(", {}", parts.join(", ")) };
    format!("{}: {source}{rest}", capital(what))
}

/// The subtitle of a page: what the metric means, how many trials and seeds there are, which
/// factors are held, and over which ones the trials are pooled.
pub fn subtitle(table: &TrialTable, metric: PlotMetric, page: &Page<'_>, cells: &[DiagramCell]) -> String {
    let all = |of: fn(&Counts) -> u64| cells.iter().map(|cell| of(&cell.counts)).sum::<u64>();
    let (trials, lost) = (all(|c| c.trials), all(|c| c.lost));
    let sizes = || cells.iter().map(|cell| cell.counts.trials);
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    let each = if least == most { format!("{most}") } else { format!("{least} to {most}") };
    let seeds = table.factor("seed").map_or(0, |seed| levels(seed, &page.rows).len());
    let seeds = counted(seeds as u64, "seed");
    let mut text = format!("{}. {} of {seeds}, {each} a cell", metric.meaning(), trials_of(trials));
    if let PlotMetric::Rate(Rate::Failure) = metric {
        let [failed, blown_up] =
            [Rate::Failure, Rate::Divergence].map(|rate| cells.iter().map(|cell| cell.counts.hits(rate)).sum::<u64>());
        text.push_str(&format!("; {failed} failed, {blown_up} of them blew up"));
    }
    if lost > 0 {
        text.push_str(&format!(", {lost} lost"));
    }
    text + &held(page) + &pooled(&page.pooled, &page.rows) + "."
}

/// The sentence, without its full stop, that says which factors are held at one level, behind the
/// full stop of the one before. It is empty without such factors.
fn held(page: &Page<'_>) -> String {
    if page.held.is_empty() {
        return String::new();
    }
    let names = page.held.iter().map(|factor| listed(factor, &page.family.rows));
    format!(". Of these one value each is shown: {}", names.collect::<Vec<_>>().join(", "))
}

/// The sentence, without its full stop, that says over which factors rows are pooled, behind the
/// full stop of the one before. It is empty without such factors.
pub fn pooled(factors: &[&Factor], rows: &[u32]) -> String {
    if factors.is_empty() {
        return String::new();
    }
    let names: Vec<String> = factors.iter().map(|factor| listed(factor, rows)).collect();
    format!(". Pooled over {}", names.join(", "))
}

/// The note that a browser shows under the pointer over a cell.
pub fn note(table: &TrialTable, cell: &DiagramCell, by: &[&Factor], metric: PlotMetric, value: Option<f64>) -> String {
    let place = by.iter().zip(&cell.levels).map(|(factor, code)| format!("{} {}", factor.name, at(factor, *code)));
    let (place, n) = (place.collect::<Vec<_>>().join(", "), cell.counts.verdicts());
    let mut text = match (metric, value) {
        (_, None) => format!("{place}: no value"),
        (PlotMetric::Rate(rate), Some(value)) => {
            let (low, high) = cell.interval(table, rate).unwrap_or((0.0, 1.0));
            let hits = cell.counts.hits(rate);
            let blown_up = match rate {
                Rate::Failure => format!(", {} blew up", cell.counts.hits(Rate::Divergence)),
                Rate::Divergence
                | Rate::Nonfinite
                | Rate::Relapse
                | Rate::Ruined
                | Rate::Converged
                | Rate::Stalled
                | Rate::Unsettled
                | Rate::Untrained => String::new(),
            };
            format!("{place}: {hits} of {n}, {value:.2} (95% {low:.2} to {high:.2}){blown_up}")
        }
        (PlotMetric::Median(_) | PlotMetric::LrSensitivity, Some(value)) => {
            format!("{place}: {} ({n} trials)", scale::number(value))
        }
    };
    if cell.counts.lost > 0 {
        text.push_str(&format!(", {} lost", cell.counts.lost));
    }
    text
}

/// A factor with its levels, such as `init (normal(0.5), he)`.
fn listed(factor: &Factor, rows: &[u32]) -> String {
    const SHOWN: usize = 5;
    let levels = levels(factor, rows);
    let mut texts: Vec<String> = levels.iter().take(SHOWN).map(|code| at(factor, *code)).collect();
    if levels.len() > SHOWN {
        texts.push(format!("{} values in all", levels.len()));
    }
    format!("{} ({})", factor.name, texts.join(", "))
}

/// The levels of a factor as `runs.csv` has them: all of them or, if there are many, the first and
/// the last.
pub fn values(factor: &Factor) -> String {
    const SHOWN: usize = 12;
    let texts: Vec<&str> = factor.levels.iter().map(|level| &*level.text).filter(|text| !text.is_empty()).collect();
    match texts.len() {
        0 => "nothing, it does not apply".to_owned(),
        n if n > SHOWN => format!("{} values from {} to {}", n, texts[0], texts[n - 1]),
        _ => texts.join(", "),
    }
}

/// The text of a level.
pub fn at(factor: &Factor, code: u32) -> String {
    scale::label(&factor.levels[code as usize])
}

/// A number of trials, such as `1 trial` or `2 trials`.
pub fn trials_of(n: u64) -> String {
    if n == 1 { "1 trial".to_owned() } else { format!("{n} trials") }
}

/// The text with a capital first letter.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
