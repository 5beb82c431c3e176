//! A bundle: a model's training step as a graph of libtorch's operators, with its data and its
//! initial weights, in one file. `blowup.export` of the Python package writes it, and
//! docs/bundle.md describes it. This module opens no file: bytes become a [`Bundle`] in which every
//! reference is known to be good, so the engine that runs it need not look again.

mod check;
mod container;
mod program;

pub use container::{Dtype, Stored};
pub use program::{
    Argument, Draw, DrawKind, Graph, Held, Integer, Leaf, MemoryFormat, Node, Operator, Outputs, Place, Program, Real,
    Scalar,
};

use std::collections::HashMap;

/// How a bundle's name ends. Such a name stands for a bundle wherever a network is named.
pub const SUFFIX: &str = ".blowup";

/// The version of the format that is read.
const VERSION: &str = "1";

/// The most bytes of the text of a program.
const LONGEST: usize = 256 << 20;

/// A bundle that was checked.
#[derive(Debug)]
pub struct Bundle<'a> {
    pub program: Program,
    tensors: HashMap<String, Stored<'a>>,
}

impl<'a> Bundle<'a> {
    /// Reads a bundle from the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(bytes: &'a [u8]) -> Result<Bundle<'a>, String> {
        let (said, mut tensors) = container::read(bytes)?;
        match (said.get("format").map(String::as_str), said.get("version").map(String::as_str)) {
            (Some("blowup-bundle"), Some(VERSION)) => {}
            (Some("blowup-bundle"), version) => {
                let version = version.unwrap_or("without a number");
                return Err(format!("it is a bundle of version {version}, and version {VERSION} is read"));
            }
            _ => return Err("it is no bundle: a safetensors file without a bundle's mark".to_owned()),
        }
        let text = tensors.remove("program").ok_or("it has no tensor `program`")?;
        if text.data.len() > LONGEST {
            return Err(format!("its program is {} bytes long, more than {LONGEST}", text.data.len()));
        }
        let program: Program = serde_json::from_slice(text.data)
            .map_err(|error| format!("its program is not as it should be: {error}"))?;
        let bundle = Bundle { program, tensors };
        check::check(&bundle)?;
        Ok(bundle)
    }

    /// A tensor that the program names.
    ///
    /// # Panics
    /// If the program does not name it.
    pub fn tensor(&self, name: &str) -> &Stored<'a> {
        &self.tensors[name]
    }
}

impl Program {
    /// The rows of a batch of the main graph; 1 where nothing is sampled.
    pub fn batch(&self) -> usize {
        self.graphs[0].rows.max(1)
    }

    /// The samples of an epoch: those of the data, without the last ones where no graph has so few
    /// rows. It is 1 where nothing is sampled.
    pub fn samples(&self) -> usize {
        let rest = self.samples % self.batch();
        if self.graphs.len() == 1 && self.samples > 0 { self.samples - rest } else { self.samples.max(1) }
    }

    /// The type of the parameters, which they share.
    pub fn dtype(&self) -> Dtype {
        self.parameters[0].dtype
    }

    /// The trained numbers of one lane.
    pub fn parameters(&self) -> usize {
        self.parameters.iter().map(Held::elements).sum()
    }

    /// The position of a seed among those whose initial weights the bundle has.
    pub fn slot(&self, seed: u64) -> Option<usize> {
        self.seeds.iter().position(|known| *known == seed)
    }
}
