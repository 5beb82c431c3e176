//! The container of a bundle: named tensors behind a JSON header, as safetensors has it
//! (<https://github.com/huggingface/safetensors#format>), complex numbers included.

use crate::failure::excerpt;
use crate::trial;
use serde::Deserialize;
use std::collections::HashMap;

/// The types of the elements of tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Dtype {
    Bool,
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    Bf16,
    F32,
    F64,
    C64,
    C128,
}

impl Dtype {
    /// The bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
            Dtype::I16 | Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::I32 | Dtype::F32 => 4,
            Dtype::I64 | Dtype::F64 | Dtype::C64 => 8,
            Dtype::C128 => 16,
        }
    }
}

impl Dtype {
    /// The type as one that is trained in, if it is one.
    pub fn trained(self) -> Option<trial::Dtype> {
        match self {
            Dtype::F32 => Some(trial::Dtype::Float32),
            Dtype::F64 => Some(trial::Dtype::Float64),
            Dtype::F16 => Some(trial::Dtype::Float16),
            Dtype::Bf16 => Some(trial::Dtype::Bfloat16),
            Dtype::Bool | Dtype::U8 | Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 | Dtype::C64 | Dtype::C128 => {
                None
            }
        }
    }
}

/// A tensor as it lies in the file.
#[derive(Debug, Clone)]
pub struct Stored<'a> {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Its elements in C order, each little-endian.
    pub data: &'a [u8],
}

#[derive(Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The texts that a header says of its file, and the tensors.
type Contents<'a> = (HashMap<String, String>, HashMap<String, Stored<'a>>);

const METADATA: &str = "__metadata__";
/// The most bytes of a header.
const LONGEST: u64 = 64 << 20;

/// Reads the header and finds the tensors.
///
/// # Errors
/// If the bytes are no such file.
pub fn read(bytes: &[u8]) -> Result<Contents<'_>, String> {
    let no_bundle = || "it is no bundle: `blowup.export` writes one".to_owned();
    let (length, rest) = bytes.split_first_chunk().ok_or_else(no_bundle)?;
    let length = u64::from_le_bytes(*length);
    if length > LONGEST || length > rest.len() as u64 || rest.first() != Some(&b'{') {
        return Err(no_bundle());
    }
    let (header, body) = rest.split_at(length as usize);
    let wrong = |error: serde_json::Error| format!("its header is damaged: {error}");
    let mut entries: HashMap<String, serde_json::Value> = serde_json::from_slice(header).map_err(wrong)?;
    let said = entries.remove(METADATA).map(serde_json::from_value).transpose().map_err(wrong)?.unwrap_or_default();
    let mut tensors = HashMap::with_capacity(entries.len());
    // In the order of their names, so that of several damaged tensors always the same is told.
    let mut entries: Vec<(String, serde_json::Value)> = entries.into_iter().collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (name, entry) in entries {
        let wrong = |what: String| format!("its tensor `{}` is damaged: {what}", excerpt(&name));
        let Entry { dtype, shape, data_offsets: [from, to] } =
            serde_json::from_value(entry).map_err(|error| wrong(error.to_string()))?;
        let data = body.get(from..to).ok_or_else(|| wrong("it ends beyond the file".to_owned()))?;
        let size = shape.iter().try_fold(dtype.bytes(), |all, size| all.checked_mul(*size));
        if size != Some(data.len()) {
            return Err(wrong(format!("{} bytes are no tensor of shape {shape:?}", data.len())));
        }
        tensors.insert(name, Stored { dtype, shape, data });
    }
    Ok((said, tensors))
}
