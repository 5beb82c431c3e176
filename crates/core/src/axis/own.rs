//! The axes that a spec declares beside the built-in ones, for a program of the user's own. Equal
//! declarations are one axis for as long as the process lives, so that an `Id` stays a small key.

use super::Default::Required;
use super::End::Beyond;
use super::{Acts, Axis, Bounds, Effect, Held, Id, Identity, Kind, Merges, Rides, TABLE};
use crate::trial::named;
use std::sync::{PoisonError, RwLock};

/// The number of a declared axis among all declarations of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Own(u16);

/// What a spec says of an axis of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Declared {
    pub name: String,
    pub kind: DeclaredKind,
}

named! {
    /// The values that such an axis takes.
    DeclaredKind {
        /// A whole number, 0 or more.
        Integer = "integer",
        /// A finite number.
        Float = "float",
        /// One line of text.
        Text = "text",
        Boolean = "boolean",
    }
}

/// The axes that a spec knows: the built-in ones and those that it declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AxisSet {
    /// These axes in the order of their declaration, which is that of the columns.
    pub declared: Vec<Id>,
    /// Whether a program trains the trials. What an axis means there is the program's business: no
    /// axis needs another one, none has a default, and none has to be there.
    pub of_program: bool,
}

static DECLARED: RwLock<Vec<&'static Axis>> = RwLock::new(Vec::new());

impl Declared {
    /// The axis of this declaration; `None` if the process has declared 65,536 others before.
    pub fn id(&self) -> Option<Id> {
        let same = |axis: &&&Axis| axis.name == self.name && self.kind.takes(&axis.kind);
        let known = DECLARED.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(axis) = known.iter().find(same) {
            return Some(axis.id);
        }
        drop(known);
        let mut all = DECLARED.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(axis) = all.iter().find(same) {
            return Some(axis.id);
        }
        let id = Id::Own(Own(u16::try_from(all.len()).ok()?));
        let name: &'static str = Box::leak(self.name.clone().into_boxed_str());
        all.push(Box::leak(Box::new(Axis {
            id,
            name,
            kind: self.kind.of_axis(),
            default: Required,
            needs: &[],
            effect: Effect::Always,
            beside: &[],
            merges: Merges::Never,
            rides: Rides::Lane,
            identity: Identity::Always,
            acts: Acts::AtStart,
            title: name,
            text: "An axis that the spec declares.",
            also: &[],
            get: |_| None,
            set: |_, _| {},
        })));
        Some(id)
    }
}

impl DeclaredKind {
    fn of_axis(self) -> Kind {
        match self {
            DeclaredKind::Integer => Kind::Integer { min: 0, max: i64::MAX as u64 },
            DeclaredKind::Float => Kind::Float {
                names: &[],
                range: Bounds {
                    least: Beyond(f64::NEG_INFINITY),
                    most: Beyond(f64::INFINITY),
                    words: "a finite number",
                    held: Held::Nothing,
                },
            },
            DeclaredKind::Text => Kind::Text,
            DeclaredKind::Boolean => Kind::Boolean,
        }
    }

    /// Whether an axis of this kind takes such values.
    fn takes(self, kind: &Kind) -> bool {
        match (self, kind) {
            (DeclaredKind::Integer, Kind::Integer { .. })
            | (DeclaredKind::Float, Kind::Float { .. })
            | (DeclaredKind::Text, Kind::Text)
            | (DeclaredKind::Boolean, Kind::Boolean) => true,
            (DeclaredKind::Integer | DeclaredKind::Float | DeclaredKind::Text | DeclaredKind::Boolean, _) => false,
        }
    }
}

impl AxisSet {
    /// The axis of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&'static Axis> {
        Axis::find(name).or_else(|| self.all().find(|axis| axis.name == name))
    }

    /// Every axis in the order of the columns.
    pub fn all(&self) -> impl Iterator<Item = &'static Axis> {
        TABLE.iter().chain(self.declared.iter().map(|id| id.axis()))
    }

    /// The names of all axes, in the order of the columns.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.all().map(|axis| axis.name)
    }
}

/// The axis of a declaration.
///
/// # Panics
/// If the axis is a built-in one, which stands in `TABLE`.
pub(super) fn axis(id: Id) -> &'static Axis {
    let Id::Own(Own(number)) = id else { panic!("{id:?} is a built-in axis") };
    DECLARED.read().unwrap_or_else(PoisonError::into_inner)[usize::from(number)]
}
