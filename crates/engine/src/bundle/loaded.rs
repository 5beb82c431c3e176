//! A bundle, ready to run on this thread: its graphs, its data and its initial weights as tensors.

use super::dispatch::{Op, Runner, kind};
use crate::device::upload;
use blowup_core::bundle::{Bundle, Graph, Program, Stored};
use blowup_core::input;
use blowup_core::trial::BundleFile;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use tch::Tensor;

/// A bundle that was loaded. All lanes and cohorts of a process share it, and nothing writes to it.
pub struct Loaded {
    pub program: Program,
    /// The main graph, and the graph for an epoch's last batch where that is smaller.
    pub steps: Vec<Step>,
    /// The initial values of the parameters and of the buffers, `[seeds, ...]`.
    pub parameters: Vec<Tensor>,
    pub buffers: Vec<Tensor>,
    /// All data of the batch's leaves.
    pub data: Vec<Tensor>,
    /// The pad lanes that the tails of kernels ask for, once they were measured.
    pub tail: Cell<Option<usize>>,
}

/// A graph that can run.
pub struct Step {
    /// The whole step. It gives the loss, the gradients that there are, and the new buffers.
    pub all: Runner,
    /// The loss alone.
    pub loss: Runner,
    /// The tensors that all lanes share.
    pub constants: Vec<Tensor>,
    /// The streams of random numbers: their shapes in one lane.
    pub graph: Graph,
}

/// How many bundles a process keeps.
const KEPT: usize = 4;

thread_local! {
    static KNOWN: RefCell<Vec<(String, Rc<Loaded>)>> = const { RefCell::new(Vec::new()) };
}

/// Loads a bundle, or returns the one that was loaded before.
///
/// # Errors
/// If the file cannot be read, is no longer what it was, or calls what this libtorch does not have.
pub fn load(file: &BundleFile) -> Result<Rc<Loaded>, String> {
    let known = KNOWN.with_borrow(|known| known.iter().find(|(hash, _)| *hash == file.sha256).map(|of| of.1.clone()));
    if let Some(known) = known {
        return Ok(known);
    }
    let path = &file.path;
    let (_, bytes) = input::data(Path::new(path)).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    if input::sha256(&bytes) != file.sha256 {
        return Err(format!("`{path}` is not what it was when the sweep began"));
    }
    let loaded = Rc::new(Loaded::of(&bytes).map_err(|what| format!("`{path}`: {what}"))?);
    KNOWN.with_borrow_mut(|known| {
        known.truncate(KEPT - 1);
        known.insert(0, (file.sha256.clone(), loaded.clone()));
    });
    Ok(loaded)
}

impl Loaded {
    /// Makes the tensors and graphs of a bundle.
    ///
    /// # Errors
    /// If the bytes are no bundle, or it calls what this libtorch does not have.
    pub fn of(bytes: &[u8]) -> Result<Loaded, String> {
        let bundle = Bundle::read(bytes)?;
        let all = |names: Vec<&String>| names.into_iter().map(|name| tensor(bundle.tensor(name))).collect();
        let parameters = all(bundle.program.parameters.iter().map(|held| &held.initial).collect());
        let buffers = all(bundle.program.buffers.iter().map(|held| &held.initial).collect());
        let data = all(bundle.program.batch.iter().map(|leaf| &leaf.data).collect());
        let constants: Vec<Vec<Tensor>> =
            bundle.program.graphs.iter().map(|graph| all(graph.constants.iter().collect())).collect();
        let mut program = bundle.program;
        let ops = program.operators.iter().map(Op::find).collect::<Result<Vec<_>, _>>()?;
        let graphs = std::mem::take(&mut program.graphs);
        let unlike = |graph: &&Graph| {
            let trains = |graph: &Graph| graph.outputs.gradients.iter().map(Option::is_some).collect::<Vec<_>>();
            trains(graph) != trains(&graphs[0])
        };
        if graphs.iter().any(|graph| unlike(&graph)) {
            return Err("its two graphs train different parameters".to_owned());
        }
        let mut steps = Vec::new();
        for (at, (graph, constants)) in graphs.into_iter().zip(constants).enumerate() {
            let wrong = |what: String| format!("graphs[{at}]: {what}");
            let outputs = &graph.outputs;
            let gradients = outputs.gradients.iter().flatten();
            let wanted: Vec<usize> =
                [outputs.loss].into_iter().chain(gradients.copied()).chain(outputs.buffers.iter().copied()).collect();
            let nodes: Vec<usize> = (0..graph.nodes.len()).collect();
            let all = Runner::new(&program, &graph, &ops, &nodes, &wanted).map_err(wrong)?;
            let needed = graph.needed(&[outputs.loss]);
            let loss = Runner::new(&program, &graph, &ops, &needed, &[outputs.loss]).map_err(wrong)?;
            steps.push(Step { all, loss, constants, graph });
        }
        Ok(Loaded { program, steps, parameters, buffers, data, tail: Cell::new(None) })
    }

    /// The step for batches of so many rows.
    pub fn step(&self, rows: usize) -> &Step {
        self.steps.iter().find(|step| step.graph.rows == rows).expect("every size of batch has its graph")
    }

    /// Whether a parameter is trained: the loss depends on it.
    pub fn is_trained(&self, parameter: usize) -> bool {
        self.steps[0].graph.outputs.gradients[parameter].is_some()
    }
}

fn tensor(stored: &Stored) -> Tensor {
    let size: Vec<i64> = stored.shape.iter().map(|n| *n as i64).collect();
    let kind = kind(stored.dtype);
    if stored.data.is_empty() {
        return upload(Tensor::zeros(size.as_slice(), (kind, tch::Device::Cpu)));
    }
    upload(Tensor::from_data_size(stored.data, &size, kind))
}
