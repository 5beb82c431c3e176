//! Pictures of single trials from `epochs.csv`: the loss and the gradient norm over the epochs,
//! with marks where updates were clipped and where a value was not finite for the first time.

use super::palette::NAMED;
use super::panel::{AxisRange, Form, LegendEntry, Line, Panel, Scale, dashed, solid};
use super::picture::Stroke;
use super::plan::levels;
use super::table::{Factor, TrialTable};
use super::words;
use blowup_core::check::sheet::Header;
use blowup_core::failure::Failure;
use blowup_core::trial::TrialId;
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

/// How many panels a figure has at most.
pub const MOST: usize = 12;

/// What one row of `epochs.csv` says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Epoch {
    epoch: f64,
    loss: Option<f64>,
    grad_norm: Option<f64>,
    /// The share of the updates of this epoch that were clipped, from 0 to 1.
    clipped: f64,
}

/// What `epochs.csv` says of the chosen trials.
pub struct Courses {
    of: HashMap<TrialId, Vec<Epoch>>,
}

/// Chooses the trials to show. If there are few configurations, it is the first trial with a
/// verdict of each. Otherwise it is the first trial of each pair of an outcome and a clip
/// threshold.
pub fn chosen(table: &TrialTable, varying: &[&Factor], rows: &[u32]) -> Vec<u32> {
    let pick = |key: &dyn Fn(u32) -> Vec<u32>| {
        let mut seen = std::collections::HashSet::new();
        let done = rows.iter().copied().filter(|row| table.verdicts[*row as usize].outcome().is_some());
        done.filter(|row| seen.insert(key(*row))).collect::<Vec<u32>>()
    };
    let configurations = pick(&|row| varying.iter().map(|factor| factor.code(row)).collect());
    if configurations.len() <= MOST + 1 {
        return configurations;
    }
    let clip = table.factor("clip").filter(|clip| levels(clip, rows).len() <= 3);
    let outcome = |row: u32| table.verdicts[row as usize].outcome().map_or(0, |outcome| outcome as u32);
    let mut some = pick(&|row| vec![outcome(row), clip.map_or(0, |clip| clip.code(row))]);
    some.sort_by_key(|row| (outcome(*row), clip.map_or(0, |clip| clip.code(*row))));
    some.truncate(MOST);
    some
}

impl Courses {
    /// Reads the rows of these trials from `epochs.csv`.
    ///
    /// # Errors
    /// If a row is damaged. The message names its line.
    pub fn read(path: &Path, mut reader: impl BufRead, trials: &[TrialId]) -> Result<Courses, Failure> {
        let header = Header::read(path, &mut reader)?;
        let columns = ["epoch", "loss", "grad_norm_max", "clipped_fraction"].map(|name| header.column(name));
        let [epoch, loss, grad_norm, clipped] = columns;
        let (epoch, loss, grad_norm, clipped) = (epoch?, loss?, grad_norm?, clipped?);
        let mut of: HashMap<TrialId, Vec<Epoch>> = trials.iter().map(|trial| (*trial, Vec::new())).collect();
        header.rows(path, reader, &mut |row| {
            let Some(course) = of.get_mut(&row.trial) else { return Ok(()) };
            course.push(Epoch {
                epoch: header.number(&row, epoch)?.unwrap_or(0.0),
                loss: header.number(&row, loss)?,
                grad_norm: header.number(&row, grad_norm)?,
                clipped: header.number(&row, clipped)?.unwrap_or(0.0),
            });
            Ok(())
        })?;
        Ok(Courses { of })
    }

    /// The panel of one trial. None if nothing was recorded of it. `row` is its row in the table,
    /// and the legend names its levels of the factors `varying`.
    pub fn panel(&self, table: &TrialTable, varying: &[&Factor], row: u32) -> Option<Panel> {
        let course = self.of.get(&table.trials[row as usize]).filter(|course| !course.is_empty())?;
        let (loss, norm) = (pieces(course, |e| e.loss), pieces(course, |e| e.grad_norm));
        let values = loss.iter().chain(&norm).flatten().map(|(_, y)| *y);
        let y = AxisRange::decades(values).unwrap_or(AxisRange { low: 1.0, high: 10.0, scale: Scale::Log });
        let end = course.iter().map(|e| e.epoch).fold(1.0, f64::max);
        let drawn = |pieces: Vec<Vec<(f64, f64)>>, stroke: Stroke| {
            pieces.into_iter().map(move |points| Line { points, stroke, shape: Form::Line })
        };
        let mut lines: Vec<Line> = drawn(norm, dashed(NAMED[1])).chain(drawn(loss, solid(NAMED[0]))).collect();
        let mut legend = vec![
            LegendEntry::line("loss", solid(NAMED[0])),
            LegendEntry::line("gradient norm, largest", dashed(NAMED[1])),
        ];
        let clipped = course.iter().filter(|e| e.clipped > 0.0).map(|e| (e.epoch, y.low)).collect::<Vec<_>>();
        if !clipped.is_empty() {
            let share = course.iter().filter(|e| e.epoch > 0.0).map(|e| e.clipped).sum::<f64>() / end;
            let stroke = Stroke { width: 1.5, ..solid(NAMED[2]) };
            lines.push(Line { points: clipped, stroke, shape: Form::Ticks });
            legend.push(LegendEntry {
                text: format!("clipped: {:.0}% of updates", share * 100.0),
                stroke: Some((stroke, Form::Ticks)),
            });
        }
        let broken = course.iter().find(|e| [e.loss, e.grad_norm].iter().flatten().any(|x| !x.is_finite()));
        if let Some(epoch) = broken {
            let stroke = Stroke { width: 2.0, ..solid(NAMED[6]) };
            lines.push(Line { points: vec![(epoch.epoch, y.high)], stroke, shape: Form::Crosses });
            legend.push(LegendEntry {
                text: format!("not finite: epoch {}", epoch.epoch),
                stroke: Some((stroke, Form::Crosses)),
            });
        }
        let outcome = table.verdicts[row as usize].outcome().map_or("lost", |outcome| outcome.name());
        let names = varying.iter().map(|f| match f.name {
            "label" => words::at(f, f.code(row)),
            name => format!("{name} {}", words::at(f, f.code(row))),
        });
        legend.extend(names.map(|text| LegendEntry { text, stroke: None }));
        let title = format!("{outcome}: {}", table.trials[row as usize]);
        Some(Panel {
            title,
            x: AxisRange::linear(0.0, end),
            y,
            x_title: "epoch".to_owned(),
            y_title: "loss, gradient norm".to_owned(),
            lines,
            legend,
        })
    }
}

/// The stretches of epochs in which a value is a positive number, each a line of its own: a line
/// must not bridge epochs in which the value was not finite.
fn pieces(course: &[Epoch], of: fn(&Epoch) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let point = |e: &Epoch| of(e).filter(|y| y.is_finite() && *y > 0.0).map(|y| (e.epoch, y));
    let stretches = course.chunk_by(|a, b| point(a).is_some() == point(b).is_some());
    stretches.map(|part| part.iter().filter_map(point).collect()).filter(|part: &Vec<_>| !part.is_empty()).collect()
}
