//! The data of a cohort as tensors: one copy for each seed, from which the batches of all lanes are
//! gathered.

use super::device::upload;
use super::draw::{Purpose, Stream};
use super::dtype::{inner, round};
use super::matrix::Sequence;
use super::task::{self, Draw};
use blowup_core::trial::{Lane, Sampling, Shape};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// The targets of a batch.
#[derive(Debug)]
pub struct BatchTargets {
    /// `[lane, batch, outputs]`, or `[lane, batch x time, outputs]` where there is a target at
    /// every time step. Classes are one-hot.
    pub values: Tensor,
    /// The classes, `[lane, batch, 1]` or `[lane, batch x time, 1]`, int64. None in a regression.
    pub classes: Option<Tensor>,
}

/// A batch of every lane.
#[derive(Debug)]
pub struct Batch {
    /// `[time, lane, batch, inputs]`.
    pub inputs: Sequence,
    pub targets: BatchTargets,
    /// The number of samples.
    pub samples: usize,
    /// The place of each sample among those of all seeds, lane by lane.
    places: Vec<i64>,
    /// The samples of a seed.
    all: usize,
}

impl Batch {
    /// The same batch with inputs and targets of these kinds.
    pub fn to_kinds(&self, inputs: Kind, targets: Kind) -> Batch {
        let BatchTargets { values, classes } = &self.targets;
        Batch {
            inputs: Sequence::of(self.inputs.to_kind(inputs)),
            targets: BatchTargets {
                values: values.to_kind(targets),
                classes: classes.as_ref().map(Tensor::shallow_clone),
            },
            places: self.places.clone(),
            ..*self
        }
    }

    /// The place of a sample of a lane's batch in its data.
    pub fn place(&self, lane: usize, sample: usize) -> u64 {
        self.places[lane * self.samples + sample] as u64 % self.all as u64
    }
}

/// The samples of all seeds of a cohort, one seed after the other.
#[derive(Debug)]
pub struct Dataset {
    seeds: Vec<u64>,
    samples: usize,
    /// `[time, seed x sample, inputs]`.
    inputs: Tensor,
    /// The targets, `[seed x sample, target, outputs]`. Classes are one-hot. A sample has one
    /// target, or one at every time step.
    values: Tensor,
    /// The classes, `[seed x sample, target]`, int64. None in a regression.
    classes: Option<Tensor>,
    /// The loss of the best constant prediction, by seed.
    trivial: Vec<f64>,
}

impl Dataset {
    /// Draws the data of `seeds`, which are ascending and distinct, for the task of `shape`. The
    /// seeds are drawn one after the other, so that the f64 numbers of only one of them are in
    /// memory at a time.
    ///
    /// # Errors
    /// If a data file cannot be read, or is no longer what the spec was checked against.
    pub fn new(shape: &Shape, seeds: &[u64], draw: Draw, kind: Kind) -> Result<Dataset, String> {
        let times = shape.network.sequence_length().unwrap_or(1);
        let (inputs, outputs) = (shape.task.inputs, shape.task.outputs);
        let targets = if shape.task.kind.asks_at_every_step() { times } else { 1 };
        // Data that is not drawn is the same for all seeds.
        let seeds = if shape.task.is_drawn() { seeds } else { &seeds[..1] };
        let mut data: Option<Dataset> = None;
        for (slot, &seed) in seeds.iter().enumerate() {
            let drawn = task::samples(&shape.task, shape.loss, times, seed, draw)?;
            let trivial = drawn.trivial_loss(outputs);
            let data = data.get_or_insert_with(|| {
                let all = (seeds.len() * drawn.samples) as i64;
                let classes = matches!(drawn.targets, task::SampleTargets::Classes(_));
                Dataset {
                    seeds: seeds.to_vec(),
                    samples: drawn.samples,
                    inputs: Tensor::empty([times as i64, all, inputs as i64], (kind, Device::Cpu)),
                    values: Tensor::empty([all, targets as i64, outputs as i64], (kind, Device::Cpu)),
                    classes: classes.then(|| Tensor::empty([all, targets as i64], (Kind::Int64, Device::Cpu))),
                    trivial: Vec::new(),
                }
            });
            data.trivial.push(trivial);
            let samples = drawn.samples;
            for (t, step) in drawn.inputs.chunks(samples * inputs).enumerate() {
                fill(&data.inputs.select(0, t as i64), slot * samples, step, inputs);
            }
            match (&drawn.targets, &data.classes) {
                (task::SampleTargets::Classes(index), Some(classes)) => {
                    let (index, at) = (Tensor::from_slice(index), (slot * samples) as i64);
                    let index = index.view([-1, targets as i64]);
                    classes.narrow(0, at, samples as i64).copy_(&index);
                    data.values.narrow(0, at, samples as i64).copy_(&index.one_hot(outputs as i64));
                }
                (task::SampleTargets::Values(values), None) => {
                    fill(&data.values.view([-1, outputs as i64]), slot * samples, values, outputs);
                }
                _ => unreachable!("all seeds of a task have one kind of targets"),
            }
        }
        let data = data.expect("there is a seed");
        let Dataset { inputs, values, classes, .. } = data;
        Ok(Dataset { inputs: upload(inputs), values: upload(values), classes: classes.map(upload), ..data })
    }

    /// Returns the same data in the same memory, which nothing writes to.
    pub fn share(&self) -> Dataset {
        Dataset {
            seeds: self.seeds.clone(),
            samples: self.samples,
            inputs: self.inputs.shallow_clone(),
            values: self.values.shallow_clone(),
            classes: self.classes.as_ref().map(Tensor::shallow_clone),
            trivial: self.trivial.clone(),
        }
    }

    /// The number of samples of each seed.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The loss of the best constant prediction for the data of `seed`.
    pub fn trivial_loss(&self, seed: u64) -> f64 {
        self.trivial[self.slot(seed)]
    }

    fn slot(&self, seed: u64) -> usize {
        match self.trivial.len() {
            1 => 0,
            _ => self.seeds.binary_search(&seed).expect("data was drawn for the seeds of all lanes"),
        }
    }

    /// Returns the samples in `range` for these lanes, in the given order or else as they are.
    /// Behind them stand `pads` pad lanes with the first lane's data.
    pub fn batch(&self, lanes: &[LaneSeeds], pads: usize, range: Range<usize>, order: Option<&SampleOrder>) -> Batch {
        let mut index: Vec<i64> = Vec::with_capacity((lanes.len() + pads) * range.len());
        for lane in lanes.iter().chain(std::iter::repeat_n(&lanes[0], pads)) {
            let start = self.slot(lane.data) * self.samples;
            match order {
                Some(order) => index.extend(order.of(lane.order)[range.clone()].iter().map(|&i| (start + i) as i64)),
                None => index.extend(range.clone().map(|i| (start + i) as i64)),
            }
        }
        let all = (lanes.len() + pads) as i64;
        let n = range.len() as i64;
        let (index, places) = (upload(Tensor::from_slice(&index)), index);
        let size = self.inputs.size();
        Batch {
            inputs: Sequence::of(self.inputs.index_select(1, &index).view([size[0], all, n, size[2]])),
            targets: BatchTargets {
                values: self.values.index_select(0, &index).view([all, -1, self.values.size()[2]]),
                classes: self.classes.as_ref().map(|c| c.index_select(0, &index).view([all, -1, 1])),
            },
            samples: range.len(),
            places,
            all: self.samples,
        }
    }
}

/// Writes rows of `columns` numbers to a matrix, from row `at` on. It converts one part at a time,
/// so that there is no second copy of all numbers in f64.
fn fill(matrix: &Tensor, at: usize, numbers: &[f64], columns: usize) {
    const NUMBERS: usize = 1 << 18;
    let some = (NUMBERS / columns).max(1);
    for (n, rows) in numbers.chunks(some * columns).enumerate() {
        let rows = Tensor::from_slice(rows).view([-1, columns as i64]);
        matrix.narrow(0, (at + n * some) as i64, rows.size()[0]).copy_(&rows);
    }
}

/// The seeds of a lane's data and of the order of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSeeds {
    /// The seed of the data.
    pub data: u64,
    /// The seed of the order.
    pub order: u64,
}

impl LaneSeeds {
    /// The seeds of `lane`.
    pub fn of(lane: &Lane) -> LaneSeeds {
        LaneSeeds { data: lane.data_seed, order: lane.seed }
    }
}

/// The order in which the samples of an epoch are trained on, for each seed.
#[derive(Debug)]
pub struct SampleOrder {
    seeds: Vec<u64>,
    orders: Vec<Vec<usize>>,
}

impl SampleOrder {
    /// Draws the order of an epoch for `seeds`, which are ascending and distinct: a permutation of
    /// the samples, or as many independent draws. Epochs count from 0.
    pub fn new(seeds: &[u64], sampling: Sampling, epoch: u64, samples: usize) -> SampleOrder {
        let one = |&seed: &u64| {
            let mut stream = Stream::new(seed, Purpose::Order, epoch);
            match sampling {
                Sampling::Shuffle => stream.permutation(samples),
                Sampling::Replacement => (0..samples).map(|_| stream.index(0, samples)).collect(),
            }
        };
        SampleOrder { seeds: seeds.to_vec(), orders: seeds.iter().map(one).collect() }
    }

    /// Returns the order for one of the seeds.
    ///
    /// # Panics
    /// If no order was drawn for this seed.
    pub fn of(&self, seed: u64) -> &[usize] {
        let at = self.seeds.binary_search(&seed).expect("an order was drawn for the seeds of all lanes");
        &self.orders[at]
    }
}

/// Returns a per-lane parameter as `per_lane` does, for a number that is added to a tensor or is
/// the `alpha` of an addition. PyTorch rounds such a number to 16 bits first.
pub fn per_lane_alpha(values: &[f64], kind: Kind) -> Tensor {
    match inner(kind) == kind {
        true => per_lane(values, kind),
        false => per_lane(&values.iter().map(|&x| round(x, kind)).collect::<Vec<_>>(), kind),
    }
}

/// Returns a per-lane parameter as a tensor `[1, lane, 1, 1]`, which broadcasts over
/// `[layers, lane, rows, cols]`.
pub fn per_lane(values: &[f64], kind: Kind) -> Tensor {
    let size = [1, values.len() as i64, 1, 1];
    // PyTorch does not round a number to 16 bits before it multiplies a 16-bit tensor with it.
    let kind = inner(kind);
    if kind == Kind::Float {
        let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        upload(Tensor::from_slice(&values)).view(size)
    } else {
        upload(Tensor::from_slice(values).to_kind(kind)).view(size)
    }
}
