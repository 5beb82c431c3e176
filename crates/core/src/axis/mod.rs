//! The axes: everything that a grid can vary, each declared once (`table`). What a spec may say of an axis, where it applies, how it enters a trial, its identity
//! (`identity`), its shape, the columns of `runs.csv`, the titles of figures and the tables of the documents all follow from its declaration.

mod identity;
mod own;
mod table;

pub use own::{AxisSet, Declared, DeclaredKind, Own};
pub use table::{COUNT, Id, TABLE};

use crate::trial::{Trial, Value};
use std::fmt;

/// `batch = "all"`, and any batch that no task has.
pub const ALL_SAMPLES: u64 = u64::MAX;

/// One hyperparameter.
#[derive(Debug)]
pub struct Axis {
    pub id: Id,
    /// In specs and in the header of `runs.csv`.
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    /// It applies only where all of these hold.
    pub needs: &'static [Need],
    pub rides: Rides,
    pub identity: Identity,
    pub acts: Acts,
    /// In figures, with its unit.
    pub title: &'static str,
    /// What it is, for the documents: a sentence without the name.
    pub text: &'static str,
    /// What others call it, so that a spec can be told the name.
    pub also: &'static [&'static str],
    /// The value in a trial of a built-in net; none where the axis does not apply. `Id::of` asks
    /// for that of any trial.
    get: fn(&Trial) -> Option<Value>,
    /// Gives a trial the value. Axes are set in the order of the table, and only where they apply.
    pub set: fn(&mut Trial, Value),
}

/// What values there are.
#[derive(Debug)]
pub enum Kind {
    /// `short`: the axis that `name(number)` sets too, and the names that take a number. `aliases`: other names for some.
    Choice {
        names: &'static [&'static str],
        short: Option<Short>,
        aliases: &'static [(&'static str, &'static str)],
    },
    /// Both ends included.
    Integer {
        min: u64,
        max: u64,
    },
    Float {
        range: Bounds,
    },
    Boolean,
    /// Any line of text; only of axes that a spec declares.
    Text,
}

#[derive(Debug)]
pub struct Short {
    pub sets: Id,
    pub names: &'static [&'static str],
}

/// Which numbers an axis takes, and that in words.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub least: End,
    pub most: End,
    pub words: &'static str,
    /// Whether it must be a finite number of the trial's dtype too.
    pub held: bool,
}

/// One end of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// The number itself is in it.
    At(f64),
    /// The number itself is not.
    Beyond(f64),
}

/// The value where a spec gives none.
#[derive(Debug)]
pub enum Default {
    Is(Value),
    /// There is none: a spec must say it where the axis applies.
    Required,
    /// That of another axis.
    Follows(Id),
    /// It depends on the network.
    OfNetwork(fn(&str) -> &'static str),
    /// It depends on the task.
    OfTask,
    /// It is not set, and the start of the biases depends on the initializer.
    OfInit,
}

/// A condition on the value of another axis at the same point.
#[derive(Debug)]
pub struct Need {
    pub axis: Id,
    pub test: Test,
}

#[derive(Debug)]
pub enum Test {
    OneOf(&'static [&'static str]),
    /// One of those that take the number of this name.
    Taking(&'static [(&'static str, &'static [&'static str])], &'static str),
    AtLeastOne,
}

/// Which trials can train together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rides {
    /// Lanes of a cohort share its value: it decides which kernels run and how large their tensors are.
    Shape,
    /// Each lane has its own value. Where it is 0 in all of them, the kernels may leave it out.
    Lane,
    /// As `Lane`; trials that differ in it alone share a lane until one of them is clipped.
    Clip,
    /// Each lane has its own; it makes no configuration.
    Seed,
}

/// How it enters the hash that is a trial's id.
#[derive(Debug, Clone, Copy)]
pub enum Identity {
    /// Wherever it applies.
    Always,
    /// Only where it is not at its default, so that the ids from before it was added stay: the how manieth of those.
    Added(u8),
    /// As `Added`, in a form of its own.
    Written(u8, fn(&Trial) -> Option<String>),
    /// With another axis.
    Within(Id),
    /// Behind all others.
    Last,
}

/// Since when it has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acts {
    /// Before the first update: on data, weights, the first pass.
    AtStart,
    /// From the first update on.
    Later,
}

impl Bounds {
    /// False of NaN.
    pub fn holds(&self, x: f64) -> bool {
        let above = match self.least {
            End::At(least) => x >= least,
            End::Beyond(least) => x > least,
        };
        above
            && match self.most {
                End::At(most) => x <= most,
                End::Beyond(most) => x < most,
            }
    }
}

impl Need {
    pub fn holds(&self, value: Value) -> bool {
        match (&self.test, value) {
            (Test::OneOf(names), Value::Text(text)) => names.contains(&text),
            (Test::Taking(all, number), Value::Text(text)) => {
                all.iter().any(|(name, numbers)| *name == text && numbers.contains(number))
            }
            (Test::AtLeastOne, Value::Integer(i)) => i >= 1,
            (Test::OneOf(_) | Test::Taking(..) | Test::AtLeastOne, _) => false,
        }
    }

    /// The names that fulfil it; none of a number.
    pub fn names(&self) -> Vec<&'static str> {
        match self.test {
            Test::OneOf(names) => names.to_vec(),
            Test::Taking(all, number) => {
                all.iter().filter(|(_, numbers)| numbers.contains(&number)).map(|(name, _)| *name).collect()
            }
            Test::AtLeastOne => Vec::new(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::OneOf(_) | Test::Taking(..) => write!(f, "`{}` {}", self.axis.name(), self.names().join(" or ")),
            Test::AtLeastOne => write!(f, "`{}` 1 or more", self.axis.name()),
        }
    }
}

impl Id {
    pub fn name(self) -> &'static str {
        self.axis().name
    }

    pub fn axis(self) -> &'static Axis {
        match self.place() {
            Some(place) => &TABLE[place],
            None => own::axis(self),
        }
    }

    /// The value in a trial; none where the axis does not apply.
    pub fn of(self, trial: &Trial) -> Option<Value> {
        match &trial.given {
            None => (self.axis().get)(trial),
            Some(_) if self == Id::Seed => Some(Value::Integer(trial.seed)),
            Some(given) => given.value(self),
        }
    }

    /// The axis whose value this one has where a spec gives none.
    pub fn follows(self) -> Option<Id> {
        match self.axis().default {
            Default::Follows(other) => Some(other),
            Default::Is(_) | Default::Required | Default::OfNetwork(_) | Default::OfTask | Default::OfInit => None,
        }
    }

    /// The axis that `name(number)` sets, if the axis has that form.
    pub fn short_form(self) -> Option<Id> {
        match &self.axis().kind {
            Kind::Choice { short, .. } => short.as_ref().map(|short| short.sets),
            Kind::Integer { .. } | Kind::Float { .. } | Kind::Boolean | Kind::Text => None,
        }
    }

    /// Whether it is the number of a short form.
    pub fn is_number_of_another(self) -> bool {
        TABLE.iter().any(|axis| axis.id.short_form() == Some(self))
    }

    /// Every axis that decides what this one is in a trial, itself included.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other axes need nothing beside them")]
    pub fn depends_on(self) -> Vec<Id> {
        let beside = match self {
            Id::RecurrentInitScale => Some(Id::RecurrentInit),
            Id::BiasStd => Some(Id::Init),
            Id::Nesterov => Some(Id::Momentum),
            Id::Sampling => Some(Id::Batch),
            _ => None,
        };
        let needs = self.axis().needs.iter().map(|need| need.axis);
        [self].into_iter().chain(needs).chain(self.short_form()).chain(self.follows()).chain(beside).collect()
    }
}

impl Axis {
    pub fn is_numeric(&self) -> bool {
        matches!(self.kind, Kind::Integer { .. } | Kind::Float { .. })
    }

    /// The axis of this name, if there is one.
    pub fn find(name: &str) -> Option<&'static Axis> {
        TABLE.iter().find(|axis| axis.name == name)
    }

    /// The value where a spec gives none, if it is always the same.
    pub fn usual(&self) -> Option<Value> {
        match self.default {
            Default::Is(value) => Some(value),
            Default::Required | Default::Follows(_) | Default::OfNetwork(_) | Default::OfTask | Default::OfInit => None,
        }
    }

    /// The names of all axes, in the order of the columns.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|axis| axis.name)
    }

    /// What it is in `trial` if a spec says nothing of it. None where it has no default, or does not apply.
    pub fn default_in(&self, trial: &Trial) -> Option<Value> {
        match self.default {
            _ if trial.given.is_some() => None,
            Default::Is(Value::Integer(ALL_SAMPLES)) => Some(Value::Integer(trial.task.samples as u64)),
            Default::Is(value) => Some(value),
            Default::Required => None,
            Default::Follows(other) => other.of(trial),
            Default::OfNetwork(default) => Some(Value::Text(default(trial.network.name()))),
            Default::OfTask => Some(Value::Text(trial.task.kind.default_loss().name())),
            Default::OfInit => Some(Value::Float(0.0)),
        }
    }

    /// The name of a value that others call otherwise; `-` is read as `_`.
    pub fn canonical(&self, text: &str) -> String {
        let name = text.trim().replace('-', "_");
        match &self.kind {
            Kind::Choice { aliases, .. } => {
                aliases.iter().find(|(other, _)| *other == name).map_or(name, |(_, name)| (*name).to_owned())
            }
            Kind::Integer { .. } | Kind::Float { .. } | Kind::Boolean | Kind::Text => name,
        }
    }
}

impl Trial {
    /// A hash of what lanes may differ in but clipping and seed: equal for trials that differ in these two alone, and an order for the others.
    pub fn likeness(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        let mut put = |value: Option<Value>| match value {
            None => 0u8.hash(&mut hasher),
            Some(Value::Text(text)) => (1u8, text).hash(&mut hasher),
            Some(Value::Integer(n)) => (2u8, n).hash(&mut hasher),
            Some(Value::Float(x)) => (3u8, x.to_bits()).hash(&mut hasher),
            Some(Value::Boolean(b)) => (4u8, b).hash(&mut hasher),
        };
        if let Some(given) = &self.given {
            given.cells.iter().for_each(|(_, value)| put(*value));
            return hasher.finish();
        }
        for axis in TABLE.iter().filter(|axis| axis.rides == Rides::Lane) {
            let value = axis.id.of(self);
            // What only follows another axis says nothing more; the seed of the data would make every seed another likeness.
            let follows = axis.id.follows().is_some_and(|other| other.of(self) == value);
            put(value.filter(|_| !follows));
        }
        hasher.finish()
    }
}
