//! What all clients of contracts share: calls, transactions, events, and payments into custody.

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolError, SolEvent},
};

use crate::{
    bindings::{ICustody, IERC20},
    chain::{BlockRef, Chain, ChainError, LogScanner, TransactionOutcome, call},
    proof::proof_context,
};

/// Blocks asked for in one log query; narrowed by itself where a node wants less.
const LOG_RANGE: u64 = 10_000;

/// A client of one kind of contract: its functions with Rust's types.
pub trait ContractClient: Sized {
    /// Its name among the artifacts and in a [`crate::Deployment`].
    const NAME: &'static str;

    /// A view function that other contracts do not have, see [`Contract::into_client`].
    type Probe: SolCall;

    /// Arguments for it; whether the contract has something for them does not matter.
    fn probe() -> Self::Probe;

    /// The client for a contract that is taken to be of this kind; see [`Contract::into_client`].
    fn new(contract: Contract) -> Self;

    /// The connection, credits and withdrawals.
    fn contract(&self) -> &Contract;

    /// The contract at `address`; nothing is asked of the chain yet.
    fn at(chain: Chain, address: Address) -> Self {
        Self::new(Contract::at(chain, address))
    }

    /// Where the contract is.
    fn address(&self) -> Address {
        self.contract().address()
    }

    /// The connection to its chain.
    fn chain(&self) -> &Chain {
        self.contract().chain()
    }

    /// The same client, whose view functions see the state at the end of this block, see [`Chain::call_in`].
    fn in_block(&self, block: BlockRef) -> Self {
        Self::new(self.contract().in_block(block))
    }
}

/// A contract at an address.
#[derive(Clone, Debug)]
pub struct Contract {
    chain: Chain,
    address: Address,
    /// The block whose state view functions see; `None` for the newest.
    block: Option<BlockRef>,
}

/// An event and the transaction that emitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged<E> {
    /// What was logged.
    pub event: E,
    /// Hash of the transaction.
    pub transaction: B256,
    /// Height of its block.
    pub block: u64,
}

impl Contract {
    /// The contract at `address`; nothing is asked of the chain yet.
    pub fn at(chain: Chain, address: Address) -> Self {
        Self { chain, address, block: None }
    }

    /// The same contract, whose view functions see the state at the end of this block.
    pub fn in_block(&self, block: BlockRef) -> Self {
        Self { block: Some(block), ..self.clone() }
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The connection.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The client of kind `C` for this contract, after a look at whether it has such functions.
    ///
    /// # Errors
    /// [`ChainError::NoCode`] and [`ChainError::OtherContract`], besides those of the node.
    pub async fn into_client<C: ContractClient>(self) -> Result<C, ChainError> {
        match self.query(&C::probe()).await {
            Ok(_) => Ok(C::new(self)),
            // It has the function, and found nothing.
            Err(ChainError::Reverted(revert)) if !revert.data.is_empty() => Ok(C::new(self)),
            Err(error @ (ChainError::Reverted(_) | ChainError::BadAnswer { .. })) => {
                Err(ChainError::OtherContract {
                    address: self.address,
                    wanted: C::NAME,
                    reason: error.to_string(),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Public input 0 of the proofs that pay `recipient` for a job of this contract.
    pub fn proof_context(&self, job: U256, recipient: Address) -> U256 {
        proof_context(self.chain.chain_id(), self.address, job, recipient)
    }

    /// Calls a view function on the latest state, or that of the block that was chosen with [`Self::in_block`].
    ///
    /// # Errors
    /// As of [`Chain::query`], and of [`Chain::query_in`].
    pub async fn query<C: SolCall>(&self, call: &C) -> Result<C::Return, ChainError> {
        match self.block {
            Some(block) => self.chain.query_in(self.address, call, block).await,
            None => self.chain.query(self.address, call).await,
        }
    }

    /// Calls a view function that reverts with `E` where it finds nothing: then `None`.
    pub(crate) async fn lookup<E: SolError, C: SolCall>(
        &self,
        call: &C,
    ) -> Result<Option<C::Return>, ChainError> {
        match self.query(call).await {
            Ok(found) => Ok(Some(found)),
            Err(ChainError::Reverted(revert)) if revert.is::<E>() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a transaction that calls a function, and waits until it took effect.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] from the gas estimate, in which case nothing was sent,
    /// [`ChainError::NoCode`], and those of [`Chain::send`].
    pub async fn send<C: SolCall>(&self, call: &C) -> Result<TransactionOutcome, ChainError> {
        self.chain.transact(self.address, call, U256::ZERO).await
    }

    /// The same for a function that takes `amount` of `token` (zero for the native currency). A
    /// token's allowance is given first where it is too small, for exactly the amount.
    ///
    /// # Errors
    /// As of [`Self::send`], for the allowance too. Where only the call fails, the allowance stays.
    pub async fn pay<C: SolCall>(
        &self,
        call: &C,
        token: Address,
        amount: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        if token == Address::ZERO {
            return self.chain.transact(self.address, call, amount).await;
        }
        let owner = self.chain.account()?;
        let query = IERC20::allowanceCall { owner, spender: self.address };
        if self.chain.query(token, &query).await? < amount {
            let approve = IERC20::approveCall { spender: self.address, amount };
            self.chain.transact(token, &approve, U256::ZERO).await?;
        }
        self.send(call).await
    }

    /// What `account` can withdraw in `token` (zero for the native currency).
    ///
    /// # Errors
    /// As of [`Self::query`].
    pub async fn credit(&self, token: Address, account: Address) -> Result<U256, ChainError> {
        self.query(&ICustody::creditOfCall { token, account }).await
    }

    /// Pays the signing account's whole credit out to it.
    ///
    /// # Errors
    /// As of [`Self::send`]; [`ChainError::Reverted`] with `InsufficientCredit` for an account
    /// without credit, or `EtherTransferFailed`.
    pub async fn withdraw(&self, token: Address) -> Result<TransactionOutcome, ChainError> {
        self.send(&ICustody::withdrawCall { token }).await
    }

    /// A call of one of its functions, unsigned. Whoever must not lose track of it signs it with
    /// [`Chain::send_with`].
    pub fn request<C: SolCall>(&self, call: &C) -> TransactionRequest {
        call::request(self.address, call)
    }

    /// The call that withdraws, unsigned.
    pub fn withdraw_request(&self, token: Address) -> TransactionRequest {
        call::request(self.address, &ICustody::withdrawCall { token })
    }

    /// Pays a part of the signing account's credit out to another address.
    ///
    /// # Errors
    /// As of [`Self::withdraw`], and with `InvalidRecipient`.
    pub async fn withdraw_to(
        &self,
        token: Address,
        to: Address,
        amount: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        self.send(&ICustody::withdrawToCall { token, to, amount }).await
    }

    /// The first event of type `E` that this contract emitted in a transaction.
    pub(crate) fn event<E: SolEvent>(&self, outcome: &TransactionOutcome) -> Result<E, ChainError> {
        outcome
            .logs
            .iter()
            .filter(|log| log.address() == self.address)
            .find_map(|log| E::decode_log(&log.inner).ok())
            .map(|log| log.data)
            .ok_or_else(|| ChainError::BadAnswer {
                node: self.chain.label().to_owned(),
                operation: format!("transaction {}", outcome.hash),
                reason: format!(
                    "it succeeded without the event {}; is {} the right contract?",
                    E::SIGNATURE,
                    self.address
                ),
            })
    }

    /// The events of type `E` whose first indexed field is `subject`, from block `from` to the
    /// head, in chain order.
    pub(crate) async fn events_about<E: SolEvent>(
        &self,
        subject: B256,
        from: u64,
    ) -> Result<Vec<Logged<E>>, ChainError> {
        let scanner = LogScanner::new(self.address, vec![E::SIGNATURE_HASH], LOG_RANGE);
        self.scanned(scanner.about(subject), from).await
    }

    /// All events of one kind from block `from` to the head, in chain order.
    pub(crate) async fn events<E: SolEvent>(
        &self,
        from: u64,
    ) -> Result<Vec<Logged<E>>, ChainError> {
        let scanner = LogScanner::new(self.address, vec![E::SIGNATURE_HASH], LOG_RANGE);
        self.scanned(scanner, from).await
    }

    async fn scanned<E: SolEvent>(
        &self,
        mut scanner: LogScanner,
        from: u64,
    ) -> Result<Vec<Logged<E>>, ChainError> {
        let head = self.chain.head().await?.number;
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

    /// The last of these events.
    pub(crate) async fn last_about<E: SolEvent>(
        &self,
        subject: B256,
        from: u64,
    ) -> Result<Option<Logged<E>>, ChainError> {
        Ok(self.events_about(subject, from).await?.pop())
    }
}

/// Bytes from outside as text where they are text, else in hexadecimal.
pub fn text_or_hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => alloy::hex::encode_prefixed(bytes),
    }
}
