//! Writes the tables of axes and columns into the documents, and their names into the dictionary of
//! the fuzzer: `make tables`. A test compares the files with what this program would write.

mod pages;

use blowup_core::failure::Failure;
use blowup_core::{input, output};
use std::path::Path;

fn main() -> Result<(), Failure> {
    for (file, written) in pages::PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        let old = input::text(&path)?.ok_or_else(|| Failure::new(format!("there is no `{file}`")))?;
        let new = written(&old).map_err(|missing| Failure::new(format!("`{file}` has no line `{missing}`")))?;
        if new != old {
            output::write(&path, new.as_bytes())?;
            output::print(&format!("wrote {file}\n"))?;
        }
    }
    Ok(())
}
