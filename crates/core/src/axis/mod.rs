//! The axes: everything that a grid can vary. Each is declared once, in `table`. What a spec may
//! say of an axis, where the axis applies, how it enters a trial, its part in a trial's identity
//! (`identity`) and shape, the columns of `runs.csv`, the titles of figures and the tables of the
//! documents all follow from its declaration.

mod identity;
mod named;
mod own;
mod table;

pub use identity::UnseededHash;
pub use named::{Named, Values};
pub use own::{AxisSet, Declared, DeclaredKind, Own};
pub use table::{COUNT, Id, TABLE};

use crate::trial::{InitKind, Network, Trial, Value};
use std::fmt;

/// The value of `batch = "all"`, and of any batch that no task has.
pub const ALL_SAMPLES: u64 = u64::MAX;

/// An axis: one hyperparameter.
#[derive(Debug)]
pub struct Axis {
    pub id: Id,
    /// Its name in specs and in the header of `runs.csv`.
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    /// The axis applies only where all of these hold.
    pub needs: &'static [Need],
    /// What must hold, beside `needs`, for a value to change anything.
    pub effect: Effect,
    /// The axes, beside those of `needs`, by which a value becomes what it is in a trial.
    pub beside: &'static [Id],
    /// Which values of the axis may make the same trial where it applies.
    pub merges: Merges,
    pub rides: Rides,
    pub identity: Identity,
    pub acts: Acts,
    /// Its title in figures, with its unit.
    pub title: &'static str,
    /// What the axis is, for the documents: a sentence without its name.
    pub text: &'static str,
    /// The names that other programs have for it. A spec with one of them is told the right name.
    pub also: &'static [&'static str],
    /// The value in a trial of a built-in net; `None` where the axis does not apply. `Id::of` gives
    /// the value in any trial.
    get: fn(&Trial) -> Option<Value>,
    /// Gives a trial the value. Axes are set in the order of the table, and only where they apply.
    pub set: fn(&mut Trial, Value),
}

/// The values that an axis takes.
#[derive(Debug)]
pub enum Kind {
    /// One of `names`. `short` has the axis that `name(number)` sets, too, and the names that take
    /// a number. `aliases` are other names for some of them.
    Choice {
        names: &'static [&'static str],
        short: Option<Short>,
        aliases: &'static [(&'static str, &'static str)],
    },
    /// An integer from `min` to `max`, with both ends.
    Integer {
        min: u64,
        max: u64,
    },
    /// A number. `names` may stand instead of some numbers.
    Float {
        range: Bounds,
        names: &'static [Named],
    },
    Boolean,
    /// Any line of text. Only axes that a spec declares take it.
    Text,
}

/// The short form `name(number)` of a choice.
#[derive(Debug)]
pub struct Short {
    pub sets: Id,
    pub names: &'static [&'static str],
}

/// The numbers that an axis takes, and the same in words.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub least: End,
    pub most: End,
    pub words: &'static str,
    pub held: Held,
}

/// What of a number must be finite in the dtype of a trial, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nothing of it.
    Nothing,
    /// The number itself.
    Number,
    /// The number times what the optimizer multiplies a learning rate with.
    Rate,
}

/// One end of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// The interval contains the number itself.
    At(f64),
    /// The interval ends before the number.
    Beyond(f64),
}

/// The value where a spec gives none.
#[derive(Debug)]
pub enum Default {
    Is(Value),
    /// There is none. A spec must set the axis where it applies.
    Required,
    /// It is the value of another axis.
    Follows(Id),
    /// It depends on the network.
    OfNetwork(fn(Network) -> Value),
    /// It is declared with each value of this other axis that takes the number. The function gives
    /// it by the name of that value and the name of this axis.
    OfTaker(Id, fn(&str, &str) -> Option<Value>),
    /// It depends on the task.
    OfTask,
    /// The axis is not set, and the initializer decides how the biases start.
    OfInit,
}

/// A condition on the value of another axis at the same point.
#[derive(Debug)]
pub struct Need {
    pub axis: Id,
    pub test: Test,
}

/// What the value of an axis must be.
#[derive(Debug)]
pub enum Test {
    OneOf(&'static [&'static str]),
    /// One of the names that take the number of this name.
    Taking(&'static [(&'static str, &'static [&'static str])], &'static str),
    AtLeastOne,
    IsTrue,
}

/// What must hold, beside the `needs` of an axis, for a value to change anything. A switch that is
/// off changes nothing in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing else must hold.
    Always,
    /// Where the network is a bundle, the spec must name the parameters that are initialized.
    OnNamedParameters,
    /// The optimizer must have a momentum above 0.
    WithMomentum,
    /// The network must have residual branches.
    WithBranches,
    /// The batch must be smaller than the data.
    WithSmallBatch,
    /// The task must draw its data.
    WithDrawnData,
}

/// Which values of an axis may make the same trial where it applies. Beside these, the name of a
/// number may make the same trial as the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merges {
    /// No two values do.
    Never,
    /// Any values may, by what the axes `beside` have.
    Beside,
    /// Batches do that are at least as large as the data.
    FromAllSamples,
    /// Rules do whose threshold is infinite, since they clip nothing.
    WithoutThreshold,
}

/// Whether trials with different values of an axis can train together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rides {
    /// The lanes of a cohort share the value, which decides which kernels run and how large their
    /// tensors are.
    Shape,
    /// Each lane has its own value. Where the value is 0 in all lanes, the kernels may leave the
    /// axis out.
    Lane,
    /// Each lane has its own value. Trials that differ in this axis alone share a lane until one of
    /// them is clipped.
    Clip,
    /// Each lane has its own value, which makes no configuration of its own.
    Seed,
}

/// How an axis enters the hash that is a trial's id.
#[derive(Debug, Clone, Copy)]
pub enum Identity {
    /// It enters wherever it applies.
    Always,
    /// It enters only where it is not at its default, so that ids from before it was added stay as
    /// they were. The number is its place among the axes that were added later, from 1.
    Added(u8),
    /// It enters like `Added`, in a form of its own.
    Written(u8, fn(&Trial) -> Option<String>),
    /// It enters together with another axis.
    Within(Id),
    /// It enters behind all others.
    Last,
}

/// From when on an axis has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acts {
    /// It acts before the first update: on the data, the weights or the first pass.
    AtStart,
    /// It acts from the first update on.
    Later,
}

impl Bounds {
    /// Whether `x` lies within the bounds. A NaN does not.
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
    /// Whether the value fulfils the condition.
    pub fn holds(&self, value: Value) -> bool {
        match (&self.test, value) {
            (Test::OneOf(names), Value::Text(text)) => names.contains(&text),
            (Test::Taking(all, number), Value::Text(text)) => {
                all.iter().any(|(name, numbers)| *name == text && numbers.contains(number))
            }
            (Test::AtLeastOne, Value::Integer(i)) => i >= 1,
            (Test::IsTrue, Value::Boolean(is_true)) => is_true,
            (Test::OneOf(_) | Test::Taking(..) | Test::AtLeastOne | Test::IsTrue, _) => false,
        }
    }

    /// The names that fulfil the condition. A condition on a number has none.
    pub fn names(&self) -> Vec<&'static str> {
        match self.test {
            Test::OneOf(names) => names.to_vec(),
            Test::Taking(all, number) => {
                all.iter().filter(|(_, numbers)| numbers.contains(&number)).map(|(name, _)| *name).collect()
            }
            Test::AtLeastOne | Test::IsTrue => Vec::new(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::OneOf(names) if *names == Network::NAMES => f.write_str("a built-in `network`"),
            Test::OneOf(names) if *names == InitKind::DRAWN => f.write_str("`init` other than stored"),
            Test::OneOf(_) | Test::Taking(..) => write!(f, "`{}` {}", self.axis.name(), self.names().join(" or ")),
            Test::AtLeastOne => write!(f, "`{}` 1 or more", self.axis.name()),
            Test::IsTrue => write!(f, "`{}` true", self.axis.name()),
        }
    }
}

impl Id {
    pub fn name(self) -> &'static str {
        self.axis().name
    }

    /// The declaration of the axis.
    pub fn axis(self) -> &'static Axis {
        match self.place() {
            Some(place) => &TABLE[place],
            None => own::axis(self),
        }
    }

    /// The value in a trial; `None` where the axis does not apply.
    #[inline]
    pub fn of(self, trial: &Trial) -> Option<Value> {
        match &trial.given {
            None => (self.axis().get)(trial),
            Some(_) if self == Id::Seed => Some(Value::Integer(trial.seed)),
            Some(given) => given.value(self.name()),
        }
    }

    /// The axis whose value this one takes where a spec gives none.
    pub fn follows(self) -> Option<Id> {
        match self.axis().default {
            Default::Follows(other) => Some(other),
            Default::Is(_)
            | Default::Required
            | Default::OfNetwork(_)
            | Default::OfTaker(..)
            | Default::OfTask
            | Default::OfInit => None,
        }
    }

    /// The axis that `name(number)` sets, if the axis has that form.
    pub fn short_form(self) -> Option<Id> {
        match &self.axis().kind {
            Kind::Choice { short, .. } => short.as_ref().map(|short| short.sets),
            Kind::Integer { .. } | Kind::Float { .. } | Kind::Boolean | Kind::Text => None,
        }
    }

    /// Whether the axis is the number of another axis's short form.
    pub fn is_number_of_another(self) -> bool {
        TABLE.iter().any(|axis| axis.id.short_form() == Some(self))
    }

    /// Every axis that decides what this one is in a trial, itself included.
    pub fn depends_on(self) -> Vec<Id> {
        let Axis { needs, beside, .. } = self.axis();
        let needs = needs.iter().map(|need| need.axis);
        let beside = beside.iter().copied();
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
            Default::OfTaker(..) => match self.of_takers()[..] {
                [(_, value)] => Some(value),
                _ => None,
            },
            Default::Required | Default::Follows(_) | Default::OfNetwork(_) | Default::OfTask | Default::OfInit => None,
        }
    }

    /// The values where a spec gives none of a number that is declared with its takers, each with
    /// the takers that have it. It is empty for other axes.
    pub fn of_takers(&self) -> Vec<(Vec<&'static str>, Value)> {
        let Default::OfTaker(other, of) = self.default else { return Vec::new() };
        let mut values: Vec<(Vec<&'static str>, Value)> = Vec::new();
        for taker in self.needs.iter().filter(|need| need.axis == other).flat_map(Need::names) {
            let Some(value) = of(taker, self.name) else { continue };
            match values.iter_mut().find(|(_, known)| *known == value) {
                Some((takers, _)) => takers.push(taker),
                None => values.push((vec![taker], value)),
            }
        }
        values
    }

    /// The names of all axes, in the order of the columns.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|axis| axis.name)
    }

    /// The value in `trial` if the spec does not set the axis. It is `None` where the axis has no
    /// default or does not apply.
    pub fn default_in(&self, trial: &Trial) -> Option<Value> {
        match self.default {
            _ if trial.given.is_some() => None,
            Default::Is(Value::Integer(ALL_SAMPLES)) => Some(Value::Integer(trial.task.samples as u64)),
            Default::Is(value) => Some(value),
            Default::Required => None,
            Default::Follows(other) => other.of(trial),
            Default::OfNetwork(default) => Some(default(trial.network)),
            Default::OfTaker(other, of) => match other.of(trial) {
                Some(Value::Text(taker)) => of(taker, self.name),
                _ => None,
            },
            Default::OfTask => Some(Value::Text(trial.task.kind.default_loss().name())),
            Default::OfInit => Some(Value::Float(0.0)),
        }
    }

    /// The name of a value for which other programs have another name. `-` is read as `_`.
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
    /// A hash of everything in which lanes may differ, except clipping and seed. Trials that differ
    /// in these two alone have the same hash, and others get an order by it.
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
            given.built_in.iter().for_each(|(_, value)| put(Some(*value)));
            given.declared.iter().for_each(|(_, value)| put(*value));
            return hasher.finish();
        }
        for axis in TABLE.iter().filter(|axis| axis.rides == Rides::Lane) {
            let value = (axis.get)(self);
            // A value that only follows another axis adds nothing. If it did, the seed of the data
            // would give every seed another hash.
            let follows = axis.id.follows().is_some_and(|other| other.of(self) == value);
            put(value.filter(|_| !follows));
        }
        hasher.finish()
    }
}
