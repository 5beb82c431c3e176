//! Processes of other programs and of this one: how they are killed, and how this program is
//! started once more.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// Kills processes, which may be gone.
pub fn kill_all(processes: &[u32]) {
    for process in processes.iter().filter_map(|id| rustix::process::Pid::from_raw(*id as i32)) {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
}

/// The command that starts this program once more. On Linux it is the program that runs now, even
/// if its file was replaced or removed in the meantime.
pub fn this_program() -> Command {
    let mut command = Command::new(if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { by_name() });
    command.arg0(by_name());
    command
}

fn by_name() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("blowup"))
}
