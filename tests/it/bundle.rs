//! Models of the user's own: bundles that `blowup.export` wrote from models of python/tests/zoo.py
//! (`scripts/bundles.py` writes tests/bundles/ again). `make python` holds more of them against
//! plain PyTorch.

use crate::sweep::Place;
use std::collections::HashMap;

/// The bundle of this name, as a file.
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bundles/").to_owned() + name).unwrap()
}

/// A folder with these bundles and a spec.
fn place(names: &[&str], spec: &str) -> Place {
    let place = Place::new(spec);
    for name in names {
        std::fs::write(place.path(name), bytes(name)).unwrap();
    }
    place
}

fn grid(file: &str, rest: &str) -> String {
    format!(
        "name = 't'\nepochs = 4\nseeds = 3\n[record]\nsteps = 5\nepochs = true\n\
         [[grid]]\nnetwork = {{ file = '{file}' }}\nlr = [0.01, 1.0]\n{rest}\n"
    )
}

/// The rows of a file, by the names of its columns.
fn rows(place: &Place, file: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.path(file)).unwrap();
    let names = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| names.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect();
    reader.records().map(|found| row(found.unwrap())).collect()
}

/// A second-order loss (a PINN) under Adam with clipping, as plain PyTorch trains it.
#[test]
fn a_bundle_trains_as_its_model_does_in_pytorch() {
    let spec = "name = 't'\nsteps = 20\nseeds = [1]\n[record]\nsteps = 20\n[[grid]]\n\
        network = { file = 'pinn.blowup' }\noptimizer = 'adam'\nlr = 0.01\nclip = 'norm(0.1)'\n";
    let place = place(&["pinn.blowup"], spec);
    place.ok("sweep t.toml --out r --quiet");
    let told: Vec<[f64; 2]> = serde_json::from_slice(&bytes("pinn.json")).unwrap();
    let steps = rows(&place, "r/steps.csv");
    assert_eq!(steps.len(), told.len());
    for (step, [loss, norm]) in steps.iter().zip(told) {
        for (column, told) in [("loss", loss), ("grad_norm", norm)] {
            let found: f64 = step[column].parse().unwrap();
            assert!((found - told).abs() <= 1e-10 * told.abs(), "step {}: {column} {found}, {told}", step["step"]);
        }
    }
    let row = &rows(&place, "r/runs.csv")[0];
    let cells = ["network", "task", "depth", "init", "loss", "dtype"].map(|column| row[column].as_str());
    assert_eq!(cells, ["pinn.blowup", "bundle", "", "", "", "float64"]);
}

/// Lanes, chunks, workers and shards change no bit: with dropout, with running statistics, and with
/// tensors whose last elements kernels treat differently.
#[test]
fn the_bits_of_a_bundle_depend_on_no_neighbour() {
    let names = ["transformer.blowup", "resnet.blowup", "experts.blowup", "autoencoder.blowup"];
    let block = |name: &&str| {
        format!(
            "[[grid]]\nlabel = '{name}'\nnetwork = {{ file = '{name}' }}\noptimizer = ['sgd', 'adamw', 'muon']\n\
             lr = [0.01, 1.0]\nclip = ['none', 'norm(0.5)']\n"
        )
    };
    let spec = format!(
        "name = 't'\nepochs = 5\nseeds = 3\n[record]\nepochs = true\n{}",
        names.iter().map(block).collect::<String>()
    );
    let place = place(&names, &spec);
    place.ok("sweep t.toml --out all --quiet --workers 1");
    for (dir, how) in [("one", "--chunk 1"), ("three", "--chunk 3 --workers 2"), ("five", "--chunk 5")] {
        place.ok(&format!("sweep t.toml --out {dir} --quiet {how}"));
        for file in ["runs.csv", "epochs.csv"] {
            assert_eq!(place.read(&format!("{dir}/{file}")), place.read(&format!("all/{file}")), "{dir} {file}");
        }
    }
    place.ok("sweep t.toml --out s --quiet --shard 1/2");
    place.ok("sweep t.toml --out s --quiet --shard 2/2");
    place.ok("merge merged s/shard-1-of-2 s/shard-2-of-2");
    assert_eq!(place.read("merged/runs.csv"), place.read("all/runs.csv"));
    let outcomes: Vec<String> = rows(&place, "all/runs.csv").into_iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes.len(), 144);
    assert!(outcomes.iter().any(|outcome| outcome == "converged"), "{outcomes:?}");
}

/// A step that goes bad is located in the user's own program, and a replay says the same.
#[test]
fn the_first_bad_value_is_located_by_module_and_line() {
    let spec = grid("transformer.blowup", "").replace("[0.01, 1.0]", "1e4").replace("epochs = 4", "epochs = 40");
    let place = place(&["transformer.blowup"], &spec);
    place.ok("sweep t.toml --out r --quiet");
    for row in rows(&place, "r/runs.csv") {
        assert_eq!(row["outcome"], "nonfinite");
        assert!(row["nonfinite_site"].starts_with("aten."), "{row:?}");
        assert!(row["nonfinite_source"].starts_with("zoo.py:"), "{row:?}");
        assert!(!row["nonfinite_module"].is_empty() && row["nonfinite_layer"].is_empty(), "{row:?}");
        let told = place.ok(&format!("replay r {}", row["trial"]));
        let place = format!(
            "first bad value: {}, {}, {}",
            row["nonfinite_site"], row["nonfinite_module"], row["nonfinite_source"]
        );
        assert!(told.contains(&place) && told.contains("the whole row has the same bytes"), "{told}");
    }
}

/// What a trial is follows from what the file holds, and not from its name; and the results can be
/// read without it.
#[test]
fn a_bundle_is_known_by_its_content() {
    let expect = "[[expect]]\nmetric = 'divergence_rate'\nmax = 1.0\n";
    let place = place(&["autoencoder.blowup"], &(grid("autoencoder.blowup", "") + expect));
    place.ok("sweep t.toml --out r --quiet");
    std::fs::rename(place.path("autoencoder.blowup"), place.path("moved.blowup")).unwrap();
    place.write("m.toml", &grid("moved.blowup", ""));
    place.ok("sweep m.toml --out m --quiet");
    let ids = |file: &str| rows(&place, file).into_iter().map(|row| row["trial"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("r/runs.csv"), ids("m/runs.csv"));
    // The folder of results needs no bundle to be checked, plotted and filtered.
    place.ok("check r");
    place.ok("plot r --where network=autoencoder.blowup");
    // Another content is another trial.
    let mut other = bytes("autoencoder.blowup");
    let at = 8 + u64::from_le_bytes(other[..8].try_into().unwrap()) as usize;
    other[at] ^= 1;
    std::fs::write(place.path("moved.blowup"), other).unwrap();
    assert!(place.refused("sweep m.toml --out m").contains("6 rows that are not of `m.toml`"));
    place.ok("sweep m.toml --out n --quiet");
    assert!(ids("m/runs.csv").iter().all(|id| !ids("n/runs.csv").contains(id)));
}

/// The numbers of a spec are held against the dtype of the bundle, which is float64 here.
#[test]
fn a_rate_that_the_dtype_of_the_bundle_holds_is_no_mistake() {
    let spec = grid("pinn.blowup", "").replace("[0.01, 1.0]", "[1e160]");
    let place = place(&["pinn.blowup"], &spec);
    assert!(place.ok("sweep t.toml --dry-run").contains("3 trials"));
}

/// A file that is no bundle, or not one for this program, is told with its place in the spec.
#[test]
fn what_is_no_bundle_is_refused() {
    let place = place(&[], &grid("x.blowup", ""));
    let refused = |bytes: &[u8]| {
        std::fs::write(place.path("x.blowup"), bytes).unwrap();
        place.refused("sweep t.toml --dry-run")
    };
    assert!(place.refused("sweep t.toml --dry-run").contains("cannot read `x.blowup`"));
    assert!(refused(b"a,b\n1,2\n").contains("it is no bundle"));
    let whole = bytes("autoencoder.blowup");
    assert!(refused(&whole[..whole.len() - 1]).contains("ends beyond the file"));
    let changed = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
    };
    assert!(refused(&changed("\"version\":\"1\"", "\"version\":\"2\"")).contains("version 2, and version 1 is read"));
    let strange = refused(&changed("\"name\":\"aten::transpose\"", "\"name\":\"aten::set_data_\""));
    assert!(strange.contains("`aten::set_data_` is not among the operators"), "{strange}");
    let told = refused(&changed("{\"tensor\":0}", "{\"tensor\":z}"));
    assert!(told.contains("t.toml:8:") && told.contains("at line 1 column"), "{told}");
    // A schema that this libtorch does not have stops the sweep, and no trial is lost.
    let schema = changed("transpose.int(Tensor(a) self, int dim0", "transpose.int(Tensor(a) self, int dimX");
    std::fs::write(place.path("x.blowup"), schema).unwrap();
    let output = place.run("sweep t.toml --out r --quiet");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("the bundle has `aten::transpose.int(Tensor(a) self, int dimX"),
        "{text}"
    );
}

/// Axes of built-in networks, tasks and seeds that a bundle does not have are mistakes.
#[test]
fn a_block_of_bundles_has_no_axes_of_built_in_networks() {
    let place = place(&["autoencoder.blowup"], "");
    let refused = |spec: &str| {
        place.write("t.toml", spec);
        place.refused("sweep t.toml --dry-run")
    };
    for axis in ["depth = 2", "init = 'he'", "batch = 4", "dtype = 'float64'", "loss = 'mse'", "lr_output = 0.1"] {
        let told = refused(&grid("autoencoder.blowup", axis));
        assert!(told.contains("applies nowhere in this block"), "{axis}: {told}");
    }
    let told = refused(&grid("autoencoder.blowup", "").replace("seeds = 3", "seeds = 4"));
    assert!(told.contains("no initial weights for the seed 3") && told.contains("3: 0, 1, 2"), "{told}");
    let told = refused(&grid("autoencoder.blowup", "task = { kind = 'teacher' }"));
    assert!(told.contains("a bundle has its own data"), "{told}");
    let mixed =
        grid("autoencoder.blowup", "").replace("{ file = 'autoencoder.blowup' }", "['mlp', 'autoencoder.blowup']");
    assert!(refused(&mixed).contains("a block trains bundles or built-in networks"));
    let told = refused(&grid("autoencoder.blowup", "").replace("epochs = true", "sharpness = true"));
    assert!(told.contains("a bundle has no layers and no sharpness"), "{told}");
    assert!(refused(&grid("autoencoder.onnx", "")).contains("does not end with `.blowup`"));
    place.write("t.toml", &grid("autoencoder.blowup", ""));
    for device in ["cuda", "cpu:plain"] {
        let told = place.refused(&format!("sweep t.toml --out r --device {device}"));
        assert!(told.contains("is a bundle, which trains on the CPU"), "{told}");
    }
    // Bundles and built-in nets stand in one spec, each in blocks of its own.
    let both = grid("autoencoder.blowup", "") + "[[grid]]\ntask = { kind = 'teacher' }\nlr = 0.1\n";
    place.write("t.toml", &both);
    assert!(place.ok("sweep t.toml --dry-run").contains("9 trials"));
}
