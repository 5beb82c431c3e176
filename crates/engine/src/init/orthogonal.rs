//! Orthogonal matrices (Saxe 2014), as `torch.nn.init.orthogonal_`.

use super::recipe::{Fans, Recipe, UnitDraws};

/// UnitDraws an orthogonal matrix, times the gain `scale`.
pub fn orthogonal(scale: f64, _: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Orthogonal, factor: scale }
}
