//! What the host reads of a step, in one copy: every lane's loss and the norms of its gradients, weights and update.
//!
//! Norms are taken in the training dtype (of 16-bit types in f32). An f32 norm overflows at 1.8e19 and underflows near 1e-20 while every element is finite, and an f64
//! norm over f32 data costs several times as much; so a lane whose norm leaves the safe range is measured again in f64, on the host. An update is gone when its norm is
//! read, so it is measured right at once: an f32 row again while it is in the cache, 16 bits in f64, an f64 lane again before the next pass.

use super::device;
use super::fused;
use super::inner;
use super::weights::{Weights, host};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;
use tch::{Kind, Tensor};

/// f32 norms inside are exact enough; outside, squares may have left the range of f32.
const SAFE: Range<f64> = 1e-15..1e18;

/// Row 0 holds losses; then one row per layer and group of each set of weights.
pub struct Readout {
    lanes: usize,
    kind: Kind,
    /// `[rows, lane]`
    buffer: Tensor,
    loss: Tensor,
    gradients: Norms,
    weights: Norms,
    update: Norms,
    /// Update norms of lanes that were measured again, since the next pass overwrites what they are measured on.
    settled: HashMap<usize, f64>,
    host: Vec<f64>,
    single: Vec<f32>,
}

/// Where the norms of one set of weights go.
struct Norms {
    rows: Range<usize>,
    /// One view `[layers x lane]` per slice.
    views: Vec<Tensor>,
    /// In f64, of the lanes that take it, once one of them was asked for since the last read; only where not the host measures again.
    again: OnceCell<HashMap<usize, f64>>,
}

/// A global norm of one lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// As PyTorch's clipping computes it, in the training dtype.
    pub in_dtype: f64,
    /// In f64 where the dtype's range does not suffice.
    pub exact: f64,
}

impl Readout {
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

    /// Where a step writes its losses, `[lane]`.
    pub fn loss_target(&self) -> &Tensor {
        &self.loss
    }

    pub fn measure_gradients(&self, gradients: &Weights) {
        measure(&self.gradients, gradients);
    }

    pub fn measure_weights(&self, weights: &Weights) {
        measure(&self.weights, weights);
    }

    /// Where the norms of one slice of the weights go, `[layers x lane]`.
    pub fn weight_norms(&self, slice: usize) -> &Tensor {
        &self.weights.views[slice]
    }

    /// The weights of one slice, right after its update.
    pub fn measure_slice(&self, weights: &Weights, slice: usize) {
        norm_of(&weights.flat[slice], &self.weights.views[slice]);
    }

    /// The norm of the update's direction, before the next backward pass overwrites it.
    pub fn measure_update(&mut self, direction: &Weights) {
        for (slice, flat) in direction.flat.iter().enumerate() {
            self.measure_change(slice, flat);
        }
        self.settle_update(direction);
    }

    /// What the weights of one slice are changed by, `[layers x lane, element]`.
    pub fn measure_change(&self, slice: usize, change: &Tensor) {
        exact_norm_of(change, &self.update.views[slice]);
    }

    /// Where the norms of what one slice of the weights is changed by go, `[layers x lane]`; `settle_update` follows.
    pub fn update_norms(&self, slice: usize) -> &Tensor {
        &self.update.views[slice]
    }

    /// Of the lanes whose update was measured and left the range of what it was measured in, the norm again, from the update itself.
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

    /// Copies everything measured to the host.
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

    pub fn loss(&self, lane: usize) -> f64 {
        // A cross-entropy of nothing is -0 in libtorch.
        self.host[lane] + 0.0
    }

    pub fn gradient_norm(&self, lane: usize, gradients: &Weights) -> Norm {
        self.norm(&self.gradients, lane, gradients)
    }

    pub fn weight_norm(&self, lane: usize, weights: &Weights) -> f64 {
        self.norm(&self.weights, lane, weights).exact
    }

    pub fn update_norm(&self, lane: usize) -> f64 {
        self.settled.get(&lane).copied().unwrap_or_else(|| self.total(&self.update, lane))
    }

    fn total(&self, norms: &Norms, lane: usize) -> f64 {
        norms.rows.clone().map(|row| self.host[row * self.lanes + lane].powi(2)).sum::<f64>().sqrt()
    }

    fn norm(&self, norms: &Norms, lane: usize, of: &Weights) -> Norm {
        let total = self.total(norms, lane);
        let exact = if self.is_exact(total) { total } else { self.measure_again(norms, lane, of) };
        if self.kind == Kind::Double {
            return Norm { in_dtype: total, exact };
        }
        // Each parameter's norm and their norm are rounded to the dtype.
        let norms_in_dtype = norms.rows.clone().map(|row| round(self.host[row * self.lanes + lane], self.kind) as f32);
        let in_dtype = round(f64::from(norms_in_dtype.map(|norm| norm * norm).sum::<f32>().sqrt()), self.kind);
        Norm { in_dtype, exact }
    }

    /// Whether a norm taken in the dtype is one, and not what became of squares out of range.
    fn is_exact(&self, total: f64) -> bool {
        if self.kind == Kind::Double {
            // 0 may stand for a norm whose squares are below the range.
            total.is_finite() && total > 1e-150
        } else {
            SAFE.contains(&total)
        }
    }

    /// In f64: this lane on the host, or, on a GPU, where each copy would make all lanes wait, every lane that takes it at once.
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

    /// In f64, of one lane, whose elements are copied to the host.
    fn on_host(&self, lane: usize, of: &Weights) -> f64 {
        if self.kind == Kind::Double { scaled_norm(of, lane as i64) } else { of.squared_norm(lane as i64).sqrt() }
    }
}

/// The L2 norms of these lanes over all parameters, in f64 and within its whole range, in one read.
fn on_device(weights: &Weights, lanes: &[usize]) -> Vec<f64> {
    let index = device::upload(Tensor::from_slice(&lanes.iter().map(|&lane| lane as i64).collect::<Vec<_>>()));
    let norms = |group: &Tensor| scaled_norms(&group.index_select(1, &index).flatten(2, 3));
    let rows = host(&Tensor::cat(&weights.groups.iter().map(norms).collect::<Vec<_>>(), 0));
    let all = |lane| rows.iter().skip(lane).step_by(lanes.len()).fold(0.0, |all: f64, norm| all.hypot(*norm));
    (0..lanes.len()).map(all).collect()
}

/// The L2 norms over the last dimension, in f64 and within its whole range: divided by the largest element first, since squares may leave even that.
fn scaled_norms(values: &Tensor) -> Tensor {
    let over = [-1i64];
    let values = values.to_kind(Kind::Double);
    let largest = values.abs().amax(over.as_slice(), true);
    let factor = largest.where_scalarother(&largest.isfinite().logical_and(&largest.gt(0.0)), 1.0);
    let scaled = (values / &factor).square().sum_dim_intlist(over.as_slice(), true, None::<Kind>).sqrt();
    (scaled * factor).squeeze_dim(-1)
}

/// The L2 norm of each lane of `[lane, rows, cols]`, in f64 and within its whole range.
pub fn lane_norms(values: &Tensor) -> Vec<f64> {
    lane_norms_over(values, 1.0)
}

/// The root mean square of each lane, as above.
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
    // Squares that leave the range of f64: by each lane's largest element first.
    let largest = double.abs().amax(over.as_slice(), true);
    let factor = largest.where_scalarother(&largest.isfinite().logical_and(&largest.gt(0.0)), 1.0);
    let scaled =
        norms(&(double / &factor)).into_iter().zip(host(&factor)).map(|(norm, factor)| norm / divisor * factor);
    // Each lane by its own norm alone: the neighbours decide nothing.
    plain.into_iter().zip(scaled).map(|(plain, scaled)| if safe(plain) { plain / divisor } else { scaled }).collect()
}

fn measure(norms: &Norms, weights: &Weights) {
    for (view, flat) in norms.views.iter().zip(&weights.flat) {
        norm_of(flat, view);
    }
}

/// The norm of each row. What has 16 bits is widened first: the kernel that does both overflows or not depending on the number of rows.
fn norm_of(flat: &Tensor, target: &Tensor) {
    match flat.kind() {
        kind if device::fuses(kind) => fused::norms(flat, target),
        _ => drop(flat.to_kind(target.kind()).norm_out(target, 2.0, [1i64].as_slice(), false)),
    }
}

/// The norm of each row, right wherever `target` holds it; but for f64 on the host, where `settle_update` sees to what leaves its range.
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

/// To the nearest number of this kind.
#[expect(clippy::wildcard_enum_match_arm, reason = "tch has kinds that no network is trained in")]
pub fn round(x: f64, kind: Kind) -> f64 {
    match kind {
        Kind::Half => half::f16::from_f64(x).to_f64(),
        Kind::BFloat16 => half::bf16::from_f64(x).to_f64(),
        Kind::Float => f64::from(x as f32),
        _ => x,
    }
}

/// The norm of an f64 lane whose squares leave the range of f64: divided by its largest element first.
fn scaled_norm(weights: &Weights, lane: i64) -> f64 {
    let values: Vec<f64> = weights.groups.iter().flat_map(|g| host(&g.select(1, lane))).collect();
    let largest = values.iter().fold(0.0, |max: f64, x| if x.is_nan() { f64::NAN } else { max.max(x.abs()) });
    if largest == 0.0 || !largest.is_finite() || values.iter().any(|x| x.is_nan()) {
        return if values.iter().any(|x| x.is_nan()) { f64::NAN } else { largest };
    }
    largest * values.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}
