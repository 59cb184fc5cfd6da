//! The relayer on a real node (anvil), with the real registry and escrow. Only the verifier is
//! forge's test double: these tests are about the road to a payment, not about proofs.
//!
//! They need `npm ci` and `forge build`; without them each prints why it did not run. With
//! `ASSAY_REQUIRE_ANVIL=1` that is a failure.

#![allow(clippy::unwrap_used)]

mod bindings;
mod connection;
mod deployment;
mod lagging;
mod node;
mod payment;
mod proxy;
mod recovery;
mod reorg;
mod skipping;
mod stuck;
mod world;
