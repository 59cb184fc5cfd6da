//! The relayer on a real node (anvil), with the real registry and escrow. Only the verifier is
//! forge's test double: these tests are about the way to a payment, not about proofs. See
//! `assay-testing` for what they need.

#![allow(clippy::unwrap_used)]

mod audits;
mod collections;
mod connection;
mod disk;
mod fair;
mod faults;
mod keeping;
mod load;
mod logs;
mod nodes;
mod payment;
mod policy;
mod private;
mod pruning;
mod recovery;
mod reorg;
mod reorg_sales;
mod retrievals;
mod services;
mod skipping;
mod stepping;
mod stuck;
mod workers;
mod world;
