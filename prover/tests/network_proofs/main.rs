//! Proofs of networks, from a bundle to a contract.

// Helpers of tests may end the test.
#![allow(clippy::unwrap_used)]

mod kept_commitments;
mod model;
mod on_chain;
