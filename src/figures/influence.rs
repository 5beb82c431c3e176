//! Which axis matters most: how well the values of each axis tell whether a trial fails.
//!
//! A trial is predicted by the other trials that have the same values: of `n` trials of which `k`
//! failed, a failed one is given the probability `(k - 1 + p) / n`, where `p` is the failure rate
//! of all trials. The deviance is -2 times the sum of the logarithms of what the trials were given,
//! and the share explained is that by which it falls below the deviance of `p` itself: McFadden's
//! R² (1974), of predictions that leave the predicted trial out. So an axis that says nothing
//! explains nothing, however many values it has.

use super::design::combinations;
use super::table::{Factor, TrialTable};

/// How much an axis explains of which trials fail.
#[derive(Clone, Copy)]
pub struct Influence<'a> {
    pub factor: &'a Factor,
    /// The share that the axis explains alone, from 0 to 1.
    pub alone: f64,
    /// The share that it explains beyond the axes before it. It is 0 from the first axis on that
    /// adds nothing.
    pub gain: f64,
}

/// The most rows that are looked at. Of more, every second, third, ... one is.
const MOST_ROWS: usize = 1 << 17;

/// Orders the factors by what they explain of which of these rows failed: first the one that
/// explains most alone, then always the one that adds most to those before it. Where nothing is
/// added, what a factor explains alone decides, and then the order of `factors`.
pub fn influences<'a>(table: &TrialTable, rows: &[u32], factors: &[&'a Factor]) -> Vec<Influence<'a>> {
    let with_outcome = |row: &u32| table.verdicts[*row as usize].outcome().map(|outcome| (*row, outcome.failed()));
    let every = rows.len().div_ceil(MOST_ROWS).max(1);
    let (rows, failed): (Vec<u32>, Vec<bool>) = rows.iter().step_by(every).filter_map(with_outcome).unzip();
    let rate = failed.iter().filter(|failed| **failed).count() as f64 / failed.len() as f64;
    let explained = |chosen: &[&Factor]| share(&combinations(chosen, &rows).0, &failed, rate);
    let mut left: Vec<Influence<'a>> =
        factors.iter().map(|factor| Influence { factor, alone: explained(&[factor]).max(0.0), gain: 0.0 }).collect();
    left.sort_by(|a, b| b.alone.total_cmp(&a.alone));
    let (mut ordered, mut before): (Vec<Influence<'a>>, f64) = (Vec::new(), 0.0);
    loop {
        let chosen: Vec<&Factor> = ordered.iter().map(|influence| influence.factor).collect();
        let with = |influence: &Influence<'a>| explained(&[&chosen[..], &[influence.factor]].concat());
        // Of equal ones the first is taken.
        let best = left.iter().map(with).enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some((at, now)) = best.filter(|(_, now)| *now > before) else { break };
        ordered.push(Influence { gain: now - before, ..left.remove(at) });
        before = now;
    }
    ordered.extend(left);
    ordered
}

/// The share of the deviance that the groups explain. Rows of one number are a group. It is 0 where
/// all rows failed or none did.
fn share(groups: &[u32], failed: &[bool], rate: f64) -> f64 {
    if !(rate > 0.0 && rate < 1.0) {
        return 0.0;
    }
    let count = groups.iter().max().map_or(0, |last| *last as usize + 1);
    let mut counts = vec![(0.0, 0.0); count];
    for (group, failed) in groups.iter().zip(failed) {
        let (k, n) = &mut counts[*group as usize];
        *k += f64::from(u8::from(*failed));
        *n += 1.0;
    }
    // 0 trials add nothing, whatever they are given.
    let term = |trials: f64, given: f64| if trials > 0.0 { trials * given.ln() } else { 0.0 };
    let group = |(k, n): &(f64, f64)| term(*k, (k - 1.0 + rate) / n) + term(n - k, (n - k - rate) / n);
    let n = failed.len() as f64;
    let without = n * (rate * rate.ln() + (1.0 - rate) * (1.0 - rate).ln());
    1.0 - counts.iter().map(group).sum::<f64>() / without
}

/// What matters most, as one line for people. It is empty where no axis explains anything.
pub fn told(influences: &[Influence<'_>]) -> String {
    const SHOWN: usize = 4;
    let some: Vec<&Influence<'_>> = influences.iter().filter(|influence| influence.gain > 0.0).take(SHOWN).collect();
    let Some((first, rest)) = some.split_first() else { return String::new() };
    let rest: String = rest.iter().map(|of| format!(", {} ({:.2} more)", of.factor.name, of.gain)).collect();
    format!("what decides which trials fail: {} (explains {:.2}){rest}", first.factor.name, first.gain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::table::Level;
    use blowup_core::record::Verdict;
    use blowup_core::trial::TrialId;
    use blowup_core::verdict::Outcome;

    fn factor(name: &'static str, codes: Vec<u32>) -> Factor {
        let levels = codes.iter().max().map_or(0, |last| last + 1);
        let level = |code: u32| Level { text: code.to_string(), number: Some(f64::from(code)) };
        Factor { name, levels: (0..levels).map(level).collect(), codes }
    }

    fn table(failed: &[bool], factors: Vec<Factor>) -> TrialTable {
        let outcome = |failed: &bool| Verdict::Outcome(if *failed { Outcome::Diverged } else { Outcome::Converged });
        TrialTable {
            trials: (0..failed.len()).filter_map(|row| TrialId::parse(&format!("t{row:012x}"))).collect(),
            verdicts: failed.iter().map(outcome).collect(),
            factors,
            epochs_diverged: Vec::new(),
            epochs_nonfinite: Vec::new(),
            measures: Vec::new(),
            read: failed.len() as u64,
            unmet: Vec::new(),
        }
    }

    #[test]
    fn an_axis_explains_by_how_much_it_predicts_a_trial_from_the_others() {
        // `a` decides alone, `b` says nothing, `c` has a value of its own for each trial.
        let failed = [true, true, true, true, false, false, false, false];
        let factors = vec![
            factor("c", (0..8).collect()),
            factor("b", vec![0, 0, 1, 1, 0, 0, 1, 1]),
            factor("a", vec![0, 0, 0, 0, 1, 1, 1, 1]),
        ];
        let table = table(&failed, factors);
        let factors: Vec<&Factor> = table.factors.iter().collect();
        let found = influences(&table, &table.rows(), &factors);
        let names: Vec<&str> = found.iter().map(|influence| influence.factor.name).collect();
        assert_eq!(names, ["a", "c", "b"]);
        // Each trial is given (3 + 1/2) / 4 by the three others of its group, and 1/2 without it.
        let expected = 1.0 - 0.875_f64.ln() / 0.5_f64.ln();
        assert!((found[0].alone - expected).abs() < 1e-12 && (found[0].gain - expected).abs() < 1e-12);
        // (1 + 1/2) / 4 is less than 1/2, and alone in its group a trial is given 1/2 itself.
        assert_eq!([found[1].alone, found[1].gain, found[2].alone, found[2].gain], [0.0; 4]);
    }

    #[test]
    fn the_second_axis_is_the_one_that_adds_most() {
        // A trial fails where `a` is 1 and `b` is 1; `copy` repeats `a`.
        let (a, b): (Vec<u32>, Vec<u32>) = (0..32).map(|i| (i / 8 % 2, i % 8 / 2 % 2)).unzip();
        let failed: Vec<bool> = a.iter().zip(&b).map(|(a, b)| a + b == 2).collect();
        let table = table(&failed, vec![factor("a", a.clone()), factor("copy", a), factor("b", b)]);
        let factors: Vec<&Factor> = table.factors.iter().collect();
        let found = influences(&table, &table.rows(), &factors);
        let names: Vec<&str> = found.iter().map(|influence| influence.factor.name).collect();
        assert_eq!(names, ["a", "b", "copy"]);
        assert!(found[1].gain > found[0].gain && found[2].gain == 0.0 && found[2].alone > 0.0);
        let line = told(&found);
        assert!(line.starts_with("what decides which trials fail: a (explains 0.") && !line.contains("copy"), "{line}");
    }

    #[test]
    fn where_all_trials_fail_nothing_matters() {
        let table = table(&[true; 4], vec![factor("a", vec![0, 0, 1, 1])]);
        let found = influences(&table, &table.rows(), &table.factors.iter().collect::<Vec<_>>());
        assert_eq!((found[0].alone, found[0].gain, told(&found)), (0.0, 0.0, String::new()));
    }
}
