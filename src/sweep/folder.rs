//! The folder of a sweep's results.

use blowup_core::failure::Failure;
use blowup_core::plan::Shard;
use blowup_core::spec::Spec;
use blowup_core::store::Store;
use std::path::{Component, Path, PathBuf};

/// The folder of a sweep's results: `out` if it is given, otherwise `results/NAME`. The folders of
/// its shards lie in it.
///
/// # Errors
/// If the name of the spec is not the name of a folder.
pub fn out_dir(out: Option<&Path>, spec: &Spec) -> Result<PathBuf, Failure> {
    out.map_or_else(|| default_dir(&spec.name), |dir| Ok(dir.to_owned()))
}

/// `results/NAME`, where the name must not lead out of `results`.
fn default_dir(name: &str) -> Result<PathBuf, Failure> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(Path::new("results").join(name)),
        _ => Err(Failure::new(format!("`name = {name:?}` does not name a folder"))
            .hint("letters, digits, `-` and `_`; or choose the folder with `--out`")),
    }
}

/// Refuses to mix: a folder that holds one shard goes on holding that shard, and a folder that
/// holds a whole sweep goes on holding a whole sweep.
///
/// # Errors
/// If the manifest in the folder names another shard than `shard`.
pub fn check_shard(store: &Store, shard: Option<Shard>) -> Result<(), Failure> {
    let Some(manifest) = store.manifest.as_ref().filter(|manifest| manifest.shard != shard) else {
        return Ok(());
    };
    let dir = store.dir().display();
    let (text, hint) = match (manifest.shard, shard) {
        (Some(there), Some(_)) => {
            (format!("`{dir}` holds shard {there}"), "name another folder with `--out`".to_owned())
        }
        (Some(there), None) => (
            format!("`{dir}` holds shard {there}, not a whole sweep"),
            format!("`--shard {there}` goes on with it, `blowup merge` puts the shards together"),
        ),
        (None, Some(_)) => (format!("`{dir}` holds a whole sweep"), "name another folder with `--out`".to_owned()),
        (None, None) => return Ok(()),
    };
    Err(Failure::new(text).hint(hint))
}
