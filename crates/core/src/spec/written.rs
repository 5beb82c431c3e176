//! The text of a spec as results keep it. A spec may extend another one, and `--set` may change it:
//! then the text is put together of pieces of several texts, of which each piece knows its place,
//! so that a mistake is reported where it was written.

use super::key::EXTENDS;
use super::piece::{Piece, Value, inner, merge, replace, top};
use super::report::{Diagnostics, Mistake, Problems, excerpt};
use super::set_key::SetKey;
use super::source::{self, Entry, Span};
use std::path::{Component, Path, PathBuf};

/// Reads a file that a spec extends, by its path from the folder of the spec.
///
/// # Errors
/// Why it cannot be read.
pub type Bases<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// The most files that extend each other.
const DEEPEST: usize = 16;

/// How a text begins that was put together.
const PUT_TOGETHER: &str = "# blowup put this text together from the spec that was swept and ";

/// How the text of `--set` is called in reports.
const FLAG: &str = "--set";

/// A text and its places.
#[derive(Debug)]
pub struct Written {
    text: String,
    /// The name and the text of each file, of which the first is the spec.
    files: Vec<(String, String)>,
    /// Where the text comes from; empty where it is that of the first file.
    parts: Vec<Part>,
}

/// A part of the text that was put together.
#[derive(Debug)]
struct Part {
    here: Span,
    file: usize,
    there: Span,
}

impl Written {
    /// The spec with what it extends, and with what `--set` changes. `file` is its name in reports.
    ///
    /// # Errors
    /// If a file that is extended cannot be read or is no TOML, if files extend each other in a
    /// circle, or if there is no block that `--set` could change.
    pub fn new(text: &str, file: &str, sets: &[SetKey], bases: Bases) -> Result<Written, Diagnostics> {
        let mut written =
            Written { text: text.to_owned(), files: vec![(file.to_owned(), text.to_owned())], parts: Vec::new() };
        // A spec that is no TOML is reported by its reader.
        let Ok(entries) = source::parse(text) else { return Ok(written) };
        if sets.is_empty() && !entries.iter().any(|entry| entry.key == EXTENDS) {
            return Ok(written);
        }
        let mut chain = vec![PathBuf::from(Path::new(file).file_name().unwrap_or_default())];
        let mut pieces = written.extended(0, &mut chain, bases)?;
        for set in sets {
            written.set(&mut pieces, set)?;
        }
        let names: Vec<String> =
            chain[1..].iter().map(|base| format!("`{}`", excerpt(&base.to_string_lossy()))).collect();
        let flags: Vec<String> = sets.iter().map(|set| format!("`{FLAG} {}`", excerpt(&set.argument()))).collect();
        written.put_together(&pieces, &[names, flags].concat().join(", "));
        Ok(written)
    }

    /// The text, which results keep.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name and the text of the file from which a part of the text comes, and its place there.
    pub fn place(&self, span: &Span) -> (&str, &str, Span) {
        let at = self.parts.partition_point(|part| part.here.end <= span.start);
        let of = |file: usize, there: Span| (self.files[file].0.as_str(), self.files[file].1.as_str(), there);
        if self.parts.is_empty() {
            return of(0, span.clone());
        }
        match self.parts.get(at).filter(|part| part.here.start <= span.start) {
            Some(Part { here, file, there }) if here.len() == there.len() => {
                let start = there.start + span.start - here.start;
                of(*file, start..there.end.min(start + span.len()))
            }
            Some(Part { file, there, here: _ }) => of(*file, there.clone()),
            None => of(0, 0..0),
        }
    }

    /// The name of the file from which a byte of the text comes, and its line there.
    pub fn line(&self, byte: usize) -> (String, usize) {
        let (file, text, place) = self.place(&(byte..byte));
        (file.to_owned(), text[..place.start].matches('\n').count() + 1)
    }

    /// A report of one mistake in one of the files.
    fn mistake(&self, file: usize, span: &Span, mistake: Mistake) -> Diagnostics {
        let (name, text) = self.files[file].clone();
        let alone = Written { text: text.clone(), files: vec![(name, text)], parts: Vec::new() };
        let mut problems = Problems::default();
        problems.push(span, mistake);
        problems.report(&alone)
    }

    /// The keys of a file with those of the files that it extends. `chain` has the paths of the
    /// files from the spec to this one, from the folder of the spec.
    fn extended(&mut self, file: usize, chain: &mut Vec<PathBuf>, bases: Bases) -> Result<Vec<Piece>, Diagnostics> {
        let text = self.files[file].1.clone();
        let entries = source::parse(&text).map_err(|(span, message)| {
            let mistake = Mistake::new(format!("this is not TOML: {message}"), "https://toml.io has the syntax");
            self.mistake(file, &span, mistake)
        })?;
        if let Some(twice) = source::repeats(&entries).first() {
            let message = format!("`{}` stands twice, `-` and `_` are the same", excerpt(&twice.key));
            return Err(self.mistake(file, &twice.key_span, Mistake::new(message, "keep one of them")));
        }
        let (base, own): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.key == EXTENDS);
        let own = own.into_iter().map(|entry| top(entry, file, &text)).collect();
        let Some(base) = base.first() else { return Ok(own) };
        let Some(path) = base.value.raw.text() else {
            let mistake = Mistake::kind(EXTENDS, base.value.raw.kind(), "a string", "the path of another spec");
            return Err(self.mistake(file, &base.value.span, mistake));
        };
        let folder = chain.last().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let path = plain(&folder.join(path));
        let shown = path.to_string_lossy().into_owned();
        let refuse = |written: &Written, message: String, hint: &str| {
            Err(written.mistake(file, &base.value.span, Mistake::new(message, hint)))
        };
        if chain.contains(&path) {
            let circle: Vec<String> =
                chain.iter().chain([&path]).map(|path| excerpt(&path.to_string_lossy())).collect();
            return refuse(
                self,
                format!("specs extend each other in a circle: {}", circle.join(", ")),
                "leave one out",
            );
        }
        if chain.len() > DEEPEST {
            return refuse(self, format!("more than {DEEPEST} specs extend each other"), "put some of them together");
        }
        let below = match bases(&shown) {
            Ok(below) => below,
            Err(reason) => {
                return refuse(self, reason, "the path is relative to the folder of the spec in which it stands");
            }
        };
        let name = Path::new(&self.files[0].0).parent().map_or(path.clone(), |folder| folder.join(&path));
        self.files.push((name.display().to_string(), below));
        chain.push(path);
        let mut pieces = self.extended(self.files.len() - 1, chain, bases)?;
        merge(&mut pieces, own);
        Ok(pieces)
    }

    /// Gives a key of every block of `[[grid]]` a value.
    ///
    /// # Errors
    /// If another `--set` gave it one, and if there is no block.
    fn set(&mut self, pieces: &mut [Piece], SetKey(line): &SetKey) -> Result<(), Diagnostics> {
        let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
        let is_twice = self.files.iter().any(|(name, other)| name == FLAG && key(other) == key(line));
        let file = self.files.len();
        self.files.push((FLAG.to_owned(), line.clone()));
        if is_twice {
            let name = key(line).unwrap_or_default();
            let mistake = Mistake::new(
                format!("`{name}` is set twice"),
                format!("several values are a list: {FLAG} {name}=[1, 2]"),
            );
            return Err(self.mistake(file, &(0..line.len()), mistake));
        }
        let entries = source::parse(line).unwrap_or_default();
        let grid = pieces.iter_mut().find(|piece| piece.key == "grid");
        let blocks = match grid.map(|piece| &mut piece.value) {
            Some(Value::List(blocks)) => blocks.as_mut_slice(),
            Some(Value::Whole { .. } | Value::Table { .. }) | None => &mut [],
        };
        if blocks.is_empty() {
            let hint = "it replaces an axis in every [[grid]]";
            return Err(self.mistake(file, &(0..line.len()), Mistake::new("there is no [[grid]] to set it in", hint)));
        }
        for block in blocks {
            if let Value::Table { pieces, .. } = block {
                entries.iter().for_each(|entry| replace(pieces, inner(entry, file, line)));
            }
        }
        Ok(())
    }

    /// Makes the text of these pieces. `of` says of what it is put together.
    fn put_together(&mut self, pieces: &[Piece], of: &str) {
        self.text = format!("{PUT_TOGETHER}{of}.\n");
        for piece in pieces.iter().filter(|piece| !piece.value.has_headers()) {
            self.put_pair(piece);
            self.text.push('\n');
        }
        for piece in pieces.iter().filter(|piece| piece.value.has_headers()) {
            let (tables, open, close) = match &piece.value {
                Value::List(tables) => (tables.as_slice(), "[[", "]]"),
                table @ (Value::Table { .. } | Value::Whole { .. }) => (std::slice::from_ref(table), "[", "]"),
            };
            for table in tables {
                let Value::Table { file, span, pieces } = table else { continue };
                self.text.push('\n');
                let from = self.text.len();
                let key = &self.files[piece.file].1[piece.key_span.clone()];
                self.text.push_str(&format!("{open}{key}{close}\n"));
                self.parts.push(Part { here: from..self.text.len(), file: *file, there: span.clone() });
                for piece in pieces {
                    self.put_pair(piece);
                    self.text.push('\n');
                }
            }
        }
    }

    fn put_pair(&mut self, piece: &Piece) {
        self.put(piece.file, &piece.key_span);
        self.text.push_str(" = ");
        self.put_value(&piece.value);
    }

    fn put_value(&mut self, value: &Value) {
        match value {
            Value::Whole { file, span } => self.put(*file, span),
            Value::Table { pieces, file, span } => {
                let from = self.text.len();
                self.text.push_str("{ ");
                self.parts.push(Part { here: from..self.text.len(), file: *file, there: span.clone() });
                for (i, piece) in pieces.iter().enumerate() {
                    self.text.push_str(if i > 0 { ", " } else { "" });
                    self.put_pair(piece);
                }
                self.text.push_str(" }");
            }
            Value::List(items) => {
                self.text.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.text.push_str(if i > 0 { ", " } else { "" });
                    self.put_value(item);
                }
                self.text.push(']');
            }
        }
    }

    /// Takes a part of a file over as it is written.
    fn put(&mut self, file: usize, there: &Span) {
        let from = self.text.len();
        self.text.push_str(&self.files[file].1[there.clone()]);
        self.parts.push(Part { here: from..self.text.len(), file, there: there.clone() });
    }
}

/// Whether a text was put together, so that the spec that was swept has other lines.
pub fn is_put_together(text: &str) -> bool {
    text.starts_with(PUT_TOGETHER)
}

/// A path without `.` and, where that is possible, without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => plain.push(part),
        }
    }
    plain
}
