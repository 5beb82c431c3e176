//! The files of a run directory that figures are drawn from.

use super::cells::PlotMetric;
use super::design::shorten;
use super::gallery::Source;
use super::table::TrialTable;
use super::words;
use crate::origin;
use blowup_core::axis::AxisSet;
use blowup_core::failure::Failure;
use blowup_core::input;
use blowup_core::spec;
use blowup_core::spec::filter::{Attribute, Filter};
use blowup_core::spec::unmet;
use blowup_core::store::Manifest;
use std::fs;
use std::path::Path;

/// Reads the rows of the run directory `dir` that pass the filters, with the column that the metric
/// needs.
///
/// # Errors
/// If the directory or its `runs.csv` is not there, is empty or is damaged, and if no row passes
/// the filters.
pub fn read(dir: &Path, filters: &[String], metric: PlotMetric) -> Result<TrialTable, Failure> {
    let axes = origin::axes(dir);
    let filter = Filter::parse(filters, &axes).map_err(Failure::new)?;
    if !dir.is_dir() {
        let hint = "it is the folder that `blowup sweep` wrote, for example results/grid";
        return Err(Failure::new(format!("there is no folder `{}`", dir.display())).hint(hint));
    }
    let path = dir.join("runs.csv");
    let file = input::buffered(&path).map_err(|error| {
        Failure::io("open", &path, &error)
            .hint("RUN_DIR is the folder of a sweep: `blowup sweep` writes runs.csv into it")
    })?;
    let mut table = TrialTable::read(&path, file, &metric.columns(), &filter, &axes)?;
    if table.read == 0 {
        return Err(Failure::new(format!("`{}` has no rows", path.display()))
            .hint("the sweep has not finished a trial yet; the same `blowup sweep` goes on with it"));
    }
    shorten(&mut table);
    if table.is_empty() {
        return Err(matches_none(&path, filters, &axes, table.read));
    }
    let known = |column: &Attribute| {
        let all = input::buffered(&path).ok();
        let all = all.and_then(|file| TrialTable::read(&path, file, &[], &Filter::default(), &axes).ok());
        let levels = all.as_ref().and_then(|all| all.factor(column.name())).map(|factor| &factor.levels);
        levels.into_iter().flatten().map(|level| level.text.clone()).filter(|text| !text.is_empty()).collect()
    };
    unmet::refuse_arguments(&table.unmet, &known, filters).map_err(Failure::new)?;
    Ok(table)
}

/// Says that no row passes the filters. The hint names the values of the first axis whose condition
/// holds of no row. If each condition holds of some rows, the hint says that.
fn matches_none(path: &Path, filters: &[String], axes: &AxisSet, trials: u64) -> Failure {
    let failure = Failure::new(format!("`--where {}` matches none of the {trials} trials", filters.join(" --where ")));
    let read = |filters: &[String]| {
        let filter = Filter::parse(filters, axes).ok()?;
        TrialTable::read(path, input::buffered(path).ok()?, &[], &filter, axes).ok()
    };
    let alone = filters.iter().find(|filter| read(&[(*filter).clone()]).is_none_or(|table| table.is_empty()));
    let Some((name, all)) = alone.and_then(|filter| filter.split('=').next()).zip(read(&[])) else {
        return failure.hint("each holds of some trials, but they hold of none together; leave one out");
    };
    match all.factor(&name.trim().replace('-', "_")) {
        Some(factor) => failure.hint(format!("`{}` here: {}", factor.name, words::values(factor))),
        None => failure,
    }
}

/// What the figures are of: the name in the spec of the directory or, if that cannot be read, the
/// name of the directory.
pub fn source(dir: &Path, filters: &[String]) -> Source {
    let folder = || {
        let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        full.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let named = input::kept_spec(&dir.join("spec.toml")).ok().and_then(|text| spec::name(&text));
    let manifest = input::text(&dir.join("manifest.toml")).ok().flatten();
    let fingerprints = manifest.and_then(|text| Manifest::parse(&text)).map_or(Vec::new(), |of| of.fingerprints);
    let build = |fingerprint: &String| Some(fingerprint.split_once(" build ")?.1.split(',').next()?.to_owned());
    let builds = fingerprints.iter().filter_map(build).collect();
    Source { name: named.unwrap_or_else(folder), filters: filters.to_vec(), builds, ..Source::default() }
}
