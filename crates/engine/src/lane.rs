//! The lanes of a cohort in training, and the trials that train in them.
//!
//! Trials that differ only in how the norm of their gradient is clipped take the same steps until
//! the first of them is clipped. So they share a lane until then, and the lane forks. There are no
//! tensors here.

use super::clip::Memory;
use super::scaling::Scaler;
use super::skip::Guard;
use super::still::Still;
use super::transformer::Attended;
use blowup_core::trial::{Clip, Clipping, Lane, Shape};
use blowup_core::verdict::Course;
use std::collections::HashMap;

/// A lane in training.
pub struct ActiveLane {
    /// At least one trial. All of them have had the same clip coefficient in every step so far.
    pub trials: Vec<LaneTrial>,
    /// The norm of the last update, until the verdicts have taken it.
    pub update: Option<LastUpdate>,
    /// The global norm of the gradient in this step, before clipping.
    pub gradient_norm: f64,
    /// What the last update was clipped by, where only the update tells, until the verdicts have
    /// taken it.
    pub clipped: Option<f64>,
    /// The sharpness after the last update, if the record wants it.
    pub sharpness: Option<f64>,
    /// The share of dead units at the end, where it is known.
    pub dead_share: Option<f64>,
    /// The norm of what the first update changed in the weights, until its own norm is read.
    pub changed: Option<f64>,
    /// The quotient of the two.
    pub moved_share: Option<f64>,
    /// What the loss is multiplied with, where losses are scaled.
    pub scaler: Option<Scaler>,
    /// What was measured of its attention so far.
    pub attended: Attended,
    /// Whether the lane is at rest.
    pub still: Still,
}

/// A trial in a lane.
pub struct LaneTrial {
    /// The trial's index in the cohort.
    pub index: usize,
    /// The course of the trial so far. None once the trial has its verdict.
    pub course: Option<Course>,
    /// The factor by which clipping multiplies the gradient in this step.
    pub clip: f64,
    /// What clipping remembers.
    pub memory: Memory,
    /// What decides whether updates are skipped.
    pub guard: Guard,
    /// Whether the update of this step is skipped, by the guard or because the gradients overflowed
    /// at a dynamic loss scale.
    pub skipped: bool,
}

impl ActiveLane {
    /// Makes the lane of these trials, given their indices in the cohort and the lane of every
    /// trial there.
    pub fn new(trials: Vec<usize>, lanes: &[Lane]) -> ActiveLane {
        let trial = |index: usize| LaneTrial {
            index,
            course: None,
            clip: 1.0,
            memory: Memory::new(lanes[index].clip),
            guard: Guard::default(),
            skipped: false,
        };
        let scaler = trials.first().and_then(|&first| lanes[first].loss_scale).map(Scaler::new);
        let trials = trials.into_iter().map(trial).collect();
        ActiveLane {
            trials,
            update: None,
            gradient_norm: 0.0,
            clipped: None,
            sharpness: None,
            dead_share: None,
            changed: None,
            moved_share: None,
            scaler,
            attended: Attended::default(),
            still: Still::default(),
        }
    }

    /// The numbers and seeds of this lane. They are those of any of its trials, apart from the
    /// clipping.
    pub fn settings<'a>(&self, lanes: &'a [Lane]) -> &'a Lane {
        &lanes[self.trials[0].index]
    }

    /// Whether every trial of the lane has its verdict.
    pub fn has_left(&self) -> bool {
        self.trials.iter().all(|trial| trial.course.is_none())
    }

    /// Whether some trial in training has had finite losses and gradients in every step so far.
    pub fn is_finite_so_far(&self) -> bool {
        // The courses begin with the first step.
        let begun = self.trials.iter().filter_map(|trial| trial.course.as_ref());
        begun.clone().next().is_none() || begun.into_iter().any(|course| !course.has_nonfinite())
    }

    /// Splits the trials that are still in training by their clip coefficient, and returns a lane
    /// for each coefficient.
    pub fn fork(self) -> Vec<ActiveLane> {
        let mut lanes: Vec<ActiveLane> = Vec::new();
        for trial in self.trials.into_iter().filter(|trial| trial.course.is_some()) {
            let same = |lane: &&mut ActiveLane| lane.trials[0].clip.to_bits() == trial.clip.to_bits();
            match lanes.iter_mut().find(same) {
                Some(lane) => lane.trials.push(trial),
                None => lanes.push(ActiveLane { trials: vec![trial], ..self }),
            }
        }
        lanes
    }

    /// Whether the trials still in training have different clip coefficients in this step.
    pub fn forks(&self) -> bool {
        let mut clips = self.trials.iter().filter(|trial| trial.course.is_some()).map(|trial| trial.clip.to_bits());
        let first = clips.next();
        clips.any(|clip| Some(clip) != first)
    }
}

/// Groups the indices of the trials that share a lane at the start. The lanes of such trials are
/// equal but for a clipping that multiplies the whole gradient.
pub fn siblings(shape: &Shape, lanes: &[Lane]) -> Vec<Vec<usize>> {
    if shape.clipping != Clipping::Whole || lanes.windows(2).all(|pair| pair[0].clip == pair[1].clip) {
        return (0..lanes.len()).map(|trial| vec![trial]).collect();
    }
    let (mut groups, mut known): (Vec<Vec<usize>>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for (i, lane) in lanes.iter().enumerate() {
        let rest = format!("{:?}", Lane { clip: Clip::None, ..*lane });
        match known.get(&rest) {
            Some(&group) => groups[group].push(i),
            None => {
                known.insert(rest, groups.len());
                groups.push(vec![i]);
            }
        }
    }
    groups
}

/// The norm of the last update.
#[derive(Clone, Copy)]
pub enum LastUpdate {
    /// The norm itself.
    Known(f64),
    /// The norm is this factor times what the next read brings.
    Measured { factor: f64 },
}
