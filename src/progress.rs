//! How far a sweep is, on stderr. A terminal shows a bar. Elsewhere there is a line at the start,
//! one now and then, and one at the end.

use crate::json::event::{EndEvent, Event, ProgressEvent, StartEvent};
use crate::stderr;
use blowup_core::plan::Plan;
use blowup_core::record::{Counts, Verdict};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// When the first line comes after the start, where stderr is no terminal. `pause` says when the
/// others follow. Some systems that run jobs end a job that is silent for some minutes.
const FIRST: Duration = Duration::from_secs(10);

/// The progress of a sweep.
pub struct Progress {
    how: ProgressMode,
    started: Instant,
    /// What is counted: `trial` or `pixel`.
    what: &'static str,
    trials: u64,
    counts: Counts,
    /// What stands beside the counts.
    note: String,
    /// The seconds on one core that are predicted for all trials.
    work: f64,
    /// The seconds on one core that were predicted for the trials that are done.
    work_done: f64,
    /// The seconds that are predicted for the whole sweep on its workers.
    predicted: f64,
    /// When the bar or the next line is due, counted from the start.
    next: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProgressMode {
    Bar,
    Lines,
    Quiet,
}

impl Progress {
    /// Starts to show the training of this many trials, which are called `what`. `work` has the
    /// seconds that are predicted for it on one core, and on all workers. With `quiet` it shows
    /// nothing.
    pub fn start(what: &'static str, trials: u64, (work, predicted): (f64, f64), quiet: bool) -> Progress {
        let is_terminal = std::io::stderr().is_terminal() && !stderr::is_for_programs();
        let how = match (quiet, is_terminal) {
            (true, _) => ProgressMode::Quiet,
            (false, true) => ProgressMode::Bar,
            (false, false) => ProgressMode::Lines,
        };
        let bar = if how == ProgressMode::Bar { ProgressBar::new(trials) } else { ProgressBar::hidden() };
        if how == ProgressMode::Bar {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}").expect("a valid template");
            bar.set_style(style);
        }
        // If no thread can be started, this thread writes.
        let _ = stderr::detach(bar);
        let next = if how == ProgressMode::Bar { Duration::ZERO } else { FIRST };
        Progress {
            how,
            started: Instant::now(),
            what,
            trials,
            counts: Counts::default(),
            note: String::new(),
            work,
            work_done: 0.0,
            predicted,
            next,
        }
    }

    /// Writes a line, on a terminal above the bar.
    pub fn say(&self, line: &str) {
        if self.how != ProgressMode::Quiet {
            to_stderr(line);
        }
    }

    /// Tells what the sweep begins with.
    pub fn begin(&self, text: &str, event: StartEvent) {
        if self.how != ProgressMode::Quiet {
            stderr::tell(text, &Event::Start(event));
        }
    }

    /// Sets what stands beside the counts from now on.
    pub fn note(&mut self, note: String) {
        self.note = note;
    }

    fn noted(&self) -> String {
        if self.note.is_empty() { String::new() } else { format!("; {}", self.note) }
    }

    /// Adds trials of which nobody knew at the start, with the chunks that train them.
    pub fn add(&mut self, trials: u64, plan: &Plan) {
        self.trials += trials;
        self.work += plan.seconds();
        stderr::lengthen(self.trials);
    }

    /// Counts a trial that is done. `seconds` is what was predicted for it on one core.
    pub fn done(&mut self, verdict: Verdict, seconds: f64) {
        self.counts.add(verdict);
        self.work_done += seconds;
    }

    /// Counts a trial that need not be trained.
    pub fn skip(&mut self, seconds: f64) {
        self.counts.trials += 1;
        self.work_done += seconds;
    }

    /// Updates the bar, or writes a line, if one is due. The pool calls this several times a
    /// second.
    pub fn tick(&mut self) {
        let passed = self.started.elapsed();
        if passed < self.next {
            return;
        }
        match self.how {
            ProgressMode::Bar => {
                self.next = passed + Duration::from_millis(100);
                let left = self.left().text();
                stderr::show(self.counts.trials, format!("{}{left}{}", counts(&self.counts), self.noted()));
            }
            ProgressMode::Lines => {
                self.next = passed + pause(passed);
                let Progress { counts: all, trials, what, .. } = &*self;
                let seconds = passed.as_secs();
                let (left, noted) = (self.left(), self.noted());
                let (said, left_told) = (counts(all), left.text());
                let text = format!("{}/{trials} {what}s after {seconds} s: {said}{left_told}{noted}", all.trials);
                let (trials, done, seconds, seconds_left) = (*trials, *all, passed.as_secs_f64(), left.seconds);
                stderr::tell(&text, &Event::Progress(ProgressEvent { trials, done, seconds, seconds_left }));
            }
            ProgressMode::Quiet => {}
        }
    }

    /// Removes the bar, and writes the last line where there is none.
    pub fn finish(&self, interrupted: bool) {
        stderr::clear();
        if self.how == ProgressMode::Lines {
            let end = if interrupted { "interrupted after" } else { "done in" };
            let seconds = self.started.elapsed().as_secs_f64();
            let Progress { counts: all, trials, what, .. } = self;
            let noted = self.noted();
            let text = format!("{}/{trials} {what}s {end} {seconds:.1} s: {}{noted}", all.trials, counts(all));
            stderr::tell(&text, &Event::End(EndEvent { trials: *trials, done: *all, seconds, interrupted }));
        }
    }

    /// How much time is left, judged by the predicted work: the chunks that train first are the
    /// longest, so a count of trials would mislead.
    fn left(&self) -> Left {
        let passed = self.started.elapsed().as_secs_f64();
        let (left, word) = match self.work_done {
            0.0 => ((self.predicted - passed).max(0.0), "predicted"),
            done => (passed * (self.work / done - 1.0).max(0.0), "left"),
        };
        Left { seconds: left.min(1e9), word }
    }
}

/// The time that is left, and whether that was predicted or follows from what was done.
struct Left {
    seconds: f64,
    word: &'static str,
}

impl Left {
    fn text(&self) -> String {
        format!(", {} {}", HumanDuration(Duration::from_secs_f64(self.seconds)), self.word)
    }
}

/// The pause between two lines.
fn pause(passed: Duration) -> Duration {
    Duration::from_secs(if passed.as_secs() < 600 { 30 } else { 60 })
}

/// Writes a line to stderr. While a sweep runs this does not wait for whoever reads it.
pub fn to_stderr(line: &str) {
    stderr::note(line);
}

/// The counts that are not 0, as in `3 converged, 1 lost`.
pub fn counts(counts: &Counts) -> String {
    let all = [
        (counts.converged, "converged"),
        (counts.stalled, "stalled"),
        (counts.unsettled, "unsettled"),
        (counts.untrained, "untrained"),
        (counts.ruined, "ruined"),
        (counts.relapsed, "relapsed"),
        (counts.diverged, "diverged"),
        (counts.nonfinite, "nonfinite"),
        (counts.lost, "lost"),
    ];
    let some: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}")).collect();
    if some.is_empty() { "nothing yet".to_owned() } else { some.join(", ") }
}

/// `head: rest`, in one line if that has at most 80 columns. Otherwise the rest follows below the
/// head, broken between its words.
pub fn folded(head: &str, rest: &str) -> String {
    const WIDTH: usize = 80;
    let mut text = format!("{head}: {rest}");
    if text.chars().count() <= WIDTH {
        return text + "\n";
    }
    (text, _) = rest.split(' ').fold((format!("{head}:"), WIDTH), |(mut text, used), word| {
        let length = word.chars().count();
        let fits = used + 1 + length <= WIDTH;
        text.push_str(if fits { " " } else { "\n  " });
        text.push_str(word);
        (text, if fits { used + 1 + length } else { 2 + length })
    });
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::{FIRST, pause};
    use std::time::Duration;

    /// Systems that run jobs end a job that is silent for some minutes.
    #[test]
    fn there_is_a_line_at_least_every_minute_and_not_many_more() {
        let (mut at, hour) = (FIRST, Duration::from_secs(3600));
        let mut lines = 0;
        while at < hour {
            assert!(pause(at) <= Duration::from_secs(60));
            at += pause(at);
            lines += 1;
        }
        assert!(FIRST <= Duration::from_secs(60) && (60..=80).contains(&lines), "{lines}");
    }
}
