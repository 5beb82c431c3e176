//! A CSV file as a data set: bytes in, numbers out. Used when a spec is checked and again by the worker that trains on it.

use std::fmt;

/// The columns of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// `[sample, feature]`
    pub inputs: Vec<f64>,
    pub targets: Targets,
    pub samples: usize,
    pub features: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    Values(Vec<f64>),
    /// Indices into the sorted distinct values of the target.
    Classes {
        index: Vec<i64>,
        classes: usize,
    },
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Of the file, from 1; None for the file as a whole.
    pub line: Option<u64>,
    pub column: Option<String>,
    pub message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "column `{column}`: ")?;
        }
        write!(f, "{}", self.message)
    }
}

impl TableError {
    fn whole(message: impl Into<String>) -> TableError {
        TableError { line: None, column: None, message: message.into() }
    }

    pub fn hint(&self) -> &'static str {
        if self.line.is_some() {
            "every cell of a feature or a numeric target must be a finite number"
        } else {
            "the file needs a header line with the names of its columns, and at least two rows"
        }
    }
}

/// Reads `target` and `features` (all other columns if empty) from CSV with a header.
///
/// # Errors
/// With line and column: a cell that is not a finite number, a row of another length. For the file: no such column, fewer than two rows.
pub fn table(bytes: &[u8], target: &str, features: &[String], as_classes: bool) -> Result<Table, TableError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header: Vec<String> = match reader.byte_headers() {
        Ok(header) => header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
        Err(error) => return Err(TableError::whole(error.to_string())),
    };
    let find = |name: &str| {
        let message = || format!("there is no column `{name}`; it has: {}", header.join(", "));
        header.iter().position(|h| h == name).ok_or_else(|| TableError::whole(message()))
    };
    let target_at = find(target)?;
    let feature_at: Vec<usize> = if features.is_empty() {
        (0..header.len()).filter(|&at| at != target_at).collect()
    } else {
        features.iter().map(|name| find(name)).collect::<Result<_, _>>()?
    };
    if feature_at.is_empty() {
        return Err(TableError::whole("there is no column beside the target"));
    }
    let (mut inputs, mut texts) = (Vec::new(), Vec::new());
    let mut values = Vec::new();
    let mut record = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let line = error.position().map(|p| p.line());
                let message = match error.kind() {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        format!("{len} cells where the header has {expected_len}")
                    }
                    _ => error.to_string(),
                };
                return Err(TableError { line, column: None, message });
            }
        }
        let line = record.position().map(|p| p.line());
        let number = |at: usize| {
            let text = String::from_utf8_lossy(&record[at]).into_owned();
            match text.parse::<f64>() {
                Ok(x) if x.is_finite() => Ok(x),
                _ => {
                    let message = format!("`{text}` is not a finite number");
                    Err(TableError { line, column: Some(header[at].clone()), message })
                }
            }
        };
        for &at in &feature_at {
            inputs.push(number(at)?);
        }
        if as_classes {
            texts.push(String::from_utf8_lossy(&record[target_at]).into_owned());
        } else {
            values.push(number(target_at)?);
        }
    }
    let samples = inputs.len() / feature_at.len();
    if samples < 2 {
        return Err(TableError::whole(format!("{samples} rows are too few to train on")));
    }
    let targets = if as_classes {
        let (index, classes) = classes(&texts);
        Targets::Classes { index, classes }
    } else {
        Targets::Values(values)
    };
    let features = feature_at.iter().map(|&at| header[at].clone()).collect();
    Ok(Table { inputs, targets, samples, features })
}

/// Numbers sort as numbers, other text as text.
fn classes(texts: &[String]) -> (Vec<i64>, usize) {
    let mut distinct: Vec<&String> = texts.iter().collect();
    distinct.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => std::cmp::Ordering::Less,
        (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    });
    distinct.dedup();
    let place: std::collections::HashMap<&String, i64> =
        distinct.iter().enumerate().map(|(i, text)| (*text, i as i64)).collect();
    (texts.iter().map(|text| place[text]).collect(), distinct.len())
}
