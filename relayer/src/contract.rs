//! What the typed contracts share: calls, transactions, events, and payments into custody.

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::{SolCall, SolEvent},
};

use crate::{
    bindings::{ICustody, IERC20},
    chain::{Chain, ChainError, LogScanner, TransactionOutcome},
};

/// Blocks asked for in one log query; narrowed by itself where a node wants less.
const LOG_RANGE: u64 = 10_000;

/// A contract at an address.
#[derive(Clone, Debug)]
pub struct Contract {
    chain: Chain,
    address: Address,
}

/// An event and the transaction that emitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged<E> {
    pub event: E,
    pub transaction: B256,
    pub block: u64,
}

impl Contract {
    /// The contract at `address`; nothing is asked of the chain yet.
    pub fn at(chain: Chain, address: Address) -> Self {
        Self { chain, address }
    }

    pub fn address(&self) -> Address {
        self.address
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Calls a view function on the latest state.
    pub async fn query<C: SolCall>(&self, call: &C) -> Result<C::Return, ChainError> {
        self.chain.query(self.address, call).await
    }

    /// Sends a transaction that calls a function, and waits until it took effect.
    pub async fn transact<C: SolCall>(
        &self,
        call: &C,
        value: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        self.chain.transact(self.address, call, value).await
    }

    /// The ether to send with a call that takes `amount` of `token`: the amount, or nothing for a
    /// token. A token's allowance is given first where it is too small, for exactly the amount.
    pub async fn payment(&self, token: Address, amount: U256) -> Result<U256, ChainError> {
        if token == Address::ZERO {
            return Ok(amount);
        }
        let owner = self.chain.account()?;
        let query = IERC20::allowanceCall { owner, spender: self.address };
        if self.chain.query(token, &query).await? < amount {
            let call = IERC20::approveCall { spender: self.address, amount };
            self.chain.transact(token, &call, U256::ZERO).await?;
        }
        Ok(U256::ZERO)
    }

    /// What `account` can withdraw in `token` (zero for the chain's own coin).
    pub async fn credit(&self, token: Address, account: Address) -> Result<U256, ChainError> {
        self.query(&ICustody::creditOfCall { token, account }).await
    }

    /// Pays the signing account's whole credit out to it.
    pub async fn withdraw(&self, token: Address) -> Result<TransactionOutcome, ChainError> {
        self.transact(&ICustody::withdrawCall { token }, U256::ZERO).await
    }

    /// Pays a part of the signing account's credit out to another address.
    pub async fn withdraw_to(
        &self,
        token: Address,
        to: Address,
        amount: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        self.transact(&ICustody::withdrawToCall { token, to, amount }, U256::ZERO).await
    }

    /// The first event of type `E` that this contract emitted in a transaction.
    pub(crate) fn event<E: SolEvent>(&self, outcome: &TransactionOutcome) -> Result<E, ChainError> {
        crate::registry::find_event(&self.chain, self.address, outcome)
    }

    /// The events of type `E` whose first indexed field is `subject`, from block `from` to the
    /// head, in chain order.
    pub(crate) async fn events_about<E: SolEvent>(
        &self,
        subject: B256,
        from: u64,
    ) -> Result<Vec<Logged<E>>, ChainError> {
        let head = self.chain.head().await?.number;
        let mut scanner =
            LogScanner::new(self.address, vec![E::SIGNATURE_HASH], LOG_RANGE).about(subject);
        let (mut events, mut next) = (Vec::new(), from);
        while next <= head {
            let (logs, to) = scanner.scan(&self.chain, next, head).await?;
            for log in &logs {
                let fault = |reason: String| ChainError::BadAnswer {
                    node: self.chain.label().to_owned(),
                    operation: format!("events {} of contract {}", E::SIGNATURE, self.address),
                    reason,
                };
                let event = E::decode_log(&log.inner).map_err(|e| fault(e.to_string()))?.data;
                let (Some(transaction), Some(block)) = (log.transaction_hash, log.block_number)
                else {
                    return Err(fault("a log is in no block".into()));
                };
                events.push(Logged { event, transaction, block });
            }
            next = to.saturating_add(1);
        }
        Ok(events)
    }
}

/// Bytes from outside as text where they are text, else in hexadecimal.
pub fn text_or_hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => alloy::hex::encode_prefixed(bytes),
    }
}
