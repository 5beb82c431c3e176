//! Opens libtorch and the engine in a worker process. No other process opens them. The engine is a
//! library that cargo builds beside this program. Its bytes lie in the data of the program, so that
//! the program is one file wherever it is installed.

use blowup_core::device::Device;
#[cfg(feature = "engine")]
use std::path::{Path, PathBuf};

/// Why a worker cannot train, and what to do about it.
pub struct EngineUnavailable {
    pub what: String,
    pub hint: String,
}

/// The libraries of libtorch, each after those that it needs.
#[cfg(feature = "engine")]
const LIBRARIES: [&str; 2] = ["libc10.so", "libtorch_cpu.so"];

/// Opens libtorch and the engine, and trains what its parent orders until its stdin closes.
/// `memory` is how many bytes it may hold. Returns false if it ended early, after it has told its
/// parent why.
///
/// # Errors
/// If libtorch or the engine is missing, cannot be opened, or is of another build.
#[cfg(feature = "engine")]
pub fn work(device: Device, memory: Option<u64>) -> Result<bool, EngineUnavailable> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, RTLD_LOCAL};
    use std::ffi::{CStr, CString, c_char, c_int};

    let folder = libtorch()?;
    let missing = |what: String| EngineUnavailable { what, hint: HINT.to_owned() };
    for name in LIBRARIES {
        let file = folder.join(name);
        // SAFETY: libtorch's initializers run in any program that is linked with it.
        let opened = unsafe { Library::open(Some(&file), RTLD_LAZY | RTLD_LOCAL) };
        let opened =
            opened.map_err(|error| missing(format!("`{}` cannot be opened: {}", file.display(), words(&error))))?;
        // It is never closed, since tensors live in its memory.
        std::mem::forget(opened);
    }
    let place = place().map_err(|error| EngineUnavailable {
        what: format!("the engine finds no place in memory: {error}"),
        hint: format!(
            "it takes {} MB, which a limit on the length of files (`ulimit -f`) must allow",
            (embedded::engine().len() >> 20) + 1
        ),
    })?;
    // SAFETY: the engine's initializers are those of Rust's runtime and of the binding.
    let engine = unsafe { Library::open(Some(&place), RTLD_LAZY | RTLD_GLOBAL) }
        .map_err(|error| missing(format!("the engine cannot be opened: {}", words(&error))))?;
    // SAFETY: the two functions are declared so in the engine (`door`).
    let (build, work) = unsafe {
        let build = engine.get::<unsafe extern "C" fn() -> *const c_char>(b"blowup_engine_build\0");
        let work = engine.get::<unsafe extern "C" fn(*const c_char, u64) -> c_int>(b"blowup_engine_work\0");
        match (build, work) {
            (Ok(build), Ok(work)) => (CStr::from_ptr(build()), work),
            (Err(error), _) | (_, Err(error)) => {
                return Err(missing(format!("the engine lacks a function: {}", words(&error))));
            }
        }
    };
    if build.to_bytes() != env!("BLOWUP_BUILD").as_bytes() {
        return Err(EngineUnavailable {
            what: format!(
                "the engine is of build {}, the program of {}",
                build.to_string_lossy(),
                env!("BLOWUP_BUILD")
            ),
            hint: "build the program again: `touch crates/engine/src/lib.rs`, then `cargo build --release`".to_owned(),
        });
    }
    let device = CString::new(device.to_string()).expect("a device has no zero in its name");
    // SAFETY: `device` ends with a 0 and outlives the call.
    let status = unsafe { work(device.as_ptr(), memory.unwrap_or(0)) };
    Ok(status == 0)
}

#[cfg(not(feature = "engine"))]
pub fn work(_: Device, _: Option<u64>) -> Result<bool, EngineUnavailable> {
    Err(EngineUnavailable {
        what: "this blowup was built without its engine, so it trains nothing".to_owned(),
        hint: "build it with the feature `engine`, which is on by default: `cargo build --release`".to_owned(),
    })
}

#[cfg(feature = "engine")]
const HINT: &str = concat!(
    "`make libtorch` fetches the libtorch that blowup was built with; beside an installed wheel, `pip install torch==",
    env!("BLOWUP_LIBTORCH"),
    "` does; or set LIBTORCH to its folder, the one that holds lib/"
);

/// The folder of the libraries of libtorch. LIBTORCH names it; otherwise it lies beside the
/// `target/` in which this program lies, in the Python environment into which this program was
/// installed, or where it was when the program was built.
#[cfg(feature = "engine")]
fn libtorch() -> Result<PathBuf, EngineUnavailable> {
    let folders: Vec<PathBuf> = match std::env::var_os("LIBTORCH") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => {
            let program = std::env::current_exe().unwrap_or_default();
            let beside = program.ancestors().skip(2).take(4).map(|folder| folder.join(".libtorch"));
            let built = PathBuf::from(env!("BLOWUP_LIBTORCH_FOLDER"));
            beside.chain(of_python(&program)).chain([built]).collect()
        }
    };
    let missing = |what: String| EngineUnavailable { what, hint: HINT.to_owned() };
    let Some(found) = folders.iter().find(|folder| folder.join("lib").join(LIBRARIES[1]).exists()) else {
        let looked: Vec<String> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
        return Err(missing(format!("there is no libtorch in {}", looked.join(" or "))));
    };
    match version(found) {
        Some(version) if version != env!("BLOWUP_LIBTORCH") => {
            let what = format!("the torch in `{}` is {version}, not {}", found.display(), env!("BLOWUP_LIBTORCH"));
            Err(missing(what))
        }
        Some(_) | None => Ok(found.join("lib")),
    }
}

/// The folders that the Python package torch has in the environment of which `program` lies in
/// `bin/`.
#[cfg(feature = "engine")]
fn of_python(program: &Path) -> Vec<PathBuf> {
    let libraries = program.ancestors().nth(2).map(|prefix| prefix.join("lib"));
    let entries = libraries.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let is_python = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"));
    let mut pythons: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_python).collect();
    pythons.sort_unstable();
    let torch =
        |python: &PathBuf| ["site-packages", "dist-packages"].map(|packages| python.join(packages).join("torch"));
    pythons.iter().flat_map(torch).collect()
}

/// The version of a Python package torch, without what stands behind a `+`: `None` of a libtorch
/// that is no such package.
#[cfg(feature = "engine")]
fn version(torch: &Path) -> Option<String> {
    let text = blowup_core::input::text(&torch.join("version.py")).ok()??;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(line.trim().trim_matches(['\'', '"']).split('+').next().unwrap_or_default().to_owned())
}

/// A path under which the engine can be opened. This is the file that cargo built, if it is still
/// there with the same bytes: then the workers share its pages, and a profiler finds its symbols.
/// Otherwise it is a file in memory.
#[cfg(feature = "engine")]
fn place() -> std::io::Result<PathBuf> {
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::io::Write as _;
    use std::os::fd::{AsRawFd, IntoRawFd};
    let built = PathBuf::from(env!("BLOWUP_ENGINE_FILE"));
    if blowup_core::input::holds(&built, embedded::engine()) {
        return Ok(built);
    }
    let mut file = std::fs::File::from(memfd_create("blowup-engine", MemfdFlags::CLOEXEC)?);
    file.write_all(embedded::engine())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    // The file stays open as long as the library, whose pages are read from it.
    let _ = file.into_raw_fd();
    Ok(path)
}

/// The words of the system, which are the source of the error if it has one.
#[cfg(feature = "engine")]
fn words(error: &libloading::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The bytes of the engine as cargo built it.
#[cfg(feature = "engine")]
mod embedded {
    // The assembler includes the file. The compiler would ask for it even where it only checks the
    // program and nothing is built. The name of the build stands in the text so that the text
    // changes with the engine.
    std::arch::global_asm!(
        concat!("// ", env!("BLOWUP_BUILD")),
        ".section .rodata.blowup_engine,\"a\",@progbits",
        ".balign 16",
        ".hidden blowup_embedded_engine",
        ".hidden blowup_embedded_engine_end",
        ".global blowup_embedded_engine",
        ".global blowup_embedded_engine_end",
        "blowup_embedded_engine:",
        concat!(".incbin \"", env!("BLOWUP_ENGINE_FILE"), "\""),
        "blowup_embedded_engine_end:",
        ".byte 0",
        ".text",
    );

    unsafe extern "C" {
        static blowup_embedded_engine: u8;
        static blowup_embedded_engine_end: u8;
    }

    pub fn engine() -> &'static [u8] {
        let (start, end) = (&raw const blowup_embedded_engine, &raw const blowup_embedded_engine_end);
        // SAFETY: the two symbols are the ends of what the assembler put between them.
        unsafe { std::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
    }
}
