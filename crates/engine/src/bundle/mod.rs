//! A model of the user's own as what a cohort trains: the step graph of a bundle (docs/bundle.md),
//! run by libtorch's dispatcher for all lanes at once.
//!
//! - [`dispatch`] calls operators, through `graph.cpp`.
//! - [`loaded`] is a bundle with its tensors, [`feed`] makes its batches and random numbers.
//! - [`locate`] finds where a step began to be bad, [`sample`] in which sample.
//!
//! **The same bits for any neighbours.** A lane has the bits that it has alone, before its pad
//! lanes. There are never fewer than three lanes, and as many pads as [`tail`] finds. Before a
//! graph runs for a number of lanes, that number is tried on a step: see [`Way`].

#[expect(unsafe_code, reason = "libtorch's dispatcher is called through functions of C")]
mod dispatch;
mod feed;
mod loaded;
mod locate;
mod sample;
mod tail;

pub use loaded::Loaded;

use crate::data::{LaneSeeds, SampleOrder};
use crate::device;
use crate::init;
use crate::subject::{Fault, Pass, Passed, Subject, Turn};
use crate::trace::array;
use crate::transformer::Attended;
use crate::weights::{ParameterGroup, Role, Weights, host};
use blowup_core::bundle::Held;
use blowup_core::mean::Mean;
use blowup_core::training::{Array, Values};
use blowup_core::trial::{BundleFile, InitKind, Lane, Shape};
use dispatch::Runner;
use feed::{Batch, Feed, Moment};
use loaded::{Step, load};
use std::collections::HashMap;
use std::rc::Rc;
use tch::{TchError, Tensor};

/// The fewest lanes that a graph runs with. libtorch has other kernels for products of one lane,
/// and other convolutions for two.
const FEWEST: usize = 3;

/// How the lanes of a step are run so that each has the bits that it has alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All at once.
    Together,
    /// One after the other, each with its pads.
    Alone,
}

/// The step graph of a bundle, for all lanes of a cohort.
pub struct StepGraph {
    loaded: Rc<Loaded>,
    feed: Feed,
    /// The names of the parameters that an initializer is for.
    initialized: Vec<String>,
    /// The values of the parameters that the loss does not depend on, by their position.
    frozen: HashMap<usize, Tensor>,
    /// The buffers before the step, `[lanes, ...]` each, and after it.
    buffers: Vec<Tensor>,
    settled: Option<Vec<Tensor>>,
    batch: Option<Batch>,
    /// The pad lanes at the end, where there are enough lanes.
    tail: usize,
    /// The ways that were tried, by rows and lanes.
    ways: HashMap<(usize, i64), Way>,
}

/// What an error of libtorch is raised as: tch raises its own in the same way, and the thread's
/// caller tells them apart.
fn run(runner: &Runner, lanes: i64, inputs: &[Tensor]) -> Vec<Tensor> {
    runner.run(lanes, inputs).unwrap_or_else(|text| refused(text))
}

fn refused(text: String) -> ! {
    panic!("a graph does not run: {:?}", TchError::Torch(text))
}

impl StepGraph {
    /// Loads the bundle and makes the initial weights of `lanes`, with the pad lanes behind them.
    ///
    /// # Errors
    /// If the file cannot be read, is no longer what it was, or calls what this libtorch does not
    /// have.
    pub fn new(shape: &Shape, file: &BundleFile, lanes: &[Lane]) -> Result<(StepGraph, Weights), String> {
        if !device::is_host() {
            return Err("a bundle trains on the CPU: leave `--device` out".to_owned());
        }
        let loaded = load(file)?;
        let mut graph = StepGraph {
            feed: Feed::new(shape, &loaded),
            initialized: file.initialized.clone(),
            loaded,
            frozen: HashMap::new(),
            buffers: Vec::new(),
            settled: None,
            batch: None,
            tail: 0,
            ways: HashMap::new(),
        };
        graph.tail = graph.measure_tail(lanes[0])?;
        let weights = graph.initial(lanes)?;
        Ok((graph, weights))
    }

    /// Makes the initial weights and buffers of `lanes`, with the pad lanes behind them.
    fn initial(&mut self, lanes: &[Lane]) -> Result<Weights, String> {
        let pads = self.pads(lanes.len());
        let all: Vec<Lane> = lanes.iter().chain(std::iter::repeat_n(&lanes[0], pads)).copied().collect();
        let slot = |lane: &Lane| self.loaded.program.slot(lane.seed).map(|slot| slot as i64);
        let slots: Option<Vec<i64>> = all.iter().map(slot).collect();
        let slots = slots.ok_or("the bundle has no initial weights for some seed of the sweep")?;
        let index = Tensor::from_slice(&slots);
        let of_lanes = |values: &Tensor| values.index_select(0, &index);
        let (mut layout, mut groups) = (Vec::new(), Vec::new());
        self.frozen.clear();
        for (at, values) in self.loaded.parameters.iter().enumerate() {
            let values = of_lanes(values);
            self.initialize(at, &values, &all);
            if !self.loaded.is_trained(at) {
                self.frozen.insert(at, values);
                continue;
            }
            let (lanes, elements) = (slots.len() as i64, values.numel() / slots.len());
            // The rows are the units whose norms adaptive clipping takes.
            let (role, rows) = match self.loaded.program.parameters[at].shape[..] {
                [rows, _] => (Role::OwnMatrix, rows),
                [rows, _, _, ..] => (Role::Own, rows),
                [] | [_] => (Role::Own, 1),
            };
            let cols = elements / rows.max(1);
            layout.push(ParameterGroup::new(role, at, 1, rows, cols));
            groups.push(values.view([1, lanes, rows as i64, cols as i64]));
        }
        self.buffers = self.loaded.buffers.iter().map(of_lanes).collect();
        Ok(Weights::of(&layout, groups))
    }

    /// Draws the initial values of a parameter, `[lanes, ...]`, in the lanes with an initializer.
    fn initialize(&self, parameter: usize, values: &Tensor, lanes: &[Lane]) {
        let Held { name, shape, .. } = &self.loaded.program.parameters[parameter];
        if !self.initialized.contains(name) {
            return;
        }
        for (at, lane) in lanes.iter().enumerate().filter(|(_, lane)| lane.init.kind != InitKind::Stored) {
            values.get(at as i64).copy_(&drawn_parameter(lane, name, shape));
        }
    }

    /// Returns the pad lanes that the tails of kernels ask for. It runs one step of a lane.
    fn measure_tail(&mut self, lane: Lane) -> Result<usize, String> {
        if let Some(known) = self.loaded.tail.get() {
            return Ok(known);
        }
        let weights = self.initial(&[lane])?;
        let seeds = vec![LaneSeeds::of(&lane); weights.lanes as usize];
        let (mut most, mut tried) = (0, Vec::new());
        for range in self.feed.evaluation() {
            // Batches of one size are computed alike.
            if tried.contains(&range.len()) {
                continue;
            }
            tried.push(range.len());
            let step = self.loaded.step(if self.loaded.program.samples == 0 { 0 } else { range.len() });
            let batch = self.feed.batch(&self.loaded, range, None, &seeds, Moment::Evaluation(0));
            let inputs = self.inputs(&weights, &batch);
            let pads = tail::pads(&self.loaded.program, &step.graph, &step.all, weights.lanes, &inputs);
            most = most.max(pads.unwrap_or_else(|text| refused(text)));
        }
        self.loaded.tail.set(Some(most));
        Ok(most)
    }

    /// All inputs of a graph: parameters, buffers, batch and random numbers, constants.
    fn inputs(&self, weights: &Weights, batch: &Batch) -> Vec<Tensor> {
        let mut groups = weights.groups.iter();
        let parameters =
            self.loaded.program.parameters.iter().enumerate().map(|(at, held)| match self.frozen.get(&at) {
                Some(values) => values.shallow_clone(),
                None => {
                    let shape: Vec<i64> =
                        [weights.lanes].into_iter().chain(held.shape.iter().map(|n| *n as i64)).collect();
                    groups.next().expect("every trained parameter has a group").view(shape.as_slice())
                }
            });
        let own = parameters.chain(self.buffers.iter().chain(&batch.tensors).map(Tensor::shallow_clone));
        own.chain(self.loaded.step(batch.rows).constants.iter().map(Tensor::shallow_clone)).collect()
    }

    /// Runs a step in the way that gives every lane the bits that it has alone. `part` chooses the
    /// whole step or the loss.
    fn run(&self, way: Way, part: fn(&Step) -> &Runner, rows: usize, lanes: i64, inputs: &[Tensor]) -> Vec<Tensor> {
        let step = self.loaded.step(rows);
        match way {
            Way::Together => run(part(step), lanes, inputs),
            Way::Alone => {
                let each: Vec<Vec<Tensor>> = (0..lanes).map(|lane| self.alone(part, rows, lane, inputs)).collect();
                let joined = |at: usize| Tensor::stack(&each.iter().map(|one| &one[at]).collect::<Vec<_>>(), 0);
                (0..each[0].len()).map(joined).collect()
            }
        }
    }

    /// Runs a lane as it is run when it stands alone, before its pads. Returns its results.
    fn alone(&self, part: fn(&Step) -> &Runner, rows: usize, lane: i64, inputs: &[Tensor]) -> Vec<Tensor> {
        let step = self.loaded.step(rows);
        let lanes = (1 + self.pads(1)) as i64;
        let repeated = |tensor: &Tensor| tensor.narrow(0, lane, 1).repeat(repeats(tensor, lanes));
        let results = run(part(step), lanes, &of_lanes(inputs, inputs.len() - step.constants.len(), &repeated));
        results.into_iter().map(|result| result.get(0)).collect()
    }

    /// Finds out in which way this number of lanes is run, by trying it on a step.
    fn way(&mut self, rows: usize, lanes: i64, inputs: &[Tensor]) -> Way {
        if let Some(way) = self.ways.get(&(rows, lanes)) {
            return *way;
        }
        let together = self.run(Way::Together, |step| &step.all, rows, lanes, inputs);
        let same = |lane: i64| {
            let alone = self.alone(|step| &step.all, rows, lane, inputs);
            together.iter().zip(&alone).all(|(all, one)| has_bits(&all.get(lane), one))
        };
        let pads = self.tail as i64;
        let way = if (0..lanes - pads).all(same) { Way::Together } else { Way::Alone };
        if way == Way::Alone {
            tracing::debug!("{lanes} lanes of a bundle do not have the bits of one: they are trained one by one");
        }
        self.ways.insert((rows, lanes), way);
        way
    }
}

/// Returns what the training of a lane starts from:
///
/// - `parameters.NAME` and `buffers.NAME`, with the names that they have in the bundle;
/// - `order` `[epoch, position]`, the index of each sample in the order of training, where batches
///   are smaller than the data;
/// - `draws.STEP.NAME`, the random numbers of the first `draws` steps, by their streams' names.
///
/// # Errors
/// Those of `StepGraph::new`, and if those are too many random numbers.
pub fn start(shape: &Shape, file: &BundleFile, lane: &Lane, draws: u64) -> Result<Vec<Array>, String> {
    let loaded = load(file)?;
    let program = &loaded.program;
    let slot = program.slot(lane.seed).ok_or("the bundle has no initial weights for the seed of the trial")?;
    let of = |what: &str, all: &[Held], values: &[Tensor]| -> Vec<Array> {
        let named = all.iter().zip(values);
        named.map(|(held, values)| array(format!("{what}.{}", held.name), &values.get(slot as i64))).collect()
    };
    let mut arrays = of("parameters", &program.parameters, &loaded.parameters);
    for (held, array_of) in program.parameters.iter().zip(&mut arrays) {
        if lane.init.kind != InitKind::Stored && file.initialized.contains(&held.name) {
            let drawn = drawn_parameter(lane, &held.name, &held.shape).to_kind(dispatch::kind(held.dtype));
            *array_of = array(array_of.name.clone(), &drawn);
        }
    }
    arrays.extend(of("buffers", &program.buffers, &loaded.buffers));
    let samples = program.samples;
    if shape.batch < samples {
        let epochs = shape.steps.div_ceil(shape.steps_per_epoch()).max(1);
        let of = |epoch| SampleOrder::new(&[lane.seed], shape.sampling, epoch, samples).of(lane.seed).to_vec();
        let values = (0..epochs).flat_map(of).map(|i| i as i64).collect();
        let shape = vec![epochs as usize, samples];
        arrays.push(Array { name: "order".to_owned(), shape, values: Values::Integer(values) });
    }
    arrays.extend(drawn(shape, &loaded, lane, draws.min(shape.steps))?);
    Ok(arrays)
}

/// The initial values of a parameter, as the initializer of a lane draws them.
fn drawn_parameter(lane: &Lane, name: &str, shape: &[usize]) -> Tensor {
    let values = init::parameter(lane.init, name, shape, lane.seed);
    Tensor::from_slice(&values).view(shape.iter().map(|n| *n as i64).collect::<Vec<_>>().as_slice())
}

/// The most random numbers that are told of a trial.
const MOST_DRAWS: u64 = 1 << 24;

/// The random numbers of the first steps of a lane.
///
/// # Errors
/// If they are more than are told.
fn drawn(shape: &Shape, loaded: &Loaded, lane: &Lane, steps: u64) -> Result<Vec<Array>, String> {
    let feed = Feed::new(shape, loaded);
    let each: u64 = loaded.steps[0].graph.draws.iter().map(|draw| draw.shape.iter().product::<usize>() as u64).sum();
    if each.saturating_mul(steps) > MOST_DRAWS {
        let most = MOST_DRAWS / each;
        return Err(format!(
            "{steps} steps draw {each} random numbers each, more than the {MOST_DRAWS} that a trace holds: \
             `--draws {most}` writes those of the first {most} steps"
        ));
    }
    let of = |step| feed.drawn(loaded, step, LaneSeeds::of(lane)).into_iter().map(move |drawn| (step, drawn));
    let named = (0..steps).flat_map(of);
    Ok(named.map(|(step, (name, numbers))| array(format!("draws.{step}.{name}"), &numbers.get(0))).collect())
}

/// The inputs, of which those of the lanes, the first ones, are changed.
fn of_lanes(inputs: &[Tensor], own: usize, change: &dyn Fn(&Tensor) -> Tensor) -> Vec<Tensor> {
    let (lanes, shared) = inputs.split_at(own);
    lanes.iter().map(change).chain(shared.iter().map(Tensor::shallow_clone)).collect()
}

/// How often each dimension of a tensor is repeated, where the first is repeated `times` times.
fn repeats(tensor: &Tensor, times: i64) -> Vec<i64> {
    [times].into_iter().chain(std::iter::repeat_n(1, tensor.dim() - 1)).collect()
}

/// Whether two tensors of one shape are equal, where a NaN equals a NaN.
fn has_bits(a: &Tensor, b: &Tensor) -> bool {
    let (a, b) = (a.contiguous(), b.contiguous());
    if a.equal(&b) {
        return true;
    }
    let same = a.eq_tensor(&b).logical_or(&a.isnan().logical_and(&b.isnan()));
    same.all().int64_value(&[]) == 1
}

/// The seeds of the lanes with those of the pad lanes, which are the first lane's.
fn with_pads(lanes: &[LaneSeeds], pads: usize) -> Vec<LaneSeeds> {
    lanes.iter().chain(std::iter::repeat_n(&lanes[0], pads)).copied().collect()
}

impl Subject for StepGraph {
    fn pads(&self, lanes: usize) -> usize {
        self.tail.max(FEWEST.saturating_sub(lanes))
    }

    fn prepare(&mut self, turn: Turn, lanes: &[LaneSeeds], pads: usize) -> Result<(), String> {
        let lanes = with_pads(lanes, pads);
        self.batch = Some(self.feed.training(&self.loaded, turn, &lanes));
        Ok(())
    }

    fn samples(&self) -> usize {
        self.batch.as_ref().map_or(1, |batch| batch.rows.max(1))
    }

    fn pass(&mut self, pass: Pass) -> Passed {
        let Pass { weights, gradients, readout, .. } = pass;
        let batch = self.batch.take().expect("a batch was prepared");
        let inputs = self.inputs(weights, &batch);
        let way = self.way(batch.rows, weights.lanes, &inputs);
        let mut results = self.run(way, |step| &step.all, batch.rows, weights.lanes, &inputs).into_iter();
        let loss = results.next().expect("a step has a loss");
        readout.loss_target().shallow_clone().copy_(&loss);
        for group in &gradients.groups {
            let gradient = results.next().expect("every trained parameter has a gradient");
            let mut to = group.view(gradient.size().as_slice());
            to.copy_(&gradient);
        }
        // Nothing that a step gives may lie in the memory of what the next one changes.
        self.settled = Some(results.map(|buffer| buffer.contiguous()).collect());
        self.batch = Some(batch);
        Passed::default()
    }

    fn settle(&mut self) {
        if let Some(buffers) = self.settled.take() {
            self.buffers = buffers;
        }
    }

    fn evaluate(&mut self, weights: &Weights, lanes: &[LaneSeeds], pads: usize) -> Option<Vec<f64>> {
        let ranges = self.feed.evaluation();
        if ranges.len() == 1 && self.rests() {
            return None;
        }
        let all = with_pads(lanes, pads);
        let mut means = vec![Mean::default(); lanes.len()];
        for (number, range) in ranges.into_iter().enumerate() {
            let batch = self.feed.batch(&self.loaded, range, None, &all, Moment::Evaluation(number as u64));
            let inputs = self.inputs(weights, &batch);
            let way = self.way(batch.rows, weights.lanes, &inputs);
            let losses = self.run(way, |step| &step.loss, batch.rows, weights.lanes, &inputs);
            let read = host(&losses[0]);
            means.iter_mut().zip(read).for_each(|(mean, loss)| mean.add(loss, batch.rows.max(1) as f64));
        }
        Some(means.iter().map(Mean::value).collect())
    }

    fn rests(&self) -> bool {
        let draws = self.loaded.steps.iter().any(|step| !step.graph.draws.is_empty());
        self.feed.evaluation().len() == 1 && !draws && self.buffers.is_empty()
    }

    fn loss_trivial(&self, _: LaneSeeds) -> Option<f64> {
        None
    }

    fn sharpness(&self, _: &Weights, _: usize, _: LaneSeeds) -> f64 {
        unreachable!("no spec records the sharpness of a bundle")
    }

    fn dead_shares(&self) -> Option<Vec<f64>> {
        None
    }

    fn attended(&self) -> &[Attended] {
        &[]
    }

    fn locate(&self, weights: &Weights, indices: &[usize], _: usize) -> Vec<Fault> {
        let batch = self.batch.as_ref().expect("a batch was prepared");
        let step = self.loaded.step(batch.rows);
        let inputs = self.inputs(weights, batch);
        let shared = inputs.len() - step.constants.len();
        let found = |lane: &usize| {
            let alone = of_lanes(&inputs, shared, &|tensor: &Tensor| tensor.narrow(0, *lane as i64, 1));
            let index = &batch.index[lane * batch.rows..(lane + 1) * batch.rows];
            locate::locate(&self.loaded, step, &alone, index).unwrap_or_else(|text| refused(text))
        };
        indices.iter().map(|lane| Fault::Origin(found(lane))).collect()
    }

    fn gather(&mut self, index: &[usize], _: &Weights) {
        let index = Tensor::from_slice(&index.iter().map(|&lane| lane as i64).collect::<Vec<_>>());
        let index = device::upload(index);
        let gathered = |tensor: &Tensor| tensor.index_select(0, &index);
        self.buffers.iter_mut().for_each(|buffer| *buffer = gathered(buffer));
        // A map's order does not matter here: every value is gathered by itself.
        for at in 0..self.loaded.parameters.len() {
            if let Some(values) = self.frozen.get_mut(&at) {
                *values = gathered(values);
            }
        }
        self.batch = None;
    }
}
