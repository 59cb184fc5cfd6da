//! Event logs in ranges that the node accepts.
//!
//! Nodes limit `eth_getLogs` by blocks (500, 1,000, 10,000...) or by results, and say so in
//! many wordings; so the range is halved on such a complaint, and doubled again (the limit may
//! be one of results, in a busy stretch) after many queries went well.

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
    rpc::types::{Filter, Log},
};

use super::refusals::is_range_complaint;
use super::{Chain, ChainError};

/// Reads the logs of one contract, remembering the range that the node bears.
#[derive(Clone, Debug)]
pub struct LogScanner {
    address: Address,
    topics: Vec<B256>,
    /// Second topic, if only logs of one are wanted.
    subject: Option<B256>,
    range: u64,
    max_range: u64,
    /// Queries that went well since the range last changed.
    successes: u32,
}

/// Queries that must go well before a wider one is tried.
const SUCCESSES_TO_GROW: u32 = 32;

impl LogScanner {
    /// Logs of `address` whose first topic is among `topics`, at most `max_range` blocks a query.
    pub fn new(address: Address, topics: Vec<B256>, max_range: u64) -> Self {
        let max_range = max_range.max(1);
        Self { address, topics, subject: None, range: max_range, max_range, successes: 0 }
    }

    /// Only logs whose first indexed field has this value.
    pub fn about(mut self, subject: B256) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The last block of the next query from `from` towards `head`.
    pub fn next_end(&self, from: u64, head: u64) -> u64 {
        head.min(from.saturating_add(self.range - 1))
    }

    /// The logs from block `from` on, and the last block they cover: `head` or an earlier one.
    /// In chain order.
    ///
    /// # Errors
    /// Those of the node; a complaint about the range only if it was about a single block.
    pub async fn scan(
        &mut self,
        chain: &Chain,
        from: u64,
        head: u64,
    ) -> Result<(Vec<Log>, u64), ChainError> {
        loop {
            let to = self.next_end(from, head);
            let mut filter = Filter::new()
                .address(self.address)
                .event_signature(self.topics.clone())
                .from_block(from)
                .to_block(to);
            if let Some(subject) = self.subject {
                filter = filter.topic1(subject);
            }
            match chain.provider().get_logs(&filter).await {
                Ok(mut logs) => {
                    self.successes += 1;
                    if self.successes >= SUCCESSES_TO_GROW {
                        self.range = self.range.saturating_mul(2).min(self.max_range);
                        self.successes = 0;
                    }
                    logs.retain(|log| !log.removed);
                    logs.sort_by_key(|log| (log.block_number, log.log_index));
                    return Ok((logs, to));
                }
                Err(error) => {
                    let error = chain.fault(error, "eth_getLogs");
                    let too_wide = match &error {
                        ChainError::Refused { message, .. } => {
                            is_range_complaint(&message.to_ascii_lowercase())
                        }
                        // Some gateways answer a wide query with a plain error status or a cut body.
                        ChainError::BadAnswer { .. } => true,
                        _ => false,
                    };
                    if !too_wide || to == from {
                        return Err(error);
                    }
                    self.range = (to - from).div_ceil(2).max(1);
                    self.successes = 0;
                    tracing::debug!(
                        range = self.range,
                        "the node wants a narrower range of blocks"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_at_the_head() {
        let scanner = LogScanner::new(Address::ZERO, vec![], 100);
        assert_eq!(scanner.next_end(0, 1000), 99);
        assert_eq!(scanner.next_end(950, 1000), 1000);
        assert_eq!(scanner.next_end(1000, 1000), 1000);
        assert_eq!(LogScanner::new(Address::ZERO, vec![], 0).next_end(5, 9), 5);
    }

    #[test]
    fn wordings_of_known_nodes() {
        for text in [
            "query returned more than 10000 results",
            "block range is too wide",
            "eth_getlogs is limited to a 1000 blocks range",
            "log response size exceeded",
            "exceed maximum block range: 5000",
        ] {
            assert!(is_range_complaint(text), "{text}");
        }
        for text in ["rate limit exceeded", "header not found", "nonce too low"] {
            assert!(!is_range_complaint(text), "{text}");
        }
    }
}
