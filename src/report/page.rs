//! Writes the page: its HTML, its style, its data and its scripts.

use super::data::PageData;
use std::io::{self, Write};

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");

/// The scripts stand in one function, in this order: each uses what is before it.
const SCRIPTS: [&str; 29] = [
    include_str!("page/dom.js"),
    include_str!("page/data.js"),
    include_str!("page/statistics.js"),
    include_str!("page/lifetimes.js"),
    include_str!("page/crossing.js"),
    include_str!("page/colour.js"),
    include_str!("page/state.js"),
    include_str!("page/svgcontext.js"),
    include_str!("page/sheet.js"),
    include_str!("page/save.js"),
    include_str!("page/filters.js"),
    include_str!("page/corners.js"),
    include_str!("page/headline.js"),
    include_str!("page/phase.js"),
    include_str!("page/panel.js"),
    include_str!("page/chart.js"),
    include_str!("page/levels.js"),
    include_str!("page/boundary.js"),
    include_str!("page/edges.js"),
    include_str!("page/survival.js"),
    include_str!("page/table.js"),
    include_str!("page/configurations.js"),
    include_str!("page/parallel.js"),
    include_str!("page/courses.js"),
    include_str!("page/trials.js"),
    include_str!("page/compare.js"),
    include_str!("page/sheets.js"),
    include_str!("page/live.js"),
    include_str!("page/main.js"),
];

/// Writes the page with this data.
///
/// # Errors
/// If it cannot be written.
pub fn write(data: &PageData<'_>, to: &mut dyn Write) -> io::Result<()> {
    let mut rest = HTML;
    for (mark, part) in
        [("{{style}}", PagePart::Style), ("{{data}}", PagePart::Data), ("{{script}}", PagePart::Scripts)]
    {
        let (before, after) = rest.split_once(mark).expect("the page has its marks");
        to.write_all(before.as_bytes())?;
        match part {
            PagePart::Style => to.write_all(STYLE.as_bytes())?,
            PagePart::Data => serde_json::to_writer(Harmless(&mut *to), data)?,
            PagePart::Scripts => SCRIPTS.iter().try_for_each(|script| to.write_all(script.as_bytes()))?,
        }
        rest = after;
    }
    to.write_all(rest.as_bytes())
}

enum PagePart {
    Style,
    Data,
    Scripts,
}

/// Writes JSON inside a `script` element, where no text of a user may end that element or begin a
/// comment. In JSON a `<` occurs only in strings, and there it can be written as an escape.
struct Harmless<'a>(&'a mut dyn Write);

impl Write for Harmless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for (i, piece) in bytes.split(|byte| *byte == b'<').enumerate() {
            if i > 0 {
                self.0.write_all(b"\\u003c")?;
            }
            self.0.write_all(piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
