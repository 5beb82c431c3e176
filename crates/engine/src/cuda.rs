//! CUDA at run time. The program is linked with libtorch's CPU half alone. Where a GPU is wanted,
//! the CUDA half is loaded into the running process and registers itself. No other module knows of
//! it, and nothing is trained here.
//!
//! An error names everything that is missing: where the library and the driver are missing, the
//! user learns of both at once.

use super::loaded;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, RTLD_NOW};
use std::error::Error;
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::path::PathBuf;

const LIBRARY: &str = "libtorch_cuda.so";
/// The CUDA version for which the libtorch 2.11.0 of the Python package index was built, in the
/// driver's numbering.
const CUDA: c_int = 13_000;
const DRIVER_HINT: &str = "`nvidia-smi` shows driver and GPUs; CUDA 13 takes NVIDIA's driver 580 or newer";

/// Why a device cannot be trained on, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong, as the text of an error.
    pub what: String,
    /// What to do about it. Further hints follow on lines of their own.
    pub hint: String,
}

/// Loads libtorch's CUDA half for the life of the process, and returns the name of GPU `number`.
///
/// # Errors
/// If the library, the driver or the GPU is missing. The error names all that are.
pub fn load(number: u32) -> Result<String, Unusable> {
    let (library, gpu) = (find(), gpu(number));
    let mut missing: Vec<UnmetRequirement> = Vec::new();
    let library = library.map_err(|lack| missing.push(lack)).ok();
    let gpu = gpu.map_err(|lack| missing.push(lack)).ok();
    let (Some(library), Some(gpu)) = (library, gpu) else { return Err(unusable(number, missing)) };
    // SAFETY: the initializers of this library register kernels with libtorch, of which nothing has
    // been called yet.
    let loaded = unsafe { Library::open(Some(&library), RTLD_NOW | RTLD_GLOBAL) };
    let loaded = loaded.map_err(|error| {
        // The source of the error is what the system itself says.
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let what = format!("`{}` cannot be loaded: {reason}", library.display());
        let hint = "`make libtorch-cuda` fetches it again, once its folder is removed";
        unusable(number, vec![UnmetRequirement { what, hint: hint.to_owned() }])
    })?;
    // The library is never unloaded, because tensors live in its memory.
    std::mem::forget(loaded);
    let seen = tch::Cuda::device_count();
    if seen <= i64::from(number) {
        let what = format!("the driver knows `{gpu}`, but libtorch sees {seen} GPUs");
        return Err(unusable(number, vec![UnmetRequirement { what, hint: DRIVER_HINT.to_owned() }]));
    }
    Ok(gpu)
}

struct UnmetRequirement {
    what: String,
    hint: String,
}

fn unusable(number: u32, missing: Vec<UnmetRequirement>) -> Unusable {
    let (what, hints): (Vec<String>, Vec<String>) = missing.into_iter().map(|lack| (lack.what, lack.hint)).unzip();
    Unusable { what: format!("cannot train on `cuda:{number}`: {}", what.join("; and ")), hint: hints.join("\nhint: ") }
}

/// Finds the library: in the folder that `LIBTORCH_CUDA` names; else in the folder `cuda/` beside
/// the `lib/` of the libtorch that is loaded, or in that `lib/`.
fn find() -> Result<PathBuf, UnmetRequirement> {
    let folders = match std::env::var_os("LIBTORCH_CUDA") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => {
            let libtorch = loaded::path("libtorch_cpu.so");
            let lib = libtorch.iter().filter_map(|file| file.parent());
            lib.flat_map(|lib| [lib.with_file_name("cuda"), lib.to_owned()]).collect()
        }
    };
    let found = folders.iter().map(|folder| folder.join(LIBRARY)).find(|file| file.exists());
    found.ok_or_else(|| {
        let folders: Vec<String> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
        UnmetRequirement {
            what: format!("there is no `{LIBRARY}` in {}", folders.join(" or ")),
            hint: "`make libtorch-cuda` fetches it (3 GB), or set `LIBTORCH_CUDA` to the folder `torch/lib` of PyTorch 2.11.0 for CUDA 13"
                .to_owned(),
        }
    })
}

/// Asks the driver for the name of a GPU.
fn gpu(number: u32) -> Result<String, UnmetRequirement> {
    let lack = |what: String| UnmetRequirement { what, hint: DRIVER_HINT.to_owned() };
    // SAFETY: loading the driver's library runs only its initializers, as in every program that
    // uses CUDA.
    let driver = unsafe { Library::open(Some("libcuda.so.1"), RTLD_LAZY) };
    let driver = driver.map_err(|_| lack("there is no NVIDIA driver: `libcuda.so.1` cannot be loaded".to_owned()))?;
    // SAFETY: the library is NVIDIA's libcuda.
    let asked =
        unsafe { ask(&driver, number).map_err(|error| lack(format!("the NVIDIA driver cannot be asked: {error}")))? };
    asked.map_err(lack)
}

/// Returns the name of GPU `number`, or what is wrong with the driver or the GPU.
///
/// # Errors
/// If the library lacks one of the functions.
///
/// # Safety
/// `driver` is NVIDIA's libcuda.
unsafe fn ask(driver: &Library, number: u32) -> Result<Result<String, String>, libloading::Error> {
    // SAFETY: the signatures are those of cuda.h, which have not changed since CUDA 2. Every
    // pointer is to a value that lives until its call returns. The name is cut to the buffer and
    // ends with a 0.
    unsafe {
        let init = driver.get::<unsafe extern "C" fn(c_uint) -> c_int>(b"cuInit\0")?;
        let get_version = driver.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDriverGetVersion\0")?;
        let get_count = driver.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDeviceGetCount\0")?;
        let get = driver.get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(b"cuDeviceGet\0")?;
        let get_name = driver.get::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(b"cuDeviceGetName\0")?;

        let (mut version, mut count, mut device, mut name) = (0, 0, 0, [0 as c_char; 256]);
        get_version(&mut version);
        if version < CUDA {
            return Ok(Err(format!("the NVIDIA driver is for CUDA {}.{}", version / 1000, version % 1000 / 10)));
        }
        // 100 is CUDA_ERROR_NO_DEVICE; cuda.h lists the other errors.
        match init(0) {
            0 => {}
            100 => return Ok(Err("the NVIDIA driver finds no GPU".to_owned())),
            error => return Ok(Err(format!("the NVIDIA driver does not start: its error {error}"))),
        }
        get_count(&mut count);
        if i64::from(number) >= i64::from(count) {
            return Ok(Err(format!("of the {count} GPUs here, counted from 0, there is no number {number}")));
        }
        if get(&mut device, number as c_int) != 0 || get_name(name.as_mut_ptr(), name.len() as c_int, device) != 0 {
            return Ok(Err(format!("the NVIDIA driver does not know the name of GPU {number}")));
        }
        name[name.len() - 1] = 0;
        Ok(Ok(CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned()))
    }
}
