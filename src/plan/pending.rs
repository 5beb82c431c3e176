//! The trials that are still to be run, packed: a sweep of a million trials must not hold a million `Trial`s.

use crate::trial::{Task, Trial, TrialId};
use std::collections::HashMap;

/// Trials by number, from 0, in the order they were pushed.
#[derive(Default)]
pub struct Pending {
    ids: Vec<TrialId>,
    /// Where each packed trial ends in `bytes`.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    /// Label and task, the same for thousands of trials, kept once each.
    heads: Vec<(String, Task)>,
    head_of: Vec<u32>,
    /// By the packed head.
    known: HashMap<Vec<u8>, u32>,
}

impl Pending {
    pub fn push(&mut self, id: TrialId, mut trial: Trial) {
        let bare = Task { csv: None, ..trial.task.clone() };
        let head = (std::mem::take(&mut trial.label), std::mem::replace(&mut trial.task, bare));
        let key = postcard::to_stdvec(&head).expect("a trial can be packed");
        let number = *self.known.entry(key).or_insert_with(|| {
            self.heads.push(head);
            self.heads.len() as u32 - 1
        });
        self.head_of.push(number);
        self.bytes = postcard::to_extend(&trial, std::mem::take(&mut self.bytes)).expect("a trial can be packed");
        self.ends.push(self.bytes.len());
        self.ids.push(id);
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn id(&self, number: u32) -> TrialId {
        self.ids[number as usize]
    }

    pub fn get(&self, number: u32) -> Trial {
        let at = number as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        let trial: Trial = postcard::from_bytes(&self.bytes[start..self.ends[at]]).expect("packed by `push`");
        let (label, task) = self.heads[self.head_of[at] as usize].clone();
        Trial { label, task, ..trial }
    }
}
