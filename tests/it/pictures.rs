//! `blowup plot`: results go in, figures come out. The words and counts of a picture are read from
//! its SVG.

use crate::check::{GRID, Results, place};
use crate::figures::{read, results};
use crate::report::{CURED, cured};
use crate::sweep::{Place, stderr};
use blowup::figures::design::shorten;
use blowup::figures::meanfield::chi_1;
use blowup::figures::profile::theory_of;
use blowup_core::trial::Activation;
use std::collections::BTreeSet;
use std::process::Command;

/// A spec whose figures have everything: two axes, two facets and one factor more.
pub const FULL: &str = r#"
name = "full"
epochs = 20
seeds = 2
[task]
kind = "teacher"
inputs = 3
samples = 16
[record]
epochs = true
layers = [0]
[[grid]]
label = "nets"
width = 8
depth = [2, 4]
init = ["normal(2.0)", "he"]
activation = ["relu", "tanh"]
clip = ["none", "norm(1.0)"]
lr = { log = [1e-2, 1e2], points = 3 }
"#;

pub fn swept(spec: &str) -> Place {
    let place = Place::new(spec);
    let output = place.run("sweep t.toml --out r --quiet");
    assert!(output.status.success(), "{}", stderr(&output));
    place
}

pub fn stdout(place: &Place, args: &str) -> String {
    let output = place.run(args);
    assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{args}");
    String::from_utf8(output.stdout).unwrap()
}

/// The texts of a picture, with its title and its notes.
pub fn texts(svg: &str) -> Vec<String> {
    let ends = svg.split('>').filter_map(|part| part.strip_suffix("</text").or_else(|| part.strip_suffix("</title")));
    ends.map(ToOwned::to_owned).collect()
}

pub fn has(texts: &[String], wanted: &[&str]) {
    for text in wanted {
        assert!(texts.iter().any(|found| found == text), "`{text}` is not in {texts:#?}");
    }
}

#[test]
fn a_sweep_gets_every_kind_of_figure_and_its_files_are_told() {
    let place = swept(FULL);
    let told = stdout(&place, "plot r");
    let names = [
        "phase-nets-activation-relu",
        "phase-nets-activation-tanh",
        "boundary-nets",
        "survival-nets",
        "layers-nets",
        "trials-nets",
    ];
    // With one label there is nothing to tell apart.
    let names = names.map(|name| name.replace("-nets", ""));
    let expected: String = names.iter().map(|name| format!("r/figures/{name}.svg\nr/figures/{name}.png\n")).collect();
    assert_eq!(told, expected + "r/report.html\n");
    for name in &names {
        let png = std::fs::read(place.path(&format!("r/figures/{name}.png"))).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let svg = place.read(&format!("r/figures/{name}.svg"));
        let size = |from: usize| u32::from_be_bytes(png[from..from + 4].try_into().unwrap());
        assert!(svg.contains(&format!("width=\"{}\" height=\"{}\"", size(16) / 2, size(20) / 2)), "{name}");
        inside(name, &svg);
    }
    let survival = texts(&place.read("r/figures/survival.svg"));
    has(&survival, &["Survival: full", "by learning rate", "by clip", "by initialization", "by activation", "epoch"]);
    let layers = texts(&place.read("r/figures/layers.svg"));
    has(&layers, &["layer (from the input)", "norm of the backprop signal", "mean field"]);
    let trials = texts(&place.read("r/figures/trials.svg"));
    has(&trials, &["loss", "gradient norm, largest", "epoch"]);
    assert!(trials.iter().any(|text| text.starts_with("clipped: ")), "{trials:#?}");
    assert!(trials.iter().any(|text| text.starts_with("not finite: epoch ")), "{trials:#?}");
}

/// Checks that every text lies within its picture. The anchor of a text and a lower estimate of its
/// width are enough to find one that is cut.
fn inside(name: &str, svg: &str) {
    let number = |text: &str, key: &str| -> f64 {
        let from = text.find(&format!(" {key}=\"")).unwrap_or_else(|| panic!("{key} in {text}")) + key.len() + 3;
        text[from..].split('"').next().unwrap().parse().unwrap()
    };
    let (width, height) = (number(svg, "width"), number(svg, "height"));
    for line in svg.lines().filter(|line| line.starts_with("<text") && !line.contains("rotate")) {
        let words = line.split('>').nth(1).unwrap().trim_end_matches("</text");
        let long = blowup::figures::font::width(&words.replace("&lt;", "<"), number(line, "font-size"));
        let lead = if line.contains("\"middle\"") {
            0.5
        } else if line.contains("\"end\"") {
            1.0
        } else {
            0.0
        };
        let (x, y) = (number(line, "x") - lead * long, number(line, "y"));
        assert!(x >= 0.0 && x + long <= width && (0.0..=height).contains(&y), "{name}: {line}");
    }
}

#[test]
fn a_phase_diagram_says_what_it_shows_and_counts_right() {
    let place = place(GRID, &{
        let mut results = Results::of(GRID);
        results.column("outcome", |i| ["nonfinite", "converged", "diverged", ""][i % 4]);
        results.column("lost", |i| if i % 4 == 3 { "crashed" } else { "" });
        results.text()
    });
    // There are eight trials. Depths 1 and 3 have a non-finite and a converged one, depths 2 and 4
    // a diverged and a lost one.
    stdout(&place, "plot r --x depth --y seed");
    let shown = texts(&place.read("r/figures/phase-depth-seed.svg"));
    has(
        &shown,
        &[
            "Failure rate: t",
            "depth (hidden layers)",
            "seed",
            "depth 1, seed 0: 1 of 1, 1.00 (95% 0.21 to 1.00), 1 blew up",
            "depth 3, seed 1: 0 of 1, 0.00 (95% 0.00 to 0.79), 0 blew up",
            "depth 2, seed 1: no value, 1 lost",
            "some trials lost",
            "no verdict",
        ],
    );
    let subtitle = shown.iter().find(|text| text.starts_with("Share of trials")).unwrap();
    assert!(
        shown.join(" ").contains("8 trials of 2 seeds, 1 a cell; 4 failed, 4 of them blew up, 2 lost."),
        "{subtitle}"
    );
    stdout(&place, "plot r");
    let rates = texts(&place.read("r/figures/phase.svg"));
    has(&rates, &["depth (hidden layers)", "1 of 2", "1 of 1, 1 lost", "failure rate, with its 95% interval"]);
}

#[test]
fn cells_with_few_trials_are_marked() {
    let spec = GRID.replace("seeds = 2", "seeds = 6").replace("lr = 0.1", "lr = [0.1, 1.0]");
    let mut results = Results::of(&spec);
    // The first cell has two trials with a verdict, the others have six.
    results.column("outcome", |i| if i < 4 { "" } else { "converged" });
    results.column("lost", |i| if i < 4 { "timeout" } else { "" });
    let place = place(&spec, &results.text());
    stdout(&place, "plot r");
    let shown = texts(&place.read("r/figures/phase.svg")).join(" ");
    assert!(shown.contains("some trials lost fewer than 3 trials with a verdict"), "{shown}");
    results.column("outcome", |_| "converged").column("lost", |_| "");
    place.write("r/runs.csv", &results.text());
    stdout(&place, "plot r");
    let shown = texts(&place.read("r/figures/phase.svg")).join(" ");
    assert!(!shown.contains("fewer") && !shown.contains("lost"), "{shown}");
}

#[test]
fn what_is_pooled_is_named_and_a_median_is_a_metric() {
    let place = swept(FULL);
    stdout(&place, "plot r --facet activation --metric grad_norm_max");
    let shown = texts(&place.read("r/figures/grad-norm-max-by-activation.svg")).join("\n");
    assert!(shown.contains("Median grad_norm_max: full"), "{shown}");
    assert!(shown.replace('\n', " ").contains("Pooled over init (normal(2.0), he), depth (2, 4)."), "{shown}");
}

#[test]
fn a_filter_limits_what_is_drawn_and_stands_in_every_title_and_file_name() {
    let place = swept(FULL);
    let whole = stdout(&place, "plot r");
    let before: Vec<(&str, Vec<u8>)> = whole
        .lines()
        .filter(|file| file.ends_with("svg"))
        .map(|file| (file, std::fs::read(place.path(file)).unwrap()))
        .collect();
    let told = stdout(&place, "plot r --where clip=none --where lr=0.5..");
    let names =
        ["phase", "survival", "layers", "trials"].map(|kind| format!("r/figures/{kind}-where-clip-none-lr-0.5-to"));
    let expected: String = names.iter().map(|name| format!("{name}.svg\n{name}.png\n")).collect();
    assert_eq!(told, expected + "r/report.html\n");
    for name in &names {
        let shown = texts(&place.read(&format!("{name}.svg")));
        // The first text is the title of the file, on one line.
        assert!(shown[0].ends_with(": full (only clip=none, lr=0.5..)"), "{shown:?}");
    }
    assert!(texts(&place.read(&format!("{}.svg", names[0]))).join(" ").contains("32 trials of 2 seeds, 2 a cell; "));
    for (file, bytes) in before {
        assert!(std::fs::read(place.path(file)).unwrap() == bytes, "{file} was replaced");
    }
    let text = stdout(&place, "plot r --terminal --where clip=none --where lr=0.5..");
    assert!(text.replace('\n', " ").contains("full (only clip=none, lr=0.5..)"), "{text}");
}

#[test]
fn figures_of_other_questions_have_other_names() {
    let spec = GRID.replace("lr = 0.1", "lr = [0.1, 1.0]\ninit_offset = [-1, 1]\nlabel = \"Aa b\"");
    let place = place(&spec, &Results::of(&spec).text());
    let mut seen = BTreeSet::new();
    for asked in [
        "",
        "--x lr",
        "--y lr",
        "--facet lr",
        "--x lr --y depth",
        "--x depth --y lr",
        "--x depth --facet lr",
        "--y depth --facet lr",
        "--where init-offset=1",
        "--where init-offset=-1",
        "--where lr=0.1",
        "--where lr=0.1..",
        "--where lr=0.1,1.0",
        "--where lr=1e-1",
    ] {
        let told = stdout(&place, &format!("plot r {asked}"));
        let phases: Vec<&str> = told.lines().filter(|file| file.contains("/phase") && file.ends_with("svg")).collect();
        assert!(
            !phases.is_empty() && phases.iter().all(|file| seen.insert((*file).to_owned())),
            "{asked}: {phases:?} of {seen:?}"
        );
    }
    let labelled = |label: &str| {
        let mut command = place.command("plot r --where");
        let output = command.arg(format!("label={label}")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
    };
    let name = labelled("Aa b");
    assert!(name.starts_with("r/figures/phase-") && name.contains("where-label-aa-b-"), "{name}");
}

#[test]
fn networks_under_one_label_keep_their_names() {
    let families = |label: &str, networks: &str| {
        let spec = format!(
            "name = \"n\"\nepochs = 3\n[task]\nkind = \"adding\"\n[[grid]]\nlabel = \"{label}\"\nnetwork = {networks}\nsequence_length = [4, 8]\nlr = [0.1, 1.0]\n"
        );
        let place = place(&spec, &Results::of(&spec).text());
        let told = stdout(&place, "plot r");
        let phases = told.lines().filter(|file| file.contains("/phase") && file.ends_with("svg"));
        let title = |file: &str| texts(&place.read(file))[0].strip_prefix("Failure rate: n").unwrap().to_owned();
        let mut titles: Vec<String> = phases.map(title).collect();
        titles.sort();
        titles
    };
    assert_eq!(families("seq", "[\"rnn\", \"lstm\", \"gru\"]"), [", seq, gru", ", seq, lstm", ", seq, rnn"]);
    assert_eq!(families("rnn", "[\"rnn\", \"gru\"]"), [", rnn, gru", ", rnn, rnn"]);
    assert_eq!(families("seq", "\"gru\""), [""]);
    assert_eq!(families("", "[\"rnn\", \"gru\"]"), [", gru", ", rnn"]);
}

#[test]
fn without_a_terminal_no_colour_and_at_most_80_columns() {
    let place = swept(FULL);
    let text = stdout(&place, "plot r --terminal");
    assert!(!text.contains('\x1b'), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text.matches("Failure rate: full, activation = ").count(), 2, "{text}");
    assert!(text.contains("across: learning rate, up: depth (hidden layers), panels: "), "{text}");
    assert!(!place.path("r/figures").exists());
    let quiet = String::from_utf8(place.run("sweep t.toml --out r --quiet").stdout).unwrap();
    assert!(quiet.contains("what decides which trials fail: "), "{quiet}");
    let again = place.run("sweep t.toml --out r");
    assert!(!String::from_utf8(again.stdout).unwrap().contains("across:"), "diagrams are for terminals");
}

/// Python gives the program a terminal, so it shows what a person sees.
#[test]
fn on_a_terminal_there_is_colour_unless_it_is_not_wanted() {
    let place = swept(FULL);
    let program = env!("CARGO_BIN_EXE_blowup");
    let seen = |command: &str, no_colour: &str| {
        let mut terminal = Command::new("python3");
        terminal.current_dir(place.dir.path()).args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])", program]);
        terminal.args(command.split_whitespace()).env("NO_COLOR", no_colour).env("TERM", "xterm-256color");
        let output = terminal.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(seen("plot r --terminal", "").contains("\x1b[48;5;"));
    assert!(!seen("plot r --terminal", "1").contains("\x1b[48;5;"));
    let end = seen("sweep t.toml --out r", "1");
    assert!(end.contains("across: learning rate") && !end.contains("\x1b[48;5;"), "{end}");
}

/// Checks for exit status 2, nothing on stdout, and these words on stderr.
fn refused(place: &Place, args: &str, words: &[&str]) {
    let output = place.run(args);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args}");
    let text = stderr(&output);
    for words in words {
        assert!(text.contains(words), "{args}: {text}");
    }
}

#[test]
fn bad_input_is_answered_with_what_there_is() {
    let place = place(GRID, &Results::of(GRID).text());
    refused(&place, "plot r --x dept", &["`dept` is not an axis", "did you mean `depth`?"]);
    refused(&place, "plot r --y lr", &["`lr` has one value, 0.1", "these vary: depth (4), seed (2)"]);
    let derived = GRID.replace("lr = 0.1", "lr = [0.1, 1.0]\ninit = [\"he\", \"pytorch\"]");
    let varied = crate::check::place(&derived, &Results::of(&derived).text());
    // `bias_std` follows `init`, and `lr_output` follows `lr`.
    refused(&varied, "plot r --y width", &["these vary: depth (4), init (2), lr (2), seed (2)\n"]);
    refused(&place, "plot r --facet beta1", &["`beta1` has no value"]);
    refused(&place, "plot r --x depth --facet depth", &["`depth` is asked for twice"]);
    refused(&place, "plot r --facet depth,seed,lr", &["more than two axes"]);
    refused(&place, "plot r --metric loss_fina", &["`loss_fina` is not a metric", "did you mean `loss_final`?"]);
    refused(&place, "plot r --where depth=5", &["matches none of the 8 trials", "`depth` here: 1, 2, 3, 4"]);
    refused(&place, "plot r --where dpth=1", &["`dpth` is not an axis", "did you mean `depth`?"]);
    refused(&place, "plot s", &["there is no folder `s`"]);
    assert!(!place.path("r/figures").exists());
    std::fs::create_dir(place.path("s")).unwrap();
    refused(&place, "plot s", &["cannot open `s/runs.csv`", "`blowup sweep` writes runs.csv"]);
    let whole = place.read("r/runs.csv");
    place.write("s/runs.csv", &whole[..whole.len() - 30]);
    refused(&place, "plot s", &["`s/runs.csv`: line 9: the row ends without a line end"]);
    place.write("s/runs.csv", &whole[..=whole.find('\n').unwrap()]);
    refused(&place, "plot s", &["`s/runs.csv` has no rows"]);
    place.write("s/runs.csv", "");
    refused(&place, "plot s", &["`s/runs.csv`: line 1: the file is empty"]);
    place.write("r/epochs.csv", "trial,epoch\nt5,3\n");
    refused(&place, "plot r", &["`r/epochs.csv`: line 1: there is no column `loss`"]);
}

#[test]
fn chi_1_is_that_of_the_literature() {
    let check = |activation: Activation, weights: f64, biases: f64, expected: f64, tolerance: f64| {
        let found = chi_1(activation, weights, biases).unwrap();
        assert!((found - expected).abs() <= tolerance, "{activation:?} {weights} {biases}: {found}, not {expected}");
    };
    // He 2015: s2/2, for leaky ReLU s2 (1 + a^2)/2, and for linear layers s2. These are exact.
    for weights in [0.5, 1.0, 2.0, 3.0] {
        check(Activation::Relu, weights, 0.0, weights / 2.0, 1e-12);
        check(Activation::LeakyRelu { negative_slope: 0.2 }, weights, 0.0, weights * 1.04 / 2.0, 1e-12);
        check(Activation::Linear, weights, 0.0, weights, 1e-12);
    }
    // Schoenholz 2017, as verified for A6: .759 at 1, and the edge of chaos at 1.761.
    check(Activation::Tanh, 1.0, 0.05, 0.759, 5e-4);
    check(Activation::Tanh, 1.761, 0.05, 1.0, 5e-4);
    // Glorot & Bengio 2010 (A9): with the variance 1/(3 n) and small inputs it is 1/6 and 1/3.
    check(Activation::Relu, 1.0 / 3.0, 0.0, 1.0 / 6.0, 1e-12);
    check(Activation::Tanh, 1.0 / 3.0, 0.0, 1.0 / 3.0, 1e-6);
    // The edge of chaos of tanh without biases is at s2 = 1, where q dies out as 1/layer.
    check(Activation::Tanh, 1.0, 0.0, 1.0, 2e-3);
    // SELU keeps mean 0 and variance 1 at s2 = 1 (Klambauer 2017). There the slope is scale^2 (1/2
    // + alpha^2 e^2 Phi(-2)).
    let alpha2 = 1.673_263_242_354_377_2_f64.powi(2);
    let expected = 1.050_700_987_355_480_5_f64.powi(2) * (0.5 + alpha2 * 2f64.exp() * 0.022_750_131_948_179_2);
    check(Activation::Selu, 1.0, 0.0, expected, 1e-6);
    // Where q grows without end there is none.
    assert_eq!(chi_1(Activation::Gelu, 16.0, 0.0), None);
}

#[test]
fn chi_1_knows_which_weights_a_row_has() {
    let mut table = read(&results().text(), &["network=mlp"]);
    let before: Vec<_> = (0..table.len()).map(|row| theory_of(&table, row)).collect();
    shorten(&mut table);
    let after: Vec<_> = (0..table.len()).map(|row| theory_of(&table, row)).collect();
    assert_eq!(before, after);
    // In ReLU nets of width 64, with depth 2 and more, normal(0.5) has s2 = 16, He has 2 and Xavier
    // has 1.
    let found: BTreeSet<String> = after.iter().map(|chi| format!("{:.3}", chi.unwrap())).collect();
    assert_eq!(found, ["0.500", "1.000", "8.000"].map(ToOwned::to_owned).into());
    let recurrent = read(&results().text(), &["network=rnn"]);
    assert!((0..recurrent.len()).all(|row| theory_of(&recurrent, row).is_none()));
}

#[test]
fn the_coordinate_check_has_a_line_for_each_layer_and_a_panel_for_each_parametrization() {
    let place = swept(
        "name = \"wide\"\nsteps = 2\nseeds = 3\n[task]\nkind = \"teacher\"\nsamples = 8\n[record]\nlayers = [0, 1]\n[[grid]]\nparametrization = [\"standard\", \"mup\"]\nbase_width = 4\nwidth = [4, 16, 64]\ndepth = 2\noptimizer = \"adam\"\nlr = 0.01\n",
    );
    assert!(stdout(&place, "plot r").contains("r/figures/coordinates.svg\n"));
    let svg = place.read("r/figures/coordinates.svg");
    inside("coordinates", &svg);
    let texts = texts(&svg);
    has(
        &texts,
        &["Coordinate check: wide", "parametrization = standard", "parametrization = mup", "layer 1", "layer 2"],
    );
    has(&texts, &["output", "size", "change", "width (units a layer)", "root mean square"]);
    // In each of the two panels each of the three layers has a dashed line for its size, and the
    // legend has one.
    let lines = |kind: &str| svg.lines().filter(|line| line.starts_with("<polyline") && line.contains(kind)).count();
    let dashed = lines("stroke-dasharray");
    assert_eq!(dashed, 2 * (3 + 1), "{svg}");
    // One width is nothing to compare.
    assert!(!stdout(&place, "plot r --where width=16").contains("coordinates"));
}

#[test]
fn a_cell_that_pools_a_cure_is_marked_as_mixed() {
    let place = cured();
    stdout(&place, "plot r");
    assert!(!place.read("r/figures/phase.svg").contains("mixed"));
    stdout(&place, "plot r --x lr --y depth --facet init");
    let shown = texts(&place.read("r/figures/phase-lr-depth-by-init.svg"));
    has(&shown, &["mixed: some", ".50"]);
    assert!(shown.join(" ").contains(" blew up. Pooled over clip (none, norm(1.0))."));
    let terminal = stdout(&place, "plot r --terminal --x lr --y depth --facet init");
    assert!(terminal.contains("×× mixed: some configurations always, others never"), "{terminal}");
}

/// The positions along a curve are called what they are, and so is the tensor at them.
#[test]
fn layers_of_every_kind_of_network_are_called_what_they_are() {
    for (network, title, tensor) in [
        ("mlp", "layer (from the input)", "what each layer computes before its norm and its activation"),
        ("transformer", "block (from the input)", "what each block hands on"),
        ("rnn", "time step", "what the first layer computes at each time step before its norm and its activation"),
        ("gru", "time step", "the hidden state of the first layer at each time step"),
    ] {
        let (kind, length) = match network {
            "mlp" => ("noise", ""),
            "transformer" => ("noise-sequence", "sequence_length = 7\nheads = 2\n"),
            _ => ("noise-sequence", "sequence_length = 7\n"),
        };
        let place = swept(&format!(
            "name = \"all\"\nsteps = 2\n[task]\nkind = \"{kind}\"\nsamples = 8\n[record]\nlayers = [0]\n[[grid]]\nnetwork = \"{network}\"\n\
             {length}width = 8\ndepth = 3\nlr = [0.01, 0.1]\n",
        ));
        assert!(stdout(&place, "plot r").contains("r/figures/layers.svg\n"), "{network}");
        let shown = texts(&place.read("r/figures/layers.svg"));
        let all = shown.join(" ");
        assert!(all.contains(&format!("gradient of the loss by {tensor}, before any update")), "{network}: {all}");
        for other in ["layer (from the input)", "block (from the input)", "time step"] {
            assert_eq!(shown.iter().any(|text| text == other), title == other, "{network}: {shown:?}");
        }
    }
}

#[test]
fn rules_of_attention_that_depend_on_the_width_are_told_by_their_names() {
    let place = swept(
        "name = \"wide\"\nsteps = 2\n[task]\nkind = \"copy\"\nsamples = 8\n[record]\nlayers = [0, 1]\n[[grid]]\nnetwork = \"transformer\"\n\
         sequence_length = 3\nheads = 2\nattention_scale = [\"standard\", \"mup\", 0.7]\nwidth = [8, 16, 32]\nlr = 0.01\n",
    );
    assert!(stdout(&place, "plot r").contains("r/figures/coordinates.svg\n"));
    let shown = texts(&place.read("r/figures/coordinates.svg"));
    has(&shown, &["attention_scale = standard", "attention_scale = mup", "attention_scale = 0.7"]);
}

#[test]
fn a_rate_that_does_not_grow_has_no_boundary_and_a_zero_leaves_its_axis_logarithmic() {
    let spec = CURED.replace("lr = [0.1, 1.0]", "lr = [0.0, 0.1, 1.0, 10.0, 1e4]");
    let mut results = Results::of(&spec);
    let text = results.text();
    let fails =
        |line: &str| line.split(',').nth(blowup_core::record::column("lr")).unwrap().parse::<f64>().unwrap() > 0.5;
    let failed: Vec<bool> = text.lines().skip(1).map(fails).collect();
    results.column("outcome", |row| if failed[row] { "diverged" } else { "converged" });
    let place = place(&spec, &results.text());
    assert!(!stdout(&place, "plot r --metric converged_rate").contains("boundary"));
    assert!(stdout(&place, "plot r --metric divergence_rate").contains("r/figures/boundary-divergence-rate.svg\n"));
    let shown = texts(&place.read("r/figures/boundary-divergence-rate.svg"));
    has(&shown, &["0.1", "1", "1000", "initialization"]);
    assert!(shown.join(" ").contains("Lines: where half of the trials blow up."), "{shown:?}");
}
