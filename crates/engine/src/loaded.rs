//! Which shared libraries this process has loaded.

use blowup_core::input;
use std::path::{Path, PathBuf};

/// Returns the path of the loaded library whose file is called `name`. The result is None where no
/// such library is loaded, and on systems without `/proc`.
pub fn path(name: &str) -> Option<PathBuf> {
    let maps = input::system(Path::new("/proc/self/maps"))?;
    let mut paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    paths.find(|path| path.file_name().is_some_and(|file| file == name)).map(Path::to_owned)
}
