//! The pixels of a frame while they are trained: which come next, what was read, and the progress.

use super::place::{self, MapManifest, PixelCounts, Place};
use crate::progress::Progress;
use crate::sweep::manifest::now;
use crate::worker::pool::{self, Ending, News};
use blowup_core::device::Device;
use blowup_core::failure::{Failure, counted};
use blowup_core::limits::{Limits, Shares};
use blowup_core::map::raster::{Raster, Source};
use blowup_core::map::{PixelVerdict, kept::Kept, refine};
use blowup_core::plan::{Chunk, Cost, Pending, PlanOptions, Planner, Shard};
use blowup_core::protocol::Wanted;
use blowup_core::record::Verdict;
use blowup_core::spec::Frame;
use blowup_core::store::{Folder, Lock};
use blowup_core::verdict::{Outcome, Record};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The most pixels that are cut into chunks at once. The trials of a map of 16 million pixels are
/// never all in memory.
const BATCH: usize = 1 << 14;

/// A frame in training.
pub struct Drawing<'a> {
    frame: &'a Frame,
    place: &'a Place,
    /// The text of the spec, which the folder keeps byte for byte.
    spec: &'a str,
    pub raster: Raster,
    kept: Kept,
    pub manifest: MapManifest,
    /// The pixels of this stage that were not handed out yet.
    open: Box<dyn Iterator<Item = u32>>,
    /// What comes after this stage.
    next: Stage,
    /// The rows of the map that are drawn here: all of them, or those of a shard.
    rows: Range<usize>,
    shares: Shares,
    limits: Limits,
    progress: Progress,
    /// The seconds on one core that are predicted for a pixel.
    seconds: f64,
    /// Whether the folder was begun in this run.
    begun: bool,
    lost: u64,
}

/// What comes after the pixels that are being trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The lattice of this spacing is refined to half of it.
    Refine {
        spacing: usize,
        margin: usize,
    },
    Nothing,
}

/// The limits of a map, in which no trial has one of its own.
pub fn limits(ceiling: u64) -> Limits {
    Limits { timeout: None, memory: None, ceiling }
}

/// The seconds on one core that are predicted for a pixel, and the bytes of the smallest worker.
pub fn cost(frame: &Frame) -> (f64, f64) {
    let cost = Cost::of(&frame.grid().at(0));
    let lanes = cost.lanes(f64::INFINITY);
    (cost.seconds(lanes) / lanes as f64, cost.bytes(1))
}

impl<'a> Drawing<'a> {
    /// A frame in a folder that this process holds, with the pixels that are kept there.
    ///
    /// # Errors
    /// If the file of the pixels cannot be read.
    pub fn new(
        frame: &'a Frame,
        place: &'a Place,
        spec: &'a str,
        shares: Shares,
        manifest: MapManifest,
        quiet: bool,
    ) -> Result<Drawing<'a>, Failure> {
        let [width, height] = frame.map.size();
        let shard = manifest.shard;
        let mut raster = Raster::new(width, height);
        let pixels = raster.pixels();
        // A file without a manifest was refused when the folder was opened.
        let kept = Kept::open(&place.folder, &mut |pixel, reading| {
            if (pixel as usize) < pixels {
                raster.put(pixel as usize, reading, Source::Trained);
            }
        })?;
        let rows = shard.map_or(0..height, |shard| rows_of(shard, height));
        let (seconds, _) = cost(frame);
        let here = rows.len() * width;
        let work = seconds * here as f64;
        let progress = Progress::start("pixel", here as u64, (work, work / shares.workers as f64), quiet);
        let (open, next): (Box<dyn Iterator<Item = u32>>, Stage) = match frame.map.margin {
            Some(margin) => {
                let reached = refine::reach(&rows, refine::COARSE, margin, height);
                let coarse = refine::coarse(width, height, &reached);
                (Box::new(coarse.into_iter()), Stage::Refine { spacing: refine::COARSE, margin })
            }
            None => (Box::new((rows.start * width) as u32..(rows.end * width) as u32), Stage::Nothing),
        };
        let limits = limits(shares.ceiling);
        let begun = false;
        Ok(Drawing {
            frame,
            place,
            spec,
            raster,
            kept,
            manifest,
            open,
            next,
            rows,
            shares,
            limits,
            progress,
            seconds,
            begun,
            lost: 0,
        })
    }

    /// Takes what the shards of this map have trained, which then is kept here too.
    ///
    /// # Errors
    /// If a folder holds another map, is being drawn, or has pixels of another build.
    pub fn take(&mut self, shards: &[(Shard, PathBuf)]) -> Result<(), Failure> {
        let mut folders = Vec::new();
        for (shard, dir) in shards {
            let folder = Folder::if_there(dir)?;
            if Lock::is_held(dir) {
                return Err(Failure::new(format!("`{}` is being drawn", dir.display()))
                    .hint("wait until all shards have ended, or name another folder with `--out`"));
            }
            // A shard that ended before its first worker was ready has no manifest.
            let Some(theirs) = place::before(&folder, self.frame, Some(*shard))? else { continue };
            if self.manifest.fingerprint.is_empty() {
                self.manifest.fingerprint.clone_from(&theirs.fingerprint);
            }
            self.check_build(&theirs.fingerprint, dir)?;
            folders.push(folder);
        }
        if !folders.is_empty() {
            self.begin()?;
        }
        for folder in folders {
            let raster = &mut self.raster;
            let taken = self.kept.take(&folder, &mut |pixel, reading| {
                let is_new = (pixel as usize) < raster.pixels() && raster.verdict(pixel as usize).is_none();
                if is_new {
                    raster.put(pixel as usize, reading, Source::Trained);
                }
                is_new
            })?;
            self.progress.say(&format!("{} taken from `{}`", counted(taken, "pixel"), folder.path().display()));
        }
        Ok(())
    }

    /// Refuses pixels in `dir` that another build computed than those that are here.
    fn check_build(&self, fingerprint: &str, dir: &Path) -> Result<(), Failure> {
        let known = &self.manifest.fingerprint;
        if known.is_empty() || known == fingerprint {
            return Ok(());
        }
        let text = format!(
            "the pixels in `{}` were computed by `{known}`, and not by `{fingerprint}`, whose bits may differ",
            dir.display()
        );
        Err(Failure::new(text).hint("name another folder with `--out`"))
    }

    /// Trains what is to be trained. Everything that was read is kept, however this ends.
    ///
    /// # Errors
    /// What the pool or the folder fails on.
    pub fn train(&mut self) -> Result<Ending, Failure> {
        let frame = self.frame;
        let wanted = Wanted::Pixels(frame.map.measure);
        let options = pool::Options {
            workers: self.shares.workers,
            device: Device::Cpu,
            program: None,
            wanted,
            limits: self.limits,
            max_lost: None,
        };
        let part = self.part();
        for pixel in part.clone() {
            if let Some(verdict) = self.raster.verdict(pixel) {
                self.progress.done(shown(verdict), self.seconds);
            }
        }
        self.progress.say(&format!(
            "{} ({} of them are trained) on {}, into `{}`",
            counted(part.len() as u64, "pixel"),
            self.raster.count(&part, Source::Trained),
            counted(self.shares.workers as u64, "worker"),
            self.place.folder.path().display()
        ));
        let ended = pool::run(Vec::new(), Pending::Points(frame.grid()), options, &mut |news| self.hear(news));
        self.progress.finish(ended != Ok(Ending::Done));
        self.kept.sync()?;
        ended
    }

    /// The number of trials that were lost in this run.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The pixels of the rows that are drawn here.
    fn part(&self) -> Range<usize> {
        self.rows.start * self.raster.width..self.rows.end * self.raster.width
    }

    /// How many pixels there are of each kind in the rows that are drawn here.
    pub fn counts(&self) -> PixelCounts {
        let part = self.part();
        let count = |source| self.raster.count(&part, source);
        let (pixels, trained, inferred) = (part.len() as u64, count(Source::Trained), count(Source::Inferred));
        let failed = |pixel: &usize| self.raster.verdict(*pixel).is_some_and(PixelVerdict::has_failed);
        let failed = part.filter(failed).count() as u64;
        // Those that nobody has tried yet are not lost.
        let lost = self.lost.min(pixels - trained - inferred);
        PixelCounts { pixels, trained, inferred, lost, failed }
    }

    fn hear(&mut self, news: News<'_>) -> Result<(), Failure> {
        match news {
            News::Ready { fingerprint } => self.ready(fingerprint)?,
            News::Pixels { pixels, seconds_each } => {
                self.kept.append(pixels)?;
                // Those around the rows of a shard, trained to refine its own, do not count.
                let part = self.part();
                for (pixel, reading) in pixels {
                    self.raster.put(*pixel as usize, *reading, Source::Trained);
                    if part.contains(&(*pixel as usize)) {
                        self.progress.done(shown(reading.verdict()), seconds_each);
                    }
                }
            }
            News::Room { more } => more.chunks.extend(self.more(more.idle)),
            News::Tick => self.progress.tick(),
            News::Lost { number, trial, reason, detail, seconds } => {
                self.lost += 1;
                let width = self.raster.width;
                let (i, j) = (number as usize % width, number as usize / width);
                tracing::warn!("pixel ({i}, {j}), trial {}, is lost ({}): {detail}", trial.id(), reason.name());
                self.progress.done(Verdict::Lost(reason), seconds);
            }
            News::Rows { .. } => return Err(Failure::new("a worker sent rows for a map, which wants pixels")),
        }
        Ok(())
    }

    /// Takes the folder when the first worker is ready. Pixels of two builds are not mixed.
    fn ready(&mut self, fingerprint: &str) -> Result<(), Failure> {
        self.check_build(fingerprint, self.place.folder.path())?;
        if !self.begun {
            fingerprint.clone_into(&mut self.manifest.fingerprint);
            self.begin()?;
        }
        Ok(())
    }

    /// Makes the folder that of this map.
    fn begin(&mut self) -> Result<(), Failure> {
        self.begun = true;
        self.place.write(self.spec, &self.manifest)
    }

    /// The next chunks. A lattice is refined when all of it is known: `idle` says that no worker is
    /// busy with a part of it.
    fn more(&mut self, idle: bool) -> Vec<Chunk> {
        loop {
            let raster = &self.raster;
            let batch: Vec<u32> =
                self.open.by_ref().filter(|pixel| raster.verdict(*pixel as usize).is_none()).take(BATCH).collect();
            if !batch.is_empty() {
                return self.chunks(&batch);
            }
            match self.next {
                Stage::Refine { spacing, margin } if idle => self.refine(spacing, margin),
                Stage::Refine { .. } | Stage::Nothing => return Vec::new(),
            }
        }
    }

    /// Goes from the lattice of `spacing` to that of half the spacing.
    fn refine(&mut self, spacing: usize, margin: usize) {
        let part = self.part();
        let before = self.raster.count(&part, Source::Inferred);
        let open = refine::next(&mut self.raster, spacing, margin, &self.rows);
        for _ in before..self.raster.count(&part, Source::Inferred) {
            self.progress.skip(self.seconds);
        }
        self.open = Box::new(open.into_iter());
        self.next = if spacing > 2 { Stage::Refine { spacing: spacing / 2, margin } } else { Stage::Nothing };
    }

    /// Cuts pixels into chunks.
    fn chunks(&self, pixels: &[u32]) -> Vec<Chunk> {
        let grid = self.frame.grid();
        let mut planner = Planner::new(&Record::default());
        for (pixel, trial) in pixels.iter().zip(grid.all_at(pixels.iter().map(|pixel| u64::from(*pixel)))) {
            planner.push(*pixel, &trial);
        }
        let Shares { workers, planned, .. } = self.shares;
        planner.plan(PlanOptions { workers, device: Device::Cpu, chunk: None, seconds: None, bytes: planned }).chunks
    }
}

/// The rows of a shard of a map of `height` rows: a band of them, so that little beyond it is
/// needed to refine it.
pub fn rows_of(shard: Shard, height: usize) -> Range<usize> {
    let end = |number: u32| (height as u64 * u64::from(number) / u64::from(shard.count())) as usize;
    end(shard.index() - 1)..end(shard.index())
}

/// A verdict as the progress counts it.
fn shown(verdict: PixelVerdict) -> Verdict {
    Verdict::Outcome(match verdict {
        PixelVerdict::Converged => Outcome::Converged,
        PixelVerdict::Diverged => Outcome::Diverged,
        PixelVerdict::Outcome(outcome) => outcome,
    })
}

/// Ends the manifest of a run.
pub fn closed(mut manifest: MapManifest, status: blowup_core::store::Status, seconds: f64) -> MapManifest {
    manifest.status = status;
    manifest.updated = now();
    manifest.wall_seconds += seconds;
    manifest
}
