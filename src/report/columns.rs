//! Columns as the page reads them: arrays of the narrowest type that holds every value,
//! little-endian, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// An array of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypedArray {
    pub kind: ElementType,
    pub data: String,
}

/// As JavaScript's typed arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    U8,
    U16,
    U32,
    F32,
    F64,
}

/// Numbers of which some may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measure {
    pub name: &'static str,
    pub values: TypedArray,
    /// A bit for every row whose cell is empty, the lowest first; none if no cell is.
    pub empty: Option<String>,
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Whole numbers.
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

/// Seven digits are enough to look at; the range of an f32 may not be.
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

/// `None` where every cell is empty.
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
