//! The file of a `text` task.

use super::data::{Sources, Taken, TakenText};
use super::report::{Mistake, Problems, excerpt};
use super::source::{Entry, Node, Raw};
use crate::input;
use crate::text::{BUILT_IN, Text};
use crate::trial::{Source, Task, TaskKind, TextFile};

/// The text of a task, checked.
#[derive(Debug)]
pub struct TextDraft {
    /// The file; `None` of the text that is built in.
    pub file: Option<TextFile>,
    pub characters: usize,
    /// The number of different characters.
    pub symbols: usize,
    pub taken: Option<Taken>,
}

/// The windows that a task takes where a spec does not say how many.
pub const SAMPLES: usize = 256;

/// Reads the key `path` of a text task, and its file.
pub fn read(entries: &[Entry], open: Sources<'_>, problems: &mut Problems) -> Option<TextDraft> {
    let Some(entry) = entries.iter().find(|entry| entry.key == "path") else {
        let Text { characters, symbols } = &*BUILT_IN;
        return Some(TextDraft { file: None, characters: characters.len(), symbols: *symbols, taken: None });
    };
    let Node { raw: Raw::Text(written), span } = &entry.value else {
        let hint = "path = \"book.txt\", relative to the spec";
        problems.push(&entry.value.span, Mistake::kind("path", entry.value.raw.kind(), "a string", hint));
        return None;
    };
    let taken = match (open.read)(written) {
        Ok((file, bytes)) => Text::read(&bytes)
            .map(|text| {
                let (characters, symbols) = (text.characters.len() as u64, text.symbols as u64);
                let text = Some(TakenText { characters, symbols });
                Taken { text, ..Taken::of_program(written, &file, &input::sha256(&bytes)) }
            })
            .map_err(|what| {
                let hint = "a text task reads plain text in UTF-8, such as a book";
                Mistake::new(format!("`{}` {what}", excerpt(written)), hint)
            }),
        Err(error) => {
            let earlier = open.taken.iter().find(|taken| taken.path == *written && taken.text.is_some());
            earlier.cloned().ok_or_else(|| {
                let message = format!("cannot read `{}`: {error}", excerpt(written));
                Mistake::new(message, "the path is relative to the folder of the spec")
            })
        }
    };
    let taken = problems.keep(span, taken)?;
    let TakenText { characters, symbols } = taken.text?;
    let file = TextFile { path: taken.file.clone(), sha256: taken.sha256.clone() };
    let (characters, symbols) = (characters as usize, symbols as usize);
    Some(TextDraft { file: Some(file), characters, symbols, taken: Some(taken) })
}

impl TextDraft {
    /// The task with so many windows.
    pub fn task(&self, samples: Option<usize>) -> Task {
        Task {
            kind: TaskKind::Text,
            inputs: self.symbols,
            outputs: self.symbols,
            samples: samples.unwrap_or(SAMPLES),
            source: self.file.clone().map_or(Source::BuiltIn, |file| Source::Text(Box::new(file))),
            ..Task::none()
        }
    }
}
