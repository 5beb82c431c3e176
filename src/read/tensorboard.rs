//! Event files of TensorBoard: records of a length, a checksum, a message of protocol buffers and a
//! checksum (tensorflow/core/util/event.proto, summary.proto and tensor.proto have the fields).
//! Only the scalars are taken. A torn end, as a run leaves that was killed, ends the file.

use super::Table;
use std::collections::BTreeMap;

/// The scalars by step, a record for each step.
pub fn table(bytes: &[u8]) -> Result<Table, String> {
    let (mut rest, mut steps) = (bytes, BTreeMap::<i64, BTreeMap<String, f64>>::new());
    let mut first = true;
    while let Some((event, behind)) = record(rest) {
        let mut step = 0;
        let mut scalars = Vec::new();
        for (number, field) in Fields(event) {
            match (number, field) {
                (EVENT_STEP, Field::Varint(n)) => step = n as i64,
                (EVENT_SUMMARY, Field::Bytes(summary)) => scalars.extend(values(summary)),
                _ => {}
            }
        }
        if first && !Fields(event).any(|(number, _)| number == EVENT_VERSION) {
            return Err("its first record has no version".to_owned());
        }
        first = false;
        steps.entry(step).or_default().extend(scalars);
        rest = behind;
    }
    if first && !bytes.is_empty() {
        return Err("it has no whole record".to_owned());
    }
    Ok(steps.into_values().filter(|row| !row.is_empty()).collect())
}

const EVENT_STEP: u64 = 2;
const EVENT_VERSION: u64 = 3;
const EVENT_SUMMARY: u64 = 5;
const SUMMARY_VALUE: u64 = 1;
const VALUE_TAG: u64 = 1;
const VALUE_SIMPLE: u64 = 2;
const VALUE_TENSOR: u64 = 8;
const TENSOR_TYPE: u64 = 1;
const TENSOR_CONTENT: u64 = 4;
const TENSOR_FLOATS: u64 = 5;
const TENSOR_DOUBLES: u64 = 6;
/// The number of the type double.
const DOUBLE: u64 = 2;

/// The message of the first record, and what is behind it. `None` where it is not whole.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(12)?;
    Some((bytes.get(12..end)?, bytes.get(end.checked_add(4)?..)?))
}

/// The scalars of a summary.
fn values(summary: &[u8]) -> Vec<(String, f64)> {
    let value = |(number, field)| match (number, field) {
        (SUMMARY_VALUE, Field::Bytes(value)) => scalar(value),
        _ => None,
    };
    Fields(summary).filter_map(value).collect()
}

fn scalar(value: &[u8]) -> Option<(String, f64)> {
    let (mut tag, mut number) = (None, None);
    for (at, field) in Fields(value) {
        match (at, field) {
            (VALUE_TAG, Field::Bytes(text)) => tag = std::str::from_utf8(text).ok(),
            (VALUE_SIMPLE, Field::Fixed32(bytes)) => number = Some(f64::from(f32::from_le_bytes(bytes))),
            (VALUE_TENSOR, Field::Bytes(tensor)) => number = one_number(tensor).or(number),
            _ => {}
        }
    }
    Some((tag?.to_owned(), number?))
}

/// The number of a tensor that has one.
fn one_number(tensor: &[u8]) -> Option<f64> {
    let is_double = Fields(tensor).any(|(at, field)| at == TENSOR_TYPE && matches!(field, Field::Varint(DOUBLE)));
    let float = |bytes: &[u8]| bytes.try_into().ok().map(|bytes| f64::from(f32::from_le_bytes(bytes)));
    let double = |bytes: &[u8]| bytes.try_into().ok().map(f64::from_le_bytes);
    Fields(tensor).find_map(|(at, field)| match (at, field) {
        (TENSOR_CONTENT, Field::Bytes(bytes)) if is_double => double(bytes),
        (TENSOR_CONTENT | TENSOR_FLOATS, Field::Bytes(bytes)) => float(bytes),
        (TENSOR_FLOATS, Field::Fixed32(bytes)) => Some(f64::from(f32::from_le_bytes(bytes))),
        (TENSOR_DOUBLES, Field::Bytes(bytes)) => double(bytes),
        (TENSOR_DOUBLES, Field::Fixed64(bytes)) => Some(f64::from_le_bytes(bytes)),
        _ => None,
    })
}

/// The value of a field.
enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// The fields of a message with their numbers. What cannot be read ends it.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.take(8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.0.get(..length)?;
        self.0 = &self.0[length..];
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}
