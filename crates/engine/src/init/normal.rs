//! Normal weights of a given standard deviation, as `torch.nn.init.normal_`.

use super::recipe::{Fans, Recipe, UnitDraws};

/// UnitDraws from N(0, scale^2).
pub fn normal(scale: f64, _: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Normal, factor: scale }
}
