//! `lost.csv`: every time that a trial was lost, why, and under which limit. The rows of lost
//! trials in `runs.csv` come and go with each sweep, but this file remembers, so that a trial that
//! is lost again and again is not tried for ever. Whoever removes the file (or rows of it) makes a
//! new start.

use super::folder::Folder;
use crate::failure::{Failure, printable};
use crate::limits::Limits;
use crate::record::{self, Lost, Piece};
use crate::trial::TrialId;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::unix::fs::FileExt;

pub(super) const FILE: &str = "lost.csv";
const COLUMNS: [&str; 4] = ["trial", "lost", "limit", "detail"];
/// A trial that was lost so often is not tried again.
pub const MOST: usize = 3;

/// One time that a trial was lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    pub lost: Lost,
    /// The seconds or bytes of the limit, if the user had set one.
    pub limit: Option<f64>,
}

impl Loss {
    /// Whether this loss says that the trial would be lost under the limits `now`, too. It does not
    /// if they are larger than the limit under which it was lost.
    pub fn counts(self, now: &Limits) -> bool {
        match (self.limit, now.of(self.lost)) {
            (Some(then), Some(now)) => now <= then,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// The first line of the file.
pub(super) fn header() -> Vec<u8> {
    record::line(COLUMNS)
}

/// The losses of a folder.
pub struct Losses {
    folder: Folder,
    of: HashMap<TrialId, Vec<Loss>>,
}

impl Losses {
    /// Reads the losses of a folder. Damaged rows are not counted.
    pub fn read(folder: &Folder) -> Result<Losses, Failure> {
        let mut losses = Losses { folder: folder.clone(), of: HashMap::new() };
        rows(folder, &mut |trial, _, loss| losses.of.entry(trial).or_default().push(loss))?;
        Ok(losses)
    }

    /// Whether a trial was lost too often to be tried again under these limits.
    pub fn is_given_up(&self, trial: TrialId, now: &Limits) -> bool {
        self.of.get(&trial).is_some_and(|all| all.iter().filter(|loss| loss.counts(now)).count() >= MOST)
    }

    /// Appends a loss. `detail` says in words what happened.
    pub fn append(&mut self, trial: TrialId, loss: Loss, detail: &str) -> Result<(), Failure> {
        let limit = loss.limit.map(record::float).unwrap_or_default();
        let detail = printable(&detail.replace(['\n', '\r'], " "));
        let row = record::line([trial.to_string().as_str(), loss.lost.name(), &limit, &detail]);
        let attempt = || {
            let mut file = self.folder.append(FILE)?;
            let first = match file.metadata()?.len() {
                0 => header(),
                // A row was being written when the sweep was killed.
                end if ends_torn(&file, end)? => b"\n".to_vec(),
                _ => Vec::new(),
            };
            file.write_all(&[first, row].concat())
        };
        attempt().map_err(|error| super::cannot_append(&self.folder.name(FILE), &error))?;
        self.of.entry(trial).or_default().push(loss);
        Ok(())
    }
}

/// Writes what the folders `from` remember into `to`, a folder without losses. It also writes the
/// losses that `before` alone knows; `to` will replace `before`, which may be an earlier merge of
/// the same folders.
pub fn merge<'a>(from: impl Iterator<Item = &'a Folder>, before: &Folder, to: &Folder) -> Result<(), Failure> {
    let (mut all, mut known) = (header(), HashMap::<Vec<u8>, usize>::new());
    let empty = all.len();
    for dir in from {
        rows(dir, &mut |_, row, _| {
            all.extend_from_slice(row);
            *known.entry(row.to_vec()).or_default() += 1;
        })?;
    }
    rows(before, &mut |_, row, _| match known.get_mut(row).filter(|times| **times > 0) {
        Some(times) => *times -= 1,
        None => all.extend_from_slice(row),
    })?;
    if all.len() == empty { Ok(()) } else { to.replace(FILE, |file| file.write_all(&all)) }
}

/// Calls `each` with the whole rows of a folder's file and their line ends. Damaged rows are left
/// out.
fn rows(folder: &Folder, each: &mut dyn FnMut(TrialId, &[u8], Loss)) -> Result<(), Failure> {
    let Some(file) = folder.read_if_there(FILE)? else {
        return Ok(());
    };
    let scanned = record::scan::<io::Error>(BufReader::new(file), 0, COLUMNS.len(), &mut |_, piece| {
        if let Piece::Row { trial, text, .. } = piece
            && let Some(loss) = parse(text)
        {
            each(trial, text, loss);
        }
        Ok(())
    });
    scanned.map_err(|error| Failure::io("read", &folder.name(FILE), &error))
}

fn ends_torn(file: &File, end: u64) -> io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, end - 1)?;
    Ok(last != *b"\n")
}

fn parse(row: &[u8]) -> Option<Loss> {
    let fields = record::fields(&row[..row.len() - 1]);
    let lost = Lost::ALL.into_iter().find(|lost| lost.name().as_bytes() == &*fields[1])?;
    let limit = match &*fields[2] {
        b"" => None,
        text => Some(std::str::from_utf8(text).ok()?.parse().ok()?),
    };
    Some(Loss { lost, limit })
}
