//! What must hold of every axis, whatever it is. The tests go over the table of axes, so an axis
//! that is added is tested, too.

use crate::contract::parse;
use crate::training::train;
use blowup_core::axis::{Axis, AxisSet, Id, Kind, Rides, TABLE};
use blowup_core::plan::Split;
use blowup_core::record;
use blowup_core::spec::filter::Filter;
use blowup_core::trial::{Number, Trial, TrialId, Value};
use std::collections::{BTreeMap, HashMap};

/// Values of an axis, as a spec has them. The first two of them train differently.
fn values(axis: &Axis) -> Vec<String> {
    let all = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    match &axis.kind {
        // `stored` is for bundles alone.
        Kind::Choice { names, .. } => {
            names.iter().filter(|name| **name != "stored").map(|name| format!("'{name}'")).collect()
        }
        Kind::Integer { .. } => all(&["2", "3"]),
        Kind::Float { names, .. } => {
            all(&["0.25", "0.5"]).into_iter().chain(names.iter().map(|named| format!("'{}'", named.name))).collect()
        }
        Kind::Boolean => all(&["true", "false"]),
        Kind::Text => unreachable!("no built-in axis takes any text"),
    }
}

/// Further ways to write values of an axis, which may be the same as some of `values`.
fn other_values(axis: &Axis) -> Vec<String> {
    match &axis.kind {
        Kind::Float { range, .. } => {
            let numbers = [1.0, 65536.0, f64::INFINITY].into_iter().filter(|number| range.holds(*number));
            numbers.map(|number| format!("{number:?}")).collect()
        }
        // The task has 16 samples.
        Kind::Integer { .. } if axis.id == Id::Batch => ["16", "17", "'all'"].map(str::to_owned).to_vec(),
        Kind::Choice { short: Some(short), .. } if !matches!(axis.id, Id::Clip | Id::Skip) => {
            let number = short.sets.axis().usual().unwrap_or(Value::Float(1.0));
            vec![format!("'{}({:?})'", short.names[0], f64::of(number))]
        }
        Kind::Choice { .. } | Kind::Integer { .. } | Kind::Boolean => Vec::new(),
        Kind::Text => unreachable!("no built-in axis takes any text"),
    }
}

/// What a block says beside a value of an axis, so that the axis applies.
fn beside(axis: &Axis, value: &str) -> BTreeMap<&'static str, String> {
    let mut block = BTreeMap::new();
    let mut put = |id: Id, value: &str| {
        block.entry(id.name()).or_insert(value.to_owned());
    };
    put(axis.id, value);
    match (axis.id, value) {
        (Id::Nesterov, _) => put(Id::Momentum, "0.5"),
        (Id::Sampling, _) => put(Id::Batch, "8"),
        (Id::Loss, "'cross_entropy'") => {}
        (Id::NormPosition, "'pre'" | "'post'" | "'sandwich'" | "'deepnorm'") => {
            put(Id::Network, "'transformer'");
            put(Id::Norm, "'layer'");
        }
        (Id::Norm | Id::NormPosition, _) => put(Id::Network, "'mlp'"),
        (Id::ZLoss, _) => put(Id::Loss, "'cross_entropy'"),
        (Id::Heads, heads) => {
            // The heads share the width evenly.
            let heads: u64 = heads.parse().unwrap();
            put(Id::Width, &if 12 % heads == 0 { 12 } else { 2 * heads }.to_string());
        }
        (Id::Warmup, _) => put(Id::Schedule, "'warmup'"),
        (Id::Schedule, "'warmup'" | "'warmup_cosine'") => put(Id::Warmup, "2"),
        (Id::Clip, "'none'") | (Id::Skip, "'none'") => {}
        (Id::Clip, "'update'") => {
            put(Id::ClipThreshold, "0.125");
            put(Id::Optimizer, "'adam'");
        }
        (Id::Clip, _) => put(Id::ClipThreshold, "0.125"),
        (Id::Skip, _) => put(Id::SkipThreshold, "0.125"),
        (Id::ResidualScale | Id::Rezero, _) => put(Id::Residual, "true"),
        (Id::Schedule, "'wsd'") => {
            put(Id::Warmup, "2");
            put(Id::Cooldown, "3");
        }
        (Id::Cooldown, _) => {
            put(Id::Schedule, "'wsd'");
            put(Id::Warmup, "2");
        }
        (Id::WeightDecayMode, _) => put(Id::WeightDecay, "0.125"),
        (Id::ClipThreshold, _) => put(Id::Clip, "'norm'"),
        _ => {}
    }
    for need in axis.needs.iter().filter(|need| need.axis != Id::Init) {
        // The default initializer has a scale.
        if let Some(name) = need.names().first() {
            put(need.axis, &format!("'{name}'"));
        }
    }
    // `constant` weights are all alike at the start, and the first layer of `depth` 1 has nothing
    // to add its input to.
    put(Id::Depth, "2");
    put(Id::Lr, "0.125");
    block
}

/// The trial in which an axis has a value.
fn trial(axis: &Axis, value: &str) -> Trial {
    let spec = parse(&spec(axis, value, value));
    let mut trials = spec.grid().trials();
    let (trial, more) = (trials.next().unwrap(), trials.next());
    assert!(more.is_none(), "{}", axis.name);
    trial
}

/// A spec in which an axis has what is `written`, beside what a value of the axis needs.
fn spec(axis: &Axis, value: &str, written: &str) -> String {
    let block = beside(axis, value);
    let network = block.get("network").map_or("'mlp'", String::as_str);
    let (recurrent, transformer) = (network != "'mlp'", network == "'transformer'");
    let given = |name: &str, value: &str| format!("{name} = {}\n", if name == axis.name { written } else { value });
    let mut lines: String = block.iter().map(|(name, value)| given(name, value)).collect();
    if recurrent && axis.id != Id::SequenceLength {
        lines += "sequence_length = 4\n";
    }
    // The training has two epochs of four updates.
    let task = match (recurrent, axis.id) {
        (true, Id::Tied) => "kind = 'text', samples = 16",
        (true, _) => "kind = 'noise-sequence', inputs = 3, samples = 16",
        (false, Id::Loss | Id::ZLoss) if block[Id::Loss.name()] == "'cross_entropy'" => {
            "kind = 'noise', inputs = 3, samples = 16, classes = 3"
        }
        (false, _) => "kind = 'noise', inputs = 3, samples = 16",
    };
    if axis.id != Id::Batch && !block.contains_key("batch") {
        lines += "batch = 4\n";
    }
    if !block.contains_key("width") {
        lines += if transformer { "width = 12\n" } else { "width = 5\n" };
    }
    if transformer && axis.id != Id::Heads {
        lines += "heads = 3\n";
    }
    format!("name = 't'\nepochs = 2\nseeds = 1\ntask = {{ {task} }}\n[[grid]]\n{lines}")
}

/// Every value of every axis but the seed: the axis, the value, and the trial that has it.
fn every() -> Vec<(&'static Axis, String, Trial)> {
    let axes = TABLE.iter().filter(|axis| axis.id != Id::Seed);
    let each = axes.flat_map(|axis| values(axis).into_iter().map(move |value| (axis, value)));
    each.map(|(axis, value)| (axis, value.clone(), trial(axis, &value))).collect()
}

/// These are the ids that the program gave before the axes had a table of their own. A change here
/// would turn every result that people have into another trial.
#[test]
fn ids_are_what_they_were() {
    let ids: String =
        every().iter().map(|(axis, value, trial)| format!("{} = {value}: {}\n", axis.name, trial.id())).collect();
    insta::assert_snapshot!(ids);
}

/// The cells of a configuration and its seed.
fn cells(trial: &Trial) -> Vec<Vec<u8>> {
    let row = record::lost_row(trial, record::Lost::Crashed);
    let cells = record::fields(&row).into_iter().map(|cell| cell.into_owned());
    cells.skip(record::LABEL + 1).take(record::OUTCOME - record::LABEL - 1).collect()
}

#[test]
fn trials_with_other_cells_have_other_ids() {
    let mut by_id = HashMap::new();
    for (axis, value, trial) in every() {
        let cells = cells(&trial);
        let known = by_id.entry(trial.id()).or_insert_with(|| cells.clone());
        assert_eq!(*known, cells, "{} = {value}", axis.name);
    }
    assert!(by_id.len() > 60, "{}", by_id.len());
}

/// Two ways to write one value, such as the name of a number and the number, are one trial of a
/// grid. Otherwise a valid grid would be refused because two of its trials share an id.
#[test]
fn values_that_make_equal_trials_are_one_trial_of_a_grid() {
    let (mut tried, mut equal) = (0, 0);
    for axis in TABLE.iter().filter(|axis| axis.id != Id::Seed) {
        let all: Vec<String> = values(axis).into_iter().chain(other_values(axis)).collect();
        for (i, one) in all.iter().enumerate() {
            // What stands beside the values must be the same in one block.
            for other in all[i + 1..].iter().filter(|other| spec(axis, one, "") == spec(axis, other, "")) {
                let parsed = parse(&spec(axis, one, &format!("[{one}, {other}]")));
                let mut found: Vec<TrialId> = parsed.grid().trials().map(|trial| trial.id()).collect();
                let mut expected = [one, other].map(|value| trial(axis, value).id()).to_vec();
                found.sort_unstable();
                expected.sort_unstable();
                expected.dedup();
                assert_eq!(found, expected, "{} = [{one}, {other}]", axis.name);
                tried += 1;
                equal += usize::from(expected.len() == 1);
            }
        }
    }
    assert!(tried > 300 && equal >= 10, "{tried} pairs, of which {equal} are equal");
}

/// `--where`, and so every filter, takes each way to write a value, and lets those trials through
/// that have this value.
#[test]
fn a_value_of_a_filter_means_what_it_means_in_a_block() {
    for axis in TABLE.iter().filter(|axis| axis.id != Id::Seed) {
        let is_float = matches!(axis.kind, Kind::Float { .. });
        let others = if is_float { other_values(axis) } else { Vec::new() };
        let all: Vec<String> = values(axis).into_iter().chain(others).collect();
        for wanted in &all {
            let argument = format!("{}={}", axis.name, wanted.trim_matches('\''));
            let filter = Filter::parse(&[argument], &AxisSet::default()).unwrap_or_else(|error| panic!("{error}"));
            for value in &all {
                let (with, of) = (trial(axis, wanted), trial(axis, value));
                let same = if is_float { with.id() == of.id() } else { axis.id.of(&with) == axis.id.of(&of) };
                assert_eq!(filter.matches(&of), same, "{} = {wanted} and the trial of {value}", axis.name);
            }
        }
    }
}

/// What the table says of an axis is what becomes of a trial: a value that belongs to the shape
/// makes another cohort, and a value that belongs to the lane is the lane's own.
#[test]
fn an_axis_rides_where_the_table_says() {
    for axis in &TABLE {
        let trials: Vec<Trial> = match axis.rides {
            Rides::Seed => {
                let one = trial(Id::Lr.axis(), "0.25");
                vec![Trial { seed: 1, ..one.clone() }, one]
            }
            Rides::Shape | Rides::Lane | Rides::Clip => values(axis).iter().map(|value| trial(axis, value)).collect(),
        };
        for (i, one) in trials.iter().enumerate() {
            for other in &trials[i + 1..] {
                if one.id() == other.id() {
                    continue;
                }
                let ((shape, lane), (other_shape, other_lane)) = (one.parts(), other.parts());
                let together = match axis.rides {
                    Rides::Shape => false,
                    Rides::Lane | Rides::Seed => true,
                    Rides::Clip => one.clip.clipping() == other.clip.clipping(),
                };
                assert_eq!(shape == other_shape, together, "{}: {shape:?} and {other_shape:?}", axis.name);
                assert!(!together || lane != other_lane, "{}: {lane:?}", axis.name);
            }
        }
    }
}

#[test]
fn a_number_of_a_shape_is_told_apart_by_its_bits() {
    use blowup_core::trial::Activation;
    let slope = |negative_slope| {
        let mut trial = trial(Id::NegativeSlope.axis(), "0.25");
        *trial.network.activation_mut() = Activation::LeakyRelu { negative_slope };
        trial.shape()
    };
    assert_eq!(slope(0.25), slope(0.25));
    assert_ne!(slope(0.25), slope(0.25f64.next_up()));
    assert_ne!(slope(0.0), slope(-0.0));
}

#[test]
fn trials_of_different_shapes_do_not_train_together() {
    let [one, other] = ["4", "5"].map(|width| trial(Id::Width.axis(), width));
    let trained = blowup_engine::train(&[one, other], &Default::default(), &mut |_, _| {});
    assert!(trained.unwrap_err().to_string().contains("trials of different shapes cannot train together"));
}

/// All measured cells of a trial that was trained beside `others`.
fn measured(trial: &Trial, others: &[Trial]) -> Vec<u8> {
    let trials: Vec<Trial> = [trial.clone()].into_iter().chain(others.iter().cloned()).collect();
    let row = record::run_row(trial, &train(&trials)[0].measured);
    let cells: Vec<Vec<u8>> = record::fields(&row).into_iter().map(|cell| cell.into_owned()).collect();
    cells[record::OUTCOME..].join(&b","[..])
}

/// Values that mean the same. Without weight decay adamw is adam, and with the power 1 polynomial
/// is linear. At scale 1, `scaled` has the variance 1 / fan_in of `lecun`, and so has `xavier` in a
/// square matrix. Both thresholds of skipping are below every gradient norm of this net. The heads
/// have a width of 4, and the transformer has four branches.
const SAME: [(Id, &str, &str); 10] = [
    (Id::AttentionScale, "0.25", "'mup'"),
    (Id::AttentionScale, "0.5", "'standard'"),
    (Id::ResidualInitScale, "0.5", "'gpt2'"),
    (Id::Optimizer, "'adam'", "'adamw'"),
    (Id::Schedule, "'linear'", "'polynomial'"),
    (Id::SkipThreshold, "0.25", "0.5"),
    (Id::Init, "'lecun'", "'scaled'"),
    (Id::RecurrentInit, "'lecun'", "'scaled'"),
    (Id::RecurrentInit, "'xavier'", "'lecun'"),
    (Id::RecurrentInit, "'xavier'", "'scaled'"),
];

#[test]
fn every_axis_reaches_the_engine() {
    for axis in TABLE.iter().filter(|axis| axis.id != Id::Seed) {
        let values = values(axis);
        let rows: Vec<Vec<u8>> = values.iter().map(|value| measured(&trial(axis, value), &[])).collect();
        for (i, (value, row)) in values.iter().zip(&rows).enumerate() {
            for (other, same) in values.iter().zip(&rows).skip(i + 1) {
                let known = SAME.contains(&(axis.id, &**value, &**other));
                assert_eq!(row == same, known, "{} = {value} and {other}", axis.name);
            }
        }
    }
}

fn text(row: &[u8]) -> String {
    String::from_utf8_lossy(row).into_owned()
}

#[test]
fn lanes_that_differ_in_any_axis_train_as_they_do_alone() {
    let mut tried = 0;
    for axis in TABLE.iter().filter(|axis| axis.id != Id::Seed) {
        let trials: Vec<Trial> = values(axis).iter().map(|value| trial(axis, value)).collect();
        for (i, trial) in trials.iter().enumerate() {
            let others: Vec<Trial> = trials
                .iter()
                .enumerate()
                .filter(|(j, other)| *j != i && other.shape() == trial.shape())
                .map(|(_, other)| other.clone())
                .collect();
            if !others.is_empty() {
                tried += 1;
                assert_eq!(text(&measured(trial, &others)), text(&measured(trial, &[])), "{}", axis.name);
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

/// The values of any axis but the seed are spread over the shards, so that every shard gets its
/// share.
#[test]
fn values_of_any_axis_are_spread_over_the_shards() {
    const VALUES: usize = 1000;
    const SHARDS: u32 = 8;
    let mut uneven = Vec::new();
    for axis in TABLE.iter().filter(|axis| axis.id != Id::Seed) {
        let value = |i: usize| match axis.kind {
            Kind::Float { .. } => Some(format!("{}", 0.25 + 0.5 * i as f64 / VALUES as f64)),
            Kind::Integer { .. } if axis.id == Id::DataSeed || axis.id == Id::Warmup => Some(format!("{}", i + 1)),
            // No batch is larger than the 16 samples, and an epoch has four of them.
            Kind::Integer { .. } if axis.id != Id::Batch && axis.id != Id::Accumulate => Some(format!("{}", i + 2)),
            Kind::Integer { .. } | Kind::Choice { .. } | Kind::Boolean | Kind::Text => None,
        };
        let Some(trials) = (0..VALUES).map(|i| value(i).map(|value| trial(axis, &value))).collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let mut split = Split::new(trials.iter().cloned(), SHARDS);
        let mut shares = [0u32; SHARDS as usize];
        trials.iter().for_each(|trial| shares[split.shard_of(trial) as usize - 1] += 1);
        // Larger trials cost more, so their shares are equal in time.
        let shares: Vec<f64> = match axis.rides {
            Rides::Shape => split.seconds().to_vec(),
            Rides::Lane | Rides::Clip | Rides::Seed => shares.map(f64::from).to_vec(),
        };
        let mean = shares.iter().sum::<f64>() / f64::from(SHARDS);
        if shares.iter().any(|share| *share > 1.1 * mean) {
            uneven.push(format!("{}: {shares:?}", axis.name));
        }
    }
    assert!(uneven.is_empty(), "{}", uneven.join("\n"));
}
