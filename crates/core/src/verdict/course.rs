//! The trajectory of one trial, folded step by step into what its row says.

use super::late::Late;
use super::outcome::Ending;
use super::relapse::Best;
use super::spikes::Spikes;
use super::{
    Aftermath, Beginning, EpochRow, Finished, LayerRow, Measured, Next, Origin, Outcome, Probe, Record, Site, StepRow,
    Terms, When, reference,
};
use crate::mean::Mean;
use crate::median::median;

/// The trajectory of one trial, folded as it comes.
#[derive(Debug, Clone)]
pub struct Course {
    beginning: Beginning,
    /// The initial loss against which divergence is measured.
    initial: Option<f64>,
    terms: Terms,
    threshold: f64,
    record: Record,
    epoch: EpochFold,
    late: Late,
    best: Best,
    spikes: Spikes,
    loss_previous: Option<f64>,
    loss_jump_max: Option<f64>,
    loss_min: Option<f64>,
    loss_max: Option<(f64, u64)>,
    /// Whether a step was seen.
    has_begun: bool,
    grad_norm_initial: Option<f64>,
    grad_norm_max: Option<(f64, u64)>,
    grad_norm_final: Option<f64>,
    update_norm_max: Option<f64>,
    update_ratio_max: Option<f64>,
    /// The norm of the weights before the next update, if it is known.
    weight_norm: Option<f64>,
    weight_norm_max: Option<f64>,
    clipped: Option<(u64, u64)>,
    /// What the clipped gradients were multiplied with.
    coefficients: Vec<f64>,
    skipped: Option<(u64, u64)>,
    first_skip: Option<u64>,
    overflowed: Option<u64>,
    underflow: Mean,
    diverged: Option<When>,
    nonfinite: Option<When>,
    site: Option<Site>,
    origin: Option<Origin>,
    nan: Option<When>,
    steps: u64,
    epochs: u64,
    epoch_rows: Vec<EpochRow>,
    layer_rows: Vec<LayerRow>,
    step_rows: Vec<StepRow>,
}

/// What the steps of the current epoch add up to.
#[derive(Debug, Clone, Default)]
struct EpochFold {
    loss: Mean,
    loss_max: Option<f64>,
    grad_norm_max: Option<f64>,
    update_norm_max: Option<f64>,
    clipped: Option<(u64, u64)>,
}

impl Course {
    /// Begins a course.
    pub fn new(beginning: Beginning, terms: Terms, record: Record) -> Course {
        let initial = beginning.loss_initial;
        let mut course = Course {
            initial,
            terms,
            threshold: f64::NAN,
            record,
            epoch: EpochFold::default(),
            late: Late::default(),
            best: Best::default(),
            spikes: Spikes::default(),
            loss_previous: None,
            loss_jump_max: None,
            loss_min: None,
            loss_max: None,
            has_begun: false,
            grad_norm_initial: None,
            grad_norm_max: None,
            grad_norm_final: None,
            update_norm_max: None,
            update_ratio_max: None,
            weight_norm: beginning.weight_norm,
            weight_norm_max: beginning.weight_norm.and_then(|norm| larger(None, norm)),
            clipped: None,
            coefficients: Vec::new(),
            skipped: None,
            first_skip: None,
            overflowed: None,
            underflow: Mean::default(),
            diverged: None,
            nonfinite: None,
            site: None,
            origin: None,
            nan: None,
            steps: 0,
            epochs: 0,
            epoch_rows: Vec::new(),
            layer_rows: Vec::new(),
            step_rows: Vec::new(),
            beginning,
        };
        course.threshold = terms.loss_ratio * course.reference();
        course
    }

    fn reference(&self) -> f64 {
        reference(self.initial.unwrap_or(f64::NAN), self.beginning.loss_trivial.unwrap_or(f64::NAN))
    }

    /// The loss that stands for the initial loss, if nobody said that.
    fn begin_with(&mut self, loss: f64) {
        if self.initial.is_none() {
            self.initial = Some(loss);
            self.threshold = self.terms.loss_ratio * self.reference();
        }
    }

    /// Takes the forward and backward pass of a step, before its update, and returns what the
    /// caller has to do about it.
    pub fn step(&mut self, probe: Probe) -> Next {
        let now = When { epoch: self.epochs + 1, step: self.steps };
        self.begin_with(probe.loss);
        if !self.has_begun {
            self.has_begun = true;
            self.grad_norm_initial = probe.grad_norm;
            self.initial_row(probe.grad_norm);
        }
        if let Some(before) = self.loss_previous {
            self.loss_jump_max = larger(self.loss_jump_max, probe.loss / before);
        }
        self.loss_previous = Some(probe.loss);
        if let Some(norm) = probe.grad_norm
            && larger(self.grad_norm_max.map(|g| g.0), norm) != self.grad_norm_max.map(|g| g.0)
        {
            self.grad_norm_max = Some((norm, now.epoch));
        }
        self.epoch.loss.add(probe.loss, probe.samples as f64);
        self.epoch.loss_max = larger(self.epoch.loss_max, probe.loss);
        if let Some(norm) = probe.grad_norm {
            self.epoch.grad_norm_max = larger(self.epoch.grad_norm_max, norm);
        }
        if let Some(clipped) = probe.clipped {
            for count in [&mut self.epoch.clipped, &mut self.clipped] {
                let (hits, all) = count.unwrap_or((0, 0));
                *count = Some((hits + u64::from(clipped), all + 1));
            }
        }
        if probe.clipped == Some(true) {
            self.coefficients.extend(probe.coefficient);
        }
        if let Some(skipped) = probe.skipped {
            let (hits, all) = self.skipped.unwrap_or((0, 0));
            self.skipped = Some((hits + u64::from(skipped), all + 1));
            if skipped {
                self.first_skip.get_or_insert(self.steps);
            }
        }
        if let Some(overflowed) = probe.overflowed {
            self.overflowed = Some(self.overflowed.unwrap_or(0) + u64::from(overflowed && !probe.loss.is_nan()));
        }
        if let Some(share) = probe.underflow {
            self.underflow.add(share, 1.0);
        }
        if self.step_rows.len() < self.record.steps as usize {
            let Probe { loss, grad_norm, clipped, loss_scale, .. } = probe;
            let step = self.steps;
            self.step_rows.push(StepRow { step, loss, grad_norm, clipped, update_norm: None, loss_scale });
        }
        self.observe(now, probe.loss, probe.grad_norm)
    }

    /// Takes the check that follows the last update. If there is no update at all, it stands alone.
    pub fn last_check(&mut self, loss: f64, grad_norm: impl Into<Option<f64>>) -> Next {
        let grad_norm = grad_norm.into();
        if !self.has_begun {
            self.has_begun = true;
            self.grad_norm_initial = grad_norm;
            self.initial_row(grad_norm);
            self.grad_norm_max = grad_norm.and_then(|norm| larger(None, norm)).map(|g| (g, 0));
        }
        self.grad_norm_final = grad_norm;
        self.observe(When { epoch: self.epochs.max(1), step: self.steps }, loss, grad_norm)
    }

    fn observe(&mut self, now: When, loss: f64, grad_norm: Option<f64>) -> Next {
        if self.diverged.is_none() && (!loss.is_finite() || loss > self.threshold) {
            self.diverged = Some(now);
        }
        let first = self.nonfinite.is_none() && !(loss.is_finite() && grad_norm.is_none_or(f64::is_finite));
        if first {
            self.nonfinite = Some(now);
        }
        if loss.is_nan() && self.nan.is_none() {
            self.nan = Some(now);
        }
        Next { locate: first, finished: loss.is_nan() }
    }

    /// Takes the rows of the layers, which were measured.
    pub fn profiled(&mut self, rows: Vec<LayerRow>) {
        self.layer_rows.extend(rows);
    }

    /// Takes the site where the first value that is not finite began, which `Next::locate` asked
    /// for.
    pub fn located(&mut self, site: Option<Site>) {
        self.site = site;
    }

    /// Takes where in a program's own code that was, which `Next::locate` asked for.
    pub fn located_in(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    /// Takes what the gradient of the last step was clipped by, where only its update told that.
    /// The step was counted as not clipped.
    pub fn clipped(&mut self, coefficient: f64) {
        if coefficient < 1.0 {
            self.coefficients.push(coefficient);
            for (hits, _) in [&mut self.epoch.clipped, &mut self.clipped].into_iter().flatten() {
                *hits += 1;
            }
            if let Some(row) = self.step_rows.last_mut().filter(|row| row.step == self.steps) {
                row.clipped = Some(true);
            }
        }
    }

    /// Notes that the update of the last step was done. `norm` is its L2 norm over all parameters,
    /// if it is known, and `changed` that of what it changed in the weights, where they may round
    /// it away.
    pub fn updated(&mut self, norm: impl Into<Option<f64>>, changed: Option<f64>) {
        let norm = norm.into();
        if let Some(row) = self.step_rows.last_mut().filter(|row| row.step == self.steps) {
            row.update_norm = norm;
        }
        self.steps += 1;
        if let Some(norm) = norm {
            self.update_norm_max = larger(self.update_norm_max, norm);
            if let Some(weights) = self.weight_norm.filter(|weights| *weights > 0.0) {
                self.update_ratio_max = larger(self.update_ratio_max, changed.unwrap_or(norm) / weights);
            }
            self.epoch.update_norm_max = larger(self.epoch.update_norm_max, norm);
        }
    }

    /// Takes the L2 norm of the weights after an update.
    pub fn weighed(&mut self, norm: f64) {
        self.weight_norm = Some(norm);
        self.weight_norm_max = larger(self.weight_norm_max, norm);
    }

    /// Notes that the last step of an epoch was done. `weight_norm` is the L2 norm over all
    /// parameters now, and `lr` the learning rate of the last update, if they are known.
    pub fn epoch_end(&mut self, weight_norm: impl Into<Option<f64>>, lr: impl Into<Option<f64>>) {
        let (weight_norm, lr) = (weight_norm.into(), lr.into());
        let fold = std::mem::take(&mut self.epoch);
        let reference = self.reference();
        if self.epochs == 0
            && let Some(initial) = self.initial
        {
            self.spikes.push(initial, reference);
        }
        self.epochs += 1;
        let loss = fold.loss.value();
        self.late.push(loss);
        self.best.push(loss, self.epochs);
        self.spikes.push(loss, reference);
        if !loss.is_nan() {
            self.loss_min = Some(self.loss_min.map_or(loss, |m| m.min(loss)));
            if self.loss_max.is_none_or(|(max, _)| loss > max) {
                self.loss_max = Some((loss, self.epochs));
            }
        }
        if self.record.epochs {
            self.epoch_rows.push(EpochRow {
                epoch: self.epochs,
                steps: self.steps,
                loss,
                loss_max: fold.loss_max,
                grad_norm_max: fold.grad_norm_max,
                clipped_fraction: fold.clipped.map(share),
                lr,
                weight_norm,
                update_norm_max: fold.update_norm_max,
            });
        }
    }

    fn initial_row(&mut self, grad_norm: Option<f64>) {
        // A program that says nothing before its first update has no epoch 0.
        if let Some(loss) = self.beginning.loss_initial.filter(|_| self.record.epochs) {
            self.epoch_rows.push(EpochRow {
                epoch: 0,
                steps: 0,
                loss,
                loss_max: None,
                grad_norm_max: grad_norm.and_then(|norm| larger(None, norm)),
                clipped_fraction: None,
                lr: self.terms.lr,
                weight_norm: self.beginning.weight_norm,
                update_norm_max: None,
            });
        }
    }

    /// Whether some loss or gradient norm was not finite.
    pub fn has_nonfinite(&self) -> bool {
        self.nonfinite.is_some()
    }

    /// Whether a NaN loss made the verdict final.
    pub fn has_ended(&self) -> bool {
        self.nan.is_some()
    }

    /// Ends the run, because all its updates were done or a step loss was NaN. In the latter case
    /// `loss_final` is NaN, and so is the sharpness. If nobody says `loss_final`, the loss of the
    /// last epoch stands for it when the verdict is found.
    pub fn finish(mut self, loss_final: impl Into<Option<f64>>, after: Aftermath) -> Finished {
        let loss_final = loss_final.into();
        if self.nan.is_some() && !self.epoch.loss.is_empty() {
            // The NaN cut this epoch short. Its row says how far it got.
            self.epoch_end(self.beginning.weight_norm.map(|_| f64::NAN), self.terms.lr);
        }
        if let Some(loss) = loss_final.filter(|_| self.steps > 0) {
            // The final loss is one of the epoch after the last, and counted as one of the last.
            self.best.push(loss, self.epochs + 1);
            self.spikes.push(loss, self.reference());
        }
        let relapse = self.best.given_back(self.reference(), &self.late, loss_final, self.epochs);
        // Where every epoch has data of its own, the best loss is that of the easiest data.
        let relapse = relapse.filter(|_| self.terms.same_data);
        let spikes = self.terms.same_data.then_some(self.spikes);
        let measured = Measured {
            outcome: self.outcome(loss_final, relapse),
            born_large: self.is_born_large(loss_final),
            rising: self.is_rising(loss_final),
            loss_best: self.best.loss_and_epoch().map(|(loss, _)| loss),
            epoch_best: self.best.loss_and_epoch().map(|(_, epoch)| epoch.min(self.epochs)),
            relapse,
            spikes: spikes.map(Spikes::count),
            spike_recovery: spikes.and_then(Spikes::recovery),
            grad_norm_final: self.grad_norm_final,
            update_ratio_max: self.update_ratio_max,
            diverged: self.diverged,
            nonfinite: self.nonfinite,
            site: self.site,
            nan: self.nan,
            epochs_run: self.epochs,
            steps_run: self.steps,
            loss_initial: self.beginning.loss_initial,
            loss_final,
            loss_trivial: self.beginning.loss_trivial,
            loss_min: self.loss_min,
            loss_max: self.loss_max.map(|m| m.0),
            epoch_loss_max: self.loss_max.map(|m| m.1),
            loss_jump_max: self.loss_jump_max,
            grad_norm_initial: self.grad_norm_initial,
            grad_norm_max: self.grad_norm_max.map(|g| g.0),
            epoch_grad_norm_max: self.grad_norm_max.map(|g| g.1),
            clipped_fraction: self.clipped.map(share),
            update_norm_max: self.update_norm_max,
            weight_norm_initial: self.beginning.weight_norm,
            weight_norm_max: self.weight_norm_max,
            backprop_ratio: self.beginning.backprop_ratio,
            activation_ratio: self.beginning.activation_ratio,
            sharpness_initial: self.beginning.sharpness,
            sharpness_final: after.sharpness,
            silent_layers: self.beginning.silent_layers,
            vanished: self.beginning.vanished,
            dead_share: after.dead_share.filter(|_| self.nan.is_none()),
            moved_share: after.moved_share,
            attention_logit_max: after.attention_logit_max,
            attention_entropy_min: after.attention_entropy_min,
            origin: self.origin,
            skipped_fraction: self.skipped.map(share),
            first_skip: self.first_skip,
            clip_silenced: median(&mut self.coefficients),
            loss_scale_final: after.loss_scale,
            steps_skipped: self.overflowed,
            underflow_fraction: (!self.underflow.is_empty()).then(|| self.underflow.value()),
        };
        Finished { measured, epochs: self.epoch_rows, layers: self.layer_rows, steps: self.step_rows }
    }

    fn outcome(&self, loss_final: Option<f64>, relapse: Option<f64>) -> Outcome {
        let last = loss_final.or(self.late.last()).unwrap_or(f64::NAN);
        Outcome::of(Ending {
            untrained: self.steps == 0 || self.terms.is_idle,
            saw_nan: self.nan.is_some(),
            initial: self.initial.unwrap_or(f64::NAN),
            trivial: self.beginning.loss_trivial.unwrap_or(f64::NAN),
            last,
            late: self.late.median(loss_final, 1),
            loss_ratio: self.terms.loss_ratio,
            relapse,
        })
    }

    /// Whether the initial loss is above the threshold, and no epoch loss nor the final loss
    /// exceeds it by more than a relative 1e-4.
    fn is_born_large(&self, loss_final: Option<f64>) -> bool {
        let Some(initial) = self.initial.filter(|initial| *initial > self.threshold) else { return false };
        let largest = self.loss_max.map(|max| max.0).into_iter().chain(loss_final).fold(initial, f64::max);
        self.nan.is_none() && largest <= initial * (1.0 + 1e-4)
    }

    /// Whether the run ended above the reference and its loss was still climbing.
    fn is_rising(&self, loss_final: Option<f64>) -> Option<bool> {
        let rises = self.late.rises(loss_final)?;
        Some(rises && loss_final.or(self.late.last())? > self.reference())
    }
}

fn share((hits, all): (u64, u64)) -> f64 {
    hits as f64 / all as f64
}

/// The running maximum. A NaN does not change it.
fn larger(max: Option<f64>, value: f64) -> Option<f64> {
    match max {
        _ if value.is_nan() => max,
        Some(max) if max >= value => Some(max),
        _ => Some(value),
    }
}
