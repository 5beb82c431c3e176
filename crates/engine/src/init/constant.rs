//! The same number everywhere, as `torch.nn.init.constant_`.

use super::recipe::{Fans, Recipe, UnitDraws};

/// Sets every weight to `scale`.
pub fn constant(scale: f64, _: Fans) -> Recipe {
    Recipe { draws: UnitDraws::One, factor: scale }
}
