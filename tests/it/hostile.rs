//! Specs, paths and arguments as nobody should write them. Each has an answer in words, and none
//! takes the program or the machine down.

use crate::sweep::{Place, SPEC, stderr};
use blowup_core::csv_task;
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::process::{Command, Output};

const TOP: &str = "name=\"t\"\nepochs=1\n[task]\nkind=\"noise\"\n";

fn parse(text: &str) -> Result<Spec, String> {
    Spec::parse(text, "t.toml", &|_| Err(ErrorKind::NotFound.into())).map_err(|report| report.to_string())
}

/// The whole report of a spec with these lines below the common top. Their first line is line 5.
fn report(rest: &str) -> String {
    parse(&format!("{TOP}{rest}")).expect_err("a mistake")
}

fn list(values: impl Iterator<Item = usize>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(",")
}

fn shell(place: &Place, script: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_blowup");
    Command::new("sh").arg("-c").arg(script).env("B", program).current_dir(place.dir.path()).output().unwrap()
}

#[test]
fn paths_with_spaces_and_other_letters_work_everywhere() {
    let place = Place::new("");
    fs::create_dir(place.path("ä ö")).unwrap();
    place.write("ä ö/d é.csv", "a,y\n1,2\n3,4\n5,7\n");
    let expect = "[[expect]]\nmetric='converged_rate'\nmin=0\n";
    let task = "[task]\nkind='csv'\npath='d é.csv'\ntarget='y'\n";
    place.write("ä ö/s p.toml", &format!("name='t'\nepochs=1\n{task}[[grid]]\nlr=[0.1,1]\n{expect}"));
    for script in [
        "$B sweep 'ä ö/s p.toml' --out 'ä ö/ü/o u t' --quiet",
        "$B check 'ä ö/ü/o u t' --spec 'ä ö/s p.toml'",
        "id=$(tail -n 1 'ä ö/ü/o u t/runs.csv' | cut -d , -f 1); $B replay 'ä ö/ü/o u t' $id --spec 'ä ö/s p.toml'",
    ] {
        let output = shell(&place, script);
        assert_eq!(output.status.code(), Some(0), "{script}\n{}", stderr(&output));
    }
}

#[test]
fn a_data_file_whose_path_is_not_utf8_is_refused() {
    let place = Place::new("");
    let script = "d=$(printf 'd\\377'); mkdir $d; printf 'a,y\\n1,2\\n' > $d/a.csv; \
        printf \"name='t'\\nepochs=1\\ntask={kind='csv',path='a.csv',target='y'}\\n[[grid]]\\nlr=1\\n\" > $d/t.toml; \
        $B sweep $d/t.toml --dry-run";
    let output = shell(&place, script);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("its path is not UTF-8"), "{}", stderr(&output));
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_with_its_place() {
    for name in ["../x", "a/b", "/etc", "..", ".", "", " ", "a\\\\b", "a\\u0000", "a\\tb", "a\\nb", "é", ".x", "-x"] {
        let error = parse(&format!("# a sweep\nname = \"{name}\"\nepochs=1\ntask={{kind='noise'}}\n[[grid]]\nlr=1\n"));
        let error = error.expect_err(name);
        assert!(error.contains("cannot be the name of a sweep\n  --> t.toml:2:8\n"), "{error}");
        assert!(error.contains("hint: letters, digits") && !error.contains("\n\n"), "{error}");
    }
    let long = "x".repeat(201);
    let error =
        parse(&format!("name = \"{long}\"\nepochs=1\ntask={{kind='noise'}}\n[[grid]]\nlr=1\n")).expect_err("long");
    assert!(error.contains("the name of the sweep is 201 bytes long, more than 200\n  --> t.toml:1:8\n"), "{error}");
    let place = Place::new(&SPEC.replacen("name=\"t\"", "name=\"../t\"", 1));
    place.refused("sweep t.toml");
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_text_is_no_spec() {
    let place = Place::new("");
    fs::create_dir(place.path("folder")).unwrap();
    fs::write(place.path("latin.toml"), b"name = 't'\nlabel = '\xe9'\n").unwrap();
    fs::write(place.path("utf16.toml"), b"\xff\xfen\0a\0").unwrap();
    for (file, expected) in [
        ("folder", "cannot read the spec `folder`: is a directory"),
        ("nowhere.toml", "cannot read the spec `nowhere.toml`: no such file"),
        ("/dev/zero", "`/dev/zero` is longer than 64 MiB, so it is no spec\nhint: "),
        ("latin.toml", "`latin.toml` is not UTF-8: line 2, column 10\nhint: "),
        ("utf16.toml", "it begins as UTF-16 does; save it as UTF-8"),
        ("t.toml", "the spec has no `name`"),
    ] {
        let error = place.refused(&format!("sweep {file} --out r"));
        assert!(error.contains(expected), "{error}");
        assert!(!place.path("r").exists());
    }
}

#[test]
fn a_spec_may_come_through_a_pipe() {
    let place = Place::new(SPEC);
    let output = shell(&place, "mkfifo p; cat t.toml > p & $B sweep p --dry-run");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("`p` is a pipe"), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("48 trials"));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    let text = format!("{TOP}[[grid]]\nlr=[1,2]\nwidth=3\n");
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let ids = |text: &str| parse(text).unwrap().grid().trials().map(|trial| trial.id()).collect::<Vec<_>>();
    assert_eq!(ids(&windows), ids(&text));
    let error = parse(&windows.replace("width", "widht")).unwrap_err();
    assert!(error.contains("--> t.toml:7:1\n   | widht=3\n   | ^^^^^\n"), "{error}");
}

#[test]
fn what_a_terminal_would_obey_is_not_repeated() {
    let place = Place::new(&SPEC.replacen("seeds=2", "seeds=2 # \u{1b}[31m\u{7}", 1));
    place.write("good.toml", SPEC);
    for arguments in ["sweep t.toml", "sweep \u{1b}[31m.toml", "sweep good.toml --out r --where label=\u{1b}[31m"] {
        let error = place.refused(arguments);
        assert!(!error.chars().any(|c| c.is_control() && c != '\n'), "{error:?}");
    }
}

#[test]
fn a_grid_beyond_any_sweep_is_refused_by_every_command() {
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet --where seed=0");
    let range = "{log=[1,2],points=1000000000}";
    let expect = "[[expect]]\nmetric='mean(lr)'\nmax=9\n";
    place.write("huge.toml", &format!("{TOP}[[grid]]\nlr={range}\nlr_output={range}\n{expect}"));
    for arguments in [
        "sweep huge.toml --out s",
        "sweep huge.toml --out s --yes",
        "sweep huge.toml --out s --dry-run --yes --where lr=1",
        "check r --spec huge.toml",
        "replay r t --spec huge.toml",
    ] {
        let error = place.refused(arguments);
        let expected = "the grid of `huge.toml` has 1000000000000000000 points, a sweep at most 4294967295\nhint: ";
        assert!(error.contains(expected), "{error}");
    }
    place.write("large.toml", &format!("{TOP}[[grid]]\nlr={range}\n{expect}"));
    assert!(place.refused("sweep large.toml --out s").contains("hint: `--yes`"));
    assert!(place.refused("check r --spec large.toml").contains("hint: is this the spec that was swept?"));
    assert!(!place.path("s").exists());
}

#[test]
fn long_lists_are_read_and_longer_ones_refused() {
    let spec = parse(&format!("{TOP}[[grid]]\nlr=[{}]\n", list(1..100_001))).unwrap();
    assert_eq!(spec.grid().points(), 100_000);
    assert_eq!(spec.grid().at(99_999).lr, 100_000.0);
    let error = report(&format!("[[grid]]\nlr=[{}]\n", list(0..1_000_001)));
    assert!(error.contains("the values of `lr` are more than 1000000\n  --> t.toml:6:4\n"), "{error}");
    // The values that [base] lists count in each block.
    let blocks = "[[grid]]\nwidth=3\n".repeat(50);
    let error = report(&format!("[base]\nlr=[{}]\n{blocks}", list(0..100_000)));
    assert!(error.contains("the lists of all blocks have more than 4000000 values\n"), "{error}");
    for what in ["grid", "exclude", "expect"] {
        let error = report(&format!("{}[[grid]]\nlr=1\n", format!("[[{what}]]\n").repeat(10_001)));
        assert!(error.contains(&format!("[[{what}]], more than 10000\n  --> t.toml:5:1\n")), "{error}");
    }
}

#[test]
fn a_range_that_is_divided_is_judged_by_its_ends() {
    let grid = |depth: &str, lr: &str| {
        let range = |ends: &str| format!("{{linear=[{ends}],points=100000");
        format!("[[grid]]\ndepth=[{},per=\"lr\"}}]\nlr=[{}}}]\n", range(depth), range(lr))
    };
    let error = report(&grid("1,10000", "0.001,1"));
    assert!(error.contains("`depth` cannot be 10000000\n  --> t.toml:6:7\n"), "{error}");
    let spec = parse(&format!("{TOP}{}", grid("1,10000", "1,2"))).unwrap();
    assert_eq!(spec.grid().points(), 10_000_000_000);
}

#[test]
fn a_spec_of_megabytes_has_its_mistakes_listed_and_counted() {
    let mut text = format!("[[grid]]\nlr=1\n# {}\n", "é".repeat(1 << 20));
    (0..50_000).for_each(|i| writeln!(text, "no_axis_has_a_name_of_this_length_{i}=1").unwrap());
    let error = report(&text);
    assert!(error.ends_with("\n\nand 49900 more"), "{}", &error[error.len() - 100..]);
    assert_eq!(error.matches("\nhint: ").count(), 100);
    let error = report(&format!("[[grid]]\nlr=1\nlabel=\"{}\"", "é".repeat(1 << 20)));
    assert!(error.contains("is not one plain line of at most 1000 bytes\n") && error.len() < 1000, "{error}");
}

#[test]
fn deeply_nested_values_are_refused() {
    let keys = ["x"; 79].join(".");
    let tables = (0..79).fold("1".to_owned(), |inner, _| format!("{{{keys}={inner}}}"));
    for (value, expected) in [
        ("[".repeat(100_000), "this is not TOML: "),
        ("{a=".repeat(100_000), "this is not TOML: "),
        (format!("{}1{}", "[".repeat(60), "]".repeat(60)), "`width` is a list, not an integer"),
        (tables, "a range has no key `x`"),
    ] {
        let error = report(&format!("[[grid]]\nlr=1\nwidth={value}\n"));
        assert!(error.contains(expected), "{error}");
    }
    let metric = |inner: &str| report(&format!("[[grid]]\nlr=1\n[[expect]]\nmax=1\nmetric=\"mean({inner}\"\n"));
    assert!(metric(&"(".repeat(100_000)).contains("this metric has 100005 characters"));
    assert!(metric(&"-(".repeat(490)).contains("is missing here"));
}

#[test]
fn odd_filters_are_refused_in_words() {
    let long = format!("lr={}", "9".repeat(1 << 20));
    for (text, expected) in [
        ("", "`--where `: there is no `=`"),
        ("=", "`` is not an axis"),
        ("lr", "there is no `=`"),
        ("lr=", "`` is not a value of `lr`"),
        ("lr=..", "the range of `lr` has no end"),
        ("lr=1..0.1", "from 1 to 0.1 is empty"),
        ("lr=nan..1", "`nan` is not an end of a range of `lr`"),
        ("lr=1..2..3", "`2..3` is not an end of a range of `lr`"),
        ("depth=-1", "`depth` cannot be -1"),
        ("depth=99999999999999999999", "it takes integers"),
        ("seed=1.5", "it takes integers"),
        ("init=", "`` is not a value of `init`"),
        ("init=normal(", "`normal(` is not a value of `init`"),
        ("init=normal(x)", "`x` in the parentheses of `normal` is not a number"),
        ("init=he..xavier", "`he..xavier` is not a value of `init`"),
        ("residual=maybe", "`residual` is a string, not true or false"),
        ("depht=1", "did you mean `depth`"),
        ("l\u{1b}r=1", "`l\\u{1b}r` is not an axis"),
        ("task=nothing", "`nothing` is not a task"),
    ] {
        let error = Filter::parse(&[text.to_owned()], &blowup_core::axis::AxisSet::default()).expect_err(text);
        assert!(error.contains(expected) && error.contains("\nhint: "), "{text}: {error}");
    }
    // Beyond 64 bits a decimal number is infinite, which is a number.
    assert!(Filter::parse(&[long], &blowup_core::axis::AxisSet::default()).is_ok());
}

#[test]
fn a_wide_and_a_long_data_file_are_read() {
    const COLUMNS: usize = 200_000;
    let (mut names, mut cells): (Vec<String>, String) =
        ((0..COLUMNS).map(|i| format!("c{i}")).collect(), list(0..COLUMNS));
    names.push("y".to_owned());
    cells.push_str(",1");
    let wide = format!("{}\n{cells}\n{cells}\n", names.join(","));
    let table = csv_task::parse(wide.as_bytes(), "y", &[], false).unwrap();
    assert_eq!((table.features.len(), table.samples, table.inputs[COLUMNS + 7]), (COLUMNS, 2, 7.0));
    let error = csv_task::parse(wide.as_bytes(), "z", &[], false).unwrap_err().to_string();
    assert!(error.contains("there is no such column") && error.len() < 1000, "{error}");

    let place = Place::new(
        "name='t'\nepochs=1\ntask={kind='csv',path='a.csv',target='y'}\n[base]\ndepth=0\n[[grid]]\nlr=0.1\n",
    );
    let rows: String = (0..20_000).map(|i| format!("{i},{},{}\n", i % 7, i % 3)).collect();
    place.write("a.csv", &format!("a,b,y\n{rows}"));
    place.ok("sweep t.toml --out r --quiet");
    let runs = place.read("r/runs.csv");
    assert!(runs.lines().nth(1).unwrap().contains(",csv,2,20000,1,mlp,0,"), "{runs}");
}

#[test]
fn data_that_is_no_file_is_refused_with_its_place() {
    let place = Place::new("name='t'\nepochs=1\n[[grid]]\nlr=1\ntask={kind='csv',path='here',target='y'}\n");
    for (make, expected) in [
        ("true", "no such file"),
        ("mkdir here", "not a regular file"),
        ("rmdir here; mkfifo here", "not a regular file"),
        ("rm here; ln -s /dev/zero here", "not a regular file"),
        ("rm here; ln -s here here", "too many levels of symbolic links"),
    ] {
        assert!(shell(&place, make).status.success());
        let error = place.refused("sweep t.toml --dry-run").to_lowercase();
        assert!(error.contains("--> t.toml:5:") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_sweep_goes_on_without_anybody_to_tell() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    for (at, closed) in [">&-", "2>&-", ">&- 2>&-", "2>/dev/full", "<&- >&- 2>&-"].iter().enumerate() {
        let output = shell(&place, &format!("$B sweep t.toml --out r{at} {closed}"));
        assert_eq!(output.status.code(), Some(0), "{closed}");
        assert_eq!(place.read(&format!("r{at}/runs.csv")), expected, "{closed}");
    }
    assert_eq!(shell(&place, "$B sweep nowhere.toml 2>&-").status.code(), Some(2));
    assert_eq!(shell(&place, "$B check r0 2>&- >&-").status.code(), Some(2));
}

#[test]
fn a_symbolic_link_is_a_folder_if_it_leads_to_one() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    assert!(shell(&place, "mkdir real; ln -s real link; ln -s nowhere dangling; ln -s loop loop").status.success());
    place.ok("sweep t.toml --out link --quiet");
    assert!(place.path("link").is_symlink());
    assert_eq!(place.read("real/runs.csv"), expected);
    for (out, expected) in [("dangling", "`dangling`"), ("loop", "`loop`"), ("t.toml", "`t.toml` is not a folder")] {
        let error = place.refused(&format!("sweep t.toml --out {out}"));
        assert!(error.contains(expected), "{error}");
    }
    let output = shell(&place, "$B sweep t.toml --out ''");
    assert_eq!((output.status.code(), stderr(&output).contains("--out <DIR>")), (Some(2), true));
}
