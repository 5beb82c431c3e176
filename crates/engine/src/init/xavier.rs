//! Xavier initialization (Glorot and Bengio 2010): the variance is 2 / (fan_in + fan_out).

use super::recipe::{Fans, Recipe, UnitDraws};

/// UnitDraws normal weights, as `torch.nn.init.xavier_normal_` with gain `scale`.
pub fn normal(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Normal, factor: scale * (2.0 / (fans.fan_in + fans.fan_out)).sqrt() }
}

/// UnitDraws uniform weights, as `torch.nn.init.xavier_uniform_` with gain `scale`.
pub fn uniform(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Uniform, factor: scale * (6.0 / (fans.fan_in + fans.fan_out)).sqrt() }
}
