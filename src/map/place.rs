//! The folder of a map, or of a frame of one: its lock, its manifest, and whether what lies there
//! belongs to the same map.

use super::{files, picture};
use blowup_core::failure::Failure;
use blowup_core::map::kept;
use blowup_core::plan::Shard;
use blowup_core::spec::Frame;
use blowup_core::store::{Folder, Lock, Status};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

const MANIFEST: &str = "manifest.toml";
const SPEC: &str = "spec.toml";

/// The layout of the files of a map.
const FORMAT: u32 = 1;

/// The content of the `manifest.toml` of a map: all about it that is no result, and its counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapManifest {
    /// The layout of the files of a map.
    pub map_format: u32,
    pub status: Status,
    /// The part of the map that this folder holds. It is `None` for a whole map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// A hash of what the pixels are, and of which of them are trained.
    pub map: String,
    pub blowup: String,
    /// What the bits of a value depend on.
    pub fingerprint: String,
    pub workers: u64,
    /// The absolute path of the spec. It is `None` if the spec came through a pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// When the first run started, in UTC.
    pub started: String,
    /// When this file was last written, in UTC.
    pub updated: String,
    /// The seconds of all runs together.
    pub wall_seconds: f64,
    pub x: SideNamed,
    pub y: SideNamed,
    pub counts: PixelCounts,
    /// The box-counting dimension of the edge; `None` where there is no edge, or before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<f64>,
}

/// An axis of a map in its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideNamed {
    pub axis: String,
    pub first: f64,
    pub last: f64,
    pub log: bool,
    pub pixels: u64,
}

/// How many pixels there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelCounts {
    pub pixels: u64,
    pub trained: u64,
    pub inferred: u64,
    pub lost: u64,
    /// Those in which training failed.
    pub failed: u64,
}

/// A folder that this process holds.
pub struct Place {
    pub folder: Folder,
    lock: Lock,
    /// The manifest that lay there.
    pub before: Option<MapManifest>,
}

impl Place {
    /// Makes, locks and reads the folder of a frame. Nothing else is written.
    ///
    /// # Errors
    /// If the folder cannot be used, if another process holds it, or if something else than this
    /// map lies there.
    pub fn open(dir: &Path, frame: &Frame, shard: Option<Shard>) -> Result<Place, Failure> {
        if dir.exists() && !dir.is_dir() {
            return Err(Failure::new(format!("`{}` is not a folder", dir.display())).hint("name another with `--out`"));
        }
        fs::create_dir_all(dir).map_err(|error| Failure::io("make the folder", dir, &error))?;
        let folder = Folder::open(dir).map_err(|error| Failure::io("open the folder", dir, &error))?;
        let lock = Lock::take(&folder)?;
        let opened = before(&folder, frame, shard);
        if opened.is_err() {
            lock.unmake();
        }
        Ok(Place { before: opened?, folder, lock })
    }

    /// Writes the spec and the manifest.
    ///
    /// # Errors
    /// If they cannot be written, or another process may have taken the folder.
    pub fn write(&self, spec: &str, manifest: &MapManifest) -> Result<(), Failure> {
        self.lock.check()?;
        self.folder.replace(SPEC, |to| to.write_all(spec.as_bytes()))?;
        let text = toml::to_string(manifest).expect("a manifest is plain data");
        self.folder.replace(MANIFEST, |to| to.write_all(text.as_bytes()))
    }
}

/// The manifest of this map that lies in the folder, if there is one.
pub fn before(folder: &Folder, frame: &Frame, shard: Option<Shard>) -> Result<Option<MapManifest>, Failure> {
    let dir = folder.path().display();
    let other = |text: String| Failure::new(text).hint("name another folder with `--out`");
    let Some(text) = folder.text(MANIFEST)? else {
        // A map that ended before it began has left a file without pixels.
        let began = folder.length(kept::FILE).is_some_and(|bytes| bytes > 0).then_some(kept::FILE);
        let ours = began.into_iter().chain([SPEC]).chain(files::NAMES).chain(picture::NAMES);
        return match ours.chain(["runs.csv"]).find(|name| folder.has(name)) {
            Some(name) => Err(other(format!("`{dir}` has a `{name}` that no map of this folder wrote"))),
            None => Ok(None),
        };
    };
    let Ok(manifest) = toml::from_str::<MapManifest>(&text) else {
        return Err(other(format!("`{dir}/{MANIFEST}` is no manifest of a map")));
    };
    if manifest.map_format != FORMAT {
        return Err(other(format!("another version of blowup wrote the map in `{dir}`")));
    }
    if manifest.map != identity(frame) {
        return Err(other(format!("`{dir}` holds another map: other axes, windows, pixels, trials or refinement")));
    }
    match manifest.shard {
        there if there == shard => Ok(Some(manifest)),
        Some(there) => Err(other(format!("`{dir}` holds shard {there} of this map"))),
        None => Err(other(format!("`{dir}` holds the whole map"))),
    }
}

/// A hash of what a map is: the trials at its corners, how the values between them are spaced, what
/// is read of a trial, and which pixels are trained.
pub fn identity(frame: &Frame) -> String {
    let (map, grid) = (frame.map, frame.grid());
    let [width, height] = map.size().map(|pixels| pixels as u64);
    let mut hash = Sha256::new();
    for (i, j) in [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)] {
        hash.update(grid.at(j * width + i).id().bits().to_be_bytes());
    }
    for side in [map.x, map.y] {
        hash.update(format!("{} {} {};", side.axis.name(), side.window.is_log(), side.window.points));
    }
    hash.update(format!("{} {:?}", map.measure.name(), map.margin));
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl MapManifest {
    /// The manifest of a frame that begins now, with what an earlier run left.
    pub fn new(
        frame: &Frame,
        shard: Option<Shard>,
        before: Option<&MapManifest>,
        workers: usize,
        spec: Option<String>,
        now: String,
    ) -> Self {
        let named = |side: blowup_core::spec::map::Side| {
            let [first, last] = side.window.ends();
            let axis = side.axis.name().to_owned();
            SideNamed { axis, first, last, log: side.window.is_log(), pixels: side.window.points }
        };
        MapManifest {
            map_format: FORMAT,
            status: Status::Running,
            shard,
            map: identity(frame),
            blowup: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: before.map_or_else(String::new, |before| before.fingerprint.clone()),
            workers: workers as u64,
            spec,
            started: before.map_or_else(|| now.clone(), |before| before.started.clone()),
            updated: now,
            wall_seconds: before.map_or(0.0, |before| before.wall_seconds),
            x: named(frame.map.x),
            y: named(frame.map.y),
            counts: PixelCounts::default(),
            dimension: None,
        }
    }
}
