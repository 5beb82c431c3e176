//! The file of the pixels that were trained, from which a map goes on after an interruption.
//!
//! Pixels are appended in blocks: the number of pixels and the CRC-32 of the rest, each of four
//! bytes, and then thirteen bytes for each pixel, which are its number, its verdict and its value.
//! All numbers are little-endian. A block that is torn or damaged ends what is read: it and what
//! follows it are cut off and trained again.

use super::{PixelVerdict, Reading};
use crate::failure::Failure;
use crate::store::Folder;
use crate::verdict::Outcome;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// The name of the file.
pub const FILE: &str = "pixels.log";

const HEAD: usize = 8;
const PIXEL: usize = 13;
/// The most pixels of a block. A larger number is damage.
const MOST: usize = 1 << 20;

/// The file, open for appending.
pub struct Kept {
    file: File,
    folder: Folder,
}

impl Kept {
    /// Opens the file in a folder that is locked, and makes it if it is not there. `found` is given
    /// every pixel that was trained before.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(folder: &Folder, found: &mut dyn FnMut(u32, Reading)) -> Result<Kept, Failure> {
        let wrong = |error: io::Error| Failure::io("read", &folder.name(FILE), &error);
        let mut file = folder.append(FILE).map_err(wrong)?;
        let mut all = |pixels: Vec<(u32, Reading)>| {
            pixels.into_iter().for_each(|(pixel, reading)| found(pixel, reading));
            Ok(())
        };
        let whole = read(folder, &mut file, &mut all)?;
        let length = file.metadata().map_err(wrong)?.len();
        if whole < length {
            tracing::warn!(
                "`{}` ends with {} bytes that are damaged or torn: those pixels are trained again",
                folder.name(FILE).display(),
                length - whole
            );
            file.set_len(whole).map_err(wrong)?;
        }
        Ok(Kept { file, folder: folder.clone() })
    }

    /// Appends the pixels that are kept in another folder and for which `is_new` holds. Nothing in
    /// that folder changes. Returns how many there are.
    ///
    /// # Errors
    /// If that file cannot be read, or this one cannot be written.
    pub fn take(&mut self, from: &Folder, is_new: &mut dyn FnMut(u32, Reading) -> bool) -> Result<u64, Failure> {
        let Some(mut file) = from.read_if_there(FILE)? else { return Ok(0) };
        let mut taken = 0;
        read(from, &mut file, &mut |mut pixels| {
            pixels.retain(|(pixel, reading)| is_new(*pixel, *reading));
            taken += pixels.len() as u64;
            self.append(&pixels)
        })?;
        Ok(taken)
    }

    /// Appends pixels that were trained.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append(&mut self, pixels: &[(u32, Reading)]) -> Result<(), Failure> {
        for pixels in pixels.chunks(MOST) {
            let bytes = block(pixels);
            self.file.write_all(&bytes).map_err(|error| Failure::io("write", &self.folder.name(FILE), &error))?;
        }
        Ok(())
    }

    /// Makes sure that what was written survives a power cut.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| Failure::io("write", &self.folder.name(FILE), &error))
    }
}

/// What is done with the pixels of a block.
type Found<'a> = &'a mut dyn FnMut(Vec<(u32, Reading)>) -> Result<(), Failure>;

/// Reads the blocks of the file of this folder, as far as they are whole, and returns the bytes
/// that they take.
fn read(folder: &Folder, file: &mut File, found: Found) -> Result<u64, Failure> {
    let wrong = |error: io::Error| Failure::io("read", &folder.name(FILE), &error);
    file.seek(SeekFrom::Start(0)).map_err(wrong)?;
    let mut from = io::BufReader::with_capacity(1 << 16, file);
    let mut whole = 0;
    let (mut head, mut body) = ([0; HEAD], Vec::new());
    loop {
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(whole),
            read => read.map_err(wrong)?,
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (count, sum) = (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]));
        if count == 0 || count > MOST {
            return Ok(whole);
        }
        body.clear();
        let bytes = count * PIXEL;
        if (&mut from).take(bytes as u64).read_to_end(&mut body).map_err(wrong)? < bytes
            || crc32fast::hash(&body) != sum
        {
            return Ok(whole);
        }
        let pixels: Option<Vec<(u32, Reading)>> = body.chunks_exact(PIXEL).map(pixel).collect();
        let Some(pixels) = pixels else { return Ok(whole) };
        found(pixels)?;
        whole += (HEAD + bytes) as u64;
    }
}

/// The bytes of a block.
fn block(pixels: &[(u32, Reading)]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    for (number, reading) in pixels {
        let value = match reading {
            Reading::Trainability { value, .. } => *value,
            Reading::Outcome(_) => 0.0,
        };
        bytes.extend(number.to_le_bytes());
        bytes.push(code(reading.verdict()));
        bytes.extend(value.to_le_bytes());
    }
    let sum = crc32fast::hash(&bytes[HEAD..]);
    bytes[..4].copy_from_slice(&(pixels.len() as u32).to_le_bytes());
    bytes[4..HEAD].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The byte of a verdict: 0 and 1 for the published measure, and 2 and more for the outcomes, in
/// the order of their list.
pub fn code(verdict: PixelVerdict) -> u8 {
    match verdict {
        PixelVerdict::Converged => 0,
        PixelVerdict::Diverged => 1,
        PixelVerdict::Outcome(outcome) => {
            2 + Outcome::ALL.iter().position(|other| *other == outcome).unwrap_or(Outcome::ALL.len()) as u8
        }
    }
}

/// The pixel of these bytes; `None` if its verdict is none.
fn pixel(bytes: &[u8]) -> Option<(u32, Reading)> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (&[verdict], rest) = rest.split_first_chunk()?;
    let value = f64::from_le_bytes(*rest.first_chunk()?);
    let reading = match verdict {
        0 => Reading::Trainability { converged: true, value },
        1 => Reading::Trainability { converged: false, value },
        outcome => Reading::Outcome(*Outcome::ALL.get(usize::from(outcome) - 2)?),
    };
    Some((u32::from_le_bytes(*number), reading))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the files are the test's own")]
mod tests {
    use super::*;

    fn folder(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("blowup-kept-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let folder = Folder::open(&path).unwrap();
        let _ = folder.remove(FILE);
        folder
    }

    fn reopened(folder: &Folder) -> Vec<(u32, Reading)> {
        let mut all = Vec::new();
        Kept::open(folder, &mut |pixel, reading| all.push((pixel, reading))).unwrap();
        all
    }

    #[test]
    fn what_was_appended_is_read_again_and_damage_ends_it() {
        let folder = folder("damage");
        let first = [
            (3, Reading::Trainability { converged: true, value: -2.5 }),
            (7, Reading::Trainability { converged: false, value: f64::INFINITY }),
        ];
        let second: Vec<_> = Outcome::ALL.iter().map(|outcome| (9, Reading::Outcome(*outcome))).collect();
        let mut kept = Kept::open(&folder, &mut |_, _| panic!("the file is new")).unwrap();
        kept.append(&first).unwrap();
        kept.append(&second).unwrap();
        drop(kept);
        assert_eq!(reopened(&folder), [&first[..], &second].concat());
        let path = folder.name(FILE);
        let whole = std::fs::read(&path).unwrap();
        let length = HEAD + 2 * PIXEL;
        // A block of which any byte is another, or of which the end is missing, does not count, and
        // is cut off.
        for at in length..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(reopened(&folder), first, "byte {at}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), length as u64);
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(reopened(&folder), first, "cut at {at}");
        }
        let mut kept = Kept::open(&folder, &mut |_, _| {}).unwrap();
        kept.append(&second).unwrap();
        drop(kept);
        assert_eq!(reopened(&folder).len(), 2 + second.len());
        // Another folder takes what it has not, from whole blocks alone, and damages nothing.
        let other = self::folder("other");
        let torn = std::fs::read(&path).unwrap();
        std::fs::write(&path, &torn[..torn.len() - 1]).unwrap();
        let mut kept = Kept::open(&other, &mut |_, _| panic!("the file is new")).unwrap();
        assert_eq!(kept.take(&folder, &mut |pixel, _| pixel != 3).unwrap(), 1);
        drop(kept);
        assert_eq!(reopened(&other), first[1..]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), torn.len() as u64 - 1);
        std::fs::remove_dir_all(other.path()).unwrap();
        std::fs::remove_dir_all(folder.path()).unwrap();
    }
}
