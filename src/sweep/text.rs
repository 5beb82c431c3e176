//! What `blowup sweep` prints: the plan of a dry run, and the table at the end.

use super::survey::Survey;
use crate::progress;
use blowup_core::edge::table;
use blowup_core::failure::counted;
use blowup_core::plan::{Plan, Shard};
use blowup_core::spec::Spec;
use blowup_core::spec::edge::Edge;
use blowup_core::store::Store;
use blowup_core::summary::Summary;
use std::fmt::Write as _;

/// What would run, as `--dry-run` prints it: the sizes of the grid, the predicted memory and time,
/// and the largest cohorts.
pub fn dry_run(spec: &Spec, shard: Option<Shard>, survey: &Survey, plan: &Plan, workers: usize) -> String {
    const SHOWN: usize = 12;
    let (points, pending) = (spec.grid().points(), plan.trials());
    let many = |n: usize, what: &str| counted(n as u64, what);
    let points = if points == 1 { "1 point".to_owned() } else { format!("{points} points") };
    let mut text = match spec.edges.is_empty() {
        true => format!("grid      {points}, {}\n", counted(survey.trials, "trial")),
        false => format!("grid      {points}\n{}", edges(spec, survey)),
    };
    let _ = writeln!(text, "seeds     {}", spec.seeds());
    if let Some(shard) = shard {
        let _ = writeln!(text, "shard     {shard}, {}", many(survey.order.len(), "trial"));
    }
    for taken in &spec.data {
        let _ = writeln!(text, "data      {}", taken.told());
    }
    let _ = writeln!(text, "selected  {}, of which {pending} are to run", survey.selected);
    let (cohorts, chunks) = (many(plan.cohorts.len(), "cohort"), many(plan.chunks.len(), "chunk"));
    let _ = writeln!(text, "plan      {cohorts}, {chunks} on {}", many(workers, "worker"));
    // What a program's trial takes is in the plan as a guess, by which it is cut.
    let is_known = spec.program.is_none();
    if is_known {
        let (seconds, here) = (plan.seconds(), plan.seconds_on(workers));
        let _ = writeln!(text, "memory    {:.0} MiB predicted for a worker", plan.bytes() / 1048576.0);
        let _ = writeln!(text, "work      {seconds:.1} s predicted on one core, {here:.1} s here\n");
    } else {
        text.push_str(
            "work      not known: nobody has measured a trial of the program, neither its time nor its memory\n\n",
        );
    }
    let _ = writeln!(text, "{:>8} {:>6} {:>10}  cohort", "trials", "lanes", "seconds");
    for cohort in plan.cohorts.iter().take(SHOWN) {
        let seconds = if is_known { format!("{:.2}", cohort.seconds()) } else { "?".to_owned() };
        let _ = writeln!(text, "{:>8} {:>6} {seconds:>10}  {}", cohort.trials(), cohort.lanes, cohort.name);
    }
    if let Some(more) = plan.cohorts.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "{:>8} {:>6} {:>10}  and {more} smaller ones", "", "", "");
    }
    text
}

/// How many trials the edges take: at the start, and at most.
fn edges(spec: &Spec, survey: &Survey) -> String {
    let all = |of: fn(&Edge) -> u64| counted(spec.edges.iter().map(of).sum(), "trial");
    let lines: u64 = spec.edges.iter().map(|edge| edge.lines.len() as u64).sum();
    let over = survey.lines.iter().filter(|line| line.is_over).count();
    let lines = match over {
        0 => counted(lines, "line"),
        over => format!("{}, of which {over} are at their end", counted(lines, "line")),
    };
    let (first, most) = (all(Edge::first_trials), all(Edge::most_trials));
    format!("edges     {lines}: {first} in the first round, {most} at most\n")
}

/// What a sweep that has ended prints: its configurations, how many trials ended in which way, and
/// the files in its folder.
pub fn ended((spec, summary): (&Spec, &Summary), survey: &Survey, shard: Option<Shard>, store: &Store) -> String {
    let mut text = summary.table();
    text.push('\n');
    if !survey.lines.is_empty() {
        text.push_str(&table::told(spec, &survey.lines));
        text.push('\n');
    }
    text.push_str(&progress::folded(&counted(summary.all.trials, "trial"), &progress::counts(&summary.all)));
    let missing = survey.order.len() as u64 - summary.all.trials;
    if missing > 0 {
        let (whose, all) = (if shard.is_some() { "shard" } else { "grid" }, survey.order.len());
        let _ = writeln!(text, "{missing} of the {whose}'s {all} trials were not asked for yet");
    }
    text.push_str(&progress::folded(&store.dir().display().to_string(), &store.files().join(" ")));
    text
}

/// `1 trial was`, `2 trials were`.
pub fn were(n: u64, what: &str) -> String {
    format!("{} {}", counted(n, what), if n == 1 { "was" } else { "were" })
}
