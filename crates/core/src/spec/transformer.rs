//! Checks what only a transformer can get wrong: sizes that do not fit together, names of norms
//! that belong to other networks, and a text that is too short. Axes of one dial are taken row by
//! row, the others each with each.

use super::check::View;
use super::dial::Cell;
use super::report::Problems;
use crate::axis::{Default, Id};
use crate::text::places;
use crate::trial::{
    BlockNorm, Misfit, Network, Norm, NormPosition, Parametrization, Placement, Position, Transformer, Value,
};

/// The most values of a dial, and the most combinations of values, that are looked at.
const MOST_VALUES: usize = 1000;
const MOST_COMBINATIONS: usize = 1_000_000;

/// Reports the mistakes in a block that may have transformers.
pub fn check(view: &View, problems: &mut Problems) {
    norms(view, problems);
    if !view.can_be(Id::Network, "transformer") {
        return;
    }
    if view.values(Id::Depth).is_some_and(|depths| depths.contains(&Value::Integer(0))) {
        let hint = "depth 0 is a linear model, of network mlp only";
        problems.add(view.place(Id::Depth), "a transformer cannot have depth 0", hint);
    }
    deepnorm(view, problems);
    sizes(view, problems);
    text(view, problems);
}

/// Reports the names of norms and of their places that a network of the block does not have.
fn norms(view: &View, problems: &mut Problems) {
    let rows = |ids: &[Id]| combined(view, ids).unwrap_or_default();
    for row in rows(&[Id::Network, Id::Norm]) {
        if let [Some(Value::Text("transformer")), Some(Value::Text(norm))] = row[..]
            && view.given(Id::Norm).is_some()
            && BlockNorm::from_name(norm).is_none()
        {
            let message = format!("a transformer cannot have norm = \"{norm}\"");
            let hint = "the statistics of a batch would mix the tokens of different places; take \"layer\" or \"rms\"";
            return problems.add(view.place(Id::Norm), message, hint);
        }
    }
    if view.given(Id::NormPosition).is_none() {
        return;
    }
    for row in rows(&[Id::Network, Id::NormPosition, Id::Norm]) {
        let [Some(Value::Text(network)), Some(Value::Text(position)), norm] = row[..] else { continue };
        let norm = match (view.given(Id::Norm), &Id::Norm.axis().default) {
            (None, Default::OfNetwork(of)) => Some(of(Network::of_name(network))),
            _ => norm,
        };
        let names = match Network::of_name(network) {
            Network::Transformer(_) => Placement::NAMES,
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } => NormPosition::NAMES,
            Network::Gated { .. } | Network::Bundle => continue,
        };
        if !names.contains(&position) && norm != Some(Value::Text(Norm::None.name())) {
            let message = format!("the network `{network}` has no norm_position \"{position}\"");
            let hint =
                format!("it takes: {}; networks that take others belong in blocks of their own", names.join(", "));
            return problems.add(view.place(Id::NormPosition), message, hint);
        }
    }
}

/// Reports DeepNorm without what it scales.
fn deepnorm(view: &View, problems: &mut Problems) {
    let name = Some(Value::Text(Placement::Deepnorm.name()));
    let (none, alone) = (Some(Value::Text(Norm::None.name())), Some(Value::Boolean(false)));
    let rows = combined(view, &[Id::NormPosition, Id::Norm, Id::Residual]).unwrap_or_default();
    if rows.iter().any(|row| row[0] == name && row[1] != none && row[2] == alone) {
        let message = "norm_position \"deepnorm\" takes residual connections";
        problems.add(view.place(Id::Residual), message, "it is norm_position \"post\" with a larger input of each sum");
    }
}

/// Reports sizes that do not fit together.
fn sizes(view: &View, problems: &mut Problems) {
    let all = [Id::Network, Id::Width, Id::Heads, Id::Position];
    for id in [Id::Width, Id::Heads] {
        if view.given(id).is_some_and(|given| given.dial.cells(id).iter().flatten().any(|cell| cell.per.is_some())) {
            let message = format!("`{}` of a transformer cannot be divided by another axis", id.name());
            return problems.add(view.place(id), message, "give it plain values, so that its sizes can be checked");
        }
    }
    let mut told: Vec<Misfit> = Vec::new();
    let Some(rows) = combined(view, &all) else {
        let message = "these transformers have more sizes than can be checked";
        let hint = format!("give `width` and `heads` at most {MOST_VALUES} values each");
        return problems.add(view.place(Id::Width), message, hint);
    };
    for row in rows {
        let [
            Some(Value::Text("transformer")),
            Some(Value::Integer(width)),
            Some(Value::Integer(heads)),
            Some(Value::Text(position)),
        ] = row[..]
        else {
            continue;
        };
        let (width, heads) = (width as usize, heads as usize);
        let position = Position::from_name(position).expect("a position of the table");
        let misfit = Transformer { width, heads, position, ..Transformer::unset() }.misfit();
        let Some(misfit) = misfit.filter(|misfit| !told.contains(misfit)) else { continue };
        told.push(misfit);
        let zip = "where several widths stand, zip = [[\"width\", \"heads\"]] pairs them";
        let (id, message, hint) = match misfit {
            Misfit::Heads => {
                let message = format!("{heads} heads cannot share a width of {width} evenly");
                (Id::Heads, message, format!("heads must divide the width; {zip}"))
            }
            Misfit::OddHead => {
                let message = format!("rope cannot rotate heads of width {}", width / heads);
                (Id::Position, message, "it rotates pairs of numbers: take a width of a head that is even".to_owned())
            }
        };
        problems.add(view.place(id), message, hint);
    }
}

/// Reports what a task does not have that the block asks for.
fn text(view: &View, problems: &mut Problems) {
    let Some(plan) = view.task else { return };
    if plan.text().is_none() && view.values(Id::Tied).is_some_and(|tied| tied.contains(&Value::Boolean(true))) {
        let message = format!("the task `{}` has no tokens that inputs and outputs share", plan.kind.name());
        problems.add(view.place(Id::Tied), message, "tied = true is for the task text");
    }
    let tied = |row: &Vec<Option<Value>>| row[0] == Some(Value::Boolean(true));
    let standard = Some(Value::Text(Parametrization::Standard.name()));
    let rows = combined(view, &[Id::Tied, Id::Parametrization]).unwrap_or_default();
    if rows.iter().any(|row| tied(row) && row[1] != standard) {
        let message = "`tied` embeddings take the standard parametrization";
        let hint = "the others scale the matrices of the first and of the last layer differently";
        problems.add(view.place(Id::Tied), message, hint);
    }
    let (Some(text), Some(lengths)) = (plan.text(), view.values(Id::SequenceLength)) else { return };
    let samples = text.task(plan.samples()).samples;
    for length in lengths {
        if let Value::Integer(length) = length
            && places(text.characters, length as usize) < samples
        {
            let message = format!(
                "a text of {} characters has no {samples} places for windows of {length} and the character behind",
                text.characters
            );
            let hint = "take a smaller `sequence_length`, fewer `samples` or a longer text";
            return problems.add(view.place(Id::SequenceLength), message, hint);
        }
    }
}

/// The combinations of values that these axes can have in the block. A value is `None` where it is
/// not known. The result is `None` if they are too many.
fn combined(view: &View, ids: &[Id]) -> Option<Vec<Vec<Option<Value>>>> {
    let mut all = vec![vec![None; ids.len()]];
    let mut done = vec![false; ids.len()];
    for first in 0..ids.len() {
        if done[first] {
            continue;
        }
        // The axes that advance together with this one, itself included.
        let beside: Vec<usize> = match view.given(ids[first]) {
            Some(given) => (first..ids.len()).filter(|&at| given.dial.axes().contains(&ids[at])).collect(),
            None => vec![first],
        };
        beside.iter().for_each(|&at| done[at] = true);
        let columns: Vec<Vec<Option<Value>>> = beside.iter().map(|&at| column(view, ids[at])).collect();
        let mut rows: Vec<Vec<Option<Value>>> = Vec::new();
        for row in 0..columns[0].len() {
            let row: Vec<_> = columns.iter().map(|column| column.get(row).copied().flatten()).collect();
            if !rows.contains(&row) {
                rows.push(row);
            }
            if rows.len() > MOST_VALUES {
                return None;
            }
        }
        if all.len() * rows.len() > MOST_COMBINATIONS {
            return None;
        }
        let mut longer = Vec::new();
        for known in &all {
            for row in &rows {
                let mut one = known.clone();
                beside.iter().zip(row).for_each(|(&at, value)| one[at] = *value);
                longer.push(one);
            }
        }
        all = longer;
    }
    Some(all)
}

/// The values of an axis, by the rows of its dial. A row that leaves the axis alone has its
/// default.
fn column(view: &View, id: Id) -> Vec<Option<Value>> {
    let Some(given) = view.given(id) else {
        return view.values(id).map_or_else(|| vec![None], |values| values.into_iter().map(Some).collect());
    };
    let cells = given.dial.cells(id);
    let value = |cell: Option<Cell>| match cell {
        Some(Cell { value, per: None }) => Some(value),
        Some(Cell { per: Some(_), .. }) => None,
        None => id.axis().usual(),
    };
    cells.into_iter().map(value).collect()
}
