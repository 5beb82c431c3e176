//! How much a learning rate matters (Wortsman et al. 2023, arXiv 2309.14322, section 2.2): over the
//! learning rates that were tried, the mean of the loss at the end, or of the loss at the
//! initialization where that is smaller, less the best of these. It is 0 where every learning rate
//! ends equally well.

use crate::mean::mean;
use std::collections::BTreeMap;

/// The columns of `runs.csv` that the metric reads: the axis, and the two losses.
pub const COLUMNS: [&str; 3] = ["lr", "loss_initial", "loss_final"];

/// The trials that differ in their learning rate alone, and so have one seed.
#[derive(Debug, Clone, Default)]
pub struct LossCurve {
    /// The smaller loss of each, by the bits of its learning rate. `None` if a program does not
    /// tell its final loss.
    losses: BTreeMap<u64, Option<f64>>,
}

impl LossCurve {
    /// Adds a trial. A final loss that is NaN counts as worse than every other.
    pub fn add(&mut self, lr: f64, initial: Option<f64>, last: Option<f64>) {
        // The minimum of a NaN and a number is the number.
        self.losses.insert(lr.to_bits(), last.map(|last| last.min(initial.unwrap_or(f64::NAN))));
    }

    /// The sensitivity. `None` if there are fewer than two learning rates, or a loss is not known.
    pub fn sensitivity(&self) -> Option<f64> {
        let losses: Vec<f64> = self.losses.values().copied().collect::<Option<_>>()?;
        let best = losses.iter().copied().fold(f64::NAN, f64::min);
        (losses.len() > 1).then(|| mean(losses.iter().map(|loss| loss - best)))
    }
}

/// The mean of the sensitivities of several curves, and the number of curves that have one.
pub fn lr_sensitivity<'a>(curves: impl Iterator<Item = &'a LossCurve>) -> (Option<f64>, u64) {
    let values: Vec<f64> = curves.filter_map(LossCurve::sensitivity).collect();
    let value = (!values.is_empty()).then(|| mean(values.iter().copied()));
    (value, values.len() as u64)
}
