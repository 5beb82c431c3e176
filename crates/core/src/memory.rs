//! What the machine says about memory: how much is free, and how much a process holds. On systems
//! without `/proc` nothing is known, and nothing is limited.
//!
//! The parent keeps a worker within its limit by watching what the worker holds in RAM. A hard
//! limit of the kernel (`RLIMIT_DATA`) stands behind that, for a parent that is kept from looking.
//! `RLIMIT_AS` would count address space, of which libtorch reserves gigabytes that it never
//! touches. Control groups need rights that a user rarely has, but their limits are respected.

use crate::input;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};

/// The bytes that processes can still take before this machine, or the control group of this
/// process, is full.
pub fn available() -> Option<u64> {
    let machine = field(&input::system(Path::new("/proc/meminfo"))?, "MemAvailable:").map(|kib| kib * 1024)?;
    Some(groups().iter().filter_map(|group| headroom(group)).fold(machine, u64::min))
}

/// The bytes that a process holds in RAM.
pub fn resident(pid: u32) -> Option<u64> {
    let pages: u64 = input::system(Path::new(&format!("/proc/{pid}/statm")))?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The bytes in RAM of a process and of all that it has started, directly and through others. Pages
/// that they share count for each.
pub fn resident_with_children(pid: u32) -> Option<u64> {
    let children: u64 = descendants(pid).into_iter().filter_map(resident).sum();
    Some(resident(pid)? + children)
}

/// The most processes that are looked for below one.
const MOST_DESCENDANTS: usize = 4096;

/// The processes that a process has started, directly and through others.
pub fn descendants(pid: u32) -> Vec<u32> {
    let (mut all, mut next) = (children(pid), 0);
    while next < all.len() && all.len() < MOST_DESCENDANTS {
        all.extend(children(all[next]));
        next += 1;
    }
    all
}

/// The processes that the threads of a process have started.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut all = Vec::new();
    for thread in threads.filter_map(Result::ok) {
        let text = input::system(&thread.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    all
}

/// Lets this process allocate `bytes` more than it has until now. A library that asks for more gets
/// an error.
pub fn limit(bytes: u64) {
    let now = input::system(Path::new("/proc/self/status")).and_then(|status| field(&status, "VmData:"));
    let Some(now) = now.map(|kib| kib * 1024) else {
        return;
    };
    let Rlimit { maximum, .. } = getrlimit(Resource::Data);
    let most = now.saturating_add(bytes).min(maximum.unwrap_or(u64::MAX));
    if let Err(error) = setrlimit(Resource::Data, Rlimit { current: Some(most), maximum }) {
        tracing::debug!("no limit on memory: {error}");
    }
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The folders of the control groups, of either version, that limit the memory of this process.
fn groups() -> Vec<PathBuf> {
    let ours = input::system(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let mut groups = Vec::new();
    for line in ours.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let root = match parts.next() {
            Some("") => Path::new("/sys/fs/cgroup"),
            Some(controllers) if controllers.split(',').any(|c| c == "memory") => Path::new("/sys/fs/cgroup/memory"),
            _ => continue,
        };
        let path = root.join(parts.next().unwrap_or_default().trim_start_matches('/'));
        groups.extend(path.ancestors().take_while(|folder| folder.starts_with(root)).map(Path::to_owned));
    }
    groups
}

/// The bytes that a control group still allows; `None` if it has no limit. Cached files count as
/// free, since they make room when they must.
fn headroom(group: &Path) -> Option<u64> {
    let read = |name: &str| input::system(&group.join(name));
    let number = |names: [&str; 2]| names.into_iter().find_map(read)?.trim().parse::<u64>().ok();
    let limit = number(["memory.max", "memory.limit_in_bytes"])?;
    let used = number(["memory.current", "memory.usage_in_bytes"])?;
    let cached = read("memory.stat").and_then(|stat| field(&stat, "inactive_file ")).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}
