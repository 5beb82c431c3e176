//! `[[variant]]`: a change that every block is tried with. It is made before a block is read: the
//! keys of the variant take the place of the same keys of the block, so whatever can be said of a
//! block can be said of a variant.

use super::draft;
use super::key;
use super::report::{Mistake, Problems, excerpt};
use super::settings;
use super::source::{Entry, Node, Raw, Span};
use std::borrow::Cow;

/// What is written of a block.
pub struct Table<'a> {
    /// The place of the block, or of the variant that makes one of it.
    pub span: Span,
    pub entries: Cow<'a, [Entry]>,
}

/// A variant as it is written.
struct Variant<'a> {
    span: Span,
    label: String,
    /// The labels of the blocks that it is for; `None` for all.
    blocks: Option<Vec<(&'a str, &'a Span)>>,
    /// What it changes.
    entries: Vec<&'a Entry>,
}

/// What stands between the label of a block and that of a variant.
const BETWEEN: &str = ", ";

/// The blocks of a spec: those of `[[grid]]`, each followed by what the variants make of it.
pub fn tables<'a>(grid: &'a Node, variants: Option<&'a Node>, problems: &mut Problems) -> Vec<Table<'a>> {
    let blocks = settings::tables("grid", grid, problems);
    let written = variants.map_or_else(Vec::new, |node| settings::tables("variant", node, problems));
    let variants: Vec<Variant> =
        written.into_iter().filter_map(|(span, entries)| variant(span, entries, problems)).collect();
    let labels: Vec<&str> = blocks.iter().filter_map(|(_, entries)| label_of(entries)).collect();
    for (name, span) in variants.iter().flat_map(|variant| variant.blocks.iter().flatten()) {
        if !labels.contains(name) {
            let message = format!("no block has the label `{}`", excerpt(name));
            let known: Vec<String> = labels.iter().map(|label| format!("`{}`", excerpt(label))).collect();
            let hint =
                if known.is_empty() { "none has one".to_owned() } else { format!("there are {}", known.join(", ")) };
            problems.add(span, message, hint);
        }
    }
    let mut tables = Vec::new();
    for (span, entries) in blocks {
        tables.push(Table { span, entries: Cow::Borrowed(entries) });
        let label = label_of(entries);
        let is_for = |variant: &&Variant| {
            variant.blocks.as_ref().is_none_or(|blocks| blocks.iter().any(|(name, _)| Some(*name) == label))
        };
        tables.extend(variants.iter().filter(is_for).map(|variant| variant.of(label, entries)));
    }
    tables
}

fn label_of(entries: &[Entry]) -> Option<&str> {
    entries.iter().find(|entry| entry.key == "label")?.value.raw.text()
}

fn variant<'a>(span: Span, entries: &'a [Entry], problems: &mut Problems) -> Option<Variant<'a>> {
    let [of_blocks] = key::VARIANT;
    let find = |name: &str| entries.iter().find(|entry| entry.key == name);
    let Some(label) = find("label") else {
        problems.add(&span, "this [[variant]] has no `label`", "it is put behind the label of each block");
        return None;
    };
    let label = problems.keep(&label.value.span, draft::label("label", &label.value));
    let blocks = match find(of_blocks.name) {
        None => None,
        Some(entry) => Some(names(entry, problems)?),
    };
    let entries = entries.iter().filter(|entry| entry.key != "label" && entry.key != of_blocks.name).collect();
    Some(Variant { span, label: label?, blocks, entries })
}

/// Reads a list of labels.
fn names<'a>(entry: &'a Entry, problems: &mut Problems) -> Option<Vec<(&'a str, &'a Span)>> {
    let hint = "for example blocks = [\"mlp\"]";
    let mut texts = None;
    if let Raw::List(items) = &entry.value.raw {
        texts = items.iter().map(|item| item.raw.text().map(|text| (text, &item.span))).collect();
    }
    if texts.is_none() {
        let kind = entry.value.raw.kind();
        problems.push(&entry.value.span, Mistake::kind(&entry.key, kind, "a list of labels", hint));
    }
    texts
}

impl Variant<'_> {
    /// The block with this label and these keys, changed.
    fn of<'a>(&self, label: Option<&str>, block: &'a [Entry]) -> Table<'a> {
        let budget = |key: &str| matches!(key, "epochs" | "steps");
        // `epochs` and `steps` are two names of one setting.
        let replaces =
            |ours: &Entry, theirs: &Entry| ours.key == theirs.key || budget(&ours.key) && budget(&theirs.key);
        let kept = block.iter().filter(|theirs| !self.entries.iter().any(|ours| replaces(ours, theirs))).cloned();
        let mut entries: Vec<Entry> = kept.chain(self.entries.iter().map(|entry| (*entry).clone())).collect();
        let joined = label.map_or_else(|| self.label.clone(), |label| format!("{label}{BETWEEN}{}", self.label));
        match entries.iter_mut().find(|entry| entry.key == "label") {
            Some(entry) => entry.value.raw = Raw::Text(joined),
            None => entries.push(Entry {
                key: "label".to_owned(),
                key_span: self.span.clone(),
                value: Node { span: self.span.clone(), raw: Raw::Text(joined) },
            }),
        }
        Table { span: self.span.clone(), entries: Cow::Owned(entries) }
    }
}
