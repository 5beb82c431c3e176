//! What a replay sees of its trial: the arrays that training starts from, and the norms of every
//! layer at every step. Watching a trial changes none of its bits.

use super::data::{Batch, Dataset, LaneSeeds, SampleOrder};
use super::dtype::Kinds;
use super::matrix::Matrix;
use super::task::Draw;
use super::transformer::Places;
use super::weights::{LayerParameters, host};
use super::{bundle, init, lanes};
use blowup_core::training::{Array, Step, Values};
use blowup_core::trial::{Lane, Network, Shape, Trial};
use tch::Tensor;

/// A function that is called with every step of a trial that is watched.
pub type Sink<'a> = &'a mut dyn FnMut(Step);

/// Returns the parameters of a layer with the names that they have in a trace.
fn named(layer: &LayerParameters) -> impl Iterator<Item = (&'static str, &Matrix)> {
    let optional = [
        ("recurrent", &layer.recurrent),
        ("bias", &layer.bias),
        ("recurrent_bias", &layer.recurrent_bias),
        ("position", &layer.position),
        ("query_scale", &layer.query_scale),
        ("key_scale", &layer.key_scale),
        ("scale", &layer.scale),
        ("shift", &layer.shift),
        ("residual_weight", &layer.residual_weight),
    ];
    let optional = optional.into_iter().filter_map(|(name, tensor)| Some((name, tensor.as_ref()?)));
    std::iter::once(("weight", &layer.weight)).chain(optional)
}

/// Returns everything that the training of `trial` starts from and draws on its way, as the cohort
/// draws it:
///
/// - `layers.L.weight` `[in, out]` and `layers.L.bias` `[out]`, where L counts from 1 and the
///   output layer is depth + 1; for recurrent layers also `.recurrent` and `.recurrent_bias`, for
///   normalized layers also `.scale` and `.shift`, for residual layers with a learned scalar also
///   `.residual_weight` `[1]`. The layers of a transformer are `embedding`, `blocks.B.attention`
///   (queries, keys and values side by side), `blocks.B.projection`, `blocks.B.up`, `blocks.B.down`
///   and `output`, and there are `embedding.position` `[token, width]`, `.query_scale` and
///   `.key_scale`.
/// - `data.inputs` `[sample, inputs]`, or `[time, sample, inputs]` for sequences, and
///   `data.targets` `[sample, outputs]` or `data.classes` `[sample]`. Where there is a target at
///   every time step, `sample` in these counts sample by sample, and step by step within each.
///   Where every epoch has new data, each has the epoch as one more dimension, outermost.
/// - `evaluation.*`, the same for the evaluation data, where there is such data.
/// - `order` `[epoch, position]`, the index of each sample in the order of training, where batches
///   are smaller than the data.
///
/// Of a bundle it is what `bundle::start` returns, to which alone `draws` matters.
///
/// # Errors
/// If a data file cannot be read, or is no longer what the spec was checked against.
pub fn start(trial: &Trial, draws: u64) -> Result<Vec<Array>, String> {
    let (shape, lane) = trial.parts();
    if let Some(file) = shape.task.bundle() {
        return bundle::start(&shape, file, &lane, draws);
    }
    let weights = init::weights(&shape, &[lane], lanes::pads(&shape, 1), Kinds::of(shape.numbers).optimizer);
    let mut arrays = Vec::new();
    for (l, layer) in weights.layers.iter().enumerate() {
        for (name, values) in named(layer) {
            let matrix = matches!(name, "weight" | "recurrent" | "position");
            let values = values.select(0, 0);
            let layer = match &shape.network {
                Network::Transformer(of) => Places::of(of).name(l),
                Network::Linear
                | Network::Mlp { .. }
                | Network::Rnn { .. }
                | Network::Gated { .. }
                | Network::Bundle => {
                    format!("layers.{}", l + 1)
                }
            };
            arrays.push(array(format!("{layer}.{name}"), &if matrix { values } else { values.view([-1]) }));
        }
    }
    let epochs = trial.epochs().max(1);
    let fresh = shape.task.is_fresh();
    let draws = if fresh { epochs } else { 1 };
    let drawn = (0..draws).map(|epoch| batch(&shape, &lane, Draw::Training(epoch))).collect::<Result<Vec<_>, _>>()?;
    arrays.extend(data("data", &shape, &drawn, fresh));
    if fresh {
        arrays.extend(data("evaluation", &shape, &[batch(&shape, &lane, Draw::Evaluation)?], false));
    }
    let samples = shape.task.samples;
    if shape.batch < samples {
        let of = |epoch| SampleOrder::new(&[lane.seed], shape.sampling, epoch, samples).of(lane.seed).to_vec();
        let values = (0..epochs).flat_map(of).map(|i| i as i64).collect();
        let shape = vec![epochs as usize, samples];
        arrays.push(Array { name: "order".to_owned(), shape, values: Values::Integer(values) });
    }
    Ok(arrays)
}

/// Returns all samples of a draw as one batch of one lane.
fn batch(shape: &Shape, lane: &Lane, draw: Draw) -> Result<Batch, String> {
    let data = Dataset::new(shape, &[lane.data_seed], draw, Kinds::of(shape.numbers).optimizer)?;
    Ok(data.batch(&[LaneSeeds::of(lane)], 0, 0..data.samples(), None))
}

fn data(name: &str, shape: &Shape, draws: &[Batch], stacked: bool) -> Vec<Array> {
    let sequences = shape.network.sequence_length().is_some();
    let stack = |part: &dyn Fn(&Batch) -> Tensor| {
        let parts: Vec<Tensor> = draws.iter().map(part).collect();
        if stacked { Tensor::stack(&parts, 0) } else { parts[0].shallow_clone() }
    };
    let inputs = stack(&|batch| {
        let inputs = batch.inputs.select(1, 0);
        if sequences { inputs } else { inputs.select(0, 0) }
    });
    let classes = |batch: &Batch| batch.targets.classes.as_ref().map(|c| c.view([-1]));
    let targets = match classes(&draws[0]) {
        None => array(format!("{name}.targets"), &stack(&|batch| batch.targets.values.select(0, 0))),
        Some(_) => {
            let Array { name, shape, values } =
                array(format!("{name}.classes"), &stack(&|batch| classes(batch).expect("all draws are of one task")));
            let values = match values {
                Values::Float(values) => Values::Integer(values.into_iter().map(|x| x as i64).collect()),
                Values::Integer(values) => Values::Integer(values),
            };
            Array { name, shape, values }
        }
    };
    vec![array(format!("{name}.inputs"), &inputs), targets]
}

/// A tensor on the host.
pub fn array(name: String, tensor: &Tensor) -> Array {
    let shape = tensor.size().iter().map(|&n| n as usize).collect();
    Array { name, shape, values: Values::Float(host(tensor)) }
}
