//! How an update reaches the weights: the operations that PyTorch's optimizers end with, in their order, since where numbers leave the range of their dtype
//! the order decides what overflows. The norms of the new weights go to the readout, slice by slice, while they are in the cache.

use super::data::{per_lane, per_lane_alpha};
use super::device::fuses;
use super::dtype::inner;
use super::fused;
use super::readout::Readout;
use super::weights::Weights;
use tch::{Kind, Tensor};

/// weights += direction x rate (per lane; one for hidden layers and one for the output layer), slice by slice. `clip`, multiplied with the direction
/// first, only where passes are fused.
pub fn add(weights: &mut Weights, direction: &Weights, rates: [&[f64]; 2], clip: Option<&[f64]>, readout: &Readout) {
    let kind = weights.groups[0].kind();
    if fuses(kind) {
        let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let (rates, clip) = (rates.map(single), clip.map(single));
        for (slice, d) in direction.flat.iter().enumerate() {
            let rates = &rates[usize::from(weights.is_output[slice])];
            fused::add(&weights.flat[slice], d, rates, clip.as_deref(), readout.weight_norms(slice));
        }
        return;
    }
    let rates = rates.map(|rate| per_lane_alpha(rate, kind));
    for (slice, d) in direction.slices.iter().enumerate() {
        let rate = &rates[usize::from(weights.is_output[slice])];
        drop(weights.slices[slice].addcmul_(d, rate));
        readout.measure_slice(weights, slice);
    }
}

/// What one layer's update takes, per lane.
pub struct Stride {
    /// Minus the learning rate, with Adam's correction.
    rate: Tensor,
    /// What the weights are multiplied with first, and the share that they lose by it.
    decay: Option<[Tensor; 2]>,
}

/// weights = keep x weights + (rate x numerator) / denominator, of one slice, in the order of PyTorch's `mul_` and `addcdiv_`; of 16 bits in f32, rounded at
/// the end. The change takes the place of the gradient.
pub fn divide(
    weights: &mut Weights,
    gradient: &mut Tensor,
    slice: usize,
    numerator: &Tensor,
    denominator: &Tensor,
    strides: &[Stride; 2],
    readout: &Readout,
) {
    let Stride { rate, decay } = &strides[usize::from(weights.is_output[slice])];
    let w = &mut weights.slices[slice];
    let mut change = numerator.to_kind(inner(w.kind())) * rate;
    drop(change.g_div_(denominator));
    match decay {
        Some([keep, lost]) => {
            let lost = &*w * lost;
            drop(w.g_mul_(keep));
            drop(w.g_add_(&change));
            drop(change.g_sub_(&lost));
        }
        None => drop(w.g_add_(&change)),
    }
    readout.measure_change(slice, &change.view_as(&weights.flat[slice]));
    gradient.copy_(&change);
    readout.measure_slice(weights, slice);
}

impl Stride {
    /// `decay`: under decoupled weight decay (AdamW), learning rate and decay; the weights lose this share of them first.
    pub fn new(rate: &[f64], decay: Option<(&[f64], &[f64])>, kind: Kind) -> Stride {
        let decay = decay.map(|(lr, decay)| {
            let lost: Vec<f64> = lr.iter().zip(decay).map(|(lr, decay)| lr * decay).collect();
            let keep: Vec<f64> = lost.iter().map(|lost| 1.0 - lost).collect();
            [per_lane(&keep, kind), per_lane(&lost, kind)]
        });
        Stride { rate: per_lane(rate, kind), decay }
    }
}

/// v = keep v + (share g) g, in the order of PyTorch's `mul_` and `addcmul_`: g g alone may overflow.
pub fn add_square(v: &mut Tensor, g: &Tensor, keep: &Tensor, share: &Tensor) {
    drop(v.g_mul_(keep));
    let wide = g.to_kind(inner(g.kind()));
    drop(v.addcmul_(&(&wide * share), &wide));
}
