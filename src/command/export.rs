//! `blowup export`: writes the result files of a sweep in another format.

use crate::cli::{ExportArgs, ExportFormat};
use crate::export::jsonl::Jsonl;
use crate::export::parquet::Parquet;
use crate::export::{SOURCES, Sink, copy};
use crate::origin;
use blowup_core::failure::{Exit, Failure, counted};
use blowup_core::input;
use blowup_core::output::{print, refuse_other};
use blowup_core::store::Folder;
use std::io::ErrorKind;

/// Writes each result file that is there.
///
/// # Errors
/// If there are no results, a file is damaged, or one cannot be written.
pub fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    let axes = origin::axes(&args.dir);
    let out = args.out.as_ref().unwrap_or(&args.dir);
    let mut told = String::new();
    for source in &SOURCES {
        let path = args.dir.join(format!("{}.csv", source.name));
        let file = match input::buffered(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && source.name != "runs" => continue,
            Err(error) => {
                let hint = "RUN_DIR is the folder of a sweep: `blowup sweep` writes runs.csv into it";
                return Err(Failure::io("open", &path, &error).hint(hint));
            }
            Ok(file) => file,
        };
        let folder = std::fs::create_dir_all(out).and_then(|()| Folder::open(out));
        let folder = folder.map_err(|error| Failure::io("make the folder", out, &error))?;
        let (extension, what, magic) = match args.format {
            ExportFormat::Parquet => ("parquet", "Parquet file", &b"PAR1"[..]),
            ExportFormat::Jsonl => ("jsonl", "file of JSON lines", &b"{\""[..]),
        };
        let name = format!("{}.{extension}", source.name);
        let to = out.join(&name);
        refuse_other(&to, what, |start| start.starts_with(magic))?;
        let rows = copy(source, &path, file, &axes, |columns| {
            let file = folder.replacement(&name)?;
            Ok(match args.format {
                ExportFormat::Parquet => Box::new(Parquet::new(file, &to, columns)?) as Box<dyn Sink>,
                ExportFormat::Jsonl => Box::new(Jsonl::new(file, columns)),
            })
        })?;
        told += &format!("{}: {}\n", to.display(), counted(rows, "row"));
    }
    print(&told)?;
    Ok(Exit::Done)
}
