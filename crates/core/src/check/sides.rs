//! The files beside `runs.csv`, held against what was written of each trial: how many bytes are its own, and their checksum.

use super::roster::Roster;
use super::sheet::{Header, SheetRow};
use crate::failure::Failure;
use crate::record::SIDES;
use crate::store::sums::{self, BlockSum, BlockSums};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// What the files have of each trial, by its place in the grid.
pub struct SideFiles {
    files: [SideFile; SIDES.len()],
}

struct SideFile {
    path: PathBuf,
    /// None if the file is not there.
    blocks: Option<Vec<BlockSum>>,
}

impl SideFiles {
    /// Nothing was read yet.
    pub fn new(dir: &Path) -> SideFiles {
        SideFiles { files: [0, 1, 2].map(|side: usize| SideFile { path: dir.join(SIDES[side].file), blocks: None }) }
    }

    /// Reads each file that is there, to its end. `open`: none if there is no such file.
    ///
    /// # Errors
    /// The first row that is damaged, with its line.
    pub fn read<R: BufRead>(
        &mut self,
        roster: &Roster,
        open: &dyn Fn(&Path) -> Result<Option<R>, Failure>,
    ) -> Result<(), Failure> {
        for SideFile { path, blocks } in &mut self.files {
            let Some(mut reader) = open(path)? else { continue };
            let mut found = vec![BlockSum::default(); roster.ids.len()];
            let header = Header::read(path, &mut reader)?;
            header.rows(path, reader, &mut |row| {
                if let Some(place) = roster.place(row.trial) {
                    let block = &mut found[place as usize];
                    block.sum = sums::continued(block.sum, row.text);
                    block.bytes += row.text.len() as u64;
                }
                Ok(())
            })?;
            *blocks = Some(found);
        }
        Ok(())
    }

    pub fn of(&self, place: u32) -> BlockSums {
        let block = |file: &SideFile| file.blocks.as_ref().map_or(BlockSum::default(), |blocks| blocks[place as usize]);
        self.files.each_ref().map(block)
    }

    /// The rows of a trial in one of the files are not those that were written beside its row in `runs.csv`.
    pub fn wrong(&self, side: usize, row: &SheetRow<'_>, written: BlockSum, place: u32) -> Failure {
        let (file, trial) = (&self.files[side], row.trial);
        let path = file.path.display();
        let text = match (&file.blocks, self.of(place)[side].bytes) {
            (None, _) => format!("there is no `{path}`, but {trial} and others had rows in it"),
            (Some(_), 0) => format!("`{path}` has lost the rows of {trial}"),
            (Some(_), bytes) if bytes == written.bytes => {
                format!("`{path}`: the rows of {trial} are not as they were written: `runs.crc32` has another checksum")
            }
            (Some(_), bytes) => {
                let was = written.bytes;
                format!("`{path}`: the rows of {trial} are not as they were written: {bytes} bytes, and not {was}")
            }
        };
        Failure::new(text).hint(
            "the file is damaged or was edited: the same `blowup sweep` again trains such trials anew; where the rows are meant to be so, remove `runs.crc32`",
        )
    }
}
