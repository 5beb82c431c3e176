//! Files of arrays as data sets: NumPy's `.npy` and `.npz`, and safetensors. Bytes become numbers,
//! and every size is checked. This module opens no file. `spec` checks a file with it, and the
//! engine trains on what it returns.
//!
//! The formats: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html> (versions
//! 1, 2 and 3) and <https://github.com/huggingface/safetensors#format>.

use crate::failure::excerpt;
use crate::training::{Array, Values};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// The most numbers of an array that is read.
pub const MOST_NUMBERS: usize = 1 << 28;
/// What an array may unpack to: this many bytes in any case, and this many times its bytes in the
/// archive. So a small file cannot fill the memory.
const UNPACKED_BYTES: u64 = 256 << 20;
const UNPACKED_TIMES: u64 = 100;
/// The most bytes of the header of a `.npy` file.
const LONGEST_HEADER: usize = 1 << 16;
/// The most names that an error lists.
const LISTED: usize = 12;

/// Which file this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One array, without a name.
    Npy,
    Npz,
    Safetensors,
}

impl Format {
    /// The format that the first bytes of a file are of; none if it is no file of arrays.
    pub fn of(bytes: &[u8]) -> Option<Format> {
        let header = bytes.get(..8).and_then(|length| length.try_into().ok()).map(u64::from_le_bytes);
        match bytes {
            _ if bytes.starts_with(b"\x93NUMPY") => Some(Format::Npy),
            _ if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") => Some(Format::Npz),
            _ if bytes.get(8) == Some(&b'{') && header.is_some_and(|length| length < bytes.len() as u64) => {
                Some(Format::Safetensors)
            }
            _ => None,
        }
    }
}

/// The names of the arrays of a file. A `.npy` file has one array, whose name is empty.
///
/// # Errors
/// What is wrong with the file.
pub fn names(bytes: &[u8]) -> Result<Vec<String>, String> {
    match Format::of(bytes) {
        Some(Format::Npy) => Ok(vec![String::new()]),
        Some(Format::Npz) => {
            let archive = archive(bytes)?;
            let mut names: Vec<String> =
                archive.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
            names.sort_unstable();
            Ok(names)
        }
        Some(Format::Safetensors) => {
            let mut names: Vec<String> = tensors(bytes)?.names().into_iter().cloned().collect();
            names.sort_unstable();
            Ok(names)
        }
        None => Err(STRANGE.to_owned()),
    }
}

const STRANGE: &str = "it is no file of arrays: neither npy nor npz nor safetensors";

/// The array of this name. Of a `.npy` file the name is not looked at.
///
/// # Errors
/// If there is no such array, if it is no array of numbers, or if the file is damaged.
pub fn read(bytes: &[u8], name: &str) -> Result<Array, String> {
    let array = match Format::of(bytes) {
        Some(Format::Npy) => npy(&mut Cursor::new(bytes), bytes.len() as u64),
        Some(Format::Npz) => {
            let mut archive = archive(bytes)?;
            let file = format!("{name}.npy");
            let place = archive.file_names().find(|other| *other == file || *other == name).map(str::to_owned);
            let place = place.ok_or_else(|| lacks(bytes, name))?;
            let mut entry = archive.by_name(&place).map_err(|error| damaged(&error))?;
            let (size, packed) = (entry.size(), entry.compressed_size());
            if size > UNPACKED_BYTES.max(UNPACKED_TIMES.saturating_mul(packed)) {
                return Err(format!(
                    "the array `{}` unpacks from {packed} bytes to {size}, which is more than is unpacked: \
                     numpy.savez writes it without compression",
                    excerpt(name)
                ));
            }
            let array = npy(&mut entry, size)?;
            // At its end the checksum of the entry is looked at.
            match entry.read(&mut [0]) {
                Ok(0) => Ok(array),
                Ok(_) => Err(format!("the archive is damaged: `{}` is longer than it says", excerpt(name))),
                Err(error) => Err(format!("the archive is damaged: {error}")),
            }
        }
        Some(Format::Safetensors) => {
            let tensors = tensors(bytes)?;
            let view = tensors.tensor(name).map_err(|_| lacks(bytes, name))?;
            numbers(view.shape(), &Element::of_tensor(view.dtype())?, view.data())
        }
        None => Err(STRANGE.to_owned()),
    }?;
    Ok(Array { name: name.to_owned(), ..array })
}

/// The archive, in which no two arrays have one name.
fn archive(bytes: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let mut names = BTreeSet::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(|error| damaged(&error))?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_owned();
        if let Some(name) = names.replace(name) {
            let name = excerpt(&name);
            return Err(format!("two of its arrays have the name `{name}`: numpy.savez writes each name once"));
        }
    }
    Ok(archive)
}

fn damaged(error: &ZipError) -> String {
    format!("the archive is damaged: {error}")
}

fn tensors(bytes: &[u8]) -> Result<SafeTensors<'_>, String> {
    SafeTensors::deserialize(bytes).map_err(|error| format!("the file is damaged: {error:?}"))
}

fn lacks(bytes: &[u8], name: &str) -> String {
    let names = names(bytes).unwrap_or_default();
    let listed: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{}`", excerpt(name))).collect();
    format!("it has no array `{}`; it has: {}", excerpt(name), listed.join(", "))
}

/// The sizes of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    pub samples: usize,
    /// The time steps of a sequence; none where the inputs are `[samples, features]`.
    pub time: Option<usize>,
    /// The features of a sample or, in a sequence, of a time step.
    pub features: usize,
    /// The targets of a sample.
    pub targets: usize,
    /// The number of classes, where the targets can be learned as classes: one whole number from 0
    /// for each sample.
    pub classes: Option<usize>,
}

/// The sizes of the data set whose inputs and targets these arrays are. `samples` is the number of
/// first samples that are taken; all of them by default.
///
/// # Errors
/// What does not fit, and what to do about it.
pub fn sizes(inputs: &Array, targets: &Array, samples: Option<usize>) -> Result<Sizes, String> {
    let told = |array: &Array| format!("the array `{}` has the shape {:?}", excerpt(&array.name), array.shape);
    let (all, time, features) = match inputs.shape[..] {
        [all, features] => (all, None, features),
        [all, time, features] => (all, Some(time), features),
        [_] => return Err(format!("{}: inputs are [samples, features], as reshape(-1, 1) makes them", told(inputs))),
        _ => {
            let hint =
                "inputs are [samples, features] or [samples, time, features], as x.reshape(len(x), -1) makes them";
            return Err(format!("{}: {hint}", told(inputs)));
        }
    };
    let (answers, width) = match targets.shape[..] {
        [answers] => (answers, 1),
        [answers, width] => (answers, width),
        _ => return Err(format!("{}: targets are [samples] or [samples, outputs]", told(targets))),
    };
    if all != answers {
        return Err(format!("{} and {}: the samples differ in number", told(inputs), told(targets)));
    }
    if all == 0 || features == 0 || width == 0 || time == Some(0) {
        return Err(format!("{} and {}: there is nothing to learn", told(inputs), told(targets)));
    }
    let samples = match samples {
        Some(wanted) if wanted > all => {
            return Err(format!("there are {all} samples, fewer than `samples = {wanted}`"));
        }
        wanted => wanted.unwrap_or(all),
    };
    for (array, each) in [(inputs, features * time.unwrap_or(1)), (targets, width)] {
        if let Values::Float(numbers) = &array.values
            && let Some(at) = numbers[..samples * each].iter().position(|x| !x.is_finite())
        {
            let name = excerpt(&array.name);
            return Err(format!(
                "sample {} of the array `{name}` (from 0) has {:?}, which is not finite",
                at / each,
                numbers[at]
            ));
        }
    }
    let classes = match &targets.values {
        Values::Integer(all) if width == 1 && all[..samples].iter().all(|class| *class >= 0) => {
            let most = all[..samples].iter().max().copied().unwrap_or(0);
            usize::try_from(most + 1).ok().filter(|classes| (2..=MOST_CLASSES).contains(classes))
        }
        Values::Integer(_) | Values::Float(_) => None,
    };
    Ok(Sizes { samples, time, features, targets: width, classes })
}

/// The most classes that targets are taken for.
const MOST_CLASSES: usize = 1_000_000;

/// The numbers of an array as floats.
pub fn floats(array: Array) -> Vec<f64> {
    match array.values {
        Values::Float(all) => all,
        Values::Integer(all) => all.into_iter().map(|n| n as f64).collect(),
    }
}

/// How a number lies in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    kind: ElementKind,
    bytes: usize,
    is_big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ElementKind {
    Float,
    Bfloat,
    Signed,
    Unsigned,
}

impl Element {
    /// Of NumPy's `descr`, such as `<f8`.
    fn of_descr(descr: &str) -> Option<Element> {
        let (order, rest) = descr.split_at_checked(1)?;
        let (kind, size) = rest.split_at_checked(1)?;
        let is_big_endian = match order {
            "<" | "|" => false,
            ">" => true,
            _ => return None,
        };
        let (kind, sizes): (ElementKind, &[usize]) = match kind {
            "f" => (ElementKind::Float, &[2, 4, 8]),
            "i" => (ElementKind::Signed, &[1, 2, 4, 8]),
            "u" | "b" => (ElementKind::Unsigned, &[1, 2, 4, 8]),
            _ => return None,
        };
        let bytes = size.parse().ok().filter(|size| sizes.contains(size))?;
        Some(Element { kind, bytes, is_big_endian })
    }

    fn of_tensor(dtype: Dtype) -> Result<Element, String> {
        let kind = match dtype {
            Dtype::F16 | Dtype::F32 | Dtype::F64 => ElementKind::Float,
            Dtype::BF16 => ElementKind::Bfloat,
            Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => ElementKind::Signed,
            Dtype::BOOL | Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => ElementKind::Unsigned,
            other => return Err(format!("its dtype {other:?} is no number that is read")),
        };
        Ok(Element { kind, bytes: dtype.size(), is_big_endian: false })
    }

    /// The bytes of one number, the least significant first.
    fn little(&self, bytes: &[u8]) -> [u8; 8] {
        let mut number = [0; 8];
        for (at, byte) in bytes.iter().enumerate() {
            number[if self.is_big_endian { self.bytes - 1 - at } else { at }] = *byte;
        }
        number
    }

    fn float(&self, bytes: &[u8]) -> f64 {
        let little = self.little(bytes);
        let [a, b, c, d, ..] = little;
        match (self.kind, self.bytes) {
            (ElementKind::Bfloat, _) => bf16::from_le_bytes([a, b]).to_f64(),
            (_, 2) => f16::from_le_bytes([a, b]).to_f64(),
            (_, 4) => f64::from(f32::from_le_bytes([a, b, c, d])),
            _ => f64::from_le_bytes(little),
        }
    }

    /// None if it is larger than an i64.
    fn integer(&self, bytes: &[u8]) -> Option<i64> {
        let number = u64::from_le_bytes(self.little(bytes));
        let unused = 64 - 8 * self.bytes as u32;
        match self.kind {
            ElementKind::Signed => Some(((number << unused) as i64) >> unused),
            ElementKind::Unsigned | ElementKind::Float | ElementKind::Bfloat => i64::try_from(number).ok(),
        }
    }
}

/// The number of numbers of a shape.
fn count(shape: &[usize]) -> Result<usize, String> {
    let count = shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    count.filter(|count| *count <= MOST_NUMBERS).ok_or_else(|| {
        format!("an array of shape {shape:?} has more than {MOST_NUMBERS} numbers, which is more than is read")
    })
}

fn numbers(shape: &[usize], element: &Element, data: &[u8]) -> Result<Array, String> {
    if count(shape)?.checked_mul(element.bytes) != Some(data.len()) {
        return Err(format!("{} bytes of numbers are no array of shape {shape:?}", data.len()));
    }
    let each = data.chunks_exact(element.bytes);
    let values = match element.kind {
        ElementKind::Float | ElementKind::Bfloat => Values::Float(each.map(|bytes| element.float(bytes)).collect()),
        ElementKind::Signed | ElementKind::Unsigned => {
            let all: Option<Vec<i64>> = each.map(|bytes| element.integer(bytes)).collect();
            Values::Integer(all.ok_or("a number is larger than 64 bits with a sign hold")?)
        }
    };
    Ok(Array { name: String::new(), shape: shape.to_vec(), values })
}

/// Reads a `.npy` file of `size` bytes.
fn npy(from: &mut impl Read, size: u64) -> Result<Array, String> {
    let torn = |error: std::io::Error| format!("the file is damaged: {error}");
    let mut head = [0; 8];
    from.read_exact(&mut head).map_err(torn)?;
    if !head.starts_with(b"\x93NUMPY") || !(1..=3).contains(&head[6]) {
        return Err("it is no array of NumPy".to_owned());
    }
    let (length, before) = if head[6] == 1 {
        let mut length = [0; 2];
        from.read_exact(&mut length).map_err(torn)?;
        (usize::from(u16::from_le_bytes(length)), 10)
    } else {
        let mut length = [0; 4];
        from.read_exact(&mut length).map_err(torn)?;
        (u32::from_le_bytes(length) as usize, 12)
    };
    if length > LONGEST_HEADER {
        return Err("its header is too long".to_owned());
    }
    let mut header = vec![0; length];
    from.read_exact(&mut header).map_err(torn)?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let Header { descr, is_fortran, shape } = Header::parse(&header)
        .ok_or_else(|| format!("its header is none of an array of numbers: `{}`", excerpt(header.trim())))?;
    let element = Element::of_descr(&descr)
        .ok_or_else(|| format!("its dtype `{}` is no number that is read: astype(float) makes one", excerpt(&descr)))?;
    let bytes = count(&shape)?.saturating_mul(element.bytes);
    let rest = size.saturating_sub(before + length as u64);
    if rest < bytes as u64 {
        return Err(format!("it ends before its {} numbers of shape {shape:?} do", count(&shape)?));
    }
    if rest > bytes as u64 {
        let more = rest - bytes as u64;
        return Err(format!("it goes on for {more} bytes behind its {} numbers of shape {shape:?}", count(&shape)?));
    }
    let mut data = vec![0; bytes];
    from.read_exact(&mut data).map_err(torn)?;
    let array = numbers(&shape, &element, &data)?;
    Ok(if is_fortran { last_index_first(array) } else { array })
}

/// What the header of a `.npy` file says: a dictionary of Python.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    descr: String,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Option<Header> {
        let after = |key: &str| {
            let at =
                [format!("'{key}':"), format!("\"{key}\":")].iter().find_map(|key| Some(text.find(key)? + key.len()));
            at.map(|at| text[at..].trim_start())
        };
        let descr = after("descr")?;
        let quote = descr.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let descr = descr[1..].split(quote).next()?.to_owned();
        let order = after("fortran_order")?;
        let is_fortran = order.starts_with("True");
        if !is_fortran && !order.starts_with("False") {
            return None;
        }
        let shape = after("shape")?.strip_prefix('(')?.split(')').next()?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape = sizes.map(|size| size.trim_end_matches('L').parse().ok()).collect::<Option<Vec<usize>>>()?;
        Some(Header { descr, is_fortran, shape })
    }
}

/// The array in C order, of one that lies in Fortran's order.
fn last_index_first(array: Array) -> Array {
    let Array { name, shape, values } = array;
    let mut strides = vec![1; shape.len()];
    for at in 1..shape.len() {
        strides[at] = strides[at - 1] * shape[at - 1];
    }
    let place = |mut index: usize| {
        let mut place = 0;
        for (size, stride) in shape.iter().zip(&strides).rev() {
            place += index % size * stride;
            index /= size;
        }
        place
    };
    let values = match values {
        Values::Float(all) => Values::Float((0..all.len()).map(|i| all[place(i)]).collect()),
        Values::Integer(all) => Values::Integer((0..all.len()).map(|i| all[place(i)]).collect()),
    };
    Array { name, shape, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `.npy` file of version 1.
    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn numbers_of_every_dtype_are_read() {
        let one = |descr: &str, data: &[u8]| read(&file(descr, "False", "(1,)", data), "").map(|array| array.values);
        assert_eq!(one("<f8", &1.5f64.to_le_bytes()), Ok(Values::Float(vec![1.5])));
        assert_eq!(one(">f4", &1.5f32.to_be_bytes()), Ok(Values::Float(vec![1.5])));
        assert_eq!(one("<f2", &f16::from_f64(-2.5).to_le_bytes()), Ok(Values::Float(vec![-2.5])));
        assert_eq!(one("|i1", &[0xff]), Ok(Values::Integer(vec![-1])));
        assert_eq!(one("<i2", &(-300i16).to_le_bytes()), Ok(Values::Integer(vec![-300])));
        assert_eq!(one(">i8", &(-5i64).to_be_bytes()), Ok(Values::Integer(vec![-5])));
        assert_eq!(one("|b1", &[1]), Ok(Values::Integer(vec![1])));
        assert_eq!(one("<u4", &u32::MAX.to_le_bytes()), Ok(Values::Integer(vec![u32::MAX.into()])));
        assert!(one("<u8", &u64::MAX.to_le_bytes()).is_err());
        assert!(one("<c8", &[0; 8]).unwrap_err().contains("`<c8` is no number"));
        assert!(one("|O", &[0; 8]).is_err());
    }

    #[test]
    fn fortran_order_is_turned_around() {
        // [[1, 2, 3], [4, 5, 6]], column by column.
        let array = read(&file("|i1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]), "").unwrap();
        assert_eq!((array.shape, array.values), (vec![2, 3], Values::Integer(vec![1, 2, 3, 4, 5, 6])));
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = file("<f8", "False", "(2,)", &[0; 16]);
        for length in 0..whole.len() {
            assert!(read(&whole[..length], "").is_err(), "{length}");
        }
        assert!(read(&file("<f8", "False", "(99999999999,)", &[]), "").unwrap_err().contains("more than is read"));
        assert!(read(&file("<f8", "False", "(3, 18446744073709551615)", &[]), "").is_err());
        assert!(read(b"a,b\n1,2\n", "").unwrap_err().contains("neither npy nor npz nor safetensors"));
    }
    /// An archive of these entries, compressed.
    fn npz(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let packed = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        for (name, bytes) in entries {
            archive.start_file(*name, packed).unwrap();
            std::io::Write::write_all(&mut archive, bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn two_arrays_of_one_name_are_refused() {
        let one = file("|i1", "False", "(1,)", &[1]);
        assert_eq!(names(&npz(&[("x.npy", &one), ("y.npy", &one)])), Ok(vec!["x".to_owned(), "y".to_owned()]));
        for second in ["x.npy", "x"] {
            // The writer refuses a name that it has, so the name is changed behind its back.
            let mut twice = npz(&[("x.npy", &one), ("y.npy", &one)]);
            if second == "x" {
                twice = npz(&[("x.npy", &one), ("x", &one)]);
            }
            while let Some(at) = twice.windows(5).position(|name| name == b"y.npy") {
                twice[at] = b'x';
            }
            assert!(names(&twice).unwrap_err().contains("have the name `x`"), "{second}");
            assert!(read(&twice, "x").unwrap_err().contains("have the name `x`"), "{second}");
        }
    }

    #[test]
    fn a_small_file_cannot_fill_the_memory() {
        let numbers = 40 << 20;
        let zeros = file("<f8", "False", &format!("({numbers},)"), &vec![0; numbers * 8]);
        let packed = npz(&[("x.npy", &zeros)]);
        assert!(packed.len() < 1 << 20, "{}", packed.len());
        assert!(read(&packed, "x").unwrap_err().contains("which is more than is unpacked"));
        // What lies in the file unpacked may be as large as the file is.
        assert!(read(&zeros, "").is_ok());
        let mut longer = file("|i1", "False", "(2,)", &[1, 2]);
        longer.push(3);
        assert!(read(&npz(&[("x.npy", &longer)]), "x").unwrap_err().contains("goes on for 1 bytes"));
    }
}
