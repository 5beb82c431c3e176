//! What the documents say of axes and columns, made from their declarations: text in, text out.
//! Each part that is written stands between two lines, which stay.

use blowup_core::axis::{self, ALL_SAMPLES, Axis, Bounds, Default, Held, Kind, Rides, Short};
use blowup_core::record::column::{About, abouts};
use blowup_core::record::{self, EPOCH, LAYER, STEP, TRIAL};
use blowup_core::summary;
use blowup_core::trial::{Loss, Network, TaskKind, Value};
use std::collections::BTreeSet;

/// Writes the tables of a page anew. The error is a line that the page lacks.
type PageWriter = fn(&str) -> Result<String, String>;

/// The files with parts that are written.
pub const PAGES: [(&str, PageWriter); 3] =
    [("docs/spec.md", spec_page), ("docs/results.md", results_page), ("fuzz/words.dict", dictionary)];

fn spec_page(page: &str) -> Result<String, String> {
    between(page, "<!-- axes: written by `make tables` -->", "<!-- /axes -->", &axes())
}

fn results_page(page: &str) -> Result<String, String> {
    let beside = |columns: &mut dyn Iterator<Item = &'static About>| -> Vec<&'static About> {
        [&TRIAL].into_iter().chain(columns).collect()
    };
    let files = [
        ("runs.csv", record::abouts_of_runs().collect()),
        ("summary.csv", summary::counted().collect()),
        ("epochs.csv", beside(&mut abouts(&EPOCH))),
        ("layers.csv", beside(&mut abouts(&LAYER))),
        ("steps.csv", beside(&mut abouts(&STEP))),
    ];
    files.iter().try_fold(page.to_owned(), |page, (file, about)| {
        let opening = format!("<!-- columns of {file}: written by `make tables` -->");
        between(&page, &opening, &format!("<!-- /columns of {file} -->"), &columns(about))
    })
}

/// The words that the fuzzer puts into its inputs: the names are written, and all other words are
/// kept by hand.
fn dictionary(page: &str) -> Result<String, String> {
    let names: String = names().into_iter().map(|name| format!("\"{name}\"\n")).collect();
    let opening = "# The names of axes, of their values and of columns: written by `make tables`";
    between(page, opening, "# Other words", &names)
}

/// The page with `text` between the lines `opening` and `closing`.
fn between(page: &str, opening: &str, closing: &str, text: &str) -> Result<String, String> {
    let (before, rest) = page.split_once(&format!("{opening}\n")).ok_or_else(|| opening.to_owned())?;
    let (_, after) = rest.split_once(&format!("{closing}\n")).ok_or_else(|| closing.to_owned())?;
    Ok(format!("{before}{opening}\n{text}{closing}\n{after}"))
}

/// Every name in alphabetical order.
pub fn names() -> BTreeSet<&'static str> {
    let mut names: BTreeSet<&str> = Axis::names().collect();
    for axis in &axis::TABLE {
        match &axis.kind {
            Kind::Choice { names: values, short: _, aliases } => {
                names.extend(*values);
                names.extend(aliases.iter().map(|(alias, _)| *alias));
            }
            Kind::Boolean => names.extend(["true", "false"]),
            Kind::Integer { .. } | Kind::Float { .. } | Kind::Text => {}
        }
    }
    names.extend(record::runs());
    names.extend(record::SIDES.iter().flat_map(|side| side.columns));
    names.extend(summary::counted().map(|about| about.name));
    names
}

/// A table in Markdown, in which a bar within a cell is escaped.
fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    let head = line(heads.map(ToOwned::to_owned));
    let rule = format!("|{}\n", "---|".repeat(N));
    [head, rule].into_iter().chain(rows.map(line)).collect()
}

fn columns(abouts: &[&About]) -> String {
    let row = |about: &&About| {
        [&format!("`{}`", about.name), about.kind.name(), about.unit, about.text, about.empty].map(ToOwned::to_owned)
    };
    table(["column", "kind", "unit", "meaning", "empty"], abouts.iter().map(row))
}

fn axes() -> String {
    let row = |axis: &Axis| {
        let needs: Vec<String> = axis.needs.iter().map(ToString::to_string).collect();
        [format!("`{}`", axis.name), values(axis), default(axis), needs.join("; "), axis.text.to_owned()]
    };
    table(["axis", "values", "default", "needs", "meaning"], axis::TABLE.iter().map(row))
}

/// The values of an axis, in words.
fn values(axis: &Axis) -> String {
    match &axis.kind {
        Kind::Boolean => "true false".to_owned(),
        Kind::Text => "a line of text".to_owned(),
        Kind::Integer { min, max: ALL_SAMPLES } => format!("an integer, {min} or more, or \"all\""),
        Kind::Integer { min, max } if *max == i64::MAX as u64 => format!("an integer, {min} or more"),
        Kind::Integer { min, max } => format!("an integer from {min} to {}", grouped(*max)),
        Kind::Float { range: Bounds { words, held, least: _, most: _ }, names: _ } => {
            let held = match held {
                Held::Nothing => "",
                Held::Number | Held::Rate => ", that the dtype holds",
            };
            format!("{words}{held}")
        }
        Kind::Choice { names, short, aliases } => {
            let mut text = names.join(" ");
            if let Some(Short { sets, names: takes }) = short {
                let which = match takes.len() == names.len() {
                    true => format!("any of them with a number, as in {}(0.1),", takes[0]),
                    false if takes.len() + 1 == names.len() => {
                        let other = names.iter().find(|name| !takes.contains(name)).map_or("", |name| name);
                        format!("any of them but {other} with a number, as in {}(0.1),", takes[0])
                    }
                    false => takes.iter().map(|name| format!("{name}(x)")).collect::<Vec<_>>().join(" or "),
                };
                text += &format!("; {which} sets `{}` too", sets.name());
            }
            let others = |name: &str| -> Vec<&str> {
                aliases.iter().filter(|(_, of)| *of == name).map(|(alias, _)| *alias).collect()
            };
            for name in *names {
                if let [first, rest @ ..] = &others(name)[..] {
                    let all = rest.iter().fold((*first).to_owned(), |all, other| format!("{all} or {other}"));
                    text += &format!("; {all} is {name}");
                }
            }
            text
        }
    }
}

/// A number as `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let rest = (lead..digits.len()).step_by(3).map(|at| digits[at..at + 3].to_owned());
    let groups: Vec<String> =
        Some(digits[..lead].to_owned()).into_iter().filter(|l| !l.is_empty()).chain(rest).collect();
    groups.join(",")
}

/// The value of an axis where a spec gives none, in words.
fn default(axis: &Axis) -> String {
    match axis.default {
        Default::Is(Value::Integer(ALL_SAMPLES)) => "\"all\"".to_owned(),
        Default::Is(value) => text(value),
        Default::Required if axis.rides == Rides::Seed => "the one seed 0".to_owned(),
        Default::Required => "none: a spec must say it".to_owned(),
        Default::Follows(other) => format!("that of `{}`", other.name()),
        Default::OfInit => "0.0; with `init` pytorch PyTorch's own".to_owned(),
        Default::OfNetwork(of) => {
            let applies = |name: &&&str| axis.needs.iter().all(|need| fits(need, name));
            let names: Vec<&str> = Network::NAMES.iter().filter(applies).copied().collect();
            match of_bundle(axis) {
                Some(other) => format!("{}; {} in a bundle", text(of(Network::of_name(names[0]))), text(other)),
                None => {
                    let each = names.iter().map(|name| format!("{} for {name}", text(of(Network::of_name(name)))));
                    each.collect::<Vec<_>>().join(", ")
                }
            }
        }
        Default::OfTaker(..) => match &axis.of_takers()[..] {
            [(_, value)] => text(*value),
            all => {
                let each = all.iter().map(|(takers, value)| format!("{} for {}", text(*value), takers.join(" or ")));
                each.collect::<Vec<_>>().join(", ")
            }
        },
        Default::OfTask => {
            let usual = TaskKind::Teacher.default_loss();
            let other = |loss: &&Loss| **loss != usual;
            let of = |loss: Loss| TaskKind::ALL.iter().filter(move |kind| kind.default_loss() == loss);
            let tasks = |loss: Loss| of(loss).map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            let each = Loss::ALL.iter().filter(other).map(|loss| format!("; {} for {}", loss.name(), tasks(*loss)));
            each.fold(usual.name().to_owned(), |all, other| all + &other)
        }
    }
}

/// What an axis is by default in a bundle, where it applies to built-in nets and bundles alike.
fn of_bundle(axis: &Axis) -> Option<Value> {
    let Default::OfNetwork(of) = axis.default else { return None };
    axis.needs.is_empty().then(|| of(Network::Bundle))
}

/// Whether a condition lets a network of this name through.
fn fits(need: &axis::Need, network: &str) -> bool {
    need.axis != axis::Id::Network || need.names().contains(&network)
}

fn text(value: Value) -> String {
    let mut text = Vec::new();
    value.put(&mut text);
    String::from_utf8(text).expect("the text of a value is UTF-8")
}
