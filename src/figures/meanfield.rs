//! The mean-field theory of deep nets (Poole et al. 2016, arXiv 1606.05340; Schoenholz et al. 2017,
//! arXiv 1611.01232). In a wide net, whose weights have the variance s2/n and whose biases have the
//! variance sb2, the variance q of the pre-activations changes from layer to layer as
//!
//! ```text
//! q' = s2 E[phi(sqrt(q) z)^2] + sb2,        z ~ N(0, 1)
//! ```
//!
//! Where q has come to rest, the square of the backprop signal is multiplied in each layer towards
//! the input by
//!
//! ```text
//! chi_1 = s2 E[phi'(sqrt(q) z)^2]
//! ```
//!
//! Gradients explode if chi_1 is above 1, and vanish if it is below.

use blowup_core::trial::Activation;

/// chi_1 of a net. `weight_variance` is s2, and `bias_variance` is sb2. None if q does not come to
/// rest: it grows without end, or it shrinks too slowly to tell.
pub fn chi_1(activation: Activation, weight_variance: f64, bias_variance: f64) -> Option<f64> {
    let mut q = 1.0;
    // If the activation is homogeneous, every q gives the same chi_1.
    let homogeneous = match activation {
        Activation::Linear | Activation::Relu | Activation::LeakyRelu { .. } => true,
        Activation::Tanh | Activation::Sigmoid | Activation::Gelu | Activation::Selu | Activation::Silu => false,
    };
    let mut rests = homogeneous;
    for layer in 0..if homogeneous { 0 } else { LAYERS } {
        let next = weight_variance * mean(|z| phi(activation, z), q) + bias_variance;
        let change = (next - q) / q;
        // At the edge of chaos q falls as 1/layer. It is close enough to rest after the last layer.
        rests = change.abs() <= 1e-9 || next < 1e-12 || layer == LAYERS - 1 && (-1e-3..=0.0).contains(&change);
        q = next;
        if rests || q > 1e6 || q.is_nan() {
            break;
        }
    }
    rests.then(|| weight_variance * mean(|z| slope(activation, z), q))
}

/// How many layers are tried. No net has as many.
const LAYERS: usize = 3000;

/// E[f(sqrt(q) z)^2], by Gauss's rule with two points in each of many cells. 0, where some slopes
/// jump, is the end of a cell.
fn mean(f: impl Fn(f64) -> f64, q: f64) -> f64 {
    const REACH: f64 = 8.5;
    const CELLS: usize = 500;
    let (width, root) = (2.0 * REACH / CELLS as f64, q.sqrt());
    let mut sum = 0.0;
    for i in 0..CELLS {
        let middle = -REACH + (i as f64 + 0.5) * width;
        for z in [-1.0, 1.0].map(|side| middle + side * width / 12f64.sqrt()) {
            sum += f(root * z).powi(2) * (-z * z / 2.0).exp();
        }
    }
    sum * width / 2.0 / (2.0 * std::f64::consts::PI).sqrt()
}

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// The activation.
fn phi(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { negative_slope } => {
            if x > 0.0 {
                x
            } else {
                negative_slope * x
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Gelu => x * normal(x),
        Activation::Selu => SELU_SCALE * if x > 0.0 { x } else { SELU_ALPHA * x.exp_m1() },
        Activation::Silu => x * sigmoid(x),
    }
}

/// The derivative of the activation.
fn slope(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Linear => 1.0,
        Activation::Relu => f64::from(x > 0.0),
        Activation::LeakyRelu { negative_slope } => {
            if x > 0.0 {
                1.0
            } else {
                negative_slope
            }
        }
        Activation::Tanh => 1.0 - x.tanh().powi(2),
        Activation::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
        Activation::Gelu => normal(x) + x * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt(),
        Activation::Selu => SELU_SCALE * if x > 0.0 { 1.0 } else { SELU_ALPHA * x.exp() },
        Activation::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The cumulative distribution function of N(0, 1).
fn normal(x: f64) -> f64 {
    0.5 * statrs::function::erf::erfc(-x / std::f64::consts::SQRT_2)
}
