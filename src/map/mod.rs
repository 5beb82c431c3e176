//! `blowup map`: a map of a spec, frame by frame. [`place`] holds the folder of a frame,
//! [`drawing`] trains its pixels, [`files`] writes its numbers, and [`picture`] draws it in the
//! colours of [`colours`].

pub mod colours;
pub mod drawing;
pub mod files;
pub mod picture;
pub mod place;
