//! The axes in the JSON Schema of a spec: of each the schema takes what the reader takes, and tells
//! what the table says of it.

use crate::schema::{Validator, follow, mistakes};
use crate::spec::TOP;
use blowup::schema::schema;
use blowup_core::axis::{Axis, Id, Kind, TABLE};
use blowup_core::trial::Value;

/// What may stand behind the `=` of some axis.
const WRITTEN: &[&str] = &[
    "-1",
    "0",
    "1",
    "2",
    "10001",
    "1000001",
    "10000001",
    "-0.5",
    "0.0",
    "0.5",
    "1.0",
    "1.5",
    "inf",
    "true",
    "\"all\"",
    "\"\"",
    "\"none\"",
    "\"mlp\"",
    "\"relu\"",
    "\"tanh\"",
    "\"leaky-relu\"",
    "\"leaky_relu(0.1)\"",
    "\"leaky_relu(-0.1)\"",
    "\"leaky_relu()\"",
    "\"leaky_relu(inf)\"",
    "\"he\"",
    "\"he(0)\"",
    "\"he(-1)\"",
    "\"constant(-1)\"",
    "\"kaiming-normal(2)\"",
    "\"he-uniform\"",
    "\"He\"",
    "\"normal(0.1\"",
    "\"norm\"",
    "\"norm(1)\"",
    "\"norm(0.00)\"",
    "\"norm(1e-3)\"",
    "\"norm(inf)\"",
    "\"value(.5)\"",
    "\"value(5.)\"",
    "\"none(1)\"",
    "\"warmup-cosine\"",
    "\"cross-entropy\"",
    "\"learned\"",
    "\"mean-field\"",
    "[]",
    "[1, 2]",
    "[0.5, 1]",
    "[1, \"norm\"]",
    "[true, false]",
    "[\"he\", \"norm\"]",
    "{}",
    "{ log = [1, 2] }",
    "{ points = 2 }",
    "{ log = [1, 2], points = 2 }",
    "[3, { log = [1, 2], points = 2 }]",
    "{ linear = [1, 2], points = 1 }",
    "{ log = [0, 1], points = 2 }",
    "{ linear = [0, 1], points = 2 }",
    "{ linear = [0, 0.5], points = 2 }",
    "{ linear = [0.4, 1.4], points = 2 }",
    "{ linear = [0.5, 1.4], points = 2 }",
    "{ linear = [-0.1, 1], points = 2 }",
    "{ linear = [1, 10000.4], points = 2 }",
    "{ linear = [1, 10000.5], points = 2 }",
    "{ log = [1, inf], points = 2 }",
    "{ log = [1, 2], points = 0 }",
    "{ log = [1, 2], points = 2, linear = [1, 2] }",
    "{ log = [1], points = 2 }",
    "{ linear = [0.5, 0.9], points = 2, per = \"depth\" }",
    "{ linear = [0.5, 0.9], points = 2, per = \"init-scale\" }",
    "{ linear = [0.5, 0.9], points = 2, per = \"init\" }",
    "{ linear = [0.5, 0.9], points = 2, per = \"seed\" }",
    "{ log = [1, 2], points = 2, times = 2 }",
    "{ log = [1, 2], points = 1000001 }",
];

/// Messages about things that do not go together, which a schema cannot see.
const BETWEEN_KEYS: [&str; 7] = [
    "applies nowhere",
    "cannot learn the task",
    "has no targets for",
    "has no `warmup`",
    "is divided by",
    "`init_scale` is below 0",
    "with norm = \"batch\"",
];

#[test]
fn of_each_axis_the_schema_takes_what_the_reader_takes() {
    let (validator, mut differ) = (Validator::new(), Vec::new());
    for axis in TABLE.iter().filter(|axis| axis.id != Id::Seed) {
        // To most validators 1.0 is an integer, but to TOML it is not.
        let whole = |written: &&&str| !(matches!(axis.kind, Kind::Integer { .. }) && written.ends_with(".0"));
        for written in WRITTEN.iter().filter(whole) {
            let lr = if axis.id == Id::Lr { "" } else { "lr = 1\n" };
            let text = format!("{TOP}[[grid]]\n{} = {written}\n{lr}", axis.name);
            let alone = |message: &String| !BETWEEN_KEYS.iter().any(|words| message.contains(words));
            // Only in a short form can a schema see that only `constant` may be negative.
            let negative = |message: &String| message == "`init_scale` is below 0" && written.contains('(');
            let own = mistakes(&text).into_iter().filter(|(line, _)| *line == 6).map(|(_, message)| message);
            let own: Vec<String> = own.filter(|message| alone(message) || negative(message)).collect();
            match (validator.check(&text), own.first()) {
                (Ok(()), Some(message)) => {
                    differ.push(format!("{} = {written}: only the reader: {message}", axis.name))
                }
                (Err(error), None) => differ.push(format!("{} = {written}: only the schema: {error}", axis.name)),
                (Ok(()), None) | (Err(_), Some(_)) => {}
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn every_axis_is_there_with_its_text_and_its_default() {
    let root = schema();
    let nets = &root["anyOf"][0]["properties"];
    let tables = [&nets["base"], &nets["grid"]["items"]];
    for axis in TABLE.iter().filter(|axis| axis.id != Id::Seed) {
        for table in tables {
            let found = follow(&root, &table["properties"][axis.name]);
            let text = found["description"].as_str().unwrap_or_else(|| panic!("`{}` is not there", axis.name));
            assert!(text.starts_with(axis.text) && text.contains("\n\nDefault: "), "{text}");
            assert_eq!(found["title"], axis.title);
            if let Some(Value::Text(name)) = axis.usual() {
                assert_eq!(found["default"], name);
            }
        }
    }
    let known = tables[0]["properties"].as_object().unwrap().keys();
    let strange = known.into_iter().find(|name| *name != "zip" && Axis::find(name).is_none());
    assert_eq!(strange, None);
    let filter = root["definitions"]["filter"]["properties"].as_object().unwrap();
    assert_eq!(filter.len(), TABLE.len() + 2);
}
