//! RAdam, as `torch.optim.RAdam`: Adam whose first updates are those of a momentum alone, until the
//! mean of squares is long enough to divide by. From then on a factor that rises to 1 multiplies
//! the quotient.

use super::moments::Moments;
use super::rule::{Division, Kept, PerLane, UpdateRule};
use crate::apply::land;
use crate::data::per_lane;
use crate::dtype::inner;
use crate::weights::Weights;

/// The state of RAdam and its hyperparameters.
pub struct Radam {
    /// beta1 and beta2 by lane.
    betas: Vec<(f64, f64)>,
    moments: Moments,
}

/// The factor that corrects the quotient for the variance of a mean of squares with this beta2
/// after so many steps. It is `None` where the mean is not divided by.
pub fn rectification(beta2: f64, steps: f64) -> Option<f64> {
    let longest = 2.0 / (1.0 - beta2) - 1.0;
    let power = beta2.powf(steps);
    let length = longest - 2.0 * steps * power / (1.0 - power);
    let squared = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
    (length > 5.0).then(|| squared.sqrt())
}

impl Radam {
    /// The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, weights: &Weights) -> Radam {
        Radam {
            betas: lanes.number("beta1").into_iter().zip(lanes.number("beta2")).collect(),
            moments: Moments::new(lanes, weights),
        }
    }
}

impl UpdateRule for Radam {
    fn divide(&mut self, division: Division) {
        let Radam { betas, moments } = self;
        let kind = division.kind;
        let tensor = |of: &dyn Fn(f64, f64, f64) -> f64| {
            let lanes = betas.iter().zip(division.steps);
            per_lane(&lanes.map(|(betas, steps)| of(betas.0, betas.1, f64::from(*steps))).collect::<Vec<_>>(), kind)
        };
        let correction = tensor(&|beta1, _, steps| 1.0 - beta1.powf(steps));
        let root = tensor(&|_, beta2, steps| (1.0 - beta2.powf(steps)).sqrt());
        let rectified = tensor(&|_, beta2, steps| rectification(beta2, steps).unwrap_or(0.0));
        let is_rectified = rectified.gt(0.0);
        let strides = division.strides(|_| 1.0);
        let Division { weights, gradients, readout, .. } = division;
        for (slice, g) in gradients.slices.iter_mut().enumerate() {
            moments.take(slice, g);
            let (m, v) = moments.of(slice);
            let mut denominator = v.sqrt();
            drop(denominator.g_add_(&moments.eps));
            let stride = strides.of_slice(weights, slice);
            let mut change = m.copy();
            drop(change.g_div_(&correction));
            drop(change.g_mul_(&stride.rate));
            let mut quotient = change.to_kind(inner(kind)) * (&root / denominator);
            drop(quotient.g_mul_(&rectified));
            let change = quotient.where_self(&is_rectified, &change.to_kind(inner(kind)));
            land(weights, g, slice, change, stride, readout);
        }
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        self.moments.states()
    }

    fn gather(&mut self, kept: &Kept) {
        let Radam { betas, moments } = self;
        kept.values(betas);
        moments.gather(kept);
    }
}
