//! The batches of a bundle's lanes, and the random numbers of their steps.

use super::dispatch::kind;
use super::loaded::{Loaded, Step};
use crate::data::{LaneSeeds, SampleOrder};
use crate::device::upload;
use crate::draw::Stream;
use crate::subject::Turn;
use blowup_core::bundle::{Draw, DrawKind};
use blowup_core::trial::{Sampling, Shape};
use std::collections::HashMap;
use std::ops::Range;
use tch::{Kind, Tensor};

/// The inputs of a step apart from the parameters and the buffers.
pub struct Batch {
    pub rows: usize,
    /// The leaves, `[lanes, rows, ...]`, and the random numbers, `[lanes, ...]`.
    pub tensors: Vec<Tensor>,
    /// The places of the rows in the data, lane by lane.
    pub index: Vec<i64>,
}

/// Where a step stands, by which its random numbers are named.
#[derive(Clone, Copy)]
pub enum Moment {
    /// The number of batches before it.
    Training(u64),
    /// The number of the batch of an evaluation.
    Evaluation(u64),
}

/// Makes the batches of a cohort.
pub struct Feed {
    /// The rows of the data, of which an epoch may leave out the last.
    samples: usize,
    batch: usize,
    batches_per_epoch: u64,
    sampling: Sampling,
    /// The order of the current epoch and its number. None where a batch holds every sample.
    order: Option<(u64, SampleOrder)>,
}

impl Feed {
    pub fn new(shape: &Shape, loaded: &Loaded) -> Feed {
        Feed {
            samples: loaded.program.samples,
            batch: shape.batch,
            batches_per_epoch: shape.batches_per_epoch(),
            sampling: shape.sampling,
            order: None,
        }
    }

    /// The ranges of samples of an evaluation, batch by batch.
    pub fn evaluation(&self) -> Vec<Range<usize>> {
        let used = self.batches_per_epoch as usize * self.batch;
        let end = used.min(self.samples.max(1));
        (0..end).step_by(self.batch).map(|from| from..(from + self.batch).min(end)).collect()
    }

    /// The batch of a turn for these lanes. After the last update it is the first of the
    /// evaluation.
    pub fn training(&mut self, loaded: &Loaded, turn: Turn, lanes: &[LaneSeeds]) -> Batch {
        let Turn { batch: number, is_last } = turn;
        let (epoch, range) = (number / self.batches_per_epoch, self.range(turn));
        if self.batch >= self.samples || is_last {
            return self.batch(loaded, range, None, lanes, Moment::Training(number));
        }
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let mut seeds: Vec<u64> = lanes.iter().map(|lane| lane.order).collect();
            seeds.sort_unstable();
            seeds.dedup();
            self.order = Some((epoch, SampleOrder::new(&seeds, self.sampling, epoch, self.samples)));
        }
        let order = self.order.as_ref().map(|(_, order)| order);
        self.batch(loaded, range, order, lanes, Moment::Training(number))
    }

    /// The random numbers of a batch of the training, `[1, ...]`, with the names of their streams.
    pub fn drawn(&self, loaded: &Loaded, batch: u64, lane: LaneSeeds) -> Vec<(String, Tensor)> {
        let range = self.range(Turn { batch, is_last: false });
        let draws = &loaded.step(self.rows(&range)).graph.draws;
        draws.iter().map(|draw| (draw.name.clone(), numbers(draw, &[lane], Moment::Training(batch)))).collect()
    }

    /// The places of a batch's samples in the order of its epoch or, after the last update, in the
    /// data.
    fn range(&self, turn: Turn) -> Range<usize> {
        let within = if turn.is_last { 0 } else { (turn.batch % self.batches_per_epoch) as usize };
        let from = within * self.batch;
        from..(from + self.batch).min(self.samples.max(1))
    }

    /// The rows of a batch of these samples; 0 where nothing is sampled.
    fn rows(&self, range: &Range<usize>) -> usize {
        if self.samples == 0 { 0 } else { range.len() }
    }

    /// The samples of `range`, in the given order or else as they are.
    pub fn batch(
        &self,
        loaded: &Loaded,
        range: Range<usize>,
        order: Option<&SampleOrder>,
        lanes: &[LaneSeeds],
        moment: Moment,
    ) -> Batch {
        let rows = self.rows(&range);
        let count = lanes.len() as i64;
        let index = |lane: &LaneSeeds| -> Vec<i64> {
            match order {
                Some(order) => order.of(lane.order)[range.clone()].iter().map(|i| *i as i64).collect(),
                None => range.clone().map(|i| i as i64).collect(),
            }
        };
        let all: Vec<i64> = if rows > 0 { lanes.iter().flat_map(index).collect() } else { Vec::new() };
        let index = (rows > 0).then(|| upload(Tensor::from_slice(&all)));
        let leaves = loaded.program.batch.iter().zip(&loaded.data).map(|(leaf, data)| {
            let shape: Vec<i64> = leaf.shape.iter().map(|n| *n as i64).collect();
            match index.as_ref().filter(|_| leaf.sampled) {
                Some(index) => {
                    let size: Vec<i64> = [count, rows as i64].into_iter().chain(shape).collect();
                    data.index_select(0, index).view(size.as_slice())
                }
                None => {
                    let size: Vec<i64> = [count].into_iter().chain(shape).collect();
                    data.unsqueeze(0).expand(size.as_slice(), false).contiguous()
                }
            }
        });
        let step = loaded.step(rows);
        let tensors = leaves.chain(draws(step, lanes, moment)).collect();
        Batch { rows, tensors, index: all }
    }
}

/// The random numbers of a step, `[lanes, ...]` for each stream. Lanes of one seed share theirs.
fn draws(step: &Step, lanes: &[LaneSeeds], moment: Moment) -> Vec<Tensor> {
    step.graph.draws.iter().map(|draw| numbers(draw, lanes, moment)).collect()
}

fn numbers(draw: &Draw, lanes: &[LaneSeeds], moment: Moment) -> Tensor {
    let size: Vec<i64> = [lanes.len() as i64].into_iter().chain(draw.shape.iter().map(|n| *n as i64)).collect();
    let count: usize = draw.shape.iter().product();
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut all: Vec<f32> = Vec::new();
    let mut wide: Vec<f64> = Vec::new();
    let kind = kind(draw.dtype);
    let single = kind != Kind::Double;
    let mut index = Vec::with_capacity(lanes.len());
    for lane in lanes {
        let next = places.len();
        let place = *places.entry(lane.order).or_insert(next);
        index.push(place as i64);
        if place < next {
            continue;
        }
        let mut stream = stream(draw, lane.order, moment);
        match (draw.kind, single) {
            (DrawKind::Uniform, true) => all.extend(stream.unit_singles(count)),
            (DrawKind::Uniform, false) => wide.extend(stream.uniform(0.0, 1.0, count)),
            (DrawKind::Normal, true) => all.extend(stream.normal_singles(count)),
            (DrawKind::Normal, false) => wide.extend(stream.normal(count)),
        }
    }
    let distinct = places.len() as i64;
    let drawn = if single { Tensor::from_slice(&all) } else { Tensor::from_slice(&wide) };
    let drawn = drawn.view([distinct, count as i64]).to_kind(kind);
    let drawn = if distinct == lanes.len() as i64 { drawn } else { drawn.index_select(0, &Tensor::from_slice(&index)) };
    upload(drawn.view(size.as_slice()))
}

fn stream(draw: &Draw, seed: u64, moment: Moment) -> Stream {
    match moment {
        Moment::Training(step) => Stream::named(seed, &format!("step/{}", draw.name), step),
        Moment::Evaluation(batch) => Stream::named(seed, &format!("evaluation/{}", draw.name), batch),
    }
}
