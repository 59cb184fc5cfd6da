//! What tests of several crates share: Assay's contracts on a local node (anvil), and a proxy before
//! it that misbehaves. Only the verifier is forge's test double, which checks no proof but binds it
//! to its public inputs.
//!
//! * [`node`]: anvil and forge's artifacts in this repository.
//! * [`stage`]: a registry, an escrow, a model and its verifier on such a node.
//! * [`proxy`]: answers that get lost, refusals.
//! * [`postgres`]: a database server of the test's own.
//!
//! Such tests need `scripts/install-tools.sh` and `forge build`; without them each prints why it did
//! not run, see [`require_anvil!`]. With `ASSAY_REQUIRE_ANVIL=1` that is a failure.

// A test that cannot set its stage has to end.
#![allow(clippy::unwrap_used)]

pub mod node;
pub mod postgres;
pub mod proxy;
pub mod stage;

pub use assay_client::LocalNode;
pub use postgres::PostgresServer;
pub use proxy::{Action, Proxy};
pub use stage::Stage;
