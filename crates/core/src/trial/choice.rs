//! Enums whose variants have the names that specs and CSV files use.

/// Declares an enum whose variants have names.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ::serde::Serialize, ::serde::Deserialize,
        )]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name that specs and CSV files use.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            pub fn from_name(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

/// Declares an enum whose variants have names and may take numbers, each under the name of its
/// axis, with the value that it has where a spec gives none. Two values are equal if their names
/// and the bits of all their numbers are equal, so they can be part of a key.
macro_rules! with_numbers {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident
            $({ $($field:ident: $type:ty $(= $default:expr)?),+ $(,)? })? = $text:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name { $($(#[$variant_meta])* $variant $({ $($field: $type),+ })?),+ }

        impl PartialEq for $name {
            fn eq(&self, other: &$name) -> bool {
                self.key() == other.key()
            }
        }

        impl Eq for $name {}

        impl ::std::hash::Hash for $name {
            fn hash<H: ::std::hash::Hasher>(&self, to: &mut H) {
                self.key().hash(to);
            }
        }

        impl $name {
            pub const NAMES: &'static [&'static str] = &[$($text),+];
            /// Each name with the names of the axes whose numbers it takes.
            pub const TAKES: &'static [(&'static str, &'static [&'static str])] =
                &[$(($text, &[$($(stringify!($field)),+)?])),+];

            /// The name that specs and CSV files use.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant { .. } => $text),+ }
            }

            /// The variant of this name. Its numbers have their defaults, and one without a default
            /// is not set yet.
            pub fn from_name(text: &str) -> Option<$name> {
                match text {
                    $($text => Some($name::$variant $({
                        $($field: with_numbers!(@start $($default)?)),+
                    })?),)+
                    _ => None,
                }
            }

            /// The number that the variant of this name has under the name of an axis where a spec
            /// gives none. It is `None` if the variant does not take it or it has no default.
            pub fn default_number(text: &str, axis: &str) -> Option<$crate::trial::Value> {
                let variant = $name::from_name(text)?;
                let has_default = match variant {
                    $($name::$variant { .. } => {
                        [$($((stringify!($field), with_numbers!(@given $($default)?))),+)?]
                            .iter()
                            .any(|(field, given): &(&str, bool)| *field == axis && *given)
                    })+
                };
                variant.number(axis).filter(|_| has_default)
            }

            /// The name and the bits of the numbers.
            fn key(self) -> (&'static str, [u64; $crate::trial::choice::MOST_NUMBERS]) {
                let mut key = [0; $crate::trial::choice::MOST_NUMBERS];
                match self {
                    $($name::$variant $({ $($field),+ })? => {
                        let bits: &[u64] = &[$($($crate::trial::Number::bits($field)),+)?];
                        key[..bits.len()].copy_from_slice(bits);
                    })+
                }
                (self.name(), key)
            }

            /// The number under the name of its axis; `None` if this variant does not take it.
            pub fn number(self, axis: &str) -> Option<$crate::trial::Value> {
                match self {
                    $($name::$variant $({ $($field),+ })? => {
                        $($(if axis == stringify!($field) {
                            return Some($crate::trial::Number::value($field));
                        })+)?
                    })+
                }
                None
            }

            /// Sets the number under the name of its axis.
            ///
            /// # Panics
            /// If this variant does not take such a number.
            pub fn set_number(&mut self, axis: &str, value: $crate::trial::Value) {
                match self {
                    $($name::$variant $({ $($field),+ })? => {
                        $($(if axis == stringify!($field) {
                            *$field = $crate::trial::Number::of(value);
                            return;
                        })+)?
                    })+
                }
                panic!("{} takes no `{axis}`: {value:?}", self.name());
            }
        }
    };
    (@start) => { $crate::trial::Number::UNSET };
    (@start $default:expr) => { $default };
    (@given) => { false };
    (@given $default:expr) => { true };
}

/// Declares an enum of rules, each of which takes one number, and `None` beside them.
macro_rules! with_threshold {
    ($(#[$meta:meta])* $name:ident {
        $(#[$none_meta:meta])* None,
        $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name { $(#[$none_meta])* None, $($(#[$variant_meta])* $variant(f64)),+ }

        impl $name {
            pub const NAMES: &'static [&'static str] = &["none", $($text),+];
            /// The names of the rules, all of which take a number.
            pub const RULES: &'static [&'static str] = &[$($text),+];

            /// The name that specs and CSV files use.
            pub fn name(self) -> &'static str {
                match self {
                    $name::None => "none",
                    $($name::$variant(_) => $text),+
                }
            }

            /// The rule of this name, whose number is not set yet: it is infinite.
            pub fn from_name(text: &str) -> Option<$name> {
                match text {
                    "none" => Some($name::None),
                    $($text => Some($name::$variant(f64::INFINITY)),)+
                    _ => None,
                }
            }

            /// The number of the rule; `None` where there is no rule.
            pub fn threshold(self) -> Option<f64> {
                match self {
                    $name::None => None,
                    $($name::$variant(threshold) => Some(threshold)),+
                }
            }

            /// The same rule with another number.
            pub fn with(self, threshold: f64) -> $name {
                match self {
                    $name::None => $name::None,
                    $($name::$variant(_) => $name::$variant(threshold)),+
                }
            }
        }
    };
}

/// The most numbers that a variant takes.
pub(super) const MOST_NUMBERS: usize = 7;

pub(crate) use named;
pub(super) use with_numbers;
pub(super) use with_threshold;
