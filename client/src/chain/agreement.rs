//! What several nodes say, where one alone must not decide.

use std::{sync::Arc, time::Duration};

use alloy::{eips::BlockNumberOrTag, rpc::types::Log};
use tokio::task::JoinSet;

use super::{BlockRef, Chain, ChainError, LogScanner, NodeHealth};

/// How long further nodes are waited for when a quorum has answered.
const GRACE: Duration = Duration::from_millis(500);

impl Chain {
    /// How many nodes there are behind this connection.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How the nodes have answered so far, in the order in which they were given.
    pub fn health(&self) -> Vec<NodeHealth> {
        self.nodes.iter().map(|one| one.node.health()).collect()
    }

    /// This connection once for each of its nodes, which alone answers then; the healthiest first.
    pub fn each_node(&self) -> Vec<Self> {
        let mut nodes: Vec<_> =
            self.nodes.iter().map(|one| (one.node.health().score, one)).collect();
        nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let alone = nodes.into_iter().map(|(_, one)| Self {
            provider: one.provider.clone(),
            label: one.node.label.clone(),
            nodes: Arc::new([one.clone()]),
            ..self.clone()
        });
        alone.collect()
    }

    /// How many nodes must have a block before it is taken for the chain's.
    pub fn quorum(&self) -> usize {
        let all = self.nodes.len();
        self.config.quorum.unwrap_or(all / 2 + 1).clamp(1, all.max(1))
    }

    /// The logs of a block that a quorum of the nodes shows, for what cannot be taken back. With one node those that it
    /// shows.
    ///
    /// # Errors
    /// That of a node, where so many do not answer.
    pub async fn agreed_logs(
        &self,
        scanner: &LogScanner,
        block: BlockRef,
    ) -> Result<Vec<Log>, ChainError> {
        let (mut shown, mut failed) = (Vec::new(), None);
        for node in self.each_node() {
            match scanner.of_block(&node, block).await {
                Ok(logs) => shown.push(logs),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if shown.len() < self.quorum() => return Err(error),
            _ => {}
        }
        let same = |a: &Log, b: &Log| a.log_index == b.log_index && a.inner == b.inner;
        let has = |logs: &[Log], log: &Log| logs.iter().any(|other| same(other, log));
        let mut agreed: Vec<Log> = Vec::new();
        for log in shown.iter().flatten() {
            let votes = shown.iter().filter(|logs| has(logs, log)).count();
            if votes >= self.quorum() && !has(&agreed, log) {
                agreed.push(log.clone());
            }
        }
        Ok(agreed)
    }

    /// The block that a quorum of the nodes has at a height; `None` where so many do not agree, or do not
    /// answer.
    ///
    /// # Errors
    /// Where there is one node: those of the node. Of several, one that does not answer is one that does not
    /// agree.
    pub async fn agreed_block(&self, number: u64) -> Result<Option<BlockRef>, ChainError> {
        if self.nodes.len() == 1 {
            return self.block(BlockNumberOrTag::Number(number)).await;
        }
        let mut found: Vec<(usize, BlockRef)> = Vec::new();
        for (place, answer) in self.ask_all(BlockNumberOrTag::Number(number)).await {
            match answer {
                Ok(Some(block)) => found.push((place, block)),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, number, "a node does not say what block it has");
                }
            }
        }
        let votes = |block: &BlockRef| found.iter().filter(|(_, b)| b == block).count();
        let agreed =
            found.iter().map(|(_, block)| *block).find(|block| votes(block) >= self.quorum());
        if let Some(agreed) = agreed {
            for (place, _) in found.iter().filter(|(_, block)| *block != agreed) {
                if let Some(one) = self.nodes.get(*place) {
                    tracing::warn!(node = %one.node.label, number, "the node has another block than most");
                    one.node.distrust();
                }
            }
        }
        Ok(agreed)
    }
    /// The newest block of those that a quorum of the nodes has reached, each with a block of its own; `None` where
    /// so many do not answer. With one node its newest block.
    ///
    /// # Errors
    /// Where there is one node: those of the node.
    pub async fn reached_head(&self) -> Result<Option<BlockRef>, ChainError> {
        if self.nodes.len() == 1 {
            return self.head().await.map(Some);
        }
        let answers = self.ask_all(BlockNumberOrTag::Latest).await;
        let heads = answers.into_iter().filter_map(|(_, answer)| answer.ok().flatten());
        // By time too: a node whose clock is ahead must not let deadlines pass.
        let mut heads: Vec<BlockRef> = heads.collect();
        heads.sort_by_key(|head| std::cmp::Reverse((head.number, head.timestamp)));
        let mut times: Vec<u64> = heads.iter().map(|head| head.timestamp).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let place = self.quorum() - 1;
        let time = times.get(place).copied();
        Ok(heads.get(place).map(|head| BlockRef {
            timestamp: head.timestamp.min(time.unwrap_or(head.timestamp)),
            ..*head
        }))
    }

    async fn ask_all(
        &self,
        at: BlockNumberOrTag,
    ) -> Vec<(usize, Result<Option<BlockRef>, ChainError>)> {
        let mut asked = JoinSet::new();
        for (place, one) in self.nodes.iter().enumerate() {
            let alone = Self {
                provider: one.provider.clone(),
                label: one.node.label.clone(),
                nodes: Arc::new([one.clone()]),
                ..self.clone()
            };
            asked.spawn(async move { (place, alone.block(at).await) });
        }
        // A node that is away must not hold up each look at the chain.
        let (mut answers, mut good) = (Vec::new(), 0);
        loop {
            let next = asked.join_next();
            let next = if good >= self.quorum() {
                tokio::time::timeout(GRACE, next).await.unwrap_or_default()
            } else {
                next.await
            };
            let Some(next) = next else {
                return answers;
            };
            if let Ok(answer) = next {
                good += usize::from(answer.1.is_ok());
                answers.push(answer);
            }
        }
    }
}
