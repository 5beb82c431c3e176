//! The rows of `edges.csv` in a page.

use blowup_core::edge::table::FIXED;
use blowup_core::record;
use serde::Serialize;

/// A table of edges, whose cells are texts as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeTable {
    columns: Vec<String>,
    /// How many of the columns are axes of `by`. They come first.
    axes: usize,
    rows: Vec<Vec<String>>,
}

impl EdgeTable {
    /// The table of a whole `edges.csv`. `None` if it is no such file, or if it has no row.
    pub fn of(text: &str) -> Option<EdgeTable> {
        let cells = |line: &str| -> Vec<String> {
            record::fields(line.as_bytes()).iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
        };
        let mut lines = text.lines();
        let columns = cells(lines.next()?);
        let axes = columns.iter().position(|column| column == FIXED[0])?;
        let has_all = FIXED.iter().all(|name| columns.iter().any(|column| column == name));
        let rows: Vec<Vec<String>> = lines.map(cells).filter(|row| row.len() == columns.len()).collect();
        (has_all && !rows.is_empty()).then_some(EdgeTable { columns, axes, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_the_cells_of_the_file() {
        let text = "depth,edge,over,safe_up_to,dead_from,reentrant,trials,waiting\n4,\"a, b\",lr,-inf,0.5,true,20,0\n";
        let table = EdgeTable::of(text).unwrap();
        assert_eq!((table.axes, table.rows[0][1].as_str(), table.rows[0][3].as_str()), (1, "a, b", "-inf"));
        assert_eq!(EdgeTable::of("depth,edge\n1,a\n"), None);
        assert_eq!(EdgeTable::of(text.lines().next().unwrap()), None);
    }
}
