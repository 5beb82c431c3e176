//! Reads the rows of a table again, from their places.

use super::Table;
use crate::failure::Failure;
use crate::store::places::RowPlace;
use crate::store::sums;
use crate::trial::TrialId;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;

/// A part of a file that is held in memory, since rows that will stand beside each other mostly did
/// so before.
pub(super) struct Window {
    from: File,
    start: u64,
    bytes: Vec<u8>,
    /// The offset at which the last row ended.
    last: u64,
}

impl Window {
    const BYTES: usize = 16 * 1024;

    pub(super) fn new(from: File) -> Window {
        Window { from, start: 0, bytes: Vec::new(), last: 0 }
    }

    pub(super) fn read(&mut self, place: &RowPlace) -> io::Result<&[u8]> {
        let length = place.length as usize;
        let near = place.offset.checked_sub(self.last).is_some_and(|gap| gap < Self::BYTES as u64);
        self.last = place.offset + u64::from(place.length);
        let inside = |window: &Window| {
            let from = usize::try_from(place.offset.checked_sub(window.start)?).ok()?;
            Some(from..from.checked_add(length)?).filter(|range| range.end <= window.bytes.len())
        };
        if let Some(range) = inside(self) {
            return Ok(&self.bytes[range]);
        }
        self.start = place.offset;
        // Where rows are far from each other, it would be useless to read more than one row.
        self.bytes.resize(if near { length.max(Self::BYTES) } else { length }, 0);
        let more = self.from.read_at(&mut self.bytes, place.offset)?;
        if more < length {
            self.from.read_exact_at(&mut self.bytes[..length], place.offset)?;
        }
        self.bytes.truncate(more.max(length));
        Ok(&self.bytes[..length])
    }
}

impl Table {
    /// The trial's row (or block of rows) as it lies in the file, with its line end.
    pub fn row(&self, trial: TrialId) -> Result<Option<Vec<u8>>, Failure> {
        let Some(place) = self.places.get(trial) else {
            return Ok(None);
        };
        let mut text = vec![0; place.length as usize];
        let read = self.reopened().and_then(|from| from.read_exact_at(&mut text, place.offset));
        read.map_err(|error| self.failure("read", &error))?;
        Ok(Some(text))
    }

    /// Calls `each` with the rows in the order of the file.
    pub fn rows(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let mut attempt = || -> io::Result<()> {
            let from = self.reopened()?;
            let mut places: Vec<RowPlace> = self.places.iter().map(|(_, place)| place).collect();
            places.sort_unstable_by_key(|place| place.offset);
            let mut reader = BufReader::with_capacity(1 << 18, from);
            let (mut text, mut at) = (Vec::new(), 0);
            for place in places {
                reader.seek_relative(place.offset as i64 - at as i64)?;
                text.resize(place.length as usize, 0);
                io::Read::read_exact(&mut reader, &mut text)?;
                at = place.offset + u64::from(place.length);
                each(&text);
            }
            Ok(())
        };
        attempt().map_err(|error| self.failure("read", &error))
    }

    /// A reader of rows.
    pub fn reader(&self) -> Result<Reader<'_>, Failure> {
        let from = self.reopened().map_err(|error| self.failure("read", &error))?;
        Ok(Reader { table: self, window: Window::new(from) })
    }
}

/// Reads rows of a table one after the other, quickly where they lie near each other.
pub struct Reader<'a> {
    table: &'a Table,
    window: Window,
}

impl Reader<'_> {
    /// The trial's row (or block of rows) with its line end.
    ///
    /// # Errors
    /// If the file cannot be read, or another process has replaced it in the meantime.
    pub fn row(&mut self, trial: TrialId) -> Result<Option<&[u8]>, Failure> {
        let table = self.table;
        let Some(place) = table.places.get(trial) else {
            return Ok(None);
        };
        let text = self.window.read(&place).map_err(|error| table.failure("read", &error))?;
        if sums::sum(text) != place.sum {
            let text = format!("`{}` changed while it was read", table.folder.name(table.name).display());
            return Err(Failure::new(text).hint("a sweep is running there; try again"));
        }
        Ok(Some(text))
    }
}
