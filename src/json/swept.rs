//! How a sweep ended, or what a merge wrote.

use super::{Cells, Number};
use blowup_core::edge::follow::Line;
use blowup_core::plan::Shard;
use blowup_core::record::Counts;
use blowup_core::spec::Spec;
use blowup_core::store::Status;
use blowup_core::summary::Interval;
use serde::Serialize;
use std::path::Path;

#[derive(Debug, Serialize)]
pub struct SweptDocument {
    pub name: String,
    /// The folder of the results.
    pub out: String,
    pub status: Status,
    pub shard: Option<Shard>,
    /// The trials of the grid, or of the shard, by their verdicts.
    pub counts: Counts,
    /// The share of failed trials among those with a verdict, with its 95% interval by seeds. It is
    /// null if no trial has a verdict, or if the sweep was interrupted.
    pub failure_rate: Option<Rate>,
    pub edges: Vec<EdgeLine>,
    /// The names of the files in the folder.
    pub files: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub struct Rate {
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

/// A line of an edge, as a row of edges.csv.
#[derive(Debug, Serialize)]
pub struct EdgeLine {
    pub edge: String,
    pub over: &'static str,
    pub by: Cells,
    /// It is null while the line waits for trials.
    pub answer: Option<EdgeAnswer>,
    pub trials: u64,
    pub waiting: u64,
}

#[derive(Debug, Serialize)]
pub struct EdgeAnswer {
    pub safe_up_to: Number,
    pub dead_from: Number,
    pub reentrant: bool,
    pub shares: Vec<Share>,
}

/// Where the rate of the event crosses a share.
#[derive(Debug, Serialize)]
pub struct Share {
    pub share: f64,
    pub low: Number,
    pub high: Number,
    pub ci_low: Option<Number>,
    pub ci_high: Option<Number>,
}

impl SweptDocument {
    /// The document of a sweep in the folder `out`, whose edges came to `lines`.
    pub fn new(
        spec: &Spec,
        out: &Path,
        (status, shard, counts): (Status, Option<Shard>, Counts),
        failed: Option<Interval>,
        lines: &[Line],
        files: Vec<&'static str>,
    ) -> SweptDocument {
        SweptDocument {
            name: spec.name.clone(),
            out: out.display().to_string(),
            status,
            shard,
            counts,
            failure_rate: failed.map(|Interval { rate, low, high }| Rate { rate, low, high }),
            edges: lines.iter().map(|line| edge_line(spec, line)).collect(),
            files,
        }
    }
}

fn edge_line(spec: &Spec, line: &Line) -> EdgeLine {
    let (edge, trial) = (&spec.edges[line.edge], line.trial(spec));
    let answer = line.answer(spec).map(|answer| EdgeAnswer {
        safe_up_to: Number(answer.safe_up_to),
        dead_from: Number(answer.dead_from),
        reentrant: answer.reentrant,
        shares: edge
            .shares
            .iter()
            .zip(&answer.brackets)
            .map(|(share, bracket)| Share {
                share: *share,
                low: Number(bracket.low),
                high: Number(bracket.high),
                ci_low: bracket.interval.map(|(low, _)| Number(low)),
                ci_high: bracket.interval.map(|(_, high)| Number(high)),
            })
            .collect(),
    });
    EdgeLine {
        edge: edge.name.clone(),
        over: edge.over.name,
        by: Cells(edge.by.iter().map(|column| (column.name(), column.text(&trial))).collect()),
        answer,
        trials: line.answered,
        waiting: line.waiting(),
    }
}
