//! The result files in other formats, with the types of their columns: integers, floats, booleans
//! and texts. Each format keeps apart what is missing, NaN and infinite.

pub mod jsonl;
pub mod parquet;

use blowup_core::axis::{AxisSet, Kind};
use blowup_core::failure::{Failure, excerpt};
use blowup_core::record::column::{About, ColumnKind, abouts};
use blowup_core::record::{EPOCH, LAYER, STEP, abouts_of_runs};
use blowup_core::summary;
use std::io::Read;
use std::path::Path;

/// A result file, and what is known of its columns that are no axes.
pub struct Source {
    /// Its name without `.csv`.
    pub name: &'static str,
    abouts: fn() -> Vec<&'static About>,
}

/// The files that are exported, as far as a sweep has written them.
pub const SOURCES: [Source; 5] = [
    Source { name: "runs", abouts: || abouts_of_runs().collect() },
    Source { name: "summary", abouts: || abouts_of_runs().chain(summary::counted()).collect() },
    Source { name: "epochs", abouts: || abouts_of_runs().chain(abouts(&EPOCH)).collect() },
    Source { name: "layers", abouts: || abouts_of_runs().chain(abouts(&LAYER)).collect() },
    Source { name: "steps", abouts: || abouts_of_runs().chain(abouts(&STEP)).collect() },
];

impl Source {
    /// The type of a column. The file's own columns come last, so they win over those of
    /// `runs.csv`, of which a file has the trial.
    fn kind(&self, column: &str, axes: &AxisSet) -> Option<ColumnKind> {
        let own = (self.abouts)().into_iter().rev().find(|about| about.name == column).map(|about| about.kind);
        own.or_else(|| {
            axes.find(column).map(|axis| match axis.kind {
                Kind::Choice { .. } | Kind::Text => ColumnKind::Text,
                Kind::Integer { .. } => ColumnKind::Integer,
                Kind::Float { .. } => ColumnKind::Float,
                Kind::Boolean => ColumnKind::Boolean,
            })
        })
    }
}

/// A column with its name and its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    pub name: String,
    pub kind: ColumnKind,
}

/// Cells of one column; `None` where the cell is empty.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    Text(Vec<Option<String>>),
    Integer(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
}

impl Cells {
    fn of(kind: ColumnKind) -> Cells {
        match kind {
            ColumnKind::Text => Cells::Text(Vec::new()),
            ColumnKind::Integer => Cells::Integer(Vec::new()),
            ColumnKind::Float => Cells::Float(Vec::new()),
            ColumnKind::Boolean => Cells::Boolean(Vec::new()),
        }
    }

    /// Adds a cell. `None` if its text is no value of the type.
    fn push(&mut self, text: &str) -> Option<()> {
        let there = Some(text).filter(|text| !text.is_empty());
        match self {
            Cells::Text(cells) => cells.push(there.map(str::to_owned)),
            Cells::Integer(cells) => cells.push(there.map(str::parse).transpose().ok()?),
            Cells::Float(cells) => cells.push(there.map(str::parse).transpose().ok()?),
            Cells::Boolean(cells) => cells.push(there.map(str::parse).transpose().ok()?),
        }
        Some(())
    }
}

/// Rows, by columns.
pub type Batch = Vec<Cells>;

/// What writes rows in a format.
pub trait Sink {
    /// Writes the next rows.
    fn put(&mut self, batch: &Batch) -> Result<(), Failure>;
    /// Writes the end of the file, and puts it in its place.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}

/// The rows of a batch, which are in memory at once.
const BATCH: usize = 1 << 15;

/// Reads a result file and hands its rows to the sink that `open` makes for its columns. Returns
/// the number of rows.
///
/// # Errors
/// If the file is damaged, which names its line and its column, or the sink fails.
pub fn copy(
    source: &Source,
    path: &Path,
    reader: impl Read,
    axes: &AxisSet,
    open: impl FnOnce(&[Typed]) -> Result<Box<dyn Sink>, Failure>,
) -> Result<u64, Failure> {
    let wrong = |error: csv::Error| Failure::new(format!("`{}`: {error}", path.display()));
    let mut reader = csv::Reader::from_reader(reader);
    let columns = columns(source, path, reader.headers().map_err(wrong)?, axes)?;
    let mut sink = open(&columns)?;
    let empty = || -> Batch { columns.iter().map(|column| Cells::of(column.kind)).collect() };
    let (mut batch, mut rows, mut record) = (empty(), 0, csv::StringRecord::new());
    while reader.read_record(&mut record).map_err(wrong)? {
        for ((cells, text), column) in batch.iter_mut().zip(&record).zip(&columns) {
            cells.push(text).ok_or_else(|| {
                let line = record.position().map_or(0, csv::Position::line);
                let (file, name, kind) = (path.display(), &column.name, column.kind.name());
                Failure::new(format!("`{file}`: line {line}, column `{name}`: `{}` is no {kind}", excerpt(text)))
            })?;
        }
        rows += 1;
        if rows % BATCH as u64 == 0 {
            sink.put(&std::mem::replace(&mut batch, empty()))?;
        }
    }
    if rows % BATCH as u64 != 0 {
        sink.put(&batch)?;
    }
    sink.finish()?;
    Ok(rows)
}

fn columns(source: &Source, path: &Path, header: &csv::StringRecord, axes: &AxisSet) -> Result<Vec<Typed>, Failure> {
    let typed = |name: &str| {
        let kind = source.kind(name, axes).ok_or_else(|| {
            Failure::new(format!("`{}` has a column `{}` that is not known", path.display(), excerpt(name)))
                .hint("another version of blowup wrote it, or spec.toml no longer lies beside it")
        })?;
        Ok(Typed { name: name.to_owned(), kind })
    };
    header.iter().map(typed).collect()
}
