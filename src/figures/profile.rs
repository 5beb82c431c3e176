//! Pictures of the backprop signal by layer, by block in transformers, or by time step in recurrent
//! nets. The values are
//! those of `layers.csv` before any update, beside the slope that mean-field theory gives.

use super::curves::{Share, shares};
use super::meanfield::chi_1;
use super::panel::{AxisRange, Form, LegendEntry, Line, Panel, dashed, solid};
use super::plan::levels;
use super::scale;
use super::table::{Factor, TrialTable};
use super::words;
use blowup_core::axis::{Acts, Axis};
use blowup_core::check::sheet::Header;
use blowup_core::failure::Failure;
use blowup_core::median::median;
use blowup_core::trial::{Activation, BiasKind, InitKind, Network, Norm, Parametrization, Value};
use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;
use std::path::Path;

/// The norms of the backprop signal, for each row of the table and each position in the net.
pub struct Profiles {
    /// Of each row, the norm at each position, counted from 1. It is NaN where there is none.
    of: Vec<Vec<f64>>,
    /// The epoch of the norms: 0, which is before any update, or else the first one that was
    /// recorded.
    pub epoch: u64,
}

impl Profiles {
    /// Reads `layers.csv`: all hidden layers, or in recurrent nets the time steps of the first
    /// layer.
    ///
    /// # Errors
    /// If a row is damaged. The message names its line.
    pub fn read(path: &Path, mut reader: impl BufRead, table: &TrialTable) -> Result<Profiles, Failure> {
        let header = Header::read(path, &mut reader)?;
        let [epoch, layer, time, norm] = ["epoch", "layer", "time", "backprop_norm"].map(|name| header.column(name));
        let (epoch, layer, time, norm) = (epoch?, layer?, time?, norm?);
        let rows: HashMap<_, _> = table.trials.iter().zip(0..).map(|(trial, row)| (*trial, row as usize)).collect();
        let depth = table.factor("depth").expect("a column that is always there");
        let mut profiles = Profiles { of: vec![Vec::new(); rows.len()], epoch: u64::MAX };
        header.rows(path, reader, &mut |row| {
            let whole = |column: usize| match header.number(&row, column)? {
                Some(x) if x >= 0.0 && x.fract() == 0.0 => Ok(Some(x as u64)),
                None => Ok(None),
                Some(_) => Err(header.wrong_cell(&row, column, "not a whole number")),
            };
            let (at, time) = (whole(epoch)?.unwrap_or(0), whole(time)?);
            let (layer, norm) = (whole(layer)?.unwrap_or(0), header.number(&row, norm)?);
            let Some(of) = rows.get(&row.trial) else { return Ok(()) };
            if at < profiles.epoch {
                profiles.epoch = at;
                profiles.of.iter_mut().for_each(Vec::clear);
            }
            let hidden = depth.level(*of as u32).number.is_some_and(|depth| (1.0..=depth).contains(&(layer as f64)));
            let position = match time {
                Some(time) if layer == 1 => time,
                None if hidden => layer,
                Some(_) | None => return Ok(()),
            };
            let (values, position) = (&mut profiles.of[*of], position as usize);
            if at == profiles.epoch && (1..=1_000_000).contains(&position) {
                values.resize(values.len().max(position), f64::NAN);
                values[position - 1] = norm.unwrap_or(f64::NAN);
            }
            Ok(())
        })?;
        Ok(profiles)
    }

    /// The points of a curve: each position, and the median over the rows of the norms that are
    /// finite and not 0.
    fn median(&self, rows: &[u32]) -> Vec<(f64, f64)> {
        let length = rows.iter().map(|row| self.of[*row as usize].len()).max().unwrap_or(0);
        let at = |position: usize| {
            let norms = rows.iter().filter_map(|row| self.of[*row as usize].get(position));
            let mut norms: Vec<f64> = norms.copied().filter(|x| x.is_finite() && *x > 0.0).collect();
            Some((position as f64 + 1.0, median(&mut norms)?))
        };
        (0..length).filter_map(at).collect()
    }
}

/// Whether a factor changes anything before the first update, and does not only name or follow
/// other things.
fn acts_at_start(factor: &Factor) -> bool {
    match Axis::find(factor.name) {
        Some(axis) => axis.acts == Acts::AtStart,
        None => !matches!(factor.name, "label" | "epochs" | "samples"),
    }
}

/// The panels of a family. The factor with the most levels has a curve for each of them, and each
/// combination of levels of the other factors has a panel.
pub fn panels(table: &TrialTable, profiles: &Profiles, varying: &[&Factor], rows: &[u32]) -> Vec<Panel> {
    let rows: Vec<u32> = rows.iter().copied().filter(|row| !profiles.of[*row as usize].is_empty()).collect();
    let mut factors: Vec<&Factor> = varying.iter().copied().filter(|factor| acts_at_start(factor)).collect();
    let count = |factor: &Factor| levels(factor, &rows).len();
    // Depth and sequence length come last, since they change only where a curve ends.
    factors.sort_by_key(|f| (matches!(f.name, "depth" | "sequence_length"), std::cmp::Reverse(count(f))));
    let (main, others) = match factors.split_first() {
        Some((main, others)) => (Some(*main), others),
        None => (None, &[][..]),
    };
    super::cells::cells(table, &rows, others)
        .iter()
        .flat_map(|cell| {
            let names =
                others.iter().zip(&cell.levels).map(|(f, code)| format!("{} = {}", f.name, words::at(f, *code)));
            let title = names.collect::<Vec<_>>().join(", ");
            let all =
                || Share { name: "all trials".to_owned(), colour: super::palette::NAMED[0], rows: cell.rows.clone() };
            let shares = main.map_or_else(|| vec![vec![all()]], |main| shares(main, &cell.rows));
            let shares = shares.into_iter().map(move |shares| (title.clone(), shares));
            shares.collect::<Vec<_>>()
        })
        .filter_map(|(title, shares)| panel(table, profiles, title, main, &shares))
        .collect()
}

/// One panel. None if it has no signal to show.
fn panel(
    table: &TrialTable,
    profiles: &Profiles,
    title: String,
    main: Option<&Factor>,
    shares: &[Share],
) -> Option<Panel> {
    let (mut lines, mut legend) = (Vec::new(), Vec::new());
    if let Some(main) = main {
        legend.push(LegendEntry { text: scale::title(main.name), stroke: None });
    }
    let mut theory = Theory::default();
    for share in shares {
        let points = profiles.median(&share.rows);
        let Some(&(last, norm)) = points.last() else { continue };
        let chi = common(share.rows.iter().map(|row| theory.of(table, *row)));
        let mut name = share.name.clone();
        if let Some(chi) = chi {
            let slope = |(x, _): &(f64, f64)| (*x, norm * chi.powf((last - x) / 2.0));
            let line = points.iter().map(slope).filter(|(_, y)| y.is_finite() && *y > 0.0).collect();
            lines.push(Line { points: line, stroke: dashed(share.colour), shape: Form::Line });
            name = format!("{name}, χ₁ = {}", scale::number(chi));
        }
        lines.push(Line { points, stroke: solid(share.colour), shape: Form::Line });
        legend.push(LegendEntry::line(name, solid(share.colour)));
    }
    if lines.iter().any(|line: &Line| line.stroke.dashed) {
        legend.push(LegendEntry::line("mean field", dashed(super::palette::PALE_INK)));
    }
    // The measured values decide the range of the axis. The theory is cut at its ends.
    let measured = lines.iter().filter(|line| !line.stroke.dashed).flat_map(|line| &line.points);
    let y = AxisRange::decades(measured.clone().map(|(_, y)| *y))?;
    let end = measured.map(|(x, _)| *x).fold(1.0, f64::max);
    for line in lines.iter_mut().filter(|line| line.stroke.dashed) {
        line.points.retain(|(_, norm)| (y.low..=y.high).contains(norm));
    }
    let rows = shares.iter().flat_map(|share| &share.rows);
    let titles: BTreeSet<&str> = rows.map(|row| Position::of(network(table, *row)).title()).collect();
    let x_title = titles.into_iter().collect::<Vec<_>>().join(" or ");
    Some(Panel {
        title,
        x: AxisRange::linear(1.0, end.max(2.0)),
        y,
        x_title,
        y_title: "norm of the backprop signal".to_owned(),
        lines,
        legend,
    })
}

/// What the positions along a curve are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Position {
    /// The hidden layers of a plain network.
    Layer,
    /// The blocks of a transformer.
    Block,
    /// The time steps of the first layer of a plain recurrent net.
    Time,
    /// The same of an lstm or a gru.
    GatedTime,
}

impl Position {
    fn of(network: Network) -> Position {
        match network {
            // A bundle has no layers that are measured.
            Network::Linear | Network::Mlp { .. } | Network::Bundle => Position::Layer,
            Network::Transformer(_) => Position::Block,
            Network::Rnn { .. } => Position::Time,
            Network::Gated { .. } => Position::GatedTime,
        }
    }

    /// The title of the axis.
    fn title(self) -> &'static str {
        match self {
            Position::Layer => "layer (from the input)",
            Position::Block => "block (from the input)",
            Position::Time | Position::GatedTime => "time step",
        }
    }

    /// The tensor h at each position, by which the loss is differentiated.
    fn tensor(self) -> &'static str {
        match self {
            Position::Layer => "what each layer computes before its norm and its activation",
            Position::Block => "what each block hands on",
            Position::Time => "what the first layer computes at each time step before its norm and its activation",
            Position::GatedTime => "the hidden state of the first layer at each time step",
        }
    }
}

/// What the curves of these rows show: the tensors by which the loss is differentiated.
pub fn tensors(table: &TrialTable, rows: &[u32]) -> String {
    let positions: BTreeSet<Position> = rows.iter().map(|row| Position::of(network(table, *row))).collect();
    positions.iter().map(|position| position.tensor()).collect::<Vec<_>>().join(" or by ")
}

fn network(table: &TrialTable, row: u32) -> Network {
    Network::of_name(text(table, "network", row))
}

/// The value that all have in common. None if one has none, or if they differ.
fn common(mut values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let first = values.next()??;
    values.all(|x| x == Some(first)).then_some(first)
}

/// The parameters of the theory: the activation, the variance of the weights times their fan-in,
/// and the variance of the biases. None where the theory says nothing.
type Parameters = Option<(Activation, f64, f64)>;

/// The values of chi_1 that were computed already.
#[derive(Default)]
struct Theory {
    known: Vec<(Parameters, Option<f64>)>,
}

impl Theory {
    fn of(&mut self, table: &TrialTable, row: u32) -> Option<f64> {
        let parameters = parameters(table, row);
        if let Some((_, chi)) = self.known.iter().find(|(known, _)| *known == parameters) {
            return *chi;
        }
        let chi = parameters.and_then(|(activation, weights, biases)| chi_1(activation, weights, biases));
        self.known.push((parameters, chi));
        chi
    }
}

/// chi_1 of the net of a row. None if mean-field theory says nothing about it.
pub fn theory_of(table: &TrialTable, row: u32) -> Option<f64> {
    Theory::default().of(table, row)
}

/// The parameters for an mlp with independent weights and nothing but the activation between its
/// layers.
fn parameters(table: &TrialTable, row: u32) -> Parameters {
    let number = |name: &str| table.factor(name)?.level(row).number;
    let is_mlp = match network(table, row) {
        Network::Linear | Network::Mlp { .. } => true,
        Network::Rnn { .. } | Network::Gated { .. } | Network::Transformer(_) | Network::Bundle => false,
    };
    let plain = is_mlp
        && text(table, "norm", row) == Norm::None.name()
        && text(table, "residual", row) == "false"
        && text(table, "parametrization", row) == Parametrization::Standard.name()
        && number("depth")? >= 2.0;
    if !plain {
        return None;
    }
    let (width, scale) = (number("width")?, number("init_scale")?);
    let name = |name: &str| text(table, name, row).split('(').next().unwrap_or_default();
    // The variance of the weights of a hidden layer times its fan-in, which is the width.
    let weights = match InitKind::from_name(name("init"))? {
        InitKind::Normal => scale * scale * width,
        InitKind::Uniform => scale * scale / 3.0 * width,
        InitKind::Xavier | InitKind::XavierUniform | InitKind::Lecun | InitKind::Orthogonal => scale * scale,
        InitKind::He | InitKind::HeUniform => 2.0 * scale * scale,
        InitKind::Scaled => scale,
        InitKind::Pytorch => scale * scale / 3.0,
        // These weights are not independent draws.
        InitKind::Constant | InitKind::Stored => return None,
    };
    let biases = match (BiasKind::from_name(text(table, "bias", row))?, number("bias_std")) {
        (BiasKind::None, _) => 0.0,
        (BiasKind::Learned, Some(std)) => std * std,
        // The biases of PyTorch are uniform between -1/sqrt(n) and 1/sqrt(n).
        (BiasKind::Learned, None) => 1.0 / (3.0 * width),
    };
    let mut activation = Activation::from_name(name("activation"))?;
    if let Some(slope) = number("negative_slope") {
        activation.set_number("negative_slope", Value::Float(slope));
    }
    Some((activation, weights, biases))
}

fn text<'a>(table: &'a TrialTable, name: &str, row: u32) -> &'a str {
    table.factor(name).map_or("", |factor| &factor.level(row).text)
}
