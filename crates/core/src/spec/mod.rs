//! Turns the TOML as it is written into a validated [`Spec`], and reports every mistake at once
//! with its place. This room opens no file: the bytes of csv tasks come through a function.
//! [`grid`] makes the trials.
//!
//! Before anything is read, [`written`] puts the text together where a spec extends another one.
//!
//! A value goes this way: [`source`] knows where it stands, [`value`] and [`range`] read it by the
//! table of axes, [`dial`] makes it the settings through which an axis steps, [`block`] and
//! [`draft`] put base and block together, [`check`] finds out whether they make sense, and
//! [`resolve`] makes a trial. Beside that, [`expect`] reads what the gate expects, and [`formula`]
//! the metrics in it.

mod array_task;
mod block;
mod bundle;
mod check;
pub mod data;
mod dial;
mod draft;
pub mod edge;
pub mod event;
pub mod expect;
pub mod filter;
mod formula;
pub mod grid;
mod held;
pub mod key;
mod lattice;
mod lone;
pub mod map;
pub mod metric;
mod pairs;
mod piece;
pub mod program;
mod range;
mod report;
mod resolve;
pub mod set_key;
mod settings;
mod source;
mod task;
mod text_task;
mod transformer;
pub mod unmet;
pub mod value;
mod variant;
pub mod written;

pub use report::Mistake;
pub(crate) use report::Problems;
pub use report::{Diagnostics, Problem};

use crate::axis::{AxisSet, Id};
use crate::trial::Loss;
use crate::verdict::Record;
use block::{Axes, AxisKey, Block, Programmed};
use bundle::KnownBundle;
use check::View;
use data::{Read, Sources, Taken};
use dial::Dial;
use draft::{Draft, DraftReader, Setting, Settings};
use edge::{Edge, Head};
use expect::{Baseline, Expect};
use filter::Filter;
use grid::Grid;
use map::Map;
use program::Program;
use report::excerpt;
use settings::Seeds;
use source::{Entry, Node, Span};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use task::{TaskDraft, Tasks};
use written::Written;

/// A sweep that was checked. Nothing that uses it can fail because of what the user wrote.
#[derive(Debug)]
pub struct Spec {
    pub name: String,
    pub record: Record,
    /// The blocks of `[[grid]]`, and behind them those of `[[edge]]`.
    blocks: Vec<Block>,
    excludes: Vec<Filter>,
    pub edges: Vec<Edge>,
    /// What `check` compares a finished sweep with.
    pub expects: Vec<Expect>,
    pub baseline: Baseline,
    /// What the csv tasks take of their files, and the files of the program.
    pub data: Vec<Taken>,
    /// The program that trains the trials; `None` for a built-in net.
    pub program: Option<Program>,
    /// The axes: the built-in ones and those that the spec declares.
    pub axes: AxisSet,
    /// The map that the grid is of: its trials are the pixels, row by row from the smallest y.
    pub map: Option<Map>,
    /// What the spec may say, though it is hardly meant.
    pub warnings: Vec<Problem>,
}

impl Spec {
    /// Reads a spec. `file` is its name in messages. `open` gives, for the path of a csv task as it
    /// is written, the path at which workers open the file, and its bytes.
    ///
    /// # Errors
    /// All mistakes, in the order of the text.
    pub fn parse(text: &str, file: &str, open: Read) -> Result<Spec, Diagnostics> {
        let base = |path: &str| {
            let (_, bytes) = open(path).map_err(|error| format!("cannot read `{path}`: {error}"))?;
            String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8"))
        };
        Spec::parse_with(&Written::new(text, file, &[], &base)?, Sources { read: open, taken: &[] })
    }

    /// Reads a spec. What an earlier sweep has taken of files stands in for those that cannot be
    /// read.
    ///
    /// # Errors
    /// All mistakes, in the order of the text.
    pub fn parse_with(written: &Written, open: Sources) -> Result<Spec, Diagnostics> {
        let mut problems = Problems::default();
        let spec = match source::parse(written.text()) {
            Ok(entries) => {
                for entry in source::repeats(&entries) {
                    let message = format!("`{}` stands twice, `-` and `_` are the same", excerpt(&entry.key));
                    problems.add(&entry.key_span, message, "keep one of them");
                }
                read(&entries, open, &mut problems)
            }
            Err((span, message)) => {
                problems.add(&span, format!("this is not TOML: {message}"), "https://toml.io has the syntax");
                None
            }
        };
        match spec {
            Some(spec) if problems.is_empty() => Ok(Spec { warnings: problems.into_warnings(written), ..spec }),
            _ => Err(problems.report(written)),
        }
    }

    /// The number of seeds and the seeds, once for each block that has others. People should see
    /// them, since `seeds = 42` is a number of seeds.
    pub fn seeds(&self) -> String {
        let mut all: Vec<String> = self.blocks.iter().map(|block| block.seeds.told()).collect();
        all.dedup();
        all.join("; ")
    }

    /// The multiple of the reference above which a loss counts as diverged, by the name of the
    /// loss.
    pub fn loss_ratios(&self) -> BTreeMap<String, f64> {
        let given = self.blocks.iter().find_map(|block| block.loss_ratio);
        let of = |loss: &Loss| (loss.name().to_owned(), given.unwrap_or(loss.usual_ratio()));
        [Loss::Mse, Loss::CrossEntropy].iter().map(of).collect()
    }

    /// The grid of the spec.
    pub fn grid(&self) -> Grid<'_> {
        Grid::new(&self.blocks, self.edges.len(), &self.excludes)
    }

    /// The grid of a frame of the map; `None` without a map.
    pub fn frame(&self, number: u32) -> Option<Frame> {
        let map = self.map?.frame(number);
        let dial = |dial: &Dial| match dial.axes() {
            [axis] if *axis == map.x.axis => map.x.dial(),
            [axis] if *axis == map.y.axis => map.y.dial(),
            _ => dial.clone(),
        };
        let framed = |block: &Block| Block { dials: block.dials.iter().map(dial).collect(), ..block.clone() };
        Some(Frame { map, blocks: self.blocks.iter().map(framed).collect() })
    }

    /// The axes to which some block gives a value, in the order of the columns. An axis whose short
    /// form always sets a number comes with the axis of that number.
    pub(crate) fn axes_set(&self) -> Vec<(Id, Option<Id>)> {
        let dials = || self.blocks.iter().flat_map(|block| &block.dials).map(Dial::axes);
        let mut axes: Vec<Id> = dials().flatten().copied().collect();
        axes.sort_unstable();
        axes.dedup();
        let number = |id: Id| {
            let sets = id.short_form()?;
            let together = |dial: &[Id]| !dial.contains(&sets) || dial.contains(&id);
            (axes.contains(&sets) && dials().all(together)).then_some(sets)
        };
        let numbers: Vec<Id> = axes.iter().filter_map(|id| number(*id)).collect();
        axes.iter().filter(|id| !numbers.contains(id)).map(|id| (*id, number(*id))).collect()
    }
}

/// A frame of a map.
#[derive(Debug)]
pub struct Frame {
    pub map: Map,
    blocks: Vec<Block>,
}

impl Frame {
    /// The pixels, row by row from the smallest y.
    pub fn grid(&self) -> Grid<'_> {
        Grid::new(&self.blocks, 0, &[])
    }
}

/// The axes that a spec knows, by which the columns of its results can be read. The rest of the
/// spec need not be right.
pub fn axes(text: &str) -> AxisSet {
    let entries = source::parse(text).unwrap_or_default();
    let Some(entry) = entries.iter().find(|entry| entry.key == "program") else { return AxisSet::default() };
    let nowhere = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let sources = Sources { read: &nowhere, taken: &[] };
    AxisSet { of_program: true, ..program::read(&entry.value, sources, &mut Problems::default()).1 }
}

/// The name in a spec, the rest of which need not be right.
pub fn name(text: &str) -> Option<String> {
    let entries = source::parse(text).ok()?;
    settings::name(&entries.iter().find(|entry| entry.key == "name")?.value).ok()
}

fn read(entries: &[Entry], open: Sources, problems: &mut Problems) -> Option<Spec> {
    let mut plans = Vec::new();
    let mut global = Settings::default();
    let (mut name, mut record, mut loss_ratio) = (None, Record::default(), None);
    let (mut base, mut grid, mut edge, mut variants) = (Axes::default(), None, None, None);
    let mut excludes = Vec::new();
    let (mut expects, mut baseline, mut recorded) = (Vec::new(), Baseline::default(), None);
    let mut mapped = None;
    let written = entries.iter().find(|entry| entry.key == "program");
    let (program, known) = written.map_or_else(Default::default, |entry| program::read(&entry.value, open, problems));
    let known = AxisSet { of_program: written.is_some(), ..known };
    for entry in entries {
        let node = &entry.value;
        match entry.key.as_str() {
            "name" => name = problems.keep(&node.span, settings::name(node)),
            "base" => base = draft::base(node, &known, problems),
            "grid" => grid = Some(node),
            "edge" => edge = Some(node),
            "variant" => variants = Some(node),
            "exclude" => excludes = settings::excludes(node, &known, problems),
            "divergence" => loss_ratio = settings::divergence(node, problems),
            "record" => {
                record = settings::record(node, problems);
                recorded = Some(node);
            }
            "expect" => expects = expect::expects(node, &known, problems),
            "baseline" => baseline = expect::baseline(node, &known, problems),
            "program" => {}
            "map" if known.of_program => map::of_program(&entry.key_span, problems),
            "map" => mapped = Some(map::read(node, &known, problems)),
            _ if draft::setting(&mut global, entry, &mut plans, open, problems) => {}
            key if known.find(key).is_some() => {
                problems.add(
                    &entry.key_span,
                    format!("the axis `{key}` stands outside a block"),
                    "put it below [base], [[grid]] or [[edge]]",
                );
            }
            key => problems.push(
                &entry.key_span,
                Mistake::unknown(format!("unknown key `{}`", excerpt(key)), key, &key::names(&key::TOP)),
            ),
        }
    }
    if !entries.iter().any(|entry| entry.key == "name") {
        problems.add(&(0..0), "the spec has no `name`", "for example name = \"grid\": the results go to results/grid");
    }
    let is_empty = |node: &&Node| matches!(&node.raw, source::Raw::List(items) if items.is_empty());
    let edge = edge.filter(|node| !is_empty(node));
    if grid.is_none() && edge.is_none() {
        let hint =
            "each [[grid]] is a block of trials, the product of its lists; an [[edge]] looks for where an event begins";
        problems.add(&(0..0), "the spec has no [[grid]] and no [[edge]]", hint);
        return None;
    }
    let (base, known) = (&base, &known);
    let mut reader =
        DraftReader { base, global: &global, known, plans: &mut plans, open, listed: 0, tasks: HashMap::new() };
    let mut drafts = grid.map_or(Vec::new(), |grid| {
        let tables = variant::tables(grid, variants, problems);
        draft::drafts(grid, &tables, &mut reader, problems)
    });
    if let Some(node) = variants.filter(|_| grid.is_none()) {
        problems.add(
            &node.span,
            "a [[variant]] changes blocks, and there is no [[grid]]",
            "leave it out, or write [[grid]]",
        );
    }
    let (heads, searched) =
        edge.map_or_else(Default::default, |node| edge::drafts(node, &mut reader, &record, problems));
    drafts.extend(searched);
    draft::missing(&drafts, known, problems);
    let was_read = mapped.as_ref().is_none_or(Option::is_some);
    let map = mapped.and_then(|draft| map::enter(draft, entries, &mut drafts, base, known, problems));
    if !was_read {
        // The block lacks the axes of a map that could not be read, which is no mistake of its own.
        return None;
    }
    if known.of_program {
        of_program(entries, &drafts, &plans, (&record, recorded), problems);
        if !problems.is_empty() {
            return None;
        }
        let (program, axes) = (program?, known.clone());
        let trained = Programmed { identity: program.identity.clone(), declared: axes.declared.clone() };
        let blocks: Vec<Block> =
            drafts.into_iter().map(|draft| programmed(draft, loss_ratio, &trained)).collect::<Option<_>>()?;
        let (data, program, warnings) = (program.files.clone(), Some(program), Vec::new());
        let edges = edges(heads, &blocks, (&excludes, &expects), problems)?;
        let spec = Spec {
            name: name?,
            record,
            blocks,
            excludes,
            edges,
            expects,
            baseline,
            data,
            program,
            axes,
            map,
            warnings,
        };
        left(&spec, grid, problems);
        return Some(spec);
    }
    let bundles = bundle::read_all(&drafts, open, problems);
    if let Some(node) = recorded.filter(|_| record.layers != crate::verdict::Layers::Never || record.sharpness)
        && drafts.iter().any(|draft| draft.trains_bundles())
    {
        let message = "a bundle has no layers and no sharpness that is measured";
        problems.add(&node.span, message, "record `epochs` and `steps`");
    }
    let tasks = tasks(&drafts, &plans, problems);
    let samples: Vec<Option<usize>> = tasks.iter().map(|tasks| Some(tasks.any()?.samples)).collect();
    check_all(&drafts, base, (&plans, &samples, &bundles), problems);
    if let Some((node, longest)) = recorded.zip(longest(&drafts, &plans, &samples)) {
        settings::unreached(node, longest, problems);
    }
    if !problems.is_empty() {
        return None;
    }
    let places: Vec<Span> = drafts.iter().map(|draft| draft.view(&plans, &samples).place_of_batch().clone()).collect();
    let blocks = finish(drafts, &plans, &tasks, &samples, &bundles, loss_ratio)?;
    let (data, warnings) = (taken(&tasks, &bundles), Vec::new());
    let (program, axes) = (None, known.clone());
    let edges = edges(heads, &blocks, (&excludes, &expects), problems)?;
    let spec =
        Spec { name: name?, record, blocks, excludes, edges, expects, baseline, data, program, axes, map, warnings };
    left(&spec, grid, problems);
    lone::check(&spec, &places, problems);
    Some(spec)
}

/// Checks every block. It is given the plans of the tasks, their samples, and the bundles.
fn check_all(
    drafts: &[Draft],
    base: &Axes,
    (plans, samples, bundles): (&[TaskDraft], &[Option<usize>], &[KnownBundle]),
    problems: &mut Problems,
) {
    let views: Vec<View> = drafts.iter().map(|draft| draft.view(plans, samples)).collect();
    for (view, draft) in views.iter().zip(drafts) {
        check::check(view, bundles, problems);
        let keys: Vec<&AxisKey> = draft.own.given.iter().flat_map(|given| &given.keys).collect();
        check::applies(&keys, std::slice::from_ref(view), "this block", problems);
    }
    let keys: Vec<&AxisKey> = base.given.iter().flat_map(|given| &given.keys).collect();
    check::applies(&keys, &views, "any block", problems);
}

/// Reports what a spec with a program may not say, and wrong divisions of its axes.
fn of_program(
    entries: &[Entry],
    drafts: &[Draft],
    plans: &[TaskDraft],
    (record, recorded): (&Record, Option<&Node>),
    problems: &mut Problems,
) {
    if let Some(entry) = entries.iter().find(|entry| entry.key == "task") {
        problems.add(&entry.key_span, "a program has its own data: [task] is for the built-in nets", "leave it out");
    }
    let top = entries.iter().any(|entry| entry.key == "task");
    for draft in drafts {
        if let Some((_, place)) = &draft.settings.init_parameters {
            let message = "`init_parameters` names parameters of a bundle, and a program trains this block";
            problems.add(place, message, "declare an axis of your own in `axes` of [program]");
        }
        if !top && !draft.settings.task.is_missing() {
            problems.add(&draft.span, "a program has its own data: `task` is for the built-in nets", "leave it out");
        }
        check::of_program(&draft.view(plans, &[]), problems);
    }
    if let Some(node) = recorded.filter(|_| record.layers != crate::verdict::Layers::Never || record.sharpness) {
        let message = "a program says nothing of its layers and its sharpness";
        problems.add(&node.span, message, "record `epochs` and `steps`");
    }
}

/// A block whose trials a program trains. Two of its points may be equal, which the grid finds out.
fn programmed(draft: Draft, loss_ratio: Option<f64>, program: &Programmed) -> Option<Block> {
    let Settings { label, budget, seeds, task: _, init_parameters: _ } = draft.settings;
    let seeds = seeds.value().unwrap_or(Seeds::First(1));
    let dials = draft.axes.given.into_iter().map(|given| given.dial).collect();
    let (tasks, program) = (Tasks::default(), Some(Arc::new(program.clone())));
    let bundles = Vec::new();
    Some(Block { label, tasks, budget: budget.value()?, loss_ratio, seeds, dials, distinct: false, program, bundles })
}

/// What the tasks and the bundles take of their files, each file once.
fn taken(tasks: &[Tasks], bundles: &[KnownBundle]) -> Vec<Taken> {
    let mut data: Vec<Taken> = Vec::new();
    for taken in tasks.iter().filter_map(|task| task.taken.as_ref()).chain(bundles.iter().map(|b| &b.taken)) {
        if !data.contains(taken) {
            data.push(taken.clone());
        }
    }
    data
}

/// The tasks under the losses in use, one for each plan.
fn tasks(drafts: &[Draft], plans: &[TaskDraft], problems: &mut Problems) -> Vec<Tasks> {
    let mut losses: Vec<Vec<Loss>> = vec![Vec::new(); plans.len()];
    for draft in drafts {
        if let Setting::Is(i) = draft.settings.task {
            losses[i].extend(draft.view(plans, &[]).losses());
        }
    }
    plans.iter().zip(&losses).map(|(plan, losses)| plan.tasks(losses, problems)).collect()
}

/// The epochs of the longest trial of all blocks; `None` if that is not known.
fn longest(drafts: &[Draft], plans: &[TaskDraft], samples: &[Option<usize>]) -> Option<u64> {
    let epochs = |draft: &Draft| draft.view(plans, samples).epochs(draft.settings.budget.clone().value()?);
    drafts.iter().map(epochs).collect::<Option<Vec<u64>>>()?.into_iter().max()
}

/// Makes the blocks, none of which has a mistake.
fn finish(
    drafts: Vec<Draft>,
    plans: &[TaskDraft],
    tasks: &[Tasks],
    samples: &[Option<usize>],
    bundles: &[KnownBundle],
    loss_ratio: Option<f64>,
) -> Option<Vec<Block>> {
    let single = drafts.len() == 1;
    let block = |draft: Draft| {
        let names = bundle::named(&draft.view(plans, samples));
        let patterns: Vec<String> =
            draft.settings.init_parameters.as_ref().map_or_else(Vec::new, |(patterns, _)| patterns.clone());
        let named = bundles.iter().filter(|bundle| names.contains(&bundle.name));
        let bundles: Vec<KnownBundle> = named.map(|bundle| bundle.initialized_by(&patterns)).collect();
        let (tasks, distinct) = if bundles.is_empty() {
            let tasks = tasks[draft.settings.task.clone().value()?].clone();
            let distinct = single && draft.view(plans, samples).is_distinct(tasks.any()?.samples);
            (tasks, distinct)
        } else {
            (Tasks::default(), false)
        };
        let Settings { label, budget, seeds, task: _, init_parameters: _ } = draft.settings;
        let seeds = seeds.value().unwrap_or(Seeds::First(1));
        let dials = draft.axes.given.into_iter().map(|given| given.dial).collect();
        let program = None;
        Some(Block { label, tasks, budget: budget.value()?, loss_ratio, seeds, dials, distinct, program, bundles })
    };
    drafts.into_iter().map(block).collect()
}

/// The most points that are searched for one that no `[[exclude]]` drops.
const LOOKED_AT: u64 = 1_000_000;
/// The most values of excludes with which these points are compared.
const COMPARED: u64 = 10_000_000;

/// The edges of these heads, whose blocks are the last ones.
fn edges(
    heads: Vec<Option<Head>>,
    blocks: &[Block],
    (excludes, expects): (&[Filter], &[Expect]),
    problems: &mut Problems,
) -> Option<Vec<Edge>> {
    let heads: Vec<Head> = heads.into_iter().collect::<Option<_>>()?;
    let grid = Grid::new(blocks, heads.len(), excludes);
    let before = problems.len();
    let edges = edge::finish(heads, blocks, grid, problems);
    if problems.len() == before {
        expect::check_edges(expects, &edges, problems);
    }
    Some(edges)
}

/// Reports a grid of which everything is excluded. Only the first points are searched, since a
/// larger grid is not worth the wait.
fn left(spec: &Spec, grid: Option<&Node>, problems: &mut Problems) {
    let Some(grid) = grid else { return };
    let values: u64 = spec.excludes.iter().map(Filter::values).sum();
    let points = LOOKED_AT.min(COMPARED / values.max(1));
    if !spec.excludes.is_empty() && spec.grid().is_empty_within(points) {
        problems.add(&grid.span, "every trial of the grid is excluded", "loosen the [[exclude]] tables");
    }
}
