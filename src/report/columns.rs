//! Columns in the form that the page reads: little-endian arrays in base64, of the narrowest type
//! that holds every value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// An array of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypedArray {
    pub kind: ElementType,
    /// The bytes in base64.
    pub data: String,
}

/// The type of the elements, named as in the typed arrays of JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    U8,
    U16,
    U32,
    F32,
    F64,
}

/// A column of numbers, of which some may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measure {
    pub name: &'static str,
    pub values: TypedArray,
    /// A bit for every row, the lowest first, which is 1 if the cell is empty. None if no cell is
    /// empty.
    pub empty: Option<String>,
}

/// The bytes in base64.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The column of these whole numbers.
pub fn integers(values: impl Iterator<Item = u32> + Clone) -> TypedArray {
    let bytes =
        |width: usize| values.clone().flat_map(|n| n.to_le_bytes().into_iter().take(width)).collect::<Vec<u8>>();
    let (kind, width) = match values.clone().max().unwrap_or(0) {
        0..=0xff => (ElementType::U8, 1),
        0x100..=0xffff => (ElementType::U16, 2),
        _ => (ElementType::U32, 4),
    };
    TypedArray { kind, data: base64(&bytes(width)) }
}

/// The column of these numbers: f32, whose seven digits are enough to be looked at, or f64 if a
/// number is out of the range of f32.
pub fn floats(values: impl Iterator<Item = f64> + Clone) -> TypedArray {
    let fits =
        |x: f64| !x.is_finite() || x == 0.0 || (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&x.abs());
    if values.clone().all(fits) {
        let bytes: Vec<u8> = values.flat_map(|x| (x as f32).to_le_bytes()).collect();
        TypedArray { kind: ElementType::F32, data: base64(&bytes) }
    } else {
        let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        TypedArray { kind: ElementType::F64, data: base64(&bytes) }
    }
}

/// The column of these cells. None if every cell is empty.
pub fn measure(name: &'static str, cells: &[Option<f64>]) -> Option<Measure> {
    let absent = cells.iter().filter(|cell| cell.is_none()).count();
    if absent == cells.len() {
        return None;
    }
    let mut mask = vec![0u8; cells.len().div_ceil(8)];
    for (row, _) in cells.iter().enumerate().filter(|(_, cell)| cell.is_none()) {
        mask[row / 8] |= 1 << (row % 8);
    }
    let values = floats(cells.iter().map(|cell| cell.unwrap_or(0.0)));
    Some(Measure { name, values, empty: (absent > 0).then(|| base64(&mask)) })
}
