//! Batched products by the MKL inside libtorch, called directly, because libtorch's dispatch takes
//! longer than a small product.
//!
//! MKL gives a product the same bits wherever its matrices stand, as long as each starts on a
//! 64-byte boundary. (Its strict mode needs no boundaries but has slower kernels.) Where the sizes
//! of the matrices leave some lanes off such boundaries, all lanes are copied to places on
//! boundaries. Whether this happens depends on the sizes alone, never on the number of lanes.

use super::device::is_host;
use super::matrix::StridedView;
use libloading::os::unix::Library;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::LazyLock;
use tch::Kind;

const ROW_MAJOR: c_int = 101;
const AS_IT_IS: c_int = 111;
const TRANSPOSED: c_int = 112;

/// oneMKL's `cblas_?gemm_batch`, which computes C = alpha A B + beta C for each matrix of each
/// group. `T` is the type of the numbers.
type GemmBatch<T> = unsafe extern "C" fn(
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
    single: GemmBatch<f32>,
    double: GemmBatch<f64>,
}

/// The functions of MKL. None where libtorch was built with another BLAS.
static MKL: LazyLock<Option<Mkl>> = LazyLock::new(|| {
    let this = Library::this();
    // SAFETY: these functions have these types, and the library that holds them is linked to the
    // program and is never unloaded.
    unsafe {
        let single = this.get::<GemmBatch<f32>>(b"cblas_sgemm_batch\0").ok()?;
        let double = this.get::<GemmBatch<f64>>(b"cblas_dgemm_batch\0").ok()?;
        Some(Mkl { single: *single, double: *double })
    }
});

/// Memory that starts on a boundary.
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
    /// The addresses of the matrices of all lanes, for each of the three operands.
    places: [Vec<*mut c_void>; 3],
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Whether products of f32 and f64 go to MKL. This is so on the CPU, where libtorch was built with
/// MKL.
pub fn serves() -> bool {
    is_host() && MKL.is_some()
}

/// Computes c = a b, or c += a b where `add` is set, for `[lane, m, k]` x `[lane, k, n]`. Returns
/// false, with nothing done, where MKL cannot do it.
///
/// # Panics
/// If sizes or types do not fit, or if the rows of `c` are not contiguous.
pub fn multiply(a: StridedView, b: StridedView, c: StridedView, add: bool) -> bool {
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
        for (places, view) in places.iter_mut().zip([a, b, written]) {
            places.clear();
            places.extend((0..view.count()).map(|lane| view.lane(lane).cast::<c_void>()));
            // Behind the matrices stands a single number. A product of one lane is called beside a
            // product of that number by itself, because MKL has other kernels for a product that is
            // called alone.
            places.push(number.as_mut_ptr().cast());
        }
        // SAFETY: every place is the start of a matrix of the given sizes, rows and (as asserted)
        // type of number, in memory that lives until the call returns. The function is the one for
        // that type.
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

/// Calls `gemm` with two groups for one lane, and with one group for more lanes.
///
/// # Safety
/// The places are the starts of matrices as `operands` describes them, of numbers of type `T`.
/// Behind them stands the place of one more number.
unsafe fn call<T: Copy>(
    gemm: GemmBatch<T>,
    operands: [StridedView; 3],
    places: &[Vec<*mut c_void>; 3],
    alpha: T,
    beta: T,
) {
    let [a, b, c] = operands;
    let flag = |view: StridedView| [if view.is_transposed() { TRANSPOSED } else { AS_IT_IS }; 2];
    let [m, n, k, count] = [c.rows(), c.cols(), a.cols(), c.count()].map(|size| [size as c_int, 1]);
    let rows = operands.map(|view| [view.row() as c_int, 1]);
    let [a_places, b_places, c_places] = places;
    // SAFETY: the caller promises that the places are right. All other arrays have as many elements
    // as there are groups, which are two at most.
    unsafe {
        gemm(
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

/// Returns the same matrices where every lane starts on a boundary. If they have to be moved for
/// that, their elements are copied only where `filled` is set.
fn aligned<'a>(view: StridedView<'a>, memory: &'a mut Vec<Boundary>, filled: bool) -> StridedView<'a> {
    if view.starts_at_multiples_of(Boundary::BYTES) {
        return view;
    }
    let copied = room(view, memory, view.is_transposed());
    if filled {
        copy(view, copied);
    }
    copied
}

/// Makes room in `memory` for the same matrices with contiguous rows or, if `transposed`,
/// contiguous columns.
fn room<'a>(view: StridedView, memory: &'a mut Vec<Boundary>, transposed: bool) -> StridedView<'a> {
    let (rows, cols) = (view.rows(), view.cols());
    let each = (rows * cols * view.kind().elt_size_in_bytes()).div_ceil(Boundary::BYTES);
    if memory.len() < view.count() * each {
        memory.resize(view.count() * each, Boundary([0; Boundary::BYTES]));
    }
    let row = if transposed { rows } else { cols };
    // SAFETY: the memory is borrowed for the lifetime of the result, and has room for as many
    // matrices at that distance.
    unsafe { view.elsewhere(memory.as_mut_ptr().cast(), each * Boundary::BYTES, row, transposed) }
}

/// Copies matrices of the same sizes. Both have contiguous rows, or both have contiguous columns.
fn copy(from: StridedView, to: StridedView) {
    let (count, length) = from.lines();
    let element = from.kind().elt_size_in_bytes();
    for lane in 0..from.count() {
        for line in 0..count {
            let [from, to] = [from, to].map(|view| view.lane(lane).wrapping_add(line * view.row() * element));
            // SAFETY: both places are a line of a matrix of these sizes, and one of the two is in
            // this thread's own memory.
            unsafe { std::ptr::copy_nonoverlapping(from, to, length * element) };
        }
    }
}

/// Whether a product is faster when `b` is first transposed in memory so that its rows are
/// contiguous. Measured on Zen 5 with 32 x 32 matrices, transposing included: 222 Gflop/s instead
/// of 120.
fn transposes(b: StridedView) -> bool {
    let sizes = |n: usize| n.is_multiple_of(TILE) && n <= 96;
    b.kind() == Kind::Float && b.is_transposed() && sizes(b.rows()) && sizes(b.cols())
}

const TILE: usize = 4;

/// Returns the same matrices with contiguous rows. The sizes are those that `transposes` accepts.
fn transposed<'a>(view: StridedView, memory: &'a mut Vec<Boundary>) -> StridedView<'a> {
    let rows = room(view, memory, false);
    let (from_line, to_line) = (view.row(), rows.row());
    for lane in 0..view.count() {
        let (from, to) = (view.lane(lane).cast::<f32>(), rows.lane(lane).cast::<f32>());
        for row in (0..view.rows()).step_by(TILE) {
            for col in (0..view.cols()).step_by(TILE) {
                // SAFETY: both are f32 matrices, and both of their sizes are multiples of a tile's
                // size.
                unsafe { tile(from.add(col * from_line + row), from_line, to.add(row * to_line + col), to_line) };
            }
        }
    }
    rows
}

/// Transposes one tile of 4 x 4 numbers.
///
/// # Safety
/// `from` and `to` are the corners of tiles in matrices whose lines are `from_line` and `to_line`
/// elements apart.
#[cfg(target_arch = "x86_64")]
unsafe fn tile(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
    use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
    // SAFETY: every x86-64 CPU has SSE, and four lines of four numbers from either corner are in
    // their matrices.
    unsafe {
        let [mut a, mut b, mut c, mut d] = [0, 1, 2, 3].map(|line| _mm_loadu_ps(from.add(line * from_line)));
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        for (line, values) in [a, b, c, d].into_iter().enumerate() {
            _mm_storeu_ps(to.add(line * to_line), values);
        }
    }
}

/// Transposes one tile of 4 x 4 numbers.
///
/// # Safety
/// `from` and `to` are the corners of tiles in matrices whose lines are `from_line` and `to_line`
/// elements apart.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn tile(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
    for i in 0..TILE {
        for j in 0..TILE {
            // SAFETY: four lines of four numbers from either corner are in their matrices.
            unsafe { *to.add(j * to_line + i) = *from.add(i * from_line + j) };
        }
    }
}
