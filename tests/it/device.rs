//! Training on a GPU, as far as a machine without one can show it: the program says what is
//! missing, and the operations of a GPU give the results of the CPU.

use crate::plan;
use crate::sweep::{Place, stderr};
use crate::training;
use blowup_core::device::Device;
use blowup_core::plan::{PlanOptions, Planner};
use blowup_core::trial::*;
use blowup_engine as engine;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// A spec with every kind of pass in a small size.
const SPEC: &str = r#"
name="t"
epochs=4
seeds=1
[task]
kind="noise"
inputs=3
samples=12
[base]
width=7
batch=5
dtype="float32"
[[grid]]
depth=3
init=["he","normal(2.0)"]
activation=["linear","relu","leaky_relu","tanh","sigmoid","gelu","selu","silu"]
lr=[0.01, 1e4]
[[grid]]
depth=2
norm=["batch","layer","rms"]
residual=[false,true]
loss=["mse","cross_entropy"]
lr=0.1
[[grid]]
depth=2
optimizer=["sgd","adam","adamw","rmsprop"]
weight_decay=[0.0,0.1]
clip=["none","norm(0.1)","value(0.01)"]
parametrization=["standard","ntk"]
lr=0.01
[[grid]]
network=["rnn","lstm","gru"]
task={kind="noise-sequence", inputs=3, samples=11}
sequence_length=4
depth=2
lr=[0.1, 1e3]
[record]
epochs=true
layers="all"
"#;

#[test]
fn a_device_is_read_as_it_is_written() {
    for (text, device) in [("cpu", Device::Cpu), ("cpu:plain", Device::CpuPlain), ("cuda:3", Device::Cuda(3))] {
        assert_eq!(text.parse(), Ok(device));
        assert_eq!(device.to_string(), text);
    }
    assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
    assert!(
        "gpu".parse::<Device>().is_err() && "cuda:x".parse::<Device>().is_err() && "cpu:0".parse::<Device>().is_err()
    );
}

/// The cells of a CSV file by row and column. The first `keys` columns name the row.
fn cells(csv: &str, keys: usize) -> HashMap<(String, String), String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut cells = HashMap::new();
    for row in reader.records().map(Result::unwrap) {
        let key = row.iter().take(keys).collect::<Vec<_>>().join(" ");
        cells.extend(header.iter().zip(&row).map(|(column, cell)| ((key.clone(), column.to_owned()), cell.to_owned())));
    }
    cells
}

/// Whether two cells agree: texts and whole numbers exactly, other numbers within a relative
/// `tolerance`.
fn close(a: &str, b: &str, tolerance: f64) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) if a.is_finite() && b.is_finite() => (a - b).abs() <= tolerance * a.abs().max(b.abs()),
        _ => a == b,
    }
}

#[test]
fn without_the_fused_passes_verdicts_and_measurements_are_the_same() {
    let place = Place::new(SPEC);
    for (device, out) in [("cpu", "fused"), ("cpu:plain", "plain")] {
        let run = place.run(&format!("sweep t.toml --device {device} --out {out} --quiet"));
        assert!(run.status.success(), "{}", stderr(&run));
    }
    let runs = |out: &str| cells(&place.read(&format!("{out}/runs.csv")), 1);
    let (fused, plain) = (runs("fused"), runs("plain"));
    assert_eq!(fused.len(), plain.len());
    let before = ["loss_initial", "grad_norm_initial", "weight_norm_initial", "backprop_ratio", "activation_ratio"];
    let verdict = ["outcome", "step_diverged", "step_nonfinite", "nonfinite_site", "nonfinite_layer"];
    for ((trial, column), cell) in &fused {
        let found = &plain[&(trial.clone(), column.clone())];
        if before.contains(&&**column) {
            assert!(close(cell, found, 1e-4), "{trial} {column}: {found} for {cell}");
        } else if verdict.contains(&&**column) {
            assert_eq!(cell, found, "{trial} {column}");
        }
    }
    let layers = |out: &str| cells(&place.read(&format!("{out}/layers.csv")), 4);
    let (fused, plain) = (layers("fused"), layers("plain"));
    let first = |key: &&(String, String)| key.0.split(' ').nth(1) == Some("0");
    assert!(fused.keys().filter(first).count() > 1000);
    for key in fused.keys().filter(first) {
        assert!(close(&fused[key], &plain[key], 1e-4), "{key:?}: {} for {}", plain[key], fused[key]);
    }
    let manifest = place.read("plain/manifest.toml");
    assert!(manifest.contains(r#"device = "cpu:plain""#) && manifest.contains("no fused passes"), "{manifest}");
}

#[test]
fn a_gpu_trains_thousands_of_lanes_at_once_as_many_as_fit() {
    let lanes = |width: usize, device: Device| {
        let mut planner = Planner::default();
        (0..20_000).for_each(|number| planner.push(number, &plan::trial(16, width, 0)));
        let plan = planner.plan(PlanOptions { workers: 1, device, chunk: None, seconds: None, bytes: f64::INFINITY });
        assert_eq!(plan.chunks.iter().map(|chunk| chunk.trials.len()).sum::<usize>(), 20_000);
        plan.chunks.iter().map(|chunk| chunk.trials.len()).max().unwrap()
    };
    let gpu = Device::Cuda(0);
    assert!(
        (8_000..20_000).contains(&lanes(16, gpu)) && (1_000..8_000).contains(&lanes(64, gpu)),
        "{}",
        lanes(64, gpu)
    );
    assert!(lanes(256, gpu) > 10 * lanes(256, Device::Cpu));
}

#[test]
fn rows_of_one_device_are_not_mixed_with_those_of_another_unasked() {
    let place = Place::new(SPEC);
    assert!(place.run("sweep t.toml --out o --quiet --where network=rnn").status.success());
    let run = place.run("sweep t.toml --out o --quiet --device cpu:plain");
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains("no fused passes") && stderr(&run).contains("--allow-mixed"), "{}", stderr(&run));
    assert!(place.run("sweep t.toml --out o --quiet --device cpu:plain --allow-mixed").status.success());
}

#[test]
fn a_norm_that_leaves_the_range_of_the_dtype_is_measured_again_on_the_device() {
    // The weights are so large that squares of the gradient overflow f32, so small that they
    // vanish, or between these.
    for dtype in [Dtype::Float32, Dtype::Float64] {
        let trial = |scale: f64| {
            let init = Init { kind: InitKind::Constant, scale, offset: 0.0 };
            Trial {
                init,
                numerics: Numerics::Uniform(dtype),
                bias: Bias::None,
                budget: Budget::Steps(1),
                lr: 0.0,
                ..training::scalar(1.0)
            }
        };
        let trials = [1e25, 1e-25, 1.0, 0.0].map(trial);
        let on = |device: Device| {
            let trials = trials.clone();
            let train = move || {
                engine::start_on(device).unwrap();
                training::train(&trials)
                    .into_iter()
                    .map(|run| run.measured.grad_norm_initial.unwrap())
                    .collect::<Vec<_>>()
            };
            std::thread::spawn(train).join().unwrap()
        };
        let (host, device) = (on(Device::Cpu), on(Device::CpuPlain));
        assert_eq!(host, device);
        let relative =
            host.iter().zip([2e25, 2e-25, 2.0, 0.0]).map(|(norm, exact)| (norm - exact).abs() / exact.max(1e-30));
        assert!(relative.into_iter().all(|error| error < 1e-6), "{host:?}");
    }
}

/// What `sweep --device` says without training anything: exit status 2, and nothing is written.
fn refusal(device: &str, environment: &[(&str, &Path)], numbers: &[(&str, &str)]) -> String {
    let place = Place::new(SPEC);
    let mut command = place.command(&format!("sweep t.toml --quiet --out o --device {device}"));
    command.env_remove("LIBTORCH_CUDA").envs(environment.iter().copied()).envs(numbers.iter().copied());
    let run = command.output().unwrap();
    assert_eq!(run.status.code(), Some(2), "{}", stderr(&run));
    assert!(!place.path("o/runs.csv").exists());
    stderr(&run)
}

/// A folder with a driver library that answers as the environment says.
fn fake_driver() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fake_libcuda.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).arg(folder.path().join("libcuda.so.1")).arg(source);
    assert!(compile.status().unwrap().success());
    folder
}

#[test]
fn whatever_a_gpu_takes_and_is_missing_is_said_with_how_to_get_it() {
    let (driver, empty) = (fake_driver(), tempfile::tempdir().unwrap());
    let with = |library: &Path, device: &str, numbers: &[(&str, &str)]| {
        refusal(device, &[("LD_LIBRARY_PATH", driver.path()), ("LIBTORCH_CUDA", library)], numbers)
    };
    let said = with(empty.path(), "cuda", &[]);
    assert!(said.contains("cannot train on `cuda:0`: there is no `libtorch_cuda.so` in"), "{said}");
    assert!(said.contains("`make libtorch-cuda` fetches it") && !said.contains("driver"), "{said}");

    let said = with(empty.path(), "cuda:2", &[("FAKE_CUDA_GPUS", "2")]);
    assert!(said.contains("no `libtorch_cuda.so`") && said.contains("there is no number 2"), "{said}");
    let said = with(empty.path(), "cuda", &[("FAKE_CUDA_VERSION", "12040")]);
    assert!(said.contains("the NVIDIA driver is for CUDA 12.4") && said.contains("580 or newer"), "{said}");
    assert!(with(empty.path(), "cuda", &[("FAKE_CUDA_INIT", "100")]).contains("finds no GPU"));
    assert!(with(empty.path(), "cuda", &[("FAKE_CUDA_INIT", "803")]).contains("its error 803"));

    // This library is none.
    std::fs::write(empty.path().join("libtorch_cuda.so"), "not a library").unwrap();
    let said = with(empty.path(), "cuda", &[]);
    assert!(said.contains("cannot be loaded: ") && said.contains("file too short"), "{said}");
}

#[test]
fn without_a_driver_its_absence_is_said() {
    // An empty file as the driver's library stands for a machine without a driver, also on a
    // machine that has one.
    let (driver, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(driver.path().join("libcuda.so.1"), "").unwrap();
    let said = refusal("cuda", &[("LD_LIBRARY_PATH", driver.path()), ("LIBTORCH_CUDA", empty.path())], &[]);
    assert!(said.contains("there is no `libtorch_cuda.so`"), "{said}");
    assert!(said.contains("there is no NVIDIA driver: `libcuda.so.1` cannot be loaded"), "{said}");
}
