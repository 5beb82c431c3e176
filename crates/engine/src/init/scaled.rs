//! Normal weights whose variance times fan_in is given, as mean-field theory writes it.

use super::recipe::{Draws, Fans, Recipe};

/// Draws from N(0, scale / fan_in).
pub fn normal(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: Draws::Normal, factor: (scale / fans.fan_in).sqrt() }
}
