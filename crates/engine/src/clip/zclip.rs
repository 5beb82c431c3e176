//! ZClip (Kumar, Owen, Chowdhury and Guera 2025, "ZClip: Adaptive Spike Mitigation for LLM
//! Pre-Training", arXiv 2504.02507): a norm that stands out from its running mean is clipped, the
//! more the farther it stands out.
//!
//! It is the mode of the paper, which is the default of the published code (`mode = "zscore"`,
//! `clip_option = "adaptive_scaling"`, `clip_factor = 1`), without the fixed `max_grad_norm` that
//! the code adds.

/// The weight of the past in a running mean.
const ALPHA: f64 = 0.97;
/// The steps whose norms make the first mean and variance. None of them is clipped.
const WARMUP: usize = 25;
/// What is added to the deviation by which a norm is divided.
const EPS: f64 = 1e-6;

/// The mean and the variance of the norms so far.
#[derive(Debug, Clone)]
pub enum Running {
    /// The norms of the warm-up.
    Warmup(Vec<f64>),
    Moments {
        mean: f64,
        variance: f64,
    },
}

impl Default for Running {
    fn default() -> Running {
        Running::Warmup(Vec::new())
    }
}

impl Running {
    /// Returns what a norm is clipped to, where it is more than `z` deviations above the mean:
    /// mean + z^2 deviation / (its own deviations). The mean and the variance take note of the norm
    /// after clipping.
    pub fn threshold(&mut self, z: f64, norm: f64) -> Option<f64> {
        match self {
            Running::Warmup(norms) => {
                norms.push(norm);
                let count = norms.len() as f64;
                if norms.len() == WARMUP {
                    let mean = norms.iter().sum::<f64>() / count;
                    let variance = norms.iter().map(|norm| (norm - mean).powi(2)).sum::<f64>() / count;
                    *self = Running::Moments { mean, variance };
                }
                None
            }
            Running::Moments { mean, variance } => {
                let deviation = variance.sqrt();
                let found = (norm - *mean) / (deviation + EPS);
                let threshold = (found > z).then(|| *mean + z * deviation / (found / z));
                let kept = threshold.unwrap_or(norm);
                *mean = ALPHA * *mean + (1.0 - ALPHA) * kept;
                *variance = ALPHA * *variance + (1.0 - ALPHA) * (kept - *mean).powi(2);
                threshold
            }
        }
    }
}
