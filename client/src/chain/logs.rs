//! Event logs in ranges that the node accepts.
//!
//! Nodes limit `eth_getLogs` by blocks (10, 100, 10,000...) or by results, and say so in all wordings, codes and
//! HTTP statuses that there are. So the range is halved on *any* failure, down to a single block, and doubled again
//! (the limit may be one of results, in a busy stretch) after many queries went well.

use alloy::{
    consensus::BlockHeader,
    eips::BlockNumberOrTag,
    network::primitives::HeaderResponse,
    primitives::{Address, B256, Bloom, BloomInput},
    providers::Provider,
    rpc::types::{Filter, Log},
};
use tokio::task::JoinSet;

use super::{BlockRef, Chain, ChainError};

/// Reads the logs of one contract, remembering the range that the node bears.
#[derive(Clone, Debug)]
pub struct LogScanner {
    address: Address,
    topics: Vec<B256>,
    /// Second topic, if only logs of one are wanted.
    subject: Option<B256>,
    range: u64,
    max_range: u64,
    /// Queries at a time.
    parallel: u64,
    /// Queries that went well since the range last changed.
    successes: u32,
    /// Queries that must go well before a wider one is tried; more after each that was tried in vain.
    patience: u32,
    /// Whether the range was just doubled.
    grown: bool,
}

/// Queries that must go well before a wider one is tried, at first.
const SUCCESSES_TO_GROW: u32 = 32;
/// And at most.
const LONGEST_PATIENCE: u32 = 4096;

/// The logs' bloom filter of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockBloom {
    /// The block.
    pub block: BlockRef,
    /// What its header says of the logs in it: nothing is in the block that is not in here.
    pub bloom: Bloom,
}

impl LogScanner {
    /// Logs of `address` whose first topic is among `topics`, at most `max_range` blocks a query.
    pub fn new(address: Address, topics: Vec<B256>, max_range: u64) -> Self {
        let max_range = max_range.max(1);
        Self {
            address,
            topics,
            subject: None,
            range: max_range,
            max_range,
            parallel: 1,
            successes: 0,
            patience: SUCCESSES_TO_GROW,
            grown: false,
        }
    }

    /// Only logs whose first indexed field has this value.
    pub fn about(mut self, subject: B256) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Up to `queries` queries at the same time.
    pub fn with_parallel(mut self, queries: u64) -> Self {
        self.parallel = queries.max(1);
        self
    }

    /// The most blocks that a query asks for at present.
    pub fn range(&self) -> u64 {
        self.range
    }

    /// The last block of the next scan from `from` towards `head`.
    pub fn next_end(&self, from: u64, head: u64) -> u64 {
        head.min(from.saturating_add(self.range.saturating_mul(self.parallel) - 1))
    }

    /// Whether a block with this filter may have logs that this scanner looks for.
    pub fn may_be_in(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        has(self.address.as_slice()) && self.topics.iter().any(|topic| has(topic.as_slice()))
    }

    /// The logs from block `from` on, and the last block they cover: `head` or an earlier one.
    /// In chain order.
    ///
    /// # Errors
    /// Those of the node, of a query for a single block.
    pub async fn scan(
        &mut self,
        chain: &Chain,
        from: u64,
        head: u64,
    ) -> Result<(Vec<Log>, u64), ChainError> {
        loop {
            let (ranges, mut asked) = (self.ranges(from, head), JoinSet::new());
            for (place, (from, to)) in ranges.iter().copied().enumerate() {
                let (chain, filter) = (chain.clone(), self.filter().from_block(from).to_block(to));
                asked.spawn(async move {
                    let logs = chain.provider().get_logs(&filter).await;
                    (place, logs.map_err(|error| chain.fault(error, "eth_getLogs")))
                });
            }
            let mut answers = asked.join_all().await;
            answers.sort_by_key(|(place, _)| *place);
            let (mut found, mut reached, mut failure) = (Vec::new(), None, None);
            for ((_, answer), (from, to)) in answers.into_iter().zip(ranges) {
                match answer {
                    Ok(logs) if failure.is_none() => {
                        self.went_well();
                        found.extend(self.fitting(chain, logs, from, to));
                        reached = Some(to);
                    }
                    Ok(_) => {}
                    Err(error) => failure = failure.or(Some((error, to - from))),
                }
            }
            if let Some((error, width)) = failure {
                let single = width == 0;
                self.failed(width.saturating_add(1), &error);
                if single && reached.is_none() {
                    return Err(error);
                }
            }
            if let Some(reached) = reached {
                found.sort_by_key(|log: &Log| (log.block_number, log.log_index));
                return Ok((found, reached));
            }
        }
    }

    /// The logs of one block that is named by its hash: a node that does not have the block says so, where a
    /// query by number finds nothing.
    ///
    /// # Errors
    /// Those of the node.
    pub async fn of_block(&self, chain: &Chain, block: BlockRef) -> Result<Vec<Log>, ChainError> {
        let filter = self.filter().at_block_hash(block.hash);
        let logs = chain.provider().get_logs(&filter).await;
        let logs = logs.map_err(|error| chain.fault(error, "eth_getLogs"))?;
        Ok(self.fitting(chain, logs, block.number, block.number))
    }

    fn filter(&self) -> Filter {
        let filter = Filter::new().address(self.address).event_signature(self.topics.clone());
        match self.subject {
            Some(subject) => filter.topic1(subject),
            None => filter,
        }
    }

    fn ranges(&self, from: u64, head: u64) -> Vec<(u64, u64)> {
        let (mut ranges, mut next) = (Vec::new(), from);
        let end = self.next_end(from, head);
        while next <= end {
            let to = end.min(next.saturating_add(self.range - 1));
            ranges.push((next, to));
            next = to.saturating_add(1);
        }
        ranges
    }

    /// Without what was not asked for.
    fn fitting(&self, chain: &Chain, mut logs: Vec<Log>, from: u64, to: u64) -> Vec<Log> {
        let all = logs.len();
        logs.retain(|log| {
            log.address() == self.address
                && log.topic0().is_some_and(|topic| self.topics.contains(topic))
                && log.block_number.is_some_and(|number| (from..=to).contains(&number))
        });
        if logs.len() < all {
            tracing::warn!(
                node = chain.label(),
                from,
                to,
                "the node sent logs that were not asked for"
            );
        }
        logs.retain(|log| !log.removed);
        logs
    }

    fn went_well(&mut self) {
        self.successes += 1;
        // The wider range held.
        if self.grown {
            (self.grown, self.patience) = (false, SUCCESSES_TO_GROW);
        }
        if self.successes >= self.patience && self.range < self.max_range {
            self.range = self.range.saturating_mul(2).min(self.max_range);
            (self.successes, self.grown) = (0, true);
        }
    }

    fn failed(&mut self, width: u64, error: &ChainError) {
        if self.grown {
            (self.grown, self.patience) =
                (false, self.patience.saturating_mul(4).min(LONGEST_PATIENCE));
        }
        self.range = (width / 2).clamp(1, self.range);
        self.successes = 0;
        tracing::debug!(range = self.range, %error, "a query for logs failed; trying a narrower range");
    }
}

impl Chain {
    /// What the header of a block says of the logs in it; `None` if the node does not have the block.
    ///
    /// # Errors
    /// Those of the node.
    pub async fn bloom(&self, number: u64) -> Result<Option<BlockBloom>, ChainError> {
        let block = self.provider().get_block_by_number(BlockNumberOrTag::Number(number)).await;
        let block = block.map_err(|e| self.fault(e, "eth_getBlockByNumber"))?;
        Ok(block.map(|block| BlockBloom {
            block: BlockRef {
                number: block.header.number(),
                hash: block.header.hash(),
                timestamp: block.header.timestamp(),
            },
            bloom: block.header.logs_bloom(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(max_range: u64) -> LogScanner {
        LogScanner::new(Address::ZERO, vec![], max_range)
    }

    fn refused() -> ChainError {
        let (node, operation) = ("http://node".into(), "eth_getLogs".into());
        ChainError::Refused { node, operation, code: -32005, message: "limit exceeded".into() }
    }

    #[test]
    fn ranges_end_at_the_head() {
        let one = scanner(100);
        assert_eq!(one.next_end(0, 1000), 99);
        assert_eq!(one.next_end(950, 1000), 1000);
        assert_eq!(one.next_end(1000, 1000), 1000);
        assert_eq!(scanner(0).next_end(5, 9), 5);
        let many = scanner(100).with_parallel(4);
        assert_eq!(many.next_end(0, 1000), 399);
        assert_eq!(many.ranges(700, 1000), [(700, 799), (800, 899), (900, 999), (1000, 1000)]);
    }

    #[test]
    fn ranges_narrow_with_each_failure_and_grow_again() {
        let mut scanner = scanner(2000);
        for wanted in [1000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1] {
            scanner.failed(scanner.range, &refused());
            assert_eq!(scanner.range(), wanted);
        }
        for _ in 0..SUCCESSES_TO_GROW {
            scanner.went_well();
        }
        assert_eq!(scanner.range(), 2);
        // A node whose cap is one block is not asked for two again and again.
        scanner.failed(2, &refused());
        for _ in 0..4 * SUCCESSES_TO_GROW - 1 {
            scanner.went_well();
            assert_eq!(scanner.range(), 1);
        }
        scanner.went_well();
        assert_eq!(scanner.range(), 2);
        for _ in 0..12 * SUCCESSES_TO_GROW {
            scanner.went_well();
        }
        assert_eq!(scanner.range(), 2000);
    }

    #[test]
    fn a_block_without_the_contract_is_told_by_its_filter() {
        let (contract, topic) = (Address::with_last_byte(7), B256::with_last_byte(9));
        let scanner = LogScanner::new(contract, vec![topic], 1);
        let mut bloom = Bloom::ZERO;
        assert!(!scanner.may_be_in(&bloom));
        bloom.accrue(BloomInput::Raw(contract.as_slice()));
        assert!(!scanner.may_be_in(&bloom));
        bloom.accrue(BloomInput::Raw(topic.as_slice()));
        assert!(scanner.may_be_in(&bloom));
    }
}
