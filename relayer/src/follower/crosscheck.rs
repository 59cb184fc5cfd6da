//! Whether a node left logs out.

use alloy::rpc::types::Log;
use assay_client::{Chain, ContractClient, chain::BlockRef};

use super::{Follower, hash_at};
use crate::error::RelayerError;

/// Up to so many blocks at a time the headers are asked for their filters. More are history, where the escrow's
/// count of jobs and a second node have to do.
const LIVE_BLOCKS: u64 = 8;

impl Follower {
    /// The logs of a range with those that the node left out, as far as that shows.
    pub(super) async fn crosscheck(
        &mut self,
        mut logs: Vec<Log>,
        from: u64,
        to: u64,
    ) -> Result<Vec<Log>, RelayerError> {
        let more = self.of_second_node(&logs, from, to).await?;
        add(&mut logs, more);
        if to - from < LIVE_BLOCKS {
            for number in from..=to {
                if !logs.iter().any(|log| log.block_number == Some(number)) {
                    let more = self.of_suspect(number).await?;
                    add(&mut logs, more);
                }
            }
        }
        Ok(logs)
    }

    /// What a second node has beyond these, in blocks that the first node has too.
    async fn of_second_node(
        &mut self,
        logs: &[Log],
        from: u64,
        to: u64,
    ) -> Result<Vec<Log>, RelayerError> {
        let chain = self.escrow.chain().clone();
        // The healthiest one has most likely been asked already.
        let Some(second) = chain.each_node().into_iter().nth(1) else {
            return Ok(Vec::new());
        };
        let mut more = Vec::new();
        let mut next = from;
        while next <= to {
            let (found, reached) = match self.second.scan(&second, next, to).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::debug!(node = second.label(), %error, "no second opinion on the logs");
                    break;
                }
            };
            for log in found.into_iter().filter(|log| !has(logs, log)) {
                if is_on_chain(&chain, &log).await? {
                    tracing::warn!(
                        code = "logs-incomplete",
                        block = log.block_number,
                        node = second.label(),
                        "a node left out a log that another node has"
                    );
                    more.push(log);
                }
            }
            next = reached.saturating_add(1);
        }
        Ok(more)
    }

    /// The logs of a block that seemed to have none, if its header says that it may have some.
    async fn of_suspect(&self, number: u64) -> Result<Vec<Log>, RelayerError> {
        let chain = self.escrow.chain();
        let Some(found) = chain.bloom(number).await? else {
            return Err(RelayerError::ChainMoved);
        };
        if !self.scanner.may_be_in(&found.bloom) {
            return Ok(Vec::new());
        }
        self.of_block(found.block).await
    }

    /// The logs of one block, from the first node that shows some.
    async fn of_block(&self, block: BlockRef) -> Result<Vec<Log>, RelayerError> {
        for node in self.escrow.chain().each_node() {
            match self.scanner.of_block(&node, block).await {
                Ok(logs) if !logs.is_empty() => {
                    tracing::warn!(
                        code = "logs-incomplete",
                        block = block.number,
                        node = node.label(),
                        "a query for a range left out logs of a block"
                    );
                    return Ok(logs);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(node = node.label(), %error, "no logs of a block by its hash");
                }
            }
        }
        Ok(Vec::new())
    }
}

/// Whether the block that a log names is the chain's at its height.
pub(super) async fn is_on_chain(chain: &Chain, log: &Log) -> Result<bool, RelayerError> {
    let (Some(number), Some(hash)) = (log.block_number, log.block_hash) else {
        return Ok(false);
    };
    Ok(hash_at(chain, number).await?.is_some_and(|block| block.hash == hash))
}

fn has(logs: &[Log], log: &Log) -> bool {
    let place = |log: &Log| (log.block_hash, log.log_index);
    logs.iter().any(|known| place(known) == place(log))
}

fn add(logs: &mut Vec<Log>, more: Vec<Log>) {
    logs.extend(more);
    logs.sort_by_key(|log| (log.block_number, log.log_index));
}
