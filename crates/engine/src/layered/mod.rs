//! The built-in nets as what a cohort trains: their batches ([`feed`]), their networks, one for
//! each batch size, and what is measured of them.

mod feed;
mod underflow;
mod units;

use crate::data::LaneSeeds;
use crate::device;
use crate::dtype::Kinds;
use crate::effective::Effective;
use crate::lanes;
use crate::locate;
use crate::loss::{Objective, loss, scaled_loss};
use crate::matrix::Matrix;
use crate::module::{Location, Module, Signal, Watch};
use crate::network;
use crate::profile::{FirstActivations, Profile};
use crate::scaling::Factors;
use crate::sharpness::sharpness;
use crate::start::Start;
use crate::subject::{Fault, Pass, Passed, Subject, Turn};
use crate::transformer::Attended;
use crate::weights::{Weights, host};
use blowup_core::mean::Mean;
use blowup_core::trial::{Lane, Shape};
use feed::Feed;
use tch::{Kind, Tensor};
use underflow::Twin;
use units::Units;

/// A built-in net of all lanes.
pub struct Layered<'a> {
    shape: &'a Shape,
    kinds: Kinds,
    feed: Feed<'a>,
    effective: Effective,
    workspaces: Workspaces<'a>,
    /// The activations of the first pass, where every pass is over the same samples and the first
    /// one has a profile.
    first: Option<FirstActivations>,
    /// Whether there was an evaluation: the first one is before any update.
    evaluated: bool,
    /// What was measured of each lane's attention in all passes so far. Empty without attention.
    attended: Vec<Attended>,
    /// The dead units at the last evaluation. At the first one they are not looked for.
    units: Option<Units>,
    /// Where gradients may underflow that f32 holds.
    twin: Option<Twin<'a>>,
    /// Those of the last pass.
    factors: Option<Factors>,
}

/// The networks of a cohort, one for each batch size.
struct Workspaces<'a> {
    shape: &'a Shape,
    kind: Kind,
    made: Vec<Workspace>,
}

struct Workspace {
    samples: usize,
    network: Box<dyn Module>,
    /// dLoss/doutput, `[lane, batch, outputs]`.
    signal: Matrix,
}

impl Workspaces<'_> {
    /// Returns the workspace for batches of `samples`, which is made at the first call.
    fn of(&mut self, lanes: i64, samples: usize) -> &mut Workspace {
        let at = self.made.iter().position(|workspace| workspace.samples == samples).unwrap_or_else(|| {
            let network = network::new(self.shape, lanes, samples as i64, self.kind);
            let signal = Matrix::of(network.output().zeros_like());
            self.made.push(Workspace { samples, network, signal });
            self.made.len() - 1
        });
        &mut self.made[at]
    }
}

impl<'a> Layered<'a> {
    /// Draws the data of `lanes`, whose weights are `weights`.
    ///
    /// # Errors
    /// If a data file cannot be read.
    pub fn new(shape: &'a Shape, lanes: &[Lane], weights: &Weights, kinds: Kinds) -> Result<Layered<'a>, String> {
        Ok(Layered {
            shape,
            kinds,
            feed: Feed::new(shape, lanes, kinds)?,
            effective: Effective::new(shape, weights),
            workspaces: Workspaces { shape, kind: kinds.passes, made: Vec::new() },
            first: None,
            evaluated: false,
            attended: Vec::new(),
            units: None,
            twin: shape.numbers.has_twin().then(|| Twin::new(shape, weights)),
            factors: None,
        })
    }
}

/// Adds what was measured in a forward pass, by block and lane, to what is known of each lane.
fn fold(known: &mut Vec<Attended>, attended: Option<&[Vec<Attended>]>) {
    for block in attended.into_iter().flatten() {
        known.resize(block.len(), Attended::default());
        known.iter_mut().zip(block).for_each(|(known, seen)| *known = known.and(*seen));
    }
}

impl Subject for Layered<'_> {
    fn pads(&self, lanes: usize) -> usize {
        lanes::pads(self.shape, lanes)
    }

    fn prepare(&mut self, turn: Turn, lanes: &[LaneSeeds], pads: usize) -> Result<(), String> {
        self.feed.prepare(turn, lanes, pads)
    }

    fn samples(&self) -> usize {
        self.feed.batch().samples
    }

    fn pass(&mut self, pass: Pass) -> Passed {
        let Pass { step, weights, gradients, readout, factors, profile: wanted } = pass;
        self.factors = factors;
        let factors = self.factors.as_ref();
        let batch = self.feed.batch();
        let Workspace { network, signal, .. } = self.workspaces.of(weights.lanes, batch.samples);
        self.effective.take(weights);
        let matrices = self.effective.matrices(weights);
        network.forward(matrices, &batch.inputs);
        fold(&mut self.attended, network.attended());
        let objective = Objective::of(self.shape);
        scaled_loss(objective, network.output(), &batch.targets, readout.loss_target(), signal, factors);
        let mut start = (step == 0).then(|| Start::new(self.shape, &**network));
        if step == 0 && wanted.is_some() && self.feed.is_full_batch() {
            self.first = Some(FirstActivations::new(&**network));
        }
        let first = self.first.as_ref();
        let mut profile = wanted.map(|epoch| Profile::new(epoch, self.shape, &**network, first, signal, weights));
        let mut watch = |place: Location, signal: Signal| {
            start.iter_mut().for_each(|start| start.watch(place, signal.carried));
            profile.iter_mut().for_each(|profile| profile.watch(place, signal.delta));
        };
        let watch: Option<Watch> = if step == 0 || wanted.is_some() { Some(&mut watch) } else { None };
        network.backward(matrices, self.effective.gradients(gradients), &batch.inputs, signal, watch);
        self.effective.pull_back(gradients);
        let underflow = self.twin.as_mut().map(|twin| twin.underflow(weights, self.feed.wide(), gradients));
        if let Some(factors) = factors {
            factors.divide(gradients);
            profile.iter_mut().for_each(|profile| profile.rescale(factors.inverses()));
        }
        profile.iter_mut().for_each(|profile| profile.finish(gradients));
        Passed { start, profile, underflow }
    }

    fn settle(&mut self) {}

    fn evaluate(&mut self, weights: &Weights, lanes: &[LaneSeeds], pads: usize) -> Option<Vec<f64>> {
        let data = self.feed.evaluation()?;
        let size = self.shape.batch;
        let mut means = vec![Mean::default(); lanes.len()];
        let losses = Tensor::zeros([weights.lanes], (self.kinds.kept, device::current()));
        let looks = std::mem::replace(&mut self.evaluated, true);
        let mut units: Option<Units> = None;
        for from in (0..data.samples()).step_by(size) {
            let batch = self.feed.narrowed(data.batch(lanes, pads, from..(from + size).min(data.samples()), None));
            let Workspace { network, .. } = self.workspaces.of(weights.lanes, batch.samples);
            network.forward(self.effective.of(weights), &batch.inputs);
            let seen = if looks { Units::new(self.shape.network.activation(), &**network) } else { None };
            units = match (units, seen) {
                (Some(known), Some(seen)) => Some(known.and(&seen)),
                (None, seen) | (Some(_), seen @ None) => seen,
            };
            let output = network.output().to_kind(self.kinds.kept);
            loss(Objective::of(self.shape), &output, &batch.targets, &losses, None);
            let read = host(&losses);
            means.iter_mut().zip(read).for_each(|(mean, loss)| mean.add(loss, batch.samples as f64));
        }
        self.units = units;
        Some(means.iter().map(Mean::value).collect())
    }

    fn dead_shares(&self) -> Option<Vec<f64>> {
        if !self.feed.is_full_batch() {
            return self.units.as_ref().map(Units::shares);
        }
        let samples = self.feed.batch().samples;
        let workspace = self.workspaces.made.iter().find(|workspace| workspace.samples == samples)?;
        Some(Units::new(self.shape.network.activation(), &*workspace.network)?.shares())
    }

    fn attended(&self) -> &[Attended] {
        &self.attended
    }

    fn rests(&self) -> bool {
        self.feed.is_full_batch()
    }

    fn loss_trivial(&self, lane: LaneSeeds) -> Option<f64> {
        Some(self.feed.reference().trivial_loss(lane.data))
    }

    fn sharpness(&self, weights: &Weights, index: usize, lane: LaneSeeds) -> f64 {
        let data = self.feed.reference();
        sharpness(self.shape, weights, index, &data.batch(&[lane], 0, 0..data.samples(), None))
    }

    fn locate(&self, weights: &Weights, indices: &[usize], pads: usize) -> Vec<Fault> {
        let sites = locate::locate(self.shape, indices, pads, weights, self.feed.batch(), self.factors.as_ref());
        sites.into_iter().map(Fault::Site).collect()
    }

    fn gather(&mut self, index: &[usize], weights: &Weights) {
        if !self.attended.is_empty() {
            self.attended = index.iter().map(|&lane| self.attended[lane]).collect();
        }
        self.workspaces.made.clear();
        self.first.iter_mut().for_each(|first| first.gather(index));
        self.effective = Effective::new(self.shape, weights);
        self.twin = self.shape.numbers.has_twin().then(|| Twin::new(self.shape, weights));
        self.feed.rearranged();
    }
}
