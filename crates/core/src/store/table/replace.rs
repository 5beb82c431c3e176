//! Replaces a file by its own rows in another order.

use super::Table;
use super::rows::Window;
use crate::failure::Failure;
use crate::store::sums::{self, Recorded};
use crate::trial::TrialId;
use std::io;

/// A row that was put into the new file.
pub struct Put {
    pub trial: TrialId,
    pub sum: u32,
    pub recorded: Recorded,
    /// Whether it differs from the row that it replaces.
    pub changed: bool,
}

/// Called with a position and the row (or rows) of its trial. It returns what takes their place, if
/// anything does.
pub type RowChange<'a> = dyn FnMut(usize, &[u8]) -> io::Result<Option<Vec<u8>>> + 'a;

impl Table {
    /// Replaces the file by the rows of the trials of `order` that have any. `change` is given the
    /// position in `order`. `put` sees what was put. `ready` is called when everything was put and
    /// the file is still the old one. After an error the places are of no use any more, only the
    /// verdicts are.
    pub fn replace(
        &mut self,
        order: impl Iterator<Item = TrialId>,
        change: &mut RowChange<'_>,
        put: &mut dyn FnMut(Put) -> io::Result<()>,
        ready: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<(), Failure> {
        let from = self.reopened().map_err(|error| self.failure("read", &error))?;
        let mut window = Window::new(from);
        // The places are changed where they are. A second map of a million rows would be the
        // largest thing in this process.
        let mut kept = vec![false; self.places.len()];
        let (places, recorded) = (&mut self.places, &self.recorded);
        let mut end = self.header.len() as u64;
        self.folder.replace(self.name, |to| {
            to.write_all(&self.header)?;
            for (at, trial) in order.enumerate() {
                // A place that was kept is of the new file already.
                let Some(number) = places.number(trial).filter(|number| !kept[*number]) else {
                    continue;
                };
                let mut place = places.at(number);
                let text = window.read(&place)?;
                if sums::sum(text) != place.sum {
                    return Err(io::Error::other(format!("the row of {trial} is not what it was a moment ago")));
                }
                let changed = change(at, text)?;
                let text = changed.as_deref().unwrap_or(text);
                to.write_all(text)?;
                if changed.is_some() {
                    place.sum = sums::sum(text);
                }
                let recorded = place.mark.map_or(Recorded::Unknown, |mark| recorded[usize::from(mark.recorded)]);
                put(Put { trial, sum: place.sum, recorded, changed: changed.is_some() })?;
                (place.offset, place.length) = (end, text.len() as u32);
                places.set(number, place);
                kept[number] = true;
                end += text.len() as u64;
            }
            ready()
        })?;
        let was_open = self.file.is_some();
        self.places.retain(&kept);
        (self.end, self.clean, self.file, self.damaged) = (end, true, None, 0);
        if was_open { self.open() } else { Ok(()) }
    }

    /// Replaces the file by its rows as they are, in this order.
    pub fn reorder(&mut self, order: impl Iterator<Item = TrialId>) -> Result<(), Failure> {
        self.replace(order, &mut |_, _| Ok(None), &mut |_| Ok(()), &mut || Ok(()))
    }
}
