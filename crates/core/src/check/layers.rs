//! The cells of `layers.csv` that metrics read, by the place of their trial in the grid, and then
//! by layer and time step.

use super::roster::{Dimensions, Roster};
use super::sheet::{Header, SheetRow};
use crate::failure::Failure;
use crate::spec::Spec;
use crate::spec::metric::LayerTerm;
use std::io::BufRead;
use std::path::Path;

/// The cells of everything that metrics read of `layers.csv`.
#[derive(Default)]
pub struct LayerCells {
    all: Vec<LayerColumn>,
}

/// The cells of one thing that a metric reads.
struct LayerColumn {
    layers: LayerTerm,
    /// For each place, whether the trial belongs to an expectation that reads these cells.
    wanted: Vec<bool>,
    /// For each place, whether the trial is wanted and has a row of the epoch.
    recorded: Vec<bool>,
    /// For each place, where the cells of the trial begin in `values`.
    starts: Vec<usize>,
    values: Vec<Option<f64>>,
    /// Whether there were rows of these layers that have a time step, which was not asked for.
    timed: bool,
}

/// The most cells, of all layers of all trials, that one check keeps. They take 2 GiB.
const MOST: usize = 1 << 27;

impl LayerCells {
    /// Finds what the spec's expectations read. Nothing has a value yet.
    ///
    /// # Errors
    /// If it is more than fits into memory.
    pub fn wanted(spec: &Spec, roster: &Roster) -> Result<LayerCells, Failure> {
        let mut all: Vec<LayerColumn> = Vec::new();
        for (expect, groups) in spec.expects.iter().zip(&roster.expects) {
            for layers in expect.metric.layers() {
                let at = all.iter().position(|cells| cells.layers == *layers).unwrap_or(all.len());
                if at == all.len() {
                    let wanted = vec![false; roster.ids.len()];
                    let recorded = wanted.clone();
                    all.push(LayerColumn {
                        layers: *layers,
                        wanted,
                        recorded,
                        starts: Vec::new(),
                        values: Vec::new(),
                        timed: false,
                    });
                }
                groups.iter().flat_map(|group| &group.places).for_each(|place| all[at].wanted[*place as usize] = true);
            }
        }
        let mut left = MOST;
        for cells in &mut all {
            let mut end = 0;
            for (wanted, shape) in cells.wanted.iter().zip(&roster.shapes) {
                cells.starts.push(end);
                end += if *wanted { area(cells.layers, *shape) } else { 0 };
            }
            left = left.checked_sub(end).ok_or_else(|| {
                Failure::new("the metrics read more than a hundred million cells of layers.csv")
                    .hint("narrow them with `where`, fewer layers or fewer time steps")
            })?;
            cells.values = vec![None; end];
        }
        Ok(LayerCells { all })
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Reads a whole file. `path` is its name in messages.
    ///
    /// # Errors
    /// The first row that is damaged, that has a cell without a number where one belongs, or that
    /// repeats another row; the error names its line.
    pub fn read(&mut self, path: &Path, mut reader: impl BufRead, roster: &Roster) -> Result<(), Failure> {
        let header = Header::read(path, &mut reader)?;
        let key = [header.column("epoch")?, header.column("layer")?, header.column("time")?];
        let numeric = header.columns(|name| LayerTerm::columns().any(|column| column == name));
        let columns = self.all.iter().map(|cells| header.column(cells.layers.column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        header.rows(path, reader, &mut |row| {
            for column in &numeric {
                header.number(&row, *column)?;
            }
            let [epoch, layer, time] = key.map(|column| whole(&header, &row, column));
            let (Some(epoch), Some(layer), time) = (epoch?, layer?, time?) else {
                let empty = if row.cell(key[0]).is_empty() { key[0] } else { key[1] };
                return Err(header.wrong_cell(&row, empty, "not a whole number"));
            };
            let Some(place) = roster.place(row.trial) else {
                return Ok(());
            };
            for (cells, column) in self.all.iter_mut().zip(&columns) {
                if let Some(cell) = cells.cell(place as usize, roster, epoch, layer, time) {
                    if cell.is_some() {
                        return Err(header.wrong_cell(
                            &row,
                            key[1],
                            "a layer that stood before, with the same epoch and time",
                        ));
                    }
                    *cell = header.number(&row, *column)?;
                }
            }
            Ok(())
        })
    }

    /// What was read for `layers`.
    ///
    /// # Panics
    /// If no expectation of the spec reads it.
    fn of(&self, layers: LayerTerm) -> &LayerColumn {
        self.all.iter().find(|cells| cells.layers == layers).expect("cells that were asked for")
    }

    /// The cell at a position within the ranges of `layers`, counted from 0. A single layer or time
    /// step stands at every position.
    pub fn value(&self, layers: LayerTerm, place: u32, shape: Dimensions, position: (usize, usize)) -> Option<f64> {
        let cells = self.of(layers);
        let layer = if layers.layers.is_single() { 0 } else { position.0 };
        let time = if layers.times.is_none_or(|times| times.is_single()) { 0 } else { position.1 };
        cells.values[cells.starts[place as usize] + layer * times(layers, shape) + time]
    }

    /// Whether there are rows of the trial at the epoch that is read.
    pub fn has(&self, layers: LayerTerm, place: u32) -> bool {
        self.of(layers).recorded[place as usize]
    }

    /// Whether a metric missed rows only because it names no time step.
    pub fn lacks_time(&self, layers: LayerTerm) -> bool {
        self.of(layers).timed
    }
}

impl LayerColumn {
    fn cell(
        &mut self,
        place: usize,
        roster: &Roster,
        epoch: u64,
        layer: u64,
        time: Option<u64>,
    ) -> Option<&mut Option<f64>> {
        let (layers, shape) = (self.layers, roster.shapes[place]);
        if !self.wanted[place] || epoch != layers.epoch {
            return None;
        }
        self.recorded[place] = true;
        let within = |first: i64, count: usize, number: u64| {
            usize::try_from(number as i64 - first).ok().filter(|offset| *offset < count)
        };
        let (first, count) = layers.layers.of(shape.depth);
        let layer = within(first, count, layer)?;
        let time = match (layers.times, time) {
            (None, None) => 0,
            (Some(reach), Some(time)) => {
                let (first, count) = reach.of(shape.steps);
                within(first, count, time)?
            }
            (None, Some(_)) => {
                self.timed = true;
                return None;
            }
            (Some(_), None) => return None,
        };
        Some(&mut self.values[self.starts[place] + layer * times(layers, shape) + time])
    }
}

/// The number of time steps of a trial that are read.
fn times(layers: LayerTerm, shape: Dimensions) -> usize {
    layers.times.map_or(1, |reach| reach.of(shape.steps).1)
}

/// The number of cells of a trial that are read.
fn area(layers: LayerTerm, shape: Dimensions) -> usize {
    layers.layers.of(shape.depth).1.saturating_mul(times(layers, shape))
}

/// The numbers of layers and time steps over which a formula goes in one trial: those of the
/// longest range that it reads. Without layers both are 1.
pub fn extent(all: &[LayerTerm], shape: Dimensions) -> (usize, usize) {
    let of = |lengths: &mut dyn Iterator<Item = usize>| lengths.reduce(|a, b| if a == 1 { b } else { a }).unwrap_or(1);
    let layers = of(&mut all.iter().map(|layers| layers.layers.of(shape.depth).1));
    (layers, of(&mut all.iter().map(|layers| times(*layers, shape))))
}

/// The whole number in a cell; `None` if the cell is empty.
fn whole(header: &Header, row: &SheetRow<'_>, column: usize) -> Result<Option<u64>, Failure> {
    let cell = row.cell(column);
    let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<u32>().ok());
    match number {
        Some(number) => Ok(Some(number.into())),
        None if cell.is_empty() => Ok(None),
        None => Err(header.wrong_cell(row, column, "not a whole number")),
    }
}
