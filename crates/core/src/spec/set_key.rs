//! `--set AXIS=V`: another value for a key of every block of `[[grid]]`.

use super::source;
use std::str::FromStr;

/// A value that `--set` gives to a key of every block of `[[grid]]`, as a line of TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetKey(pub(super) String);

impl FromStr for SetKey {
    type Err = &'static str;

    /// Reads `AXIS=V`, where V is a value of TOML, or a text as it stands.
    fn from_str(text: &str) -> Result<SetKey, &'static str> {
        let (key, value) = text.split_once('=').ok_or("expected AXIS=V")?;
        let key = key.trim();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if key.is_empty() || !key.chars().all(is_plain) {
            return Err("expected AXIS=V, with the name of an axis before the `=`");
        }
        let line = format!("{key} = {}", value.trim());
        match source::parse(&line) {
            Ok(entries) if entries.len() == 1 && !line.contains('\n') => Ok(SetKey(line)),
            Ok(_) | Err(_) => Ok(SetKey(format!("{key} = {}", toml::Value::from(value)))),
        }
    }
}

impl SetKey {
    /// What an argument of the command line gives back: `AXIS=V`.
    pub fn argument(&self) -> String {
        self.0.replacen(" = ", "=", 1)
    }
}
