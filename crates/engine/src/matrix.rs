//! Batched matrices that stay where they are. libtorch is asked for their sizes and addresses once,
//! and not at every product.
//!
//! Invariant: a tensor that is a matrix keeps its memory. `clippy.toml` forbids the methods that
//! would give it another.

use super::device::is_host;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::slice_from_raw_parts_mut;
use tch::{Device, Kind, Tensor};

/// A matrix of every lane, `[lane, rows, cols]`. It shares the memory of its tensor, so whatever
/// changes the tensor's elements changes the matrix.
#[derive(Debug)]
pub struct Matrix {
    tensor: Tensor,
    strided: Option<StridedView<'static>>,
    /// Whether the lanes, and the rows of each, follow each other without gaps.
    contiguous: bool,
}

/// A matrix of every lane at every time step, `[time, lane, rows, cols]`.
#[derive(Debug)]
pub struct Sequence {
    tensor: Tensor,
    /// The matrices at time 0.
    strided: Option<StridedView<'static>>,
    times: usize,
    /// The bytes from one time step to the next.
    step: usize,
}

/// A matrix as a product reads it: a `Matrix` or one time step of a `Sequence`, possibly
/// transposed.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// The tensor of the matrix or of the whole sequence. Where MKL cannot read the memory
    /// directly, the method `tensor` makes the operand from it.
    tensor: &'a Tensor,
    time: Option<i64>,
    transposed: bool,
    strided: Option<StridedView<'a>>,
}

/// The addresses and strides of a matrix of every lane in the CPU's memory. Its rows are contiguous
/// or, if `transposed`, its columns are.
///
/// Whoever has one may read and write the memory. So only the owner of the memory makes one, or a
/// caller who promises that this is allowed.
#[derive(Debug, Clone, Copy)]
pub struct StridedView<'a> {
    kind: Kind,
    /// The address of the first element.
    first: *mut u8,
    /// The bytes from one lane to the next.
    stride: usize,
    lanes: usize,
    rows: usize,
    cols: usize,
    /// The elements from one row (or column, if transposed) to the next.
    row: usize,
    transposed: bool,
    held: PhantomData<&'a Tensor>,
}

impl Matrix {
    /// Takes a tensor `[lane, rows, cols]` as a matrix.
    ///
    /// # Panics
    /// If the tensor does not have three dimensions.
    pub fn of(tensor: Tensor) -> Matrix {
        let size = <[i64; 3]>::try_from(tensor.size()).expect("lanes, rows and columns");
        let stride = <[i64; 3]>::try_from(tensor.stride()).expect("one for each dimension");
        let strided = StridedView::of(&tensor, size, stride);
        Matrix { contiguous: tensor.is_contiguous(), tensor, strided }
    }

    /// Makes a matrix of zeros of this size, `[lane, rows, cols]`, on this thread's device.
    pub fn zeros(size: [i64; 3], kind: Kind) -> Matrix {
        Matrix::of(Tensor::zeros(size, (kind, super::device::current())))
    }

    /// Returns the same matrix in the same memory.
    pub fn share(&self) -> Matrix {
        Matrix { tensor: self.tensor.shallow_clone(), strided: self.strided, contiguous: self.contiguous }
    }

    /// Returns the transposed matrix as an operand of a product. Nothing is copied.
    pub fn transposed(&self) -> Operand<'_> {
        let strided = self.strided.map(StridedView::flip);
        Operand { tensor: &self.tensor, time: None, transposed: true, strided }
    }

    /// Returns the addresses of the matrix. None on a GPU.
    pub fn strided(&self) -> Option<StridedView<'_>> {
        self.strided
    }

    /// Returns the place of the elements, if they are contiguous f32 numbers in the CPU's memory.
    pub fn f32s(&self) -> Option<*mut [f32]> {
        let view = self.strided.filter(|view| self.contiguous && view.kind == Kind::Float)?;
        Some(slice_from_raw_parts_mut(view.first.cast(), view.lanes * view.rows * view.cols))
    }
}

impl Deref for Matrix {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

impl<'a> From<&'a Matrix> for Operand<'a> {
    fn from(matrix: &'a Matrix) -> Operand<'a> {
        Operand { tensor: &matrix.tensor, time: None, transposed: false, strided: matrix.strided }
    }
}

impl Sequence {
    /// Takes a tensor `[time, lane, rows, cols]` as a sequence.
    ///
    /// # Panics
    /// If the tensor does not have four dimensions.
    pub fn of(tensor: Tensor) -> Sequence {
        let [times, size @ ..] = <[i64; 4]>::try_from(tensor.size()).expect("times, lanes, rows and columns");
        let [step, stride @ ..] = <[i64; 4]>::try_from(tensor.stride()).expect("one for each dimension");
        let strided = StridedView::of(&tensor, size, stride);
        Sequence { step: step as usize * tensor.kind().elt_size_in_bytes(), times: times as usize, tensor, strided }
    }

    /// Returns the matrix at a time step, counted from 0.
    ///
    /// # Panics
    /// If the sequence has no such time step.
    pub fn at(&self, time: usize) -> Operand<'_> {
        assert!(time < self.times, "no time {time} among {}", self.times);
        let strided = self.strided.map(|view| StridedView { first: view.first.wrapping_add(time * self.step), ..view });
        Operand { tensor: &self.tensor, time: Some(time as i64), transposed: false, strided }
    }
}

impl Deref for Sequence {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

impl<'a> Operand<'a> {
    /// Returns the addresses of the matrix. None on a GPU.
    pub fn strided(&self) -> Option<StridedView<'a>> {
        self.strided
    }

    /// Transposes the operand. Twice transposed, it is itself again.
    pub fn transposed(self) -> Self {
        Operand { transposed: !self.transposed, strided: self.strided.map(StridedView::flip), ..self }
    }

    /// Returns the operand as a tensor `[lane, rows, cols]` in the same memory.
    pub fn tensor(&self) -> Tensor {
        let tensor = self.time.map_or_else(|| self.tensor.shallow_clone(), |time| self.tensor.select(0, time));
        if self.transposed { tensor.transpose(1, 2) } else { tensor }
    }
}

impl StridedView<'static> {
    /// Returns None on a GPU, and where neither rows nor columns are contiguous.
    ///
    /// The lifetime is not checked: the memory lives as long as the tensor, so whoever keeps the
    /// tensor must give the view out with no longer lifetime.
    fn of(tensor: &Tensor, size: [i64; 3], stride: [i64; 3]) -> Option<StridedView<'static>> {
        let ([lanes, rows, cols], [lane, down, right]) = (size.map(|n| n as usize), stride.map(|n| n as usize));
        let (row, transposed) = match () {
            () if !is_host() || tensor.device() != Device::Cpu => return None,
            () if right == 1 || cols == 1 => (if rows == 1 { cols } else { down }, false),
            () if down == 1 || rows == 1 => (if cols == 1 { rows } else { right }, true),
            () => return None,
        };
        let kind = tensor.kind();
        let stride = lane * kind.elt_size_in_bytes();
        let first = tensor.data_ptr().cast();
        Some(StridedView { kind, first, stride, lanes, rows, cols, row, transposed, held: PhantomData })
    }
}

impl<'a> StridedView<'a> {
    /// Describes matrices of the same kind and sizes in other memory.
    ///
    /// # Safety
    /// From `first` on there is memory for as many matrices as there are lanes, each `stride` bytes
    /// after the one before, with lines `row` elements apart. For the lifetime of the result this
    /// memory stays, and only this thread uses it.
    pub unsafe fn elsewhere<'b>(self, first: *mut u8, stride: usize, row: usize, transposed: bool) -> StridedView<'b> {
        let StridedView { kind, lanes, rows, cols, .. } = self;
        StridedView { kind, first, stride, lanes, rows, cols, row, transposed, held: PhantomData }
    }

    fn flip(self) -> StridedView<'a> {
        StridedView { rows: self.cols, cols: self.rows, transposed: !self.transposed, ..self }
    }

    /// The number of lines in memory (rows, or columns if transposed), and the number of elements
    /// in each.
    pub fn lines(&self) -> (usize, usize) {
        if self.transposed { (self.cols, self.rows) } else { (self.rows, self.cols) }
    }

    /// The address of the first element of a lane.
    pub fn lane(&self, lane: usize) -> *mut u8 {
        self.first.wrapping_add(lane * self.stride)
    }

    /// Whether every lane starts at a multiple of `bytes`.
    pub fn starts_at_multiples_of(&self, bytes: usize) -> bool {
        self.first.addr().is_multiple_of(bytes) && self.stride.is_multiple_of(bytes)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The number of lanes.
    pub fn count(&self) -> usize {
        self.lanes
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The elements from one row (or column, if transposed) to the next.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Whether the columns are contiguous, and not the rows.
    pub fn is_transposed(&self) -> bool {
        self.transposed
    }
}
