//! A transformer of 4 blocks on the characters of the text that is built in: pre-norm, causal, 4
//! heads, width 64, 64 tokens, an MLP of 256 units, SGD with a learning rate for each trial. The
//! batch is all that there is to train on.

use super::{products, seconds, trials_of};
use blowup_core::trial::{Network, Trial};

pub struct Case {
    batch: usize,
    lanes: usize,
    steps: u64,
}

impl Case {
    /// Reads `BATCH LANES STEPS`.
    pub fn parse(text: &str) -> Option<Case> {
        let [batch, lanes, steps] = *text.split_whitespace().collect::<Vec<_>>() else { return None };
        Some(Case { batch: batch.parse().ok()?, lanes: lanes.parse().ok()?, steps: steps.parse().ok()? })
    }

    fn trials(&self, steps: u64) -> Vec<Trial> {
        let text = format!(
            "name = 'b'\nsteps = {steps}\nseeds = 1\ntask = {{ kind = 'text', samples = {} }}\n[[grid]]\n\
             network = 'transformer'\ndepth = 4\nwidth = 64\nheads = 4\nsequence_length = 64\n\
             lr = {{ log = [1e-5, 1e-3], points = {} }}\n",
            self.batch,
            self.lanes.max(2)
        );
        trials_of(&text).take(self.lanes).collect()
    }

    /// Microseconds per trial and step: the difference of a long and a short run.
    pub fn step(&self) -> f64 {
        let short = seconds(&self.trials(3));
        (seconds(&self.trials(3 + self.steps)) - short) / (self.steps as f64 * self.lanes as f64) * 1e6
    }

    /// The same of the products alone.
    pub fn products(&self) -> f64 {
        let trial = self.trials(1).remove(0);
        let Network::Transformer(of) = trial.network else { unreachable!("the network is a transformer") };
        let sizes = products::Transformers { of, lanes: self.lanes, batch: self.batch, symbols: trial.task.inputs };
        products::of_transformers(sizes, self.steps) / (self.steps as f64 * self.lanes as f64) * 1e6
    }
}
