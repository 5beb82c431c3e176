//! Uniform weights of a given bound, as `torch.nn.init.uniform_`.

use super::recipe::{Draws, Fans, Recipe};

/// Draws from U(-scale, scale).
pub fn uniform(scale: f64, _: Fans) -> Recipe {
    Recipe { draws: Draws::Uniform, factor: scale }
}
