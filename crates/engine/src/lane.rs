//! The lanes of a cohort in training and the trials that ride in them: trials that differ in nothing but the threshold
//! of their norm clipping take the same steps until the first of them is clipped, so they share a lane, which then
//! forks. No tensors here.

use super::still::Still;
use blowup_core::trial::{Clip, Lane, Shape};
use blowup_core::verdict::Course;
use std::collections::HashMap;

/// A lane in training.
pub struct Track {
    /// At least one. They have had the same clip coefficient in every step so far.
    pub riders: Vec<Rider>,
    pub update: Option<Update>,
    pub gradient_norm: f64,
    /// After the last update, if the record wants it.
    pub sharpness: Option<f64>,
    pub still: Still,
}

pub struct Rider {
    /// Its place among the trials of the cohort.
    pub trial: usize,
    /// None when the trial has its verdict.
    pub course: Option<Course>,
    /// The clip coefficient of this step.
    pub clip: f64,
}

impl Track {
    pub fn new(trials: Vec<usize>) -> Track {
        let rider = |trial| Rider { trial, course: None, clip: 1.0 };
        let riders = trials.into_iter().map(rider).collect();
        Track { riders, update: None, gradient_norm: 0.0, sharpness: None, still: Still::default() }
    }

    /// What its riders have in common is that of any of them.
    pub fn lane<'a>(&self, lanes: &'a [Lane]) -> &'a Lane {
        &lanes[self.riders[0].trial]
    }

    pub fn has_left(&self) -> bool {
        self.riders.iter().all(|rider| rider.course.is_none())
    }

    /// The riders still in training by their clip coefficient, in a lane for each.
    pub fn fork(self) -> Vec<Track> {
        let mut tracks: Vec<Track> = Vec::new();
        for rider in self.riders.into_iter().filter(|rider| rider.course.is_some()) {
            let same = |track: &&mut Track| track.riders[0].clip.to_bits() == rider.clip.to_bits();
            match tracks.iter_mut().find(same) {
                Some(track) => track.riders.push(rider),
                None => tracks.push(Track { riders: vec![rider], ..self }),
            }
        }
        tracks
    }

    pub fn forks(&self) -> bool {
        let mut clips = self.riders.iter().filter(|rider| rider.course.is_some()).map(|rider| rider.clip.to_bits());
        let first = clips.next();
        clips.any(|clip| Some(clip) != first)
    }
}

/// The places of the trials that share a lane at the start: their lanes are equal but for the threshold of norm
/// clipping.
pub fn siblings(shape: &Shape, lanes: &[Lane]) -> Vec<Vec<usize>> {
    if shape.clip_value || lanes.windows(2).all(|pair| pair[0].clip == pair[1].clip) {
        return (0..lanes.len()).map(|trial| vec![trial]).collect();
    }
    let (mut groups, mut known): (Vec<Vec<usize>>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for (i, lane) in lanes.iter().enumerate() {
        let rest = format!("{:?}", Lane { clip: Clip::None, ..*lane });
        match known.get(&rest) {
            Some(&group) => groups[group].push(i),
            None => {
                known.insert(rest, groups.len());
                groups.push(vec![i]);
            }
        }
    }
    groups
}

/// The norm of the last update, known now or by a factor of what the next read brings.
#[derive(Clone, Copy)]
pub enum Update {
    Known(f64),
    Measured { factor: f64 },
}
