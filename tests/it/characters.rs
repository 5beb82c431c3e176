//! Any text in every format: names and labels with all that Unicode has give files that the parsers
//! of other programs read.

use crate::sweep::Place;
use blowup::figures::canvas::Canvas;
use blowup::figures::palette::INK;
use blowup::figures::picture::{Area, Picture, Text};
use blowup_core::check::github::github;
use blowup_core::check::junit::junit;
use blowup_core::check::text::text;
use blowup_core::check::{Case, Code, Finding, Gate};
use blowup_core::failure::{Failure, printable};
use blowup_core::record;
use blowup_core::spec::data::Taken;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::process::Command;

/// Texts with characters that some format cannot hold, gives a meaning, or shows in another
/// direction.
fn texts() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        '\u{0}',
        '\u{1}',
        '\u{8}',
        '\t',
        '\n',
        '\r',
        '\u{b}',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9f}',
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2066}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{fdd0}',
        '\u{feff}',
        '\u{fffd}',
        '\u{fffe}',
        '\u{ffff}',
        '\u{1fffe}',
        '\u{10ffff}',
        '<',
        '>',
        '&',
        '"',
        '\'',
        ',',
        ';',
        ':',
        '%',
        ']',
        '\\',
        '`',
        '=',
        '#',
        '{',
        '}',
        'a',
        'é',
        '𝄞',
    ]);
    prop::collection::vec(prop_oneof![4 => odd, 1 => any::<char>()], 0..12).prop_map(String::from_iter)
}

fn many(count: usize) -> Vec<String> {
    let mut runner = TestRunner::new(Config::default());
    let mut texts: Vec<String> = (0..count).map(|_| texts().new_tree(&mut runner).unwrap().current()).collect();
    texts.extend(["]]>", "<!--", "</script>", "\u{fffe}\u{ffff}", "\r\n", "%0A::error::"].map(str::to_owned));
    texts
}

fn gate(name: &str) -> Gate {
    let case = Case {
        name: name.to_owned(),
        group: format!("label={name}"),
        metric: name.to_owned(),
        expected: "<= 0".to_owned(),
        measured: Some(1.0),
        interval: None,
        seeds: None,
        n: 1,
        empty: 0,
        finding: Some(Finding { code: Code::ExpectationFailed, message: format!("at {name}") }),
        place: Some(0),
    };
    Gate { trials: 1, whole: Vec::new(), expectations: vec![case], baseline: None }
}

/// Python's expat refuses the characters that XML 1.0 cannot hold.
const XML: &str = "import sys, pathlib, xml.etree.ElementTree as e\n\
                   for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n    e.parse(path)\n    print(path.name)\n";

#[test]
fn any_text_gives_well_formed_xml() {
    let place = Place::new("");
    std::fs::create_dir(place.path("xml")).unwrap();
    let texts = many(300);
    for (i, name) in texts.iter().enumerate() {
        std::fs::write(place.path(&format!("xml/{i}.xml")), junit(&gate(name), &|_| format!("{name}:1"))).unwrap();
        let mut picture = Picture::new(name.as_str(), Canvas::Screen, 9.0, 9.0);
        picture.text(Text::new(1.0, 1.0, name.as_str(), 8.0));
        picture.noted(Area::new(0.0, 0.0, 1.0, 1.0), INK, name.clone());
        std::fs::write(place.path(&format!("xml/{i}.svg")), picture.svg()).unwrap();
    }
    let output = Command::new("python3").args(["-c", XML, "xml"]).current_dir(place.dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2 * texts.len());
}

#[test]
fn any_text_is_one_annotation_and_nothing_a_terminal_obeys() {
    for name in many(1000) {
        let annotation = github(&gate(&name), "t.toml", &|_| (format!("{name}.toml"), 1));
        assert!(annotation.lines().count() == 1 && annotation.starts_with("::error file="), "{annotation:?}");
        let (properties, _) = annotation["::error ".len()..].split_once("::").unwrap();
        assert_eq!(properties.matches(',').count(), 2, "{annotation:?}");
        let shown = text(&gate(&name), "", &|_| format!("{name}:1"));
        let failure = Failure::new(name.clone()).hint(name.clone()).to_string();
        for shown in [annotation, shown, failure, printable(&name)] {
            let obeyed = |c: char| {
                c.is_control() && c != '\n' && c != '\t'
                    || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200f}' | '\u{61c}')
            };
            assert!(!shown.contains(obeyed), "{shown:?}");
        }
    }
}

#[test]
fn any_text_comes_back_from_csv_toml_and_json() {
    for name in many(1000) {
        let row = record::line(["a", &name, "b"]);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&row[..]);
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert!(rows.len() == 1 && rows[0].get(1) == Some(&name), "{name:?}: {rows:?}");

        let taken = Taken {
            path: name.clone(),
            file: name.clone(),
            sha256: String::new(),
            rows: 1,
            target: name.clone(),
            features: vec![name.clone()],
            named: true,
            samples: None,
            separator: ',',
            classes: vec![name.clone()],
            arrays: None,
            text: None,
            bundle: None,
        };
        assert_eq!(toml::from_str::<Taken>(&toml::to_string(&taken).unwrap()).unwrap(), taken);
        assert_eq!(serde_json::from_str::<String>(&serde_json::to_string(&name).unwrap()).unwrap(), name);
    }
}

#[test]
fn a_name_that_xml_does_not_have_is_reported_all_the_same() {
    let expect = "[[expect]]\nname=\"small steps \\uFFFF\\u202E\\u2028<b>\"\nmetric='divergence_rate'\nmax=0\n";
    let label = "label=\"odd \\uFFFE\\u202E, \\u2028</script> & 'b'\"";
    let place = Place::new(&format!(
        "name='t'\nepochs=1\n[task]\nkind='teacher'\nsamples=8\n[[grid]]\n{label}\nlr=[0.1,1.0]\n{expect}"
    ));
    place.ok("sweep t.toml --out r --quiet");
    place.ok("check r --junit r.xml");
    place.ok("plot r");
    let script = "import sys, csv, glob, xml.etree.ElementTree as e\n\
                  [e.parse(path) for path in ['r.xml'] + glob.glob('r/figures/*.svg')]\n\
                  rows = list(csv.DictReader(open('r/runs.csv', newline='', encoding='utf-8')))\n\
                  assert {row['label'] for row in rows} == {'odd \\ufffe\\u202e, \\u2028</script> & \\'b\\''}, rows\n";
    let output = Command::new("python3").args(["-c", script]).current_dir(place.dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
