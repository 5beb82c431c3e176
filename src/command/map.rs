//! `blowup map`: reads the spec, draws the map frame by frame, and prints what came out.

use crate::cli::MapArgs;
use crate::json::event::Event;
use crate::map::drawing::{Drawing, closed, cost, rows_of};
use crate::map::place::{MapManifest, Place};
use crate::map::{files, picture};
use crate::origin::{self, parse};
use crate::progress;
use crate::stderr;
use crate::sweep::folder::out_dir;
use crate::sweep::manifest::now;
use crate::sweep::shard;
use crate::worker::pool::Ending;
use blowup_core::failure::{Exit, Failure, counted};
use blowup_core::limits::{Shares, Wishes};
use blowup_core::map::dimension::Marks;
use blowup_core::median::median;
use blowup_core::memory;
use blowup_core::output::print;
use blowup_core::plan::Shard;
use blowup_core::spec::{Frame, Spec};
use blowup_core::store::Status;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Draws the map.
///
/// # Errors
/// If the spec or an argument is wrong, the folder cannot be used, or training cannot go on.
pub fn run(args: &MapArgs) -> Result<Exit, Failure> {
    let written = origin::read(&args.spec, &[])?;
    let spec = parse(&written, &args.spec)?;
    for warning in &spec.warnings {
        stderr::tell(&warning.to_string(), &Event::Warning(warning.told().into()));
    }
    let Some(map) = spec.map else {
        return Err(Failure::new(format!("`{}` has no [map]", args.spec.display()))
            .hint("`blowup sweep` trains a grid; docs/maps.md shows a map"));
    };
    let frames: Vec<Frame> = (0..map.frames()).filter_map(|number| spec.frame(number)).collect();
    let shard = args.shard.map(|arg| shard::resolve(arg, &|name| std::env::var(name).ok())).transpose()?;
    let [width, height] = map.size();
    let rows = shard.map_or(0..height, |shard| rows_of(shard, height));
    if rows.is_empty() {
        return Err(Failure::new(format!("a shard has whole rows of the map, which has {height}"))
            .hint(format!("take at most {height} shards")));
    }
    let (_, fewest) = cost(&frames[0]);
    let shares = Wishes {
        workers: args.workers.map(usize::from),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: None,
        available: memory::available(),
        fewest,
    }
    .shares();
    if args.dry_run {
        print(&planned(&frames, rows.len() * width, shares))?;
        return Ok(Exit::Done);
    }
    let whole = out_dir(args.out.as_deref(), &spec)?;
    let (mut slopes, mut dimensions, mut exit) = (Vec::new(), Vec::new(), Exit::Done);
    let other = if shard.is_none() { shards(&whole)? } else { Vec::new() };
    for (number, frame) in frames.iter().enumerate() {
        let of_frame = |dir: PathBuf| if frames.len() == 1 { dir } else { dir.join(format!("frame-{number:02}")) };
        let dir = of_frame(shard.map_or_else(|| whole.clone(), |shard| whole.join(shard.folder())));
        let other: Vec<(Shard, PathBuf)> =
            other.iter().map(|shard| (*shard, of_frame(whole.join(shard.folder())))).collect();
        let begun = Begun { args, spec: &spec, text: written.text(), shares, shard };
        match begun.draw(frame, &dir, &other)? {
            Drawn::Interrupted => return Ok(Exit::Interrupted),
            Drawn::Whole { slopes: of_frame, lost } => {
                dimensions.extend(median(&mut of_frame.clone()));
                slopes.extend(of_frame);
                if lost > 0 {
                    exit = Exit::Lost;
                }
            }
        }
    }
    if frames.len() > 1
        && let Some(all) = median(&mut slopes)
    {
        let (low, high) = dimensions.iter().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(*x), high.max(*x)));
        let frames = counted(dimensions.len() as u64, "frame");
        print(&format!(
            "dimension {all:.4}, the median over all sizes of boxes of {frames} ({low:.4} to {high:.4})\n"
        ))?;
    }
    Ok(exit)
}

/// The shards of which there are folders below that of a map, in their order.
fn shards(whole: &Path) -> Result<Vec<Shard>, Failure> {
    let mut shards: Vec<Shard> = match fs::read_dir(whole) {
        Ok(entries) => {
            let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.filter_map(|name| Shard::from_folder(&name)).collect()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::io("read", whole, &error)),
    };
    shards.sort_unstable();
    Ok(shards)
}

/// How a frame ended.
enum Drawn {
    /// Its files are written. `slopes` are those of its edge, `lost` is the number of pixels
    /// without a verdict.
    Whole {
        slopes: Vec<f64>,
        lost: u64,
    },
    Interrupted,
}

/// What `--dry-run` prints.
/// `pixels` is the number of pixels of a frame that are drawn here.
fn planned(frames: &[Frame], pixels: usize, shares: Shares) -> String {
    let map = frames[0].map;
    let [width, height] = map.size();
    let seconds = cost(&frames[0]).0 * (pixels * frames.len()) as f64;
    let mut text = format!("map       {width} x {height} pixels, {}\n", counted(frames.len() as u64, "frame"));
    for (name, side) in [("x", map.x), ("y", map.y)] {
        let ([first, last], scale) = (side.window.ends(), if side.window.is_log() { "log" } else { "linear" });
        text.push_str(&format!("{name}         {} from {first:?} to {last:?}, {scale}\n", side.axis.name()));
    }
    let which = if map.margin.is_some() { "a part of them is trained" } else { "all of them are trained" };
    text.push_str(&format!("verdict   {}; {which}\n", map.measure.name()));
    let here = seconds / shares.workers as f64;
    let workers = counted(shares.workers as u64, "worker");
    text.push_str(&format!("work      at most {seconds:.1} s predicted on one core, {here:.1} s here on {workers}\n"));
    text
}

/// A map that is drawn.
#[derive(Clone, Copy)]
struct Begun<'a> {
    args: &'a MapArgs,
    spec: &'a Spec,
    text: &'a str,
    shares: Shares,
    /// The part of each frame that is drawn here, or all of it.
    shard: Option<Shard>,
}

impl Begun<'_> {
    /// Trains the pixels of a frame that `shards`, which have a folder each, have not trained, and
    /// writes its files.
    fn draw(self, frame: &Frame, dir: &Path, shards: &[(Shard, PathBuf)]) -> Result<Drawn, Failure> {
        let Begun { args, spec, text, shares, shard } = self;
        let started = Instant::now();
        let place = Place::open(dir, frame, shard)?;
        let named = origin::place(&args.spec);
        let manifest = MapManifest::new(frame, shard, place.before.as_ref(), shares.workers, named, now());
        let mut drawing = Drawing::new(frame, &place, text, shares, manifest, args.quiet)?;
        drawing.take(shards)?;
        let ended = drawing.train();
        let (counts, lost) = (drawing.counts(), drawing.lost());
        drawing.manifest.counts = counts;
        let Drawing { raster, manifest, .. } = drawing;
        let seconds = started.elapsed().as_secs_f64();
        if ended != Ok(Ending::Done) {
            if !manifest.fingerprint.is_empty() {
                place.write(text, &closed(manifest, Status::Interrupted, seconds))?;
            }
            ended?;
            progress::to_stderr("interrupted; pixels that were trained are kept, the same command resumes");
            return Ok(Drawn::Interrupted);
        }
        let slopes = if shard.is_none() { Marks::edges(&raster).slopes() } else { Vec::new() };
        let dimension = median(&mut slopes.clone());
        if shard.is_none() {
            let note = picture::note(&frame.map, counts, dimension);
            files::write(&place.folder, &frame.map, &raster)?;
            picture::write(&place.folder, &frame.map, &raster, &spec.name, &note)?;
        }
        let status = if counts.lost == 0 { Status::Complete } else { Status::Partial };
        place.write(text, &MapManifest { dimension, ..closed(manifest, status, seconds) })?;
        if lost > 0 {
            tracing::warn!(
                hint = "the same command trains them again",
                "{} lost: without a verdict",
                counted(lost, "pixel")
            );
        }
        let share = |n: u64| 100.0 * n as f64 / counts.pixels as f64;
        let edge = match (shard, dimension) {
            (Some(shard), _) => {
                format!("shard {shard}; without `--shard` the same command draws the map from all shards")
            }
            (None, Some(dimension)) => format!("dimension {dimension:.4}"),
            (None, None) if counts.failed == 0 || counts.failed == counts.pixels - counts.lost => "no edge".to_owned(),
            (None, None) => "too few pixels for a dimension".to_owned(),
        };
        print(&format!(
            "`{}`: {} of {} trained ({:.1}%), {:.1}% failed, {edge}\n",
            dir.display(),
            counted(counts.trained, "pixel"),
            counts.pixels,
            share(counts.trained),
            share(counts.failed),
        ))?;
        Ok(Drawn::Whole { slopes, lost: counts.lost })
    }
}
