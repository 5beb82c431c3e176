//! Uniform weights of a given bound, as `torch.nn.init.uniform_`.

use super::recipe::{Fans, Recipe, UnitDraws};

/// UnitDraws from U(-scale, scale).
pub fn uniform(scale: f64, _: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Uniform, factor: scale }
}
