//! `[base]` and `[[grid]]` as they are read. Each block has what it takes from the base and from
//! the top of the spec. It was not checked as a whole yet.

use super::block::{self, Axes, AxisSetting};
use super::check::View;
use super::data::Sources;
use super::dial::LISTED;
use super::key::{self, INIT_PARAMETERS};
use super::report::{Mistake, Problems, excerpt};
use super::settings::{self, Seeds};
use super::source::{Entry, Node, Raw, Span};
use super::task::{self, TaskDraft};
use super::variant::Table;
use crate::axis::{AxisSet, Id};
use crate::trial::Budget;
use std::collections::HashMap;

/// What the top of the spec or a block says beside its axes.
#[derive(Debug, Default)]
pub struct Settings {
    pub label: String,
    pub budget: Setting<Budget>,
    pub seeds: Setting<Seeds>,
    /// An index into the plans.
    pub task: Setting<usize>,
    /// The patterns of the parameters that `init` is for.
    pub init_parameters: Option<(Vec<String>, Span)>,
}

/// A setting of a spec. It may be there with a mistake, which is not the same as missing.
#[derive(Debug, Default, Clone)]
pub enum Setting<T> {
    #[default]
    Missing,
    Broken,
    Is(T),
}

impl<T: Clone> Setting<T> {
    /// The setting with this value, or a broken one.
    pub fn of(value: Option<T>) -> Setting<T> {
        value.map_or(Setting::Broken, Setting::Is)
    }

    /// This setting or, if it is missing, the other one.
    pub fn or(&self, other: &Setting<T>) -> Setting<T> {
        match self {
            Setting::Missing => other.clone(),
            Setting::Broken | Setting::Is(_) => self.clone(),
        }
    }

    /// The value, if there is one without a mistake.
    pub fn value(self) -> Option<T> {
        match self {
            Setting::Is(value) => Some(value),
            Setting::Missing | Setting::Broken => None,
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self, Setting::Missing)
    }
}

/// A block as it is read, before it is checked.
pub struct Draft {
    pub span: Span,
    pub own: Axes,
    /// Its own axes, with those that it takes from `[base]`.
    pub axes: Axes,
    pub settings: Settings,
    /// Whether a program trains its trials.
    pub of_program: bool,
    /// Whether the block itself, and not the top of the spec, has a task.
    pub has_own_task: bool,
}

impl Draft {
    /// Whether a network of the block is a bundle.
    pub fn trains_bundles(&self) -> bool {
        self.view(&[], &[]).trains_bundles()
    }

    /// The block as it is checked. `samples` has the samples of each plan, as far as they are
    /// known.
    pub fn view<'a>(&'a self, plans: &'a [TaskDraft], samples: &[Option<usize>]) -> View<'a> {
        let (task, samples) = match self.settings.task {
            Setting::Is(i) => (plans.get(i), samples.get(i).copied().flatten()),
            Setting::Missing | Setting::Broken => (None, None),
        };
        let names_parameters = self.settings.init_parameters.is_some();
        View { axes: &self.axes, task, samples, span: &self.span, of_program: self.of_program, names_parameters }
    }
}

/// Reads a key that the top of the spec and a block share. It returns `false` if this is another
/// key.
pub fn setting(
    into: &mut Settings,
    entry: &Entry,
    plans: &mut Vec<TaskDraft>,
    open: Sources,
    problems: &mut Problems,
) -> bool {
    let node = &entry.value;
    match entry.key.as_str() {
        key @ ("epochs" | "steps") => {
            if !into.budget.is_missing() {
                problems.add(&entry.key_span, "both `epochs` and `steps` are given", "keep one of them");
                return true;
            }
            into.budget = Setting::of(problems.keep(&node.span, settings::budget(key, node)));
        }
        "seeds" => into.seeds = Setting::of(problems.keep(&node.span, settings::seeds(node))),
        "task" => {
            let plan = task::read(node, open, problems);
            into.task = Setting::of(plan.is_some().then_some(plans.len()));
            plans.extend(plan);
        }
        "seed" => {
            problems.add(&entry.key_span, "`seed` is set by `seeds`", "seeds = 5 for 0 to 4, or a list: seeds = [3]")
        }
        _ => return false,
    }
    true
}

/// Reads `[base]`.
pub fn base(node: &Node, known: &AxisSet, problems: &mut Problems) -> Axes {
    let Raw::Table(entries) = &node.raw else {
        problems
            .push(&node.span, Mistake::kind("base", node.raw.kind(), "a table", "write [base] and the axes below it"));
        return Axes::default();
    };
    let (axes, others) = block::axes(entries, known, problems);
    for entry in others {
        match entry.key.as_str() {
            key @ ("task" | "epochs" | "steps" | "seeds" | "seed" | "label") => {
                let hint = "it stands at the top of the spec, or in a [[grid]]";
                problems.add(&entry.key_span, format!("`{key}` is not an axis, so it cannot stand in [base]"), hint);
            }
            key => unknown_axis(entry, key, &[], known, problems),
        }
    }
    axes
}

fn unknown_axis(entry: &Entry, key: &str, more: &[&'static str], known: &AxisSet, problems: &mut Problems) {
    let axes = known.names().filter(|name| *name != "seed");
    let names: Vec<&str> = more.iter().copied().chain(axes).chain(["zip"]).collect();
    let mistake = Mistake::unknown(format!("unknown key `{}`", excerpt(key)), key, &names);
    // In the spec of a program it may be an axis that nobody has declared.
    let hint = "an axis of your own is declared in `axes` of [program]";
    problems.push(&entry.key_span, if known.of_program { mistake.or(hint) } else { mistake });
}

/// The most values that the lists of all blocks may have.
const MOST_LISTED: u64 = 4 * LISTED;

/// What an edge is over, which is an axis of its block.
pub enum Over {
    /// The block is none of an edge.
    Nothing,
    Is(AxisSetting),
    /// It was given with a mistake, and is probably this axis.
    Broken(Id),
}

/// What every block is read with.
pub struct DraftReader<'a> {
    pub base: &'a Axes,
    /// The settings at the top of the spec.
    pub global: &'a Settings,
    pub known: &'a AxisSet,
    pub plans: &'a mut Vec<TaskDraft>,
    pub open: Sources<'a>,
    /// The number of values in the lists of the blocks that were read.
    pub listed: u64,
    /// The tasks of blocks that were read, by their places. A block and its variants share a task,
    /// whose file is read once.
    pub tasks: HashMap<usize, Setting<usize>>,
}

impl DraftReader<'_> {
    /// Reads a block. `more` are keys that it may have beside those of a `[[grid]]`, which were
    /// read before, and `over` is an axis that they set. It is `None` if the lists of all blocks
    /// have too many values.
    pub fn draft(
        &mut self,
        span: Span,
        entries: &[Entry],
        more: &[&'static str],
        over: Over,
        problems: &mut Problems,
    ) -> Option<Draft> {
        let (mut own, others) = block::axes(entries, self.known, problems);
        let mut settings = Settings::default();
        for entry in others {
            match entry.key.as_str() {
                "label" => {
                    settings.label = problems.keep(&entry.value.span, label("label", &entry.value)).unwrap_or_default();
                }
                key if key == INIT_PARAMETERS.name => {
                    let patterns = problems.keep(&entry.value.span, settings::patterns(&entry.value));
                    settings.init_parameters = patterns.map(|patterns| (patterns, entry.value.span.clone()));
                }
                "task" if self.tasks.contains_key(&entry.value.span.start) => {
                    settings.task = self.tasks[&entry.value.span.start].clone();
                }
                _ if setting(&mut settings, entry, self.plans, self.open, problems) => {
                    if entry.key == "task" {
                        self.tasks.insert(entry.value.span.start, settings.task.clone());
                    }
                }
                key => {
                    let names: Vec<&str> = key::names(&key::BLOCK).into_iter().chain(more.iter().copied()).collect();
                    unknown_axis(entry, key, &names, self.known, problems);
                }
            }
        }
        let (over, id) = match over {
            Over::Nothing => (None, None),
            Over::Broken(id) => {
                own.broken.push(id);
                (None, None)
            }
            Over::Is(over) => {
                let id = over.keys[0].axis.id;
                (Some(over), Some(id))
            }
        };
        if let Some((over, id)) = over.zip(id) {
            if let Some(twice) = own.given.iter().find(|given| given.dial.axes().contains(&id)) {
                let message = format!("`{}` is given twice: here and as what the edge is over", id.name());
                problems.add(&twice.keys[0].key_span, message, "leave it out here");
            }
            own.given.push(over);
        }
        let has_own_task = !settings.task.is_missing();
        settings.budget = settings.budget.or(&self.global.budget);
        settings.seeds = settings.seeds.or(&self.global.seeds);
        settings.task = settings.task.or(&self.global.task);
        self.listed += self.base.listed() + own.listed();
        if self.listed > MOST_LISTED {
            let message = format!("the lists of all blocks have more than {MOST_LISTED} values");
            problems.add(&span, message, "those of [base] count in every block; take ranges, or several specs");
            return None;
        }
        let mut axes = own.over(self.base, self.known);
        // What an edge is over is innermost.
        if let Some(at) = id.and_then(|id| axes.given.iter().position(|given| given.dial.axes() == [id])) {
            axes.given[at..].rotate_left(1);
        }
        Some(Draft { axes, span, own, settings, of_program: self.known.of_program, has_own_task })
    }
}

/// Reads the blocks, which are the `tables` of `[[grid]]` and those that the variants make of them.
pub fn drafts(grid: &Node, tables: &[Table<'_>], reader: &mut DraftReader<'_>, problems: &mut Problems) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for Table { span, entries } in tables {
        let Some(draft) = reader.draft(span.clone(), entries, &[], Over::Nothing, problems) else { break };
        drafts.push(draft);
    }
    if drafts.is_empty() && problems.is_empty() {
        problems.add(&grid.span, "the grid has no blocks", "write [[grid]] and its axes below it");
    }
    drafts
}

/// Reports what neither the top of the spec nor a block says, at the first block that lacks it.
pub fn missing(drafts: &[Draft], known: &AxisSet, problems: &mut Problems) {
    if let Some(draft) = drafts.iter().find(|draft| draft.settings.budget.is_missing()) {
        let hint = "write epochs = 100 (or steps) at the top of the spec or here";
        problems.add(&draft.span, "this block has no `epochs`", hint);
    }
    let task = drafts.iter().find(|draft| draft.settings.task.is_missing() && !draft.trains_bundles());
    if let Some(draft) = task.filter(|_| !known.of_program) {
        let hint = "write [task] with its `kind` at the top of the spec, or here: task = { kind = \"teacher\", samples = 256 }";
        problems.add(&draft.span, "this block has no task", hint);
    }
}

/// The most bytes of a label, which stands in every row of its block.
pub const LONGEST_LABEL: usize = 1000;

/// Reads a line of text that stands in rows.
pub fn label(key: &str, node: &Node) -> Result<String, Mistake> {
    match node.raw.text() {
        Some(text) if text.chars().any(char::is_control) || text.len() > LONGEST_LABEL => Err(Mistake::new(
            format!("the {key} `{}` is not one plain line of at most {LONGEST_LABEL} bytes", excerpt(text)),
            "it becomes a cell of a CSV file",
        )),
        Some(text) => Ok(text.to_owned()),
        None => {
            let hint = format!("{key} = \"a name for these rows\"");
            Err(Mistake::kind(key, node.raw.kind(), "a string", hint))
        }
    }
}
