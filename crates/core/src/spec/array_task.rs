//! The file of an `arrays` task: its arrays are found by their names, and their sizes are checked.

use super::data::{Sources, Taken, TakenArrays};
use super::report::{Mistake, Problems, excerpt};
use super::source::{Entry, Node, Raw, Span};
use crate::arrays::{self, Format, Sizes};
use crate::input;
use crate::training::Array;
use crate::trial::{ArraysFile, Loss, Source, Task, TaskKind};

/// The file of an `arrays` task, checked.
#[derive(Debug)]
pub struct ArraysDraft {
    pub file: ArraysFile,
    pub sizes: Sizes,
    pub taken: Taken,
    /// The path as the spec has it, for messages, and its place.
    pub written: String,
    pub span: Span,
    /// The largest magnitude of the inputs and, behind it, that of the targets. There are none
    /// where the file is not here.
    pub largest: Vec<(String, f64)>,
}

/// The most names that a message lists.
const LISTED: usize = 12;

/// The names that are looked for where a spec gives none.
const INPUTS: [&str; 3] = ["inputs", "x", "X"];
const TARGETS: [&str; 4] = ["targets", "y", "Y", "labels"];

const PATH: &str = "path = \"data.npz\", relative to the spec";

/// Reads the keys of an `arrays` task and its file. `samples` is the key of that name.
pub fn read(
    entries: &[Entry],
    (span, samples): (&Span, Option<usize>),
    open: Sources<'_>,
    problems: &mut Problems,
) -> Option<ArraysDraft> {
    let mut text = |key: &str| match entries.iter().find(|entry| entry.key == key) {
        Some(Entry { value: Node { raw: Raw::Text(text), span }, .. }) => Some(Some((text.clone(), span.clone()))),
        Some(entry) => {
            let hint = format!("{key} = \"a name\"");
            problems.push(&entry.value.span, Mistake::kind(key, entry.value.raw.kind(), "a string", hint));
            None
        }
        None => Some(None),
    };
    let (path, inputs, targets) = (text("path")?, text("inputs")?, text("targets")?);
    let standardize = match entries.iter().find(|entry| entry.key == "standardize").map(|entry| &entry.value) {
        None => false,
        Some(Node { raw: Raw::Boolean(standardize), .. }) => *standardize,
        Some(Node { raw, span }) => {
            problems.push(span, Mistake::kind("standardize", raw.kind(), "true or false", "standardize = true"));
            return None;
        }
    };
    let Some((written, path_span)) = path else {
        problems.add(span, "the arrays task has no `path`", PATH);
        return None;
    };
    let place = |of: &Option<(String, Span)>| of.as_ref().map_or(path_span.clone(), |(_, span)| span.clone());
    let (inputs_span, targets_span) = (place(&inputs), place(&targets));
    let [inputs, targets] = [inputs, targets].map(|name| name.map(|(name, _)| name));
    let asked =
        Asked { written: &written, inputs: inputs.as_deref(), targets: targets.as_deref(), samples, standardize };
    let (path, bytes) = match (open.read)(&written) {
        Ok(read) => read,
        Err(error) => match asked.find(open.taken) {
            Some(taken) => return asked.draft_of(taken, path_span),
            None => {
                let message = format!("cannot read `{}`: {error}", excerpt(&written));
                problems.add(&path_span, message, "the path is relative to the folder of the spec");
                return None;
            }
        },
    };
    let found = asked.find_arrays(&bytes, open).map_err(|Wrong { what, hint, of }| {
        let span = match of {
            Of::File => &path_span,
            Of::Inputs => &inputs_span,
            Of::Targets => &targets_span,
        };
        (span, Mistake::new(format!("`{}`: {what}", excerpt(&written)), hint))
    });
    match found {
        Ok(found) => Some(asked.draft(&path, &input::sha256(&bytes), found, path_span)),
        Err((span, mistake)) => {
            problems.push(span, mistake);
            None
        }
    }
}

/// What a spec says of its arrays.
struct Asked<'a> {
    written: &'a str,
    inputs: Option<&'a str>,
    targets: Option<&'a str>,
    samples: Option<usize>,
    standardize: bool,
}

/// The arrays of a task, as their file has them.
struct Found {
    inputs: Array,
    targets: Array,
    sizes: Sizes,
    /// The file of the targets: its path as the spec has it, that at which it is opened, its hash.
    targets_file: Option<(String, String, String)>,
}

/// Why a file holds no data set.
struct Wrong {
    what: String,
    hint: String,
    of: Of,
}

/// What of a task is wrong.
enum Of {
    File,
    Inputs,
    Targets,
}

impl Asked<'_> {
    fn find_arrays(&self, bytes: &[u8], open: Sources<'_>) -> Result<Found, Wrong> {
        let wrong = |of: Of, hint: &str| {
            let hint = hint.to_owned();
            move |what: String| Wrong { what, hint, of }
        };
        let names = arrays::names(bytes).map_err(wrong(
            Of::File,
            "numpy.savez(\"data.npz\", x=x, y=y) writes one; a table of text is kind = \"csv\"",
        ))?;
        let chosen = |given: Option<&str>, usual: &[&str], of: Of, key: &str| match given {
            Some(name) => Ok(name.to_owned()),
            None => usual.iter().find(|name| names.iter().any(|other| other == *name)).map_or_else(
                || {
                    let all: Vec<String> =
                        names.iter().take(LISTED).map(|name| format!("`{}`", excerpt(name))).collect();
                    let what = format!("it has none of the arrays {}; it has: {}", usual.join(", "), all.join(", "));
                    Err(Wrong { what, hint: format!("name one: {key} = \"...\""), of })
                },
                |name| Ok((*name).to_owned()),
            ),
        };
        let (inputs, targets, targets_file) = if Format::of(bytes) == Some(Format::Npy) {
            if self.inputs.is_some() {
                let what = "an npy file has one array, without a name".to_owned();
                return Err(Wrong { what, hint: "leave `inputs` out".to_owned(), of: Of::Inputs });
            }
            let Some(targets) = self.targets else {
                let what = "an npy file has one array, which are the inputs".to_owned();
                return Err(Wrong {
                    what,
                    hint: "targets = \"y.npy\" names the file of the targets".to_owned(),
                    of: Of::File,
                });
            };
            let (path, other) = (open.read)(targets).map_err(|error| Wrong {
                what: format!("cannot read `{}`: {error}", excerpt(targets)),
                hint: "beside a npy file, `targets` is a npy file, too, relative to the folder of the spec".to_owned(),
                of: Of::Targets,
            })?;
            let inputs = arrays::read(bytes, "").map_err(wrong(Of::File, "numpy.save writes one"))?;
            let array = arrays::read(&other, "").map_err(wrong(Of::Targets, "numpy.save writes one"))?;
            (inputs, array, Some((targets.to_owned(), path, input::sha256(&other))))
        } else {
            let inputs = chosen(self.inputs, &INPUTS, Of::Inputs, "inputs")?;
            let targets = chosen(self.targets, &TARGETS, Of::Targets, "targets")?;
            let inputs = arrays::read(bytes, &inputs).map_err(wrong(Of::Inputs, "inputs = \"x\" names the array"))?;
            let targets =
                arrays::read(bytes, &targets).map_err(wrong(Of::Targets, "targets = \"y\" names the array"))?;
            (inputs, targets, None)
        };
        let sizes = arrays::sizes(&inputs, &targets, self.samples).map_err(wrong(
            Of::File,
            "inputs are [samples, features] or [samples, time, features], targets [samples] or [samples, outputs]",
        ))?;
        Ok(Found { inputs, targets, sizes, targets_file })
    }

    fn draft(&self, path: &str, sha256: &str, found: Found, span: Span) -> ArraysDraft {
        let Found { inputs, targets, sizes, targets_file } = found;
        let taken = Taken {
            path: self.written.to_owned(),
            file: path.to_owned(),
            sha256: sha256.to_owned(),
            rows: sizes.samples as u64,
            target: targets.name.clone(),
            features: vec![inputs.name.clone()],
            named: self.inputs.is_some(),
            samples: self.samples.map(|samples| samples as u64),
            separator: ',',
            classes: Vec::new(),
            arrays: Some(TakenArrays { sizes, standardize: self.standardize, targets_file }),
            text: None,
            bundle: None,
        };
        let largest = |array: Array| {
            let name = array.name.clone();
            (name, arrays::floats(array).into_iter().fold(0.0, |largest: f64, x| largest.max(x.abs())))
        };
        let file = self.file_of(&taken);
        let (written, largest) = (self.written.to_owned(), vec![largest(inputs), largest(targets)]);
        ArraysDraft { file, sizes, taken, written, span, largest }
    }

    fn file_of(&self, taken: &Taken) -> ArraysFile {
        let targets_file = taken.arrays.as_ref().and_then(|arrays| arrays.targets_file.clone());
        ArraysFile {
            path: taken.file.clone(),
            sha256: taken.sha256.clone(),
            inputs: taken.features.first().cloned().unwrap_or_default(),
            targets: taken.target.clone(),
            targets_file: targets_file.map(|(_, path, sha256)| (path, sha256)),
            standardize: self.standardize,
        }
    }

    /// What an earlier sweep took for the same words of a spec.
    fn find<'a>(&self, all: &'a [Taken]) -> Option<&'a Taken> {
        all.iter().find(|taken| {
            let Some(arrays) = &taken.arrays else { return false };
            let names = self.inputs.is_none_or(|name| taken.features == [name])
                && match &arrays.targets_file {
                    Some((written, ..)) => self.targets == Some(written),
                    None => self.targets.is_none_or(|name| taken.target == name),
                };
            let same = taken.path == self.written && taken.samples == self.samples.map(|samples| samples as u64);
            names && same && arrays.standardize == self.standardize
        })
    }

    fn draft_of(&self, taken: &Taken, span: Span) -> Option<ArraysDraft> {
        let sizes = taken.arrays.as_ref()?.sizes;
        let (file, taken, written) = (self.file_of(taken), taken.clone(), self.written.to_owned());
        Some(ArraysDraft { file, sizes, taken, written, span, largest: Vec::new() })
    }
}

impl ArraysDraft {
    pub fn kind(&self) -> TaskKind {
        if self.sizes.time.is_some() { TaskKind::ArraySequences } else { TaskKind::Arrays }
    }

    /// The task under a loss that it has targets for.
    pub fn task(&self, loss: Loss) -> Task {
        let outputs = match loss {
            Loss::Mse => self.sizes.targets,
            Loss::CrossEntropy => self.sizes.classes.unwrap_or(self.sizes.targets),
        };
        Task {
            kind: self.kind(),
            inputs: self.sizes.features,
            outputs,
            samples: self.sizes.samples,
            input_std: 1.0,
            source: Source::Arrays(Box::new(self.file.clone())),
        }
    }
}
