//! The coordinate check (Yang and Hu 2021, arXiv 2203.03466, appendix D): how large the activations
//! of each layer are, and how much the updates have changed them, by width. Where one learning rate
//! serves every width, both are level.

use super::cells::{DiagramCell, cells};
use super::design::distinct;
use super::palette::{PALE_INK, step};
use super::panel::{AxisRange, Form, LegendEntry, Line, Panel, Scale, dashed, solid};
use super::plan::levels;
use super::scale;
use super::table::{Factor, TrialTable};
use super::words;
use blowup_core::check::sheet::Header;
use blowup_core::failure::Failure;
use blowup_core::median::median;
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

/// The most panels of a family. Axes are pooled until there are no more.
const MOST_PANELS: usize = 9;
/// The most layers of a panel.
const MOST_LAYERS: usize = 6;

/// The size of an activation and of its change, each NaN where there is none.
type Sizes = [f64; 2];

/// What is measured of every layer: in each row of the table, for each layer from 1. Of a recurrent
/// layer it is the last time step.
pub struct Coordinates {
    of: Vec<Vec<Sizes>>,
    /// The epoch of the measurement: the first one after an update that was recorded, or else 0.
    pub epoch: u64,
}

/// The panels of a family, and the axes over which they are pooled.
pub struct Check<'a> {
    pub panels: Vec<Panel>,
    pub pooled: Vec<&'a Factor>,
}

impl Coordinates {
    /// Reads `layers.csv`.
    ///
    /// # Errors
    /// If a row is damaged. The message names its line.
    pub fn read(path: &Path, mut reader: impl BufRead, table: &TrialTable) -> Result<Coordinates, Failure> {
        let header = Header::read(path, &mut reader)?;
        let [epoch, layer] = ["epoch", "layer"].map(|name| header.column(name));
        let [size, change] = ["activation_rms", "activation_change"].map(|name| header.column(name));
        let (epoch, layer, size, change) = (epoch?, layer?, size?, change?);
        let rows: HashMap<_, _> = table.trials.iter().zip(0..).map(|(trial, row)| (*trial, row as usize)).collect();
        let mut coordinates = Coordinates { of: vec![Vec::new(); rows.len()], epoch: 0 };
        header.rows(path, reader, &mut |row| {
            let whole = |column: usize| match header.number(&row, column)? {
                Some(x) if x >= 0.0 && x.fract() == 0.0 => Ok(x as u64),
                Some(_) | None => Err(header.wrong_cell(&row, column, "not a whole number")),
            };
            let (at, layer) = (whole(epoch)?, whole(layer)? as usize);
            let [size, change] = [size, change].map(|column| header.number(&row, column));
            let sizes = [size?, change?].map(|size| size.unwrap_or(f64::NAN));
            let Some(of) = rows.get(&row.trial) else { return Ok(()) };
            if at > 0 && (coordinates.epoch == 0 || at < coordinates.epoch) {
                coordinates.epoch = at;
                coordinates.of.iter_mut().for_each(Vec::clear);
            }
            if at == coordinates.epoch && (1..=1_000_000).contains(&layer) {
                let of = &mut coordinates.of[*of];
                of.resize(of.len().max(layer), [f64::NAN; 2]);
                of[layer - 1] = sizes;
            }
            Ok(())
        })?;
        Ok(coordinates)
    }

    /// The median over the rows of the size (0) or the change (1) of a layer, among those that are
    /// finite and not 0.
    fn median(&self, rows: &[u32], layer: usize, which: usize) -> Option<f64> {
        let sizes = rows.iter().filter_map(|row| self.of[*row as usize].get(layer - 1));
        let mut sizes: Vec<f64> = sizes.map(|sizes| sizes[which]).filter(|x| x.is_finite() && *x > 0.0).collect();
        median(&mut sizes)
    }

    /// The panels of a family: one for each combination of levels of the factors beside the width.
    /// There are none where no combination has two widths.
    pub fn check<'a>(&self, table: &TrialTable, varying: &[&'a Factor], rows: &[u32]) -> Check<'a> {
        let rows: Vec<u32> = rows.iter().copied().filter(|row| !self.of[*row as usize].is_empty()).collect();
        let mut pooled = Vec::new();
        let Some(width) = varying.iter().copied().find(|factor| factor.name == "width") else {
            return Check { panels: Vec::new(), pooled };
        };
        let mut others: Vec<&Factor> = varying.iter().copied().filter(|factor| factor.name != "width").collect();
        others.sort_by_key(|factor| (factor.name != "parametrization", levels(factor, &rows).len()));
        while distinct(&others, &rows) > MOST_PANELS {
            pooled.extend(others.pop());
        }
        let panel = |cell: &DiagramCell| {
            let names = others.iter().zip(&cell.levels);
            let names = names.map(|(factor, code)| format!("{} = {}", factor.name, words::at(factor, *code)));
            self.panel(width, names.collect::<Vec<_>>().join(", "), &cell.rows)
        };
        let panels = cells(table, &rows, &others).iter().filter_map(panel).collect();
        Check { panels, pooled }
    }

    /// One panel. None if there are no two widths.
    fn panel(&self, width: &Factor, title: String, rows: &[u32]) -> Option<Panel> {
        let by_width = |code: u32| -> Option<(f64, Vec<u32>)> {
            let rows = rows.iter().copied().filter(|row| width.code(*row) == code).collect();
            Some((width.levels[code as usize].number?, rows))
        };
        let widths: Vec<(f64, Vec<u32>)> = levels(width, rows).into_iter().filter_map(by_width).collect();
        if widths.len() < 2 {
            return None;
        }
        let layers = rows.iter().map(|row| self.of[*row as usize].len()).max()?;
        let (mut lines, mut legend) = (Vec::new(), Vec::new());
        let shown = shown(layers);
        for (at, layer) in shown.iter().enumerate() {
            let colour = step(at, shown.len());
            for (which, stroke) in [(0, dashed(colour)), (1, solid(colour))] {
                let point = |(width, rows): &(f64, Vec<u32>)| Some((*width, self.median(rows, *layer, which)?));
                let points: Vec<(f64, f64)> = widths.iter().filter_map(point).collect();
                lines.push(Line { points, stroke, shape: Form::Line });
            }
            let name = if *layer == layers { "output".to_owned() } else { format!("layer {layer}") };
            legend.push(LegendEntry::line(name, solid(colour)));
        }
        legend.push(LegendEntry::line("size", dashed(PALE_INK)));
        legend.push(LegendEntry::line("change", solid(PALE_INK)));
        let y = AxisRange::decades(lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y))?;
        let (low, high) = (widths.first()?.0, widths.last()?.0);
        Some(Panel {
            title,
            x: AxisRange { low, high, scale: Scale::Log },
            y,
            x_title: scale::title(width.name),
            y_title: "root mean square".to_owned(),
            lines,
            legend,
        })
    }
}

/// The layers that are shown: all of them or, if they are many, some between the first and the
/// last.
fn shown(layers: usize) -> Vec<usize> {
    if layers <= MOST_LAYERS {
        return (1..=layers).collect();
    }
    (0..MOST_LAYERS).map(|at| 1 + at * (layers - 1) / (MOST_LAYERS - 1)).collect()
}
