//! The value that an axis has in a trial, and its text.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// The value of an axis: one cell of a configuration. Its tag takes a whole word, so that a value
/// is copied by words: behind a tag of one byte the rest would be copied in pieces that overlap,
/// and a processor waits for each piece before it reads the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(u64)]
pub enum Value {
    Text(&'static str),
    Integer(u64),
    Float(f64),
    Boolean(bool),
}

impl Value {
    /// Appends the text of the value. A float is written as `{:?}` writes it.
    pub fn put(self, to: &mut Vec<u8>) {
        match self {
            Value::Text(text) => to.extend_from_slice(text.as_bytes()),
            Value::Integer(n) => to.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
            Value::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 && (x != 0.0 || x.is_sign_positive()) => {
                to.extend_from_slice(itoa::Buffer::new().format(x as i64).as_bytes());
                to.extend_from_slice(b".0");
            }
            // `ryu` is not used: of two texts of 16 digits that are equally near it takes the other
            // one.
            Value::Float(x) => write!(to, "{x:?}").expect("writing to memory"),
            Value::Boolean(b) => to.extend_from_slice(if b { b"true" } else { b"false" }),
        }
    }
}

/// The texts that stand in no table, since they are values of declared axes. Each is kept once.
static TEXTS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

impl Value {
    /// The value of a text that stands in no table. The text is kept for as long as the process
    /// lives.
    pub fn text(text: &str) -> Value {
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = texts.get_or_insert_default();
        let known = texts.get(text).copied().unwrap_or_else(|| {
            let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
            texts.insert(kept);
            kept
        });
        Value::Text(known)
    }
}

/// A value as it goes to another process.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Value")]
enum Sent<T> {
    Text(T),
    Integer(u64),
    Float(f64),
    Boolean(bool),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match *self {
            Value::Text(text) => Sent::Text(text),
            Value::Integer(n) => Sent::Integer(n),
            Value::Float(x) => Sent::Float(x),
            Value::Boolean(b) => Sent::Boolean(b),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        Ok(match Sent::<String>::deserialize(from)? {
            Sent::Text(text) => Value::text(&text),
            Sent::Integer(n) => Value::Integer(n),
            Sent::Float(x) => Value::Float(x),
            Sent::Boolean(b) => Value::Boolean(b),
        })
    }
}

/// A number that a variant of an enum takes, as a value.
pub trait Number: Copy {
    /// The number before an axis has set it.
    const UNSET: Self;

    fn value(self) -> Value;

    /// The number that a value is.
    ///
    /// # Panics
    /// If the value is of another type. Then the tables of the axes are wrong.
    fn of(value: Value) -> Self;

    /// The bits by which two numbers are compared.
    fn bits(self) -> u64;
}

macro_rules! number {
    ($type:ty, $variant:ident, $unset:expr, $bits:expr) => {
        impl Number for $type {
            const UNSET: $type = $unset;

            fn value(self) -> Value {
                Value::$variant(self)
            }

            fn of(value: Value) -> $type {
                match value {
                    Value::$variant(number) => number,
                    other => panic!("{other:?} is not of the type of its axis"),
                }
            }

            fn bits(self) -> u64 {
                $bits(self)
            }
        }
    };
}

number!(f64, Float, 0.0, f64::to_bits);
number!(u64, Integer, 0, u64::from);
number!(bool, Boolean, false, u64::from);

/// A number that equals another one if its bits do, so that it can be part of a key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Exact(pub f64);

impl PartialEq for Exact {
    fn eq(&self, other: &Exact) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Exact {}

impl Hash for Exact {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.0.to_bits().hash(to);
    }
}

/// Lets a variant take one of the names of an enum as a number.
macro_rules! name {
    ($type:ty) => {
        impl $crate::trial::Number for $type {
            const UNSET: $type = <$type>::ALL[0];

            fn value(self) -> $crate::trial::Value {
                $crate::trial::Value::Text(self.name())
            }

            fn of(value: $crate::trial::Value) -> $type {
                match value {
                    $crate::trial::Value::Text(name) => <$type>::from_name(name),
                    _ => None,
                }
                .unwrap_or_else(|| panic!("{value:?} is none of the names of its axis"))
            }

            fn bits(self) -> u64 {
                self as u64
            }
        }
    };
}

pub(super) use name;
