//! What a program has told of a trial, folded into a verdict. What it does not say stays empty.

use super::line::{SaidDone, SaidNumber, SaidStart, SaidStep};
use blowup_core::trial::{Budget, Trial};
use blowup_core::verdict::{Beginning, Course, Finished, Origin, Probe, Record};

/// A trial in the middle.
pub struct Hearing<'a> {
    trial: &'a Trial,
    record: &'a Record,
    beginning: Beginning,
    course: Option<Course>,
    /// Whether the steps say their epochs; where they do not, each is an epoch of its own.
    epochs: Option<Epochs>,
    steps: u64,
    /// Of the last step.
    weight_norm: Option<f64>,
    lr: Option<f64>,
    /// Whether a NaN loss made the verdict final. What is said after it changes nothing.
    ended: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Epochs {
    /// The epoch of the last step, from 0.
    Said(u64),
    Steps,
}

impl<'a> Hearing<'a> {
    pub fn new(trial: &'a Trial, record: &'a Record) -> Hearing<'a> {
        Hearing {
            trial,
            record,
            beginning: Beginning::default(),
            course: None,
            epochs: None,
            steps: 0,
            weight_norm: None,
            lr: None,
            ended: false,
        }
    }

    /// # Errors
    /// If it comes too late.
    pub fn start(&mut self, start: SaidStart) -> Result<(), String> {
        if self.course.is_some() || self.beginning != Beginning::default() {
            return Err("it says `start` after the trial began".to_owned());
        }
        self.beginning = Beginning {
            loss_initial: SaidNumber::of(start.loss),
            loss_trivial: SaidNumber::of(start.loss_trivial),
            weight_norm: SaidNumber::of(start.weight_norm),
            ..Beginning::default()
        };
        Ok(())
    }

    /// # Errors
    /// If the step is of no epoch that can be now, or beyond the budget.
    pub fn step(&mut self, step: &SaidStep) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        self.turn(step.epoch)?;
        if let Budget::Steps(steps) = self.trial.budget
            && self.steps >= steps
        {
            return Err(format!("it says more than {steps} steps, which is its budget"));
        }
        let course = course(&mut self.course, &self.beginning, self.trial, self.record);
        let next = course.step(Probe {
            loss: step.loss.0,
            grad_norm: SaidNumber::of(step.grad_norm),
            samples: step.samples.unwrap_or(1) as usize,
            clipped: step.clipped,
        });
        if next.locate && (step.module.is_some() || step.source.is_some()) {
            course.located_in(Origin { module: step.module.clone(), source: step.source.clone() });
        }
        if next.finished {
            self.ended = true;
            return Ok(());
        }
        self.steps += 1;
        course.updated(SaidNumber::of(step.update_norm));
        self.weight_norm = SaidNumber::of(step.weight_norm).or(self.weight_norm);
        self.lr = SaidNumber::of(step.lr).or(self.lr);
        if let Some(norm) = SaidNumber::of(step.weight_norm) {
            course.weighed(norm);
        }
        if self.epochs == Some(Epochs::Steps) {
            course.epoch_end(self.weight_norm, self.lr);
        }
        Ok(())
    }

    /// Ends the epochs that are over when a step of this one comes.
    fn turn(&mut self, epoch: Option<u64>) -> Result<(), String> {
        let most = match self.trial.budget {
            Budget::Epochs(epochs) => Some(epochs),
            Budget::Steps(_) => None,
        };
        match (self.epochs, epoch) {
            (_, Some(epoch)) if most.is_some_and(|most| epoch >= most) => {
                return Err(format!(
                    "it says epoch {epoch}, but epochs count from 0 and its budget is {}",
                    most.unwrap_or(0)
                ));
            }
            (None, None) => self.epochs = Some(Epochs::Steps),
            (Some(Epochs::Steps), None) => {}
            (None, Some(0)) => self.epochs = Some(Epochs::Said(0)),
            (None, Some(epoch)) => return Err(format!("its first step is of epoch {epoch}: epochs count from 0")),
            (Some(Epochs::Said(now)), Some(epoch)) if epoch == now => {}
            (Some(Epochs::Said(now)), Some(epoch)) if epoch == now + 1 => {
                if let Some(course) = &mut self.course {
                    course.epoch_end(self.weight_norm, self.lr);
                }
                self.epochs = Some(Epochs::Said(epoch));
            }
            (Some(Epochs::Said(now)), Some(epoch)) => return Err(format!("it says epoch {epoch} after epoch {now}")),
            (Some(_), _) => return Err("some of its steps say their epoch, others do not".to_owned()),
        }
        Ok(())
    }

    /// # Errors
    /// If nothing was told that a verdict could be found by.
    pub fn done(mut self, done: SaidDone) -> Result<Finished, String> {
        let mut loss = SaidNumber::of(done.loss);
        if self.steps == 0 && !self.ended {
            loss = loss.or(self.beginning.loss_initial);
            if loss.is_none() {
                return Err("it is done without a step".to_owned());
            }
        }
        let mut course = match self.course.take() {
            Some(course) => course,
            None => Course::new(self.beginning.clone(), self.trial.loss_ratio, None, self.record.clone()),
        };
        if self.ended {
            loss = Some(f64::NAN);
        } else if matches!(self.epochs, Some(Epochs::Said(_))) {
            course.epoch_end(self.weight_norm, self.lr);
        }
        Ok(course.finish(loss, None))
    }
}

/// The course, made when the first step comes.
fn course<'a>(course: &'a mut Option<Course>, beginning: &Beginning, trial: &Trial, record: &Record) -> &'a mut Course {
    course.get_or_insert_with(|| Course::new(beginning.clone(), trial.loss_ratio, None, record.clone()))
}
