//! The keys of a spec beside its axes. Each is declared once: its name, what it takes, its default
//! and what it means. The modules that read a spec take names and limits from here, and the schema
//! is made of these tables. How a value is read is not said here.

// These are the limits of values with a form of their own.
pub use super::dial::LISTED;
pub use super::draft::LONGEST_LABEL;
pub use super::formula::LONGEST as LONGEST_METRIC;
pub use super::range::MOST_POINTS;
pub use super::settings::{LONGEST as LONGEST_NAME, MOST_TABLES};

use crate::axis::{Bounds, End, Held};
use crate::map::Measure;
use crate::trial::{TaskKind, Value};

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub takes: Takes,
    /// Whether the table is refused without it.
    pub required: bool,
    /// The value where a spec gives none, if it is always the same.
    pub default: Option<Value>,
    /// What the key means, for the documents and the schema: sentences without its name.
    pub text: &'static str,
}

/// The values that a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    Boolean,
    Text,
    /// An integer from `min` to `max`, with both ends.
    Integer {
        min: i64,
        max: i64,
    },
    Number(Bounds),
    OneOf(&'static [&'static str]),
    /// A table with these keys.
    Table(&'static [Key]),
    /// The name of a sweep, which is the name of a folder.
    Name,
    /// A line of text that stands in every row of a block.
    Label,
    /// The number of seeds, or a list of them.
    Seeds,
    /// A table whose keys depend on its `kind`.
    Task,
    /// A table of axes.
    Axes,
    /// Tables of axes and of the keys of `BLOCK`.
    Blocks,
    /// Tables of axes and of the keys of `BLOCK` and `VARIANT`.
    Variants,
    /// A table of conditions on trials.
    Filter,
    /// Tables of conditions on trials.
    Filters,
    /// Tables with the keys of `EXPECT`.
    Expects,
    /// A list of axes, `label` and `task`.
    Columns,
    Metric,
    /// A number, or a share of `value` in percent.
    Tolerance,
    /// `false`, "all", a list of epochs, or a table with the keys of `EVERY`.
    Layers,
    /// A list of columns of a data file.
    Features,
    /// One character between the cells of a data file.
    Separator,
    /// Lists of axes that advance together.
    Zip,
    /// The two ends of a range, which are numbers of its axis.
    Ends,
    /// The name of a numeric axis.
    Divisor,
    /// A list of texts, at least one.
    Texts,
    /// Tables with the keys of `EDGE`, of axes and of the keys of `BLOCK`.
    Edges,
    /// A table with the keys of `OVER`.
    Over,
    /// The name of an event or of an outcome, or a comparison of two formulas.
    Event,
    /// A list of shares of the seeds, at least one.
    Shares,
    /// A table of names and kinds of axes.
    Declared,
    /// The pixels along both sides of a map, or a pair of them.
    Resolution,
    /// A table with the keys of `WINDOW`.
    Window,
    /// A pair of numbers.
    Place,
}

/// A kind of task and the keys that it takes beside `kind`.
#[derive(Debug)]
pub struct TaskKeys {
    pub kind: TaskKind,
    pub keys: &'static [Key],
    pub text: &'static str,
}

/// The most epochs, updates or samples.
pub const MOST: i64 = 1_000_000_000;

const fn key(name: &'static str, takes: Takes, text: &'static str) -> Key {
    Key { name, takes, required: false, default: None, text }
}

const fn required(key: Key) -> Key {
    Key { required: true, ..key }
}

const fn usual(key: Key, default: Value) -> Key {
    Key { default: Some(default), ..key }
}

const fn up_to(max: i64) -> Takes {
    Takes::Integer { min: 0, max }
}

const fn count(max: i64) -> Takes {
    Takes::Integer { min: 1, max }
}

const fn number(least: End, most: End, words: &'static str) -> Takes {
    Takes::Number(Bounds { least, most, words, held: Held::Nothing })
}

const ANY: Takes = number(End::At(f64::NEG_INFINITY), End::At(f64::INFINITY), "a number; inf is one too");
const FINITE: Takes = number(End::Beyond(f64::NEG_INFINITY), End::Beyond(f64::INFINITY), "a finite number");
const NOT_NEGATIVE: Takes = number(End::At(0.0), End::Beyond(f64::INFINITY), "a finite number, 0 or more");
const ABOVE_ZERO: Takes = number(End::Beyond(0.0), End::Beyond(f64::INFINITY), "a finite number above 0");
const SHARE: Takes = number(End::At(0.0), End::At(1.0), "a number from 0 to 1");
const CHANCE: Takes = number(End::Beyond(0.0), End::Beyond(1.0), "a number between 0 and 1");

const EPOCHS: Key = key(
    "epochs",
    up_to(MOST),
    "The number of epochs that each trial trains; 0 measures at the initialization only. `steps` may stand instead of it.",
);
const STEPS: Key = key(
    "steps",
    up_to(MOST),
    "The number of updates that each trial trains; 0 measures at the initialization only. `epochs` may stand instead of it.",
);
const SEEDS: Key = usual(
    key(
        "seeds",
        Takes::Seeds,
        "How many seeds every configuration is trained with (5 is the seeds 0, 1, 2, 3 and 4), or a list of the seeds (`[42]` is the one seed 42).",
    ),
    Value::Integer(1),
);
const TASK: Key = key("task", Takes::Task, "What is learned: a table with a `kind` and the keys of that kind.");

/// The key that names a spec which this one extends.
pub const EXTENDS: &str = "extends";

/// The keys at the top of the spec.
pub const TOP: [Key; 17] = [
    required(key(
        "name",
        Takes::Name,
        "The name of the sweep. Its results go to the folder `results/<name>`. It has letters, digits, `.`, `_` and `-`.",
    )),
    EPOCHS,
    STEPS,
    SEEDS,
    TASK,
    key("base", Takes::Axes, "The defaults of every trial: any axis may stand here, and a block may set it anew."),
    key(
        "grid",
        Takes::Blocks,
        "A block of trials: the product of its lists. Several blocks are concatenated. A block may have a task, epochs and seeds of its own. A spec has a [[grid]], an [[edge]] or both.",
    ),
    key(
        "edge",
        Takes::Edges,
        "A search along one axis for where an event begins, such as the largest learning rate that does not blow up. It has the other axes, a task, epochs and seeds as a [[grid]] has them: docs/edges.md.",
    ),
    key(
        "variant",
        Takes::Variants,
        "A change that every block is tried with: beside the blocks as they stand the grid has each of them with what the variant says in the place of what the block says.",
    ),
    key("exclude", Takes::Filters, "Drops the trials that match every key of the table."),
    key("divergence", Takes::Table(&DIVERGENCE), "What counts as divergence. It is part of a trial's id."),
    key("record", Takes::Table(&RECORD), "What is written beside `runs.csv` and `summary.csv`."),
    key("expect", Takes::Expects, "An expectation that `blowup check` holds the finished sweep against."),
    key(
        "baseline",
        Takes::Table(&BASELINE),
        "How `blowup check --baseline` compares the sweep with an earlier one, trial by trial.",
    ),
    key(
        PROGRAM_KEY,
        Takes::Table(&PROGRAM),
        "A program of your own that trains the trials, in place of the built-in nets: docs/program.md.",
    ),
    key(
        EXTENDS,
        Takes::Text,
        "The path of another spec, from the folder of this one. Its tables are merged with those of this one, key by key; everything else here replaces what it has.",
    ),
    key(
        "map",
        Takes::Table(&MAP),
        "A picture of where training fails, over two axes: `blowup map SPEC` trains a pixel for each pair of their values. Everything else is one block with single values.",
    ),
];

/// The most pixels along a side of a map.
pub const MOST_PIXELS: i64 = 4096;
/// The margin of a map that is refined, where the spec gives none, and the largest one.
pub const MARGIN: usize = 2;
pub const MOST_MARGIN: i64 = 64;
/// The most frames of a zoom.
pub const MOST_FRAMES: i64 = 1000;

/// The keys at the top of a spec that no map can have.
pub const WITHOUT_MAP: [&str; 6] = ["edge", "variant", "exclude", "record", "expect", "baseline"];

/// The keys of `[map]`.
pub const MAP: [Key; 7] = [
    required(key("x", Takes::Window, "The axis that goes to the right, and its window.")),
    required(key("y", Takes::Window, "The axis that goes up, and its window.")),
    required(key(
        "resolution",
        Takes::Resolution,
        "The pixels along each side, up to 4096: one number, or a pair for x and y. The ends of the windows are the first and the last pixel.",
    )),
    usual(
        key(
            "verdict",
            Takes::OneOf(Measure::NAMES),
            "How a pixel is judged: by the published measure of trainability (docs/maps.md), or by the outcome that `runs.csv` would name.",
        ),
        Value::Text("published"),
    ),
    usual(
        key(
            "refine",
            Takes::Boolean,
            "Whether only a coarse lattice is trained, and then, level by level, the pixels around which neighbours disagree. The others are inferred, and marked so.",
        ),
        Value::Boolean(false),
    ),
    usual(
        key(
            "margin",
            count(MOST_MARGIN),
            "How many spacings of the lattice around a pixel must agree, in a map that is refined, so that the pixel is not trained.",
        ),
        Value::Integer(MARGIN as u64),
    ),
    key("zoom", Takes::Table(&ZOOM), "More frames, each of which shows a part of the one before it."),
];

/// The keys of `x` and `y` of a map.
pub const WINDOW: [Key; 3] = [
    required(key("axis", Takes::Divisor, "A numeric axis.")),
    key("log", Takes::Ends, "The two ends of the window, between which pixels have equal ratios. Both are above 0."),
    key("linear", Takes::Ends, "The two ends of the window, between which pixels have equal distances."),
];

/// The keys of `zoom`.
pub const ZOOM: [Key; 3] = [
    required(key("centre", Takes::Place, "The place, x and y, towards which windows shrink.")),
    usual(
        key(
            "factor",
            number(End::Beyond(1.0), End::Beyond(f64::INFINITY), "a finite number above 1"),
            "How much smaller the windows of a frame are than those of the one before.",
        ),
        Value::Float(2.0),
    ),
    required(key(
        "frames",
        count(MOST_FRAMES),
        "The number of frames, with the first one, which has the windows of the map.",
    )),
];

/// The keys of a block, beside its axes and `zip`.
pub const BLOCK: [Key; 6] = [
    key(
        "label",
        Takes::Label,
        "A name for the rows of this block: the column `label`, which is not part of a trial's identity.",
    ),
    TASK,
    EPOCHS,
    STEPS,
    SEEDS,
    INIT_PARAMETERS,
];

/// The keys of an `[[edge]]`, beside its axes and the keys of `BLOCK`.
pub const EDGE: [Key; 5] = [
    required(key(
        "name",
        Takes::Label,
        "The name of the edge, which is its own in the spec: the column `edge` of `edges.csv`.",
    )),
    required(key("over", Takes::Over, "The axis along which the event is looked for, its window and the resolution.")),
    key(
        "by",
        Takes::Columns,
        "One edge is looked for in each combination of these axes, which are columns of `edges.csv`. Every axis that varies in the edge must be among them. The default is those that vary.",
    ),
    usual(
        key(
            "event",
            Takes::Event,
            "What begins at the edge: \"blew_up\" (diverged or nonfinite), \"failed\" (what `failure_rate` counts), an outcome such as \"converged\", or a comparison over columns of `runs.csv` such as \"loss_final > 0.5\". A NaN or an empty cell in a comparison counts as the event.",
        ),
        Value::Text("blew_up"),
    ),
    key(
        "share",
        Takes::Shares,
        "The shares of the seeds for which a bracket is found, each above 0 and at most 1. The default is [0.5].",
    ),
];

/// The keys of the `over` of an edge.
pub const OVER: [Key; 5] = [
    required(key("axis", Takes::Divisor, "A numeric axis.")),
    key("log", Takes::Ends, "The two ends of the window, whose values have equal ratios. Both are above 0."),
    key("linear", Takes::Ends, "The two ends of the window, whose values have equal distances."),
    required(key(
        "resolution",
        ABOVE_ZERO,
        "How near the two ends of a bracket come to each other: the ratio of two neighbouring values under `log`, as in 1.1, and their distance under `linear`.",
    )),
    key(
        "points",
        Takes::Integer { min: 2, max: MOST_STEPS as i64 },
        "How many values the first round tries, with both ends among them. The default is 17. A window of re-entrance that lies between two of them is not seen.",
    ),
];

/// The most steps of the lattice of an edge.
pub const MOST_STEPS: u64 = 1 << 16;

/// The most combinations of an edge.
pub const MOST_LINES: u64 = 100_000;

/// The keys of a variant, beside those of a block. Its label is put behind that of the block, and
/// it must have one.
pub const VARIANT: [Key; 1] =
    [key("blocks", Takes::Texts, "The labels of the blocks that it is for. The default is all of them.")];

/// The key of a block of bundles that says what `init` is for.
pub const INIT_PARAMETERS: Key = key(
    "init_parameters",
    Takes::Texts,
    "The parameters of a bundle that `init` is for, by their names; `*` stands for any letters, as in `[\"blocks.*.weight\"]`. The others start as the bundle has them.",
);

/// The key of a block and of `[base]` that joins lists.
pub const ZIP: Key = key(
    "zip",
    Takes::Zip,
    "Lists of axes whose values advance together: with `[[\"depth\", \"lr\"]]` the first depth goes with the first lr, and so on.",
);

/// The keys of `[divergence]`.
pub const DIVERGENCE: [Key; 1] = [key(
    "loss_ratio",
    ABOVE_ZERO,
    "A loss above this multiple of the reference counts as diverged: by default 1e6 under mse, and of a bundle or a program, and 10 under cross_entropy. The reference is the smaller of the initial loss and the loss of the best constant prediction.",
)];

/// The keys of `[record]`.
pub const RECORD: [Key; 4] = [
    usual(
        key("epochs", Takes::Boolean, "Whether `epochs.csv` is written, with a row for each epoch of each trial."),
        Value::Boolean(false),
    ),
    usual(
        key(
            "layers",
            Takes::Layers,
            "The epochs at which `layers.csv` has rows: a list such as `[0, 10]`, \"all\", or `{ every = 10 }`; 0 is before any update.",
        ),
        Value::Boolean(false),
    ),
    usual(
        key("steps", up_to(MOST), "The number of first updates for which `steps.csv` has a row each."),
        Value::Integer(0),
    ),
    usual(
        key(
            "sharpness",
            Takes::Boolean,
            "Whether the largest eigenvalue of the Hessian is measured before and after the training, which is slow.",
        ),
        Value::Boolean(false),
    ),
];

/// The key of the table that `layers` may be.
pub const EVERY: Key =
    required(key("every", count(i64::MAX), "`layers.csv` has rows at epoch 0 and at every epoch that this divides."));

/// The keys of an `[[expect]]`.
pub const EXPECT: [Key; 9] = [
    key("name", Takes::Text, "What is expected, in words, for the table of results. The default is the metric."),
    key("where", Takes::Filter, "The trials that the expectation is about. The default is all of them."),
    key("edge", Takes::Text, "The name of the [[edge]] that a metric of edges is about. The default is all of them."),
    key(
        "by",
        Takes::Columns,
        "The expectation must hold in every group of trials that agree in these axes. The default is all trials together.",
    ),
    required(key(
        "metric",
        Takes::Metric,
        "A rate of outcomes, or one function of a formula over columns of `runs.csv` or `layers.csv`, such as `mean(ln(backprop_ratio))` or `max(activation_rms[2..last])`; or of every line of an edge `edge.safe_up_to`, `edge.dead_from`, `edge.low(0.5)`, `edge.high(0.5)` or `edge.reentrant`.",
    )),
    key("min", ANY, "The metric must be this or more."),
    key("max", ANY, "The metric must be this or less."),
    key("value", FINITE, "The metric must be within `tolerance` of this."),
    key(
        "tolerance",
        Takes::Tolerance,
        "How far the metric may be from `value`: a number, or a share of the value such as \"5%\".",
    ),
];

/// The keys of `[baseline]`.
pub const BASELINE: [Key; 4] = [
    key(
        "by",
        Takes::Columns,
        "There is one test for each group of trials that agree in these axes. The default is all trials together.",
    ),
    usual(key("alpha", CHANCE, "The chance of a false alarm over all groups."), Value::Float(0.05)),
    usual(
        key(
            "direction",
            Takes::OneOf(&["worse", "any"]),
            "Which differences fail the gate: only more or earlier divergence, or any difference, as after an upgrade that should change nothing.",
        ),
        Value::Text("worse"),
    ),
    key(
        "max_changed",
        SHARE,
        "The largest share of outcomes that may have changed, whatever the tests say. The default is no limit.",
    ),
];

/// The key of the table `PROGRAM`.
pub const PROGRAM_KEY: &str = "program";

/// The most axes that a spec may declare.
pub const MOST_DECLARED: usize = 64;
/// The most bytes of the name of a declared axis.
pub const LONGEST_AXIS: usize = 64;

/// The keys of `[program]`.
pub const PROGRAM: [Key; 4] = [
    required(key(
        "command",
        Takes::Texts,
        "The program and its arguments. It runs in the folder of the spec, once per worker, and trains many trials.",
    )),
    key(
        "axes",
        Takes::Declared,
        "The axes of your own, beside the built-in ones: a name and \"integer\", \"float\", \"text\" or \"boolean\" each. They are the last columns of `runs.csv`.",
    ),
    key(
        "version",
        Takes::Text,
        "What the program is called in the ids of its trials. Another version trains every trial anew.",
    ),
    key(
        "files",
        Takes::Texts,
        "Files whose contents are part of the ids of the trials, relative to the folder of the spec. A changed file trains every trial anew.",
    ),
];

/// The keys of a range.
pub const RANGE: [Key; 4] = [
    key("log", Takes::Ends, "The two ends of a range with equal ratios between neighbours. Both are above 0."),
    key("linear", Takes::Ends, "The two ends of a range with equal distances between neighbours."),
    required(key("points", count(MOST_POINTS), "The number of values, with both ends among them.")),
    key("per", Takes::Divisor, "The numeric axis by whose value each value of the range is divided."),
];

/// The keys of a condition on a numeric axis.
pub const BETWEEN: [Key; 2] =
    [key("min", ANY, "The least value, which is included."), key("max", ANY, "The largest value, which is included.")];

/// The key that every task has.
pub const KIND: &str = "kind";

const SIZE: Takes = count(1_000_000);
const INPUTS: Key = key("inputs", SIZE, "The number of features of a sample.");
const OUTPUTS: Key =
    usual(key("outputs", SIZE, "The number of targets of a sample, under loss mse."), Value::Integer(1));
const CLASSES: Key = usual(
    key("classes", Takes::Integer { min: 2, max: 1_000_000 }, "The number of classes, under loss cross_entropy."),
    Value::Integer(10),
);
const SAMPLES: Key = usual(key("samples", count(MOST), "The number of samples."), Value::Integer(256));
const INPUT_STD: Key =
    usual(key("input_std", NOT_NEGATIVE, "The standard deviation of the inputs."), Value::Float(1.0));

const DRAWN: &[Key] = &[usual(INPUTS, Value::Integer(10)), OUTPUTS, CLASSES, SAMPLES, INPUT_STD];

/// Every kind of task.
pub static TASKS: [TaskKeys; 13] = [
    TaskKeys {
        kind: TaskKind::Teacher,
        keys: DRAWN,
        text: "The standardized outputs (or the class) of a fixed random tanh net of 64 units.",
    },
    TaskKeys { kind: TaskKind::Noise, keys: DRAWN, text: "Fixed random inputs and targets." },
    TaskKeys { kind: TaskKind::FreshNoise, keys: DRAWN, text: "Random inputs and targets, new ones in every epoch." },
    TaskKeys { kind: TaskKind::Scalar, keys: &[], text: "One sample with the input 1 and the target 0." },
    TaskKeys {
        kind: TaskKind::Csv,
        keys: &[
            required(key("path", Takes::Text, "The CSV file, relative to the folder of the spec.")),
            required(key("target", Takes::Text, "The name of the column that is learned.")),
            key(
                "features",
                Takes::Features,
                "The names of the columns that are the inputs. The default is every column but the target.",
            ),
            key("samples", count(MOST), "The number of rows that are taken, from the first on. The default is all."),
            usual(
                key(
                    "separator",
                    Takes::Separator,
                    "The character between the cells, such as \";\", or \"\\t\" for a tab.",
                ),
                Value::Text(","),
            ),
            usual(
                key("standardize", Takes::Boolean, "Whether each column is brought to mean 0 and variance 1."),
                Value::Boolean(true),
            ),
        ],
        text: "A column of your own CSV file, learned from the other columns: docs/data.md.",
    },
    TaskKeys {
        kind: TaskKind::Arrays,
        keys: ARRAYS,
        text: "Arrays of your own: NumPy's npz and npy, or safetensors, as numpy.savez(path, x=x, y=y) writes them. Inputs are [samples, features], or [samples, time, features] for networks that read sequences: docs/data.md.",
    },
    TaskKeys {
        kind: TaskKind::ArraySequences,
        keys: ARRAYS,
        text: "What `arrays` is where the inputs are [samples, time, features]. It takes a network that reads sequences.",
    },
    TaskKeys {
        kind: TaskKind::Digits,
        keys: &[usual(
            key("samples", count(IMAGES), "The number of images, from the first on."),
            Value::Integer(IMAGES as u64),
        )],
        text: "1,797 images of 8 x 8 pixels of handwritten digits, which are 10 classes.",
    },
    TaskKeys {
        kind: TaskKind::Adding,
        keys: &[SAMPLES],
        text: "The sum of the two marked values of a sequence. It takes a network that reads sequences and loss mse.",
    },
    TaskKeys {
        kind: TaskKind::Copy,
        keys: &[Key { text: "The number of symbols.", default: Some(Value::Integer(8)), ..CLASSES }, SAMPLES],
        text: "The symbol of the first step of a sequence, asked for at the last step. It takes a network that reads sequences.",
    },
    TaskKeys {
        kind: TaskKind::TemporalOrder,
        keys: &[SAMPLES],
        text: "The order of two symbols in a sequence of distractors, which makes 4 classes. It takes a network that reads sequences.",
    },
    TaskKeys {
        kind: TaskKind::NoiseSequence,
        keys: &[
            Key { text: "The number of features of a time step.", default: Some(Value::Integer(1)), ..INPUTS },
            OUTPUTS,
            CLASSES,
            SAMPLES,
            INPUT_STD,
        ],
        text: "Random sequences and targets. It takes a network that reads sequences.",
    },
    TaskKeys {
        kind: TaskKind::Text,
        keys: &[
            key(
                "path",
                Takes::Text,
                "A text file of your own in UTF-8, relative to the folder of the spec. The default is the text that is built in, the First Book of Newton's Opticks.",
            ),
            SAMPLES,
        ],
        text: "The next character at every place of windows of `sequence_length` characters, spread evenly over a text. It takes a transformer.",
    },
];

const ARRAYS: &[Key] = &[
    required(key("path", Takes::Text, "The npz, npy or safetensors file, relative to the folder of the spec.")),
    key(
        "inputs",
        Takes::Text,
        "The name of the array of inputs. The default is `inputs`, `x` or `X`, whichever is there.",
    ),
    key(
        "targets",
        Takes::Text,
        "The name of the array of targets, `[samples]` or `[samples, outputs]`; beside a npy file, the npy file of the targets. The default is `targets`, `y`, `Y` or `labels`, whichever is there. Whole numbers from 0 can be learned as classes.",
    ),
    key("samples", count(MOST), "The number of samples that are taken, from the first on. The default is all."),
    usual(
        key(
            "standardize",
            Takes::Boolean,
            "Whether each feature, over all samples and time steps, and each target under loss mse is brought to mean 0 and variance 1.",
        ),
        Value::Boolean(false),
    ),
];

/// The number of samples of `digits`.
const IMAGES: i64 = 1797;

/// The names of these keys.
pub const fn names<const N: usize>(keys: &[Key; N]) -> [&'static str; N] {
    let (mut names, mut i) = ([""; N], 0);
    while i < N {
        names[i] = keys[i].name;
        i += 1;
    }
    names
}

impl TaskKeys {
    /// The keys of a kind of task.
    ///
    /// # Panics
    /// Never: a test shows that every kind is in the table.
    pub fn of(kind: TaskKind) -> &'static TaskKeys {
        TASKS.iter().find(|table| table.kind == kind).expect("every kind of task has its keys")
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of the keys beside `kind`.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}
