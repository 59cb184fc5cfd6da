//! The client on a real node (anvil) with the contracts as forge built them. See `assay-testing` for
//! what the tests need.

#![allow(clippy::unwrap_used)]

mod bindings;
mod connection;
mod deployment;
mod lagging;
