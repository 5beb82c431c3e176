//! The training loop of a cohort, in the open: forward, loss, backward, one read, verdicts, update.
//!
//! What the host learns of a step it learns one step later from the same read as the next step's loss: the update's norm and the
//! weights' norm. A lane leaves at its first NaN loss; the tensors shrink when enough have left.

use super::clip;
use super::data::{Batch, Data, LaneSeeds, Order};
use super::device;
use super::effective::Effective;
use super::lane::{Rider, Track, Update, siblings};
use super::loss::loss;
use super::matrix::Matrix;
use super::network::{self, Network, Place, Watch};
use super::optimizer::{Optimizer, UpdateNorm};
use super::profile::Profile;
use super::readout::Readout;
use super::sharpness::sharpness;
use super::start::Start;
use super::still::{self, Rest};
use super::task::Draw;
use super::trace::Sink;
use super::weights::Weights;
use super::{init, kind, lanes, locate};
use blowup_core::mean::Mean;
use blowup_core::training::Step;
use blowup_core::trial::{Clip, Lane, Shape, Trial};
use blowup_core::verdict::{Beginning, Course, Finished, Layers, Next, Probe, Record};
use tch::{Kind, Tensor};

/// The tensors shrink when at least this share of the lanes has left.
const COMPACT_AT: f64 = 0.25;

/// Trains `trials` to their verdicts; see `engine::train`. `watch` sees every step of the first. Returns how many passes
/// it took: one more than updates, or fewer where every trial has left before.
///
/// # Panics
/// If the trials are not of one shape.
pub fn train(
    trials: &[Trial],
    record: &Record,
    watch: Option<Sink>,
    done: &mut dyn FnMut(usize, Finished),
) -> Result<u64, String> {
    let mut parts = trials.iter().map(Trial::parts);
    let Some((shape, first)) = parts.next() else { return Ok(0) };
    let mut lanes = vec![first];
    for (other, lane) in parts {
        assert!(other == shape, "trials of different shapes cannot train together: {other:?} and {shape:?}");
        lanes.push(lane);
    }
    run(&shape, &lanes, record, watch, done)
}

/// From here on there are no trials: what they share is the shape, what they do not share is in their lanes.
fn run(
    shape: &Shape,
    lanes: &[Lane],
    record: &Record,
    watch: Option<Sink>,
    done: &mut dyn FnMut(usize, Finished),
) -> Result<u64, String> {
    let mut cohort = Cohort::new(shape, lanes, record, watch)?;
    for step in 0..=cohort.total {
        cohort.prepare(step)?;
        cohort.pass(step);
        let losses = cohort.judge(step)?;
        cohort.release(losses.as_deref(), done);
        if cohort.tracks.iter().all(Track::has_left) {
            return Ok(step + 1);
        }
        cohort.arrange();
        cohort.update();
    }
    Ok(cohort.total + 1)
}

struct Cohort<'a, 'w> {
    shape: &'a Shape,
    /// Of every trial, in the order in which they were given.
    lanes: &'a [Lane],
    record: &'a Record,
    kind: Kind,
    /// Updates of the whole run.
    total: u64,
    steps_per_epoch: u64,
    /// Those in training, in the order of the tensors' lanes.
    tracks: Vec<Track>,
    pads: usize,
    weights: Weights,
    gradients: Weights,
    effective: Effective,
    optimizer: Optimizer,
    readout: Readout,
    /// One per batch size.
    workspaces: Vec<Workspace>,
    data: Data,
    /// What initial and final losses are measured on, where that is not the training batch itself.
    evaluation: Option<Data>,
    order: Option<Order>,
    /// The current batch; kept from step to step when every batch is the whole data.
    batch: Option<Batch>,
    start: Option<Start>,
    /// Of this step's pass, if the record wants it.
    profile: Option<Profile>,
    watch: Option<Sink<'w>>,
    initial: Option<Vec<f64>>,
    /// Whether a lane at rest need not be trained on: every batch is the whole data and nothing is recorded that only a pass can tell.
    rests: bool,
}

struct Workspace {
    samples: usize,
    network: Box<dyn Network>,
    signal: Matrix,
}

impl<'a, 'w> Cohort<'a, 'w> {
    fn new(
        shape: &'a Shape,
        lanes: &'a [Lane],
        record: &'a Record,
        watch: Option<Sink<'w>>,
    ) -> Result<Cohort<'a, 'w>, String> {
        let kind = kind(shape.dtype);
        let tracks: Vec<Track> = siblings(shape, lanes).into_iter().map(Track::new).collect();
        let all: Vec<Lane> = tracks.iter().map(|track| *track.lane(lanes)).collect();
        let pads = lanes::pads(shape, tracks.len());
        let weights = init::weights(shape, &all, pads, kind);
        let seeds = distinct(lanes.iter().map(|lane| lane.data_seed));
        let fresh = shape.task.is_fresh();
        let full = shape.batch == shape.task.samples && !fresh;
        let data = Data::new(shape, &seeds, Draw::Training(0), kind)?;
        let evaluation = match (full, fresh) {
            (true, _) => None,
            (false, true) => Some(Data::new(shape, &seeds, Draw::Evaluation, kind)?),
            (false, false) => Some(data.share()),
        };
        let rests = full && watch.is_none() && record.layers == Layers::Never && !record.sharpness;
        let mut cohort = Cohort {
            shape,
            lanes,
            record,
            kind,
            total: shape.steps,
            steps_per_epoch: shape.steps_per_epoch(),
            pads,
            gradients: weights.zeros_like(),
            effective: Effective::new(shape, &weights),
            optimizer: Optimizer::new(shape, &all, pads, &weights),
            tracks,
            readout: Readout::new(&weights),
            weights,
            workspaces: Vec::new(),
            data,
            evaluation,
            order: None,
            batch: None,
            start: None,
            profile: None,
            watch,
            initial: None,
            rests,
        };
        cohort.initial = cohort.evaluate();
        Ok(cohort)
    }

    fn seeds(&self) -> Vec<LaneSeeds> {
        let lanes = self.tracks.iter().map(|track| track.lane(self.lanes));
        lanes.map(|lane| LaneSeeds { data: lane.data_seed, order: lane.seed }).collect()
    }

    fn workspace(&mut self, samples: usize) -> usize {
        if let Some(at) = self.workspaces.iter().position(|w| w.samples == samples) {
            return at;
        }
        let lanes = self.weights.lanes;
        let network = network::new(self.shape, lanes, samples as i64, self.kind);
        let signal = Matrix::of(network.output().zeros_like());
        self.workspaces.push(Workspace { samples, network, signal });
        self.workspaces.len() - 1
    }

    /// The batch of this step: a slice of the epoch's order, or the check batch after the last update.
    fn prepare(&mut self, step: u64) -> Result<(), String> {
        let shape = self.shape;
        let (seeds, pads, size) = (self.seeds(), self.pads, shape.batch);
        let last = step == self.total && self.total > 0;
        if self.evaluation.is_none() {
            if self.batch.is_none() {
                self.batch = Some(self.data.batch(&seeds, pads, 0..self.data.samples(), None));
            }
            return Ok(());
        }
        if last {
            let data = self.evaluation.as_ref().unwrap_or(&self.data);
            self.batch = Some(data.batch(&seeds, pads, 0..size.min(data.samples()), None));
            return Ok(());
        }
        let (epoch, within) = (step / self.steps_per_epoch, (step % self.steps_per_epoch) as usize);
        if within == 0 {
            if shape.task.is_fresh() && epoch > 0 {
                let seeds = distinct(seeds.iter().map(|lane| lane.data));
                self.data = Data::new(shape, &seeds, Draw::Training(epoch), self.kind)?;
            }
            let orders = || distinct(seeds.iter().map(|lane| lane.order));
            let samples = self.data.samples();
            self.order = (size < samples).then(|| Order::new(&orders(), shape.sampling, epoch, samples));
        }
        let range = within * size..((within + 1) * size).min(self.data.samples());
        self.batch = Some(self.data.batch(&seeds, pads, range, self.order.as_ref()));
        Ok(())
    }

    /// The epoch that has just ended when `step` begins; 0 before the first.
    fn epoch_end(&self, step: u64) -> Option<u64> {
        let ends = step.is_multiple_of(self.steps_per_epoch) || step == self.total;
        ends.then(|| step.div_ceil(self.steps_per_epoch))
    }

    /// Forward and backward, and everything measured on the way.
    fn pass(&mut self, step: u64) {
        let batch = self.batch.take().expect("a batch was prepared");
        let at = self.workspace(batch.samples);
        let at_epoch = self.epoch_end(step).filter(|&epoch| self.record.layers.at(epoch));
        let Workspace { network, signal, .. } = &mut self.workspaces[at];
        let weights = self.effective.of(&self.weights);
        network.forward(weights, &batch.inputs);
        loss(self.shape.loss, network.output(), &batch.targets, self.readout.loss_target(), Some(signal));
        let mut start = (step == 0).then(|| Start::new(self.shape, &**network));
        let wanted = at_epoch.or_else(|| self.watch.is_some().then_some(0));
        let mut profile = wanted.map(|epoch| Profile::new(epoch, &**network, signal, &self.weights));
        let mut watch = |place: Place, delta: &Tensor| {
            start.iter_mut().for_each(|start| start.watch(place, delta));
            profile.iter_mut().for_each(|profile| profile.watch(place, delta));
        };
        let watch: Option<Watch> = if step == 0 || wanted.is_some() { Some(&mut watch) } else { None };
        network.backward(weights, &self.gradients, &batch.inputs, signal, watch);
        self.effective.pull_back(&mut self.gradients);
        profile.iter_mut().for_each(|profile| profile.finish(&self.gradients));
        self.start = start;
        self.readout.measure_gradients(&self.gradients);
        if step == 0 {
            self.readout.measure_weights(&self.weights);
        }
        self.readout.read();
        if let (Some(watch), Some(profile)) = (&mut self.watch, &profile) {
            let (loss, grad_norm) = (self.readout.loss(0), self.readout.gradient_norm(0, &self.gradients).exact);
            watch(Step { step, loss, grad_norm, layers: profile.rows(0) });
        }
        self.profile = profile.filter(|_| at_epoch.is_some());
        self.batch = Some(batch);
    }

    /// Feeds what was read to the courses and decides about clipping. After the last update, returns the final losses.
    fn judge(&mut self, step: u64) -> Result<Option<Vec<f64>>, String> {
        let last = step == self.total;
        let ends_epoch = self.epoch_end(step).is_some();
        let evaluated = if last { self.evaluate() } else { None };
        let largest = self.shape.clip_value.then(|| clip::largest(&self.gradients));
        let samples = self.batch.as_ref().map_or(0, |b| b.samples);
        let mut finals = Vec::with_capacity(self.tracks.len());
        let mut suspects = Vec::new();
        if step == 0 {
            self.begin();
        }
        for (i, track) in self.tracks.iter_mut().enumerate() {
            let loss = self.readout.loss(i);
            finals.push(evaluated.as_ref().map_or(loss, |e| e[i]));
            if track.has_left() {
                continue;
            }
            let moved = track.update.take().map(|update| match update {
                Update::Known(norm) => norm,
                Update::Measured { factor } => factor * self.readout.update_norm(i),
            });
            let weight_norm = moved.map(|_| self.readout.weight_norm(i, &self.weights));
            let norm = self.readout.gradient_norm(i, &self.gradients);
            track.gradient_norm = norm.exact;
            if let Some(weight_norm) = weight_norm {
                track.still.note(loss, norm.exact, weight_norm);
            }
            let mut suspect = false;
            for Rider { trial, course, clip } in &mut track.riders {
                let (lane, Some(course)) = (&self.lanes[*trial], course.as_mut()) else { continue };
                self.profile.iter().for_each(|profile| course.profiled(profile.rows(i)));
                if let (Some(moved), Some(weight_norm)) = (moved, weight_norm) {
                    course.updated(moved);
                    course.weighed(weight_norm);
                    if ends_epoch {
                        course.epoch_end(weight_norm, self.optimizer.lr(i));
                    }
                }
                *clip = clip::coefficient(lane.clip, norm, self.shape.dtype);
                let clipped = match lane.clip {
                    Clip::None => None,
                    Clip::Norm(_) => Some(*clip < 1.0),
                    Clip::Value(threshold) => {
                        largest.as_ref().map(|largest| clip::exceeds(largest[i], threshold, self.shape.dtype))
                    }
                };
                let probe = Probe { loss, grad_norm: norm.exact, samples, clipped };
                let Next { locate, .. } =
                    if last { course.last_check(finals[i], norm.exact) } else { course.step(probe) };
                suspect |= locate;
                if let (true, false, Some(moved), Some(weight_norm)) = (track.still.at_rest, last, moved, weight_norm) {
                    let rest = Rest { probe, moved, weight_norm, lr: self.optimizer.lr(i) };
                    rest.stay(course, step..self.total, self.steps_per_epoch);
                }
            }
            if suspect {
                suspects.push(i);
            }
        }
        self.find(&suspects);
        if last {
            let sharpness = self.sharpness();
            self.tracks.iter_mut().zip(sharpness).for_each(|(track, sharpness)| track.sharpness = sharpness);
        }
        Ok(last.then_some(finals))
    }

    /// Every lane gets its course, now that its beginning is measured.
    fn begin(&mut self) {
        let start = self.start.take().expect("the first pass was watched");
        let sharpness = self.sharpness();
        for (i, track) in self.tracks.iter_mut().enumerate() {
            let lane = track.lane(self.lanes);
            let loss_initial = self.initial.as_ref().map_or(self.readout.loss(i), |initial| initial[i]);
            let trivial = self.evaluation.as_ref().unwrap_or(&self.data).trivial_loss(lane.data_seed);
            let weight_norm = self.readout.weight_norm(i, &self.weights);
            let beginning = start.beginning(i, loss_initial, trivial, weight_norm);
            let beginning = Beginning { sharpness: sharpness[i], ..beginning };
            let lr = lane.lr * lane.schedule.factor(0, self.total.max(1));
            for rider in &mut track.riders {
                rider.course = Some(Course::new(beginning.clone(), lane.loss_ratio, lr, self.record.clone()));
            }
        }
    }

    /// Of each lane, as it stands now; None if the record does not want it.
    fn sharpness(&self) -> Vec<Option<f64>> {
        let data = self.evaluation.as_ref().unwrap_or(&self.data);
        let of = |(i, seeds): (usize, LaneSeeds)| {
            let batch = || data.batch(&[seeds], 0, 0..data.samples(), None);
            self.record.sharpness.then(|| sharpness(self.shape, &self.weights, i, &batch()))
        };
        self.seeds().into_iter().enumerate().map(of).collect()
    }

    fn find(&mut self, suspects: &[usize]) {
        if suspects.is_empty() {
            return;
        }
        let batch = self.batch.as_ref().expect("the batch of this step is kept");
        let sites = locate::locate(self.shape, suspects, self.pads, &self.weights, batch);
        for (&i, site) in suspects.iter().zip(sites) {
            let courses = self.tracks[i].riders.iter_mut().filter_map(|rider| rider.course.as_mut());
            courses.for_each(|course| course.located(site));
        }
    }

    /// Hands over every trial that has its verdict: all of them after the last update, else those with a NaN loss or at rest.
    fn release(&mut self, finals: Option<&[f64]>, done: &mut dyn FnMut(usize, Finished)) {
        let riders = |(i, track)| -> Vec<_> {
            let Track { riders, sharpness, still, .. }: &mut Track = track;
            // Where a trial ends at a NaN there is no curvature.
            let sharpness = sharpness.or(self.record.sharpness.then_some(f64::NAN));
            let last = still.at_rest.then(|| self.readout.loss(i)).or(finals.map(|finals| finals[i]));
            riders.iter_mut().map(|rider| (last, rider, sharpness)).collect()
        };
        for (last, rider, sharpness) in self.tracks.iter_mut().enumerate().flat_map(riders) {
            let ended = rider.course.as_ref().is_some_and(Course::has_ended);
            if let Some(course) = rider.course.take_if(|_| ended || last.is_some()) {
                done(rider.trial, course.finish(last.unwrap_or(f64::NAN), sharpness));
            }
        }
    }

    /// Forks lanes whose riders part ways, and drops those that have left, if they are many.
    fn arrange(&mut self) {
        let left = self.tracks.iter().filter(|track| track.has_left()).count();
        let few_left = (left as f64) < COMPACT_AT * self.tracks.len() as f64 || left == 0;
        if few_left && !self.tracks.iter().any(Track::forks) {
            return;
        }
        let (mut stay, mut tracks) = (Vec::new(), Vec::new());
        for (i, track) in std::mem::take(&mut self.tracks).into_iter().enumerate() {
            let forked = track.fork();
            stay.extend(std::iter::repeat_n(i, forked.len()));
            tracks.extend(forked);
        }
        let old = self.weights.lanes as usize - self.pads;
        let pads = lanes::pads(self.shape, stay.len());
        let old_pads = old..old + self.pads;
        let index: Vec<usize> =
            stay.iter().copied().chain(old_pads.chain(std::iter::repeat(stay[0])).take(pads)).collect();
        self.pads = pads;
        let tensor = device::upload(Tensor::from_slice(&index.iter().map(|&i| i as i64).collect::<Vec<_>>()));
        self.workspaces.clear();
        self.weights = self.weights.gather(&tensor);
        self.gradients = self.gradients.gather(&tensor);
        self.effective = Effective::new(self.shape, &self.weights);
        self.optimizer.gather(&index);
        self.readout = Readout::new(&self.weights);
        self.batch = None;
        self.tracks = tracks;
    }

    fn update(&mut self) {
        let pads = std::iter::repeat_n(1.0, self.pads);
        let mut clamped = false;
        if self.shape.clip_value {
            let threshold = |track: &Track| match track.lane(self.lanes).clip {
                Clip::Value(threshold) => threshold,
                Clip::None | Clip::Norm(_) => f64::INFINITY,
            };
            let thresholds: Vec<f64> = self.tracks.iter().map(threshold).chain(pads.clone()).collect();
            clip::clamp(&mut self.gradients, &thresholds);
            clamped = true;
        }
        let coefficients: Vec<f64> = self.tracks.iter().map(|track| track.riders[0].clip).chain(pads).collect();
        let clipped = coefficients.iter().any(|&c| c != 1.0);
        let watched = self.suspected_still();
        let norm = self.optimizer.step(
            &mut self.weights,
            &mut self.gradients,
            clipped.then_some(&coefficients[..]),
            &self.readout,
        );
        for (i, before) in watched {
            self.tracks[i].still.found(still::equal(&self.weights, i, &before));
        }
        let norm = match norm {
            UpdateNorm::OfGradient if clamped => {
                UpdateNorm::OfDirection((0..self.tracks.len()).map(|i| self.optimizer.lr(i)).collect())
            }
            norm @ (UpdateNorm::OfGradient | UpdateNorm::OfDirection(_) | UpdateNorm::Measured) => norm,
        };
        match norm {
            UpdateNorm::OfGradient => {}
            UpdateNorm::OfDirection(_) => self.readout.measure_update(&self.gradients),
            UpdateNorm::Measured => self.readout.settle_update(&self.gradients),
        }
        for (i, track) in self.tracks.iter_mut().enumerate() {
            track.update = Some(match &norm {
                UpdateNorm::OfGradient => {
                    Update::Known(length(self.optimizer.lr(i), track.riders[0].clip, track.gradient_norm))
                }
                UpdateNorm::OfDirection(factors) => Update::Measured { factor: factors[i] },
                UpdateNorm::Measured => Update::Measured { factor: 1.0 },
            });
        }
    }

    /// The lanes that may be at rest, with a copy of their weights.
    fn suspected_still(&self) -> Vec<(usize, Vec<Tensor>)> {
        let suspect = |(i, track): (usize, &Track)| {
            let suspect = self.rests && track.still.is_suspect() && !track.has_left();
            let can_rest = suspect && still::can_rest(self.shape, track.lane(self.lanes));
            can_rest.then(|| (i, still::copy(&self.weights, i)))
        };
        self.tracks.iter().enumerate().filter_map(suspect).collect()
    }

    /// Each lane's loss over the whole evaluation data, in their order, batch by batch; None where the training batch is all of it.
    fn evaluate(&mut self) -> Option<Vec<f64>> {
        let data = self.evaluation.take()?;
        let (seeds, size) = (self.seeds(), self.shape.batch);
        let mut means = vec![Mean::default(); self.tracks.len()];
        let losses = Tensor::zeros([self.weights.lanes], (self.kind, device::current()));
        for from in (0..data.samples()).step_by(size) {
            let batch = data.batch(&seeds, self.pads, from..(from + size).min(data.samples()), None);
            let at = self.workspace(batch.samples);
            let network = &mut self.workspaces[at].network;
            network.forward(self.effective.of(&self.weights), &batch.inputs);
            loss(self.shape.loss, network.output(), &batch.targets, &losses, None);
            let read = super::weights::host(&losses);
            means.iter_mut().zip(read).for_each(|(mean, loss)| mean.add(loss, batch.samples as f64));
        }
        self.evaluation = Some(data);
        Some(means.iter().map(Mean::value).collect())
    }
}

/// lr x coefficient x norm. The first two alone may be below the range of f64.
fn length(lr: f64, clip: f64, norm: f64) -> f64 {
    let factor = lr * clip;
    if factor.is_normal() { factor * norm } else { lr * (clip * norm) }
}

fn distinct(seeds: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut seeds: Vec<u64> = seeds.collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}
