//! Which samples a cohort is trained and evaluated on, step by step.

use crate::data::{Batch, Dataset, LaneSeeds, SampleOrder};
use crate::dtype::Kinds;
use crate::subject::Turn;
use crate::task::Draw;
use blowup_core::trial::{Lane, Shape};

/// The data of a cohort and the batch of the current step.
pub struct Feed<'a> {
    shape: &'a Shape,
    kinds: Kinds,
    /// The training data of the current epoch.
    data: Dataset,
    /// The data on which initial and final losses are measured. None where every batch is all of
    /// the data, so that the training batch serves.
    evaluation: Option<Dataset>,
    /// The order of the current epoch. None where its only batch holds every sample.
    order: Option<SampleOrder>,
    /// The current batch. It is kept from step to step where every batch is all of the data.
    batch: Option<Batch>,
    /// The same batch in the kinds of the passes, where those are others than the optimizer's.
    narrow: Option<Batch>,
}

impl<'a> Feed<'a> {
    /// Draws the data of `lanes`.
    ///
    /// # Errors
    /// If a data file cannot be read.
    pub fn new(shape: &'a Shape, lanes: &[Lane], kinds: Kinds) -> Result<Feed<'a>, String> {
        let seeds = distinct(lanes.iter().map(|lane| lane.data_seed));
        let data = Dataset::new(shape, &seeds, Draw::Training(0), kinds.optimizer)?;
        let fresh = shape.task.is_fresh();
        let evaluation = match (shape.batch == shape.task.samples && !fresh, fresh) {
            (true, _) => None,
            (false, true) => Some(Dataset::new(shape, &seeds, Draw::Evaluation, kinds.optimizer)?),
            (false, false) => Some(data.share()),
        };
        Ok(Feed { shape, kinds, data, evaluation, order: None, batch: None, narrow: None })
    }

    /// Whether every batch is all of the data, the same in every step.
    pub fn is_full_batch(&self) -> bool {
        self.evaluation.is_none()
    }

    /// The data on which initial and final losses are measured, where it is not the training batch.
    pub fn evaluation(&self) -> Option<&Dataset> {
        self.evaluation.as_ref()
    }

    /// The data that stands for all: the evaluation data, or else the training data.
    pub fn reference(&self) -> &Dataset {
        self.evaluation.as_ref().unwrap_or(&self.data)
    }

    /// The batch that was prepared last, in the kinds of the passes.
    ///
    /// # Panics
    /// If there is none.
    pub fn batch(&self) -> &Batch {
        self.narrow.as_ref().unwrap_or_else(|| self.wide())
    }

    /// The same batch in the kind of the optimizer.
    ///
    /// # Panics
    /// If there is none.
    pub fn wide(&self) -> &Batch {
        self.batch.as_ref().expect("a batch was prepared")
    }

    /// A batch of the evaluation data, or of another data set, in the kinds of the passes.
    pub fn narrowed(&self, batch: Batch) -> Batch {
        if self.kinds.are_one() { batch } else { batch.to_kinds(self.kinds.passes, self.kinds.kept) }
    }

    fn narrow(&mut self) {
        let Kinds { passes, kept, .. } = self.kinds;
        self.narrow = (!self.kinds.are_one()).then(|| self.wide().to_kinds(passes, kept));
    }

    /// Makes the batch of a turn for these lanes and `pads` pad lanes: a part of the epoch's order,
    /// or, after the last update, the first batch of the evaluation data.
    ///
    /// # Errors
    /// If a data file cannot be read.
    pub fn prepare(&mut self, turn: Turn, lanes: &[LaneSeeds], pads: usize) -> Result<(), String> {
        let size = self.shape.batch;
        let Some(evaluation) = &self.evaluation else {
            let data = &self.data;
            if self.batch.is_none() {
                self.batch = Some(data.batch(lanes, pads, 0..data.samples(), None));
                self.narrow();
            }
            return Ok(());
        };
        if turn.is_last {
            self.batch = Some(evaluation.batch(lanes, pads, 0..size.min(evaluation.samples()), None));
            self.narrow();
            return Ok(());
        }
        let of_epoch = self.shape.batches_per_epoch();
        let (epoch, within) = (turn.batch / of_epoch, (turn.batch % of_epoch) as usize);
        if within == 0 {
            self.begin_epoch(epoch, lanes)?;
        }
        let range = within * size..((within + 1) * size).min(self.data.samples());
        self.batch = Some(self.data.batch(lanes, pads, range, self.order.as_ref()));
        self.narrow();
        Ok(())
    }

    /// Draws the order of `epoch`, and its data where every epoch has new data.
    fn begin_epoch(&mut self, epoch: u64, lanes: &[LaneSeeds]) -> Result<(), String> {
        if self.shape.task.is_fresh() && epoch > 0 {
            let seeds = distinct(lanes.iter().map(|lane| lane.data));
            self.data = Dataset::new(self.shape, &seeds, Draw::Training(epoch), self.kinds.optimizer)?;
        }
        let samples = self.data.samples();
        self.order = (self.shape.batch < samples).then(|| {
            let seeds = distinct(lanes.iter().map(|lane| lane.order));
            SampleOrder::new(&seeds, self.shape.sampling, epoch, samples)
        });
        Ok(())
    }

    /// To be called when lanes are dropped or copied: the batch is made anew for the next step.
    pub fn rearranged(&mut self) {
        self.batch = None;
    }
}

/// Returns the seeds in ascending order, each once.
fn distinct(seeds: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut seeds: Vec<u64> = seeds.collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}
