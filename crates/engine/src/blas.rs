//! The products of libtorch's own MKL, called without libtorch in between, whose dispatch takes longer than a small product.
//!
//! MKL gives a matrix the same bits wherever it stands as long as it starts on a 64-byte boundary (in its strict mode anywhere, with slower
//! kernels). Where the size of its matrices leaves lanes off such boundaries, they are copied to where they are on one. Whether that is so
//! depends on the sizes alone, never on how many lanes there are.

use super::device::is_host;
use super::matrix::Lanes;
use libloading::os::unix::Library;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::LazyLock;
use tch::Kind;

const ROW_MAJOR: c_int = 101;
const AS_IT_IS: c_int = 111;
const TRANSPOSED: c_int = 112;

/// C = alpha A B + beta C for each matrix of each group (oneMKL's `cblas_?gemm_batch`); `T` is the type of the numbers.
type Batch<T> = unsafe extern "C" fn(
    layout: c_int,
    a_is: *const c_int,
    b_is: *const c_int,
    m: *const c_int,
    n: *const c_int,
    k: *const c_int,
    alpha: *const T,
    a: *const *const c_void,
    a_row: *const c_int,
    b: *const *const c_void,
    b_row: *const c_int,
    beta: *const T,
    c: *const *mut c_void,
    c_row: *const c_int,
    groups: c_int,
    of_group: *const c_int,
);

struct Mkl {
    single: Batch<f32>,
    double: Batch<f64>,
}

/// None where libtorch was built with another BLAS.
static MKL: LazyLock<Option<Mkl>> = LazyLock::new(|| {
    let this = Library::this();
    // SAFETY: functions of these types, in a library that the program is linked to and that stays.
    unsafe {
        let single = this.get::<Batch<f32>>(b"cblas_sgemm_batch\0").ok()?;
        let double = this.get::<Batch<f64>>(b"cblas_dgemm_batch\0").ok()?;
        Some(Mkl { single: *single, double: *double })
    }
});

/// What starts on a boundary.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Boundary(#[expect(dead_code, reason = "it is read through addresses")] [u8; Boundary::BYTES]);

impl Boundary {
    const BYTES: usize = 64;
}

/// Memory that is kept from product to product.
#[derive(Default)]
struct Scratch {
    copies: [Vec<Boundary>; 3],
    /// Where the matrices start.
    places: [Vec<*mut c_void>; 3],
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Whether products of f32 and f64 go to MKL: on the CPU, where libtorch was built with it.
pub fn serves() -> bool {
    is_host() && MKL.is_some()
}

/// c = a b, or c += a b: `[lane, m, k]` x `[lane, k, n]`. False, and nothing done, where MKL cannot.
///
/// # Panics
/// If sizes or types do not fit, or the rows of `c` do not lie one after the other.
pub fn multiply(a: Lanes, b: Lanes, c: Lanes, add: bool) -> bool {
    let Some(mkl) = &*MKL else { return false };
    if ![Kind::Float, Kind::Double].contains(&c.kind()) {
        return false;
    }
    assert!([a.kind(), b.kind()] == [c.kind(); 2] && !c.is_transposed());
    assert!([b.count(), c.count()] == [a.count(); 2] && a.cols() == b.rows());
    assert!([a.rows(), b.cols()] == [c.rows(), c.cols()]);
    let mut number = [0.0f64];
    SCRATCH.with_borrow_mut(|Scratch { copies, places }| {
        let [a_copy, b_copy, c_copy] = copies;
        let a = aligned(a, a_copy, true);
        let b = if transposes(b) { transposed(b, b_copy) } else { aligned(b, b_copy, true) };
        let written = aligned(c, c_copy, add);
        for (places, lanes) in places.iter_mut().zip([a, b, written]) {
            places.clear();
            places.extend((0..lanes.count()).map(|lane| lanes.lane(lane).cast::<c_void>()));
            // A single product has one of two numbers beside it: alone, MKL would give it to other kernels.
            places.push(number.as_mut_ptr().cast());
        }
        // SAFETY: every place is the start of a matrix of the sizes, the rows and, as asserted, the type of number given,
        // in memory that lives; the function is the one for that type.
        unsafe {
            if c.kind() == Kind::Float {
                call(mkl.single, [a, b, written], places, 1.0, if add { 1.0 } else { 0.0 });
            } else {
                call(mkl.double, [a, b, written], places, 1.0, if add { 1.0 } else { 0.0 });
            }
        }
        if written.lane(0) != c.lane(0) {
            copy(written, c);
        }
    });
    true
}

/// # Safety
/// The places are starts of matrices as `lanes` says, of numbers of type `T`, and behind them of one number more.
unsafe fn call<T: Copy>(batch: Batch<T>, lanes: [Lanes; 3], places: &[Vec<*mut c_void>; 3], alpha: T, beta: T) {
    let [a, b, c] = lanes;
    let flag = |lanes: Lanes| [if lanes.is_transposed() { TRANSPOSED } else { AS_IT_IS }; 2];
    let [m, n, k, count] = [c.rows(), c.cols(), a.cols(), c.count()].map(|size| [size as c_int, 1]);
    let rows = lanes.map(|lanes| [lanes.row() as c_int, 1]);
    let [a_places, b_places, c_places] = places;
    // SAFETY: the places are the caller's to promise; all other arrays hold what their group needs, two groups at most.
    unsafe {
        batch(
            ROW_MAJOR,
            flag(a).as_ptr(),
            flag(b).as_ptr(),
            m.as_ptr(),
            n.as_ptr(),
            k.as_ptr(),
            [alpha; 2].as_ptr(),
            a_places.as_ptr().cast(),
            rows[0].as_ptr(),
            b_places.as_ptr().cast(),
            rows[1].as_ptr(),
            [beta; 2].as_ptr(),
            c_places.as_ptr(),
            rows[2].as_ptr(),
            if c.count() == 1 { 2 } else { 1 },
            count.as_ptr(),
        );
    }
}

/// The same where every lane starts on a boundary; `filled`: with the elements.
fn aligned<'a>(lanes: Lanes<'a>, memory: &'a mut Vec<Boundary>, filled: bool) -> Lanes<'a> {
    if lanes.starts_at_multiples_of(Boundary::BYTES) {
        return lanes;
    }
    let copied = room(lanes, memory, lanes.is_transposed());
    if filled {
        copy(lanes, copied);
    }
    copied
}

/// Memory for the same matrices, their rows (or, `transposed`, their columns) one after the other.
fn room<'a>(lanes: Lanes, memory: &'a mut Vec<Boundary>, transposed: bool) -> Lanes<'a> {
    let (rows, cols) = (lanes.rows(), lanes.cols());
    let each = (rows * cols * lanes.kind().elt_size_in_bytes()).div_ceil(Boundary::BYTES);
    if memory.len() < lanes.count() * each {
        memory.resize(lanes.count() * each, Boundary([0; Boundary::BYTES]));
    }
    let row = if transposed { rows } else { cols };
    // SAFETY: the memory is borrowed for as long, and has room for as many matrices so far apart.
    unsafe { lanes.elsewhere(memory.as_mut_ptr().cast(), each * Boundary::BYTES, row, transposed) }
}

/// Of the same sizes, both row after row or both column after column.
fn copy(from: Lanes, to: Lanes) {
    let (count, length) = from.lines();
    let element = from.kind().elt_size_in_bytes();
    for lane in 0..from.count() {
        for line in 0..count {
            let [from, to] = [from, to].map(|lanes| lanes.lane(lane).wrapping_add(line * lanes.row() * element));
            // SAFETY: both are a line of a matrix of these sizes, and one of the two is in memory of this thread's own.
            unsafe { std::ptr::copy_nonoverlapping(from, to, length * element) };
        }
    }
}

/// Whether a product is quicker with the rows of `b` one after the other, transposing included. Measured (Zen 5, 32 x 32 matrices): 222 Gflop/s in
/// place of 120.
fn transposes(b: Lanes) -> bool {
    let sizes = |n: usize| n.is_multiple_of(TILE) && n <= 96;
    b.kind() == Kind::Float && b.is_transposed() && sizes(b.rows()) && sizes(b.cols())
}

const TILE: usize = 4;

/// The same matrices, which `transposes`, row after row.
fn transposed<'a>(lanes: Lanes, memory: &'a mut Vec<Boundary>) -> Lanes<'a> {
    let rows = room(lanes, memory, false);
    let (from_line, to_line) = (lanes.row(), rows.row());
    for lane in 0..lanes.count() {
        let (from, to) = (lanes.lane(lane).cast::<f32>(), rows.lane(lane).cast::<f32>());
        for row in (0..lanes.rows()).step_by(TILE) {
            for col in (0..lanes.cols()).step_by(TILE) {
                // SAFETY: both are f32 matrices, and both sizes are multiples of a tile's.
                unsafe { tile(from.add(col * from_line + row), from_line, to.add(row * to_line + col), to_line) };
            }
        }
    }
    rows
}

/// # Safety
/// Both are the corner of a tile in matrices whose lines are `from_line` and `to_line` elements apart.
#[cfg(target_arch = "x86_64")]
unsafe fn tile(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
    use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
    // SAFETY: every x86-64 CPU has SSE; four lines of four numbers from either corner are in their matrices.
    unsafe {
        let [mut a, mut b, mut c, mut d] = [0, 1, 2, 3].map(|line| _mm_loadu_ps(from.add(line * from_line)));
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        for (line, values) in [a, b, c, d].into_iter().enumerate() {
            _mm_storeu_ps(to.add(line * to_line), values);
        }
    }
}

/// # Safety
/// As above.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn tile(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
    for i in 0..TILE {
        for j in 0..TILE {
            // SAFETY: four lines of four numbers from either corner are in their matrices.
            unsafe { *to.add(j * to_line + i) = *from.add(i * from_line + j) };
        }
    }
}
