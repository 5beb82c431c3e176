//! Normal weights whose variance times fan_in is given, as mean-field theory writes it.

use super::recipe::{Fans, Recipe, UnitDraws};

/// UnitDraws from N(0, scale / fan_in).
pub fn normal(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Normal, factor: (scale / fans.fan_in).sqrt() }
}
