//! Reads `[map]`: two axes with their windows, which become ranges of the only block of the grid.
//! So a pixel is a trial of that grid, and is checked like any other.

use super::block::{Axes, AxisKey, AxisSetting};
use super::dial::{Cell, Dial};
use super::draft::{Draft, Setting};
use super::key;
use super::range::{self, Divided, Progression};
use super::report::{Mistake, Problems, excerpt};
use super::settings::table;
use super::source::{Entry, Node, Raw, Span};
use crate::axis::{Axis, AxisSet, Id, Kind};
use crate::failure::counted;
use crate::map::Measure;
use crate::trial::{Budget, Value};

/// A map that was checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Map {
    /// The axis that goes to the right.
    pub x: Side,
    /// The axis that goes up.
    pub y: Side,
    pub measure: Measure,
    /// How many lattice spacings around a pixel must agree so that it is inferred. None where every
    /// pixel is trained.
    pub margin: Option<usize>,
    pub zoom: Option<Zoom>,
}

/// An axis of a map with its window, which has a point for each pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    pub axis: Id,
    pub window: Progression,
}

/// Frames, of which each shows a part of the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom {
    pub centre: [f64; 2],
    pub factor: f64,
    pub frames: u32,
}

impl Map {
    /// The number of frames: 1 without a zoom.
    pub fn frames(&self) -> u32 {
        self.zoom.map_or(1, |zoom| zoom.frames)
    }

    /// The map of a frame, which has no zoom. Frame 0 has the windows of the spec; those of each
    /// other frame are smaller by `factor` than those of the frame before, towards the centre.
    pub fn frame(&self, number: u32) -> Map {
        let Some(zoom) = self.zoom else { return *self };
        let by = zoom.factor.powf(-f64::from(number));
        let shrunk = |side: Side, centre| Side { window: side.window.shrunk(centre, by), ..side };
        Map { x: shrunk(self.x, zoom.centre[0]), y: shrunk(self.y, zoom.centre[1]), zoom: None, ..*self }
    }

    /// The number of pixels along x and along y.
    pub fn size(&self) -> [usize; 2] {
        [self.x, self.y].map(|side| side.window.points as usize)
    }
}

impl Side {
    /// The value of the axis at a pixel.
    pub fn at(&self, pixel: usize) -> f64 {
        let value = self.window.at(pixel as u64);
        if self.is_whole() { value.round() } else { value }
    }

    fn is_whole(&self) -> bool {
        matches!(self.axis.axis().kind, Kind::Integer { .. })
    }

    /// What the side is in the block of the map.
    pub fn dial(&self) -> Dial {
        if !self.is_whole() {
            return Dial::Range { axis: self.axis, divided: Divided { range: self.window, per: None } };
        }
        let cell = |i| Some(Cell { value: Value::Integer(self.window.at(i).round() as u64), per: None });
        Dial::Rows { axes: vec![self.axis], rows: (0..self.window.points).map(|i| vec![cell(i)]).collect() }
    }

    /// Whether every pixel has a value of its own.
    fn is_distinct(&self) -> bool {
        (1..self.window.points as usize).all(|i| self.at(i - 1) < self.at(i))
    }
}

/// `[map]` as it is read.
pub struct MapDraft {
    map: Map,
    keys: [AxisKey; 2],
}

const EXAMPLE: &str = "for example x = { axis = \"lr\", log = [1e-3, 1e3] }";

/// Reads `[map]`. It returns `None` after a mistake.
pub fn read(node: &Node, known: &AxisSet, problems: &mut Problems) -> Option<MapDraft> {
    let before = problems.len();
    let entries = table("map", node, &key::names(&key::MAP), problems);
    if problems.len() > before && entries.is_empty() {
        return None;
    }
    let find = |name: &str| entries.iter().find(|entry| entry.key == name);
    for key in key::MAP.iter().filter(|key| key.required && find(key.name).is_none()) {
        problems.add(&node.span, format!("[map] has no `{}`", key.name), EXAMPLE);
    }
    let size = find("resolution").and_then(|entry| problems.keep(&entry.value.span, resolution(&entry.value)));
    let mut side = |name: &str| find(name).and_then(|entry| window(entry, known, problems));
    let (x, y) = (side("x"), side("y"));
    let measure = match find("verdict").map(|entry| (entry, entry.value.raw.text().and_then(Measure::from_name))) {
        None => Measure::Published,
        Some((_, Some(measure))) => measure,
        Some((entry, None)) => {
            let hint = format!("one of: {}", Measure::NAMES.join(", "));
            problems.add(&entry.value.span, "`verdict` is no way to judge a pixel", hint);
            Measure::Published
        }
    };
    let refines = match find("refine").map(|entry| (entry, &entry.value.raw)) {
        None => false,
        Some((_, Raw::Boolean(refines))) => *refines,
        Some((entry, raw)) => {
            problems
                .push(&entry.value.span, Mistake::kind("refine", raw.kind(), "true or false", "write refine = true"));
            true
        }
    };
    let margin = match find("margin") {
        Some(entry) if !refines => {
            let hint = "write refine = true beside it, or leave it out";
            problems.add(&entry.key_span, "`margin` is for a map that is refined", hint);
            None
        }
        Some(entry) => problems.keep(&entry.value.span, margin(&entry.value)),
        None => refines.then_some(key::MARGIN),
    };
    let zoom = find("zoom").and_then(|entry| zoom(&entry.value, problems));
    let ([width, height], (x, x_key), (y, y_key)) = (size?, x?, y?);
    if x.axis == y.axis {
        problems.add(&y_key.key_span, format!("`{}` is both x and y", y.axis.name()), "name another axis here");
    }
    if problems.len() > before {
        return None;
    }
    let sized = |mut side: Side, points| {
        side.window.points = points;
        side
    };
    let map = Map { x: sized(x, width), y: sized(y, height), measure, margin, zoom };
    apart(&map, [&x_key, &y_key], find("zoom"), problems).then_some(MapDraft { map, keys: [x_key, y_key] })
}

/// Reports a zoom to a centre outside of the map, and pixels that would have the same value.
fn apart(map: &Map, keys: [&AxisKey; 2], zoom: Option<&Entry>, problems: &mut Problems) -> bool {
    let before = problems.len();
    let last = map.frame(map.frames() - 1);
    for (i, key) in keys.into_iter().enumerate() {
        let side = |map: &Map| [map.x, map.y][i];
        let name = key.axis.name;
        if !side(map).is_distinct() {
            let whole = side(map);
            let hint = if whole.is_whole() {
                let [first, last] = whole.window.ends();
                format!("{} integers lie there: take a smaller `resolution`", last.round() - first.round() + 1.0)
            } else {
                "take a wider window, or a smaller `resolution`".to_owned()
            };
            problems.add(&key.span, format!("neighbouring pixels have the same `{name}`"), hint);
        } else if let (Some(entry), Some(zoom)) = (zoom, map.zoom) {
            let [low, high] = side(map).window.ends();
            if !(low..=high).contains(&zoom.centre[i]) {
                let message = format!("the centre of the zoom is outside of the window of `{name}`");
                problems.add(&entry.value.span, message, format!("name a place between {low:?} and {high:?}"));
            } else if !side(&last).is_distinct() {
                let message = format!("in the last frame of the zoom neighbouring pixels have the same `{name}`");
                problems.add(&entry.value.span, message, "values have 12 digits: take fewer `frames`");
            }
        }
    }
    problems.len() == before
}

/// Reads `resolution`: the pixels along x and along y.
fn resolution(node: &Node) -> Result<[u64; 2], Mistake> {
    let pixels = |node: &Node| {
        let number = node.raw.integer().filter(|n| (2..=key::MOST_PIXELS).contains(n))?;
        Some(number as u64)
    };
    let size = match node.raw.list() {
        Some([x, y]) => pixels(x).zip(pixels(y)),
        Some(_) => None,
        None => pixels(node).map(|n| (n, n)),
    };
    let hint = "for example resolution = 512, or resolution = [512, 256]: along x and along y";
    let most = key::MOST_PIXELS;
    size.map(|(x, y)| [x, y]).ok_or_else(|| {
        Mistake::new(format!("`resolution` is neither an integer from 2 to {most} nor a pair of them"), hint)
    })
}

fn margin(node: &Node) -> Result<usize, Mistake> {
    match node.raw.integer() {
        Some(n) if (1..=key::MOST_MARGIN).contains(&n) => Ok(n as usize),
        _ => Err(Mistake::new(
            format!("`margin` is not an integer from 1 to {}", key::MOST_MARGIN),
            "how many lattice spacings around a pixel must agree so that it is not trained",
        )),
    }
}

/// Reads the axis and the window of `x` or `y`. Its number of pixels is not known yet.
fn window(entry: &Entry, known: &AxisSet, problems: &mut Problems) -> Option<(Side, AxisKey)> {
    let entries = table(&entry.key, &entry.value, &key::names(&key::WINDOW), problems);
    let named = entries.iter().find(|entry| entry.key == "axis");
    let ends: Vec<&Entry> = entries.iter().filter(|entry| entry.key != "axis").collect();
    let (Some(named), [ends]) = (named, &ends[..]) else {
        let message = format!("`{}` does not name its axis and one window, `log` or `linear`", entry.key);
        problems.add(&entry.value.span, message, EXAMPLE);
        return None;
    };
    let axis = problems.keep(&named.value.span, numeric(&named.value.raw, known))?;
    let (first, last) = problems.keep(&ends.value.span, range::pair(axis, &ends.key, &ends.value.raw, EXAMPLE))?;
    if first >= last {
        problems.add(&ends.value.span, "the window ends before it begins", "write the smaller end first");
        return None;
    }
    let window = Progression::new(ends.key == "log", first, last, 1);
    let key = AxisKey { axis, key_span: named.value.span.clone(), span: ends.value.span.clone() };
    Some((Side { axis: axis.id, window }, key))
}

/// The numeric axis of this name.
fn numeric(raw: &Raw, known: &AxisSet) -> Result<&'static Axis, Mistake> {
    let Some(name) = raw.text() else {
        return Err(Mistake::kind("axis", raw.kind(), "the name of an axis", EXAMPLE));
    };
    let fits = |axis: &&'static Axis| axis.is_numeric() && axis.id != Id::Seed;
    match known.find(&name.replace('-', "_")) {
        Some(axis) if fits(&axis) => Ok(axis),
        Some(_) => Err(Mistake::new(format!("`{}` has no numbers that a map can show", excerpt(name)), EXAMPLE)),
        None => {
            let names: Vec<&str> = known.all().filter(fits).map(|axis| axis.name).collect();
            Err(Mistake::unknown(format!("`{}` is not an axis", excerpt(name)), name, &names))
        }
    }
}

/// Reads `zoom`.
fn zoom(node: &Node, problems: &mut Problems) -> Option<Zoom> {
    let hint = "for example zoom = { centre = [0.1, 12.0], factor = 2, frames = 10 }";
    let before = problems.len();
    let entries = table("zoom", node, &key::names(&key::ZOOM), problems);
    let find = |name: &str| entries.iter().find(|entry| entry.key == name).map(|entry| &entry.value);
    let centre = find("centre").and_then(|node| match node.raw.list()? {
        [x, y] => x.raw.number().zip(y.raw.number()),
        _ => None,
    });
    let factor = find("factor").map_or(Some(2.0), |node| node.raw.number());
    let factor = factor.filter(|factor| *factor > 1.0 && factor.is_finite());
    let frames = find("frames").and_then(|node| node.raw.integer());
    let frames = frames.filter(|n| (1..=key::MOST_FRAMES).contains(n)).map(|n| n as u32);
    let place = |name: &str| find(name).map_or_else(|| node.span.clone(), |node| node.span.clone());
    for (name, fine, what) in [
        ("centre", centre.is_some(), "a pair of numbers, x and y".to_owned()),
        ("factor", factor.is_some(), "a finite number above 1".to_owned()),
        ("frames", frames.is_some(), format!("an integer from 1 to {}", key::MOST_FRAMES)),
    ] {
        if !fine && problems.len() == before {
            problems.add(&place(name), format!("the `{name}` of the zoom is not {what}"), hint);
        }
    }
    let (x, y) = centre?;
    Some(Zoom { centre: [x, y], factor: factor?, frames: frames? })
}

/// Puts the axes of the map into the only block, and reports what a map cannot have.
pub fn enter(
    draft: Option<MapDraft>,
    entries: &[Entry],
    drafts: &mut [Draft],
    base: &Axes,
    known: &AxisSet,
    problems: &mut Problems,
) -> Option<Map> {
    for entry in entries.iter().filter(|entry| key::WITHOUT_MAP.contains(&entry.key.as_str())) {
        let message = format!("`{}` says nothing of a map, which has one number for each pixel", entry.key);
        problems.add(&entry.key_span, message, "leave it out; `blowup sweep` with a grid has rows");
    }
    if let Some(second) = drafts.get(1) {
        problems.add(&second.span, "a map has one [[grid]] block", "keep one, or write a spec for each map");
    }
    let MapDraft { map, keys } = draft?;
    let [block, ..] = drafts else { return None };
    fixed(block, problems);
    let own = block.own.taken();
    for (key, side) in keys.iter().zip(["x", "y"]) {
        if own.contains(&key.axis.id) {
            let message = format!("`{}` is the {side} of the map, and this block sets it too", key.axis.name);
            let place = block.own.given.iter().find(|given| given.dial.axes().contains(&key.axis.id));
            let place = place.map_or_else(|| block.span.clone(), |given| given.keys[0].key_span.clone());
            problems.add(&place, message, "leave it out here");
            return None;
        }
    }
    // The seed is inside of all dials and each dial inside of those before it: y is set first, so
    // that the points of the grid are the pixels row by row.
    let [x, y] = keys;
    for (key, side) in [(y, map.y), (x, map.x)] {
        block.own.given.push(AxisSetting { keys: vec![key], dial: side.dial() });
    }
    block.axes = block.own.over(base, known);
    // What `over` takes from the base stands behind, and has one value.
    for given in &block.axes.given {
        let sides = given.dial.axes().iter().any(|axis| [map.x.axis, map.y.axis].contains(axis));
        if !sides && given.dial.len() != 1 {
            let (key, values) = (&given.keys[0], counted(given.dial.len(), "value"));
            let message = format!("a map holds `{}` fixed, and it has {values} here", key.axis.name);
            problems.add(&key.key_span, message, "give it one value, or write a spec for each of them");
        }
    }
    Some(map)
}

/// Reports seeds and a budget that a map cannot have.
fn fixed(block: &Draft, problems: &mut Problems) {
    if let Setting::Is(seeds) = &block.settings.seeds
        && seeds.len() != 1
    {
        let message = format!("a map is drawn of one seed, and this block has {}", seeds.len());
        problems.add(&block.span, message, "seeds = [7] is the one seed 7; the default is the seed 0");
    }
    if let Setting::Is(Budget::Epochs(0) | Budget::Steps(0)) = block.settings.budget {
        problems.add(&block.span, "a map trains, and this block makes no update", "write epochs = 100, or steps");
    }
}

/// Reports a map of what no map can be drawn.
pub fn of_program(span: &Span, problems: &mut Problems) {
    problems.add(span, "a map is of a built-in net or a bundle, and a program trains this spec", "leave [map] out");
}
