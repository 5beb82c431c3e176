//! Finds a trial of a grid by its id or the beginning of it.

use blowup_core::failure::Failure;
use blowup_core::spec::grid::Grid;
use blowup_core::trial::Trial;
use std::path::Path;

/// How many ids a message lists at most.
const LISTED: usize = 4;

/// The trial of the grid whose id begins with `text`. `runs` is the file with the ids, for
/// messages.
///
/// # Errors
/// If no id of the grid begins with the text, or several do.
pub fn find(grid: Grid<'_>, text: &str, runs: &Path) -> Result<Trial, Failure> {
    let digits = text.strip_prefix('t').filter(|digits| digits.len() <= 12);
    if !digits.is_some_and(|digits| digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))) {
        return Err(Failure::new(format!("`{}` is no id of a trial", text.escape_debug())).hint(format!(
            "`t` and 12 hexadecimal digits, or as many of them as are unique: the first column of `{}`",
            runs.display()
        )));
    }
    let (mut found, mut others, mut nearest) = (None, Vec::new(), None);
    for trial in grid.trials() {
        let id = trial.id().to_string();
        if !id.starts_with(text) {
            let distance = strsim::damerau_levenshtein(text, &id);
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                nearest = Some((distance, id));
            }
        } else if found.is_none() {
            found = Some(trial);
        } else {
            others.push(id);
        }
    }
    match (found, others.len()) {
        (Some(trial), 0) => Ok(trial),
        (Some(trial), more) => {
            let first = trial.id().to_string();
            let listed: Vec<String> = std::iter::once(first).chain(others).take(LISTED).collect();
            let dots = if more + 1 > LISTED { ", ..." } else { "" };
            Err(Failure::new(format!("`{text}` begins the ids of {} trials", more + 1))
                .hint(format!("one of: {}{dots}", listed.join(", "))))
        }
        (None, _) => {
            let near = nearest.filter(|(distance, _)| *distance <= 3).map(|(_, id)| format!("did you mean `{id}`? "));
            let hint = format!("{}the ids are the first column of `{}`", near.unwrap_or_default(), runs.display());
            Err(Failure::new(format!("the grid has no trial `{text}`")).hint(hint))
        }
    }
}
