//! Compares the files beside `runs.csv` with what was written of each trial: the bytes of its rows
//! and their checksum.

use super::roster::Roster;
use super::sheet::{Header, SheetRow};
use crate::failure::Failure;
use crate::record::SIDES;
use crate::store::sums::{self, BlockSum, BlockSums};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// What the files hold of each trial, by its place in the grid.
pub struct SideFiles {
    files: [SideFile; SIDES.len()],
}

struct SideFile {
    path: PathBuf,
    /// It is `None` if the file is not there.
    blocks: Option<Vec<BlockSum>>,
}

impl SideFiles {
    /// The files of a folder, which are not read yet.
    pub fn new(dir: &Path) -> SideFiles {
        SideFiles { files: [0, 1, 2].map(|side: usize| SideFile { path: dir.join(SIDES[side].file), blocks: None }) }
    }

    /// Reads each file that is there to its end. `open` gives `None` if there is no such file.
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

    /// What the files hold of the trial at this place.
    pub fn of(&self, place: u32) -> BlockSums {
        let block = |file: &SideFile| file.blocks.as_ref().map_or(BlockSum::default(), |blocks| blocks[place as usize]);
        self.files.each_ref().map(block)
    }

    /// The failure of a trial whose rows in one of the files are not those that were written beside
    /// its row in `runs.csv`.
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
