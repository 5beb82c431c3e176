//! The rules of optimizers and schedules as they are published, written out for single numbers.

use blowup_core::trial::{DecayMode, Optimizer as Rule, Schedule, Trial};

/// One parameter under the rule that `torch.optim` documents, or of Lion its publication.
#[derive(Default)]
pub struct Reference {
    first: f64,
    second: f64,
    /// The largest `second` so far, in amsgrad.
    largest: f64,
    /// The product of all momenta, in NAdam.
    product: Option<f64>,
    steps: i32,
}

/// The factor of update `t` of 5, by the formulas of `torch.optim.lr_scheduler`.
fn factor(schedule: Schedule, t: f64) -> f64 {
    let annealed =
        |from: f64, to: f64, share: f64| to + (from - to) / 2.0 * ((std::f64::consts::PI * share).cos() + 1.0);
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::Warmup { warmup } => ((t + 1.0) / warmup as f64).min(1.0),
        Schedule::Cosine { lr_min } => annealed(1.0, lr_min, t / 5.0),
        Schedule::WarmupCosine { warmup, .. } if t < warmup as f64 => (t + 1.0) / warmup as f64,
        Schedule::WarmupCosine { warmup, lr_min } => {
            let warmup = warmup as f64;
            annealed(1.0, lr_min, (t - warmup) / (5.0 - warmup))
        }
        Schedule::Linear { lr_min } => 1.0 + (lr_min - 1.0) * t / 5.0,
        Schedule::Polynomial { power, lr_min } => lr_min + (1.0 - lr_min) * (1.0 - t / 5.0).powf(power),
        Schedule::Wsd { warmup, cooldown, lr_min } => {
            let (warmup, cooldown) = (warmup as f64, cooldown as f64);
            let rise = ((t + 1.0) / warmup).min(1.0);
            let fallen = (t - (5.0 - cooldown)).max(0.0) / cooldown;
            rise * (1.0 + (lr_min - 1.0) * fallen)
        }
        Schedule::OneCycle { lr_min } if t > 0.5 => annealed(1.0, lr_min, (t - 0.5) / 3.5),
        Schedule::OneCycle { .. } => annealed(0.04, 1.0, t / 0.5),
    }
}

impl Reference {
    /// Makes an update. `output` says whether the parameter belongs to the output layer, and
    /// `scale` is the factor of its learning rate.
    pub fn step(&mut self, trial: &Trial, output: bool, scale: f64, mut w: f64, mut g: f64) -> f64 {
        let base = if output { trial.lr_output.unwrap_or(trial.lr) } else { trial.lr };
        let factor = factor(trial.schedule, f64::from(self.steps));
        self.steps += 1;
        // As in the `mup` package, the weight decay is divided by the factor of the learning rate.
        let (lr, decay, t) = (base * factor * scale, trial.weight_decay / scale, f64::from(self.steps));
        match trial.optimizer {
            Rule::Adamw { weight_decay_mode: mode, .. } | Rule::Lion { weight_decay_mode: mode, .. } => {
                w -= decay * w * if mode == DecayMode::Decoupled { lr } else { factor * scale };
            }
            Rule::Muon { .. } => panic!("Muon's matrices have a test of their own"),
            Rule::Sgd { .. }
            | Rule::Adam { .. }
            | Rule::Rmsprop { .. }
            | Rule::Nadam { .. }
            | Rule::Radam { .. }
            | Rule::Adagrad { .. } => {
                g += decay * w;
            }
        }
        match trial.optimizer {
            Rule::Sgd { momentum, nesterov } => {
                self.first = momentum * self.first + g;
                w - lr * if nesterov { g + momentum * self.first } else { self.first }
            }
            Rule::Adam { beta1, beta2, eps, amsgrad } | Rule::Adamw { beta1, beta2, eps, amsgrad, .. } => {
                self.first = beta1 * self.first + (1.0 - beta1) * g;
                self.second = beta2 * self.second + (1.0 - beta2) * g * g;
                self.largest = self.largest.max(self.second);
                let first = self.first / (1.0 - beta1.powi(self.steps));
                let second = if amsgrad { self.largest } else { self.second } / (1.0 - beta2.powi(self.steps));
                w - lr * first / (second.sqrt() + eps)
            }
            Rule::Rmsprop { alpha, eps, momentum } => {
                self.second = alpha * self.second + (1.0 - alpha) * g * g;
                let direction = g / (self.second.sqrt() + eps);
                self.first = momentum * self.first + direction;
                w - lr * self.first
            }
            Rule::Nadam { beta1, beta2, eps, momentum_decay } => {
                let momentum = |t: f64| beta1 * (1.0 - 0.96f64.powf(t * momentum_decay) / 2.0);
                let product = self.product.unwrap_or(1.0) * momentum(t);
                self.product = Some(product);
                self.first = beta1 * self.first + (1.0 - beta1) * g;
                self.second = beta2 * self.second + (1.0 - beta2) * g * g;
                let first = momentum(t + 1.0) * self.first / (1.0 - product * momentum(t + 1.0))
                    + (1.0 - momentum(t)) * g / (1.0 - product);
                w - lr * first / ((self.second / (1.0 - beta2.powi(self.steps))).sqrt() + eps)
            }
            Rule::Radam { beta1, beta2, eps } => {
                self.first = beta1 * self.first + (1.0 - beta1) * g;
                self.second = beta2 * self.second + (1.0 - beta2) * g * g;
                let first = self.first / (1.0 - beta1.powi(self.steps));
                let longest = 2.0 / (1.0 - beta2) - 1.0;
                let length = longest - 2.0 * t * beta2.powi(self.steps) / (1.0 - beta2.powi(self.steps));
                if length <= 5.0 {
                    return w - lr * first;
                }
                let rising = (length - 4.0) * (length - 2.0) * longest;
                let rising = (rising / ((longest - 4.0) * (longest - 2.0) * length)).sqrt();
                w - lr * first * rising * (1.0 - beta2.powi(self.steps)).sqrt() / (self.second.sqrt() + eps)
            }
            Rule::Adagrad { eps, lr_decay, initial_accumulator_value } => {
                self.second += g * g;
                let root = (initial_accumulator_value + self.second).sqrt();
                w - lr / (1.0 + (t - 1.0) * lr_decay) * g / (root + eps)
            }
            Rule::Lion { beta1, beta2, .. } => {
                let mean = beta1 * self.first + (1.0 - beta1) * g;
                self.first = beta2 * self.first + (1.0 - beta2) * g;
                w - lr * mean.signum()
            }
            Rule::Muon { .. } => unreachable!("it was refused above"),
        }
    }
}
