//! Normal weights of a given standard deviation, as `torch.nn.init.normal_`.

use super::recipe::{Draws, Fans, Recipe};

/// Draws from N(0, scale^2).
pub fn normal(scale: f64, _: Fans) -> Recipe {
    Recipe { draws: Draws::Normal, factor: scale }
}
