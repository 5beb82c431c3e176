//! He initialization (He 2015): the variance is 2 / fan_in.

use super::recipe::{Draws, Fans, Recipe};

/// Draws normal weights, as `torch.nn.init.kaiming_normal_`, times `scale`.
pub fn normal(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: Draws::Normal, factor: scale * (2.0 / fans.fan_in).sqrt() }
}

/// Draws uniform weights, as `torch.nn.init.kaiming_uniform_`, times `scale`.
pub fn uniform(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: Draws::Uniform, factor: scale * (6.0 / fans.fan_in).sqrt() }
}
