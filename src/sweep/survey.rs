//! One pass over the grid, or over a shard of it, which compares it with the rows in the folder. It
//! finds what is left to run, in which order the rows end up, and whether the folder belongs to
//! this grid.

use super::grid_hash::GridHash;
use super::rounds::event_in;
use blowup_core::axis::{Axis, TABLE};
use blowup_core::edge::follow::{Line, follow, later, lines};
use blowup_core::failure::{Failure, counted, excerpt};
use blowup_core::plan::{Planner, Shard, Split};
use blowup_core::record::Verdict;
use blowup_core::spec::Spec;
use blowup_core::spec::filter::{Attribute, Filter};
use blowup_core::spec::grid::{Grid, Trials};
use blowup_core::spec::unmet::{self, Coverage, Unmet};
use blowup_core::spec::written::Written;
use blowup_core::store::Store;
use blowup_core::trial::{Trial, TrialId};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What the pass over the grid has found.
pub struct Survey {
    /// The trials of the grid or of the shard, in the order of the grid. No filter applies to them.
    pub order: Vec<TrialId>,
    /// The point of the grid at which each trial of `order` stands.
    pub points: Vec<u64>,
    /// Each label with the position in `order` of the first trial that has it.
    labels: Vec<(usize, String)>,
    /// How many trials the whole grid has.
    pub trials: u64,
    /// How many trials of the whole grid the filter lets through.
    pub matched: u64,
    /// The lines of edges that are in the shard, followed as far as the rows say.
    pub lines: Vec<Line>,
    /// The `GridHash` of the whole grid.
    pub grid: String,
    /// How many trials of `order` the filter lets through.
    pub selected: u64,
    /// The selected trials that are to run: those without a verdict that are not given up, and with
    /// `--refill` those of which something was not recorded.
    pub planner: Planner,
    /// How many selected trials were lost too often to be tried again.
    pub given_up: u64,
    /// How many selected trials have a verdict, but were trained before `[record]` asked for all
    /// that it asks for now.
    pub lacking: u64,
    /// How many rows of the folder are of no trial of `order`.
    pub foreign: usize,
    /// A point whose trial the grid leaves out because another trial has the same id, and the point
    /// of that one, where it is known.
    collision: Option<(u64, Option<u64>)>,
    /// Values in the filters of the spec that no trial of the grid has.
    unmet: Vec<Unmet>,
    /// Values in `--where` that no trial of the grid has.
    unmet_here: Vec<Unmet>,
}

/// Which trials run again although they have a row.
pub struct Again<'a> {
    /// Whether a trial that was lost may be tried again.
    pub retry: &'a dyn Fn(TrialId) -> bool,
    /// Whether the row of a trial lacks something that `[record]` asks for.
    pub lacks: &'a dyn Fn(TrialId) -> bool,
    /// Whether trials that lack something are trained again.
    pub refill: bool,
}

impl Survey {
    /// Goes through the grid of `spec` and behind it through its edges. `store` is the folder,
    /// `filter` is that of `--where`.
    ///
    /// # Errors
    /// If a row that says whether a trial has the event of an edge cannot be read.
    pub fn new(
        spec: &Spec,
        filter: &Filter,
        store: &Store,
        shard: Option<Shard>,
        again: &Again<'_>,
    ) -> Result<Survey, Failure> {
        let mut survey = Survey {
            order: Vec::new(),
            points: Vec::new(),
            labels: Vec::new(),
            trials: 0,
            matched: 0,
            lines: follow(spec, shard, &mut |edge, trial| event_in(spec, edge, store, trial))?,
            grid: String::new(),
            selected: 0,
            planner: Planner::new(&spec.record),
            given_up: 0,
            lacking: 0,
            foreign: 0,
            collision: None,
            unmet: Vec::new(),
            unmet_here: Vec::new(),
        };
        let mut expected: Vec<Coverage<'_>> = spec.expects.iter().map(|expect| Coverage::new(&expect.filter)).collect();
        let mut asked = Coverage::new(filter);
        let (mut rows, mut lost, mut hash) = (0, 0, GridHash::default());
        let is_lost = |verdict: Verdict| verdict.outcome().is_none();
        let mut see = |survey: &mut Survey, trial: &Trial| {
            survey.trials += 1;
            expected.iter_mut().chain([&mut asked]).for_each(|coverage| coverage.see(trial));
            let matches = filter.matches(trial);
            survey.matched += u64::from(matches);
            matches
        };
        let mut take = |survey: &mut Survey, (point, id, trial): (u64, TrialId, &Trial), matches: bool| {
            let position = survey.order.len();
            survey.order.push(id);
            survey.points.push(point);
            if survey.labels.last().is_none_or(|(_, label)| *label != trial.label) {
                survey.labels.push((position, trial.label.clone()));
            }
            let verdict = store.runs.verdict(id);
            rows += usize::from(verdict.is_some());
            lost += usize::from(verdict.is_some_and(is_lost));
            if matches {
                survey.selected += 1;
                match verdict {
                    Some(Verdict::Outcome(_)) if !(again.lacks)(id) => {}
                    Some(Verdict::Outcome(_)) => {
                        survey.lacking += 1;
                        if again.refill {
                            survey.planner.push(position as u32, trial);
                        }
                    }
                    Some(Verdict::Lost(_)) if !(again.retry)(id) => survey.given_up += 1,
                    Some(Verdict::Lost(_)) | None => survey.planner.push(position as u32, trial),
                }
            }
        };
        let mut part = ShardTrials::new(spec.grid(), shard);
        while let Some((point, id, trial, inside)) = part.advance() {
            hash.add(id);
            let matches = see(&mut survey, &trial);
            if inside {
                take(&mut survey, (point, id, &trial), matches);
            }
        }
        hash.add_edges(spec);
        if !spec.edges.is_empty() {
            let mut known: HashMap<TrialId, u64> =
                survey.order.iter().copied().zip(survey.points.iter().copied()).collect();
            let followed = std::mem::take(&mut survey.lines);
            for line in &followed {
                let points: Vec<u64> = line.points(spec).collect();
                for (point, trial) in points.iter().zip(spec.grid().all_at(points.iter().copied())) {
                    let (digest, matches) = (trial.digest(), see(&mut survey, &trial));
                    match known.get(&digest.0) {
                        None => {
                            known.insert(digest.0, *point);
                            take(&mut survey, (*point, digest.0, &trial), matches);
                        }
                        // A trial of the grid, or of an edge before, whose label it keeps.
                        Some(twin) if spec.grid().at(*twin).digest() == digest => survey.trials -= 1,
                        Some(twin) => survey.collision = survey.collision.or(Some((*point, Some(*twin)))),
                    }
                }
            }
            survey.lines = followed;
            let here: HashSet<(usize, u64)> = survey.lines.iter().map(|line| (line.edge, line.number)).collect();
            for (at, line) in lines(spec, None).into_iter().filter(|line| !here.contains(line)) {
                let edge = &spec.edges[at];
                let first = edge.lattice.first.iter().flat_map(|position| edge.points(line, *position));
                for trial in spec.grid().all_at(first) {
                    see(&mut survey, &trial);
                }
            }
        }
        // A trial that was lost, under another program or other data, has nothing that could be
        // kept.
        let all_lost = store.runs.places().filter(|trial| store.runs.verdict(*trial).is_some_and(is_lost)).count();
        survey.foreign = store.runs.len() - rows - (all_lost - lost);
        if survey.foreign > 0 {
            // Rows of later rounds wait until the row that is missing before them is there again.
            let asked: HashSet<TrialId> = survey.order.iter().copied().collect();
            let waits = |id: &TrialId| store.runs.verdict(*id).is_some_and(|verdict| !is_lost(verdict));
            let held: HashSet<TrialId> =
                later(spec, &survey.lines).filter(|id| !asked.contains(id) && waits(id)).collect();
            survey.foreign -= held.len();
        }
        survey.collision = survey.collision.or(part.trials.collision().map(|point| (point, None)));
        survey.unmet = part.trials.unmet(&spec.edges);
        survey.unmet.extend(expected.iter().flat_map(Coverage::unmet));
        survey.unmet_here = asked.unmet();
        survey.grid = hash.finish();
        Ok(survey)
    }

    /// Refuses a grid in which two trials have the same id, since there could be only one row for
    /// both. Two such trials in different shards are found by `merge`, which says that the shards
    /// overlap.
    ///
    /// # Errors
    /// If two trials have the same id. The message names in what they differ.
    pub fn check_ids(&self, grid: Grid<'_>) -> Result<(), Failure> {
        let pair = match self.collision {
            Some((point, Some(twin))) => Some((twin, point)),
            Some((point, None)) => {
                let (id, mut trials) = (grid.at(point).id(), grid.trials());
                std::iter::from_fn(|| trials.advance()).find(|(_, known, _)| *known == id).map(|(at, ..)| (at, point))
            }
            None => self.doubled().map(|(a, b)| (self.points[a], self.points[b])),
        };
        let Some((a, b)) = pair.map(|(a, b)| (grid.at(a), grid.at(b))) else {
            return Ok(());
        };
        let cell = |trial: &Trial, axis: &Axis| {
            let mut text = Vec::new();
            axis.id.of(trial).into_iter().for_each(|value| value.put(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        };
        let cells = TABLE.iter().map(|axis| (axis.name, cell(&a, axis), cell(&b, axis)));
        let mut differing: Vec<String> = vec![format!("tasks `{}` and `{}`", a.task_name(), b.task_name())];
        differing.extend(cells.filter(|(_, a, b)| a != b).map(|(axis, a, b)| format!("{axis} `{a}` and `{b}`")));
        let text = format!("two trials of the grid share the id {}: {}", a.id(), differing.join(", "));
        Err(Failure::new(text).hint(
            "ids are hashes of 48 bits, so this happens by chance in large grids; leave one of the two out with [[exclude]], or change a seed",
        ))
    }

    /// Refuses values in `where`, `[[exclude]]` and `--where` that no trial of the whole grid has.
    /// `args` are the values of `--where`.
    ///
    /// # Errors
    /// If there is such a value, or if no trial passes all conditions of `--where`.
    pub fn check_values(&self, grid: Grid<'_>, written: &Written, args: &[String]) -> Result<(), Failure> {
        let known = |column: &Attribute| grid.values(column);
        unmet::refuse(&self.unmet, &known, written)?;
        if self.matched > 0 {
            return unmet::refuse_arguments(&self.unmet_here, &known, args).map_err(Failure::new);
        }
        let (filters, trials) = (excerpt(&args.join(" --where ")), self.trials);
        let failure = Failure::new(format!("`--where {filters}` matches none of the {trials} trials"));
        Err(match self.unmet_here.first() {
            Some(first) => failure.hint(unmet::argument(first, &known, args).to_string().replacen("\nhint: ", "; ", 1)),
            None => failure.hint("each value is there, but no trial has them together; leave one out"),
        })
    }

    /// Two positions in `order` with the same id.
    fn doubled(&self) -> Option<(usize, usize)> {
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        let id = sorted.windows(2).find(|pair| pair[0] == pair[1])?[0];
        let mut positions = (0..self.order.len()).filter(|at| self.order[*at] == id);
        Some((positions.next()?, positions.next()?))
    }

    /// The label of the trial at this position in `order`.
    pub fn label(&self, at: usize) -> &str {
        &self.labels[self.labels.partition_point(|(from, _)| *from <= at) - 1].1
    }

    /// Checks the rows of a folder that holds the same spec, so that all of them should be of its
    /// trials. A few rows that are not were damaged: they are dropped with a warning. If there are
    /// many, the same text stands for other trials now. `rows` is how many rows the folder has,
    /// `dir` its path and `spec` the path of the spec.
    ///
    /// # Errors
    /// If more than one row, and more than 1% of the rows, are of no trial of the grid.
    pub fn check_same(&self, rows: usize, spec: &Path, dir: &Path) -> Result<(), Failure> {
        let runs = dir.join("runs.csv");
        if self.foreign > 1.max(rows / 100) {
            let text = format!("`{}` has {} rows that are not of `{}`", runs.display(), self.foreign, spec.display());
            return Err(Failure::new(text).hint(
                "the spec is the same, so a file of its task or of its program has changed, or the version of blowup; name another folder with `--out`",
            ));
        }
        if self.foreign > 0 {
            let rows = counted(self.foreign as u64, "row");
            tracing::warn!("`{}` has {rows} of no trial of the grid, dropped now", runs.display());
        }
        Ok(())
    }

    /// Refuses a folder with another sweep in it, which has trials that this grid does not have.
    /// `old` is the spec in the folder `store`, if it can be read. `spec` is the path of the new
    /// spec.
    ///
    /// # Errors
    /// If the old grid, or one of the old edges, has a trial that the new spec does not have. If
    /// the old spec cannot be read, the rows in the folder stand for its grid.
    pub fn check_contains(
        &self,
        old: Option<&Spec>,
        store: &Store,
        shard: Option<Shard>,
        spec: &Path,
    ) -> Result<(), Failure> {
        let dir = store.dir();
        let gone = match old {
            Some(old) => {
                let (mut sorted, mut part) = (self.order.clone(), ShardTrials::new(old.grid(), shard));
                sorted.sort_unstable();
                let trials = std::iter::from_fn(|| part.advance()).filter(|(.., inside)| *inside);
                let of_edges = follow(old, shard, &mut |edge, trial| event_in(old, edge, store, trial))?;
                let of_edges = of_edges.into_iter().flat_map(|line| line.asked.into_values().flatten());
                let ids = trials.map(|(_, id, ..)| id).chain(of_edges);
                ids.filter(|id| sorted.binary_search(id).is_err()).count()
            }
            None => self.foreign,
        };
        if gone == 0 {
            return Ok(());
        }
        let trials = counted(gone as u64, "trial");
        let text = format!(
            "`{}` holds another sweep: `{}` has {trials} that `{}` does not have",
            dir.display(),
            dir.join("spec.toml").display(),
            spec.display()
        );
        Err(Failure::new(text).hint(match shard {
            None => "a grid may grow (more seeds, more values), not shrink or change; name another folder with `--out`",
            Some(_) => {
                "a grid that grew is split anew: merge the old shards into another folder and grow the sweep there"
            }
        }))
    }
}

/// Goes through the trials of a grid and says of each whether it is in the shard.
struct ShardTrials<'a> {
    trials: Trials<'a>,
    shard: Option<(Split, Shard)>,
}

impl<'a> ShardTrials<'a> {
    fn new(grid: Grid<'a>, shard: Option<Shard>) -> ShardTrials<'a> {
        let shard = shard.map(|shard| (Split::new(grid.trials(), shard.count()), shard));
        ShardTrials { trials: grid.trials(), shard }
    }

    /// The next trial: its point in the grid, its id, itself, and whether it is in the shard.
    fn advance(&mut self) -> Option<(u64, TrialId, Trial, bool)> {
        let (point, id, trial) = self.trials.advance()?;
        let inside = self.shard.as_mut().is_none_or(|(split, shard)| split.shard_of(&trial) == shard.index());
        Some((point, id, trial, inside))
    }
}
