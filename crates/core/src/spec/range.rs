//! `{ log = [a, b], points = n }` and `{ linear = [a, b], points = n }`. The ends are exact, and
//! the inner points are rounded to 12 significant digits.

use super::key;
use super::report::{Mistake, Problems, excerpt};
use super::source::{Entry, Node, Raw, Span};
use super::value;
use crate::axis::{Axis, AxisSet, Id, Kind};
use crate::trial::Value;

/// A geometric (`log`) or an arithmetic progression from `first` to `last`, whose points are
/// computed when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progression {
    pub log: bool,
    pub first: f64,
    pub last: f64,
    pub points: u64,
}

/// A range as it is written. `per` is the axis by whose value each point is divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divided {
    pub range: Progression,
    pub per: Option<Id>,
}

impl Progression {
    pub fn new(log: bool, first: f64, last: f64, points: u64) -> Progression {
        Progression { log, first, last, points }
    }

    /// Whether neighbours have equal ratios, and not equal distances.
    pub fn is_log(&self) -> bool {
        self.log
    }

    pub fn ends(&self) -> [f64; 2] {
        [self.first, self.last]
    }

    /// The progression whose ends lie at the share `by` of the way from `centre` to the ends of
    /// this one, on the scale of its points. They are rounded to 12 significant digits.
    pub fn shrunk(&self, centre: f64, by: f64) -> Progression {
        let toward = |end: f64| {
            let end = if self.log {
                (centre.ln() + (end.ln() - centre.ln()) * by).exp()
            } else {
                centre + (end - centre) * by
            };
            round(end).clamp(self.first.min(self.last), self.first.max(self.last)) + 0.0
        };
        if by == 1.0 { *self } else { Progression { first: toward(self.first), last: toward(self.last), ..*self } }
    }

    /// The point `i`, from 0.
    pub fn at(&self, i: u64) -> f64 {
        if i == 0 {
            return self.first;
        }
        let steps = (self.points - 1) as f64;
        let (before, after) = ((self.points - 1 - i) as f64, i as f64);
        if before == 0.0 {
            return self.last;
        }
        let between = |a: f64, b: f64| {
            // This form is exact where the ends are, but it may overflow.
            let x = (a * before + b * after) / steps;
            if x.is_finite() { x } else { a * (before / steps) + b * (after / steps) }
        };
        let x = if self.log { between(self.first.ln(), self.last.ln()).exp() } else { between(self.first, self.last) };
        round(x).clamp(self.first.min(self.last), self.first.max(self.last)) + 0.0
    }

    /// Whether neighbours are surely farther apart than the rounding, also after a division by an
    /// axis.
    pub fn is_distinct(&self) -> bool {
        let (small, large) = (self.first.abs().min(self.last.abs()), self.first.abs().max(self.last.abs()));
        // Near the smallest numbers of 64 bits there are few digits.
        let normal = if self.log { small } else { large } > 1e-250;
        let gaps = self.points.saturating_sub(1).max(1) as f64;
        let far = if self.log { (self.last / self.first).ln().abs() } else { (self.last - self.first).abs() / large };
        self.points <= 1 || normal && far / gaps > 1e-10
    }
}

/// Rounds to 12 significant digits.
fn round(x: f64) -> f64 {
    format!("{x:.11e}").parse().unwrap_or(x)
}

/// The most points of one range.
pub const MOST_POINTS: i64 = 1 << 50;

const HINT: &str = "for example { log = [1e-3, 10.0], points = 5 }";

/// Reads the table of a range for `axis`.
pub fn read(axis: &Axis, entries: &[Entry], span: &Span, known: &AxisSet, problems: &mut Problems) -> Option<Divided> {
    if !axis.is_numeric() {
        let message = format!("`{}` takes no range", axis.name);
        problems.add(span, message, "ranges are for numeric axes; write a list");
        return None;
    }
    let (mut ends, mut points, mut per, mut fine) = (None, None, None, true);
    for entry in entries {
        let mut keep = |mistake: Mistake| {
            problems.push(&entry.value.span, mistake);
            fine = false;
        };
        match entry.key.as_str() {
            "log" | "linear" if ends.is_some() => keep(Mistake::new("a range is either `log` or `linear`", HINT)),
            "log" | "linear" => match pair(axis, &entry.key, &entry.value.raw, HINT) {
                Ok((first, last)) => ends = Some((entry.key == "log", first, last)),
                Err(mistake) => keep(mistake),
            },
            "points" => match entry.value.raw.integer() {
                Some(n) if (1..=MOST_POINTS).contains(&n) => points = Some(n as u64),
                _ => keep(Mistake::new("`points` is not an integer, 1 or more", HINT)),
            },
            "per" => match divisor(axis, known, &entry.value.raw) {
                Ok(id) => per = Some(id),
                Err(mistake) => keep(mistake),
            },
            other => {
                let mistake = Mistake::unknown(
                    format!("a range has no key `{}`", excerpt(other)),
                    other,
                    &key::names(&key::RANGE),
                );
                problems.push(&entry.key_span, mistake);
                fine = false;
            }
        }
    }
    if !fine {
        return None;
    }
    let (Some((log, first, last)), Some(points)) = (ends, points) else {
        let missing = if ends.is_none() { "its ends, `log` or `linear`" } else { "its number of `points`" };
        problems.add(span, format!("this range of `{}` lacks {missing}", axis.name), HINT);
        return None;
    };
    Some(Divided { range: Progression { log, first, last, points }, per })
}

/// Reads the two ends of a range of an axis. `hint` shows how they are written.
pub fn pair(axis: &Axis, key: &str, raw: &Raw, hint: &str) -> Result<(f64, f64), Mistake> {
    let wrong = || Mistake::new(format!("`{key}` needs its two ends, finite numbers"), hint);
    let Raw::List(items) = raw else { return Err(wrong()) };
    let [first, last] = &items[..] else { return Err(wrong()) };
    let end = |node: &Node| node.raw.number().filter(|x| x.is_finite()).ok_or_else(wrong);
    let (first, last) = (end(first)? + 0.0, end(last)? + 0.0);
    if key == "log" && (first <= 0.0 || last <= 0.0) {
        return Err(Mistake::new("the ends of a `log` range must be above 0", hint));
    }
    for end in [first, last] {
        let value = match axis.kind {
            Kind::Integer { .. } if end < 0.0 => {
                Err(Mistake::new(format!("`{}` cannot be {end}", axis.name), "it takes integers, 0 or more"))
            }
            Kind::Integer { .. } => Ok(Value::Integer(end.round() as u64)),
            Kind::Float { .. } | Kind::Choice { .. } | Kind::Boolean | Kind::Text => Ok(Value::Float(end)),
        };
        value::allowed(axis, value?)?;
    }
    Ok((first, last))
}

fn divisor(axis: &Axis, known: &AxisSet, raw: &Raw) -> Result<Id, Mistake> {
    let Some(name) = raw.text() else {
        return Err(Mistake::kind("per", raw.kind(), "the name of an axis", "for example per = \"depth\""));
    };
    let numeric = |axis: &&Axis| axis.is_numeric() && axis.id != Id::Seed;
    match known.find(&name.replace('-', "_")) {
        Some(other) if other.id == axis.id => {
            Err(Mistake::new(format!("`{name}` cannot be divided by itself"), "for example per = \"depth\""))
        }
        Some(other) if numeric(&other) => Ok(other.id),
        Some(_) => Err(Mistake::new(
            format!("`{}` is not a numeric axis of a trial", excerpt(name)),
            "for example per = \"depth\"",
        )),
        None => {
            let known: Vec<&str> = known.all().filter(numeric).map(|axis| axis.name).collect();
            Err(Mistake::unknown(format!("`{}` is not an axis", excerpt(name)), name, &known))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: bool, first: f64, last: f64, points: u64, expected: &[f64]) {
        let range = Progression { log, first, last, points };
        assert_eq!((0..points).map(|i| range.at(i)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn ends_are_exact_and_inner_points_are_round() {
        check(true, 1e-3, 10.0, 5, &[1e-3, 0.01, 0.1, 1.0, 10.0]);
        check(true, 1.0, 10.0, 3, &[1.0, 3.16227766017, 10.0]);
        check(false, 0.0, 1.0, 11, &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]);
        check(false, -0.3, 0.3, 7, &[-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]);
        check(true, 8.0, 1.0, 4, &[8.0, 4.0, 2.0, 1.0]);
        check(true, 0.123456789012345, 0.123456789012345, 3, &[0.123456789012345; 3]);
        check(false, -f64::MAX, f64::MAX, 3, &[-f64::MAX, 0.0, f64::MAX]);
        check(false, 7.0, 9.0, 1, &[7.0]);
    }

    #[test]
    fn close_points_are_not_taken_for_distinct() {
        let range = |first, last, points| Progression { log: false, first, last, points }.is_distinct();
        assert!(range(0.0, 1.0, 1_000_000));
        assert!(!range(1.0, 1.0 + 1e-12, 100));
        assert!(!range(1.0, 1.0, 2));
        assert!(!range(0.0, 0.0, 2));
        assert!(!range(0.0, 1e-322, 100));
    }
}
