//! A folder that is held open. Its files are opened, made and replaced in the folder itself,
//! whatever becomes of its name in the meantime. There may be another folder under the name by now,
//! with the results of another sweep.

use crate::failure::Failure;
use crate::input;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Take, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder that is held open. Its clones hold the same folder.
#[derive(Clone)]
pub struct Folder(Arc<Held>);

struct Held {
    /// The name of the folder when it was opened, for messages.
    path: PathBuf,
    /// It is `None` if there was no folder of that name.
    fd: Option<OwnedFd>,
}

/// A file that ends where it ends now, however it grows.
pub type Snapshot = BufReader<Take<File>>;

impl Folder {
    /// Opens the folder of this name.
    pub fn open(path: &Path) -> io::Result<Folder> {
        Folder::at(CWD, path, path.to_owned())
    }

    /// Opens the folder of this name. An absent folder is one without files.
    pub fn if_there(path: &Path) -> Result<Folder, Failure> {
        match Folder::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Folder(Arc::new(Held { path: path.to_owned(), fd: None })))
            }
            opened => opened.map_err(|error| Failure::io("open the folder", path, &error)),
        }
    }

    fn at(within: impl rustix::fd::AsFd, name: &Path, path: PathBuf) -> io::Result<Folder> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(within, name, flags, Mode::empty())?;
        Ok(Folder(Arc::new(Held { path, fd: Some(fd) })))
    }

    /// The path by which it was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The path of a file in it, for messages.
    pub fn name(&self, file: &str) -> PathBuf {
        self.0.path.join(file)
    }

    /// The descriptor of the folder.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn fd(&self) -> io::Result<&OwnedFd> {
        self.0.fd.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Opens a regular file and waits for nothing. A pipe or a device in the place of the file is
    /// an error.
    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let is_file = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if self.stat(name).is_ok_and(|stat| !is_file(&stat)) {
            return Err(input::no_file());
        }
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::openat(self.fd()?, name, flags, Mode::from_raw_mode(0o666))?);
        // The file is looked at again, since it may have been replaced after the first look.
        if is_file(&rustix::fs::fstat(&file)?) { Ok(file) } else { Err(input::no_file()) }
    }

    /// Opens a file for reading.
    pub fn read(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    /// Opens a file for reading, if it is there.
    pub fn read_if_there(&self, name: &str) -> Result<Option<File>, Failure> {
        match self.read(name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read", &self.name(name), &error)),
        }
    }

    /// Opens a file for reading as it is now. What is appended later is not seen.
    pub fn snapshot(&self, name: &str) -> Result<Option<Snapshot>, Failure> {
        let Some(file) = self.read_if_there(name)? else {
            return Ok(None);
        };
        let length = file.metadata().map_err(|error| Failure::io("read", &self.name(name), &error))?.len();
        Ok(Some(BufReader::with_capacity(1 << 18, file.take(length))))
    }

    /// The text of a file, if it is there. A file that is too long or not UTF-8 becomes text that
    /// nothing accepts.
    pub fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        const LONGEST: u64 = 64 << 20;
        let Some(file) = self.read_if_there(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let read = file.take(LONGEST).read_to_end(&mut bytes);
        read.map_err(|error| Failure::io("read", &self.name(name), &error))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Opens a file for appending and reading, and makes it if it is not there.
    pub fn append(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::CREATE | OFlags::APPEND | OFlags::RDWR)
    }

    /// Begins to replace a file.
    pub fn replacement(&self, name: &str) -> Result<Replacement, Failure> {
        let temporary = format!("{name}.tmp");
        let file = self.file(&temporary, OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY);
        let file = file.map_err(|error| Failure::io("write", &self.name(name), &error))?;
        let to = BufWriter::with_capacity(1 << 18, file);
        Ok(Replacement { folder: self.clone(), name: name.to_owned(), temporary, to })
    }

    /// Replaces a file by what `write` writes, or leaves it as it is after an error.
    pub fn replace(&self, name: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let mut to = self.replacement(name)?;
        write(&mut to).map_err(|error| Failure::io("write", &self.name(name), &error))?;
        to.finish()
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(rustix::fs::statat(self.fd()?, name, AtFlags::empty())?)
    }

    /// Whether there is a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.stat(name).is_ok()
    }

    /// The bytes of a file that is there.
    pub fn length(&self, name: &str) -> Option<u64> {
        self.stat(name).ok().map(|stat| stat.st_size as u64)
    }

    /// Whether the open file `file` is still the file of that name.
    pub fn is_same(&self, name: &str, file: &File) -> bool {
        self.stat(name).is_ok_and(|there| rustix::fs::fstat(file).is_ok_and(|held| same(&there, &held)))
    }

    /// Whether the folder still has its name.
    pub fn is_in_place(&self) -> bool {
        let there = rustix::fs::stat(&self.0.path);
        let held = self.fd().and_then(|fd| Ok(rustix::fs::fstat(fd)?));
        there.is_ok_and(|there| held.is_ok_and(|held| same(&there, &held)))
    }

    /// Moves a file from a folder on the same file system into this one, where it replaces the file
    /// of its name.
    pub fn take(&self, from: &Folder, name: &str) -> io::Result<()> {
        from.read(name)?.sync_all()?;
        Ok(rustix::fs::renameat(from.fd()?, name, self.fd()?, name)?)
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(self.fd()?, name, AtFlags::empty())?)
    }

    /// The names of its files, without the folders below it.
    pub fn files(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.fd()?)? {
            let entry = entry?;
            if entry.file_type() != FileType::Directory {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    /// The folder of that name below this one. It is made if it is not there.
    pub fn below(&self, name: &str) -> io::Result<Folder> {
        match rustix::fs::mkdirat(self.fd()?, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Folder::at(self.fd()?, Path::new(name), self.name(name))
    }

    /// Removes a folder below this one with the files in it.
    pub fn remove_below(&self, name: &str) -> io::Result<()> {
        let folder = match Folder::at(self.fd()?, Path::new(name), self.name(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folder => folder?,
        };
        folder.files()?.iter().try_for_each(|file| folder.remove(file))?;
        Ok(rustix::fs::unlinkat(self.fd()?, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes sure that files which were made, renamed or removed in it stay so after a power cut.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.fd()?)?)
    }
}

fn same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// A file that will replace another one. If it is dropped before `finish`, it replaces nothing.
pub struct Replacement {
    folder: Folder,
    name: String,
    temporary: String,
    to: BufWriter<File>,
}

impl Replacement {
    /// Writes bytes to the new file.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.to.write_all(bytes).map_err(|error| Failure::io("write", &self.folder.name(&self.name), &error))
    }

    /// Puts the new file in the place of the old one.
    pub fn finish(mut self) -> Result<(), Failure> {
        let mut attempt = || -> io::Result<()> {
            self.to.flush()?;
            self.to.get_ref().sync_all()?;
            let fd = self.folder.fd()?;
            rustix::fs::renameat(fd, &*self.temporary, fd, &*self.name)?;
            // The rename must survive a power cut, too.
            self.folder.sync()
        };
        attempt().map_err(|error| Failure::io("write", &self.folder.name(&self.name), &error))
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // There is nothing to remove if the temporary file has become the file itself.
        let _ = self.folder.remove(&self.temporary);
    }
}
