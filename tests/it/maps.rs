//! Maps: what is read of a trial, which trials the pixels are, and the program from end to end.

use crate::contract;
use crate::sweep::{Place, signal, stderr, wait_for};
use crate::training::scalar;
use crate::trials;
use blowup::map::files;
use blowup_core::arrays;
use blowup_core::map::raster::{Raster, Source};
use blowup_core::map::trainability::Trainability;
use blowup_core::map::{Measure, Reading};
use blowup_core::store::Folder;
use blowup_core::training::Step;
use blowup_core::trial::*;
use blowup_core::verdict::Record;
use blowup_engine as engine;

const STEPS: u64 = 60;

/// A map whose pixels converge and diverge, on `pixels` x `pixels` pixels.
fn spec(pixels: &str, more: &str) -> String {
    format!(
        "name = \"t\"\nsteps = 30\n[task]\nkind = \"noise\"\ninputs = 3\nsamples = 10\n\
         [map]\nx = {{ axis = \"lr\", log = [1e-2, 1e3] }}\ny = {{ axis = \"init_scale\", linear = [0.1, 2.0] }}\n\
         resolution = {pixels}\n{more}\n[[grid]]\nwidth = 4\ndepth = 2\nactivation = \"tanh\"\ninit = \"normal\"\n\
         dtype = \"float64\"\n"
    )
}

fn read(trials: &[Trial]) -> Vec<Reading> {
    engine::start();
    let mut readings = vec![None; trials.len()];
    engine::read(trials, Measure::Published, &mut |i, reading| readings[i] = Some(reading)).unwrap();
    readings.into_iter().map(Option::unwrap).collect()
}

/// The measure of losses that are all known.
fn measured(losses: &[f64]) -> Reading {
    let mut measure = Trainability::new(losses.len() as u64);
    losses.iter().for_each(|loss| measure.step(*loss));
    measure.finish(f64::NAN)
}

/// One weight w under the loss w^2 from w = 1: every update is w - lr 2 w. Nothing here ends early.
#[test]
fn trials_that_leave_early_are_read_as_if_they_were_trained_to_the_end() {
    const LONG: u64 = 1500;
    // It rests at 0 after one update, at once, never, and is NaN from step 1,026 on.
    for lr in [0.5, 0.0, 1.0, 1.5] {
        let trial = Trial { budget: Budget::Steps(LONG), numerics: Numerics::Uniform(Dtype::Float64), ..scalar(lr) };
        let (mut w, mut losses) = (1.0f64, Vec::new());
        for _ in 0..LONG {
            losses.push(w * w);
            w -= lr * (2.0 * w);
        }
        assert_eq!(losses.iter().any(|loss| loss.is_nan()), lr == 1.5);
        assert_eq!(read(&[trial]), [measured(&losses)], "lr {lr}");
    }
}

/// Trials of many kinds, some of which diverge, overflow or rest.
fn all_kinds() -> Vec<Trial> {
    let base = Trial { budget: Budget::Steps(STEPS), ..trials::mlp() };
    let full = Trial { batch: base.task.samples, ..base };
    let mut all: Vec<Trial> = [0.0, 0.01, 1.0, 1e3, 1e9].map(|lr| Trial { lr, ..full.clone() }).to_vec();
    for clip in [Clip::Norm(0.1), Clip::Value(0.01)] {
        all.push(Trial { clip, lr: 10.0, ..full.clone() });
    }
    for momentum in [0.9, 0.99] {
        all.push(Trial { optimizer: Optimizer::Sgd { momentum, nesterov: false }, lr: 0.5, ..full.clone() });
    }
    all.push(Trial { lr: 0.3, lr_output: Some(30.0), ..full.clone() });
    all.push(Trial { lr: 1e3, ..trials::with(&full, Activation::Relu, Norm::None) });
    all.push(Trial { lr: 0.1, numerics: Numerics::Uniform(Dtype::Float64), ..full });
    all
}

#[test]
fn the_losses_of_a_full_batch_are_those_that_a_watched_trial_has() {
    for trial in all_kinds() {
        engine::start();
        let mut losses = Vec::new();
        // A watched trial is never closed at rest, and ends at its first NaN.
        engine::replay(&trial, &Record::default(), &mut |step: Step| losses.push(step.loss)).unwrap();
        losses.resize(STEPS as usize, f64::NAN);
        assert_eq!(read(std::slice::from_ref(&trial)), [measured(&losses)], "{trial:?}");
    }
}

#[test]
fn the_losses_of_mini_batches_are_over_all_of_the_data() {
    for (sampling, lr) in [(Sampling::Shuffle, 0.1), (Sampling::Replacement, 0.1), (Sampling::Replacement, 3.0)] {
        let steps = 12;
        let with = |steps| Trial { budget: Budget::Steps(steps), batch: 3, sampling, lr, ..trials::mlp() };
        // The final loss of a shorter trial is that before the next update of a longer one.
        let after = |steps: u64| {
            engine::start();
            let mut last = f64::NAN;
            engine::train(&[with(steps)], &Record::default(), &mut |_, finished| {
                last = finished.measured.loss_final.unwrap();
            })
            .unwrap();
            last
        };
        let losses: Vec<f64> = (0..steps).map(after).collect();
        assert!(losses[0] != losses[1]);
        assert_eq!(read(&[with(steps)]), [measured(&losses)], "{sampling:?} {lr}");
    }
}

#[test]
fn a_reading_does_not_depend_on_the_neighbours() {
    let rates: Vec<f64> = (0..40).map(|i| 10f64.powf(f64::from(i) / 4.0 - 5.0)).collect();
    let base = Trial { budget: Budget::Steps(STEPS), ..trials::mlp() };
    let all: Vec<Trial> = rates.iter().map(|&lr| Trial { lr, ..base.clone() }).collect();
    let together = read(&all);
    let verdicts: Vec<_> = together.iter().map(|reading| reading.verdict().has_failed()).collect();
    assert!(verdicts.contains(&true) && verdicts.contains(&false));
    for (trial, reading) in all.iter().zip(together) {
        assert_eq!(read(std::slice::from_ref(trial)), [reading]);
    }
}

#[test]
fn the_pixels_are_the_trials_of_a_grid_with_these_ranges() {
    let map = contract::parse(&spec("[5, 3]", ""));
    let ranges = "init_scale = { linear = [0.1, 2.0], points = 3 }\nlr = { log = [1e-2, 1e3], points = 5 }\n";
    let text = spec("[5, 3]", "");
    let (head, tail) = (text.split("[map]").next().unwrap(), text.split("[[grid]]").nth(1).unwrap());
    let grid = contract::parse(&format!("{head}[[grid]]{tail}{ranges}"));
    let ids = |trials: Vec<Trial>| trials.iter().map(Trial::id).collect::<Vec<_>>();
    let pixels = ids(map.grid().trials().collect());
    assert_eq!(pixels.len(), 15);
    assert_eq!(pixels, ids(grid.grid().trials().collect()));
    let frame = map.frame(0).unwrap();
    assert_eq!(pixels, ids(frame.grid().all_at(0..15)));
}

#[test]
fn an_integer_axis_has_a_pixel_for_each_integer() {
    let text = spec("[3, 4]", "").replace("axis = \"lr\", log = [1e-2, 1e3]", "axis = \"depth\", linear = [1, 3]");
    let text = text.replace("depth = 2", "lr = 0.1");
    let depths: Vec<usize> = contract::parse(&text).grid().trials().map(|trial| trial.network.depth()).collect();
    assert_eq!(depths, [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
    let error = contract::try_parse(&text.replace("[3, 4]", "[4, 4]")).unwrap_err();
    assert!(error.contains("neighbouring pixels have the same `depth`"), "{error}");
    assert!(error.contains("hint: 3 integers lie there"), "{error}");
}

#[test]
fn the_windows_of_a_zoom_shrink_towards_its_centre() {
    let zoom = "zoom = { centre = [10.0, 0.5], factor = 2, frames = 3 }";
    let spec = contract::parse(&spec("9", zoom));
    let map = spec.map.unwrap();
    let ends = |frame: u32| [map.frame(frame).x, map.frame(frame).y].map(|side| side.window.ends());
    assert_eq!(ends(0), [[1e-2, 1e3], [0.1, 2.0]]);
    // The centre is 3 and 2 decades from the ends.
    let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-11, "{a} {b}");
    let [x, y] = ends(1);
    [(x[0], 10f64.powf(-0.5)), (x[1], 100.0), (y[0], 0.3), (y[1], 1.25)].iter().for_each(|(a, b)| near(*a, *b));
    let [x, y] = ends(2);
    [(x[0], 10f64.powf(0.25)), (x[1], 10f64.powf(1.5)), (y[0], 0.4), (y[1], 0.875)]
        .iter()
        .for_each(|(a, b)| near(*a, *b));
    let trial = spec.frame(2).unwrap().grid().at(8);
    assert_eq!(trial.lr, x[1]);
}

#[test]
fn mistakes_in_a_map_have_their_place_and_a_way_out() {
    let check = |from: &str, to: &str, expected: &str| {
        let text = spec("8", "").replace(from, to);
        let error = contract::try_parse(&text).expect_err(to);
        assert!(error.contains(expected), "{to}\n{error}");
    };
    check("resolution = 8\n", "", "7:1\n");
    // A map that cannot be read says so once, and not that its block has no learning rate.
    for (from, to) in [("[map]", "[[map]]"), ("axis = \"lr\"", "axis = \"lrr\""), ("log = [1e-2, 1e3]", "log = [0, 1]")]
    {
        let error = contract::try_parse(&spec("8", "").replace(from, to)).expect_err(to);
        assert_eq!(error.matches("error: ").count(), 1, "{to}\n{error}");
        assert!(!error.contains("points"), "{to}\n{error}");
    }
    check("resolution = 8", "resolution = 4097", "10:14\n");
    check("resolution = 8", "resolution = [8, 1]", "neither an integer from 2 to 4096 nor a pair");
    check("axis = \"lr\"", "axis = \"learning_rate\"", "did you mean `lr`?");
    check("axis = \"lr\"", "axis = \"init\"", "`init` has no numbers");
    check("axis = \"lr\"", "axis = \"init_scale\"", "`init_scale` is both x and y");
    check("log = [1e-2, 1e3]", "log = [1e3, 1e-2]", "ends before it begins");
    check("log = [1e-2, 1e3]", "log = [-1, 1e3]", "above 0");
    check("log = [1e-2, 1e3]", "linear = [-1, 1e3]", "`lr` cannot be -1.0");
    check("log = [1e-2, 1e3]", "linear = [1.0, 1.0000000000001]", "neighbouring pixels have the same `lr`");
    check("log = [1e-2, 1e3]", "points = 3", "`x` has no key `points`");
    check("width = 4", "width = [4, 5]", "a map holds `width` fixed, and it has 2 values here");
    check("width = 4", "width = 4\nlr = 1.0", "`lr` is the x of the map, and this block sets it too");
    check("steps = 30", "steps = 30\nseeds = 2", "a map is drawn of one seed, and this block has 2");
    check("steps = 30", "steps = 0", "this block makes no update");
    check("[[grid]]", "[[grid]]\nwidth = 2\n[[grid]]", "a map has one [[grid]] block");
    check("[[grid]]", "[record]\nepochs = true\n[[grid]]", "`record` says nothing of a map");
    check("[[grid]]", "[[exclude]]\nwidth = 1\n[[grid]]", "`exclude` says nothing of a map");
    check("resolution = 8", "resolution = 8\nverdict = \"best\"", "one of: published, outcome");
    check("resolution = 8", "resolution = 8\nmargin = 2", "write refine = true beside it");
    check("resolution = 8", "resolution = 8\nrefine = true\nmargin = 0", "`margin` is not an integer from 1 to 64");
    let zoom = |zoom: &str| format!("resolution = 8\nzoom = {zoom}");
    check("resolution = 8", &zoom("{ factor = 2, frames = 3 }"), "the `centre` of the zoom is not a pair");
    check("resolution = 8", &zoom("{ centre = [1, 1], factor = 1, frames = 3 }"), "the `factor` of the zoom is not");
    check("resolution = 8", &zoom("{ centre = [1, 1] }"), "the `frames` of the zoom is not");
    check("resolution = 8", &zoom("{ centre = [1, 9], frames = 2 }"), "outside of the window of `init_scale`");
    check("resolution = 8", &zoom("{ centre = [1, 1], frames = 60 }"), "in the last frame");
}

#[test]
fn a_map_has_the_same_bytes_for_any_workers_and_after_a_kill() {
    let place = Place::new(&spec("24", ""));
    place.ok("map t.toml --out one --workers 1 --quiet");
    place.ok("map t.toml --out three --workers 3 --quiet");
    // Each worker waits in its second chunk.
    let mut child = place.held("map t.toml --out killed --workers 2", 150).spawn().unwrap();
    let log = place.path("killed/pixels.log");
    wait_for("some pixels", || std::fs::metadata(&log).is_ok_and(|data| data.len() > 1000));
    assert!(!place.path("killed/map.csv").exists());
    signal(child.id(), "KILL");
    child.wait().unwrap();
    place.go();
    // What a power cut tears off is trained again.
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 5]).unwrap();
    place.ok("map t.toml --out killed --workers 2 --quiet");
    for file in ["map.csv", "map.png", "map-axes.svg", "map-axes.png", "spec.toml"] {
        let bytes = |dir: &str| std::fs::read(place.path(&format!("{dir}/{file}"))).unwrap();
        assert!(bytes("one") == bytes("three") && bytes("one") == bytes("killed"), "{file}");
    }
    let rows = place.read("one/map.csv");
    assert_eq!(rows.lines().count(), 1 + 24 * 24);
    assert!(rows.starts_with("x,y,value,converged,source\n0.01,0.1,-"), "{}", &rows[..80]);
    assert!(rows.contains(",true,trained\n") && rows.contains(",false,trained\n"));
    // Every row is what the engine reads of the trial of its pixel.
    let trials: Vec<Trial> = contract::parse(&spec("24", "")).grid().trials().collect();
    let readings: Vec<Reading> = trials.chunks(100).flat_map(read).collect();
    for (row, reading) in rows.lines().skip(1).zip(readings) {
        let Reading::Trainability { converged, value } = reading else { unreachable!() };
        assert!(row.ends_with(&format!(",{value:?},{converged},trained")), "{row} {value:?}");
    }
    // A map that is whole is drawn again from what is kept.
    let before = place.read("one/map.csv");
    std::fs::remove_file(place.path("one/map.csv")).unwrap();
    place.ok("map t.toml --out one --quiet");
    assert_eq!(place.read("one/map.csv"), before);
}

#[test]
fn a_refined_map_trains_a_part_and_marks_the_rest() {
    let place = Place::new(&spec("40", "refine = true"));
    place.write("whole.toml", &spec("40", ""));
    place.ok("map t.toml --out refined --workers 2 --quiet");
    place.ok("map t.toml --out again --workers 1 --quiet");
    place.ok("map whole.toml --out whole --workers 2 --quiet");
    let (refined, whole) = (place.read("refined/map.csv"), place.read("whole/map.csv"));
    assert_eq!(refined, place.read("again/map.csv"));
    let (mut trained, mut wrong) = (0, 0);
    for (a, b) in refined.lines().zip(whole.lines()).skip(1) {
        if a.ends_with(",trained") {
            trained += 1;
            assert_eq!(a, b);
        } else {
            assert!(a.ends_with(",inferred"), "{a}");
            let converged = |row: &str| row.split(',').nth(3).unwrap().to_owned();
            wrong += usize::from(converged(a) != converged(b));
        }
    }
    assert!((36..1000).contains(&trained) && wrong <= 8, "{trained} trained, {wrong} wrong");
    let manifest = place.read("refined/manifest.toml");
    assert!(manifest.contains("status = \"complete\"") && manifest.contains(&format!("trained = {trained}\n")));
}

#[test]
fn shards_make_the_same_map_as_one_piece() {
    let zoom = "refine = true\nmargin = 1\nzoom = { centre = [10.0, 0.5], factor = 4, frames = 2 }";
    for (more, frames) in [("", &["."][..]), (zoom, &["frame-00", "frame-01"])] {
        let text = spec("[30, 36]", more);
        let place = Place::new(&text);
        place.ok("map t.toml --out one --quiet");
        for shard in ["2/3", "1/3", "3/3"] {
            let said = place.ok(&format!("map t.toml --out m --quiet --shard {shard}"));
            assert!(said.contains(&format!("shard {shard}; without `--shard`")), "{said}");
            assert!(said.contains(" of 360 trained"), "{said}");
        }
        assert!(!place.path("m").join(frames[0]).join("map.csv").exists());
        let same = |dir: &str| {
            for (file, frame) in
                ["map.csv", "map.png", "map-axes.svg"].iter().flat_map(|f| frames.iter().map(move |g| (f, g)))
            {
                let bytes = |dir: &str| std::fs::read(place.path(dir).join(frame).join(file)).unwrap();
                assert!(bytes("one") == bytes(dir), "{dir}/{frame}/{file}");
            }
        };
        // Every trial would take its worker down, so nothing is trained: it comes from the shards.
        let spec = contract::parse(&text);
        let ids: Vec<String> = (0..spec.map.unwrap().frames())
            .flat_map(|frame| spec.frame(frame).unwrap().grid().all_at(0..30 * 36))
            .map(|trial| trial.id().to_string())
            .collect();
        let draw = || {
            let output = place.command("map t.toml --out m").env("BLOWUP_TEST_ABORT", ids.join(",")).output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
        };
        draw();
        same("m");
        // From then on the map needs them no more.
        for (shard, kept) in [(1, "first"), (2, "second"), (3, "third")] {
            std::fs::rename(place.path(&format!("m/shard-{shard}-of-3")), place.path(kept)).unwrap();
        }
        draw();
        same("m");
        // Of a shard that is missing the pixels are trained.
        std::fs::create_dir(place.path("part")).unwrap();
        std::fs::rename(place.path("second"), place.path("part/shard-2-of-3")).unwrap();
        let said = stderr(&place.command("map t.toml --out part").output().unwrap());
        assert!(said.contains(" taken from `part/shard-2-of-3"), "{said}");
        same("part");
        // What is no such shard is refused.
        std::fs::rename(place.path("first"), place.path("part/shard-3-of-3")).unwrap();
        assert!(place.refused("map t.toml --out part").contains("holds shard 1/3 of this map"));
    }
}

#[test]
fn a_shard_is_a_band_of_rows_and_is_drawn_once_at_a_time() {
    let place = Place::new(&spec("[4, 3]", ""));
    assert!(place.refused("map t.toml --shard 1/4").contains("a shard has whole rows of the map, which has 3"));
    let planned = place.ok("map t.toml --shard 2/3 --dry-run");
    assert!(planned.contains("map       4 x 3 pixels"), "{planned}");
    let mut child = place.held("map t.toml --out m --shard 1/3 --workers 1", 1).spawn().unwrap();
    wait_for("the shard", || place.path("m/shard-1-of-3/manifest.toml").exists());
    assert!(place.refused("map t.toml --out m").contains("is being drawn"));
    place.go();
    assert!(child.wait().unwrap().success());
    place.ok("map t.toml --out m --quiet");
    assert!(place.refused("map t.toml --out m/shard-1-of-3").contains("holds shard 1/3 of this map"));
}

#[test]
fn outcomes_are_those_of_the_sweep_and_frames_have_folders_of_their_own() {
    let zoom = "verdict = \"outcome\"\nzoom = { centre = [10.0, 0.5], factor = 4, frames = 2 }";
    let place = Place::new(&spec("[12, 10]", zoom));
    let said = place.ok("map t.toml --out m --quiet");
    assert!(said.lines().count() >= 2, "{said}");
    assert_ne!(place.read("m/frame-00/map.csv"), place.read("m/frame-01/map.csv"));
    let text = spec("9", "");
    let (head, tail) = (text.split("[map]").next().unwrap(), text.split("[[grid]]").nth(1).unwrap());
    let ranges = "init_scale = { linear = [0.1, 2.0], points = 10 }\nlr = { log = [1e-2, 1e3], points = 12 }\n";
    place.write("grid.toml", &format!("{head}[[grid]]{tail}{ranges}"));
    place.ok("sweep grid.toml --out s --quiet");
    let runs = place.read("s/runs.csv");
    let at = runs.lines().next().unwrap().split(',').position(|name| name == "outcome").unwrap();
    let outcomes: Vec<&str> = runs.lines().skip(1).map(|row| row.split(',').nth(at).unwrap()).collect();
    let map = place.read("m/frame-00/map.csv");
    assert!(map.starts_with("x,y,outcome,source\n"));
    let drawn: Vec<&str> = map.lines().skip(1).map(|row| row.split(',').nth(2).unwrap()).collect();
    assert_eq!(drawn, outcomes);
    assert!(drawn.contains(&"converged") && drawn.contains(&"diverged"));
}

#[test]
fn a_folder_holds_one_map_and_nothing_else() {
    let place = Place::new(&spec("4", ""));
    let planned = place.ok("map t.toml --dry-run");
    assert!(planned.contains("map       4 x 4 pixels"), "{planned}");
    assert!(!place.path("results").exists());
    place.ok("map t.toml --quiet");
    place.write("other.toml", &spec("4", "").replace("width = 4", "width = 5"));
    assert!(place.refused("map other.toml --out results/t").contains("holds another map"));
    place.write("finer.toml", &spec("5", ""));
    assert!(place.refused("map finer.toml --out results/t").contains("holds another map"));
    std::fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/map.png", "my own picture");
    assert!(place.refused("map t.toml --out mine").contains("`mine` has a `map.png` that no map of this folder wrote"));
    assert_eq!(place.read("mine/map.png"), "my own picture");
    assert!(place.refused("sweep t.toml").contains("`t.toml` is the spec of a map"));
    let grid = "name = \"g\"\nsteps = 1\n[task]\nkind = \"noise\"\n[[grid]]\nlr = 1.0\n";
    place.write("grid.toml", grid);
    assert!(place.refused("map grid.toml").contains("`grid.toml` has no [map]"));
}

#[test]
fn a_pixel_that_takes_its_worker_down_is_lost_alone() {
    let place = Place::new(&spec("6", ""));
    let guilty = contract::parse(&spec("6", "")).grid().at(8).id();
    let output = place.command("map t.toml --out m --workers 1").env("BLOWUP_TEST_ABORT", guilty.to_string()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(&format!("pixel (2, 1), trial {guilty}, is lost (crashed)")),
        "{}",
        stderr(&output)
    );
    let rows = place.read("m/map.csv");
    assert_eq!(rows.lines().filter(|row| row.ends_with(",trained")).count(), 35);
    assert!(rows.lines().nth(9).unwrap().ends_with(",,,lost"), "{rows}");
    // Without the fault the same command trains it.
    place.ok("map t.toml --out m --quiet");
    assert!(!place.read("m/map.csv").contains("lost"));
}

#[test]
fn arrays_hold_more_than_a_million_pixels() {
    let map = contract::parse(&spec("[1001, 1000]", "")).map.unwrap();
    let mut raster = Raster::new(1001, 1000);
    for pixel in 1..raster.pixels() {
        let value = pixel as f64 - 7.5;
        let source = if pixel % 3 == 0 { Source::Trained } else { Source::Inferred };
        raster.put(pixel, Reading::Trainability { converged: value < 0.0, value }, source);
    }
    let dir = tempfile::tempdir().unwrap();
    files::write(&Folder::open(dir.path()).unwrap(), &map, &raster).unwrap();
    assert!(!dir.path().join("map.csv").exists());
    let array = |name: &str| {
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        arrays::read(&bytes, "").unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let value = array("value.npy");
    assert_eq!(value.shape, [1000, 1001]);
    let values = arrays::floats(value);
    assert!(values[0].is_nan() && values[1] == -6.5 && values[1_000_999] == 1_000_991.5);
    let bytes = |name: &str| std::fs::read(dir.path().join(name)).unwrap()[128..].to_vec();
    assert_eq!(bytes("verdict.npy")[..10], [255, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(bytes("source.npy")[..5], [0, 2, 2, 1, 2]);
    let xs = arrays::floats(array("x.npy"));
    assert_eq!((xs.len(), xs[0], xs[1000]), (1001, 1e-2, 1e3));
    assert_eq!(arrays::floats(array("y.npy")).len(), 1000);
}
