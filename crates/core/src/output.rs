//! This room writes standard output, and files that replace nothing of other people's. It opens no
//! pipe and no device as a file, and waits for none. Whether an existing file is ours is for its
//! writer to say (`refuse_other`).
//!
//! Every function here that returns an error fails if the file cannot be written. The other reasons
//! are named at the function.
#![expect(clippy::disallowed_methods, reason = "the room in which files are opened for writing")]

use crate::failure::{Failure, reason, turns};
use crate::input;
use rustix::fs::OFlags;
use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes data to standard output. It is no error if the reader went away (`| head`) or if the
/// output was closed from the start.
///
/// # Errors
/// If it cannot be written for any other reason, for example because the disk is full.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let text = if out.is_terminal() { steady(text) } else { Cow::Borrowed(text) };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot write to standard output: {}", reason(&error)))
            .hint("a full disk, or a limit on the length of files, where it was redirected to")),
    }
}

/// The text with the characters escaped that would change how a terminal shows the rest. Programs
/// get the text unchanged.
fn steady(text: &str) -> Cow<'_, str> {
    if !text.contains(turns) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| if turns(c) { c.escape_unicode().to_string() } else { c.to_string() });
    Cow::Owned(shown.collect())
}

/// Standard output for the messages of a protocol, which are no text.
pub fn bytes() -> impl Write {
    io::stdout()
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether text for a stream is coloured: on a terminal, unless `NO_COLOR` is set (no-color.org) or
/// the terminal shows no colours; and anywhere if `CLICOLOR_FORCE` is set (bixense.com/clicolors).
pub fn wants_colour(is_terminal: bool) -> bool {
    colour(is_terminal, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// The same, where `get` gives the variables of the environment that are not empty.
fn colour(is_terminal: bool, get: &dyn Fn(&str) -> Option<String>) -> bool {
    let forced = get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    get("NO_COLOR").is_none() && (forced || is_terminal && get("TERM").is_none_or(|term| term != "dumb"))
}

/// Whether a path stands for standard output: `-`, `/dev/stdout`, or the name of the file to which
/// it was redirected.
pub fn is_stdout(path: &Path) -> bool {
    let same = |there: fs::Metadata| {
        rustix::fs::fstat(io::stdout()).is_ok_and(|out| (out.st_dev, out.st_ino) == (there.dev(), there.ino()))
    };
    path.as_os_str() == "-" || fs::metadata(path).is_ok_and(same)
}

/// Opens a regular file, or makes it. It waits for nothing; a pipe in the place of the file is an
/// error.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options.custom_flags(flags.bits() as i32).open(path).map_err(|error| match input::is_file(path) {
        Ok(false) => input::no_file(),
        Ok(true) | Err(_) => error,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(input::no_file()) }
}

/// An empty file. It replaces the content of an existing file.
pub fn create(path: &Path) -> io::Result<File> {
    let file = open(OpenOptions::new().write(true).create(true).truncate(false), path)?;
    file.set_len(0)?;
    Ok(file)
}

/// A new file, which must not exist yet.
pub fn create_new(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().write(true).create_new(true), path)
}

/// Opens a file for appending and reading, and makes it if it is not there.
pub fn append(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().create(true).append(true).read(true), path)
}

/// Opens an existing file for appending and reading.
pub fn append_to(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().append(true).read(true), path)
}

/// Writes a whole file. It replaces the content of an existing file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    create(path).and_then(|mut file| file.write_all(bytes)).map_err(|error| Failure::io("write", path, &error))
}

/// How long the reader of a pipe may take to come.
const READER: Duration = Duration::from_secs(5);

/// Writes into a file, or into a pipe or a device that somebody else reads.
pub fn write_anywhere(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if input::is_file(path).unwrap_or(true) {
        return write(path, bytes);
    }
    let nobody = |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error());
    // A pipe that nobody reads would be waited for without end. Its reader may go away early, or
    // may be about to come, since a shell starts both at once.
    let start = Instant::now();
    let opened = loop {
        match OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path) {
            Err(error) if nobody(&error) && start.elapsed() < READER => std::thread::sleep(Duration::from_millis(10)),
            opened => break opened,
        }
    };
    let file = opened.map_err(|error| match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NXIO) => {
            Failure::new(format!("cannot write `{}`: it is a pipe that nobody reads", path.display()))
                .hint("begin to read it first, or name a file")
        }
        Some(_) | None => Failure::io("write", path, &error),
    })?;
    let attempt = || {
        rustix::fs::fcntl_setfl(&file, rustix::fs::fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        (&file).write_all(bytes)
    };
    match attempt() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::io("write", path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes sure that what a folder lists survives a power cut.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The bytes at the start of a file by which its writer is recognized.
const START: u64 = 4096;

/// Refuses to replace an existing file that this program did not write. `ours` says whether a file
/// with this beginning is the program's own, and `what` names what it would have to be. An empty
/// file belongs to nobody. What is no regular file is not replaced but written into, or is an error
/// of its own.
pub fn refuse_other(path: &Path, what: &str, ours: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
    let mut start = Vec::new();
    match input::is_file(path) {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::io("read", path, &error)),
    }
    input::open(path)
        .and_then(|file| file.take(START).read_to_end(&mut start))
        .map_err(|error| Failure::io("read", path, &error))?;
    if start.is_empty() || ours(&start) {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` is there and is no {what}; it would be overwritten", path.display())))
}

/// Removes a file that this program made, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::colour;

    #[test]
    fn colour_is_for_terminals_unless_it_is_forced_or_not_wanted() {
        let of = |set: &[(&str, &str)], is_terminal| {
            let get = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.to_string());
            colour(is_terminal, &get)
        };
        assert!(of(&[], true) && !of(&[], false));
        assert!(!of(&[("TERM", "dumb")], true) && of(&[("TERM", "xterm")], true));
        assert!(!of(&[("NO_COLOR", "1")], true) && !of(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(of(&[("CLICOLOR_FORCE", "1")], false) && !of(&[("CLICOLOR_FORCE", "0")], false));
    }
}
