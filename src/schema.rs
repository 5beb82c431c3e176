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

use blowup_core::axis::{ALL_SAMPLES, Axis, Bounds, DeclaredKind, Default, End, Id, Kind, Need, ROOTS, Short, TABLE};
use blowup_core::bundle::SUFFIX;
use blowup_core::spec::key::{self, Key, Takes};
use blowup_core::spec::metric::{Function, Rate};
use blowup_core::trial::{Network, TaskKind, Value};
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
        "anyOf": [of_nets(), of_program()],
        "definitions": definitions(),
    })
}

/// A spec whose trials are built-in nets.
fn of_nets() -> Json {
    let known = properties(&key::TOP).into_iter().filter(|(name, _)| *name != key::PROGRAM_KEY).collect();
    let mut spec = object(known, &required(&key::TOP));
    set(&mut spec, "not", one_budget());
    spec
}

/// A spec whose trials a program trains. It may declare axes of any name, so wherever axes stand
/// other names may, too, and a range may be divided by one of them.
fn of_program() -> Json {
    let mut spec = object(properties(&key::TOP), &[required(&key::TOP), vec![key::PROGRAM_KEY]].concat());
    set(&mut spec, "not", one_budget());
    let properties = &mut spec["properties"];
    let mut zip = described(&key::ZIP);
    set(&mut zip, "items", json!({ "type": "array", "items": { "type": "string" }, "minItems": 2 }));
    for axes in ["/base", "/grid/items"] {
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
    for columns in ["/expect/items/properties/by", "/baseline/properties/by"] {
        let names = json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true });
        set(part(properties, columns), "allOf", json!([names]));
    }
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

/// The properties for these keys, without those that are not built yet.
fn properties(keys: &'static [Key]) -> Vec<(&'static str, Json)> {
    let built = keys.iter().filter(|key| !matches!(key.takes, Takes::Later));
    built.map(|key| (key.name, described(key))).collect()
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
        Takes::Later => json!({ "not": {} }),
    }
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

/// The axes that a grid sets. This is all but the seed, which `seeds` sets.
fn settable() -> impl Iterator<Item = &'static Axis> {
    TABLE.iter().filter(|axis| axis.id != Id::Seed)
}

/// The keys that `[base]` and a block may have beside their own.
fn axes() -> Vec<(&'static str, Json)> {
    let zip = (key::ZIP.name, described(&key::ZIP));
    settable().map(|axis| (axis.name, to(&format!("axis_{}", axis.name)))).chain([zip]).collect()
}

/// What a single value of an axis may be.
fn value(axis: &Axis) -> Json {
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
        Kind::Float { range } if axis.id == Id::ResidualScale => {
            json!({ "anyOf": [number(range), { "enum": ROOTS.map(|root| root.0) }] })
        }
        Kind::Float { range } => number(range),
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
        let Kind::Float { range } = &short.sets.axis().kind else { return patterns };
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
fn given(axis: &Axis) -> Json {
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

fn any_of(mut forms: Vec<Json>) -> Json {
    if forms.len() == 1 { forms.remove(0) } else { json!({ "anyOf": forms }) }
}

/// A range of a numeric axis, such as `{ log = [a, b], points = n, per = "depth" }`.
fn range(axis: &Axis) -> Json {
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
        Kind::Float { range } => *range,
        Kind::Integer { min, max } => Bounds {
            least: End::At(if *min == 0 { 0.0 } else { *min as f64 - 0.5 }),
            most: End::Beyond(if *max < i64::MAX as u64 { *max as f64 + 0.5 } else { f64::INFINITY }),
            words: "",
            held: false,
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
        Kind::Float { range } => {
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
                return format!("\"{}\"; \"{}\" of a bundle", of(Network::NAMES[0]), of(SUFFIX));
            };
            all.iter().map(|network| format!("{} of {network}", of(network))).collect::<Vec<_>>().join(", ")
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

const LABEL: &str = "The label of the block that a trial is from.";
const KIND: &str = "The kind of a trial's task.";

/// The names by which trials are chosen and grouped.
fn column_names() -> Vec<&'static str> {
    ["label", "task"].into_iter().chain(Axis::names()).collect()
}

/// A list of names by which trials are grouped.
fn columns() -> Json {
    json!({ "type": "array", "items": renamed(&column_names(), '_', '-'), "uniqueItems": true })
}

/// A filter: a table of conditions, all of which must hold.
fn filter() -> Json {
    let label = listed(json!({ "type": "string" }), None, LABEL.to_owned());
    let kinds: Vec<&str> = TaskKind::ALL.iter().map(|kind| kind.name()).collect();
    let task = listed(renamed(&kinds, '-', '_'), None, KIND.to_owned());
    let axes = TABLE.iter().map(|axis| (axis.name, to(&format!("where_{}", axis.name))));
    object([("label", label), ("task", task)].into_iter().chain(axes).collect(), &[])
}

/// A condition on an axis: a value, a list of values, or `{ min, max }`.
fn condition(axis: &Axis) -> Json {
    let between = axis.is_numeric().then(|| to("between"));
    let forms =
        if axis.is_numeric() { "a value, a list of them, or `{ min = a, max = b }`" } else { "a value or a list" };
    let mut schema =
        listed(to(&format!("value_{}", axis.name)), between, format!("{}\n\nIt takes {forms}.", axis.text));
    set(&mut schema, "title", axis.title);
    schema
}

/// A condition `{ min = a, max = b }`, of which one may be left out.
fn between() -> Json {
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
fn expectation() -> Json {
    let mut table = object(properties(&key::EXPECT), &required(&key::EXPECT));
    let both = json!({ "anyOf": [{ "required": ["value", "min"] }, { "required": ["value", "max"] }] });
    set(&mut table, "anyOf", json!([{ "required": ["min"] }, { "required": ["max"] }, { "required": ["value"] }]));
    set(&mut table, "not", both);
    set(&mut table, "dependencies", json!({ "value": ["tolerance"], "tolerance": ["value"] }));
    table
}

/// A metric: a rate, or a function of a formula. Only the reader of specs checks the formula.
fn metric() -> Json {
    let rates = Rate::ALL.map(Rate::name);
    let functions = Function::ALL.map(Function::name).join("|");
    let pattern = format!(r"^\s*(?:{})\s*$|^\s*(?:{functions})\s*\([\s\S]*\)\s*$", rates.join("|"));
    let mut schema = names(&rates, &[pattern]);
    set(&mut schema, "maxLength", key::LONGEST_METRIC);
    schema
}
