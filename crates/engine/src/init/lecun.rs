//! LeCun initialization (LeCun 1998): the variance is 1 / fan_in.

use super::recipe::{Fans, Recipe, UnitDraws};

/// UnitDraws normal weights, times `scale`.
pub fn normal(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Normal, factor: scale / fans.fan_in.sqrt() }
}
