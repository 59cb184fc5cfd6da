//! Where signed transactions go, if that is not the nodes that are read: an endpoint that shows them to nobody before they
//! are in a block.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy::{
    primitives::{Address, B256},
    providers::DynProvider,
};

/// A nonce that nobody has asked about for so many blocks is given out again: whoever needs a transaction sends it again with
/// each block.
const ASKED_WITHIN: u64 = 5;
/// Memories that are older than this are of no use any more, in blocks.
const FORGOTTEN_AFTER: u64 = 10_000;

/// An endpoint that takes transactions and keeps them to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateEndpoint {
    /// `http://`, `https://`, `ws://` or `wss://` address of its JSON-RPC.
    pub url: String,
    /// Blocks without a transaction after which it is sent to the public nodes too; `None` for never.
    pub public_after: Option<u64>,
}

/// What was sent to the endpoint, by account and nonce: another version of a transaction does not begin anew.
#[derive(Clone, Copy)]
struct Sent {
    /// Number of the newest block when it was first sent.
    first: u64,
    /// The same when it was last sent.
    last: u64,
    /// The version that the endpoint took then.
    taken: Option<B256>,
}

/// The endpoint of a connection; clones of the connection share it.
pub(super) struct Private {
    pub(super) provider: DynProvider,
    /// Fit for logs.
    pub(super) label: Arc<str>,
    public_after: Option<u64>,
    sent: Mutex<HashMap<(Address, u64), Sent>>,
}

/// What is to be done with a transaction now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Whether it goes to the endpoint: that takes each version once a block.
    pub(super) privately: bool,
    pub(super) publicly: bool,
}

impl Private {
    pub(super) fn new(provider: DynProvider, label: Arc<str>, public_after: Option<u64>) -> Self {
        Self { provider, label, public_after, sent: Mutex::default() }
    }

    fn sent(&self) -> MutexGuard<'_, HashMap<(Address, u64), Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a transaction, by its account and nonce, goes when `head` is the number of the newest block.
    pub(super) fn route(&self, place: (Address, u64), hash: B256, head: u64) -> Route {
        let mut all = self.sent();
        all.retain(|_, sent| head.saturating_sub(sent.last) < FORGOTTEN_AFTER);
        let sent = all.entry(place).or_insert(Sent { first: head, last: head, taken: None });
        let privately = !(sent.taken == Some(hash) && sent.last == head);
        sent.last = head;
        let waited = head.saturating_sub(sent.first);
        Route { privately, publicly: self.public_after.is_some_and(|blocks| waited >= blocks) }
    }

    /// Notes that the endpoint has taken a transaction.
    pub(super) fn taken(&self, place: (Address, u64), hash: B256) {
        if let Some(sent) = self.sent().get_mut(&place) {
            sent.taken = Some(hash);
        }
    }

    /// The nonce behind those of an account that wait at the endpoint, which no public node counts; 0 where none does.
    pub(super) fn next_nonce(&self, account: Address, head: u64) -> u64 {
        let all = self.sent();
        let waiting = all.iter().filter(|((from, _), sent)| {
            *from == account && sent.taken.is_some() && head <= sent.last + ASKED_WITHIN
        });
        waiting.map(|((_, nonce), _)| nonce + 1).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use alloy::providers::{Provider, ProviderBuilder};

    use super::*;

    fn private(public_after: Option<u64>) -> Private {
        let provider = ProviderBuilder::new().connect_http("http://127.0.0.1:1".parse().unwrap());
        Private::new(provider.erased(), "endpoint".into(), public_after)
    }

    #[test]
    fn a_version_is_sent_once_a_block_and_goes_public_late() {
        let at = |private: &Private, version, head| {
            let (place, hash) = ((Address::ZERO, 7), B256::with_last_byte(version));
            let Route { privately, publicly } = private.route(place, hash, head);
            private.taken(place, hash);
            (privately, publicly)
        };
        let late = private(Some(25));
        assert_eq!(at(&late, 1, 100), (true, false));
        assert_eq!(at(&late, 1, 100), (false, false));
        assert_eq!(at(&late, 1, 101), (true, false));
        // With higher fees it is the same matter.
        assert_eq!(at(&late, 2, 101), (true, false));
        assert_eq!(at(&late, 2, 124), (true, false));
        assert_eq!(at(&late, 3, 125), (true, true));
        // A chain that got shorter.
        assert_eq!(at(&late, 3, 90), (true, false));
        let never = private(None);
        assert_eq!((at(&never, 1, 0), at(&never, 1, 9_999)), ((true, false), (true, false)));
        assert_eq!(at(&private(Some(0)), 1, 5), (true, true));
    }

    #[test]
    fn nonces_that_wait_out_of_sight_are_not_given_out_again() {
        let (private, hash) = (private(Some(25)), B256::with_last_byte(1));
        let account = Address::ZERO;
        assert_eq!(private.next_nonce(account, 100), 0);
        for nonce in [4, 6] {
            private.route((account, nonce), hash, 100);
        }
        assert_eq!(private.next_nonce(account, 100), 0, "none was taken");
        private.taken((account, 4), hash);
        private.taken((account, 6), hash);
        assert_eq!(private.next_nonce(account, 105), 7);
        assert_eq!(private.next_nonce(Address::with_last_byte(1), 105), 0);
        // Nobody sends it again: its place is free.
        assert_eq!(private.next_nonce(account, 106), 0);
    }
}
