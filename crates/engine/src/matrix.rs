//! Batched matrices that stay where they are: their sizes and addresses are asked of libtorch once, not at every product.
//!
//! Invariant: a tensor that is a matrix keeps its memory. `clippy.toml` forbids the methods that would give it another.

use super::device::is_host;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::slice_from_raw_parts_mut;
use tch::{Device, Kind, Tensor};

/// `[lane, rows, cols]`. What is done to a tensor goes for it, too.
#[derive(Debug)]
pub struct Matrix {
    tensor: Tensor,
    strided: Option<StridedView<'static>>,
    /// Whether the lanes follow each other without gaps, rows first.
    contiguous: bool,
}

/// A matrix at every time step, `[time, lane, rows, cols]`.
#[derive(Debug)]
pub struct Sequence {
    tensor: Tensor,
    /// At time 0.
    strided: Option<StridedView<'static>>,
    times: usize,
    /// Bytes from one time to the next.
    step: usize,
}

/// What a product reads.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// What it is made of where MKL cannot read it: this, at a time where there is one, transposed or not.
    tensor: &'a Tensor,
    time: Option<i64>,
    transposed: bool,
    strided: Option<StridedView<'a>>,
}

/// A matrix of every lane in the CPU's memory, row after row, or column after column (`transposed`). Whoever has one may
/// read and write there: it is made by what holds the memory, and by no one who does not promise to.
#[derive(Debug, Clone, Copy)]
pub struct StridedView<'a> {
    kind: Kind,
    /// The first element.
    first: *mut u8,
    /// Bytes from a lane to the next.
    stride: usize,
    lanes: usize,
    rows: usize,
    cols: usize,
    /// Elements from a row (or column) to the next.
    row: usize,
    transposed: bool,
    held: PhantomData<&'a Tensor>,
}

impl Matrix {
    /// # Panics
    /// If it has not three dimensions.
    pub fn of(tensor: Tensor) -> Matrix {
        let size = <[i64; 3]>::try_from(tensor.size()).expect("lanes, rows and columns");
        let stride = <[i64; 3]>::try_from(tensor.stride()).expect("one for each dimension");
        let strided = StridedView::of(&tensor, size, stride);
        Matrix { contiguous: tensor.is_contiguous(), tensor, strided }
    }

    pub fn zeros(size: [i64; 3], kind: Kind) -> Matrix {
        Matrix::of(Tensor::zeros(size, (kind, super::device::current())))
    }

    /// The same memory once more.
    pub fn share(&self) -> Matrix {
        Matrix { tensor: self.tensor.shallow_clone(), strided: self.strided, contiguous: self.contiguous }
    }

    pub fn transposed(&self) -> Operand<'_> {
        let strided = self.strided.map(StridedView::flip);
        Operand { tensor: &self.tensor, time: None, transposed: true, strided }
    }

    /// Where it lies, if it is in the CPU's memory.
    pub fn strided(&self) -> Option<StridedView<'_>> {
        self.strided
    }

    /// Where its elements lie, if they are f32 in the CPU's memory and follow each other.
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
    /// # Panics
    /// If it has not four dimensions.
    pub fn of(tensor: Tensor) -> Sequence {
        let [times, size @ ..] = <[i64; 4]>::try_from(tensor.size()).expect("times, lanes, rows and columns");
        let [step, stride @ ..] = <[i64; 4]>::try_from(tensor.stride()).expect("one for each dimension");
        let strided = StridedView::of(&tensor, size, stride);
        Sequence { step: step as usize * tensor.kind().elt_size_in_bytes(), times: times as usize, tensor, strided }
    }

    /// # Panics
    /// If it does not last so long.
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
    /// Where it lies, if it is in the CPU's memory.
    pub fn strided(&self) -> Option<StridedView<'a>> {
        self.strided
    }

    /// Of an operand as it is.
    pub fn transposed(self) -> Self {
        Operand { transposed: !self.transposed, strided: self.strided.map(StridedView::flip), ..self }
    }

    pub fn tensor(&self) -> Tensor {
        let tensor = self.time.map_or_else(|| self.tensor.shallow_clone(), |time| self.tensor.select(0, time));
        if self.transposed { tensor.transpose(1, 2) } else { tensor }
    }
}

impl StridedView<'static> {
    /// None on a GPU, and if neither rows nor columns are contiguous. Its memory is there for as long as the tensor is:
    /// who keeps it gives it out for no longer.
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
    /// Matrices of the same kind and sizes in other memory.
    ///
    /// # Safety
    /// At `first` and each `stride` bytes further, as often as there are lanes, there is memory for a matrix whose lines
    /// are `row` elements apart, which stays there and is this thread's alone for the lifetime of the result.
    pub unsafe fn elsewhere<'b>(self, first: *mut u8, stride: usize, row: usize, transposed: bool) -> StridedView<'b> {
        let StridedView { kind, lanes, rows, cols, .. } = self;
        StridedView { kind, first, stride, lanes, rows, cols, row, transposed, held: PhantomData }
    }

    fn flip(self) -> StridedView<'a> {
        StridedView { rows: self.cols, cols: self.rows, transposed: !self.transposed, ..self }
    }

    /// Rows (or columns) and the elements of each, as they lie in memory.
    pub fn lines(&self) -> (usize, usize) {
        if self.transposed { (self.cols, self.rows) } else { (self.rows, self.cols) }
    }

    /// The first element of a lane.
    pub fn lane(&self, lane: usize) -> *mut u8 {
        self.first.wrapping_add(lane * self.stride)
    }

    /// Whether every lane starts at a multiple of so many bytes.
    pub fn starts_at_multiples_of(&self, bytes: usize) -> bool {
        self.first.addr().is_multiple_of(bytes) && self.stride.is_multiple_of(bytes)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn count(&self) -> usize {
        self.lanes
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements from a row (or column) to the next.
    pub fn row(&self) -> usize {
        self.row
    }

    /// Whether its columns, not its rows, are contiguous.
    pub fn is_transposed(&self) -> bool {
        self.transposed
    }
}
