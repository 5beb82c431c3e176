//! JSON lines: an object for each row, in the order of the columns. What is missing is null. NaN
//! and the infinities are no numbers of JSON, so they are the texts "NaN", "inf" and "-inf".

use super::{Batch, Cells, Sink, Typed};
use crate::json::Number;
use blowup_core::failure::Failure;
use blowup_core::store::Replacement;
use serde_json::{Value, json};

/// A file that is being written.
pub struct Jsonl {
    file: Replacement,
    names: Vec<String>,
}

impl Jsonl {
    pub fn new(file: Replacement, columns: &[Typed]) -> Jsonl {
        Jsonl { file, names: columns.iter().map(|column| Value::from(column.name.as_str()).to_string()).collect() }
    }
}

impl Sink for Jsonl {
    fn put(&mut self, batch: &Batch) -> Result<(), Failure> {
        let rows = batch.first().map_or(0, len);
        let mut line = String::new();
        for row in 0..rows {
            line.clear();
            for (name, cells) in self.names.iter().zip(batch) {
                line.push(if line.is_empty() { '{' } else { ',' });
                line.push_str(name);
                line.push(':');
                line.push_str(&value(cells, row).to_string());
            }
            line.push_str("}\n");
            self.file.put(line.as_bytes())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.file.finish()
    }
}

fn len(cells: &Cells) -> usize {
    match cells {
        Cells::Text(cells) => cells.len(),
        Cells::Integer(cells) => cells.len(),
        Cells::Float(cells) => cells.len(),
        Cells::Boolean(cells) => cells.len(),
    }
}

fn value(cells: &Cells, row: usize) -> Value {
    match cells {
        Cells::Text(cells) => Value::from(cells[row].clone()),
        Cells::Integer(cells) => Value::from(cells[row]),
        Cells::Boolean(cells) => Value::from(cells[row]),
        Cells::Float(cells) => match cells[row] {
            None => Value::Null,
            Some(x) => json!(Number(x)),
        },
    }
}
