//! Logs as tables of text: a header, and rows with a comma, a semicolon or a tab between the cells.
//! Cells that are no numbers say nothing.

use super::Table;
use std::collections::BTreeMap;

/// The records of a table.
pub fn table(bytes: &[u8]) -> Result<Table, String> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: u8| first.iter().filter(|byte| **byte == separator).count();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut table = Table::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let numbers = header.iter().zip(&record).filter_map(|(name, cell)| Some((name.trim(), number(cell)?)));
        table.push(numbers.map(|(name, number)| (name.to_owned(), number)).collect::<BTreeMap<_, _>>());
    }
    Ok(table)
}

/// The number of a cell, if it is one.
fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok()
}
