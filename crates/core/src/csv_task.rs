//! A CSV file as a data set: bytes become numbers, and every cell is checked. This module opens no
//! file and standardizes nothing. `spec` checks a file with it, and the engine trains on what it
//! returns. One file is built into the program: the handwritten digits.

use crate::failure::excerpt;
use csv::{ByteRecord, ReaderBuilder};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::LazyLock;

/// The data of the task `digits`: 1,797 images of 8 x 8 pixels from 0 to 16.
/// `experiments/data/README.md` has the source and the licence.
pub static DIGITS: LazyLock<DataSet> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../experiments/data/digits.csv");
    parse(bytes, "digit", &[], true).expect("the file that is built in is a table")
});

/// The numbers of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// The inputs, `[sample, feature]`.
    pub inputs: Vec<f64>,
    pub targets: Targets,
    pub samples: usize,
    /// The names of the columns of `inputs`, in their order.
    pub features: Vec<String>,
    /// The names of the classes, in their order. It is empty if the targets are values.
    pub classes: Vec<String>,
}

/// How a file is laid out, and how many of its rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The byte between cells.
    pub separator: u8,
    /// The number of first rows that are read; `None` for all.
    pub samples: Option<usize>,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { separator: b',', samples: None }
    }
}

/// What is learned of each sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// One number for each sample.
    Values(Vec<f64>),
    /// One class for each sample: the position of its target among the distinct targets, which are
    /// sorted (as numbers, if all of them are).
    Classes { index: Vec<i64>, classes: usize },
}

/// Why a file is no data set, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSetError {
    /// The line, from 1, which is the header's. It is 0 if the error is about the whole file.
    pub line: u64,
    /// It is empty if the error is about the whole line.
    pub column_name: String,
    pub message: String,
    /// The first cell that is no value, if the error is about cells.
    pub cell: Option<String>,
    pub of_target: bool,
    /// The features that could be taken, if others cannot.
    pub sound: Vec<String>,
    /// Whether a column of the header has no name.
    pub nameless: bool,
    /// Whether there are fewer samples than were asked for.
    pub short: bool,
}

impl fmt::Display for DataSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column_name.as_str()) {
            (0, "") => write!(f, "{}", self.message),
            (0, column) => write!(f, "column `{column}`: {}", self.message),
            (line, "") => write!(f, "line {line}: {}", self.message),
            (line, column) => write!(f, "line {line}, column `{column}`: {}", self.message),
        }
    }
}

impl std::error::Error for DataSetError {}

fn error(line: u64, column: &str, message: impl Into<String>) -> DataSetError {
    DataSetError {
        line,
        column_name: excerpt(column),
        message: message.into(),
        cell: None,
        of_target: false,
        sound: Vec::new(),
        nameless: false,
        short: false,
    }
}

/// Reads a file with a header and commas. `features` are the input columns in their order; without
/// any, they are all columns but the target. If `as_classes` is set the target may be text.
///
/// # Errors
/// As for [`parse_with`].
pub fn parse(bytes: &[u8], target: &str, features: &[String], as_classes: bool) -> Result<DataSet, DataSetError> {
    parse_with(bytes, target, features, as_classes, Layout::default())
}

/// Reads a file in any layout; otherwise as [`parse`].
///
/// # Errors
/// A column that is missing or ambiguous, a ragged line, a cell that is not a finite number, no
/// samples or too few, or a single class.
pub fn parse_with(
    bytes: &[u8],
    target: &str,
    features: &[String],
    as_classes: bool,
    layout: Layout,
) -> Result<DataSet, DataSetError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().delimiter(layout.separator).from_reader(bytes);
    let header: Vec<String> = match reader.byte_headers() {
        Ok(header) => header.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect(),
        Err(source) => return Err(unreadable(&source)),
    };
    let places = places(&header);
    let target_column = column(&header, &places, target)?;
    if features.is_empty() {
        refuse_nameless(&header, target)?;
    }
    let features: Vec<String> = match features {
        [] => header.iter().filter(|name| *name != target).cloned().collect(),
        some => some.to_vec(),
    };
    if features.is_empty() {
        return Err(error(1, "", "there is no column beside the target"));
    }
    let columns = features.iter().map(|name| column(&header, &places, name)).collect::<Result<Vec<usize>, _>>()?;
    let (mut inputs, mut values, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = ByteRecord::new();
    let (mut bad, mut samples) = (Bad::default(), 0);
    while layout.samples.is_none_or(|most| samples < most)
        && reader.read_byte_record(&mut record).map_err(|source| unreadable(&source))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        samples += 1;
        for (at, &column) in columns.iter().enumerate() {
            inputs.push(bad.number(text(&record, column).trim(), line, at));
        }
        let answer = text(&record, target_column);
        let answer = answer.trim();
        match as_classes {
            true if answer.is_empty() => bad.add(answer, line, features.len()),
            true => names.push(answer.to_owned()),
            false => values.push(bad.number(answer, line, features.len())),
        }
    }
    bad.error(&features, target)?;
    if samples == 0 {
        return Err(error(0, "", "there are no samples below the header"));
    }
    if let Some(wanted) = layout.samples.filter(|wanted| samples < *wanted) {
        let message = format!("there are {samples} samples, fewer than `samples = {wanted}`");
        return Err(DataSetError { short: true, ..error(0, "", message) });
    }
    let (targets, classes) = if as_classes { classes(&names, target)? } else { (Targets::Values(values), Vec::new()) };
    Ok(DataSet { inputs, targets, samples, features, classes })
}

/// The most columns that an error lists.
const COLUMNS: usize = 6;
/// The most lines of each column that an error lists.
const LINES: usize = 4;

/// The cells that are no values, by their column.
#[derive(Default)]
struct Bad(BTreeMap<usize, BadColumn>);

struct BadColumn {
    cell: String,
    lines: Vec<u64>,
    count: u64,
}

impl Bad {
    /// The number in a cell of a column. The target is the column behind the features.
    fn number(&mut self, text: &str, line: u64, column: usize) -> f64 {
        match text.parse::<f64>() {
            Ok(x) if x.is_finite() => x,
            Ok(_) | Err(_) => {
                self.add(text, line, column);
                f64::NAN
            }
        }
    }

    fn add(&mut self, text: &str, line: u64, column: usize) {
        let bad =
            self.0.entry(column).or_insert_with(|| BadColumn { cell: text.to_owned(), lines: Vec::new(), count: 0 });
        bad.count += 1;
        if bad.lines.len() < LINES {
            bad.lines.push(line);
        }
    }

    /// All of them as one error, at the place of the first.
    fn error(&self, features: &[String], target: &str) -> Result<(), DataSetError> {
        let Some((&column, first)) = self.0.iter().min_by_key(|(column, bad)| (bad.lines[0], **column)) else {
            return Ok(());
        };
        let name = |column: usize| features.get(column).map_or(target, String::as_str);
        let mut message = format!("{}{}", no_number(&first.cell), first.others());
        let rest = self.0.iter().filter(|(other, _)| **other != column);
        for (other, bad) in rest.clone().take(COLUMNS - 1) {
            let (line, name) = (bad.lines[0], excerpt(name(*other)));
            message.push_str(&format!("; line {line}, column `{name}`: {}{}", no_number(&bad.cell), bad.others()));
        }
        if let Some(more) = rest.count().checked_sub(COLUMNS - 1).filter(|more| *more > 0) {
            message.push_str(&format!("; and {more} more columns"));
        }
        let sound = (0..features.len()).filter(|at| !self.0.contains_key(at)).map(|at| features[at].clone()).collect();
        let (cell, of_target) = (Some(first.cell.clone()), column == features.len());
        Err(DataSetError { cell, of_target, sound, ..error(first.lines[0], name(column), message) })
    }
}

impl BadColumn {
    /// The lines beyond the first, in words.
    fn others(&self) -> String {
        let lines: Vec<String> = self.lines.iter().skip(1).map(u64::to_string).collect();
        match self.count - 1 {
            0 => String::new(),
            1 => format!(" (nor is that in line {})", lines[0]),
            n if n as usize == lines.len() => format!(" (nor are those in lines {})", lines.join(", ")),
            n => format!(" (nor are {n} more, in lines {}, ...)", lines.join(", ")),
        }
    }
}

fn no_number(text: &str) -> String {
    match text {
        "" => "an empty cell is not a finite number".to_owned(),
        text => format!("`{}` is not a finite number", excerpt(text)),
    }
}

/// Refuses columns without a name. They are row numbers that another program wrote, so they are
/// learned from only if the spec names them.
fn refuse_nameless(header: &[String], target: &str) -> Result<(), DataSetError> {
    let nameless = |name: &String| (name.is_empty() || name.starts_with("Unnamed: ")) && name != target;
    let Some(at) = header.iter().position(nameless) else {
        return Ok(());
    };
    let what = if header[at].is_empty() { "has no name" } else { "had no name in another file" };
    let sound = header.iter().filter(|name| !nameless(name) && *name != target).cloned().collect();
    Err(DataSetError {
        nameless: true,
        sound,
        ..error(1, &header[at], format!("column {} of the header {what}", at + 1))
    })
}

fn unreadable(source: &csv::Error) -> DataSetError {
    let line = source.position().map_or(0, csv::Position::line);
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = source.kind() {
        error(line, "", format!("{len} cells, but the header has {expected_len}"))
    } else {
        error(line, "", excerpt(&source.to_string()))
    }
}

/// The position of the first column of each name, and whether there are others.
fn places(header: &[String]) -> HashMap<&str, (usize, bool)> {
    let mut places = HashMap::new();
    for (at, name) in header.iter().enumerate() {
        places.entry(name.as_str()).and_modify(|(_, others)| *others = true).or_insert((at, false));
    }
    places
}

/// The position of the one column of this name.
fn column(header: &[String], places: &HashMap<&str, (usize, bool)>, name: &str) -> Result<usize, DataSetError> {
    match places.get(name) {
        Some((column, false)) => Ok(*column),
        Some((_, true)) => Err(error(1, name, "two columns have this name")),
        None => {
            let known: Vec<String> = header.iter().take(20).map(|name| excerpt(name)).collect();
            let near =
                nearest(header, name).map(|near| format!("did you mean `{}`? ", excerpt(near))).unwrap_or_default();
            Err(error(1, name, format!("there is no such column; {near}the header has: {}", known.join(", "))))
        }
    }
}

/// The column of the header that was probably meant, if one is near enough.
fn nearest<'a>(header: &'a [String], name: &str) -> Option<&'a String> {
    const LOOKED_AT: usize = 1000;
    let distance = |other: &&String| match other.to_lowercase() == name.to_lowercase() {
        true => 0,
        false => strsim::damerau_levenshtein(name, other),
    };
    let near = header.iter().take(LOOKED_AT).filter(|other| !other.is_empty()).min_by_key(distance)?;
    (distance(&near) <= name.chars().count() / 3).then_some(near)
}

fn text(record: &ByteRecord, column: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(record.get(column).unwrap_or_default())
}

/// The classes of the targets, and their names.
fn classes(names: &[String], target: &str) -> Result<(Targets, Vec<String>), DataSetError> {
    let finite = |name: &String| name.parse::<f64>().ok().filter(|x| x.is_finite());
    let numbers: Option<Vec<f64>> = names.iter().map(finite).collect();
    let (index, classes) = match numbers {
        // With the sign turned around, the bits of floats sort as the numbers do.
        Some(numbers) => positions(numbers.iter().map(|x| {
            let bits = (x + 0.0).to_bits();
            if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
        })),
        None => positions(names.iter()),
    };
    if classes < 2 {
        return Err(error(0, target, "it has the same value everywhere, so there is nothing to classify"));
    }
    let mut called = vec![String::new(); classes];
    for (name, class) in names.iter().zip(&index).rev() {
        called[*class as usize].clone_from(name);
    }
    Ok((Targets::Classes { index, classes }, called))
}

/// The position of each key among the distinct keys, which are sorted, and the number of these.
fn positions<K: Ord + Clone>(keys: impl Iterator<Item = K> + Clone) -> (Vec<i64>, usize) {
    let mut order: BTreeMap<K, i64> = keys.clone().map(|key| (key, 0)).collect();
    order.values_mut().zip(0..).for_each(|(position, i)| *position = i);
    (keys.map(|key| order[&key]).collect(), order.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], features: &[&str], as_classes: bool) -> Result<DataSet, String> {
        let features: Vec<String> = features.iter().map(|name| (*name).to_owned()).collect();
        parse(bytes, "y", &features, as_classes).map_err(|error| error.to_string())
    }

    fn check(bytes: &str, expected: &str) {
        assert_eq!(read(bytes.as_bytes(), &[], false).unwrap_err(), expected, "{bytes}");
    }

    #[test]
    fn a_table_has_its_features_in_order() {
        let bytes = b"\xef\xbb\xbfa, y ,\"b\"\r\n1,2,3\r\n4,5e-1,-6.5\r\n";
        let all = read(bytes, &[], false).unwrap();
        assert_eq!((all.inputs, all.samples, all.features.join(" ").as_str()), (vec![1.0, 3.0, 4.0, -6.5], 2, "a b"));
        assert_eq!(all.targets, Targets::Values(vec![2.0, 0.5]));
        assert_eq!(read(bytes, &["b", "a"], false).unwrap().inputs, [3.0, 1.0, -6.5, 4.0]);
    }

    #[test]
    fn classes_are_the_sorted_distinct_targets() {
        let classes = |bytes: &[u8]| read(bytes, &[], true).map(|table| table.targets);
        assert_eq!(classes(b"a,y\n0,b\n0,a\n0,b\n"), Ok(Targets::Classes { index: vec![1, 0, 1], classes: 2 }));
        let numbers = classes(b"a,y\n0,10\n0,9\n0,-1\n0,9.0\n");
        assert_eq!(numbers, Ok(Targets::Classes { index: vec![2, 1, 0, 1], classes: 3 }));
        assert!(classes(b"a,y\n0,b\n0,b\n").unwrap_err().contains("nothing to classify"));
        assert_eq!(classes(b"a,y\n0,b\n0,\n").unwrap_err(), "line 3, column `y`: an empty cell is not a finite number");
    }

    #[test]
    fn a_bad_cell_has_its_place() {
        check("a,y\n1,2\nx,2\n", "line 3, column `a`: `x` is not a finite number");
        check("a,y\n1,2\n1,inf\n", "line 3, column `y`: `inf` is not a finite number");
        check("a,y\n\n1,2\n,3\n", "line 4, column `a`: an empty cell is not a finite number");
        check("a,y\n1,2\n1,2,3\n", "line 3: 3 cells, but the header has 2");
        check("a,y\n", "there are no samples below the header");
        check("", "line 1, column `y`: there is no such column; the header has: ");
        check("a,b\n1,2\n", "line 1, column `y`: there is no such column; the header has: a, b");
        check("a,y,y\n1,2,3\n", "line 1, column `y`: two columns have this name");
        check("y\n1\n", "line 1: there is no column beside the target");
        assert!(read(b"a,y\n\xff\xfe,2\n", &[], false).unwrap_err().starts_with("line 2, column `a`: "));
    }
}
