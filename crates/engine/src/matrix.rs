//! Batched matrices that stay where they are: their sizes and addresses are asked of libtorch once, not at every product.

use super::device::is_host;
use std::ops::Deref;
use tch::{Kind, Tensor};

/// `[lane, rows, cols]`. What is done to a tensor goes for it, too.
#[derive(Debug)]
pub struct Matrix {
    tensor: Tensor,
    lanes: Option<Lanes>,
    /// Whether the lanes follow each other without gaps, rows first.
    contiguous: bool,
}

/// A matrix at every time step, `[time, lane, rows, cols]`.
#[derive(Debug)]
pub struct Sequence {
    tensor: Tensor,
    /// At time 0.
    lanes: Option<Lanes>,
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
    pub lanes: Option<Lanes>,
}

/// A matrix of every lane in the CPU's memory, row after row, or column after column (`transposed`).
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    pub kind: Kind,
    /// Address of the first element.
    pub first: usize,
    /// Bytes from a lane to the next.
    pub stride: usize,
    pub lanes: usize,
    pub rows: usize,
    pub cols: usize,
    /// Elements from a row (or column) to the next.
    pub row: usize,
    pub transposed: bool,
}

impl Matrix {
    /// # Panics
    /// If it has not three dimensions.
    pub fn of(tensor: Tensor) -> Matrix {
        let size = <[i64; 3]>::try_from(tensor.size()).expect("lanes, rows and columns");
        let stride = <[i64; 3]>::try_from(tensor.stride()).expect("one for each dimension");
        let lanes = Lanes::of(&tensor, size, stride);
        Matrix { contiguous: tensor.is_contiguous(), tensor, lanes }
    }

    pub fn zeros(size: [i64; 3], kind: Kind) -> Matrix {
        Matrix::of(Tensor::zeros(size, (kind, super::device::current())))
    }

    /// The same memory once more.
    pub fn share(&self) -> Matrix {
        Matrix { tensor: self.tensor.shallow_clone(), lanes: self.lanes, contiguous: self.contiguous }
    }

    pub fn transposed(&self) -> Operand<'_> {
        let lanes = self.lanes.map(Lanes::flip);
        Operand { tensor: &self.tensor, time: None, transposed: true, lanes }
    }

    /// Where it lies, if it is in the CPU's memory.
    pub fn lanes(&self) -> Option<Lanes> {
        self.lanes
    }

    /// Its elements, if they are f32 in the CPU's memory and follow each other.
    pub fn f32s(&self) -> Option<(*mut f32, usize)> {
        let lanes = self.lanes.filter(|lanes| self.contiguous && lanes.kind == Kind::Float)?;
        Some((lanes.first as *mut f32, lanes.lanes * lanes.rows * lanes.cols))
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
        Operand { tensor: &matrix.tensor, time: None, transposed: false, lanes: matrix.lanes }
    }
}

impl Sequence {
    /// # Panics
    /// If it has not four dimensions.
    pub fn of(tensor: Tensor) -> Sequence {
        let [_, size @ ..] = <[i64; 4]>::try_from(tensor.size()).expect("times, lanes, rows and columns");
        let [step, stride @ ..] = <[i64; 4]>::try_from(tensor.stride()).expect("one for each dimension");
        let lanes = Lanes::of(&tensor, size, stride);
        Sequence { step: step as usize * tensor.kind().elt_size_in_bytes(), tensor, lanes }
    }

    pub fn at(&self, time: usize) -> Operand<'_> {
        let lanes = self.lanes.map(|lanes| Lanes { first: lanes.first + time * self.step, ..lanes });
        Operand { tensor: &self.tensor, time: Some(time as i64), transposed: false, lanes }
    }
}

impl Deref for Sequence {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

impl Operand<'_> {
    /// Of an operand as it is.
    pub fn transposed(self) -> Self {
        Operand { transposed: !self.transposed, lanes: self.lanes.map(Lanes::flip), ..self }
    }

    pub fn tensor(&self) -> Tensor {
        let tensor = self.time.map_or_else(|| self.tensor.shallow_clone(), |time| self.tensor.select(0, time));
        if self.transposed { tensor.transpose(1, 2) } else { tensor }
    }
}

impl Lanes {
    /// None on a GPU, and if neither rows nor columns are contiguous.
    fn of(tensor: &Tensor, size: [i64; 3], stride: [i64; 3]) -> Option<Lanes> {
        let ([lanes, rows, cols], [lane, down, right]) = (size.map(|n| n as usize), stride.map(|n| n as usize));
        let (row, transposed) = match () {
            () if !is_host() => return None,
            () if right == 1 || cols == 1 => (if rows == 1 { cols } else { down }, false),
            () if down == 1 || rows == 1 => (if cols == 1 { rows } else { right }, true),
            () => return None,
        };
        let kind = tensor.kind();
        let stride = lane * kind.elt_size_in_bytes();
        Some(Lanes { kind, first: tensor.data_ptr() as usize, stride, lanes, rows, cols, row, transposed })
    }

    fn flip(self) -> Lanes {
        Lanes { rows: self.cols, cols: self.rows, transposed: !self.transposed, ..self }
    }

    /// Rows (or columns) and the elements of each, as they lie in memory.
    pub fn lines(&self) -> (usize, usize) {
        if self.transposed { (self.cols, self.rows) } else { (self.rows, self.cols) }
    }

    pub fn lane(&self, lane: usize) -> usize {
        self.first + lane * self.stride
    }
}
