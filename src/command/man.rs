//! `blowup man`: writes the manual pages, which say what `--help` says.

use crate::cli::{Cli, ManArgs};
use blowup_core::failure::{Exit, Failure};
use blowup_core::output::{print, refuse_other, write};
use clap::{Command, CommandFactory};
use clap_mangen::Man;

/// Writes a page for the program and one for each of its commands into a folder.
///
/// # Errors
/// If the folder cannot be made, or a page cannot be written or would replace another file.
pub fn run(args: &ManArgs) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&args.dir).map_err(|error| Failure::io("make the folder", &args.dir, &error))?;
    let mut all = Cli::command();
    all.build();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    let mut told = String::new();
    for command in [&all].into_iter().chain(shown) {
        let name = match std::ptr::eq(command, &all) {
            true => "blowup".to_owned(),
            false => format!("blowup-{}", command.get_name()),
        };
        let path = args.dir.join(format!("{name}.1"));
        refuse_other(&path, "manual page", |start| start.starts_with(b".ie "))?;
        write(&path, &page(command, &name).map_err(|error| Failure::io("write", &path, &error))?)?;
        told += &format!("{}\n", path.display());
    }
    print(&told).map(|()| Exit::Done)
}

fn page(command: &Command, name: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).title(name).render(&mut page)?;
    Ok(page)
}
