//! The data of csv tasks, without their bytes: what was taken of a file, to be shown and kept, and
//! what a file looks like that is no data set.

use super::bundle::TakenBundle;
use super::report::{Mistake, excerpt};
use crate::arrays::Sizes;
use crate::csv_task::{DataSet, DataSetError};
use crate::failure::counted;
use crate::trial::Loss;
use serde::{Deserialize, Serialize};

/// Gives, for the path of a csv task as the spec has it, the path at which workers open the file,
/// and its bytes.
pub type Read<'a> = &'a dyn Fn(&str) -> std::io::Result<(String, Vec<u8>)>;

/// Where the data of csv tasks comes from. What an earlier sweep has taken stands in for a file
/// that cannot be read, since it says everything that a grid needs to know.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub read: Read<'a>,
    pub taken: &'a [Taken],
}

/// What a task takes from its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The path as the spec has it.
    pub path: String,
    /// The path at which the file lay.
    pub file: String,
    /// The SHA-256 of the file's bytes, hexadecimal.
    pub sha256: String,
    pub rows: u64,
    pub target: String,
    pub features: Vec<String>,
    /// Whether the spec names the features.
    pub named: bool,
    /// The key `samples`, which takes the first rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    pub separator: char,
    /// The values of the target, where it is learned as classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The sizes of an `arrays` task, and the file of its targets where they have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrays: Option<TakenArrays>,
    /// What a text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TakenText>,
    /// What a bundle is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<TakenBundle>,
}

/// What an `arrays` task takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenArrays {
    pub sizes: Sizes,
    pub standardize: bool,
    /// The file of the targets: its path as the spec has it, where it lay, and its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_file: Option<(String, String, String)>,
}

/// The sizes of a `text` task's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenText {
    pub characters: u64,
    /// The number of different characters.
    pub symbols: u64,
}

impl Taken {
    /// What is taken of a program's file: nothing but its content as a whole.
    pub fn of_program(path: &str, file: &str, sha256: &str) -> Taken {
        Taken {
            path: path.to_owned(),
            file: file.to_owned(),
            sha256: sha256.to_owned(),
            rows: 0,
            target: String::new(),
            features: Vec::new(),
            named: false,
            samples: None,
            separator: ',',
            classes: Vec::new(),
            arrays: None,
            text: None,
            bundle: None,
        }
    }

    /// The files, each as the spec has it and where it lay.
    pub fn files(&self) -> Vec<(&String, &String)> {
        let targets = self.arrays.iter().filter_map(|arrays| arrays.targets_file.as_ref());
        [(&self.path, &self.file)].into_iter().chain(targets.map(|(path, file, _)| (path, file))).collect()
    }

    /// Whether it is a file of a program. A data set has features, and such a file has none.
    pub fn is_of_program(&self) -> bool {
        self.features.is_empty() && self.target.is_empty() && self.bundle.is_none() && self.text.is_none()
    }
}

/// The most names that a line lists. The others are counted.
const LISTED: usize = 12;

impl Taken {
    /// What was taken, on one line for people.
    pub fn told(&self) -> String {
        if self.is_of_program() {
            return format!("`{}`: a file of the program, sha256 {}", excerpt(&self.path), self.sha256);
        }
        if let Some(bundle) = &self.bundle {
            return format!("`{}`: {}", excerpt(&self.path), bundle.told());
        }
        if let Some(TakenText { characters, symbols }) = self.text {
            return format!("`{}`: {characters} characters, {symbols} different ones", excerpt(&self.path));
        }
        if let Some(TakenArrays { sizes, .. }) = &self.arrays {
            let time = sizes.time.map_or(String::new(), |time| format!(" of {time} time steps"));
            let classes = sizes.classes.map_or(String::new(), |classes| format!(", which can be {classes} classes"));
            return format!(
                "`{}`: {} samples{time}, {} to learn {}{classes}",
                excerpt(&self.path),
                sizes.samples,
                counted(sizes.features as u64, "feature"),
                counted(sizes.targets as u64, "target"),
            );
        }
        let columns = if self.features.len() == 1 { "column" } else { "columns" };
        let classes = match self.classes.len() {
            0 => String::new(),
            n => format!(", {n} classes ({})", list(&self.classes)),
        };
        format!(
            "`{}`: {} rows, the {columns} {} for the target `{}`{classes}",
            excerpt(&self.path),
            self.rows,
            list(&self.features),
            excerpt(&self.target)
        )
    }
}

fn list(names: &[String]) -> String {
    let mut listed: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{}`", excerpt(name))).collect();
    if let Some(more) = names.len().checked_sub(LISTED).filter(|more| *more > 0) {
        listed.push(format!("and {more} more"));
    }
    listed.join(", ")
}

/// The first bytes of files that are no text, what such files are, and what to do.
const OTHERS: [(&[u8], &str, &str); 6] = [
    (b"\x1f\x8b", "is compressed with gzip", "unpack it first: gunzip keeps the name without `.gz`"),
    (b"PK\x03\x04", "is a zip archive, as spreadsheets (xlsx) are", "export a sheet of it as CSV"),
    (b"PAR1", "is a Parquet file", "pandas.read_parquet(path).to_csv(\"data.csv\", index=False)"),
    (b"\xff\xfe", "is in UTF-16", "save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "is in UTF-16", "save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "unpack it first: unzstd"),
];

/// Refuses a file that is known to be no text.
pub fn other_format(name: &str, bytes: &[u8]) -> Result<(), Mistake> {
    match OTHERS.iter().find(|(start, ..)| bytes.starts_with(start)) {
        Some((_, what, hint)) => Err(Mistake::new(format!("`{}` {what}", excerpt(name)), *hint)),
        None => Ok(()),
    }
}

/// The mistake of a file that is no data set. `separator` is the one with which it was read.
pub fn mistake(name: &str, bytes: &[u8], error: &DataSetError, separator: char, loss: Loss) -> Mistake {
    let hint = match &error.cell {
        Some(cell) if error.of_target => target_hint(cell, loss),
        Some(cell) => feature_hint(cell, &error.sound),
        None => layout_hint(bytes, separator).unwrap_or_else(|| match error.line {
            1 if error.nameless => {
                format!(
                    "pandas' to_csv() and R's write.csv() write row names so: leave them out (index=False, row.names = FALSE), or name \
                     the columns to learn from: {}",
                    others(&error.sound)
                )
            }
            _ if error.short => "`samples` takes the first so many rows of the file".to_owned(),
            1 => "`target` and `features` are names of the header, which must not repeat".to_owned(),
            _ => match loss {
                Loss::Mse => "every cell must be a finite number; a target of names needs loss = \"cross_entropy\"".to_owned(),
                Loss::CrossEntropy => "every feature must be a finite number, every target a name or a number".to_owned(),
            },
        }),
    };
    Mistake::new(format!("`{}`: {error}", excerpt(name)), hint)
}

/// The hint that the first lines look as if they had another layout, if they do.
fn layout_hint(bytes: &[u8], separator: char) -> Option<String> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]).into_owned();
    let mut lines = start.trim_start_matches('\u{feff}').lines();
    let (header, row) = (lines.next()?, lines.next().unwrap_or_default());
    let other = [';', '\t', '|', ','].into_iter().find(|other| {
        *other != separator && header.contains(*other) && header.matches(*other).count() == row.matches(*other).count()
    });
    if let Some(other) = other.filter(|_| !header.contains(separator)) {
        let comma = row.split(other).any(has_decimal_comma);
        let points = if comma {
            "; and write its numbers with a point, not a comma: pandas.read_csv(path, sep=\";\", decimal=\",\") reads them"
        } else {
            ""
        };
        let other = other.escape_default();
        return Some(format!("it looks as if its cells were separated by `{other}`: separator = \"{other}\"{points}"));
    }
    let numbers = header.split(separator).all(|cell| cell.trim().trim_matches('"').parse::<f64>().is_ok());
    numbers.then(|| {
        "its first line is numbers, so it seems to have no header: put the names of the columns into a line above"
            .to_owned()
    })
}

fn has_decimal_comma(cell: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let cell = cell.trim().trim_start_matches(['-', '+']);
    cell.split_once(',').is_some_and(|(whole, rest)| digits(whole) && digits(rest))
}

fn is_missing(cell: &str) -> bool {
    ["", "na", "n/a", "nan", "null", "none", "nil", "?", "-", "."].contains(&cell.to_ascii_lowercase().as_str())
}

fn is_date(cell: &str) -> bool {
    let parts: Vec<&str> = cell.split(['-', '/', '.', ':', 'T', ' ']).collect();
    parts.len() >= 3
        && parts.iter().take(3).all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The key that names these columns.
fn others(names: &[String]) -> String {
    match names.len() {
        1..=8 => format!("features = {names:?}"),
        _ => "features = [...]".to_owned(),
    }
}

fn feature_hint(cell: &str, sound: &[String]) -> String {
    let rest = others(sound);
    let first = match cell {
        cell if is_missing(cell) => "drop the rows with missing values (in pandas: df.dropna()) or fill them in",
        cell if has_decimal_comma(cell) => {
            "write numbers with a point: pandas.read_csv(path, decimal=\",\") reads these"
        }
        cell if cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false") => {
            "write 1 and 0 for true and false (in pandas: df.astype(float))"
        }
        cell if is_date(cell) => "make a number of a date, for example days since the first one",
        cell if cell.parse::<f64>().is_ok() => "numbers must be finite: drop these rows",
        _ => "make columns of 0 and 1 of names (in pandas: pd.get_dummies(df, dtype=float))",
    };
    format!("{first}; or leave the column out: {rest}")
}

fn target_hint(cell: &str, loss: Loss) -> String {
    match loss {
        _ if is_missing(cell) => "drop the rows without a target (in pandas: df.dropna())".to_owned(),
        Loss::Mse if has_decimal_comma(cell) => {
            "write numbers with a point: pandas.read_csv(path, decimal=\",\") reads these".to_owned()
        }
        Loss::Mse => {
            "every target must be a finite number; a target of names needs loss = \"cross_entropy\"".to_owned()
        }
        Loss::CrossEntropy => "every target must be a name or a number".to_owned(),
    }
}

/// What a task asks of its file.
pub struct Asked<'a> {
    pub path: &'a str,
    pub target: &'a str,
    /// It is empty for all columns but the target.
    pub features: &'a [String],
    pub samples: Option<usize>,
    pub separator: char,
}

impl Asked<'_> {
    /// The entry of `all` that was taken for such a task.
    pub fn find<'a>(&self, all: &'a [Taken]) -> Option<&'a Taken> {
        all.iter().find(|taken| {
            let features = if taken.named { taken.features == self.features } else { self.features.is_empty() };
            let same = taken.path == self.path && taken.target == self.target && taken.separator == self.separator;
            same && features && taken.samples == self.samples.map(|samples| samples as u64)
        })
    }

    /// What is taken: `table` of the file with this hash.
    pub fn taken(&self, table: &DataSet, file: &str, sha256: &str) -> Taken {
        Taken {
            path: self.path.to_owned(),
            file: file.to_owned(),
            sha256: sha256.to_owned(),
            rows: table.samples as u64,
            target: self.target.to_owned(),
            features: table.features.clone(),
            named: !self.features.is_empty(),
            samples: self.samples.map(|samples| samples as u64),
            separator: self.separator,
            classes: table.classes.clone(),
            arrays: None,
            text: None,
            bundle: None,
        }
    }
}
