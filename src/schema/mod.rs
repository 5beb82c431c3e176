//! The JSON Schema of a spec, by which editors complete and check TOML. It is made from the
//! declarations of the axes (`axis::TABLE`) and of the other keys (`spec::key`), so that no list is
//! kept here.
//!
//! It is of Draft 4, which Taplo and the extension Even Better TOML read. It checks each value
//! against what its key takes. It does not check what holds between keys, such as an axis that
//! applies nowhere, or a block without a task or `lr`: only the reader of specs does. So the schema
//! accepts every spec that the reader accepts, and some that the reader refuses.
//!
//! Keys and names may be written with `-` in place of `_`. The properties of the schema have only
//! the names with `_`, so that an editor offers a key once. Patterns accept the others.

mod axis;
mod results;

use axis::{axes, given, range, settable, value};
use blowup_core::axis::{ALL_SAMPLES, Bounds, DeclaredKind, End, Id, TABLE};
use blowup_core::spec::key::{self, Key, Takes};
use blowup_core::trial::Value;
use results::{between, columns, condition, event, expectation, filter, metric};
use serde_json::{Map, Value as Json, json};

/// A pattern of digits, with or without a point and an exponent. `\d` would match the digits of
/// every script.
const DECIMAL: &str = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?";
/// The same pattern, but with at least one digit that is not 0.
const NONZERO: &str = r"(?:[0-9]*[1-9][0-9]*\.?[0-9]*|[0-9]*\.[0-9]*[1-9][0-9]*)(?:[eE][+-]?[0-9]+)?";

/// The whole schema.
pub fn schema() -> Json {
    let about = "A spec of blowup: a grid of training runs. `blowup sweep SPEC --dry-run` says everything that is \
                 wrong with it, also what holds between keys.";
    json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "blowup spec",
        "description": about,
        "anyOf": [of_nets(), of_program(), extending()],
        "definitions": definitions(),
    })
}

/// A spec whose trials are built-in nets.
fn of_nets() -> Json {
    let mut spec = object(top(&[key::PROGRAM_KEY, key::EXTENDS]), &required(&key::TOP));
    set(&mut spec, "not", one_budget());
    set(&mut spec, "anyOf", trials());
    spec
}

/// The keys at the top of a spec but for these.
fn top(without: &[&str]) -> Vec<(&'static str, Json)> {
    properties(&key::TOP).into_iter().filter(|(name, _)| !without.contains(name)).collect()
}

/// What a spec must have: blocks of trials, or edges.
fn trials() -> Json {
    json!([{ "required": ["grid"] }, { "required": ["edge"] }])
}

/// A spec whose trials a program trains. It may declare axes of any name, so wherever axes stand
/// other names may, too, and a range may be divided by one of them.
fn of_program() -> Json {
    let mut spec = object(top(&[key::EXTENDS]), &[required(&key::TOP), vec![key::PROGRAM_KEY]].concat());
    set(&mut spec, "anyOf", trials());
    with_axes_of_any_name(spec)
}

/// A spec that extends another one, in which everything else may stand.
fn extending() -> Json {
    with_axes_of_any_name(object(top(&[]), &[key::EXTENDS]))
}

fn with_axes_of_any_name(mut spec: Json) -> Json {
    set(&mut spec, "not", one_budget());
    let properties = &mut spec["properties"];
    let mut zip = described(&key::ZIP);
    set(&mut zip, "items", json!({ "type": "array", "items": { "type": "string" }, "minItems": 2 }));
    for axes in ["/base", "/grid/items", "/edge/items", "/variant/items"] {
        let axes = part(properties, axes);
        set(axes, "additionalProperties", true);
        for axis in settable() {
            axes["properties"][axis.name] = json!({ "description": axis.text });
            if let Some(dashed) = otherwise(axis.name, '_', '-') {
                axes["patternProperties"][format!("^(?:{dashed})$")] = json!({});
            }
        }
        axes["properties"][key::ZIP.name] = zip.clone();
    }
    for filter in ["/exclude/items", "/expect/items/properties/where"] {
        set(part(properties, filter), "allOf", json!([to("filter_of_program")]));
    }
    for columns in ["/expect/items/properties/by", "/baseline/properties/by", "/edge/items/properties/by"] {
        let names = json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true });
        set(part(properties, columns), "allOf", json!([names]));
    }
    let over = part(properties, "/edge/items/properties/over/properties");
    set(over, "axis", json!({ "type": "string", "description": key::OVER[0].text }));
    spec
}

/// The definitions that other parts refer to. Each axis has a value, a range, what a grid may give
/// it, and a condition.
fn definitions() -> Json {
    let mut all = Map::new();
    for axis in &TABLE {
        all.insert(format!("value_{}", axis.name), value(axis));
        all.insert(format!("where_{}", axis.name), condition(axis));
        if axis.id != Id::Seed {
            all.insert(format!("axis_{}", axis.name), given(axis));
        }
        if axis.id != Id::Seed && axis.is_numeric() {
            all.insert(format!("range_{}", axis.name), range(axis));
        }
    }
    let divisors: Vec<&str> = settable().filter(|axis| axis.is_numeric()).map(|axis| axis.name).collect();
    all.insert("divisor".to_owned(), renamed(&divisors, '_', '-'));
    all.insert("between".to_owned(), between());
    all.insert("task".to_owned(), task());
    all.insert("filter".to_owned(), filter());
    let mut open = filter();
    set(&mut open, "additionalProperties", true);
    all.insert("filter_of_program".to_owned(), open);
    all.insert("columns".to_owned(), columns());
    Json::Object(all)
}

/// A reference to a definition.
fn to(definition: &str) -> Json {
    json!({ "$ref": format!("#/definitions/{definition}") })
}

/// The part of a schema at a path that the keys above it are known to have.
fn part<'a>(schema: &'a mut Json, path: &str) -> &'a mut Json {
    schema.pointer_mut(path).expect("the keys of a spec have these parts")
}

fn set(schema: &mut Json, key: &str, value: impl Into<Json>) {
    schema[key] = value.into();
}

/// What a block must not have: both `epochs` and `steps`.
fn one_budget() -> Json {
    json!({ "required": ["epochs", "steps"] })
}

/// A table with these keys and no others, of which some are required.
fn object(properties: Vec<(&str, Json)>, required: &[&str]) -> Json {
    let dashed: Map<String, Json> = properties
        .iter()
        .filter_map(|(name, schema)| Some((format!("^(?:{})$", otherwise(name, '_', '-')?), schema.clone())))
        .collect();
    let named: Map<String, Json> = properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut object = json!({ "type": "object", "properties": named, "additionalProperties": false });
    if !dashed.is_empty() {
        set(&mut object, "patternProperties", dashed);
    }
    // Draft 4 allows no empty list.
    if !required.is_empty() {
        set(&mut object, "required", required);
    }
    object
}

/// The properties for these keys.
fn properties(keys: &'static [Key]) -> Vec<(&'static str, Json)> {
    keys.iter().map(|key| (key.name, described(key))).collect()
}

/// The names of the keys that are required.
fn required(keys: &'static [Key]) -> Vec<&'static str> {
    keys.iter().filter(|key| key.required).map(|key| key.name).collect()
}

/// A pattern of the other ways to write a name: with `new` in place of at least one `old`. None if
/// the name has no `old`.
fn otherwise(name: &str, old: char, new: char) -> Option<String> {
    let words: Vec<&str> = name.split(old).collect();
    let either = format!("[{old}{new}]");
    let first_at = |i: usize| format!("{}{new}{}", words[..i].join(&old.to_string()), words[i..].join(&either));
    let all: Vec<String> = (1..words.len()).map(first_at).collect();
    (!all.is_empty()).then(|| all.join("|"))
}

/// One of the names, which an editor offers, or a text that matches one of the other patterns.
fn names(names: &[&str], others: &[String]) -> Json {
    let known = json!({ "enum": names });
    if others.is_empty() {
        known
    } else {
        json!({ "anyOf": [known, { "type": "string", "pattern": others.join("|") }] })
    }
}

/// One of the names, in which `new` may stand in place of `old`.
fn renamed(all: &[&str], old: char, new: char) -> Json {
    let others: Vec<String> = all.iter().filter_map(|name| otherwise(name, old, new)).collect();
    let others = if others.is_empty() { others } else { vec![format!("^(?:{})$", others.join("|"))] };
    names(all, &others)
}

/// What a key takes, with its description. A reference is wrapped, since Draft 4 ignores what
/// stands beside one.
fn described(key: &Key) -> Json {
    let mut schema = takes(key.takes);
    if schema.get("$ref").is_some() {
        schema = json!({ "allOf": [schema] });
    }
    let mut text = key.text.to_owned();
    if let Some(default) = key.default {
        text.push_str(&format!("\n\nDefault: {}.", shown(default)));
        set(&mut schema, "default", plain(default));
    }
    set(&mut schema, "description", text);
    schema
}

/// What a key takes, without its description.
fn takes(takes: Takes) -> Json {
    match takes {
        Takes::Boolean => json!({ "type": "boolean" }),
        Takes::Text => json!({ "type": "string" }),
        Takes::Integer { min, max } => integer(min as u64, max as u64),
        Takes::Number(range) => number(&range),
        Takes::OneOf(names) => json!({ "enum": names }),
        Takes::Table(keys) => object(properties(keys), &required(keys)),
        Takes::Name => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]*$", "maxLength": key::LONGEST_NAME })
        }
        Takes::Label => {
            json!({ "type": "string", "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$", "maxLength": key::LONGEST_LABEL })
        }
        Takes::Seeds => json!({ "anyOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1, "uniqueItems": true },
        ] }),
        Takes::Task => to("task"),
        Takes::Axes => object(axes(), &[]),
        Takes::Blocks => {
            let mut block = object([properties(&key::BLOCK), axes()].concat(), &[]);
            set(&mut block, "not", one_budget());
            tables(block, 1)
        }
        Takes::Edges => {
            let keys = [properties(&key::EDGE), properties(&key::BLOCK), axes()].concat();
            let mut edge = object(keys, &required(&key::EDGE));
            set(&mut edge, "not", one_budget());
            tables(edge, 0)
        }
        Takes::Over => along(&key::OVER),
        Takes::Event => event(),
        Takes::Shares => {
            let share = json!({ "type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1 });
            json!({ "type": "array", "items": share, "minItems": 1, "uniqueItems": true })
        }
        Takes::Variants => {
            let mut variant = object([properties(&key::BLOCK), properties(&key::VARIANT), axes()].concat(), &["label"]);
            set(&mut variant, "not", one_budget());
            tables(variant, 1)
        }
        Takes::Filter => to("filter"),
        Takes::Filters => tables(json!({ "allOf": [to("filter")], "minProperties": 1 }), 0),
        Takes::Expects => tables(expectation(), 0),
        Takes::Columns => to("columns"),
        Takes::Metric => metric(),
        Takes::Tolerance => json!({ "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": format!(r"^\s*\+?{DECIMAL}\s*%\s*$") },
        ] }),
        Takes::Layers => json!({ "anyOf": [
            { "enum": ["all", false] },
            { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1 },
            object(vec![(key::EVERY.name, described(&key::EVERY))], &[key::EVERY.name]),
        ] }),
        Takes::Features => {
            json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "uniqueItems": true })
        }
        Takes::Separator => {
            // An ASCII character that is part of no number and no name, and is no quote.
            json!({ "type": "string", "pattern": r"^[\x01-\x09\x0b\x0c\x0e-!#-*,/:-@\[-`{-\x7f]$" })
        }
        Takes::Zip => {
            let names: Vec<&str> = settable().map(|axis| axis.name).collect();
            let group =
                json!({ "type": "array", "items": renamed(&names, '_', '-'), "minItems": 2, "uniqueItems": true });
            json!({ "type": "array", "items": group })
        }
        // Each axis has its own, which `range` makes.
        Takes::Ends | Takes::Divisor => json!({}),
        Takes::Texts => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
        Takes::Declared => json!({
            "type": "object",
            "maxProperties": key::MOST_DECLARED,
            "patternProperties": { "^[a-z_][a-z0-9_-]*$": { "enum": DeclaredKind::NAMES } },
            "additionalProperties": false,
        }),
        Takes::Resolution => {
            let pixels = integer(2, key::MOST_PIXELS as u64);
            json!({ "anyOf": [pixels, { "type": "array", "items": pixels, "minItems": 2, "maxItems": 2 }] })
        }
        Takes::Window => along(&key::WINDOW),
        Takes::Place => json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 }),
    }
}

/// A numeric axis with the ends of a window, and what else stands beside them: `over` of an edge,
/// and the sides of a map. The reader checks that the axis takes these ends.
fn along(keys: &'static [Key]) -> Json {
    let form = |key: &Key| {
        let mut schema = if let Takes::Ends = key.takes {
            let mut end = json!({ "type": "number" });
            if key.name == "log" {
                set(&mut end, "minimum", 0);
                set(&mut end, "exclusiveMinimum", true);
            }
            json!({ "type": "array", "items": end, "minItems": 2, "maxItems": 2 })
        } else if let Takes::Divisor = key.takes {
            json!({ "allOf": [to("divisor")] })
        } else {
            takes(key.takes)
        };
        set(&mut schema, "description", key.text);
        (key.name, schema)
    };
    let mut table = object(keys.iter().map(form).collect(), &required(keys));
    set(&mut table, "oneOf", json!([{ "required": ["log"] }, { "required": ["linear"] }]));
    table
}

/// An array of tables, at least `least` of them.
fn tables(item: Json, least: usize) -> Json {
    json!({ "type": "array", "items": item, "minItems": least, "maxItems": key::MOST_TABLES })
}

fn integer(min: u64, max: u64) -> Json {
    let mut schema = json!({ "type": "integer", "minimum": min });
    // The integers of TOML end there, and many readers of JSON round numbers of this size.
    if max < i64::MAX as u64 {
        set(&mut schema, "maximum", max);
    }
    schema
}

/// A number within bounds. JSON has no infinity, which reaches a validator as null.
fn number(range: &Bounds) -> Json {
    let mut schema = json!({ "type": "number" });
    for (end, name, exclusive) in
        [(range.least, "minimum", "exclusiveMinimum"), (range.most, "maximum", "exclusiveMaximum")]
    {
        match end {
            End::At(x) if x.is_infinite() => set(&mut schema, "type", json!(["number", "null"])),
            End::At(x) => set(&mut schema, name, tidy(x)),
            End::Beyond(x) if x.is_infinite() => {}
            End::Beyond(x) => {
                set(&mut schema, name, tidy(x));
                set(&mut schema, exclusive, true);
            }
        }
    }
    schema
}

/// A number, without a point if it is whole.
fn tidy(x: f64) -> Json {
    if x.fract() == 0.0 && x.abs() < 1e15 { json!(x as i64) } else { json!(x) }
}

/// A default as it is written in TOML.
fn shown(value: Value) -> String {
    match value {
        Value::Text(text) => format!("\"{text}\""),
        Value::Integer(ALL_SAMPLES) => "\"all\"".to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::Boolean(b) => b.to_string(),
    }
}

/// A default as it is written in JSON, where infinity is null.
fn plain(value: Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(ALL_SAMPLES) => json!("all"),
        Value::Integer(n) => json!(n),
        Value::Float(x) => json!(x),
        Value::Boolean(b) => json!(b),
    }
}

fn any_of(mut forms: Vec<Json>) -> Json {
    if forms.len() == 1 { forms.remove(0) } else { json!({ "anyOf": forms }) }
}

/// A task: one of the kinds, each with its own keys.
fn task() -> Json {
    let of = |table: &key::TaskKeys| {
        let name = table.kind.name();
        let mut kind = renamed(&[name], '-', '_');
        set(&mut kind, "description", table.text);
        let own = properties(table.keys);
        let mut schema =
            object([vec![(key::KIND, kind)], own].concat(), &[vec![key::KIND], required(table.keys)].concat());
        set(&mut schema, "title", name);
        set(&mut schema, "description", table.text);
        schema
    };
    json!({ "type": "object", "oneOf": key::TASKS.iter().map(of).collect::<Vec<_>>() })
}
