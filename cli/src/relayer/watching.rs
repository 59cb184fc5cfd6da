//! The page, the API and what programs watch, while a relayer runs.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, bail};
use assay_client::{ContractClient, ModelIdentity};
use assay_relayer::{CancellationToken, Relayer};
use assay_relayer_http::{About, Server, Source, Token};
use clap::Args;

#[derive(Args)]
pub(super) struct WatchingArgs {
    /// Show a page, an API, /health, /ready and /metrics at this address of this machine, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    status_address: Option<SocketAddr>,
    /// Let --status-address be one that other machines reach: whoever does sees jobs, balance and nodes
    #[arg(long, requires = "status_address")]
    expose_status_to_network: bool,
    /// A file with the token that the API's writing calls take, 16 letters and digits at least
    /// [default: nothing is written over HTTP]
    #[arg(long, value_name = "FILE", requires = "status_address")]
    api_token_file: Option<PathBuf>,
}

impl WatchingArgs {
    /// Refuses to show everything to a network that was not meant.
    pub(super) fn check(&self) -> Result<()> {
        match self.status_address {
            Some(address) if !address.ip().is_loopback() && !self.expose_status_to_network => {
                bail!(
                    "{address} is reached by other machines, and whoever reaches it sees jobs, balance and nodes; take an \
                 address such as 127.0.0.1:{}, or --expose-status-to-network",
                    address.port()
                )
            }
            _ => Ok(()),
        }
    }

    /// Begins to answer, where an address is given.
    pub(super) async fn serve(
        &self,
        relayer: &Relayer,
        model: ModelIdentity,
        shutdown: &CancellationToken,
    ) -> Result<()> {
        let Some(address) = self.status_address else { return Ok(()) };
        let server = Server::bind(address, self.source(relayer, model)?).await;
        let server = server.with_context(|| format!("cannot listen at {address}"))?;
        tracing::info!(page = %format!("http://{}/", server.address()?), "answering over HTTP");
        tokio::spawn(server.serve(shutdown.clone().cancelled_owned()));
        Ok(())
    }

    /// What the page and the API show.
    fn source(&self, relayer: &Relayer, model: ModelIdentity) -> Result<Source> {
        let token = self.api_token_file.as_deref().map(|path| {
            Token::read(path).with_context(|| format!("--api-token-file {}", path.display()))
        });
        let escrow = relayer.escrow();
        Ok(Source {
            status: relayer.status().clone(),
            store: relayer.store().clone(),
            about: About {
                chain_id: escrow.chain().chain_id(),
                escrow: escrow.address().to_string(),
                recipient: relayer.recipient().to_string(),
                model_hash: model.model_hash.to_string(),
                vk_hash: model.vk_hash.to_string(),
            },
            token: token.transpose()?,
        })
    }
}
