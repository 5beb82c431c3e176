//! The elements of tensors as slices, for the passes that this crate runs instead of libtorch.
//!
//! A tensor is a handle, and several handles may share one memory. So no safe function can return
//! slices of a tensor's elements, and whoever takes them promises what the borrow checker would
//! otherwise ensure. What can be checked is checked here once per pass: the types, the places, and
//! that nothing that is written overlaps anything else.
//!
//! Invariant: no other module makes a slice of a tensor's memory.

use std::ptr::{NonNull, slice_from_raw_parts_mut};
use tch::{Device, Kind, Tensor};

/// The types of elements for which there are passes.
///
/// # Safety
/// The elements of a tensor of kind `KIND` have this type, and all bits are a valid number of it.
pub unsafe trait Scalar {
    const KIND: Kind;
}

// SAFETY: libtorch's Float and Double are the 32-bit and 64-bit numbers of IEEE 754.
unsafe impl Scalar for f32 {
    const KIND: Kind = Kind::Float;
}
// SAFETY: libtorch's Float and Double are the 32-bit and 64-bit numbers of IEEE 754.
unsafe impl Scalar for f64 {
    const KIND: Kind = Kind::Double;
}

/// Returns the place of the elements of a contiguous tensor in the CPU's memory.
///
/// # Panics
/// If the tensor is not contiguous, not on the CPU, or of another type.
pub fn elements<F: Scalar>(tensor: &Tensor) -> *mut [F] {
    let serves = tensor.kind() == F::KIND && tensor.is_contiguous() && tensor.device() == Device::Cpu;
    assert!(serves, "a pass is for contiguous tensors of {:?} on the CPU", F::KIND);
    match tensor.numel() {
        0 => nothing(),
        count => slice_from_raw_parts_mut(tensor.data_ptr().cast(), count),
    }
}

/// Returns a place with no elements.
pub fn nothing<F>() -> *mut [F] {
    slice_from_raw_parts_mut(NonNull::dangling().as_ptr(), 0)
}

/// Returns slices of the elements that a pass writes and of those that it only reads.
///
/// # Safety
/// The places are in valid memory that holds numbers. Until the slices are used for the last time,
/// this memory stays, and nothing else reads or writes it: no other thread, no operation of
/// libtorch and no other slice.
///
/// # Panics
/// If a place that is written overlaps another place.
pub unsafe fn slices<'a, F, const W: usize, const R: usize>(
    written: [*mut [F]; W],
    read: [*mut [F]; R],
) -> ([&'a mut [F]; W], [&'a [F]; R]) {
    for (i, one) in written.iter().enumerate() {
        let apart = written[i + 1..].iter().chain(&read).all(|other| are_apart(*one, *other));
        assert!(apart, "a pass writes to memory that it has under another name, too");
    }
    // SAFETY: the caller promises that the memory is valid and that nothing else uses it. No
    // written slice has a byte in common with another slice, as asserted.
    (written.map(|place| unsafe { &mut *place }), read.map(|place| unsafe { &*place }))
}

/// Whether two places have no byte in common.
fn are_apart<F>(one: *mut [F], other: *mut [F]) -> bool {
    let ends = |place: *mut [F]| {
        let start = place.cast::<u8>().addr();
        (start, start + place.len() * size_of::<F>())
    };
    let ((start, end), (other_start, other_end)) = (ends(one), ends(other));
    end <= other_start || other_end <= start
}

#[cfg(test)]
mod tests {
    use super::{are_apart, elements, nothing, slices};
    use tch::Tensor;

    #[test]
    fn places_are_apart_where_they_have_no_byte_in_common() {
        let all = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]);
        let part = |from, count| elements::<f32>(&all.narrow(0, from, count));
        assert!(are_apart(part(0, 2), part(2, 2)) && are_apart(part(2, 2), part(0, 2)));
        assert!(!are_apart(part(0, 3), part(2, 2)) && !are_apart(part(1, 1), part(0, 4)));
        assert!(are_apart(nothing(), part(0, 4)) && are_apart(nothing::<f32>(), nothing()));
    }

    #[test]
    #[should_panic(expected = "under another name")]
    fn what_is_written_is_not_read_under_another_name() {
        let tensor = Tensor::from_slice(&[1.0f32, 2.0]);
        let again = tensor.shallow_clone();
        // SAFETY: this panics before it makes a slice.
        let _ = unsafe { slices([elements::<f32>(&tensor)], [elements(&again)]) };
    }

    #[test]
    #[should_panic(expected = "contiguous tensors of Float")]
    fn elements_of_another_type_are_refused() {
        let _ = elements::<f32>(&Tensor::from_slice(&[1.0f64]));
    }
}
