//! The program of a bundle, as its JSON has it.

use super::container::Dtype;
use serde::Deserialize;

/// The document of a bundle.
#[derive(Debug, Deserialize)]
pub struct Program {
    /// The seeds whose initial weights the bundle has.
    pub seeds: Vec<u64>,
    /// The rows of the sampled data; 0 if nothing is sampled.
    pub samples: usize,
    /// What is trained.
    pub parameters: Vec<Held>,
    /// The state that is not trained and that a step may change.
    pub buffers: Vec<Held>,
    /// The tensors of a batch.
    pub batch: Vec<Leaf>,
    pub operators: Vec<Operator>,
    pub places: Vec<Option<Place>>,
    /// The main graph and, where an epoch's last batch is smaller, the graph for that.
    pub graphs: Vec<Graph>,
}

/// What a lane holds from step to step: a parameter or a buffer.
#[derive(Debug, Deserialize)]
pub struct Held {
    pub name: String,
    /// The shape in one lane.
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    /// The tensor of the values at the start, `[seeds, ...shape]`.
    pub initial: String,
}

impl Held {
    /// The number of elements in one lane.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A tensor of a batch.
#[derive(Debug, Deserialize)]
pub struct Leaf {
    pub name: String,
    /// The shape of a row or, if it is not sampled, of the whole.
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    /// The tensor of all its data.
    pub data: String,
    /// Whether a batch takes rows of it.
    pub sampled: bool,
}

/// An operator of libtorch.
#[derive(Debug, Deserialize)]
pub struct Operator {
    pub name: String,
    pub overload: String,
    pub schema: String,
}

/// Where in the user's program a node comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// The path of the module. It is empty for the model itself and for the loss.
    pub module: String,
    pub file: String,
    pub line: u64,
    pub function: String,
    /// The expression.
    pub text: String,
    /// The node of autograd, if it belongs to the derivative of the expression.
    #[serde(default)]
    pub derivative: Option<String>,
}

/// A training step for one number of rows.
#[derive(Debug, Deserialize)]
pub struct Graph {
    /// The rows of a batch; 0 if nothing is sampled.
    pub rows: usize,
    pub draws: Vec<Draw>,
    /// The names of the tensors that all lanes share.
    pub constants: Vec<String>,
    pub nodes: Vec<Node>,
    pub outputs: Outputs,
    /// The bytes of a lane's values that are alive at once, at most.
    #[serde(default)]
    pub live_bytes: f64,
    /// The bytes of all values that a step makes for a lane.
    #[serde(default)]
    pub made_bytes: f64,
    /// The multiplications in the products and convolutions of a lane's step.
    #[serde(default)]
    pub multiplications: f64,
}

/// A stream of random numbers, one tensor of which a step takes.
#[derive(Debug, Deserialize)]
pub struct Draw {
    pub name: String,
    pub kind: DrawKind,
    pub shape: Vec<usize>,
    pub dtype: Dtype,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrawKind {
    /// At least 0 and below 1.
    Uniform,
    /// Mean 0 and standard deviation 1.
    Normal,
}

/// A call of an operator.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// The operator, as a position in `operators`.
    pub op: usize,
    /// One for each argument of the schema; `None` is Python's None.
    pub args: Vec<Option<Argument>>,
    /// A position in `places`.
    pub place: usize,
    /// The values that it makes.
    pub out: Vec<usize>,
    /// Whether the operator is called once for each lane.
    #[serde(default)]
    pub each: bool,
}

/// An argument of a call. Values are given by their numbers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    Tensor(usize),
    Tensors(Vec<Option<usize>>),
    Int(Integer),
    Ints(Vec<Integer>),
    Float(Real),
    Floats(Vec<Real>),
    Bool(bool),
    Bools(Vec<bool>),
    /// A number where the schema has a tensor. It takes no part in type promotion.
    Number(Scalar),
    Scalars(Vec<Scalar>),
    String(String),
    Dtype(Dtype),
    Device(String),
    Layout(String),
    MemoryFormat(MemoryFormat),
}

/// An integer that may depend on the number of lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Integer {
    Fixed(i64),
    /// The first, plus the second for each lane.
    PerLane(i64, i64),
}

/// A float, of which JSON cannot write all as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "WrittenReal")]
pub struct Real(pub f64);

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenReal {
    Number(f64),
    Text(String),
}

impl TryFrom<WrittenReal> for Real {
    type Error = String;

    fn try_from(written: WrittenReal) -> Result<Real, String> {
        match written {
            WrittenReal::Number(x) => Ok(Real(x)),
            WrittenReal::Text(text) => match text.as_str() {
                "inf" => Ok(Real(f64::INFINITY)),
                "-inf" => Ok(Real(f64::NEG_INFINITY)),
                "nan" => Ok(Real(f64::NAN)),
                _ => Err("a float is a number, \"inf\", \"-inf\" or \"nan\"".to_owned()),
            },
        }
    }
}

/// A number of any of Python's types.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    Int(i64),
    Float(Real),
    Bool(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryFormat {
    Contiguous,
    Preserve,
    ChannelsLast,
    #[serde(rename = "channels_last_3d")]
    ChannelsLast3d,
}

/// The values that a step gives.
#[derive(Debug, Deserialize)]
pub struct Outputs {
    /// `[lanes]`.
    pub loss: usize,
    /// One for each parameter; `None` where the loss does not depend on it.
    pub gradients: Vec<Option<usize>>,
    /// The new state, one for each buffer.
    pub buffers: Vec<usize>,
}

impl Graph {
    /// The number of its inputs, of which the values are numbered first.
    pub fn inputs(&self, program: &Program) -> usize {
        program.parameters.len() + program.buffers.len() + program.batch.len() + self.draws.len() + self.constants.len()
    }

    /// The nodes on which these values depend, in their order.
    pub fn needed(&self, values: &[usize]) -> Vec<usize> {
        let mut wanted: std::collections::HashSet<usize> = values.iter().copied().collect();
        let mut nodes: Vec<usize> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if node.out.iter().any(|value| wanted.contains(value)) {
                wanted.extend(node.reads());
                nodes.push(index);
            }
        }
        nodes.reverse();
        nodes
    }
}

impl Node {
    /// The values that the node reads.
    pub fn reads(&self) -> impl Iterator<Item = usize> + '_ {
        let of = |argument: &Argument| -> Vec<usize> {
            if let Argument::Tensor(value) = argument {
                vec![*value]
            } else if let Argument::Tensors(values) = argument {
                values.iter().flatten().copied().collect()
            } else {
                Vec::new()
            }
        };
        self.args.iter().flatten().flat_map(of)
    }

    /// Whether an argument is an infinity that stands in the program, as a mask writes it.
    pub fn writes_infinity(&self) -> bool {
        self.args.iter().flatten().any(|argument| {
            let (Argument::Float(Real(x)) | Argument::Number(Scalar::Float(Real(x)))) = argument else { return false };
            x.is_infinite()
        })
    }
}
