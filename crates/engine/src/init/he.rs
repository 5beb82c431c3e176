//! He initialization (He 2015): the variance is 2 / fan_in.

use super::recipe::{Fans, Recipe, UnitDraws};

/// UnitDraws normal weights, as `torch.nn.init.kaiming_normal_`, times `scale`.
pub fn normal(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Normal, factor: scale * (2.0 / fans.fan_in).sqrt() }
}

/// UnitDraws uniform weights, as `torch.nn.init.kaiming_uniform_`, times `scale`.
pub fn uniform(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Uniform, factor: scale * (6.0 / fans.fan_in).sqrt() }
}
