//! The data of a cohort as tensors: one copy per seed, gathered into batches with one row of lanes.

use super::device::upload;
use super::draw::{Purpose, Stream};
use super::matrix::Sequence;
use super::task::{self, Draw};
use blowup_core::trial::{Sampling, Shape};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Targets of a batch.
#[derive(Debug)]
pub struct Targets {
    /// `[lane, batch, outputs]`; one-hot for classes.
    pub values: Tensor,
    /// `[lane, batch, 1]`, int64.
    pub classes: Option<Tensor>,
}

/// A batch of every lane.
#[derive(Debug)]
pub struct Batch {
    /// `[time, lane, batch, inputs]`
    pub inputs: Sequence,
    pub targets: Targets,
    pub samples: usize,
}

/// The samples of all seeds of a cohort, one after the other.
#[derive(Debug)]
pub struct Data {
    seeds: Vec<u64>,
    samples: usize,
    /// `[time, seed x sample, inputs]`
    inputs: Tensor,
    /// `[seed x sample, outputs]`
    values: Tensor,
    /// `[seed x sample, 1]`
    classes: Option<Tensor>,
    /// The best constant prediction's loss, by seed.
    trivial: Vec<f64>,
}

impl Data {
    /// Draws the data of `seeds` (ascending, distinct) for the task of a shape, one after the other: in f64 there is
    /// only one of them at a time.
    pub fn new(shape: &Shape, seeds: &[u64], draw: Draw, kind: Kind) -> Result<Data, String> {
        let times = shape.network.sequence_length().unwrap_or(1);
        let (inputs, outputs) = (shape.task.inputs, shape.task.outputs);
        // Where it is not drawn it is the same for all.
        let seeds = if shape.task.is_drawn() { seeds } else { &seeds[..1] };
        let mut data: Option<Data> = None;
        for (slot, &seed) in seeds.iter().enumerate() {
            let drawn = task::samples(&shape.task, shape.loss, times, seed, draw)?;
            let trivial = drawn.trivial_loss(outputs);
            let data = data.get_or_insert_with(|| {
                let all = (seeds.len() * drawn.samples) as i64;
                let classes = matches!(drawn.targets, task::Targets::Classes(_));
                Data {
                    seeds: seeds.to_vec(),
                    samples: drawn.samples,
                    inputs: Tensor::empty([times as i64, all, inputs as i64], (kind, Device::Cpu)),
                    values: Tensor::empty([all, outputs as i64], (kind, Device::Cpu)),
                    classes: classes.then(|| Tensor::empty([all, 1], (Kind::Int64, Device::Cpu))),
                    trivial: Vec::new(),
                }
            });
            data.trivial.push(trivial);
            let samples = drawn.samples;
            for (t, step) in drawn.inputs.chunks(samples * inputs).enumerate() {
                fill(&data.inputs.select(0, t as i64), slot * samples, step, inputs);
            }
            match (&drawn.targets, &data.classes) {
                (task::Targets::Classes(index), Some(classes)) => {
                    let (index, at) = (Tensor::from_slice(index), (slot * samples) as i64);
                    classes.narrow(0, at, samples as i64).copy_(&index.view([-1, 1]));
                    data.values.narrow(0, at, samples as i64).copy_(&index.one_hot(outputs as i64));
                }
                (task::Targets::Values(values), None) => fill(&data.values, slot * samples, values, outputs),
                _ => unreachable!("all seeds of a task have one kind of targets"),
            }
        }
        let data = data.expect("there is a seed");
        let Data { inputs, values, classes, .. } = data;
        Ok(Data { inputs: upload(inputs), values: upload(values), classes: classes.map(upload), ..data })
    }

    /// The same, not copied: nothing writes to it.
    pub fn share(&self) -> Data {
        Data {
            seeds: self.seeds.clone(),
            samples: self.samples,
            inputs: self.inputs.shallow_clone(),
            values: self.values.shallow_clone(),
            classes: self.classes.as_ref().map(Tensor::shallow_clone),
            trivial: self.trivial.clone(),
        }
    }

    pub fn samples(&self) -> usize {
        self.samples
    }

    pub fn trivial_loss(&self, seed: u64) -> f64 {
        self.trivial[self.slot(seed)]
    }

    fn slot(&self, seed: u64) -> usize {
        match self.trivial.len() {
            1 => 0,
            _ => self.seeds.binary_search(&seed).expect("data was drawn for the seeds of all lanes"),
        }
    }

    /// The batch `range` of samples for these lanes, in the order given or as they are. Pad lanes follow, with the first lane's data.
    pub fn batch(&self, lanes: &[LaneSeeds], pads: usize, range: Range<usize>, order: Option<&Order>) -> Batch {
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
        let index = upload(Tensor::from_slice(&index));
        let size = self.inputs.size();
        Batch {
            inputs: Sequence::of(self.inputs.index_select(1, &index).view([size[0], all, n, size[2]])),
            targets: Targets {
                values: self.values.index_select(0, &index).view([all, n, self.values.size()[1]]),
                classes: self.classes.as_ref().map(|c| c.index_select(0, &index).view([all, n, 1])),
            },
            samples: range.len(),
        }
    }
}

/// Writes rows of `columns` numbers to a matrix, from row `at` on, a part at a time: there is no second copy of all in f64.
fn fill(matrix: &Tensor, at: usize, numbers: &[f64], columns: usize) {
    const NUMBERS: usize = 1 << 18;
    let some = (NUMBERS / columns).max(1);
    for (n, rows) in numbers.chunks(some * columns).enumerate() {
        let rows = Tensor::from_slice(rows).view([-1, columns as i64]);
        matrix.narrow(0, (at + n * some) as i64, rows.size()[0]).copy_(&rows);
    }
}

/// Which data a lane trains on, and which seed its batches are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSeeds {
    pub data: u64,
    pub order: u64,
}

/// The samples of an epoch in the order in which they are trained on, per seed.
#[derive(Debug)]
pub struct Order {
    seeds: Vec<u64>,
    orders: Vec<Vec<usize>>,
}

impl Order {
    /// Draws the order of an epoch (from 0) for `seeds` (ascending, distinct): a permutation of the samples, or as many independent draws.
    pub fn new(seeds: &[u64], sampling: Sampling, epoch: u64, samples: usize) -> Order {
        let one = |&seed: &u64| {
            let mut stream = Stream::new(seed, Purpose::Order, epoch);
            match sampling {
                Sampling::Shuffle => stream.permutation(samples),
                Sampling::Replacement => (0..samples).map(|_| stream.index(0, samples)).collect(),
            }
        };
        Order { seeds: seeds.to_vec(), orders: seeds.iter().map(one).collect() }
    }

    /// Of one of the seeds that it was drawn for.
    pub fn of(&self, seed: u64) -> &[usize] {
        let at = self.seeds.binary_search(&seed).expect("an order was drawn for the seeds of all lanes");
        &self.orders[at]
    }
}

/// As `per_lane`, of a number that is the `alpha` of an addition, which PyTorch does round to 16 bits first.
pub fn per_lane_alpha(values: &[f64], kind: Kind) -> Tensor {
    match super::inner(kind) == kind {
        true => per_lane(values, kind),
        false => per_lane(&values.iter().map(|&x| super::readout::round(x, kind)).collect::<Vec<_>>(), kind),
    }
}

/// A per-lane parameter as a tensor that broadcasts over `[layers, lane, rows, cols]`.
pub fn per_lane(values: &[f64], kind: Kind) -> Tensor {
    let size = [1, values.len() as i64, 1, 1];
    // A number that a 16-bit tensor is multiplied with is not rounded to 16 bits first.
    let kind = super::inner(kind);
    if kind == Kind::Float {
        let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        upload(Tensor::from_slice(&values)).view(size)
    } else {
        upload(Tensor::from_slice(values).to_kind(kind)).view(size)
    }
}
