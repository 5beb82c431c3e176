//! One pass over the grid, against the rows that are there: what is left to run, in which order the rows end up, and whether the folder
//! belongs to this grid at all.

use crate::failure::Failure;
use crate::plan::Planner;
use crate::spec::Spec;
use crate::spec::filter::Filter;
use crate::store::Store;
use crate::trial::TrialId;
use std::collections::HashMap;
use std::path::Path;

pub struct Survey {
    /// The grid, filtered or not.
    pub order: Vec<TrialId>,
    labels: Vec<String>,
    label_of: Vec<u32>,
    /// Trials that the filter lets through.
    pub selected: u64,
    /// Of those, the ones without a verdict.
    pub planner: Planner,
    /// Rows in the folder whose trial is not in the grid.
    pub foreign: usize,
}

impl Survey {
    pub fn new(spec: &Spec, filter: &Filter, store: &Store) -> Survey {
        let (mut planner, mut known) = (Planner::default(), HashMap::new());
        let mut survey = Survey {
            order: Vec::new(),
            labels: Vec::new(),
            label_of: Vec::new(),
            selected: 0,
            planner: Planner::default(),
            foreign: 0,
        };
        let mut rows = 0;
        for trial in spec.grid().trials() {
            let id = trial.id();
            survey.order.push(id);
            let label = *known.entry(trial.label.clone()).or_insert_with(|| {
                survey.labels.push(trial.label.clone());
                survey.labels.len() as u32 - 1
            });
            survey.label_of.push(label);
            rows += usize::from(store.runs.contains(id));
            if filter.matches(&trial) {
                survey.selected += 1;
                if !store.done(id) {
                    planner.push(id, trial);
                }
            }
        }
        survey.planner = planner;
        survey.foreign = store.runs.len() - rows;
        survey
    }

    /// The label of the trial at this position of the grid.
    pub fn label(&self, at: usize) -> &str {
        &self.labels[self.label_of[at] as usize]
    }

    /// The spec is the one in the folder, so all rows should be its own. A few that are not were damaged and are dropped; many mean that
    /// the same text now stands for other trials.
    pub fn check_same(&self, rows: usize, spec: &Path, dir: &Path) -> Result<(), Failure> {
        let runs = dir.join("runs.csv");
        if self.foreign > 1.max(rows / 100) {
            let text = format!("`{}` has {} rows that are not of `{}`", runs.display(), self.foreign, spec.display());
            return Err(Failure::new(text).hint(
                "the spec is the same, so a data file of its task or the version of blowup has changed; name another folder with `--out`",
            ));
        }
        if self.foreign > 0 {
            tracing::warn!("`{}` has {} rows of no trial of the grid; they are dropped", runs.display(), self.foreign);
        }
        Ok(())
    }

    /// Refuses a folder with another sweep in it: one that has trials which this grid does not have.
    pub fn check_contains(&self, old: Option<&Spec>, spec: &Path, dir: &Path) -> Result<(), Failure> {
        let gone = match old {
            Some(old) => {
                let mut sorted = self.order.clone();
                sorted.sort_unstable();
                old.grid().trials().filter(|trial| sorted.binary_search(&trial.id()).is_err()).count()
            }
            None => self.foreign,
        };
        if gone == 0 {
            return Ok(());
        }
        let trials = if gone == 1 { "1 trial".to_owned() } else { format!("{gone} trials") };
        let text = format!(
            "`{}` holds another sweep: `{}` has {trials} that `{}` does not have",
            dir.display(),
            dir.join("spec.toml").display(),
            spec.display()
        );
        Err(Failure::new(text)
            .hint("a grid may grow (more seeds, more values), not shrink or change; name another folder with `--out`"))
    }
}
