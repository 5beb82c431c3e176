//! Where the rows of each trial lie in a file. It takes 26 bytes a trial, and 8 to 16 bytes of an
//! index.

use crate::record::Verdict;
use crate::trial::TrialId;

/// What is known of a row of `runs.csv` without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What the row says of its trial.
    pub verdict: Verdict,
    /// The record under which the trial was trained: a position in the table's list.
    pub recorded: u8,
}

/// Where the row of a trial lies in a file, or all its rows together.
#[derive(Debug, Clone, Copy)]
pub struct RowPlace {
    pub offset: u64,
    pub length: u32,
    /// [`sum`](super::sums::sum) of the row, or of all rows of the trial.
    pub sum: u32,
    /// Only a row of `runs.csv` has a mark.
    pub mark: Option<Mark>,
}

struct IndexEntry {
    trial: TrialId,
    offset: u64,
    length: u32,
    sum: u32,
}

impl IndexEntry {
    fn new(trial: TrialId, place: RowPlace) -> IndexEntry {
        let RowPlace { offset, length, sum, mark: _ } = place;
        IndexEntry { trial, offset, length, sum }
    }
}

/// A hash map from trials to places that keeps the order of insertion. A trial's id is a hash
/// already.
#[derive(Default)]
pub struct Places {
    entries: Vec<IndexEntry>,
    /// The mark of each entry. Within the entries the marks would take 8 bytes each.
    marks: Vec<Option<Mark>>,
    /// The numbers of entries, from 1; 0 is a free slot. At most half of the slots are taken.
    slots: Vec<u32>,
}

impl Places {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The trials with their places, in the order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (TrialId, RowPlace)> {
        (0..self.len()).map(|number| (self.entries[number].trial, self.at(number)))
    }

    /// The number of a trial's entry, in the order of insertion.
    pub fn number(&self, trial: TrialId) -> Option<usize> {
        let slot = self.slot(trial)?;
        self.slots[slot].checked_sub(1).map(|number| number as usize)
    }

    /// The place of the entry with this number.
    pub fn at(&self, number: usize) -> RowPlace {
        let IndexEntry { offset, length, sum, .. } = self.entries[number];
        RowPlace { offset, length, sum, mark: self.marks[number] }
    }

    /// Sets the place of the entry with this number.
    pub fn set(&mut self, number: usize, place: RowPlace) {
        self.entries[number] = IndexEntry::new(self.entries[number].trial, place);
        self.marks[number] = place.mark;
    }

    /// The place of a trial.
    pub fn get(&self, trial: TrialId) -> Option<RowPlace> {
        self.number(trial).map(|number| self.at(number))
    }

    /// Sets the place of a trial, which may have one already.
    pub fn insert(&mut self, trial: TrialId, place: RowPlace) {
        self.reserve(self.entries.len() + 1);
        let slot = self.slot(trial).expect("there are slots");
        match self.slots[slot] {
            0 => {
                self.entries.push(IndexEntry::new(trial, place));
                self.marks.push(place.mark);
                self.slots[slot] = self.entries.len() as u32;
            }
            number => self.set(number as usize - 1, place),
        }
    }

    /// Makes room for this many trials in all.
    pub fn reserve(&mut self, trials: usize) {
        if 2 * trials > self.slots.len() {
            self.index((2 * trials).next_power_of_two().max(64));
        }
    }

    /// Forgets the entries whose number is not to be kept.
    pub fn retain(&mut self, keep: &[bool]) {
        if keep.contains(&false) {
            let (mut entries, mut marks) = (keep.iter(), keep.iter());
            self.entries.retain(|_| entries.next() == Some(&true));
            self.marks.retain(|_| marks.next() == Some(&true));
            self.index(self.slots.len());
        }
    }

    fn index(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, 0);
        for number in 0..self.entries.len() {
            let slot = self.slot(self.entries[number].trial).expect("there are slots");
            self.slots[slot] = number as u32 + 1;
        }
    }

    /// The slot of a trial, or the free slot that would become its own.
    fn slot(&self, trial: TrialId) -> Option<usize> {
        let last = self.slots.len().checked_sub(1)?;
        let mut slot = trial.bits() as usize & last;
        while self.slots[slot] != 0 && self.entries[self.slots[slot] as usize - 1].trial != trial {
            slot = (slot + 1) & last;
        }
        Some(slot)
    }
}
