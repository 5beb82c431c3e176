//! The readers with inputs that nobody wrote: those of the corpus, and random changes of them.
//! `make fuzz` searches for worse inputs.

#[path = "../../fuzz/harness.rs"]
mod harness;

use harness::TARGETS;
use proptest::prelude::*;
use std::path::Path;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn every_reader_answers_every_input_of_its_corpus() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "{name}");
        inputs.iter().for_each(|input| target(input));
    }
}

/// What is done to an input, at a place between 0 and 1.
#[derive(Debug, Clone)]
enum Change {
    Cut(f64, usize),
    Put(f64, Vec<u8>),
    /// A part of the input is repeated somewhere else.
    Repeat(f64, f64, usize),
    /// The input gets the end of another input.
    Splice(f64, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0.0..1.0;
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..6),
        "[-\"'\\[\\]{}().,=\n\r#0-9a-z_]{1,12}".prop_map(String::into_bytes),
        proptest::sample::select(vec![
            "nan",
            "inf",
            "-1",
            "1e308",
            "9223372036854775807",
            "[[grid]]\n",
            "\"\"\"",
            "\u{feff}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (place(), 1usize..40).prop_map(|(at, length)| Change::Cut(at, length)),
        (place(), bytes).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        (place(), place(), 1usize..200).prop_map(|(from, to, length)| Change::Repeat(from, to, length)),
        (place(), any::<usize>()).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn apply(mut input: Vec<u8>, change: &Change, others: &[Vec<u8>]) -> Vec<u8> {
    let place = |at: f64, length: usize| (at * (length + 1) as f64) as usize;
    match change {
        Change::Cut(at, length) => {
            let from = place(*at, input.len());
            input.drain(from..(from + length).min(input.len()));
        }
        Change::Put(at, bytes) => {
            let at = place(*at, input.len());
            input.splice(at..at, bytes.iter().copied());
        }
        Change::Repeat(from, to, length) => {
            let (from, to) = (place(*from, input.len()), place(*to, input.len()));
            let part = input[from..(from + length).min(input.len())].to_vec();
            input.splice(to..to, part);
        }
        Change::Splice(at, other) => {
            let other = &others[other % others.len()];
            input.truncate(place(*at, input.len()));
            input.extend_from_slice(&other[place(*at, other.len())..]);
        }
    }
    input
}

/// Tries changed inputs of the corpus of one reader. `PROPTEST_CASES` sets how many.
fn changed(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let inputs = corpus(name);
    proptest!(|(start in any::<prop::sample::Index>(), changes in proptest::collection::vec(change(), 1..8))| {
        let input = changes.iter().fold(start.get(&inputs).clone(), |input, change| apply(input, change, &inputs));
        target(&input);
    });
}

macro_rules! readers {
    ($($test:ident: $name:literal),+ $(,)?) => {
        $(#[test] fn $test() { changed($name); })+

        #[test]
        fn no_reader_is_forgotten() {
            assert_eq!(TARGETS.map(|(name, _)| name), [$($name),+]);
        }
    };
}

readers! {
    any_spec_is_answered: "spec",
    any_metric_is_answered: "metric",
    any_filter_is_answered: "filter",
    any_data_file_is_answered: "data",
    any_file_of_arrays_is_answered: "arrays",
    any_bundle_is_answered: "bundle",
    any_rows_are_told_apart: "rows",
    any_journal_can_be_put_in_order: "journal",
    any_checksums_are_known_by_their_lines: "sums",
    any_sheet_is_answered: "sheet",
    any_manifest_is_answered: "manifest",
    anything_on_a_pipe_is_answered: "protocol",
}
