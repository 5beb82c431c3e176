//! How an update reaches the weights, in the operations with which PyTorch's optimizers end, and
//! the means that several of them keep.
//!
//! The order of these operations is PyTorch's, because it decides what overflows where numbers
//! leave the range of their dtype. The norms of the new weights go to the readout slice by slice,
//! while a slice is in the cache.

use super::data::{per_lane, per_lane_alpha};
use super::device::fuses;
use super::dtype::inner;
use super::fused;
use super::optimizer::rates::PerClass;
use super::readout::Readout;
use super::weights::Weights;
use tch::{Kind, Tensor};

/// Computes weights += rate x direction, slice by slice, as PyTorch's `add_` does.
///
/// `rates` has one rate per lane for each class of parameters. `clip` has one factor per lane, with
/// which the direction is multiplied first; it is given only where passes are fused.
pub fn add(
    weights: &mut Weights,
    direction: &Weights,
    rates: &PerClass<Vec<f64>>,
    clip: Option<&[f64]>,
    readout: &Readout,
) {
    let kind = weights.groups[0].kind();
    if fuses(kind) {
        let single = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let (rates, clip) = (rates.map(|rates| single(rates)), clip.map(single));
        for (slice, d) in direction.flat.iter().enumerate() {
            let rates = rates.of_slice(weights, slice);
            fused::add(&weights.flat[slice], d, rates, clip.as_deref(), readout.weight_norms(slice));
        }
        return;
    }
    let rates = rates.map(|rate| per_lane_alpha(rate, kind));
    for (slice, d) in direction.slices.iter().enumerate() {
        let rate = rates.of_slice(weights, slice);
        drop(weights.slices[slice].addcmul_(d, rate));
        readout.measure_slice(weights, slice);
    }
}

/// The factors of an update that is not only added, per lane, as tensors `[1, lane, 1, 1]`.
pub struct Stride {
    /// Minus the learning rate, with Adam's correction of the first moment.
    pub rate: Tensor,
    /// The factor that the weights are multiplied with first, and the share that they lose by it.
    /// None without decoupled weight decay.
    decay: Option<[Tensor; 2]>,
}

/// Computes weights = keep x weights + (rate x numerator) / denominator for one slice, as PyTorch's
/// `mul_` and `addcdiv_` do.
///
/// 16-bit numbers are computed in f32 and rounded at the end. The change of the weights is written
/// to `gradient`, and its norm goes to `readout`.
pub fn divide(
    weights: &mut Weights,
    gradient: &mut Tensor,
    slice: usize,
    numerator: &Tensor,
    denominator: &Tensor,
    stride: &Stride,
    readout: &Readout,
) {
    let mut change = numerator.to_kind(inner(gradient.kind())) * &stride.rate;
    drop(change.g_div_(denominator));
    land(weights, gradient, slice, change, stride, readout);
}

/// Computes weights = keep x weights + change for one slice. The change of the weights is written
/// to `gradient`, and its norm and that of the new weights go to `readout`.
pub fn land(
    weights: &mut Weights,
    gradient: &mut Tensor,
    slice: usize,
    mut change: Tensor,
    stride: &Stride,
    readout: &Readout,
) {
    let w = &mut weights.slices[slice];
    match &stride.decay {
        Some([keep, lost]) => {
            let lost = &*w * lost;
            drop(w.g_mul_(keep));
            drop(w.g_add_(&change));
            drop(change.g_sub_(&lost));
        }
        None => drop(w.g_add_(&change)),
    }
    measure(weights, gradient, slice, &change, readout);
}

/// Measures an update that has just reached one slice of the weights, and writes it to `gradient`.
pub fn measure(weights: &Weights, gradient: &mut Tensor, slice: usize, change: &Tensor, readout: &Readout) {
    readout.measure_change(slice, &change.view_as(&weights.flat[slice]));
    gradient.copy_(change);
    readout.measure_slice(weights, slice);
}

impl Stride {
    /// `rate` is the factor of a quotient per lane, the `value` of PyTorch's `addcdiv_`. `lost` is
    /// the share of the weights that decoupled weight decay takes first, per lane.
    pub fn of_quotient(rate: &[f64], lost: Option<&[f64]>, kind: Kind) -> Stride {
        Stride { rate: per_lane(rate, kind), decay: decay(lost, kind) }
    }

    /// The same for a direction: `rate` is the `alpha` of PyTorch's `add_`.
    pub fn of_sum(rate: &[f64], lost: Option<&[f64]>, kind: Kind) -> Stride {
        Stride { rate: per_lane_alpha(rate, kind), decay: decay(lost, kind) }
    }

    /// The stride at a learning rate that is multiplied with `factors`, `[layers, lane, 1, 1]`.
    pub fn times(&self, factors: &Tensor) -> Stride {
        let decay = self.decay.as_ref().map(|[_, lost]| {
            let lost = lost * factors;
            [1.0 - &lost, lost]
        });
        Stride { rate: &self.rate * factors, decay }
    }
}

fn decay(lost: Option<&[f64]>, kind: Kind) -> Option<[Tensor; 2]> {
    lost.map(|lost| {
        let keep: Vec<f64> = lost.iter().map(|lost| 1.0 - lost).collect();
        [per_lane(&keep, kind), per_lane(lost, kind)]
    })
}

/// Computes m = m + share (g - m), in the two forms of PyTorch's `lerp_`. 16-bit numbers are
/// computed in f32 and rounded once.
pub fn add_to_mean(m: &mut Tensor, g: &Tensor, share: &Tensor) {
    let inner = inner(m.kind());
    if inner != m.kind() {
        let wide = m.to_kind(inner).lerp_tensor(&g.to_kind(inner), share);
        m.copy_(&wide);
    } else {
        drop(m.lerp_tensor_(g, share));
    }
}

/// Computes v = keep v + (share g) g, in the order of PyTorch's `mul_` and `addcmul_`, since g g
/// alone may overflow.
pub fn add_square(v: &mut Tensor, g: &Tensor, keep: &Tensor, share: &Tensor) {
    drop(v.g_mul_(keep));
    let wide = g.to_kind(inner(g.kind()));
    drop(v.addcmul_(&(&wide * share), &wide));
}
