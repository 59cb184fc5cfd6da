//! What the tests of several crates share: random networks and one with every kind of layer, a sample
//! circuit with its keys, a chain to run contracts on with a corpus of damaged proofs, and the files of
//! `../shared`. No part of a program.
#![allow(clippy::unwrap_used)]

pub mod arbitrary;
pub mod corpus;
pub mod deployed;
pub mod evm;
pub mod hollow;
pub mod networks;
mod plain;
pub mod sample;
pub mod shared;
