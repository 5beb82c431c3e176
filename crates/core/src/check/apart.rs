//! What tells the trials of a grid apart, in words: the axes that vary in it, without those that
//! only follow another one (`lr_output` is `lr` where a spec does not set it).

use crate::axis::Axis;
use crate::spec::Spec;
use crate::trial::{Trial, Value};
use std::collections::{HashMap, HashSet};

/// The names and values that tell a trial apart.
pub type Apart = Vec<(&'static str, String)>;

/// The trials at these places of the grid, behind which its edges have the points `beside`.
pub fn apart(spec: &Spec, beside: &[u64], places: &HashSet<u32>) -> HashMap<u32, Apart> {
    if places.is_empty() {
        return HashMap::new();
    }
    let varying = varying(spec, beside);
    let at = |(place, trial): (u32, Trial)| places.contains(&place).then(|| (place, cells(&trial, &varying)));
    (0..).zip(spec.grid().beside(beside).trials()).filter_map(at).collect()
}

/// What varies in a grid: whether the label does, and which axes do that some trial sets to another
/// value than the default.
struct Varying {
    label: bool,
    axes: Vec<&'static Axis>,
}

fn varying(spec: &Spec, beside: &[u64]) -> Varying {
    let mut trials = spec.grid().beside(beside).trials();
    let Some(first) = trials.next() else {
        return Varying { label: false, axes: Vec::new() };
    };
    let mut label = false;
    let mut seen: Vec<_> =
        spec.axes.all().map(|axis| (axis, axis.id.of(&first), false, is_set(&first, axis))).collect();
    for trial in trials {
        label |= trial.label != first.label;
        for (axis, value, varies, set) in &mut seen {
            *varies = *varies || axis.id.of(&trial) != *value;
            *set = *set || is_set(&trial, axis);
        }
    }
    let axes = seen.into_iter().filter(|(_, _, varies, set)| *varies && *set).map(|(axis, ..)| axis).collect();
    Varying { label, axes }
}

fn is_set(trial: &Trial, axis: &Axis) -> bool {
    axis.id.of(trial).is_some_and(|value| axis.default_in(trial) != Some(value))
}

fn cells(trial: &Trial, varying: &Varying) -> Apart {
    let label = varying.label.then(|| ("label", trial.label.clone()));
    let cell = |axis: &&'static Axis| axis.id.of(trial).map(|value| (axis.name, written(value)));
    label.into_iter().chain(varying.axes.iter().filter_map(cell)).collect()
}

/// The names and values as text: `label=deep depth=4 seed=0`.
pub fn text(apart: &Apart) -> String {
    apart.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn written(value: Value) -> String {
    let mut text = Vec::new();
    value.put(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
