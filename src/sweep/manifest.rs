//! What a sweep writes about itself into `manifest.toml`.

use super::survey::Survey;
use crate::cli::SweepArgs;
use crate::origin;
use blowup_core::plan::Shard;
use blowup_core::record::{self, Counts};
use blowup_core::spec::Spec;
use blowup_core::store::{Manifest, Status, Store};
use std::time::SystemTime;

/// The manifest of a sweep that starts now. It keeps what the manifest in the folder says about
/// earlier runs: the fingerprints, the first start and the seconds that were spent.
pub fn manifest(
    args: &SweepArgs,
    spec: &Spec,
    store: &Store,
    shard: Option<Shard>,
    survey: &Survey,
    workers: usize,
) -> Manifest {
    let before = store.manifest.as_ref();
    Manifest {
        format: record::FORMAT,
        status: Status::Running,
        shard,
        grid: survey.grid.clone(),
        blowup: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprints: before.map(|m| m.fingerprints.clone()).unwrap_or_default(),
        device: args.device.to_string(),
        workers: workers as u64,
        spec: origin::place(&args.spec),
        started: before.map_or_else(now, |m| m.started.clone()),
        updated: now(),
        wall_seconds: before.map_or(0.0, |m| m.wall_seconds),
        record: spec.record.clone(),
        loss_ratio: spec.loss_ratios(),
        records: before.map(|m| m.records.clone()).unwrap_or_default(),
        counts: counts(store, survey),
        lengths: Default::default(),
        data: origin::data(spec),
    }
}

/// How many trials of the sweep, or of its shard, have ended in which way.
pub fn counts(store: &Store, survey: &Survey) -> Counts {
    let mut counts = Counts::default();
    survey.order.iter().filter_map(|trial| store.runs.verdict(*trial)).for_each(|verdict| counts.add(verdict));
    let trials = survey.order.len() as u64;
    Counts { missing: trials - counts.trials, trials, ..counts }
}

/// The time now, in UTC, as `2026-01-31T12:00:00Z`.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
