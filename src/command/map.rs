//! `blowup map`: reads the spec, draws the map frame by frame, and prints what came out.

use crate::cli::MapArgs;
use crate::map::drawing::{Drawing, closed, cost};
use crate::map::place::{MapManifest, Place};
use crate::map::{files, picture};
use crate::origin::{self, parse};
use crate::progress;
use crate::sweep::folder::out_dir;
use crate::sweep::manifest::now;
use crate::worker::pool::Ending;
use blowup_core::failure::{Exit, Failure, counted};
use blowup_core::input;
use blowup_core::limits::{Shares, Wishes};
use blowup_core::map::dimension::{Marks, median};
use blowup_core::memory;
use blowup_core::output::print;
use blowup_core::spec::{Frame, Spec};
use blowup_core::store::Status;
use std::path::Path;
use std::time::Instant;

/// Draws the map.
///
/// # Errors
/// If the spec or an argument is wrong, the folder cannot be used, or training cannot go on.
pub fn run(args: &MapArgs) -> Result<Exit, Failure> {
    let text = input::spec(&args.spec)?;
    let spec = parse(&text, &args.spec, &args.spec)?;
    spec.warnings.iter().for_each(|warning| progress::to_stderr(&warning.to_string()));
    let Some(map) = spec.map else {
        return Err(Failure::new(format!("`{}` has no [map]", args.spec.display()))
            .hint("`blowup sweep` trains a grid; docs/maps.md shows a map"));
    };
    let frames: Vec<Frame> = (0..map.frames()).filter_map(|number| spec.frame(number)).collect();
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
        print(&planned(&frames, shares))?;
        return Ok(Exit::Done);
    }
    let whole = out_dir(args.out.as_deref(), &spec)?;
    let (mut slopes, mut dimensions, mut exit) = (Vec::new(), Vec::new(), Exit::Done);
    for (number, frame) in frames.iter().enumerate() {
        let dir = if frames.len() == 1 { whole.clone() } else { whole.join(format!("frame-{number:02}")) };
        let drawn = draw(args, &spec, &text, frame, &dir, shares)?;
        match drawn {
            Drawn::Interrupted => return Ok(Exit::Interrupted),
            Drawn::Whole { slopes: of_frame, lost } => {
                dimensions.extend(median(&of_frame));
                slopes.extend(of_frame);
                if lost > 0 {
                    exit = Exit::Lost;
                }
            }
        }
    }
    if frames.len() > 1
        && let Some(all) = median(&slopes)
    {
        let (low, high) = dimensions.iter().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(*x), high.max(*x)));
        let frames = counted(dimensions.len() as u64, "frame");
        print(&format!(
            "dimension {all:.4}, the median over all sizes of boxes of {frames} ({low:.4} to {high:.4})\n"
        ))?;
    }
    Ok(exit)
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
fn planned(frames: &[Frame], shares: Shares) -> String {
    let map = frames[0].map;
    let [width, height] = map.size();
    let pixels = (width * height * frames.len()) as f64;
    let seconds = cost(&frames[0]).0 * pixels;
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

/// Trains the pixels of a frame and writes its files.
fn draw(args: &MapArgs, spec: &Spec, text: &str, frame: &Frame, dir: &Path, shares: Shares) -> Result<Drawn, Failure> {
    let started = Instant::now();
    let place = Place::open(dir, frame)?;
    let begun = MapManifest::new(frame, place.before.as_ref(), shares.workers, origin::place(&args.spec), now());
    let mut drawing = Drawing::new(frame, &place, text, shares, begun, args.quiet)?;
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
    let slopes = Marks::edges(&raster).slopes();
    let dimension = median(&slopes);
    let note = picture::note(&frame.map, counts, dimension);
    files::write(&place.folder, &frame.map, &raster)?;
    picture::write(&place.folder, &frame.map, &raster, &spec.name, &note)?;
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
    let edge = dimension.map_or("no edge".to_owned(), |dimension| format!("dimension {dimension:.4}"));
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
