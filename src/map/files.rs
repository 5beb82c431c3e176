//! The numbers of a map: `map.csv` or, of more than a million pixels, arrays of NumPy. Both have
//! the pixels row by row from the smallest y.

use blowup_core::axis::Kind;
use blowup_core::failure::Failure;
use blowup_core::map::kept::code;
use blowup_core::map::raster::{Known, Raster, Source};
use blowup_core::map::{Measure, Reading};
use blowup_core::spec::map::{Map, Side};
use blowup_core::store::Folder;
use std::io::{self, Write};

/// The most pixels of a CSV file.
const MOST_ROWS: usize = 1_000_000;

const CSV: &str = "map.csv";
const ARRAYS: [&str; 5] = ["x.npy", "y.npy", "value.npy", "verdict.npy", "source.npy"];

/// The files that may be written here.
pub const NAMES: [&str; 6] = [CSV, ARRAYS[0], ARRAYS[1], ARRAYS[2], ARRAYS[3], ARRAYS[4]];

/// The byte of `verdict.npy` for a pixel whose trial was lost.
const LOST: u8 = 255;

/// Writes the numbers.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Folder, map: &Map, raster: &Raster) -> Result<(), Failure> {
    if raster.pixels() <= MOST_ROWS {
        return folder.replace(CSV, |to| csv(to, map, raster));
    }
    for (name, side) in ARRAYS.iter().zip([map.x, map.y]) {
        let values: Vec<u8> = (0..side.window.points as usize).flat_map(|i| side.at(i).to_le_bytes()).collect();
        folder.replace(name, |to| {
            header(to, "<f8", &side.window.points.to_string(), true)?;
            to.write_all(&values)
        })?;
    }
    let shape = format!("{}, {}", raster.height, raster.width);
    let [_, _, value, verdict, source] = ARRAYS;
    if map.measure == Measure::Published {
        folder.replace(value, |to| {
            header(to, "<f8", &shape, false)?;
            each(to, raster, &|known| match known.map(|known| known.reading) {
                Some(Reading::Trainability { value, .. }) => value.to_le_bytes(),
                Some(Reading::Outcome(_)) | None => f64::NAN.to_le_bytes(),
            })
        })?;
    }
    folder.replace(verdict, |to| {
        header(to, "|u1", &shape, false)?;
        each(to, raster, &|known| [known.map_or(LOST, |known| code(known.reading.verdict()))])
    })?;
    folder.replace(source, |to| {
        header(to, "|u1", &shape, false)?;
        each(to, raster, &|known| {
            [match known.map(|known| known.source) {
                None => 0,
                Some(Source::Trained) => 1,
                Some(Source::Inferred) => 2,
            }]
        })
    })
}

fn csv(to: &mut dyn Write, map: &Map, raster: &Raster) -> io::Result<()> {
    let texts = |side: Side| {
        let whole = matches!(side.axis.axis().kind, Kind::Integer { .. });
        let text = |i| if whole { format!("{}", side.at(i)) } else { format!("{:?}", side.at(i)) };
        (0..side.window.points as usize).map(text).collect::<Vec<String>>()
    };
    let (xs, ys) = (texts(map.x), texts(map.y));
    let columns = match map.measure {
        Measure::Published => "value,converged",
        Measure::Outcome => "outcome",
    };
    writeln!(to, "x,y,{columns},source")?;
    for (j, y) in ys.iter().enumerate() {
        for (i, x) in xs.iter().enumerate() {
            let known = raster.get(raster.number(i, j));
            let source = known.map_or("lost", |known| known.source.name());
            match (map.measure, known.map(|known| known.reading)) {
                (_, Some(Reading::Trainability { converged, value })) => {
                    writeln!(to, "{x},{y},{value:?},{converged},{source}")?;
                }
                (_, Some(Reading::Outcome(outcome))) => writeln!(to, "{x},{y},{},{source}", outcome.name())?,
                (Measure::Published, None) => writeln!(to, "{x},{y},,,{source}")?,
                (Measure::Outcome, None) => writeln!(to, "{x},{y},,{source}")?,
            }
        }
    }
    Ok(())
}

/// Writes the bytes of every pixel.
fn each<const N: usize>(
    to: &mut dyn Write,
    raster: &Raster,
    bytes: &dyn Fn(Option<Known>) -> [u8; N],
) -> io::Result<()> {
    (0..raster.pixels()).try_for_each(|pixel| to.write_all(&bytes(raster.get(pixel))))
}

/// Writes the header of version 1.0 of NumPy's format. `shape` has the lengths without parentheses.
fn header(to: &mut dyn Write, kind: &str, shape: &str, single: bool) -> io::Result<()> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    let comma = if single { "," } else { "" };
    let mut text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}{comma}), }}");
    // The numbers begin at a multiple of 64 bytes, behind a newline.
    let used = MAGIC.len() + size_of::<u16>() + text.len() + 1;
    text.extend(std::iter::repeat_n(' ', used.next_multiple_of(64) - used));
    text.push('\n');
    to.write_all(MAGIC)?;
    to.write_all(&(text.len() as u16).to_le_bytes())?;
    to.write_all(text.as_bytes())
}
