//! The bundles of a grid: `network = { file = "x.blowup" }`. A bundle has its own data, loss and
//! initial weights, so a block of bundles has no task.

use super::check::View;
use super::data::{Sources, Taken};
use super::draft::{Draft, Setting};
use super::report::{Mistake, Problems, excerpt};
use super::settings::Seeds;
use super::source::Span;
use crate::axis::Id;
use crate::bundle::{Bundle, Graph, SUFFIX};
use crate::failure::counted;
use crate::input;
use crate::trial::{BundleFile, BundleSize, Dtype, InitKind, Source, StepSize, Task, Value};
use serde::{Deserialize, Serialize};

/// A bundle that a spec names.
#[derive(Debug, Clone)]
pub struct KnownBundle {
    /// The path as the spec has it.
    pub name: &'static str,
    pub task: Task,
    pub dtype: Dtype,
    pub batch: usize,
    pub taken: Taken,
}

/// What a bundle is, without its tensors: all that the grid must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBundle {
    pub samples: usize,
    pub seeds: Vec<u64>,
    pub dtype: Dtype,
    pub batch: usize,
    #[serde(flatten)]
    pub size: BundleSize,
    /// The trained parameters.
    #[serde(default)]
    pub named: Vec<NamedParameter>,
}

/// A trained parameter of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedParameter {
    pub name: String,
    pub shape: Vec<usize>,
}

impl KnownBundle {
    /// The bundle of a block that says which parameters `init` is for.
    pub fn initialized_by(&self, patterns: &[String]) -> KnownBundle {
        let mut known = self.clone();
        if let Source::Bundle(file) = &mut known.task.source {
            let all = self.named().iter().filter(|parameter| patterns.iter().any(|p| matches(p, &parameter.name)));
            file.initialized = all.map(|parameter| parameter.name.clone()).collect();
        }
        known
    }

    fn named(&self) -> &[NamedParameter] {
        self.taken.bundle.as_ref().map_or(&[], |bundle| &bundle.named)
    }
}

/// Whether a name is what a pattern says, in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let (inner, end) = rest.rsplit_once('*').map_or(("", rest), |(inner, end)| (inner, end));
    for part in inner.split('*') {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

/// The networks that this block names and that are bundles, in the order of their first mention.
pub fn named(view: &View) -> Vec<&'static str> {
    let mut names = Vec::new();
    for value in view.values(Id::Network).unwrap_or_default() {
        if let Value::Text(name) = value
            && is_name(name)
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// Whether the name of a network is that of a bundle.
pub fn is_name(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// Reads the bundles of all blocks, each once.
pub fn read_all(drafts: &[Draft], open: Sources<'_>, problems: &mut Problems) -> Vec<KnownBundle> {
    let (mut known, mut failed): (Vec<KnownBundle>, Vec<&str>) = (Vec::new(), Vec::new());
    for draft in drafts {
        let view = draft.view(&[], &[]);
        let names = named(&view);
        let place = view.place(Id::Network);
        for name in &names {
            if known.iter().any(|bundle| bundle.name == *name) || failed.contains(name) {
                continue;
            }
            match problems.keep(place, read(name, open)) {
                Some(bundle) => known.push(bundle),
                None => failed.push(name),
            }
        }
        if !names.is_empty() {
            check(draft, &view, &names, &known, problems);
        }
    }
    known
}

/// Reports what is wrong with a block of bundles.
fn check(draft: &Draft, view: &View, names: &[&'static str], known: &[KnownBundle], problems: &mut Problems) {
    let place: &Span = view.place(Id::Network);
    let is_other = |value: &Value| matches!(value, Value::Text(name) if !is_name(name));
    if view.values(Id::Network).is_some_and(|values| values.iter().any(is_other)) {
        let hint = "each has axes of its own: write a [[grid]] for the bundles and another one for the rest";
        problems.add(place, "a block trains bundles or built-in networks", hint);
    }
    if draft.has_own_task {
        problems.add(place, "a bundle has its own data: `task` is for the built-in networks", "leave it out");
    }
    initialized(draft, view, names, known, problems);
    let Setting::Is(seeds) = draft.settings.seeds.or(&Setting::Is(Seeds::First(1))) else { return };
    for bundle in known.iter().filter(|bundle| names.contains(&bundle.name)) {
        let Some(TakenBundle { seeds: known, .. }) = &bundle.taken.bundle else { continue };
        // The first seeds are 0, 1, ..., so the first one that is not there comes early.
        let missing = (0..seeds.len()).map(|i| seeds.at(i)).find(|seed| !known.contains(seed));
        if let Some(missing) = missing {
            let told = Seeds::List(known.clone()).told();
            let message = format!("`{}` has no initial weights for the seed {missing}", excerpt(bundle.name));
            problems.add(&draft.span, message, format!("it has {told}: blowup.export(..., seeds=64) makes more"));
        }
    }
}

/// Reports parameters that a bundle does not have, and those that an initializer cannot draw.
fn initialized(draft: &Draft, view: &View, names: &[&'static str], known: &[KnownBundle], problems: &mut Problems) {
    let Some((patterns, place)) = &draft.settings.init_parameters else { return };
    let kinds: Vec<InitKind> = view.values(Id::Init).unwrap_or_default().iter().filter_map(kind_of).collect();
    for bundle in known.iter().filter(|bundle| names.contains(&bundle.name)) {
        for pattern in patterns {
            let mut found = bundle.named().iter().filter(|parameter| matches(pattern, &parameter.name)).peekable();
            if found.peek().is_none() {
                let message =
                    format!("`{}` has no parameter `{}` that is trained", excerpt(bundle.name), excerpt(pattern));
                problems.add(place, message, nearest(pattern, bundle.named()));
            }
            for NamedParameter { name, shape } in found.filter(|parameter| parameter.shape.len() < 2) {
                if let Some(kind) = kinds.iter().find(|kind| kind.needs_matrix()) {
                    let (kind, name) = (kind.name(), excerpt(name));
                    let message = format!("`{kind}` draws matrices, and `{name}` has the shape {shape:?}");
                    let hint = "name the matrices alone, as in init_parameters = [\"*.linear.weight\"]; normal, uniform and constant take any shape";
                    problems.add(place, message, hint);
                    break;
                }
            }
        }
    }
}

fn kind_of(value: &Value) -> Option<InitKind> {
    match value {
        Value::Text(name) => InitKind::from_name(name),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => None,
    }
}

/// The names of parameters that share the longest part with a pattern, as a hint.
fn nearest(pattern: &str, all: &[NamedParameter]) -> String {
    const SHOWN: usize = 4;
    let written = pattern.replace('*', "");
    let mut names: Vec<(usize, &str)> =
        all.iter().map(|parameter| (strsim::levenshtein(&written, &parameter.name), parameter.name.as_str())).collect();
    names.sort_unstable();
    let shown: Vec<String> = names.iter().take(SHOWN).map(|(_, name)| format!("`{}`", excerpt(name))).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("it has {}{more}", shown.join(", "))
}

fn read(name: &'static str, open: Sources<'_>) -> Result<KnownBundle, Mistake> {
    let kept = open.taken.iter().find(|taken| taken.path == name && taken.bundle.is_some());
    let taken = match ((open.read)(name), kept) {
        (Ok((file, bytes)), _) => taken_of(name, &file, &bytes)?,
        (Err(_), Some(kept)) => kept.clone(),
        (Err(error), None) => {
            let hint = "the path is relative to the folder of the spec; blowup.export of the Python package writes it";
            return Err(Mistake::new(format!("cannot read `{}`: {error}", excerpt(name)), hint));
        }
    };
    let Some(bundle) = taken.bundle.clone() else {
        return Err(Mistake::new(format!("`{}` is not known as a bundle", excerpt(name)), "name another folder"));
    };
    let TakenBundle { samples, dtype, batch, size, .. } = bundle;
    let (path, sha256) = (taken.file.clone(), taken.sha256.clone());
    let (name_of, initialized) = (name.to_owned(), Vec::new());
    let file = BundleFile { name: name_of, path, sha256, size, initialized };
    Ok(KnownBundle { name, task: Task::of_bundle(file, samples), dtype, batch, taken })
}

fn taken_of(name: &str, file: &str, bytes: &[u8]) -> Result<Taken, Mistake> {
    let hint = "blowup.export of the Python package writes bundles; docs/bundle.md describes them";
    let bundle = Bundle::read(bytes).map_err(|what| Mistake::new(format!("`{}`: {what}", excerpt(name)), hint))?;
    let program = &bundle.program;
    let dtype = program
        .dtype()
        .trained()
        .ok_or_else(|| Mistake::new(format!("`{}`: nothing trains in {:?}", excerpt(name), program.dtype()), hint))?;
    let bundle = TakenBundle {
        samples: program.samples(),
        seeds: program.seeds.clone(),
        dtype,
        batch: program.batch(),
        size: BundleSize {
            parameters: program.parameters() as u64,
            bytes: bytes.len() as u64,
            step: step(&program.graphs[0]),
        },
        named: program
            .parameters
            .iter()
            .map(|held| NamedParameter { name: held.name.clone(), shape: held.shape.clone() })
            .collect(),
    };
    Ok(Taken { bundle: Some(bundle), ..Taken::of_program(name, file, &input::sha256(bytes)) })
}

fn step(graph: &Graph) -> StepSize {
    // What the file says is a number of a stranger's, so it is only believed within reason.
    let within = |x: f64| x.clamp(0.0, 1e15) as u64;
    StepSize {
        nodes: graph.nodes.len() as u64,
        live_bytes: within(graph.live_bytes),
        made_bytes: within(graph.made_bytes),
        multiplications: within(graph.multiplications),
    }
}

impl TakenBundle {
    /// What it is, in words.
    pub fn told(&self) -> String {
        let TakenBundle { samples, batch, seeds, size, .. } = self;
        format!(
            "{}, {} in batches of {batch}, initial weights for {}",
            counted(size.parameters, "parameter"),
            counted(*samples as u64, "sample"),
            counted(seeds.len() as u64, "seed"),
        )
    }
}
