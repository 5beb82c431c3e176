//! What a person sees while a sweep runs, on stderr: a bar on a terminal, otherwise a line at the start and one at the end. Nothing else
//! in the program depends on it.

use crate::record::Verdict;
use crate::store::Counts;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    started: Instant,
    trials: u64,
    counts: Counts,
    /// Predicted, on one core: of everything, and of what is done.
    work: f64,
    work_done: f64,
    shown: Instant,
}

impl Progress {
    /// `trials` are to run now, with `work` predicted seconds on one core.
    pub fn start(trials: u64, work: f64, quiet: bool) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal && !quiet { ProgressBar::new(trials) } else { ProgressBar::hidden() };
        if terminal && !quiet {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}").expect("a valid template");
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        let now = Instant::now();
        Progress {
            bar,
            plain: !terminal && !quiet,
            started: now,
            trials,
            counts: Counts::default(),
            work,
            work_done: 0.0,
            shown: now - Duration::from_secs(1),
        }
    }

    /// One line in the log of a batch job; on a terminal above the bar.
    pub fn say(&self, line: &str) {
        if self.plain {
            to_stderr(line);
        } else {
            self.bar.println(line);
        }
    }

    /// A trial is done.
    pub fn done(&mut self, verdict: Verdict, seconds: f64) {
        self.counts.add(verdict);
        self.work_done += seconds;
        if !self.bar.is_hidden() && (self.shown.elapsed() > Duration::from_millis(100)) {
            self.shown = Instant::now();
            self.bar.set_position(self.counts.trials);
            self.bar.set_message(format!("{}{}", counts(&self.counts), self.left()));
        }
    }

    pub fn finish(self, interrupted: bool) {
        self.bar.finish_and_clear();
        if self.plain {
            let end = if interrupted { "interrupted after" } else { "done in" };
            let seconds = self.started.elapsed().as_secs_f64();
            let Progress { counts: all, trials, .. } = &self;
            to_stderr(&format!("{}/{trials} trials {end} {seconds:.1} s: {}", all.trials, counts(all)));
        }
    }

    /// From predicted work, as the first chunks are the longest.
    fn left(&self) -> String {
        if self.work_done <= 0.0 {
            return String::new();
        }
        let left = self.started.elapsed().as_secs_f64() * (self.work / self.work_done - 1.0).max(0.0);
        format!(", {} left", HumanDuration(Duration::from_secs_f64(left.min(1e9))))
    }
}

/// A line on stderr. A reader that went away (`2>&1 | head`) must not end the sweep.
pub fn to_stderr(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `3 converged, 1 lost`; what is 0 is left out.
pub fn counts(counts: &Counts) -> String {
    let all = [
        (counts.converged, "converged"),
        (counts.stalled, "stalled"),
        (counts.unsettled, "unsettled"),
        (counts.diverged, "diverged"),
        (counts.nonfinite, "nonfinite"),
        (counts.lost, "lost"),
    ];
    let some: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}")).collect();
    if some.is_empty() { "nothing yet".to_owned() } else { some.join(", ") }
}

/// `head: rest` in one line of 80 columns, or the rest below the head, broken between its words.
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
