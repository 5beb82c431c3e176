//! Makes a verdict from the messages of a program. Columns of what a program does not tell stay
//! empty.

use super::line::{DoneMessage, MessageNumber, StartMessage, StepMessage};
use blowup_core::failure::printable;
use blowup_core::trial::{Budget, Trial};
use blowup_core::verdict::{Aftermath, Beginning, Course, Finished, Origin, Probe, Record, Terms};

/// The messages about one trial so far.
pub struct TrialMessages<'a> {
    trial: &'a Trial,
    record: &'a Record,
    beginning: Beginning,
    course: Option<Course>,
    /// Whether the messages name the epoch of each step. None before the first step.
    epochs: Option<Epochs>,
    steps: u64,
    /// The norm of the weights after the last step.
    weight_norm: Option<f64>,
    lr: Option<f64>,
    /// Whether a NaN loss has made the verdict final. Later messages change nothing.
    ended: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Epochs {
    /// They name it. This is the epoch of the last step, counted from 0.
    Said(u64),
    /// They do not. Each step is an epoch of its own.
    Steps,
}

impl<'a> TrialMessages<'a> {
    pub fn new(trial: &'a Trial, record: &'a Record) -> TrialMessages<'a> {
        TrialMessages {
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

    /// Takes the message before the first step.
    ///
    /// # Errors
    /// If a step came before it.
    pub fn start(&mut self, start: StartMessage) -> Result<(), String> {
        if self.course.is_some() || self.beginning != Beginning::default() {
            return Err("it says `start` after the trial began".to_owned());
        }
        self.beginning = Beginning {
            loss_initial: MessageNumber::of(start.loss),
            loss_trivial: MessageNumber::of(start.loss_trivial),
            weight_norm: MessageNumber::of(start.weight_norm),
            ..Beginning::default()
        };
        Ok(())
    }

    /// Whether a NaN loss made the verdict final.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes the message of a step.
    ///
    /// # Errors
    /// If its epoch does not follow the one before, or it is beyond the budget.
    pub fn step(&mut self, step: &StepMessage) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        if step.samples == Some(0) {
            return Err("it says a step of 0 samples".to_owned());
        }
        self.turn(step.epoch)?;
        if let Budget::Steps(steps) = self.trial.budget
            && self.steps >= steps
        {
            return Err(format!("it says more than {steps} steps, which is its budget"));
        }
        let terms = self.terms();
        let course = self.course.get_or_insert_with(|| Course::new(self.beginning.clone(), terms, self.record.clone()));
        let next = course.step(Probe {
            loss: step.loss.0,
            grad_norm: MessageNumber::of(step.grad_norm),
            samples: step.samples.unwrap_or(1) as usize,
            clipped: step.clipped,
            coefficient: None,
            skipped: None,
            loss_scale: None,
            overflowed: None,
            underflow: None,
        });
        if next.locate && (step.module.is_some() || step.source.is_some()) {
            course.located_in(Origin {
                operator: None,
                module: plain(&step.module),
                source: plain(&step.source),
                sample: None,
            });
        }
        if next.finished {
            self.ended = true;
            return Ok(());
        }
        self.steps += 1;
        course.updated(MessageNumber::of(step.update_norm), None);
        self.weight_norm = MessageNumber::of(step.weight_norm).or(self.weight_norm);
        self.lr = MessageNumber::of(step.lr).or(self.lr);
        if let Some(norm) = MessageNumber::of(step.weight_norm) {
            course.weighed(norm);
        }
        if self.epochs == Some(Epochs::Steps) {
            course.epoch_end(self.weight_norm, self.lr);
        }
        Ok(())
    }

    /// The terms of the trial. What its learning rate means is the program's own business, and so
    /// is the data of a step that is an epoch of its own.
    fn terms(&self) -> Terms {
        let same_data = self.epochs != Some(Epochs::Steps);
        Terms { loss_ratio: self.trial.loss_ratio, lr: None, is_idle: false, same_data }
    }

    /// Ends the epoch before, if the next step is of another one.
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

    /// Takes the last message, and returns the verdict.
    ///
    /// # Errors
    /// If there was neither a step nor a loss.
    pub fn done(mut self, done: DoneMessage) -> Result<Finished, String> {
        let mut loss = MessageNumber::of(done.loss);
        if self.steps == 0 && !self.ended {
            let untrained = matches!(self.trial.budget, Budget::Epochs(0) | Budget::Steps(0));
            loss = loss.or(self.beginning.loss_initial);
            if !untrained || loss.is_none() {
                return Err("it is done without a step".to_owned());
            }
        }
        let mut course = match self.course.take() {
            Some(course) => course,
            None => Course::new(self.beginning.clone(), self.terms(), self.record.clone()),
        };
        if self.ended {
            loss = Some(f64::NAN);
        } else if matches!(self.epochs, Some(Epochs::Said(_))) {
            course.epoch_end(self.weight_norm, self.lr);
        }
        Ok(course.finish(loss, Aftermath::default()))
    }
}

/// The most characters of a module or a line of code.
const LONGEST: usize = 300;

/// A text of the program as a plain line, which it becomes in the results.
fn plain(text: &Option<String>) -> Option<String> {
    let line: String = printable(text.as_deref()?).split_whitespace().collect::<Vec<_>>().join(" ");
    Some(line.chars().take(LONGEST).collect()).filter(|line: &String| !line.is_empty())
}
