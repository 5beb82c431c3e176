//! From the folders of shards to the files of one sweep, byte for byte those of the sweep in one
//! piece. `sources` proves that the shards are one sweep, and `merged` writes the files.
//! `blowup_core::merge` has said before whether the manifests of the shards fit together.

pub mod merged;
pub mod sources;
