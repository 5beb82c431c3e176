//! Why trials could not be trained, and whose fault that is. tch panics where libtorch refuses an
//! operation, and this crate panics where it finds a bug of its own. Both are caught and told apart
//! here, once for all callers.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

/// Why trials could not be trained. Each text names what went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A data file cannot be read, or is no longer what the spec was checked against.
    Data(String),
    /// There was not enough memory.
    Memory(String),
    /// libtorch refused an operation for another reason.
    Refused(String),
    /// This crate panicked. Another attempt would panic again.
    Bug(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Data(text) | Trouble::Memory(text) | Trouble::Refused(text) => f.write_str(text),
            Trouble::Bug(text) => write!(f, "a bug of blowup: {text}"),
        }
    }
}

impl std::error::Error for Trouble {}

thread_local! {
    /// The place of this thread's last panic, if it was noted.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes the place of a panic, so that a report of a bug can name it. To be called by the panic
/// hook.
pub fn note(panic: &PanicHookInfo) {
    PLACE.set(panic.location().map(ToString::to_string));
}

/// Runs `work`, in which libtorch records nothing for autograd. An error that `work` returns is
/// about the data.
///
/// # Errors
/// `Trouble::Data` with the error that `work` returned, or what its panic means.
pub fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, Trouble> {
    PLACE.set(None);
    match catch_unwind(AssertUnwindSafe(|| tch::no_grad(work))) {
        Ok(result) => result.map_err(Trouble::Data),
        Err(panic) => Err(Trouble::of(&*panic)),
    }
}

/// How an error of libtorch starts in a panic's message: tch unwraps the error, which prints its
/// `Debug` form.
const REFUSED: &str = ": Torch(\"";

/// What libtorch says when an allocation fails. The words are those of its allocators for the CPU
/// and for CUDA, of cuBLAS, and of C++.
const OUT_OF_MEMORY: [&str; 6] = [
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
    "bad_alloc",
    "CUDA out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
];

impl Trouble {
    /// Returns what a panic means. Texts of errors are examined here and nowhere else.
    fn of(panic: &(dyn Any + Send)) -> Trouble {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
        match text.split_once(REFUSED) {
            Some((_, said)) => {
                let told = told(said);
                let memory = OUT_OF_MEMORY.iter().any(|words| told.contains(words));
                if memory { Trouble::Memory(told) } else { Trouble::Refused(told) }
            }
            None => {
                let place = PLACE.take().map(|place| format!(" ({place})")).unwrap_or_default();
                Trouble::Bug(format!("{text}{place}"))
            }
        }
    }
}

/// Returns what libtorch said, without the calls that led there and without the quotes of the
/// `Debug` form.
fn told(said: &str) -> String {
    let calls = ["\\nException raised from", "\\nframe #"];
    let end = calls.iter().filter_map(|start| said.find(start)).min().unwrap_or(said.len());
    said[..end].trim_end_matches("\")").replace("\\n", "\n").replace("\\\"", "\"").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Trouble, caught};
    use tch::{Device, Kind, Tensor};

    fn trouble(work: impl FnOnce()) -> Trouble {
        caught(|| {
            work();
            Ok(())
        })
        .unwrap_err()
    }

    #[test]
    fn what_libtorch_refuses_is_told_from_a_lack_of_memory() {
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
        let refused = trouble(|| drop(zeros(&[2, 3]).matmul(&zeros(&[2, 3]))));
        assert_eq!(refused, Trouble::Refused("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)".to_owned()),);
        let Trouble::Memory(text) = trouble(|| drop(zeros(&[1 << 50]))) else { panic!("four petabytes of memory") };
        assert!(text.contains("allocate") && !text.contains("frame #") && !text.contains("\\n"), "{text}");
    }

    #[test]
    fn a_panic_of_our_own_is_a_bug_with_its_message() {
        let index = std::hint::black_box(3);
        let bug = trouble(|| assert_eq!([1, 2, 3][index], 0));
        let Trouble::Bug(text) = &bug else { panic!("{bug:?}") };
        assert!(text.starts_with("index out of bounds: the len is 3 but the index is 3"), "{text}");
        assert!(bug.to_string().starts_with("a bug of blowup: index"), "{bug}");
        // The words of libtorch's allocator mean nothing where libtorch did not say them.
        assert_eq!(trouble(|| panic!("can't allocate memory")), Trouble::Bug("can't allocate memory".to_owned()));
    }

    #[test]
    fn what_is_wrong_with_the_data_is_said_by_the_work() {
        let found: Result<(), Trouble> = caught(|| Err("no such file".to_owned()));
        assert_eq!(found, Err(Trouble::Data("no such file".to_owned())));
    }
}
