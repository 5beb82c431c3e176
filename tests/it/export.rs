//! `blowup export`: what is missing, NaN or infinite is the same in Parquet and JSON lines, for
//! those who read them.

use crate::readers::python;
use crate::sweep::Place;
use std::process::Command;

/// A sweep with every kind of cell: NaN and infinite losses, empty cells, booleans, texts with
/// commas, `epochs.csv` and `steps.csv`.
const SPEC: &str = "name=\"t\"\nepochs=3\nseeds=2\n[task]\nkind=\"scalar\"\n[record]\nepochs=true\nsteps=2\n\
                    [[grid]]\nlabel=\"a, \\\"b\\\"\"\ndepth=0\ninit=\"constant(1.0)\"\nlr=[0.1, 1e30]\n\
                    [[grid]]\ndepth=2\nwidth=3\nresidual=true\nlr=0.01\nclip=\"norm(1.0)\"\n";

/// Compares every cell of every file with that of the CSV file, as four programs read it: the
/// folder is the argument.
const READERS: &str = r#"
import csv, json, math, sys
import duckdb, pandas as pd, polars as pl, pyarrow as pa, pyarrow.parquet as pq

def told(cell):
    """A value as the CSV file would have it."""
    if cell is None or cell is pd.NA: return ""
    if isinstance(cell, bool): return "true" if cell else "false"
    if isinstance(cell, float): return "NaN" if math.isnan(cell) else repr(cell)
    return str(cell)

def same(text, cell):
    if isinstance(cell, float) and math.isfinite(cell):
        return text != "" and float(text) == cell
    return text == told(cell)

kinds, rows = set(), 0
for name in ("runs", "summary", "epochs", "steps"):
    with open(f"{sys.argv[1]}/{name}.csv", newline="") as file:
        head, *lines = list(csv.reader(file))
    path = f"{sys.argv[1]}/{name}.parquet"
    frames = {
        "polars": pl.read_parquet(path).rows(),
        "duckdb": duckdb.sql(f"select * from '{path}'").fetchall(),
        "pyarrow": list(zip(*pq.read_table(path).to_pydict().values())),
        "pandas": [tuple(row) for row in pd.read_parquet(path, dtype_backend="pyarrow").astype(object).values.tolist()],
        "json": [tuple(json.loads(line).values()) for line in open(f"{sys.argv[1]}/{name}.jsonl")],
    }
    for reader, found in frames.items():
        assert len(found) == len(lines) > 0, (reader, name, len(found), len(lines))
        for line, row in zip(lines, found):
            for column, text, cell in zip(head, line, row, strict=True):
                assert same(text, cell), (reader, name, column, text, cell)
                kinds.add((reader, text if text in ("", "NaN", "inf", "true", "false") else type(cell).__name__))
    types = {field.name: field.type for field in pq.read_schema(path)}
    assert list(types) == head
    if name == "runs":
        assert (types["depth"], types["lr"], types["residual"], types["outcome"]) == (pa.int64(), pa.float64(), pa.bool_(), pa.string())
for reader in ("polars", "duckdb", "pyarrow", "pandas", "json"):
    for kind in ("", "NaN", "inf", "true", "false", "int", "float", "str"):
        assert (reader, kind) in kinds, (reader, kind)
"#;

#[test]
fn what_is_missing_nan_or_infinite_survives_into_four_readers() {
    let Some(python) = python() else { return };
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet");
    for format in ["parquet", "jsonl"] {
        let told = place.ok(&format!("export r --format {format}"));
        assert!(told.contains(&format!("r/runs.{format}: 6 rows\n")) && told.lines().count() == 4, "{told}");
    }
    let output = Command::new(python).args(["-c", READERS]).arg(place.path("r")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn more_rows_than_a_batch_come_out_in_their_order() {
    let spec = "name=\"t\"\nepochs=0\nseeds=70000\n[task]\nkind=\"scalar\"\n[[grid]]\ndepth=0\nlr=0.1\n";
    let place = Place::new(spec);
    place.ok("sweep t.toml --out r --quiet");
    place.ok("export r --format parquet --out there");
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let reader = SerializedFileReader::new(std::fs::File::open(place.path("there/runs.parquet")).unwrap()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 3);
    let columns: Vec<String> =
        reader.metadata().file_metadata().schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let seed = columns.iter().position(|name| name == "seed").unwrap();
    let seeds: Vec<i64> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_long(seed).unwrap()).collect();
    assert_eq!(seeds, (0..70_000).collect::<Vec<i64>>());
}

#[test]
fn damage_other_files_and_a_folder_without_results_are_refused() {
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet");
    std::fs::write(place.path("r/runs.parquet"), "mine").unwrap();
    let told = place.refused("export r --format parquet");
    assert!(told.contains("`r/runs.parquet` is there and is no Parquet file; it would be overwritten"), "{told}");
    std::fs::remove_file(place.path("r/runs.parquet")).unwrap();
    let rows = place.read("r/runs.csv");
    place.write("r/runs.csv", &rows.replacen(",0.1,", ",x,", 1));
    let told = place.refused("export r --format jsonl");
    assert!(told.contains("`r/runs.csv`: line 2, column `lr`: `x` is no float"), "{told}");
    assert!(!place.path("r/runs.jsonl").exists(), "a file that is half written is not put in its place");
    place.write("r/runs.csv", &rows.replacen("trial,", "try,", 1));
    assert!(place.refused("export r --format jsonl").contains("has a column `try` that is not known"));
    assert!(place.refused("export none --format parquet").contains("cannot open `none/runs.csv`"));
}
