//! The norms in libtorch's operations, for a GPU. The formulas are those of `host`; libtorch
//! chooses the order of each sum. Elements are `[lane, batch, width]`, scale and shift
//! `[lane, 1, width]`.

use tch::{Kind, Tensor};

fn mean(x: &Tensor, dim: i64) -> Tensor {
    x.mean_dim([dim].as_slice(), true, None::<Kind>)
}

fn sum(x: &Tensor, dim: i64) -> Tensor {
    x.sum_dim_intlist([dim].as_slice(), true, None::<Kind>)
}

/// Returns the mean and 1 / sqrt(variance + eps) of each column.
pub fn batch_statistics(input: &Tensor, eps: f64) -> [Tensor; 2] {
    let centre = mean(input, 1);
    let inverse = (mean(&(input - &centre).square(), 1) + eps).rsqrt();
    [centre, inverse]
}

/// Returns the normalized input with scale and shift, given the statistics.
pub fn batch_forward(input: &Tensor, centre: &Tensor, inverse: &Tensor, scale: &Tensor, shift: &Tensor) -> Tensor {
    let slope = inverse * scale;
    (shift - centre * &slope).addcmul(input, &slope)
}

/// Returns dLoss/dinput and the gradients of scale and shift, given `signal`, which is
/// dLoss/doutput.
pub fn batch_backward(
    input: &Tensor,
    signal: &Tensor,
    centre: &Tensor,
    inverse: &Tensor,
    scale: &Tensor,
) -> [Tensor; 3] {
    let n = input.size()[1] as f64;
    let centred = input - centre;
    let (product, all) = (sum(&(&centred * signal), 1), sum(signal, 1));
    let along = &product * inverse * inverse / n;
    let below = (signal - &all / n - centred * along) * inverse * scale;
    [below, product * inverse, all]
}

/// Returns the same as `batch_backward`, for layer norm.
pub fn layer_backward(
    input: &Tensor,
    signal: &Tensor,
    centre: &Tensor,
    inverse: &Tensor,
    scale: &Tensor,
) -> [Tensor; 3] {
    let share = 1.0 / input.size()[2] as f64;
    let product = sum(&(signal * (input * inverse - inverse * centre)), 1);
    let along = sum(&(signal * input * scale), 2);
    let all = sum(&(signal * scale), 2);
    let slope = (&all * centre - along) * inverse * inverse * inverse * share;
    let offset = -(&slope * centre) - all * inverse * share;
    [signal * inverse * scale + slope * input + offset, product, sum(signal, 1)]
}

/// Returns dLoss/dinput and the gradient of the scale, given `signal`, which is dLoss/doutput.
pub fn rms_backward(input: &Tensor, signal: &Tensor, inverse: &Tensor, scale: &Tensor) -> [Tensor; 2] {
    let n = input.size()[2] as f64;
    let product = sum(&(signal * (input * inverse)), 1);
    let scaled = signal * scale;
    let along = sum(&(&scaled * input), 2);
    let slope = along * -0.5 * (inverse * inverse * inverse) / n;
    [scaled * inverse + slope * (input * 2.0), product]
}
