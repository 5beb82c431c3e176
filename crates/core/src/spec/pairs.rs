//! Refuses values of two axes that do not go together.

use super::check::View;
use super::report::Problems;
use crate::axis::Id;
use crate::trial::{Optimizer, Value};

/// An axis, and which of its names are meant.
type Named<'a> = (Id, &'a dyn Fn(&str) -> bool);

/// Reports the pairs in a block.
pub fn check(view: &View, problems: &mut Problems) {
    updates(view, problems);
    mup(view, problems);
}

/// Whether two axes may have such names in one trial; `false` if that is not known. Where both
/// stand in one dial, they are taken row by row.
fn can_meet(view: &View, one: Named, other: Named) -> bool {
    let holds = |value: Value, of: &dyn Fn(&str) -> bool| matches!(value, Value::Text(name) if of(name));
    match view.given(one.0) {
        Some(given) if given.dial.axes().contains(&other.0) => {
            let [ones, others] = [one, other].map(|(id, of)| {
                let cells = given.dial.cells(id).into_iter();
                cells.map(move |cell| match cell {
                    Some(cell) => holds(cell.value, of),
                    None => view.default(id).is_some_and(|values| values.iter().any(|value| holds(*value, of))),
                })
            });
            ones.zip(others).any(|(one, other)| one && other)
        }
        Some(_) | None => [one, other]
            .iter()
            .all(|(id, of)| view.values(*id).is_some_and(|values| values.iter().any(|value| holds(*value, of)))),
    }
}

/// Reports a clip of updates under an optimizer that keeps no mean of squares.
fn updates(view: &View, problems: &mut Problems) {
    let is_other = |optimizer: &str| !matches!(optimizer, "adam" | "adamw");
    if can_meet(view, (Id::Clip, &|clip| clip == "update"), (Id::Optimizer, &is_other)) {
        let hint = "the other optimizers keep no corrected mean of squares to measure an update by; put clip = \"update(1.0)\" \
                    in a block of adam and adamw alone";
        problems.add(view.place(Id::Clip), "`clip` update needs the `optimizer` adam or adamw", hint);
    }
}

/// Reports what the table of the maximal update parametrization says nothing about.
fn mup(view: &View, problems: &mut Problems) {
    let is_mup: Named = (Id::Parametrization, &|name| name == "mup");
    let has_no_rates = |name: &str| Optimizer::from_name(name).is_some_and(|of| of.mup_rates().is_none());
    if can_meet(view, is_mup, (Id::Optimizer, &has_no_rates)) {
        let known = Optimizer::NAMES.iter().filter(|name| !has_no_rates(name)).copied().collect::<Vec<_>>().join(" ");
        let hint = format!("its table is for {known}; give the others a block with another parametrization");
        problems.add(
            view.place(Id::Optimizer),
            "`parametrization` mup has no learning rates for the `optimizer` radam or muon",
            hint,
        );
    }
    for id in [Id::Init, Id::RecurrentInit] {
        if can_meet(view, is_mup, (id, &|init| init == "constant")) {
            let hint = "its table is for weights that are drawn; give this one a block with another parametrization";
            let message = format!("`parametrization` mup has no scale for `{}` constant", id.name());
            problems.add(view.place(id), message, hint);
        }
    }
}
