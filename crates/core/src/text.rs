//! A text as a data set: its characters become symbols, of which each has a number. This module
//! opens no file. `spec` checks a file with it, and the engine trains on what it returns. One text
//! is built into the program.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The text of the task `text` where a spec names no file. `experiments/data/README.md` has the
/// source and the licence.
pub static BUILT_IN: LazyLock<Text> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../experiments/data/opticks.txt");
    Text::read(bytes).expect("the file that is built in is a text")
});

/// The most different characters of a text. The inputs of a network have a number for each.
pub const MOST_SYMBOLS: usize = 1024;

/// A text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The symbol of each character, as its place among the different characters in ascending
    /// order, from 0.
    pub characters: Vec<u16>,
    /// The number of different characters.
    pub symbols: usize,
}

impl Text {
    /// Reads a text in UTF-8.
    ///
    /// # Errors
    /// If it is not in UTF-8, has one different character or none, or has more than
    /// `MOST_SYMBOLS`; the error says so in words that follow a file's name.
    pub fn read(bytes: &[u8]) -> Result<Text, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            format!("line {line} is not in UTF-8")
        })?;
        let known: BTreeSet<char> = text.chars().collect();
        if known.len() < 2 {
            return Err("has fewer than two different characters, so there is nothing to learn".to_owned());
        }
        if known.len() > MOST_SYMBOLS {
            return Err(format!("has {} different characters, and {MOST_SYMBOLS} are the most", known.len()));
        }
        let known: Vec<char> = known.into_iter().collect();
        let symbol = |c: char| known.binary_search(&c).expect("every character of the text is known") as u16;
        Ok(Text { characters: text.chars().map(symbol).collect(), symbols: known.len() })
    }

    /// The windows of `length` characters and the one behind them: there are `samples` of them,
    /// and they start at even distances over the whole text.
    ///
    /// # Panics
    /// If the text has fewer than `samples` places for a window.
    pub fn windows(&self, length: usize, samples: usize) -> impl Iterator<Item = &[u16]> {
        let places = places(self.characters.len(), length);
        assert!(samples <= places, "{samples} windows in {places} places");
        (0..samples).map(move |i| {
            let start = (i as u128 * places as u128 / samples as u128) as usize;
            &self.characters[start..=start + length]
        })
    }
}

/// The number of places of a window of `length` characters, and the one behind it, in a text of so
/// many characters.
pub fn places(characters: usize, length: usize) -> usize {
    characters.saturating_sub(length)
}
