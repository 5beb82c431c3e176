//! The schema of an axis: what a single value of it may be, its lists and ranges, and what an
//! editor tells of it.

use super::{
    DECIMAL, NONZERO, any_of, described, integer, names, number, object, otherwise, plain, required, set, shown, takes,
    to,
};
use blowup_core::axis::{ALL_SAMPLES, Axis, Bounds, Default, End, Held, Id, Kind, Need, Short, TABLE};
use blowup_core::bundle::SUFFIX;
use blowup_core::spec::key::{self, Key, Takes};
use blowup_core::trial::{Network, TaskKind};
use serde_json::{Value as Json, json};

/// The axes that a grid sets. This is all but the seed, which `seeds` sets.
pub fn settable() -> impl Iterator<Item = &'static Axis> {
    TABLE.iter().filter(|axis| axis.id != Id::Seed)
}

/// The keys that `[base]` and a block may have beside their own.
pub fn axes() -> Vec<(&'static str, Json)> {
    let zip = (key::ZIP.name, described(&key::ZIP));
    settable().map(|axis| (axis.name, to(&format!("axis_{}", axis.name)))).chain([zip]).collect()
}

/// What a single value of an axis may be.
pub fn value(axis: &Axis) -> Json {
    match &axis.kind {
        Kind::Choice { names: known, .. } if axis.id == Id::Network => {
            let bundle = json!({ "type": "string", "pattern": format!("{}$", SUFFIX.replace('.', r"\.")) });
            let mut file = bundle.clone();
            set(&mut file, "description", "A model of your own, as blowup.export of the Python package writes it.");
            let table = object(vec![("file", file)], &["file"]);
            json!({ "anyOf": [names(known, &written(known, None, &[])), bundle, table] })
        }
        Kind::Choice { names: known, short, aliases } => names(known, &written(known, short.as_ref(), aliases)),
        Kind::Integer { min, max } if axis.id == Id::Batch => {
            json!({ "anyOf": [integer(*min, *max), { "enum": ["all"] }] })
        }
        Kind::Integer { min, max } => integer(*min, *max),
        Kind::Float { range, names: [] } => number(range),
        Kind::Float { range, names } => {
            let names: Vec<&str> = names.iter().map(|named| named.name).collect();
            json!({ "anyOf": [number(range), { "enum": names }] })
        }
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Text => json!({ "type": "string" }),
    }
}

/// Patterns of the ways to write a name: with blanks around it, with `-`, as other programs call
/// it, and with a number behind it.
fn written(known: &[&str], short: Option<&Short>, aliases: &[(&str, &str)]) -> Vec<String> {
    let ways = |name: &str| {
        let dashed = otherwise(name, '_', '-').map_or(String::new(), |other| format!("|{other}"));
        format!("{name}{dashed}")
    };
    // A pattern of every way to write one of these names.
    let all = |names: &[&str]| {
        let own = known.iter().filter(|name| names.contains(name)).copied();
        let others = aliases.iter().filter(|(_, name)| names.contains(name)).map(|(other, _)| *other);
        own.chain(others).map(ways).collect::<Vec<_>>().join("|")
    };
    let mut patterns = vec![format!(r"^\s*(?:{})\s*$", all(known))];
    if let Some(short) = short {
        let Kind::Float { range, .. } = &short.sets.axis().kind else { return patterns };
        // As in the reader, only the initializer `constant` may have a negative scale.
        let scales = short.sets == Id::InitScale;
        let (signed, others): (Vec<&str>, Vec<&str>) =
            short.names.iter().partition(|name| range.holds(-1.0) && (!scales || **name == "constant"));
        let infinite = if range.holds(f64::INFINITY) { "|inf" } else { "" };
        let digits = if range.holds(0.0) { DECIMAL } else { NONZERO };
        for (names, sign) in [(signed, "[+-]?"), (others, r"\+?")].into_iter().filter(|(names, _)| !names.is_empty()) {
            patterns.push(format!(r"^\s*(?:{})\s*\(\s*{sign}(?:{digits}{infinite})\s*\)\s*$", all(&names)));
        }
    }
    patterns
}

/// What a grid may give an axis: a value, a range, or a list of values and ranges.
pub fn given(axis: &Axis) -> Json {
    let mut forms = vec![to(&format!("value_{}", axis.name))];
    if axis.is_numeric() {
        forms.push(to(&format!("range_{}", axis.name)));
    }
    let items = any_of(forms.clone());
    forms.push(json!({ "type": "array", "items": items, "minItems": 1, "maxItems": key::LISTED }));
    let mut schema = json!({ "title": axis.title, "description": about(axis), "anyOf": forms });
    if let Some(default) = axis.usual().map(plain).filter(|default| !default.is_null()) {
        set(&mut schema, "default", default);
    }
    schema
}

/// A range of a numeric axis, such as `{ log = [a, b], points = n, per = "depth" }`.
pub fn range(axis: &Axis) -> Json {
    // The points of a range of decimals are made only when they are needed, so there may be more of
    // them.
    let most = if matches!(axis.kind, Kind::Float { .. }) { key::MOST_POINTS as u64 } else { key::LISTED };
    let own = [Some(axis.name.to_owned()), otherwise(axis.name, '_', '-')];
    let itself = format!("^(?:{})$", own.into_iter().flatten().collect::<Vec<_>>().join("|"));
    let form = |key: &Key| {
        let mut schema = if let Takes::Ends = key.takes {
            ends(axis, key.name == "log")
        } else if let Takes::Divisor = key.takes {
            json!({ "allOf": [to("divisor"), { "not": { "pattern": itself } }] })
        } else if let Takes::Integer { min, .. } = key.takes {
            integer(min as u64, most)
        } else {
            takes(key.takes)
        };
        set(&mut schema, "description", key.text);
        schema
    };
    let mut table = object(key::RANGE.iter().map(|key| (key.name, form(key))).collect(), &required(&key::RANGE));
    set(&mut table, "oneOf", json!([{ "required": ["log"] }, { "required": ["linear"] }]));
    table
}

/// The two ends of a range: finite numbers that the axis takes, for an integer axis after rounding.
fn ends(axis: &Axis, log: bool) -> Json {
    let range = match &axis.kind {
        Kind::Float { range, .. } => *range,
        Kind::Integer { min, max } => Bounds {
            least: End::At(if *min == 0 { 0.0 } else { *min as f64 - 0.5 }),
            most: End::Beyond(if *max < i64::MAX as u64 { *max as f64 + 0.5 } else { f64::INFINITY }),
            words: "",
            held: Held::Nothing,
        },
        Kind::Choice { .. } | Kind::Boolean | Kind::Text => unreachable!("only numeric axes have ranges"),
    };
    let mut end = number(&range);
    set(&mut end, "type", "number");
    if log && range.holds(0.0) {
        set(&mut end, "minimum", 0);
        set(&mut end, "exclusiveMinimum", true);
    }
    json!({ "type": "array", "items": end, "minItems": 2, "maxItems": 2 })
}

/// The text that an editor shows for an axis: its meaning, its values, its default, and where it
/// applies.
fn about(axis: &Axis) -> String {
    let (values, forms) = match &axis.kind {
        Kind::Choice { names, short, .. } => {
            let short = short.as_ref().map_or(String::new(), |short| {
                let form = format!("`{}(0.5)`", short.names[0]);
                let takers =
                    if short.names.len() == names.len() { "each".to_owned() } else { short.names.join(" and ") };
                format!("; {takers} may stand with a number, as in {form}, which sets `{}` too", short.sets.name())
            });
            (format!("one of {}{short}", names.join(", ")), "one value or a list of values")
        }
        Kind::Integer { min, max } => {
            let values = match *max {
                ALL_SAMPLES => format!("an integer, {min} or more, or \"all\""),
                max if max >= i64::MAX as u64 => format!("an integer, {min} or more"),
                max => format!("an integer from {min} to {max}"),
            };
            (values, "one value, a list of values, or a range such as `{ log = [4, 64], points = 3 }`")
        }
        Kind::Float { range, .. } => {
            let forms = "one value, a list of values, or a range such as `{ log = [1e-3, 1.0], points = 4 }` or \
                         `{ linear = [0.0, 1.0], points = 5 }`";
            (range.words.to_owned(), forms)
        }
        Kind::Boolean => ("true or false".to_owned(), "one value, or `[false, true]`"),
        Kind::Text => ("a line of text".to_owned(), "one value or a list of values"),
    };
    let mut text = format!("{}\n\nValues: {values}.\n\nDefault: {}.", axis.text, default(axis));
    let needs: Vec<String> = axis.needs.iter().map(Need::to_string).collect();
    if !needs.is_empty() {
        text.push_str(&format!("\n\nIt applies where there is {}; elsewhere it is dropped.", needs.join(" and ")));
    }
    text.push_str(&format!("\n\nIt takes {forms}."));
    text
}

/// The default of an axis, in words.
fn default(axis: &Axis) -> String {
    match axis.default {
        Default::Is(value) => shown(value),
        Default::Required => "none, a spec must give it where it applies".to_owned(),
        Default::Follows(other) => format!("that of `{}`", other.name()),
        Default::OfNetwork(of) => {
            let need = axis.needs.iter().find(|need| need.axis == Id::Network);
            let Some(all) = need.map(Need::names) else {
                let built_in = Network::of_name(Network::NAMES[0]);
                return format!("{}; {} of a bundle", shown(of(built_in)), shown(of(Network::Bundle)));
            };
            let each = all.iter().map(|name| format!("{} of {name}", shown(of(Network::of_name(name)))));
            each.collect::<Vec<_>>().join(", ")
        }
        Default::OfTaker(..) => match &axis.of_takers()[..] {
            [(_, value)] => shown(*value),
            all => {
                let each = all.iter().map(|(takers, value)| format!("{} of {}", shown(*value), takers.join(" and ")));
                each.collect::<Vec<_>>().join(", ")
            }
        },
        Default::OfTask => {
            let other = |kind: &&TaskKind| kind.default_loss() != TaskKind::Teacher.default_loss();
            let others: Vec<&TaskKind> = TaskKind::ALL.iter().filter(other).collect();
            let names: Vec<&str> = others.iter().map(|kind| kind.name()).collect();
            let loss = others.first().map_or("", |kind| kind.default_loss().name());
            format!("{}; {loss} of {}", TaskKind::Teacher.default_loss().name(), names.join(", "))
        }
        Default::OfInit => "0, but with init pytorch PyTorch's own".to_owned(),
    }
}
