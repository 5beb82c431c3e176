//! One pass over the grid, against the rows that are there: what is left to run, in which order the rows end up, and whether the folder
//! belongs to this grid at all.

use crate::axes::{self, AXES};
use crate::failure::Failure;
use crate::grid::Grid;
use crate::plan::Planner;
use crate::record::Verdict;
use crate::spec::Spec;
use crate::spec::filter::Filter;
use crate::store::Store;
use crate::trial::{Trial, TrialId};
use std::path::Path;

pub struct Survey {
    /// The grid, filtered or not.
    pub order: Vec<TrialId>,
    /// Where in the grid each stands.
    pub points: Vec<u64>,
    /// Each with the position from which on it holds.
    labels: Vec<(usize, String)>,
    /// Trials that the filter lets through.
    pub selected: u64,
    /// Of those, the ones that are to run: without a verdict and not given up.
    pub planner: Planner,
    /// Trials that were lost too often to be tried again.
    pub given_up: u64,
    /// Rows in the folder whose trial is not in the grid.
    pub foreign: usize,
    /// A point whose trial was left out because another trial has its id.
    collision: Option<u64>,
}

impl Survey {
    /// `retry`: whether a trial that was lost may be tried again.
    pub fn new(spec: &Spec, filter: &Filter, store: &Store, retry: &dyn Fn(TrialId) -> bool) -> Survey {
        let mut survey = Survey {
            order: Vec::new(),
            points: Vec::new(),
            labels: Vec::new(),
            selected: 0,
            planner: Planner::default(),
            given_up: 0,
            foreign: 0,
            collision: None,
        };
        let mut rows = 0;
        let mut trials = spec.grid().trials();
        while let Some((point, id, trial)) = trials.advance() {
            let position = survey.order.len();
            survey.order.push(id);
            survey.points.push(point);
            if survey.labels.last().is_none_or(|(_, label)| *label != trial.label) {
                survey.labels.push((position, trial.label.clone()));
            }
            let verdict = store.runs.verdict(id);
            rows += usize::from(verdict.is_some());
            if filter.matches(&trial) {
                survey.selected += 1;
                match verdict {
                    Some(Verdict::Outcome(_)) => {}
                    Some(Verdict::Lost(_)) if !retry(id) => survey.given_up += 1,
                    Some(Verdict::Lost(_)) | None => survey.planner.push(position as u32, &trial),
                }
            }
        }
        survey.foreign = store.runs.len() - rows;
        survey.collision = trials.collision();
        survey
    }

    /// Refuses a grid in which two trials have one id: of both there could be only one row.
    pub fn check_ids(&self, grid: Grid<'_>) -> Result<(), Failure> {
        let pair = match self.collision {
            Some(point) => {
                let id = grid.at(point).id();
                self.order.iter().position(|known| *known == id).map(|at| (self.points[at], point))
            }
            None => self.doubled().map(|(a, b)| (self.points[a], self.points[b])),
        };
        let Some((a, b)) = pair.map(|(a, b)| (grid.at(a), grid.at(b))) else {
            return Ok(());
        };
        let cell = |trial: &Trial, axis| {
            let mut text = Vec::new();
            axes::value(trial, axis).into_iter().for_each(|value| value.put(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        };
        let cells = AXES.iter().map(|axis| (axis, cell(&a, axis), cell(&b, axis)));
        let mut differing: Vec<String> = vec![format!("tasks `{}` and `{}`", a.task.kind.name(), b.task.kind.name())];
        differing.extend(cells.filter(|(_, a, b)| a != b).map(|(axis, a, b)| format!("{axis} `{a}` and `{b}`")));
        let text = format!("two trials of the grid share the id {}: {}", a.id(), differing.join(", "));
        Err(Failure::new(text).hint(
            "ids are hashes of 48 bits, so this happens by chance in large grids; leave one of the two out with [[exclude]], or change a seed",
        ))
    }

    /// Two positions with the same id.
    fn doubled(&self) -> Option<(usize, usize)> {
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        let id = sorted.windows(2).find(|pair| pair[0] == pair[1])?[0];
        let mut positions = (0..self.order.len()).filter(|at| self.order[*at] == id);
        Some((positions.next()?, positions.next()?))
    }

    /// The label of the trial at this position of the grid.
    pub fn label(&self, at: usize) -> &str {
        &self.labels[self.labels.partition_point(|(from, _)| *from <= at) - 1].1
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
                let (mut sorted, mut trials) = (self.order.clone(), old.grid().trials());
                sorted.sort_unstable();
                let ids = std::iter::from_fn(|| trials.advance()).map(|(_, id, _)| id);
                ids.filter(|id| sorted.binary_search(id).is_err()).count()
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
