//! The maximal update parametrization (Yang and Hu 2021, "Tensor Programs V", arXiv 2203.03466), in
//! the form of its table 8. What is `n` times as wide as the base width differs from it by these
//! factors:
//!
//! | | first matrix, biases, norms | hidden matrices | output matrix |
//! |---|---|---|---|
//! | standard deviation at the start | 1 | 1/sqrt(n) | 1 |
//! | factor of the product | 1 | 1 | 1/n |
//! | learning rate of SGD | n | 1 | n |
//! | learning rate of Adam | 1 | 1/n | 1 |
//!
//! Recurrent matrices, and those of a transformer's blocks, are hidden ones. What has the same size
//! at every width, as the biases of the output layer, differs by nothing.
//!
//! Of the equivalent forms of the paper this one keeps the norm of the whole gradient at the same
//! size at every width, so that a threshold of clipping has a meaning beside the learning rate. It
//! is also the form of the `mup` package (github.com/microsoft/mup), so that a gradient is clipped
//! and decayed here as it is there.

use super::init::recipe::{Recipe, UnitDraws};
use super::weights::{ParameterGroup, Role};
use blowup_core::trial::{MupRates, Parametrization, Shape};

/// How much wider than the base width a net is, and how its optimizer goes by that.
pub struct Mup {
    base_width: usize,
    /// The width over the base width, `n` in the table.
    widening: f64,
    rates: MupRates,
}

/// Which sizes of a parameter grow with the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// None.
    Fixed,
    /// The outputs alone, as in the first matrix, biases and norms.
    Input,
    /// Inputs and outputs.
    Hidden,
    /// The inputs alone.
    Output,
}

impl Mup {
    /// The parametrization of a shape. It is `None` in another one, and without hidden layers,
    /// which have the width.
    ///
    /// # Panics
    /// If the table has no row for the optimizer. A spec refuses that.
    pub fn of(shape: &Shape) -> Option<Mup> {
        let Parametrization::Mup { base_width } = shape.parametrization else { return None };
        let widening = shape.network.width()? as f64 / base_width as f64;
        let rates = shape.optimizer.mup_rates().expect("an optimizer with a row of the table");
        Some(Mup { base_width: base_width as usize, widening, rates })
    }

    /// Returns the shape of the same net at the base width.
    pub fn base(&self, shape: &Shape) -> Shape {
        let mut base = shape.clone();
        base.network.set_width(self.base_width);
        base
    }

    fn part(&self, group: &ParameterGroup) -> Part {
        match group.role {
            Role::Weight if group.is_output => Part::Output,
            Role::Weight if group.first_layer == 0 => Part::Input,
            Role::Weight | Role::Recurrent => Part::Hidden,
            Role::Bias if group.is_output => Part::Fixed,
            Role::Bias
            | Role::RecurrentBias
            | Role::Position
            | Role::QueryScale
            | Role::KeyScale
            | Role::Scale
            | Role::Shift => Part::Input,
            Role::ResidualWeight => Part::Fixed,
            Role::Own | Role::OwnMatrix => unreachable!("a model of the user's own has no parametrization"),
        }
    }

    /// Returns the factor of the product of a matrix.
    pub fn multiplier(&self, group: &ParameterGroup) -> f64 {
        match self.part(group) {
            Part::Output => 1.0 / self.widening,
            Part::Fixed | Part::Input | Part::Hidden => 1.0,
        }
    }

    /// Returns the factor of the learning rate of a parameter.
    pub fn rate(&self, group: &ParameterGroup) -> f64 {
        match (self.part(group), self.rates) {
            (Part::Fixed, _) | (Part::Hidden, MupRates::Sgd) | (Part::Input | Part::Output, MupRates::Adam) => 1.0,
            (Part::Input | Part::Output, MupRates::Sgd) => self.widening,
            (Part::Hidden, MupRates::Adam) => 1.0 / self.widening,
        }
    }

    /// Turns what an initializer says of a parameter of the net of the base width into what it says
    /// of this net. `base` and `group` are the parameter there and here.
    pub fn widened(&self, recipe: Recipe, base: &ParameterGroup, group: &ParameterGroup) -> Recipe {
        let wanted = match self.part(group) {
            Part::Hidden => 1.0 / self.widening.sqrt(),
            Part::Fixed | Part::Input | Part::Output => 1.0,
        };
        // The elements of an orthogonal matrix become smaller by themselves as it grows.
        let own = match recipe.draws {
            UnitDraws::Orthogonal => {
                let larger = |of: &ParameterGroup| of.rows.max(of.cols) as f64;
                (larger(base) / larger(group)).sqrt()
            }
            UnitDraws::Normal | UnitDraws::Uniform | UnitDraws::One | UnitDraws::Zero => 1.0,
        };
        Recipe { factor: recipe.factor * (wanted / own), ..recipe }
    }
}
