//! Where transactions of a relayer go.

use assay_client::{ChainConfig, chain::PrivateEndpoint};
use clap::Args;

#[derive(Args)]
pub(super) struct SendingArgs {
    /// Send transactions to this endpoint only, which shows them to nobody before they are in a block; --rpc is still read
    #[arg(
        long,
        value_name = "URL",
        env = "ASSAY_PRIVATE_RPC",
        hide_env_values = true,
        help_heading = "Chain"
    )]
    private_rpc: Option<String>,
    /// With --private-rpc: send a transaction to --rpc too when it is in no block after so many blocks
    #[arg(
        long,
        value_name = "BLOCKS",
        default_value_t = 25,
        requires = "private_rpc",
        help_heading = "Chain"
    )]
    public_after: u64,
    /// With --private-rpc: never send one to --rpc; one that the endpoint does not get into a block stays undone
    #[arg(long, requires = "private_rpc", conflicts_with = "public_after", help_heading = "Chain")]
    private_only: bool,
}

impl SendingArgs {
    pub(super) fn apply(&self, config: &mut ChainConfig) {
        let public_after = (!self.private_only).then_some(self.public_after);
        config.private = self.private_rpc.clone().map(|url| PrivateEndpoint { url, public_after });
    }
}
