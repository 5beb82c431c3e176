//! How weights, products and learning rates go with the width.

use super::Optimizer;
use super::choice::with_numbers;

with_numbers! {
    /// What of a layer goes with its width, so that one learning rate serves every width. In
    /// `standard`, `ntk` and `mean_field` it is the factor of its product: 1; 1/sqrt(fan_in) in
    /// every layer (Jacot 2018); and the same in hidden layers, but 1/fan_in in the output layer
    /// (Mei 2018).
    Parametrization {
        Standard = "standard",
        Ntk = "ntk",
        MeanField = "mean_field",
        /// The maximal update parametrization (Yang and Hu 2021, arXiv 2203.03466), which is the
        /// standard one where the width is the base width. `engine::mup` has its table.
        Mup { base_width: u64 = 64 } = "mup",
    }
}

/// The rows of that table that say how learning rates go with the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MupRates {
    /// An update is as large as the gradient.
    Sgd,
    /// An update has a size of its own in every element.
    Adam,
}

impl Optimizer {
    /// The row of the table that an optimizer goes by. It is `None` where no row is for it: RAdam
    /// begins with updates as large as the gradient and ends with Adam's, and Muon's updates have
    /// a size of their own in every matrix.
    pub fn mup_rates(self) -> Option<MupRates> {
        match self {
            Optimizer::Sgd { .. } => Some(MupRates::Sgd),
            Optimizer::Adam { .. }
            | Optimizer::Adamw { .. }
            | Optimizer::Rmsprop { .. }
            | Optimizer::Nadam { .. }
            | Optimizer::Adagrad { .. }
            | Optimizer::Lion { .. } => Some(MupRates::Adam),
            Optimizer::Radam { .. } | Optimizer::Muon { .. } => None,
        }
    }
}
