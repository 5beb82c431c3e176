//! Which numbers of a log are the loss, the gradient norm and the learning rate. Tools have their
//! own names for them; what is not told by its name is never guessed.

use super::Table;
use blowup_core::failure::{Failure, excerpt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The names that the user gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub loss: Option<String>,
    pub grad_norm: Option<String>,
}

/// What a record of a log says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub loss: f64,
    pub grad_norm: Option<f64>,
    pub lr: Option<f64>,
}

/// The names of a training loss, the best first, as `plain` writes them.
const LOSSES: [&str; 9] = [
    "loss",
    "train_loss",
    "training_loss",
    "train_loss_step",
    "loss_train",
    "batch_loss",
    "train_loss_epoch",
    "epoch_loss",
    "train_epoch_loss",
];
const GRADIENTS: [&str; 7] = [
    "grad_norm",
    "train_grad_norm",
    "gradient_norm",
    "train_gradient_norm",
    "grad_2_0_norm_total",
    "total_grad_norm",
    "train_global_grad_norm",
];
const RATES: [&str; 4] = ["learning_rate", "lr", "train_learning_rate", "train_lr"];

/// The records that have a loss.
///
/// # Errors
/// If no column is the loss, or several may be.
pub fn entries(table: &Table, asked: &Asked, path: &Path) -> Result<Vec<Entry>, Failure> {
    let names: BTreeSet<&str> = table.iter().flat_map(|row| row.keys().map(String::as_str)).collect();
    let loss = match given(asked.loss.as_deref(), "--loss", &names, path)? {
        Some(name) => name,
        None => found_loss(&names).ok_or_else(|| {
            let text = format!("`{}` has no column that is surely the training loss", path.display());
            Failure::new(text).hint(format!("`--loss NAME` names it; there are {}", listed(&names)))
        })?,
    };
    let is_norm = |plain: &str| plain.contains("grad") && plain.contains("norm");
    let grad_norm =
        given(asked.grad_norm.as_deref(), "--grad-norm", &names, path)?.or_else(|| found(&names, &GRADIENTS, is_norm));
    let lr = found(&names, &RATES, |plain| plain.starts_with("lr_") || plain.starts_with("learning_rate_"));
    let get = |row: &BTreeMap<String, f64>, name: Option<&str>| row.get(name?).copied();
    let entry = |row: &BTreeMap<String, f64>| {
        Some(Entry { loss: get(row, Some(loss))?, grad_norm: get(row, grad_norm), lr: get(row, lr) })
    };
    Ok(table.iter().filter_map(entry).collect())
}

/// The column that the user names with this option.
fn given<'a>(
    name: Option<&str>,
    option: &str,
    names: &BTreeSet<&'a str>,
    path: &Path,
) -> Result<Option<&'a str>, Failure> {
    let Some(name) = name else { return Ok(None) };
    names.get(name).copied().map(Some).ok_or_else(|| {
        Failure::new(format!("`{}` has no column `{}`", path.display(), excerpt(name)))
            .hint(format!("`{option}` names one of its columns: {}", listed(names)))
    })
}

fn found_loss<'a>(names: &BTreeSet<&'a str>) -> Option<&'a str> {
    let of_other_data = ["val", "eval", "test", "dev"];
    found(names, &LOSSES, |plain| {
        plain.contains("loss")
            && !plain.split('_').any(|word| of_other_data.iter().any(|other| word.starts_with(other)))
    })
}

/// The first name of the list or, if there is none, the only one that `may` be meant.
fn found<'a>(names: &BTreeSet<&'a str>, list: &[&str], may: impl Fn(&str) -> bool) -> Option<&'a str> {
    let listed = list.iter().find_map(|wanted| names.iter().find(|name| plain(name) == *wanted));
    let mut others = names.iter().filter(|name| may(&plain(name)));
    listed.or_else(|| others.next().filter(|_| others.next().is_none())).copied()
}

/// A name in small letters and digits, with `_` between its words.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

fn listed(names: &BTreeSet<&str>) -> String {
    const SHOWN: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", excerpt(name))).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
