//! Files as data sets: the program shows and keeps what it takes of them, and says what is wrong
//! with them and what to do about it.

use crate::sweep::{Place, stderr};
use blowup_core::spec::Spec;
use std::io::ErrorKind;

const CSV: &str = "a,b,y\n1,2,3\n2,1,5\n3,5,4\n4,4,1\n";

/// A place with a data file and a spec for it, whose task has these further keys.
fn data(bytes: &[u8], keys: &str) -> Place {
    let task = format!("task={{kind='csv',path='d.csv',target='y'{keys}}}\n");
    let place = Place::new(&format!("name='t'\nepochs=1\n{task}[[grid]]\nlr=[0.1,1.0]\n"));
    std::fs::write(place.path("d.csv"), bytes).unwrap();
    place
}

fn ids(csv: &str, keys: &str) -> Vec<String> {
    let text =
        format!("name='t'\nepochs=1\ntask={{kind='csv',path='d.csv',target='y'{keys}}}\n[[grid]]\nlr=[0.1,1.0]\n");
    let read = |_: &str| Ok(("d.csv".to_owned(), csv.as_bytes().to_vec()));
    let spec = Spec::parse(&text, "t.toml", &read).unwrap_or_else(|report| panic!("{report}"));
    spec.grid().trials().map(|trial| trial.id().to_string()).collect()
}

#[test]
fn trials_on_a_data_file_keep_their_ids() {
    assert_eq!(ids(CSV, ""), ["t0ea6b29ee66a", "t4be6c199cf22"]);
    assert_eq!(ids(CSV, ",separator=','"), ids(CSV, ""));
    assert_ne!(ids(CSV, ",samples=3"), ids(CSV, ""));
    assert_eq!(ids(CSV, ",samples=4"), ids(CSV, ""));
}

#[test]
fn what_is_no_data_set_is_said_with_what_to_do_about_it() {
    for (bytes, keys, message, hint) in [
        (
            &b",a,y\n0,1,2\n1,2,3\n"[..],
            "",
            "line 1: column 1 of the header has no name",
            "index=False, row.names = FALSE), or name the columns to learn from: features = [\"a\"]",
        ),
        (b"Unnamed: 0,a,y\n0,1,2\n", "", "column 1 of the header had no name in another file", "features = [\"a\"]"),
        (b"a;b;y\n1;2;3\n", "", "there is no such column", "separated by `;`: separator = \";\"\n"),
        (b"a;b;y\n1,5;2;3\n", "", "there is no such column", "separator = \";\"; and write its numbers with a point"),
        (b"a;b;y\n1,5;2;3\n", ",separator=';'", "line 2, column `a`: `1,5` is not a finite number", "decimal=\",\""),
        (b"a\ty\n1\t3\n", "", "there is no such column", "separator = \"\\t\"\n"),
        (b"a,y\n1,3\n", ",separator=';'", "there is no such column", "separator = \",\"\n"),
        (b"1,2\n3,4\n", "", "there is no such column", "no header: put the names of the columns into a line above"),
        (b"a,Y\n1,2\n", "", "did you mean `Y`? the header has: a, Y", ""),
        (b"\x1f\x8b\x08\0", "", "`d.csv` is compressed with gzip", "gunzip"),
        (b"\xff\xfea\0,\0", "", "`d.csv` is in UTF-16", "iconv -f UTF-16 -t UTF-8"),
        (b"PK\x03\x04", "", "`d.csv` is a zip archive, as spreadsheets", "CSV"),
        (
            b"a,b,y\nTrue,1,2\n",
            "",
            "line 2, column `a`: `True` is not",
            "1 and 0 for true and false (in pandas: df.astype(float)); or leave the column out: features = [\"b\"]",
        ),
        (
            b"a,b,y\nred,1,2\n",
            "",
            "line 2, column `a`: `red` is not",
            "pd.get_dummies(df, dtype=float)); or leave the column out: features = [\"b\"]",
        ),
        (b"a,b,y\n2024-02-29,1,2\n", "", "`2024-02-29` is not", "make a number of a date"),
        (b"a,b,y\nNA,1,2\n", "", "`NA` is not", "df.dropna()"),
        (b"a,b,y\n1,,2\n", "", "line 2, column `b`: an empty cell is not a finite number", "df.dropna()"),
        (b"a,b,y\n1,inf,2\n", "", "`inf` is not a finite number", "numbers must be finite"),
        (b"a,y\n1,cat\n", "", "column `y`: `cat` is not", "loss = \"cross_entropy\""),
        (b"a,y\n1,2\n", ",samples=3", "there are 1 samples, fewer than `samples = 3`", "the first so many rows"),
        (b"a,y\n1,2\n", ",separator='ab'", "`separator` is not one character", "separator = \";\""),
        (b"a,y\n1,2\n", ",separator=3", "`separator` is an integer, not a string", "separator = \";\""),
    ] {
        let error = data(bytes, keys).refused("sweep t.toml --dry-run");
        let (said, hinted) = error.split_once("\nhint: ").unwrap();
        assert!(said.contains(message) && said.contains("--> t.toml:3:") && hinted.contains(hint), "{error}");
    }
}

#[test]
fn every_bad_cell_is_counted_and_the_first_of_each_column_are_told() {
    let rows: String = (0..40)
        .map(|i| format!("{},{},{i},1\n", if i % 2 == 1 { "x" } else { "1" }, if i == 7 { "" } else { "2" }))
        .collect();
    let error = data(format!("a,b,c,y\n{rows}1,2,3,?\n").as_bytes(), "").refused("sweep t.toml --dry-run");
    let expected = "`d.csv`: line 3, column `a`: `x` is not a finite number (nor are 19 more, in lines 5, 7, 9, ...); line 9, column `b`: an empty \
                    cell is not a finite number; line 42, column `y`: `?` is not a finite number\n";
    assert!(error.contains(expected) && error.contains("features = [\"c\"]"), "{error}");
    let names: Vec<String> = (0..30).map(|i| format!("c{i}")).collect();
    let cells = vec!["x"; 30].join(",");
    let error = data(format!("{},y\n{cells},1\n", names.join(",")).as_bytes(), "").refused("sweep t.toml --dry-run");
    assert!(error.contains("; and 24 more columns\n") && error.contains("features = [...]"), "{error}");
}

#[test]
fn an_index_is_a_feature_if_it_is_asked_for() {
    let place = data(b",a,y\n0,1,2\n1,2,3\n", ",features=['', 'a']");
    place.ok("sweep t.toml --out r --quiet");
    assert!(place.read("r/runs.csv").lines().nth(1).unwrap().contains(",csv,2,2,1,"));
}

#[test]
fn other_separators_and_the_first_rows_are_read() {
    let place = data(CSV.replace(',', ";").as_bytes(), ",separator=';',samples=3");
    place.ok("sweep t.toml --out r --quiet");
    assert!(place.read("r/runs.csv").lines().nth(1).unwrap().contains(",csv,2,3,1,"));
    let short = data(b"a,b,y\n1,2,3\n2,1,5\n3,5,4\n", "");
    short.ok("sweep t.toml --out r --quiet");
    // All cells but the id.
    let cells =
        |place: &Place| place.read("r/runs.csv").lines().skip(1).map(|line| line[13..].to_owned()).collect::<Vec<_>>();
    assert_eq!(cells(&place), cells(&short));
    // Whatever stands behind the rows that are taken does not matter.
    data(format!("{CSV}x,,?\n").as_bytes(), ",samples=4").ok("sweep t.toml --out r --quiet");
}

#[test]
fn what_was_taken_of_a_file_is_told_and_kept() {
    let place = data(
        CSV.replace(",3\n", ",cat\n")
            .replace(",5\n", ",dog\n")
            .replace(",4\n", ",cat\n")
            .replace(",1\n", ",dog\n")
            .as_bytes(),
        "",
    );
    place.write("t.toml", &place.read("t.toml").replace("lr=", "loss='cross_entropy'\nlr="));
    let told = "`d.csv`: 4 rows, the columns `a`, `b` for the target `y`, 2 classes (`cat`, `dog`)\n";
    assert!(place.ok("sweep t.toml --dry-run").contains(&format!("\ndata      {told}")));
    let output = place.run("sweep t.toml --out r");
    assert!(stderr(&output).contains(&format!("data {told}")), "{}", stderr(&output));
    let manifest: toml::Table = place.read("r/manifest.toml").parse().unwrap();
    let data = manifest["data"].as_array().unwrap()[0].as_table().unwrap();
    let texts = |key: &str| data[key].as_array().unwrap().iter().map(|x| x.as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((texts("features"), texts("classes")), (vec!["a", "b"], vec!["cat", "dog"]));
    assert_eq!((data["rows"].as_integer(), data["target"].as_str()), (Some(4), Some("y")));
    let file = place.path("d.csv").canonicalize().unwrap();
    assert_eq!(std::path::Path::new(data["file"].as_str().unwrap()).canonicalize().unwrap(), file);
}

#[test]
fn a_file_that_cannot_be_read_is_said_to_be_so() {
    let text = "name='t'\nepochs=1\ntask={kind='csv',path='d.csv',target='y'}\n[[grid]]\nlr=1\n";
    let error = Spec::parse(text, "t.toml", &|_| Err(ErrorKind::NotFound.into())).unwrap_err().to_string();
    assert!(error.contains("cannot read `d.csv`"), "{error}");
}
