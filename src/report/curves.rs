//! The loss and the gradient norm of single trials, from `epochs.csv`, for as many trials as a page
//! can hold. The trials are chosen before the file is read: the first seed of every configuration,
//! then the second, and so on.

use super::columns::{TypedArray, floats, integers};
use crate::figures::table::TrialTable;
use blowup_core::record::{self, SIDES};
use blowup_core::trial::TrialId;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, BufRead};

/// How many points all curves of a page have together, at most.
const MOST_POINTS: usize = 240_000;
/// How many points one curve has, about.
const MOST_OF_ONE: u64 = 100;

/// The curves of a page. The points of curve `i` are `starts[i]..starts[i + 1]`.
#[derive(Debug, Serialize)]
pub struct Curves {
    /// The row of the trial of each curve.
    rows: TypedArray,
    starts: TypedArray,
    epoch: TypedArray,
    loss: TypedArray,
    gradient: TypedArray,
    /// Whether a curve lacks some of its epochs, since it has many.
    thinned: bool,
}

/// A curve that is to be read.
struct Wanted {
    row: u32,
    /// The curve has a point at every multiple of this number of epochs.
    every: u64,
    /// It also has a point at these two epochs: the last one, and the first that diverged.
    also: [u64; 2],
    /// The epoch, the loss and the largest gradient norm of each point.
    points: Vec<(u64, f64, f64)>,
}

/// The curves that fit into a page. `configurations` has the configuration of each row. `reader`
/// reads `epochs.csv`, of which damaged rows are skipped. None if the file has other columns than
/// it should have.
pub fn curves(table: &TrialTable, configurations: &[u32], reader: impl BufRead) -> io::Result<Option<Curves>> {
    let mut wanted = choose(table, configurations);
    if !fill(&mut wanted, table, reader)? {
        return Ok(None);
    }
    wanted.retain(|curve| !curve.points.is_empty());
    let mut starts = vec![0];
    for curve in &wanted {
        starts.push(starts.last().expect("it begins with one") + curve.points.len() as u32);
    }
    let points = || wanted.iter().flat_map(|curve| &curve.points);
    Ok(Some(Curves {
        rows: integers(wanted.iter().map(|curve| curve.row)),
        starts: integers(starts.iter().copied()),
        epoch: integers(points().map(|point| point.0 as u32)),
        loss: floats(points().map(|point| point.1)),
        gradient: floats(points().map(|point| point.2)),
        thinned: wanted.iter().any(|curve| curve.every > 1),
    }))
}

/// Chooses the trials that have a curve.
fn choose(table: &TrialTable, configurations: &[u32]) -> Vec<Wanted> {
    let trained = table.measure("epochs_run");
    let mut seen: HashMap<u32, u32> = HashMap::new();
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for (row, configuration) in configurations.iter().enumerate() {
        if trained[row].is_some() {
            let nth = seen.entry(*configuration).or_default();
            rows.push((*nth, row as u32));
            *nth += 1;
        }
    }
    rows.sort_unstable();
    let mut left = MOST_POINTS;
    let mut wanted = Vec::new();
    for (_, row) in rows {
        let last = trained[row as usize].unwrap_or_default() as u64;
        let every = (last + 1).div_ceil(MOST_OF_ONE);
        let points = (last / every) as usize + 3;
        if points > left {
            break;
        }
        left -= points;
        let crossing =
            table.epochs_of(crate::figures::table::SurvivalEvent::Diverged)[row as usize].map_or(last, u64::from);
        wanted.push(Wanted { row, every, also: [last, crossing], points: Vec::new() });
    }
    wanted.sort_unstable_by_key(|curve| curve.row);
    wanted
}

/// Reads the points of the curves. Returns whether the file has the columns that it should have.
fn fill(wanted: &mut [Wanted], table: &TrialTable, mut reader: impl BufRead) -> io::Result<bool> {
    let at: HashMap<TrialId, usize> =
        wanted.iter().enumerate().map(|(i, curve)| (table.trials[curve.row as usize], i)).collect();
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if line != record::line(SIDES[0].columns) {
        return Ok(false);
    }
    let columns = ["epoch", "loss", "grad_norm_max"].map(|name| SIDES[0].column(name));
    // The rows of a trial are neighbours.
    let (mut last, mut curve) = (None, None);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 || !line.ends_with(b"\n") {
            return Ok(true);
        }
        let trial = record::row_id(&line);
        if trial != last {
            (last, curve) = (trial, trial.and_then(|trial| at.get(&trial).copied()));
        }
        let Some(point) = curve.and_then(|_| point(&line, columns)) else { continue };
        let curve = &mut wanted[curve.expect("it was just there")];
        if point.0 % curve.every == 0 || curve.also.contains(&point.0) {
            curve.points.push(point);
        }
    }
}

/// The epoch, the loss and the largest gradient norm of a row, which stand in these columns.
fn point(line: &[u8], columns: [usize; 3]) -> Option<(u64, f64, f64)> {
    let line = std::str::from_utf8(line).ok()?;
    let [epoch, loss, gradient] = columns.map(|column| line.trim_end().split(',').nth(column));
    Some((epoch?.parse().ok()?, loss?.parse().ok()?, gradient?.parse().unwrap_or(f64::NAN)))
}
