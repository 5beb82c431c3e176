//! From the folders of shards to the files of one sweep, byte for byte those of the sweep in one
//! piece. `sources` proves that the shards are one sweep, `merged` writes the files. Whether their
//! manifests fit together says `blowup_core::merge`.

pub mod merged;
pub mod sources;
