//! `[program]`: a program of the user's own that trains the trials, and the axes that it takes
//! beside the built-in ones.

use super::data::{Sources, Taken};
use super::key::{self, LONGEST_AXIS, MOST_DECLARED};
use super::report::{Mistake, Problems, excerpt};
use super::settings::table;
use super::source::{Entry, Node, Raw};
use crate::axis::{Axis, AxisSet, Declared, DeclaredKind};
use crate::input;
use crate::record;

/// A program that trains trials, as it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments. It runs in the folder of the spec.
    pub command: Vec<String>,
    /// The part of it that enters a trial's identity: the command, and its version or the contents
    /// of its files.
    pub identity: String,
    /// The files that the identity is made of.
    pub files: Vec<Taken>,
}

const COMMAND: &str = "for example command = [\"python\", \"train.py\"]";
const AXES: &str = "for example axes = { hidden = \"integer\", dropout = \"float\", attention = \"text\" }";

/// Reads `[program]`. Returns the program, which is `None` after a mistake, and the axes that it
/// declares.
pub fn read(node: &Node, open: Sources<'_>, problems: &mut Problems) -> (Option<Program>, AxisSet) {
    let entries = table("program", node, &key::names(&key::PROGRAM), problems);
    let find = |key: &str| entries.iter().find(|entry| entry.key == key);
    let known = find("axes").map(|entry| axes(&entry.value, problems)).unwrap_or_default();
    let version = find("version").map(|entry| text(entry, problems));
    let files = find("files").map(|entry| files(&entry.value, open, problems));
    let Some(command) = find("command") else {
        if matches!(node.raw, Raw::Table(_)) {
            problems.add(&node.span, "[program] has no `command`", COMMAND);
        }
        return (None, known);
    };
    let command = texts("command", &command.value, COMMAND, problems);
    let program = || {
        let (command, version, files) =
            (command?, version.map_or(Some(None), |v| v.map(Some))?, files.unwrap_or(Some(Vec::new()))?);
        let contents: Vec<&str> = files.iter().map(|file| &file.sha256[..]).collect();
        let identity = format!("{:?}", (&command, &version, contents));
        Some(Program { command, identity, files })
    };
    (program(), known)
}

fn text(entry: &Entry, problems: &mut Problems) -> Option<String> {
    let found = match entry.value.raw.text() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Mistake::kind(&entry.key, entry.value.raw.kind(), "a string", "write it in quotes")),
    };
    problems.keep(&entry.value.span, found)
}

/// Reads a list of texts, of which there must be one at least.
fn texts(what: &str, node: &Node, hint: &str, problems: &mut Problems) -> Option<Vec<String>> {
    let Raw::List(items) = &node.raw else {
        problems.push(&node.span, Mistake::kind(what, node.raw.kind(), "a list of strings", hint));
        return None;
    };
    if items.is_empty() {
        problems.add(&node.span, format!("`{what}` is empty"), hint);
        return None;
    }
    let mut all = Some(Vec::new());
    for item in items {
        match item.raw.text() {
            Some(text) if !text.contains('\0') => {
                if let Some(all) = &mut all {
                    all.push(text.to_owned());
                }
            }
            Some(_) => {
                problems.add(&item.span, format!("a text of `{what}` has a zero byte"), hint);
                all = None;
            }
            None => {
                problems.push(&item.span, Mistake::kind(what, item.raw.kind(), "a list of strings", hint));
                all = None;
            }
        }
    }
    all
}

/// Reads the files whose contents are part of the identity.
fn files(node: &Node, open: Sources<'_>, problems: &mut Problems) -> Option<Vec<Taken>> {
    let paths = texts("files", node, "for example files = [\"train.py\", \"model.py\"]", problems)?;
    let mut all = Some(Vec::new());
    for path in paths {
        let kept = open.taken.iter().find(|taken| taken.path == path && taken.is_of_program());
        let taken = match ((open.read)(&path), kept) {
            (Ok((file, bytes)), _) => Ok(Taken::of_program(&path, &file, &input::sha256(&bytes))),
            (Err(_), Some(kept)) => Ok(kept.clone()),
            (Err(error), None) => Err(Mistake::new(
                format!("cannot read `{}`: {error}", excerpt(&path)),
                "the path is relative to the folder of the spec",
            )),
        };
        match problems.keep(&node.span, taken) {
            Some(taken) => all.iter_mut().for_each(|all| all.push(taken.clone())),
            None => all = None,
        }
    }
    all
}

fn axes(node: &Node, problems: &mut Problems) -> AxisSet {
    let mut known = AxisSet::default();
    let Raw::Table(entries) = &node.raw else {
        problems.push(&node.span, Mistake::kind("axes", node.raw.kind(), "a table", AXES));
        return known;
    };
    if entries.len() > MOST_DECLARED {
        let message = format!("`axes` declares {} axes, more than {MOST_DECLARED}", entries.len());
        problems.add(&node.span, message, "declare those that the grid sets");
        return known;
    }
    for entry in entries {
        let name = problems.keep(&entry.key_span, name(&entry.key));
        let kind = problems.keep(&entry.value.span, kind(&entry.value));
        let Some((name, kind)) = name.zip(kind) else { continue };
        match (Declared { name, kind }).id() {
            Some(id) => known.declared.push(id),
            None => problems.add(&entry.key_span, "there is no room for another axis", "start another process"),
        }
    }
    known
}

/// Reads the name of an axis, which no built-in axis, no column and no key may have.
fn name(text: &str) -> Result<String, Mistake> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let hint = "lower-case letters, digits and `_`, not first a digit";
    if text.is_empty()
        || text.len() > LONGEST_AXIS
        || !text.chars().all(legal)
        || text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(Mistake::new(format!("`{}` cannot be the name of an axis", excerpt(text)), hint));
    }
    if Axis::find(text).is_some() {
        return Err(Mistake::new(
            format!("`{text}` is an axis of blowup's own"),
            "it may be set in a grid as it is; an axis with values of another kind takes another name",
        ));
    }
    let keys = key::BLOCK.iter().map(|key| key.name).chain([key::ZIP.name, "seed"]);
    if record::runs().into_iter().chain(keys).any(|taken| taken == text) {
        return Err(Mistake::new(format!("`{text}` is taken: it is a column or a key"), "choose another name"));
    }
    Ok(text.to_owned())
}

fn kind(node: &Node) -> Result<DeclaredKind, Mistake> {
    let hint = format!("one of: {}", DeclaredKind::NAMES.join(", "));
    match node.raw.text() {
        Some(text) => DeclaredKind::from_name(text).ok_or_else(|| {
            Mistake::unknown(format!("`{}` is not a kind of axis", excerpt(text)), text, DeclaredKind::NAMES)
        }),
        None => Err(Mistake::kind("axes", node.raw.kind(), "the kind of the axis", hint)),
    }
}
