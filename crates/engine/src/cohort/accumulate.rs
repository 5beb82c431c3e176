//! The gradient of an update that takes several batches: the mean of theirs.

use super::factors;
use crate::data::LaneSeeds;
use crate::lane::ActiveLane;
use crate::readout::Readout;
use crate::scaling::Scaler;
use crate::subject::{self, Fault, Passed, Subject, Turn};
use crate::weights::Weights;
use std::collections::HashMap;
use std::ops::Range;

/// What the batches of one update have left behind.
#[derive(Default)]
pub struct Accumulated {
    /// What only the first pass measures and the layers are of the first batch; the gradients of
    /// the layers are those of the update. The share of underflown gradients is the batches' mean.
    pub passed: Passed,
    /// Where the first value that is not finite began, by lane.
    pub faults: HashMap<usize, Fault>,
    /// The samples of all batches.
    pub samples: usize,
    /// Each lane's mean of the losses of the batches.
    pub losses: Vec<f64>,
}

/// What the passes over the batches of an update are given.
pub struct Passes<'a> {
    pub step: u64,
    /// The batches of the update, counted over all epochs.
    pub batches: Range<u64>,
    pub subject: &'a mut dyn Subject,
    pub active: &'a [ActiveLane],
    pub seeds: &'a [LaneSeeds],
    pub pads: usize,
    pub weights: &'a Weights,
    pub gradients: &'a mut Weights,
    pub readout: &'a mut Readout,
    /// The epoch of the profile, where one is wanted.
    pub profile: Option<u64>,
}

/// Runs forward and backward over every batch of an update and leaves the mean of their gradients,
/// which is what `(loss / k).backward()` for each of k batches gives in PyTorch.
///
/// What a pass gives is read batch by batch, because where a value stopped being finite can only be
/// found while its batch is there.
///
/// # Errors
/// If a data file cannot be read.
pub fn accumulate(passes: Passes) -> Result<Accumulated, String> {
    let Passes { step, batches, subject, active, seeds, pads, weights, gradients, readout, profile } = passes;
    let mut sum = weights.zeros_like();
    let mut all = Accumulated { losses: vec![0.0; active.len()], ..Accumulated::default() };
    let share = 1.0 / (batches.end - batches.start) as f64;
    let (first, last) = (batches.start, batches.end - 1);
    for batch in batches {
        subject.prepare(Turn { batch, is_last: false }, seeds, pads)?;
        let profile = profile.filter(|_| batch == first);
        // As in PyTorch, the loss is divided by the number of batches before it is scaled. The
        // gradients are multiplied with both again, and then take part in the mean.
        let factors = factors(active, pads, share);
        let mut passed = subject.pass(subject::Pass { step, weights, gradients, readout, factors, profile });
        let known = all.passed.underflow.take().into_iter().flatten().chain(std::iter::repeat(0.0));
        let underflow =
            passed.underflow.take().map(|now| now.iter().zip(known).map(|(now, sum)| sum + share * now).collect());
        if batch == first {
            all.passed = passed;
        }
        all.passed.underflow = underflow;
        readout.measure_gradients(gradients);
        readout.read();
        all.samples += subject.samples();
        let suspects: Vec<usize> = (0..active.len())
            .filter(|i| active[*i].is_finite_so_far() && !all.faults.contains_key(i))
            .filter(|&i| {
                let norm = readout.gradient_norm(i, gradients).exact;
                let excused = active[i].scaler.is_some_and(Scaler::is_to_blame);
                !(readout.loss(i).is_finite() && (norm.is_finite() || excused))
            })
            .collect();
        if !suspects.is_empty() {
            all.faults.extend(suspects.iter().copied().zip(subject.locate(weights, &suspects, pads)));
        }
        for (i, loss) in all.losses.iter_mut().enumerate() {
            *loss += share * readout.loss(i);
        }
        for (sum, gradient) in sum.groups.iter_mut().zip(&gradients.groups) {
            drop(sum.g_add_(&gradient.g_mul_scalar(share)));
        }
        if batch != last {
            subject.settle();
        }
    }
    for (gradient, sum) in gradients.groups.iter_mut().zip(&sum.groups) {
        gradient.copy_(sum);
    }
    all.passed.profile.iter_mut().for_each(|profile| profile.finish(gradients));
    Ok(all)
}
