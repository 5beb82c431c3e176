//! The schema of what speaks of results: filters, groups, events, metrics and expectations.

use super::{DECIMAL, any_of, names, object, otherwise, properties, renamed, required, set, to};
use blowup_core::axis::{Axis, TABLE};
use blowup_core::spec::key;
use blowup_core::spec::metric::{Function, LR_SENSITIVITY, Rate};
use blowup_core::trial::TaskKind;
use blowup_core::verdict::Outcome;
use serde_json::{Value as Json, json};

const LABEL: &str = "The label of the block that a trial is from.";
const KIND: &str = "The kind of a trial's task.";

/// The names by which trials are chosen and grouped.
fn column_names() -> Vec<&'static str> {
    ["label", "task"].into_iter().chain(Axis::names()).collect()
}

/// A list of names by which trials are grouped.
pub fn columns() -> Json {
    json!({ "type": "array", "items": renamed(&column_names(), '_', '-'), "uniqueItems": true })
}

/// A filter: a table of conditions, all of which must hold.
pub fn filter() -> Json {
    let label = listed(json!({ "type": "string" }), None, LABEL.to_owned());
    let kinds: Vec<&str> = TaskKind::ALL.iter().map(|kind| kind.name()).collect();
    let task = listed(renamed(&kinds, '-', '_'), None, KIND.to_owned());
    let axes = TABLE.iter().map(|axis| (axis.name, to(&format!("where_{}", axis.name))));
    object([("label", label), ("task", task)].into_iter().chain(axes).collect(), &[])
}

/// A condition on an axis: a value, a list of values, or `{ min, max }`.
pub fn condition(axis: &Axis) -> Json {
    let between = axis.is_numeric().then(|| to("between"));
    let forms =
        if axis.is_numeric() { "a value, a list of them, or `{ min = a, max = b }`" } else { "a value or a list" };
    let mut schema =
        listed(to(&format!("value_{}", axis.name)), between, format!("{}\n\nIt takes {forms}.", axis.text));
    set(&mut schema, "title", axis.title);
    schema
}

/// A condition `{ min = a, max = b }`, of which one may be left out.
pub fn between() -> Json {
    let mut table = object(properties(&key::BETWEEN), &[]);
    set(&mut table, "minProperties", 1);
    table
}

/// A value or a list of values, one of which a trial must have.
fn listed(one: Json, between: Option<Json>, text: String) -> Json {
    let mut forms: Vec<Json> = [one].into_iter().chain(between).collect();
    forms.push(json!({ "type": "array", "items": any_of(forms.clone()), "minItems": 1 }));
    json!({ "description": text, "anyOf": forms })
}

/// `[[expect]]`: a metric with `min`, `max` or both, or with `value` and `tolerance`.
pub fn expectation() -> Json {
    let mut table = object(properties(&key::EXPECT), &required(&key::EXPECT));
    let both = json!({ "anyOf": [{ "required": ["value", "min"] }, { "required": ["value", "max"] }] });
    set(&mut table, "anyOf", json!([{ "required": ["min"] }, { "required": ["max"] }, { "required": ["value"] }]));
    set(&mut table, "not", both);
    set(&mut table, "dependencies", json!({ "value": ["tolerance"], "tolerance": ["value"] }));
    table
}

/// An event: a name, or a comparison, which only the reader of specs checks.
pub fn event() -> Json {
    let all: Vec<&str> = ["blew_up", "failed"].into_iter().chain(Outcome::ALL.map(Outcome::name)).collect();
    let others = all.iter().filter_map(|name| otherwise(name, '_', '-')).collect::<Vec<_>>().join("|");
    let mut schema = names(&all, &[format!(r"^\s*(?:{}|{others})\s*$", all.join("|")), "[<>]".to_owned()]);
    set(&mut schema, "maxLength", key::LONGEST_METRIC);
    schema
}

/// A metric: a rate, or a function of a formula. Only the reader of specs checks the formula.
pub fn metric() -> Json {
    let rates: Vec<&str> = Rate::ALL.map(Rate::name).into_iter().chain([LR_SENSITIVITY]).collect();
    let functions = Function::ALL.map(Function::name).join("|");
    let edges = ["edge.safe_up_to", "edge.dead_from", "edge.reentrant"];
    let all = [&rates[..], &edges[..]].concat();
    let known = all.join("|").replace('.', r"\.");
    let pattern = format!(
        r"^\s*(?:{known})\s*$|^\s*(?:{functions})\s*\([\s\S]*\)\s*$|^\s*edge\.(?:low|high)\s*\(\s*{DECIMAL}\s*\)\s*$"
    );
    let mut schema = names(&all, &[pattern]);
    set(&mut schema, "maxLength", key::LONGEST_METRIC);
    schema
}
