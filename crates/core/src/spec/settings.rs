//! Reads what stands beside the axes: the name, how long to train, the seeds, `[divergence]`,
//! `[record]` and `[[exclude]]`.

use super::filter::Filter;
use super::key;
use super::report::{Mistake, Problems, excerpt};
use super::source::{Entry, Node, Raw, Span};
use crate::axis::AxisSet;
use crate::failure::counted;
use crate::trial::Budget;
use crate::verdict::{Layers, Record};

/// The seeds of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seeds {
    /// The seeds 0, 1, ... below this number.
    First(u64),
    List(Vec<u64>),
}

impl Seeds {
    pub fn len(&self) -> u64 {
        match self {
            Seeds::First(n) => *n,
            Seeds::List(seeds) => seeds.len() as u64,
        }
    }

    /// The number of seeds and the seeds, as `5: 0 to 4`.
    pub fn told(&self) -> String {
        const SHOWN: usize = 8;
        let which = match self {
            Seeds::First(1) => "0".to_owned(),
            Seeds::First(n) => format!("0 to {}", n - 1),
            Seeds::List(seeds) => {
                let shown: Vec<String> = seeds.iter().take(SHOWN).map(u64::to_string).collect();
                shown.join(", ") + if seeds.len() > SHOWN { ", ..." } else { "" }
            }
        };
        format!("{}: {which}", self.len())
    }

    /// The seed number `i`, from 0.
    pub fn at(&self, i: u64) -> u64 {
        match self {
            Seeds::First(_) => i,
            Seeds::List(seeds) => seeds[i as usize],
        }
    }
}

/// Reads `init_parameters`.
pub fn patterns(node: &Node) -> Result<Vec<String>, Mistake> {
    let hint = "a list of names, as in init_parameters = [\"blocks.*.weight\"]";
    let Raw::List(items) = &node.raw else {
        return Err(Mistake::kind(key::INIT_PARAMETERS.name, node.raw.kind(), "a list of names", hint));
    };
    let texts: Option<Vec<String>> = items.iter().map(|item| item.raw.text().map(str::to_owned)).collect();
    match texts {
        Some(texts) if !texts.is_empty() => Ok(texts),
        Some(_) | None => Err(Mistake::new("`init_parameters` names no parameters", hint)),
    }
}

/// The most bytes of a name.
pub const LONGEST: usize = 200;

/// Reads the name, which is that of the results' folder.
pub fn name(node: &Node) -> Result<String, Mistake> {
    let hint = "letters, digits, `.`, `_` and `-`, not first a `.`: it names the folder of the results";
    let plain = |text: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(legal)
    };
    match node.raw.text() {
        Some(text) if text.len() > LONGEST => Err(Mistake::new(
            format!("the name of the sweep is {} bytes long, more than {LONGEST}", text.len()),
            "it names the folder of the results",
        )),
        Some(text) if plain(text) => Ok(text.to_owned()),
        Some(text) => Err(Mistake::new(format!("`{}` cannot be the name of a sweep", excerpt(text)), hint)),
        None => Err(Mistake::kind("name", node.raw.kind(), "a string", hint)),
    }
}

/// Reads the value of `epochs` or `steps`.
pub fn budget(key: &str, node: &Node) -> Result<Budget, Mistake> {
    match node.raw.integer() {
        Some(n) if (0..=key::MOST).contains(&n) => {
            Ok(if key == "epochs" { Budget::Epochs(n as u64) } else { Budget::Steps(n as u64) })
        }
        _ => Err(Mistake::new(
            format!("`{key}` is not an integer from 0 to 1,000,000,000"),
            "0 measures at initialization only",
        )),
    }
}

/// Reads the value of `seeds`: a number of them, or a list.
pub fn seeds(node: &Node) -> Result<Seeds, Mistake> {
    let hint = "a number of seeds, 1 or more (5 is 0, 1, 2, 3, 4), or a list of distinct integers, 0 or more";
    let items = match &node.raw {
        Raw::Integer(n) if *n >= 1 => return Ok(Seeds::First(*n as u64)),
        Raw::List(items) if !items.is_empty() => items,
        Raw::List(_) => return Err(Mistake::new("`seeds` is empty", hint)),
        Raw::Integer(n) => return Err(Mistake::new(format!("`seeds` cannot be {n}"), hint)),
        other @ (Raw::Text(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::Table(_) | Raw::Other(_)) => {
            return Err(Mistake::kind("seeds", other.kind(), "an integer or a list", hint));
        }
    };
    let mut seeds = Vec::with_capacity(items.len());
    for item in items {
        match item.raw.integer() {
            Some(seed) if seed >= 0 => seeds.push(seed as u64),
            Some(seed) => return Err(Mistake::new(format!("a seed cannot be {seed}"), hint)),
            None => return Err(Mistake::kind("seeds", item.raw.kind(), "a list of integers", hint)),
        }
    }
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Mistake::new(format!("the seed {} stands twice", pair[0]), hint)),
        None => Ok(Seeds::List(seeds)),
    }
}

/// The entries of a table that may have these keys. Other keys are mistakes.
pub fn table<'a>(what: &str, node: &'a Node, known: &[&'static str], problems: &mut Problems) -> &'a [Entry] {
    let Raw::Table(entries) = &node.raw else {
        let hint = format!("write [{what}] and its keys below: {}", known.join(", "));
        problems.push(&node.span, Mistake::kind(what, node.raw.kind(), "a table", hint));
        return &[];
    };
    for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        problems.push(
            &entry.key_span,
            Mistake::unknown(format!("`{what}` has no key `{}`", excerpt(&entry.key)), &entry.key, known),
        );
    }
    entries
}

/// Reads `[divergence]`, which has the loss ratio.
pub fn divergence(node: &Node, problems: &mut Problems) -> Option<f64> {
    let entries = table("divergence", node, &key::names(&key::DIVERGENCE), problems);
    let entry = entries.iter().find(|entry| entry.key == "loss_ratio")?;
    match entry.value.raw.number() {
        Some(x) if x.is_finite() && x > 0.0 => Some(x),
        _ => {
            let hint = "a loss above this multiple of the reference counts as diverged, for example 1e6";
            problems.add(&entry.value.span, "`loss_ratio` is not a finite number above 0", hint);
            None
        }
    }
}

/// Reads `[record]`.
pub fn record(node: &Node, problems: &mut Problems) -> Record {
    let mut record = Record::default();
    for entry in table("record", node, &key::names(&key::RECORD), problems) {
        let span = &entry.value.span;
        match (entry.key.as_str(), &entry.value.raw) {
            ("epochs", Raw::Boolean(b)) => record.epochs = *b,
            ("steps", Raw::Integer(n)) if (0..=key::MOST).contains(n) => record.steps = *n as u64,
            ("steps", _) => {
                problems.add(
                    span,
                    "`steps` is not an integer from 0 to 1,000,000,000",
                    "steps.csv has the first `steps` updates",
                );
            }
            ("sharpness", Raw::Boolean(b)) => record.sharpness = *b,
            ("layers", _) => {
                if let Some(layers) = problems.keep(span, layers(&entry.value)) {
                    record.layers = layers;
                }
            }
            ("epochs" | "sharpness", raw) => {
                problems.push(span, Mistake::kind(&entry.key, raw.kind(), "true or false", "write true or false"));
            }
            _ => {}
        }
    }
    record
}

/// Reads the epochs at which layers.csv has rows.
fn layers(node: &Node) -> Result<Layers, Mistake> {
    let hint = "epochs as in layers = [0, 10], \"all\", or { every = 10 }; 0 is before any update";
    let epoch = |node: &Node, min: i64| node.raw.integer().filter(|n| *n >= min).map(|n| n as u64);
    let found = match &node.raw {
        Raw::Boolean(false) => Some(Layers::Never),
        Raw::Text(text) if text == "all" => Some(Layers::Always),
        Raw::List(items) if items.is_empty() => {
            return Err(Mistake::new("`layers` names no epoch", hint));
        }
        Raw::List(items) => items.iter().map(|item| epoch(item, 0)).collect::<Option<Vec<_>>>().map(|mut epochs| {
            epochs.sort_unstable();
            Layers::At(epochs)
        }),
        Raw::Table(entries) => match entries.as_slice() {
            [entry] if entry.key == "every" => epoch(&entry.value, 1).map(Layers::Every),
            _ => None,
        },
        Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(true) | Raw::Other(_) => None,
    };
    found.ok_or_else(|| Mistake::new("`layers` does not say which epochs", hint))
}

/// Reports what `[record]` asks for and no trial has, since the longest trial has `longest` epochs.
pub fn unreached(record: &Node, longest: u64, problems: &mut Problems) {
    let Raw::Table(entries) = &record.raw else { return };
    for Entry { key, value, .. } in entries {
        match (key.as_str(), &value.raw) {
            ("steps", Raw::Integer(steps)) if *steps > 0 && longest == 0 => {
                let hint = "steps.csv has a row for each of the first updates; leave `steps` out";
                problems.add(&value.span, "`steps` records nothing: no trial is updated", hint);
            }
            ("layers", Raw::List(items)) => {
                let beyond =
                    |item: &&Node| matches!(item.raw, Raw::Integer(epoch) if epoch >= 0 && epoch as u64 > longest);
                let hint = format!("0 is before any update, the last epoch is {longest}");
                let Some(first) = items.iter().find(beyond) else { continue };
                if items.iter().all(|item| beyond(&item)) {
                    let text =
                        format!("`layers` records nothing: no trial has more than {}", counted(longest, "epoch"));
                    problems.add(&value.span, text, hint);
                } else {
                    let text = format!("`layers` names an epoch that no trial reaches: all have at most {longest}");
                    problems.warn(&first.span, text, hint);
                }
            }
            _ => {}
        }
    }
}

/// Reads `[[exclude]]`, each table of which is a filter.
pub fn excludes(node: &Node, known: &AxisSet, problems: &mut Problems) -> Vec<Filter> {
    tables("exclude", node, problems)
        .iter()
        .filter_map(|(span, entries)| {
            if entries.is_empty() {
                problems.add(
                    span,
                    "this [[exclude]] has no keys, so it would drop every trial",
                    "for example init = \"he\"",
                );
                return None;
            }
            Some(Filter::read(entries, known, problems))
        })
        .collect()
}

/// The most tables of one name. Each is compared with every trial, or is a grid of its own.
pub const MOST_TABLES: usize = 10_000;

/// The items of `[[what]]`, or none if they are too many.
pub fn few<'a>(what: &str, items: &'a [Node], span: &Span, problems: &mut Problems) -> &'a [Node] {
    if items.len() <= MOST_TABLES {
        return items;
    }
    let message = format!("there are {} [[{what}]], more than {MOST_TABLES}", items.len());
    problems.add(span, message, "one of them may hold lists and ranges");
    &[]
}

/// The items of `[[what]]`, each with its place.
pub fn tables<'a>(what: &str, node: &'a Node, problems: &mut Problems) -> Vec<(Span, &'a [Entry])> {
    let wrong = |raw: &Raw| Mistake::kind(what, raw.kind(), "a list of tables", format!("write [[{what}]]"));
    let Raw::List(items) = &node.raw else {
        problems.push(&node.span, wrong(&node.raw));
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in few(what, items, &node.span, problems) {
        match item.raw.table() {
            Some(entries) => found.push((item.span.clone(), entries)),
            None => problems.push(&item.span, wrong(&item.raw)),
        }
    }
    found
}
