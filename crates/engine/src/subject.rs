//! What a cohort trains: a built-in net ([`crate::layered`]) or a bundle ([`crate::bundle`]). The
//! training loop knows nothing else of it.

use super::data::LaneSeeds;
use super::profile::Profile;
use super::readout::Readout;
use super::scaling::Factors;
use super::start::Start;
use super::transformer::Attended;
use super::weights::Weights;
use blowup_core::verdict::{Origin, Site};

/// What the lanes of a cohort are, apart from their weights.
pub trait Subject {
    /// The number of pad lanes that stand behind `lanes` lanes in every tensor.
    fn pads(&self, lanes: usize) -> usize;

    /// Makes the batch of a turn for these lanes and `pads` pad lanes: a part of an epoch or, after
    /// the last update, the first batch of the evaluation data.
    ///
    /// # Errors
    /// If a data file cannot be read.
    fn prepare(&mut self, turn: Turn, lanes: &[LaneSeeds], pads: usize) -> Result<(), String>;

    /// The samples of the batch.
    fn samples(&self) -> usize;

    /// Runs forward and backward over the batch: writes the gradients, and the losses to the
    /// readout.
    fn pass(&mut self, pass: Pass) -> Passed;

    /// To be called after each pass, when everybody has seen what it left behind.
    fn settle(&mut self);

    /// Returns each lane's loss over the whole evaluation data, taken batch by batch in the order
    /// of the samples. None where the batch of every step is all of the data.
    fn evaluate(&mut self, weights: &Weights, lanes: &[LaneSeeds], pads: usize) -> Option<Vec<f64>>;

    /// Whether a step is a function of the weights alone, so that a lane whose weights stay as they
    /// are is at rest.
    fn rests(&self) -> bool;

    /// The loss of the best constant prediction for the data of a lane, if it is known.
    fn loss_trivial(&self, lane: LaneSeeds) -> Option<f64>;

    /// The sharpness of lane `index`.
    fn sharpness(&self, weights: &Weights, index: usize, lane: LaneSeeds) -> f64;

    /// The share of each lane's hidden units that pass no signal on, over all samples that the last
    /// evaluation saw or, where the batch is all of the data, the last pass. None if it is not
    /// known.
    fn dead_shares(&self) -> Option<Vec<f64>>;

    /// What was measured of each lane's attention in all passes so far. Empty without attention.
    fn attended(&self) -> &[Attended];

    /// Finds for each lane of `indices` where the first value of the step that is not finite began.
    fn locate(&self, weights: &Weights, indices: &[usize], pads: usize) -> Vec<Fault>;

    /// Keeps the lanes of `index`, in that order. `weights` were gathered already.
    fn gather(&mut self, index: &[usize], weights: &Weights);
}

/// Which batch a pass is over.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// The number of batches before it.
    pub batch: u64,
    /// Whether it follows the last update, where the batch is of the evaluation.
    pub is_last: bool,
}

/// What a pass is given.
pub struct Pass<'a> {
    pub step: u64,
    pub weights: &'a Weights,
    pub gradients: &'a mut Weights,
    pub readout: &'a Readout,
    /// What the losses are multiplied with, and the gradients then divided by, where losses are
    /// scaled.
    pub factors: Option<Factors>,
    /// The epoch of the profile, where one is wanted.
    pub profile: Option<u64>,
}

/// What a pass has measured beside losses and gradients.
#[derive(Default)]
pub struct Passed {
    /// What only the first pass measures.
    pub start: Option<Start>,
    /// The layers, where a profile was wanted.
    pub profile: Option<Profile>,
    /// Each lane's share of underflown gradients, where it is measured: see `layered::underflow`.
    pub underflow: Option<Vec<f64>>,
}

/// Where the first value of a step that is not finite began.
#[derive(Clone)]
pub enum Fault {
    /// In a tensor of a built-in net. None if all tensors are finite and only a norm is not.
    Site(Option<Site>),
    /// In the user's own code.
    Origin(Origin),
}
