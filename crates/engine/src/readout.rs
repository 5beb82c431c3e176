//! What the host reads of a step, in one copy: every lane's loss and the norms of its gradients,
//! weights and update.
//!
//! Norms are taken in the training dtype, and in f32 for 16-bit dtypes. An f32 norm overflows at
//! 1.8e19 and underflows near 1e-20 while every element is finite. An f64 norm of f32 numbers costs
//! several times as much. So a lane whose norm leaves the safe range is measured again in f64, on
//! the host.
//!
//! An update no longer exists when its norm is read, so it is measured exactly at once: f32 rows
//! are measured again while they are in the cache, 16-bit numbers are measured in f64, and f64
//! lanes are measured again before the next pass.

use super::device;
use super::dtype::{inner, round};
use super::fused;
use super::weights::{Weights, host};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;
use tch::{Kind, Tensor};

/// f32 norms in this range are exact enough. Outside of it, squares may have left the range of f32.
const SAFE: Range<f64> = 1e-15..1e18;

/// The losses and norms of a step, on the device and on the host.
pub struct Readout {
    lanes: usize,
    kind: Kind,
    /// `[rows, lane]`. Row 0 holds the losses. Then each of the three sets of norms has a row for
    /// every layer of every group.
    buffer: Tensor,
    loss: Tensor,
    gradients: Norms,
    weights: Norms,
    update: Norms,
    /// The update norms of the lanes that were measured again, since the next pass overwrites the
    /// update.
    settled: HashMap<usize, f64>,
    host: Vec<f64>,
    single: Vec<f32>,
}

/// The norms of one set of weights: of the gradients, the weights or the update.
struct Norms {
    rows: Range<usize>,
    /// The memory of each slice's norms in the buffer, `[layers x lane]`.
    views: Vec<Tensor>,
    /// The norms in f64 of all lanes whose norm left the safe range. On a GPU they are measured
    /// together, when the first of them is asked for after a read. On the CPU this stays empty.
    again: OnceCell<HashMap<usize, f64>>,
}

/// The global norm of one lane: the L2 norm over all parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GlobalNorm {
    /// The norm in the training dtype, as `torch.nn.utils.clip_grad_norm_` computes it.
    pub in_dtype: f64,
    /// The norm in f64 where the dtype's range does not suffice; else the same as the norm that was
    /// read.
    pub exact: f64,
}

impl Readout {
    /// Makes the buffers for weights of this layout and number of lanes.
    pub fn new(weights: &Weights) -> Readout {
        let (lanes, kind) = (weights.lanes, weights.groups[0].kind());
        let rows = weights.rows();
        let buffer = Tensor::zeros([1 + 3 * rows, lanes], (inner(kind), device::current()));
        let first = buffer.select(0, 0);
        let norms = |set: i64| {
            let mut row = 1 + set * rows;
            let start = row as usize;
            let views = weights.slices.iter().map(|slice| {
                let layers = slice.size()[0];
                let view = buffer.narrow(0, row, layers).view([layers * lanes]);
                row += layers;
                view
            });
            let views = views.collect();
            Norms { rows: start..row as usize, views, again: OnceCell::new() }
        };
        Readout {
            lanes: lanes as usize,
            kind,
            loss: if kind == inner(kind) { first } else { first.to_kind(kind) },
            gradients: norms(0),
            weights: norms(1),
            update: norms(2),
            settled: HashMap::new(),
            host: vec![0.0; (1 + 3 * rows) as usize * lanes as usize],
            single: if inner(kind) == Kind::Float { vec![0.0; buffer.numel()] } else { Vec::new() },
            buffer,
        }
    }

    /// The tensor `[lane]` to which a step writes its losses.
    pub fn loss_target(&self) -> &Tensor {
        &self.loss
    }

    /// Measures the norms of the gradients, for the next read.
    pub fn measure_gradients(&self, gradients: &Weights) {
        measure(&self.gradients, gradients);
    }

    /// Measures the norms of the weights, for the next read.
    pub fn measure_weights(&self, weights: &Weights) {
        measure(&self.weights, weights);
    }

    /// The tensor `[layers x lane]` to which the norms of one slice of the weights are written.
    pub fn weight_norms(&self, slice: usize) -> &Tensor {
        &self.weights.views[slice]
    }

    /// Writes the norms of the weights of the lanes of `index` (int64), which are all lanes of
    /// `of`.
    pub fn put_weight_norms(&self, index: &Tensor, of: &Weights) {
        let mut row = self.weights.rows.start as i64;
        for group in &of.groups {
            let [layers, lanes, ..] = group.size()[..] else { unreachable!("a group has four dimensions") };
            let norms = Tensor::zeros([layers * lanes], (inner(self.kind), device::current()));
            norm_of(&group.view([layers * lanes, -1]), &norms);
            drop(self.buffer.narrow(0, row, layers).index_copy_(1, index, &norms.view([layers, lanes])));
            row += layers;
        }
    }

    /// Takes these losses in the place of those of the last read.
    pub fn replace_losses(&mut self, losses: &[f64]) {
        self.host[..losses.len()].copy_from_slice(losses);
    }

    /// Measures the weights of one slice, right after its update.
    pub fn measure_slice(&self, weights: &Weights, slice: usize) {
        norm_of(&weights.flat[slice], &self.weights.views[slice]);
    }

    /// Measures the direction of the update, before the next backward pass overwrites it.
    pub fn measure_update(&mut self, direction: &Weights) {
        for (slice, flat) in direction.flat.iter().enumerate() {
            self.measure_change(slice, flat);
        }
        self.settle_update(direction);
    }

    /// Measures the change of one slice of the weights, `[layers x lane, element]`.
    pub fn measure_change(&self, slice: usize, change: &Tensor) {
        exact_norm_of(change, &self.update.views[slice]);
    }

    /// The tensor `[layers x lane]` to which the norms of the change of one slice are written.
    /// `settle_update` is to be called when all slices are done.
    pub fn update_norms(&self, slice: usize) -> &Tensor {
        &self.update.views[slice]
    }

    /// Measures the update of each lane again whose norm left the range of the dtype in which it
    /// was measured.
    pub fn settle_update(&mut self, update: &Weights) {
        self.settled.clear();
        if !device::is_host() {
            return;
        }
        let rows = &self.update.rows;
        let measured = host(&self.buffer.narrow(0, rows.start as i64, rows.len() as i64));
        for lane in 0..self.lanes {
            let total = measured.iter().skip(lane).step_by(self.lanes).map(|norm| norm.powi(2)).sum::<f64>().sqrt();
            let holds = if self.kind == Kind::Double { self.is_exact(total) } else { total.is_finite() };
            if !holds {
                self.settled.insert(lane, self.on_host(lane, update));
            }
        }
    }

    /// Copies everything that was measured to the host.
    pub fn read(&mut self) {
        let all = self.host.len();
        self.gradients.again.take();
        self.weights.again.take();
        if self.kind != inner(self.kind) {
            self.buffer.select(0, 0).copy_(&self.loss);
        }
        if inner(self.kind) == Kind::Float {
            self.buffer.copy_data(&mut self.single, all);
            self.host.iter_mut().zip(&self.single).for_each(|(to, &from)| *to = f64::from(from));
        } else {
            self.buffer.copy_data(&mut self.host, all);
        }
    }

    /// The loss of a lane at the last read.
    pub fn loss(&self, lane: usize) -> f64 {
        // libtorch's cross-entropy of a single class is -0; adding 0 makes it 0.
        self.host[lane] + 0.0
    }

    /// The norm of a lane's gradients at the last read. `gradients` are the same as then, in case
    /// they have to be measured again.
    pub fn gradient_norm(&self, lane: usize, gradients: &Weights) -> GlobalNorm {
        self.norm(&self.gradients, lane, gradients)
    }

    /// The norm of a lane's weights at the last read. `weights` are the same as then, in case they
    /// have to be measured again.
    pub fn weight_norm(&self, lane: usize, weights: &Weights) -> f64 {
        self.norm(&self.weights, lane, weights).exact
    }

    /// The norm of a lane's update, or of its direction, as it was measured before the last read.
    pub fn update_norm(&self, lane: usize) -> f64 {
        self.settled.get(&lane).copied().unwrap_or_else(|| self.total(&self.update, lane))
    }

    fn total(&self, norms: &Norms, lane: usize) -> f64 {
        norms.rows.clone().map(|row| self.host[row * self.lanes + lane].powi(2)).sum::<f64>().sqrt()
    }

    fn norm(&self, norms: &Norms, lane: usize, of: &Weights) -> GlobalNorm {
        let total = self.total(norms, lane);
        let exact = if self.is_exact(total) { total } else { self.measure_again(norms, lane, of) };
        if self.kind == Kind::Double {
            return GlobalNorm { in_dtype: total, exact };
        }
        // As in PyTorch, the norm of each parameter and the norm of those norms are rounded to the
        // dtype.
        let norms_in_dtype = norms.rows.clone().map(|row| round(self.host[row * self.lanes + lane], self.kind) as f32);
        let in_dtype = round(f64::from(norms_in_dtype.map(|norm| norm * norm).sum::<f32>().sqrt()), self.kind);
        GlobalNorm { in_dtype, exact }
    }

    /// Whether a norm taken in the dtype is right, so that no square has left the dtype's range.
    fn is_exact(&self, total: f64) -> bool {
        if self.kind == Kind::Double {
            // A smaller number, like 0, may come from squares that are below the range.
            total.is_finite() && total > 1e-150
        } else {
            SAFE.contains(&total)
        }
    }

    /// Returns a norm in f64. On the CPU it measures this lane alone. On a GPU, where every copy
    /// makes all lanes wait, it measures every lane that needs it at once.
    fn measure_again(&self, norms: &Norms, lane: usize, of: &Weights) -> f64 {
        if device::is_host() {
            return self.on_host(lane, of);
        }
        let measure = || {
            let lanes: Vec<usize> = (0..self.lanes).filter(|&lane| !self.is_exact(self.total(norms, lane))).collect();
            lanes.iter().copied().zip(on_device(of, &lanes)).collect()
        };
        norms.again.get_or_init(measure)[&lane]
    }

    /// Returns a norm in f64 of one lane, whose elements it copies to the host.
    fn on_host(&self, lane: usize, of: &Weights) -> f64 {
        if self.kind == Kind::Double { scaled_norm(of, lane as i64) } else { of.squared_norm(lane as i64).sqrt() }
    }
}

/// Returns the L2 norms of these lanes over all parameters, in f64. They are right within the whole
/// range of f64, and read at once.
fn on_device(weights: &Weights, lanes: &[usize]) -> Vec<f64> {
    let index = device::upload(Tensor::from_slice(&lanes.iter().map(|&lane| lane as i64).collect::<Vec<_>>()));
    let norms = |group: &Tensor| scaled_norms(&group.index_select(1, &index).flatten(2, 3));
    let rows = host(&Tensor::cat(&weights.groups.iter().map(norms).collect::<Vec<_>>(), 0));
    let all = |lane| rows.iter().skip(lane).step_by(lanes.len()).fold(0.0, |all: f64, norm| all.hypot(*norm));
    (0..lanes.len()).map(all).collect()
}

/// Returns the L2 norms over the last dimension, in f64. Elements are divided by the largest of
/// them first, since their squares may leave even the range of f64.
fn scaled_norms(values: &Tensor) -> Tensor {
    let over = [-1i64];
    let values = values.to_kind(Kind::Double);
    let largest = values.abs().amax(over.as_slice(), true);
    let factor = largest.where_scalarother(&largest.isfinite().logical_and(&largest.gt(0.0)), 1.0);
    let scaled = (values / &factor).square().sum_dim_intlist(over.as_slice(), true, None::<Kind>).sqrt();
    (scaled * factor).squeeze_dim(-1)
}

/// Returns the L2 norm of each lane of `[lane, rows, cols]`, in f64 and right within its whole
/// range.
pub fn lane_norms(values: &Tensor) -> Vec<f64> {
    lane_norms_over(values, 1.0)
}

/// Returns the root mean square of each lane of `[lane, rows, cols]`, in f64 and right within its
/// whole range.
pub fn lane_rms(values: &Tensor) -> Vec<f64> {
    let size = values.size();
    lane_norms_over(values, ((size[1] * size[2]) as f64).sqrt())
}

fn lane_norms_over(values: &Tensor, divisor: f64) -> Vec<f64> {
    let over = [1i64, 2];
    let double = values.to_kind(Kind::Double);
    let norms = |scaled: &Tensor| host(&scaled.square().sum_dim_intlist(over.as_slice(), false, None::<Kind>).sqrt());
    let plain = norms(&double);
    let safe = |norm: f64| (1e-150..1e150).contains(&norm);
    if plain.iter().all(|&norm| safe(norm)) {
        return plain.into_iter().map(|norm| norm / divisor).collect();
    }
    // Some squares leave the range of f64, so elements are divided by their lane's largest element
    // first.
    let largest = double.abs().amax(over.as_slice(), true);
    let factor = largest.where_scalarother(&largest.isfinite().logical_and(&largest.gt(0.0)), 1.0);
    let scaled =
        norms(&(double / &factor)).into_iter().zip(host(&factor)).map(|(norm, factor)| norm / divisor * factor);
    // Each lane's own norm decides which of the two results it takes, so neighbours change nothing.
    plain.into_iter().zip(scaled).map(|(plain, scaled)| if safe(plain) { plain / divisor } else { scaled }).collect()
}

fn measure(norms: &Norms, weights: &Weights) {
    for (view, flat) in norms.views.iter().zip(&weights.flat) {
        norm_of(flat, view);
    }
}

/// Writes the norm of each row. 16-bit numbers are widened first, because in libtorch's kernel that
/// does both, the number of rows decides whether a norm overflows.
fn norm_of(flat: &Tensor, target: &Tensor) {
    match flat.kind() {
        kind if device::fuses(kind) => fused::norms(flat, target),
        _ => drop(flat.to_kind(target.kind()).norm_out(target, 2.0, [1i64].as_slice(), false)),
    }
}

/// Writes the norm of each row, which is right wherever `target` holds it. f64 on the host is an
/// exception: there `settle_update` corrects norms that leave the range.
#[expect(clippy::wildcard_enum_match_arm, reason = "tch has kinds that no network is trained in")]
fn exact_norm_of(flat: &Tensor, target: &Tensor) {
    match flat.kind() {
        kind if device::fuses(kind) => fused::exact_norms(flat, target),
        Kind::Double if device::is_host() => norm_of(flat, target),
        Kind::Double => target.shallow_clone().copy_(&scaled_norms(flat)),
        _ => {
            let norms = flat.to_kind(Kind::Double).norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
            target.shallow_clone().copy_(&norms);
        }
    }
}

/// Returns the norm of an f64 lane whose squares leave the range of f64. Elements are divided by
/// the largest of them first.
fn scaled_norm(weights: &Weights, lane: i64) -> f64 {
    let values: Vec<f64> = weights.groups.iter().flat_map(|g| host(&g.select(1, lane))).collect();
    let largest = values.iter().fold(0.0, |max: f64, x| if x.is_nan() { f64::NAN } else { max.max(x.abs()) });
    if largest == 0.0 || !largest.is_finite() || values.iter().any(|x| x.is_nan()) {
        return if values.iter().any(|x| x.is_nan()) { f64::NAN } else { largest };
    }
    largest * values.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}
