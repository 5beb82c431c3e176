//! Graphs of libtorch's operators, run through its dispatcher by `graph.cpp`. tch has no way to
//! call an operator by its name.

use blowup_core::bundle::{Argument, Dtype, Graph, Integer, MemoryFormat, Node, Operator, Program, Real, Scalar};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use tch::{Kind, Tensor};

/// What an argument is. The numbers are those of `Tag` in graph.cpp.
#[derive(Clone, Copy)]
#[repr(i32)]
enum Tag {
    None,
    Tensor,
    Tensors,
    Int,
    Ints,
    Float,
    Floats,
    Bool,
    Bools,
    NumberInt,
    NumberFloat,
    NumberBool,
    ScalarInts,
    ScalarFloats,
    ScalarBools,
    String,
    Device,
}

/// An integer that may depend on the number of lanes: c + k x lanes.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Affine {
    c: i64,
    k: i64,
}

/// An argument as graph.cpp takes it. The arrays belong to a `Written`.
#[repr(C)]
struct Passed {
    tag: Tag,
    /// A value, an integer, a truth, or the length of the array.
    integer: Affine,
    real: f64,
    integers: *const Affine,
    reals: *const f64,
    text: *const c_char,
}

type Error = *mut c_char;
type TensorPointer = *mut c_void;

// graph.cpp, which is linked with this crate, defines these functions with these types.
unsafe extern "C" {
    fn blowup_operator(
        name: *const c_char,
        overload: *const c_char,
        found: *mut *mut c_void,
        schema: *mut *mut c_char,
        is_mutable: *mut bool,
    ) -> Error;
    fn blowup_operator_free(op: *mut c_void);
    fn blowup_graph_new() -> *mut c_void;
    fn blowup_graph_free(graph: *mut c_void);
    fn blowup_graph_add(
        graph: *mut c_void,
        op: *mut c_void,
        each: bool,
        arguments: *const Passed,
        count: usize,
        results: *const i64,
        result_count: usize,
    ) -> Error;
    fn blowup_graph_finish(graph: *mut c_void, inputs: usize, kept: *const i64, kept_count: usize) -> Error;
    fn blowup_graph_run(
        graph: *mut c_void,
        lanes: i64,
        inputs: *const TensorPointer,
        input_count: usize,
        wanted: *const i64,
        wanted_count: usize,
        outputs: *mut TensorPointer,
        kinds: *mut u8,
        blocks: *mut i64,
    ) -> Error;
    fn blowup_text_free(text: *mut c_char);
}

/// An operator as libtorch has it.
pub struct Op {
    handle: NonNull<c_void>,
}

impl Op {
    /// Finds an operator of a bundle.
    ///
    /// # Errors
    /// If this libtorch has none of this name, or has another one, or if it changes its arguments.
    pub fn find(operator: &Operator) -> Result<Op, String> {
        let Operator { name, overload, schema } = operator;
        let (Ok(written), Ok(variant)) = (CString::new(name.as_str()), CString::new(overload.as_str())) else {
            return Err("the name of an operator has a zero byte".to_owned());
        };
        let (mut found, mut text, mut is_mutable) = (ptr::null_mut(), ptr::null_mut(), false);
        // SAFETY: the names end with a zero byte, and the other pointers are to variables of these
        // types.
        let error =
            unsafe { blowup_operator(written.as_ptr(), variant.as_ptr(), &mut found, &mut text, &mut is_mutable) };
        told(error).map_err(|error| format!("libtorch has no operator `{name}.{overload}`: {error}"))?;
        let op = Op { handle: NonNull::new(found).ok_or("no operator was found")? };
        let known = taken(text);
        if known != *schema {
            return Err(format!("the bundle has `{schema}`, and this libtorch `{known}`"));
        }
        if is_mutable {
            return Err(format!("`{name}.{overload}` changes its arguments"));
        }
        Ok(op)
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        // SAFETY: the handle comes from `blowup_operator` and is freed once.
        unsafe { blowup_operator_free(self.handle.as_ptr()) };
    }
}

/// What the elements of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finiteness {
    Finite,
    /// Some are infinite, and none is a NaN.
    Infinite,
    Nan,
}

/// A graph that can run.
pub struct Runner {
    graph: NonNull<c_void>,
    inputs: usize,
    values: usize,
    /// The values that a run gives.
    wanted: Vec<i64>,
}

impl Runner {
    /// Makes a graph of these nodes of `graph`, in their order. A run gives the values `wanted`.
    ///
    /// # Errors
    /// If a node does not fit its operator.
    pub fn new(
        program: &Program,
        graph: &Graph,
        ops: &[Op],
        nodes: &[usize],
        wanted: &[usize],
    ) -> Result<Runner, String> {
        // SAFETY: it only makes an empty graph.
        let made = NonNull::new(unsafe { blowup_graph_new() }).ok_or("no graph could be made")?;
        let all: usize = graph.nodes.iter().map(|node| node.out.len()).sum();
        let inputs = graph.inputs(program);
        let mut runner =
            Runner { graph: made, inputs, values: inputs + all, wanted: wanted.iter().map(|v| *v as i64).collect() };
        let mut numbers: Vec<Option<i64>> = (0..inputs).map(|value| Some(value as i64)).collect();
        numbers.resize(runner.values, None);
        let mut next = inputs as i64;
        for &at in nodes {
            let node = &graph.nodes[at];
            let results: Vec<i64> = (next..).take(node.out.len()).collect();
            runner.add(node, &ops[node.op], &results, &numbers).map_err(|what| format!("nodes[{at}]: {what}"))?;
            node.out.iter().zip(&results).for_each(|(value, number)| numbers[*value] = Some(*number));
            next += node.out.len() as i64;
        }
        runner.values = next as usize;
        for wanted in &mut runner.wanted {
            *wanted = numbers[*wanted as usize].ok_or("a value that is wanted is made by no node of the graph")?;
        }
        let kept = &runner.wanted;
        // SAFETY: the graph is alive, and `kept` has as many elements as are said, each of which is
        // the number of a value.
        told(unsafe { blowup_graph_finish(made.as_ptr(), inputs, kept.as_ptr(), kept.len()) })?;
        Ok(runner)
    }

    fn add(&mut self, node: &Node, op: &Op, results: &[i64], numbers: &[Option<i64>]) -> Result<(), String> {
        let number = |value: usize| numbers[value].ok_or("it reads what no node of the graph makes".to_owned());
        let arguments = node.args.iter().map(|argument| Written::of(argument.as_ref(), &number));
        let written: Vec<Written> = arguments.collect::<Result<_, _>>()?;
        let passed: Vec<Passed> = written.iter().map(Written::passed).collect();
        // SAFETY: the graph and the operator are alive. The arguments and their arrays, which
        // `written` owns, live until the call returns, and each value in them has a number.
        told(unsafe {
            blowup_graph_add(
                self.graph.as_ptr(),
                op.handle.as_ptr(),
                node.each,
                passed.as_ptr(),
                passed.len(),
                results.as_ptr(),
                results.len(),
            )
        })
    }

    /// Runs the graph for `lanes` lanes and returns the values that are wanted.
    ///
    /// # Errors
    /// What libtorch says where it refuses a call.
    ///
    /// # Panics
    /// If the inputs are not as many as the graph has.
    pub fn run(&self, lanes: i64, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
        self.call(lanes, inputs, ptr::null_mut(), ptr::null_mut())
    }

    /// Runs the graph and says of each value what its elements are. The values are numbered as in
    /// the bundle, if all its nodes are in this graph.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn examine(&self, lanes: i64, inputs: &[Tensor]) -> Result<Vec<Finiteness>, String> {
        let mut kinds = vec![0u8; self.values];
        self.call(lanes, inputs, kinds.as_mut_ptr(), ptr::null_mut())?;
        let kind = |kind: u8| match kind {
            0 => Finiteness::Finite,
            1 => Finiteness::Infinite,
            _ => Finiteness::Nan,
        };
        Ok(kinds.into_iter().map(kind).collect())
    }

    /// Runs the graph and says of each value how many elements of a lane lie together.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn blocks(&self, lanes: i64, inputs: &[Tensor]) -> Result<Vec<i64>, String> {
        let mut blocks = vec![0i64; self.values];
        self.call(lanes, inputs, ptr::null_mut(), blocks.as_mut_ptr())?;
        Ok(blocks)
    }

    /// `kinds` and `blocks` are null, or have room for each value.
    fn call(&self, lanes: i64, inputs: &[Tensor], kinds: *mut u8, blocks: *mut i64) -> Result<Vec<Tensor>, String> {
        assert_eq!(inputs.len(), self.inputs, "a graph is given all its inputs");
        let inputs: Vec<TensorPointer> = inputs.iter().map(|tensor| tensor.as_ptr().cast_mut().cast()).collect();
        let mut outputs: Vec<TensorPointer> = vec![ptr::null_mut(); self.wanted.len()];
        // SAFETY: the graph is alive; every array has as many elements as are said, and the inputs
        // are tensors that live until the call returns.
        told(unsafe {
            blowup_graph_run(
                self.graph.as_ptr(),
                lanes,
                inputs.as_ptr(),
                inputs.len(),
                self.wanted.as_ptr(),
                self.wanted.len(),
                outputs.as_mut_ptr(),
                kinds,
                blocks,
            )
        })?;
        let tensor = |pointer: TensorPointer| {
            assert!(!pointer.is_null(), "an operator left undefined what the graph gives");
            // SAFETY: the pointer is to a tensor that was made for the caller, who owns it now.
            unsafe { Tensor::from_ptr(pointer.cast()) }
        };
        Ok(outputs.into_iter().map(tensor).collect())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // SAFETY: the graph comes from `blowup_graph_new` and is freed once.
        unsafe { blowup_graph_free(self.graph.as_ptr()) };
    }
}

/// An argument with its arrays.
struct Written {
    tag: Tag,
    integer: Affine,
    real: f64,
    integers: Vec<Affine>,
    reals: Vec<f64>,
    text: CString,
}

impl Written {
    fn none() -> Written {
        let (integers, reals) = (Vec::new(), Vec::new());
        Written { tag: Tag::None, integer: Affine::default(), real: 0.0, integers, reals, text: CString::default() }
    }

    fn integer(tag: Tag, c: i64) -> Written {
        Written { tag, integer: Affine { c, k: 0 }, ..Written::none() }
    }

    fn real(tag: Tag, Real(real): Real) -> Written {
        Written { tag, real, ..Written::none() }
    }

    fn integers(tag: Tag, integers: Vec<Affine>) -> Written {
        Written { integers, ..Written::integer(tag, 0) }
    }

    fn reals(tag: Tag, reals: Vec<f64>) -> Written {
        Written { reals, ..Written::integer(tag, 0) }
    }

    /// `number` gives the number of a value.
    fn of(argument: Option<&Argument>, number: &dyn Fn(usize) -> Result<i64, String>) -> Result<Written, String> {
        let fixed = |integers: Vec<i64>| integers.into_iter().map(|c| Affine { c, k: 0 }).collect();
        Ok(match argument {
            None => Written::none(),
            Some(Argument::Tensor(value)) => Written::integer(Tag::Tensor, number(*value)?),
            Some(Argument::Tensors(values)) => {
                let numbers = values.iter().map(|value| value.map_or(Ok(-1), number)).collect::<Result<_, _>>()?;
                Written::integers(Tag::Tensors, fixed(numbers))
            }
            Some(Argument::Int(integer)) => Written { integer: affine(integer), ..Written::integer(Tag::Int, 0) },
            Some(Argument::Ints(all)) => Written::integers(Tag::Ints, all.iter().map(affine).collect()),
            Some(Argument::Float(x)) => Written::real(Tag::Float, *x),
            Some(Argument::Floats(all)) => Written::reals(Tag::Floats, all.iter().map(|x| x.0).collect()),
            Some(Argument::Bool(b)) => Written::integer(Tag::Bool, i64::from(*b)),
            Some(Argument::Bools(all)) => {
                Written::integers(Tag::Bools, fixed(all.iter().map(|b| i64::from(*b)).collect()))
            }
            Some(Argument::Number(Scalar::Int(i))) => Written::integer(Tag::NumberInt, *i),
            Some(Argument::Number(Scalar::Float(x))) => Written::real(Tag::NumberFloat, *x),
            Some(Argument::Number(Scalar::Bool(b))) => Written::integer(Tag::NumberBool, i64::from(*b)),
            Some(Argument::Scalars(all)) => Written::scalars(all)?,
            Some(Argument::String(text)) => {
                let text = CString::new(text.as_str()).map_err(|_| "a text has a zero byte".to_owned())?;
                Written { text, ..Written::integer(Tag::String, 0) }
            }
            Some(Argument::Dtype(dtype)) => Written::integer(Tag::Int, scalar_type(*dtype)),
            Some(Argument::Device(_)) => Written::integer(Tag::Device, 0),
            // c10::Layout::Strided.
            Some(Argument::Layout(_)) => Written::integer(Tag::Int, 0),
            // The numbers of c10::MemoryFormat.
            Some(Argument::MemoryFormat(format)) => {
                let format = match format {
                    MemoryFormat::Contiguous => 0,
                    MemoryFormat::Preserve => 1,
                    MemoryFormat::ChannelsLast => 2,
                    MemoryFormat::ChannelsLast3d => 3,
                };
                Written::integer(Tag::Int, format)
            }
        })
    }

    fn scalars(all: &[Scalar]) -> Result<Written, String> {
        let mut integers = Vec::new();
        let (mut reals, mut bools) = (Vec::new(), Vec::new());
        for scalar in all {
            match scalar {
                Scalar::Int(c) => integers.push(Affine { c: *c, k: 0 }),
                Scalar::Float(Real(x)) => reals.push(*x),
                Scalar::Bool(b) => bools.push(Affine { c: i64::from(*b), k: 0 }),
            }
        }
        match (integers.len() == all.len(), reals.len() == all.len(), bools.len() == all.len()) {
            (true, ..) => Ok(Written::integers(Tag::ScalarInts, integers)),
            (_, true, _) => Ok(Written::reals(Tag::ScalarFloats, reals)),
            (.., true) => Ok(Written::integers(Tag::ScalarBools, bools)),
            _ => Err("a list of scalars has several types".to_owned()),
        }
    }

    fn passed(&self) -> Passed {
        let length = self.integers.len().max(self.reals.len());
        let is_list = matches!(
            self.tag,
            Tag::Tensors
                | Tag::Ints
                | Tag::Floats
                | Tag::Bools
                | Tag::ScalarInts
                | Tag::ScalarFloats
                | Tag::ScalarBools
        );
        Passed {
            tag: self.tag,
            integer: if is_list { Affine { c: length as i64, k: 0 } } else { self.integer },
            real: self.real,
            integers: self.integers.as_ptr(),
            reals: self.reals.as_ptr(),
            text: self.text.as_ptr(),
        }
    }
}

fn affine(integer: &Integer) -> Affine {
    match *integer {
        Integer::Fixed(c) => Affine { c, k: 0 },
        Integer::PerLane(c, k) => Affine { c, k },
    }
}

/// The number of a dtype in c10::ScalarType.
fn scalar_type(dtype: Dtype) -> i64 {
    match dtype {
        Dtype::U8 => 0,
        Dtype::I8 => 1,
        Dtype::I16 => 2,
        Dtype::I32 => 3,
        Dtype::I64 => 4,
        Dtype::F16 => 5,
        Dtype::F32 => 6,
        Dtype::F64 => 7,
        Dtype::C64 => 9,
        Dtype::C128 => 10,
        Dtype::Bool => 11,
        Dtype::Bf16 => 15,
    }
}

/// The dtype as tch has it.
pub fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Bool => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::C64 => Kind::ComplexFloat,
        Dtype::C128 => Kind::ComplexDouble,
    }
}

/// What an error says, if there is one.
fn told(error: Error) -> Result<(), String> {
    if error.is_null() { Ok(()) } else { Err(taken(error)) }
}

/// A text of graph.cpp, which is freed.
fn taken(text: *mut c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the text comes from graph.cpp, ends with a zero byte and is freed once, after it was
    // copied.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        blowup_text_free(text);
        copy
    }
}
