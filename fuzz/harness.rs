//! What a reader of the program owes to any bytes at all: an answer, or an error in words, and what
//! it accepts must hold together. There is one function per reader, which panics where the reader
//! breaks its promise. libFuzzer runs them (`make fuzz`), and so do the tests, with fewer inputs.

use blowup_core::arrays as array_file;
use blowup_core::axis::TABLE;
use blowup_core::bundle::Bundle;
use blowup_core::check::github::github;
use blowup_core::check::judge::judge;
use blowup_core::check::junit::junit;
use blowup_core::check::layers::LayerCells;
use blowup_core::check::measure::{self, SweepRows};
use blowup_core::check::roster::Roster;
use blowup_core::check::run::Run;
use blowup_core::check::text;
use blowup_core::csv_task::{self, Targets};
use blowup_core::device::Device;
use blowup_core::plan::{Cost, PlanOptions, Planner};
use blowup_core::protocol::{self, Order, Report};
use blowup_core::record::{self, Lost, OUTCOME, Piece, SIDES};
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use blowup_core::store::sums::{self, Found, Known, Recorded};
use blowup_core::store::{Folder, Manifest, Table, Vouch};
use blowup_core::summary::Summary;
use blowup_core::trial::{Trial, TrialId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Tries a reader with these bytes, and panics where the reader breaks its promise.
pub type Target = fn(&[u8]);

/// Every reader by name.
pub const TARGETS: [(&str, Target); 12] = [
    ("spec", spec),
    ("metric", metric),
    ("filter", filter),
    ("data", data),
    ("arrays", arrays),
    ("bundle", bundle),
    ("rows", rows),
    ("journal", journal),
    ("sums", sums),
    ("sheet", sheet),
    ("manifest", manifest),
    ("protocol", protocol),
];

/// A spec has mistakes with their places, or trials that hold together.
fn spec(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Spec::parse(text, "fuzz.toml", &open) {
        Ok(spec) => grid(&spec),
        Err(report) => {
            assert!(!report.problems.is_empty());
            for problem in &report.problems {
                assert!((1..=text.matches('\n').count() + 1).contains(&problem.line) && problem.column > 0);
                is_plain(&problem.message);
                is_plain(&problem.hint);
            }
            is_lines(&report.to_string());
        }
    }
}

/// The files of csv and arrays tasks, and of programs.
fn open(path: &str) -> io::Result<(String, Vec<u8>)> {
    match path {
        "a.csv" => Ok((path.to_owned(), b"a,b,y\n1,2,x\n3,4,z\n".to_vec())),
        "a.npy" => Ok((path.to_owned(), include_bytes!("corpus/arrays/c.npy").to_vec())),
        "a.npz" => Ok((path.to_owned(), include_bytes!("corpus/arrays/deflated.npz").to_vec())),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Of a larger grid only some points are looked at.
const POINTS: u128 = 2_000;

fn grid(spec: &Spec) {
    let grid = spec.grid();
    let points = grid.points();
    let mut planner = Planner::default();
    if points <= POINTS {
        let (mut trials, mut number) = (grid.trials(), 0);
        while let Some((point, id, trial)) = trials.advance() {
            assert_eq!(grid.at(point).id(), id);
            planner.push(number, &trial);
            number += 1;
            if number < 50 {
                whole(&trial);
            }
        }
    } else {
        let last = (points - 1).min(u128::from(u64::MAX) - 1) as u64;
        [0, 1, last / 2, last].iter().for_each(|point| whole(&grid.at(*point)));
    }
    let plan =
        planner.plan(PlanOptions { workers: 2, device: Device::Cpu, chunk: None, bytes: f64::INFINITY, seconds: None });
    assert!(plan.chunks.iter().all(|chunk| !chunk.trials.is_empty() && chunk.seconds() >= 0.0));
    assert!(spec.expects.iter().all(|expect| !expect.metric.text.is_empty()));
}

/// Checks that a trial has its axes, its budget, its cost, and a row that is read back as its own.
fn whole(trial: &Trial) {
    let id = trial.id();
    assert!(trial.given.is_some() || TABLE.iter().filter_map(|axis| axis.id.of(trial)).count() >= 20);
    assert!(trial.batch >= 1 && trial.batch <= trial.task.samples && trial.epochs() <= trial.steps());
    assert!(Cost::of(trial).lanes(f64::INFINITY) >= 1);
    let row = record::lost_row(trial, Lost::Crashed);
    let mut found = Vec::new();
    let declared = trial.given.iter().map(|given| given.declared.len()).sum::<usize>();
    scan(&row, record::runs().len() + declared, &mut |piece| {
        if let Piece::Row { trial, .. } = piece {
            found.push(trial);
        }
    });
    assert_eq!(found, [id]);
}

/// A spec with two shapes that metrics can be about.
const GRID: &str = "name='t'\nepochs=2\nseeds=2\ntask={kind='noise-sequence',samples=3}\n[record]\nlayers=[0]\n[base]\nlr=1\n\
    [[grid]]\nlabel='a'\nnetwork='rnn'\ndepth=2\nsequence_length=3\n[[grid]]\nnetwork='mlp'\ntask={kind='noise',samples=3}\ndepth=3\n";

/// The text of a metric, and what it measures in rows with every kind of cell.
fn metric(bytes: &[u8]) {
    let Ok(metric) = std::str::from_utf8(bytes) else { return };
    let text = format!("{GRID}[[expect]]\nmax=1\nmetric={}\n", toml::Value::from(metric));
    match Spec::parse(&text, "fuzz.toml", &open) {
        Ok(spec) => {
            let roster = Roster::new(&spec, &[]);
            let columns = measure::columns(&spec);
            let run = Run::read(Path::new("runs.csv"), &finished(&spec)[..], &roster, &columns, None, None).unwrap();
            let Ok(mut layers) = LayerCells::wanted(&spec, &roster) else { return };
            layers.read(Path::new("layers.csv"), &layer_rows(&spec)[..], &roster).unwrap();
            render(&spec, SweepRows { roster: &roster, run: &run, layers: &layers, lines: &[] });
        }
        Err(report) => is_lines(&report.to_string()),
    }
}

fn render(spec: &Spec, rows: SweepRows<'_>) {
    let gate = judge(spec, rows, None);
    let place = |byte: usize| format!("fuzz.toml:{byte}");
    is_lines(&text::text(&gate, "", &place));
    junit(&gate, &place);
    is_lines(&github(&gate, "fuzz.toml", &|byte| ("fuzz.toml".to_owned(), byte)));
}

/// A `runs.csv` in which every trial is done.
fn finished(spec: &Spec) -> Vec<u8> {
    let mut csv = record::line(record::runs());
    for (number, trial) in spec.grid().trials().enumerate() {
        let row = record::lost_row(&trial, Lost::Crashed);
        let mut fields = record::fields(&row[..row.len() - 1]);
        let cells = ["", "NaN", "inf", "-1.5", "0.0", "3"];
        for (column, field) in fields.iter_mut().enumerate().skip(OUTCOME) {
            let cell = cells[(number + column) % cells.len()];
            *field = if column == OUTCOME { b"diverged"[..].into() } else { cell.as_bytes().into() };
        }
        fields[OUTCOME + 1] = b""[..].into();
        fields[record::column("nonfinite_site")] = b"loss"[..].into();
        csv.extend(record::line(&fields));
    }
    csv
}

/// A `layers.csv` of these trials.
fn layer_rows(spec: &Spec) -> Vec<u8> {
    let mut csv = record::line(SIDES[1].columns);
    for trial in spec.grid().trials() {
        for layer in 1..=trial.network.depth() + 1 {
            let times = trial.network.sequence_length().filter(|_| layer <= trial.network.depth()).unwrap_or(0);
            for time in times.min(1)..=times {
                let time = if time == 0 { String::new() } else { time.to_string() };
                let keys = [trial.id().to_string(), "0".to_owned(), layer.to_string(), time];
                let measured = ["1.5", "inf", "", "NaN"].iter().cycle().map(|cell| (*cell).to_owned());
                let cells = keys.into_iter().chain(measured).take(SIDES[1].columns.len());
                csv.extend(record::line(cells));
            }
        }
    }
    csv
}

/// The arguments of `--where`, one on each line, on trials of all kinds.
fn filter(bytes: &[u8]) {
    static TRIALS: LazyLock<Vec<Trial>> = LazyLock::new(|| {
        let text = format!(
            "{GRID}activation=['relu','leaky_relu']\nclip=['none','norm(1.0)']\nbatch=['all',2]\nresidual=[true,false]\n\
             optimizer=['sgd','adam']\n[[grid]]\nlabel='b'\nnetwork='gru'\nsequence_length=4\ninit=['he','normal(0.1)']\n"
        );
        Spec::parse(&text, "grid.toml", &open).unwrap_or_else(|report| panic!("{report}")).grid().trials().collect()
    });
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let arguments: Vec<String> = text.lines().map(str::to_owned).collect();
    match Filter::parse(&arguments, &blowup_core::axis::AxisSet::default()) {
        Ok(filter) => assert!(TRIALS.iter().filter(|trial| filter.matches(*trial)).count() <= TRIALS.len()),
        Err(message) => is_lines(&message),
    }
}

/// A bundle: whatever its graphs name is there, and is made before it is read.
fn bundle(bytes: &[u8]) {
    let bundle = match Bundle::read(bytes) {
        Ok(bundle) => bundle,
        Err(error) => return is_plain(&error),
    };
    let program = &bundle.program;
    assert!(program.batch() > 0 && program.samples() > 0 && program.parameters() < 1 << 60);
    for held in program.parameters.iter().chain(&program.buffers) {
        assert_eq!(bundle.tensor(&held.initial).shape[1..], held.shape);
    }
    for graph in &program.graphs {
        let mut made = graph.inputs(program);
        for node in &graph.nodes {
            assert!(node.reads().all(|value| value < made) && node.op < program.operators.len());
            made += node.out.len();
        }
        assert!(graph.needed(&[graph.outputs.loss]).is_sorted());
        let size = |name: &String| bundle.tensor(name).shape.iter().product::<usize>();
        graph.constants.iter().for_each(|name| assert_eq!(bundle.tensor(name).data.len() % size(name).max(1), 0));
    }
}

/// The file of an arrays task: its arrays are whole, and a data set of them has sizes that fit.
fn arrays(bytes: &[u8]) {
    let names = match array_file::names(bytes) {
        Ok(names) => names,
        Err(error) => return is_plain(&error),
    };
    let mut all = Vec::new();
    for name in names.iter().take(4) {
        match array_file::read(bytes, name) {
            Ok(array) => {
                assert_eq!(array.shape.iter().product::<usize>(), array_file::floats(array.clone()).len());
                all.push(array);
            }
            Err(error) => is_plain(&error),
        }
    }
    for (inputs, targets) in all.iter().flat_map(|inputs| all.iter().map(move |targets| (inputs, targets))) {
        match array_file::sizes(inputs, targets, None) {
            Ok(sizes) => {
                assert!(sizes.samples > 0 && sizes.features > 0 && sizes.targets > 0 && sizes.time != Some(0));
                assert!(sizes.classes.is_none_or(|classes| classes >= 2 && sizes.targets == 1));
                let numbers = sizes.samples * sizes.features * sizes.time.unwrap_or(1);
                assert_eq!(numbers, inputs.shape.iter().product::<usize>());
            }
            Err(error) => is_plain(&error),
        }
    }
}

/// The file of a csv task. The first byte says what is asked of the file.
fn data(bytes: &[u8]) {
    let Some((ask, bytes)) = bytes.split_first() else { return };
    let features: Vec<String> = ["a", "b"].iter().take(usize::from(ask >> 1 & 3)).map(|f| (*f).to_owned()).collect();
    match csv_task::parse(bytes, "y", &features, ask & 1 == 1) {
        Ok(table) => {
            assert!(table.samples > 0 && !table.features.is_empty());
            assert_eq!(table.inputs.len(), table.samples * table.features.len());
            assert!(table.inputs.iter().all(|x| x.is_finite()));
            match table.targets {
                Targets::Values(values) => {
                    assert!(values.len() == table.samples && values.iter().all(|x| x.is_finite()))
                }
                Targets::Classes { index, classes } => {
                    assert!(index.len() == table.samples && (2..=table.samples).contains(&classes));
                    assert!(index.iter().all(|i| (0..classes as i64).contains(i)));
                }
            }
        }
        Err(error) => is_plain(&error.to_string()),
    }
}

fn scan(bytes: &[u8], columns: usize, each: &mut dyn FnMut(Piece<'_>)) {
    let done = record::scan::<io::Error>(bytes, 0, columns, &mut |_, piece| {
        each(piece);
        Ok(())
    });
    done.expect("memory can be read");
}

/// Rows of result files. The pieces make up the whole file, and a whole row has its cells, however
/// the bytes arrive.
fn rows(bytes: &[u8]) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let columns = [1, 2, 6, 8, 10, record::runs().len()][usize::from(first) % 6];
    let (mut end, mut seen) = (0, Vec::new());
    let slow = BufReader::with_capacity(5, bytes);
    let done = record::scan::<io::Error>(slow, 0, columns, &mut |offset, piece| {
        assert_eq!(offset, end);
        let (name, text) = match piece {
            Piece::Row { trial, text, ends } => {
                assert_eq!((ends.len(), record::fields(&text[..text.len() - 1]).len()), (columns, columns));
                assert_eq!(record::row_id(text), (columns > 1).then_some(trial));
                ("row", text)
            }
            Piece::Damaged { text, .. } => ("damaged", text),
            Piece::Torn { text } => ("torn", text),
        };
        assert_eq!(text, &bytes[end as usize..][..text.len()]);
        end += text.len() as u64;
        seen.push((name, text.len()));
        Ok(())
    });
    done.expect("memory can be read");
    assert_eq!(end, bytes.len() as u64);
    let mut again = Vec::new();
    scan(bytes, columns, &mut |piece| {
        again.push(match piece {
            Piece::Row { text, .. } => ("row", text.len()),
            Piece::Damaged { text, .. } => ("damaged", text.len()),
            Piece::Torn { text } => ("torn", text.len()),
        });
    });
    assert_eq!(seen, again);
}

/// A result file of a run directory. What is read of it survives being put in order, and then
/// everything is clean.
fn journal(bytes: &[u8]) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let (file, columns, verdicts) = match first % 4 {
        0 => (SIDES[0].file, SIDES[0].columns.to_vec(), false),
        1 => (SIDES[1].file, SIDES[1].columns.to_vec(), false),
        _ => ("runs.csv", record::runs(), true),
    };
    let path = temporary(file);
    let with_header = [&record::line(&columns)[..], bytes].concat();
    std::fs::write(&path, if first & 16 == 0 { &with_header } else { bytes }).unwrap();
    let folder = Folder::open(path.parent().unwrap()).unwrap();
    let mut vouch = |_, _| Ok(Some(Recorded::Unknown));
    let mut read = || {
        let vouch: Option<&mut Vouch<'_>> = if verdicts { Some(&mut vouch) } else { None };
        Table::read(&folder, file, &columns, folder.snapshot(file)?, vouch)
    };
    let mut table = match read() {
        Ok(table) => table,
        Err(failure) => return is_lines(&failure.to_string()),
    };
    let mut order: Vec<TrialId> = table.places().collect();
    order.sort_unstable();
    let texts: Vec<Vec<u8>> = order.iter().map(|trial| table.row(*trial).unwrap().unwrap()).collect();
    assert!(order.iter().zip(&texts).all(|(trial, text)| record::row_id(text) == Some(*trial)));
    if verdicts {
        let mut summary = Summary::new(&SUMMARIZED, false);
        texts.iter().for_each(|text| summary.add(text, &mut io::sink()).unwrap());
        assert_eq!(summary.all.trials, order.len() as u64);
    }
    table.reorder(order.iter().copied()).unwrap();
    let again = read().unwrap();
    assert!(again.is_clean() && again.len() == order.len());
    assert!(order.iter().zip(&texts).all(|(trial, text)| again.row(*trial).unwrap().as_deref() == Some(&text[..])));
}

/// A spec that sets axes, for the table of a summary.
static SUMMARIZED: LazyLock<Spec> = LazyLock::new(|| {
    let text = "name = 'summarized'\nepochs = 1\n[task]\nkind = 'noise'\nsamples = 9\n[[grid]]\ninit = ['he', 'normal(2)']\nlr = [0.1, 1]\ndepth = [1, 2]\n";
    Spec::parse(text, "summarized.toml", &open).unwrap_or_else(|report| panic!("{report}"))
});

/// A path in memory, if the system has such files. Each thread has its own.
fn temporary(file: &str) -> PathBuf {
    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
    });
    let own = FOLDER.path().join(format!("{:?}", std::thread::current().id()));
    std::fs::create_dir_all(&own).unwrap();
    own.join(file)
}

/// Checksums. Those are known that have a line of their own, in whatever order they are looked for.
fn sums(bytes: &[u8]) {
    let path = temporary("sums.crc32");
    std::fs::write(&path, bytes).unwrap();
    let lines: HashSet<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let found = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(record::row_id);
    let mut known = Known::open(path).unwrap().expect("it was written");
    for trial in found.take(20) {
        for sum in [0, 1, 0x89ab_cdef, u32::MAX] {
            let found = known.find(trial, sum, None).unwrap() != Found::Nothing;
            let bare = sums::line(trial, sum, None);
            let start = [&bare[..bare.len() - 1], b","].concat();
            let any = lines.iter().any(|line| **line == bare[..] || line.starts_with(&start) && sums::is_line(line));
            assert_eq!(found, any, "{trial} {sum:08x}");
        }
    }
}

/// `runs.csv` and `layers.csv` as a gate reads them.
fn sheet(bytes: &[u8]) {
    static SPEC: LazyLock<Spec> = LazyLock::new(|| {
        let metric =
            "[[expect]]\nmax=1\nmetric='mean(backprop_norm[1..2, time 1..last] * lr)'\nwhere={network='rnn'}\n";
        Spec::parse(&format!("{GRID}{metric}"), "grid.toml", &open).unwrap_or_else(|report| panic!("{report}"))
    });
    static ROSTER: LazyLock<Roster> = LazyLock::new(|| Roster::new(&SPEC, &[]));
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let header = |columns: &[&str]| if first & 2 == 0 { record::line(columns) } else { Vec::new() };
    let mut layers = LayerCells::wanted(&SPEC, &ROSTER).unwrap();
    let path = Path::new("file.csv");
    let read = if first & 1 == 0 {
        let csv = [&header(&record::runs())[..], bytes].concat();
        Run::read(path, &csv[..], &ROSTER, &measure::columns(&SPEC), None, None)
    } else {
        let csv = [&header(SIDES[1].columns)[..], bytes].concat();
        layers
            .read(path, &csv[..], &ROSTER)
            .and_then(|()| Run::read(path, &finished(&SPEC)[..], &ROSTER, &measure::columns(&SPEC), None, None))
    };
    match read {
        Ok(run) => render(&SPEC, SweepRows { roster: &ROSTER, run: &run, layers: &layers, lines: &[] }),
        Err(failure) => is_lines(&failure.to_string()),
    }
}

/// A manifest that is accepted is written as it was read.
fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(manifest) = Manifest::parse(text) {
        let written = manifest.render();
        assert_eq!(Manifest::parse(&written).expect("what was written is read").render(), written);
    }
}

/// Hands out a few bytes at a time, as a pipe may do.
struct Pipe<'a>(&'a [u8]);

impl Read for Pipe<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let few = to.len().min(3);
        self.0.read(&mut to[..few])
    }
}

/// What comes through a pipe, in both directions. The first byte says whether the rest is one
/// message or a stream of frames.
fn protocol(bytes: &[u8]) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let framed = [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat();
    let stream = if first & 2 == 0 { &framed } else { bytes };
    if first & 1 == 0 { messages::<Order>(stream) } else { messages::<Report>(stream) }
}

/// A message that is accepted keeps its bytes from then on.
fn messages<T: Serialize + DeserializeOwned>(stream: &[u8]) {
    let mut pipe = Pipe(stream);
    while let Ok(Some(message)) = protocol::receive::<T>(&mut pipe) {
        let send = |message: &T| {
            let mut bytes = Vec::new();
            protocol::send(&mut bytes, message).map(|()| bytes)
        };
        let sent = send(&message).unwrap();
        let again = protocol::receive::<T>(&mut &sent[..]).unwrap().expect("what was sent arrives");
        assert_eq!(send(&again).unwrap(), sent);
    }
}

/// Checks that a message says something, and nothing that a terminal would obey.
fn is_plain(text: &str) {
    assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
}

fn is_lines(text: &str) {
    text.lines().for_each(|line| assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}"));
}
