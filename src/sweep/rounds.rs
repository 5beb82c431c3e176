//! The edges of a sweep while its workers train: the next round of a line begins as soon as every
//! trial of its round has a verdict, whatever other lines do. So a slow trial holds up its own line
//! alone, and what a line tries next depends on its own rows alone.

use blowup_core::edge::follow::Line;
use blowup_core::failure::{Failure, counted};
use blowup_core::record::Verdict;
use blowup_core::spec::Spec;
use blowup_core::store::Store;
use blowup_core::trial::TrialId;
use std::collections::HashMap;

/// Answers of a trial with a row in `store` whether it has the event of an edge; `None` if it has
/// no verdict.
pub fn event_in(spec: &Spec, edge: usize, store: &Store, trial: TrialId) -> Result<Option<bool>, Failure> {
    let Some(outcome) = store.runs.verdict(trial).and_then(Verdict::outcome) else { return Ok(None) };
    let event = &spec.edges[edge].event;
    match event.of(outcome) {
        Some(has) => Ok(Some(has)),
        None => Ok(store.runs.row(trial)?.map(|row| event.in_row(outcome, &row))),
    }
}

/// The lines of a sweep whose search is not over.
pub struct Rounds {
    lines: Vec<Line>,
    /// Which lines wait for which trial.
    waiting: HashMap<TrialId, Vec<usize>>,
    /// How many trials each line waits for.
    left: Vec<u64>,
    /// The lines that wait for nothing any more.
    ready: Vec<usize>,
    /// How many lines the sweep has, those among them that were over before it began.
    all: usize,
}

impl Rounds {
    /// The rounds of these lines, which were followed as far as the rows in `store` say.
    pub fn new(lines: &[Line], store: &Store) -> Rounds {
        let open = lines.iter().filter(|line| !line.is_over).cloned().collect();
        let (left, ready, all) = (Vec::new(), Vec::new(), lines.len());
        let mut rounds = Rounds { lines: open, waiting: HashMap::new(), left, ready, all };
        for at in 0..rounds.lines.len() {
            rounds.left.push(0);
            rounds.wait(at, store);
        }
        rounds
    }

    /// Lets a line wait for those of its trials that have no verdict. Returns those for which no
    /// line has waited yet, by their position in the line.
    fn wait(&mut self, at: usize, store: &Store) -> Vec<usize> {
        let (mut fresh, line) = (Vec::new(), &self.lines[at]);
        for (position, trial) in line.asked.values().flatten().enumerate() {
            if store.runs.verdict(*trial).is_none_or(|verdict| verdict.outcome().is_none()) {
                let waiting = self.waiting.entry(*trial).or_default();
                if waiting.is_empty() {
                    fresh.push(position);
                }
                waiting.push(at);
                self.left[at] += 1;
            }
        }
        fresh
    }

    /// A trial has a verdict now.
    pub fn has_ended(&mut self, trial: TrialId) {
        for at in self.waiting.remove(&trial).unwrap_or_default() {
            self.left[at] -= 1;
            if self.left[at] == 0 {
                self.ready.push(at);
            }
        }
    }

    /// Whether a line waits for nothing any more.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How far the searches are, as `edges: round 3, 2 of 5 lines at their end`. It is empty
    /// without edges.
    pub fn told(&self) -> String {
        let round = self.lines.iter().map(|line| line.round).max().unwrap_or(0);
        let open = self.lines.iter().filter(|line| !line.is_over).count();
        match self.all {
            0 => String::new(),
            all => format!("edges: round {round}, {} of {} at their end", all - open, counted(all as u64, "line")),
        }
    }

    /// The trials of the next rounds of the lines that wait for nothing any more, each with its
    /// point in the grid. `store` has the rows of the rounds before.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn next(&mut self, spec: &Spec, store: &Store) -> Result<Vec<(TrialId, u64)>, Failure> {
        let mut next = Vec::new();
        let mut ready = std::mem::take(&mut self.ready);
        ready.sort_unstable();
        for at in ready {
            let Line { edge, number, .. } = self.lines[at];
            let line = Line::follow(spec, edge, number, &mut |edge, trial| event_in(spec, edge, store, trial))?;
            let (ids, points): (Vec<TrialId>, Vec<u64>) =
                (line.asked.values().flatten().copied().collect(), line.points(spec).collect());
            self.lines[at] = line;
            next.extend(self.wait(at, store).into_iter().map(|position| (ids[position], points[position])));
        }
        Ok(next)
    }
}
