//! Transactions: limits, signing before sending, broadcasting, receipts.
//!
//! A transaction is signed here and its bytes kept by the caller before the node sees it. So
//! after a crash the same bytes can be sent again: same hash, same nonce, never a second payment.

use std::time::Duration;

use alloy::{
    eips::Encodable2718,
    network::{NetworkTransactionBuilder, TransactionBuilder},
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider},
    rpc::types::{Log, TransactionRequest},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Chain, ChainError};

/// Limits on what a transaction may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasPolicy {
    /// Added to the node's gas estimate, in percent.
    pub margin_percent: u64,
    /// Largest gas limit of one transaction. Default: the cap of EIP-7825.
    pub max_gas: u64,
    /// Largest `maxFeePerGas` (EIP-1559), in wei; `None` for no limit.
    pub max_fee_per_gas: Option<u128>,
}

/// EIP-7825: no transaction over 2^24 gas.
pub const TRANSACTION_GAS_CAP: u64 = 1 << 24;

impl Default for GasPolicy {
    fn default() -> Self {
        Self { margin_percent: 20, max_gas: TRANSACTION_GAS_CAP, max_fee_per_gas: None }
    }
}

/// A signed EIP-1559 transaction, ready to be sent any number of times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTransaction {
    /// Hash, which identifies it.
    pub hash: B256,
    /// The account that signed it.
    pub from: Address,
    /// Its number among that account's transactions.
    pub nonce: u64,
    /// Most gas that it may use.
    pub gas_limit: u64,
    /// Most wei per gas (EIP-1559).
    pub max_fee_per_gas: u128,
    /// Most wei per gas for the block's proposer.
    pub max_priority_fee_per_gas: u128,
    /// EIP-2718 encoding, as `eth_sendRawTransaction` takes it.
    pub raw: Bytes,
}

/// The node's answer to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// In the pool now, or there (or mined) already.
    Accepted,
    /// The account's nonce has moved past this transaction: it or another one was mined.
    NonceUsed {
        /// The node's words.
        message: String,
    },
    /// Another transaction with this nonce is in the pool and pays as much.
    Underpriced {
        /// The node's words.
        message: String,
    },
}

/// A mined transaction.
#[derive(Clone, Debug)]
pub struct TransactionOutcome {
    /// The transaction.
    pub hash: B256,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Whether it took effect; `false` if it reverted.
    pub success: bool,
    /// What it used.
    pub gas_used: u64,
    /// Wei per unit of gas.
    pub effective_gas_price: u128,
    /// Set for a deployment.
    pub contract_address: Option<Address>,
    /// What it logged; empty if it reverted.
    pub logs: Vec<Log>,
}

impl TransactionOutcome {
    /// Gas used times its price, in wei.
    pub fn fee(&self) -> U256 {
        U256::from(self.gas_used) * U256::from(self.effective_gas_price)
    }

    /// How many blocks of a chain with this head hold the transaction, its own included.
    pub fn confirmations(&self, head: u64) -> u64 {
        head.saturating_sub(self.block_number).saturating_add(1)
    }
}

impl Chain {
    /// Fills in nonce, gas and fees, signs, hands the signed transaction to `persist`, and only
    /// then sends it. The account's nonce stays reserved until the node has answered.
    ///
    /// # Errors
    /// Before `persist` ran, nothing was sent. After it, a [`ChainError::Unreachable`] leaves
    /// open whether the node has the transaction: ask for its receipt, or send it again.
    pub async fn send_with<E: From<ChainError>, Kept: Future<Output = Result<(), E>>>(
        &self,
        request: TransactionRequest,
        persist: impl FnOnce(SignedTransaction) -> Kept,
    ) -> Result<(SignedTransaction, Broadcast), E> {
        let account = self.signing_account()?;
        let _reserved = account.nonce_lock.lock().await;
        let nonce = self.next_nonce(account.address).await?;
        let signed = self.sign(request, nonce, None).await?;
        persist(signed.clone()).await?;
        let broadcast = self.broadcast(&signed).await?;
        Ok((signed, broadcast))
    }

    /// A transaction with the nonce of `previous` and fees raised by an eighth at least (nodes
    /// ask for a tenth), to take its place in the pool. Not sent. The gas limit is that of
    /// `previous` unless the request has one.
    ///
    /// # Errors
    /// [`ChainError::FeeOverLimit`] and [`ChainError::InsufficientFunds`] where the fees cannot be
    /// raised; those of the node.
    pub async fn sign_replacement(
        &self,
        request: TransactionRequest,
        previous: &SignedTransaction,
    ) -> Result<SignedTransaction, ChainError> {
        self.sign(request, previous.nonce, Some(previous)).await
    }

    /// Sends a transaction and waits until it is mined and took effect.
    ///
    /// # Errors
    /// Among others [`ChainError::Reverted`] from the gas estimate, in which case nothing was
    /// sent; [`ChainError::TransactionPending`] after the configured time and
    /// [`ChainError::SendUnanswered`], where it may yet be mined.
    pub async fn send(
        &self,
        request: TransactionRequest,
    ) -> Result<TransactionOutcome, ChainError> {
        let mut hash = None;
        let sent = self.send_with(request.clone(), |signed| {
            hash = Some(signed.hash);
            std::future::ready(Ok::<(), ChainError>(()))
        });
        let (signed, broadcast) = match (sent.await, hash) {
            (Ok(sent), _) => sent,
            (
                Err(
                    error @ (ChainError::Unreachable { .. }
                    | ChainError::BadAnswer { .. }
                    | ChainError::Incomplete { .. }),
                ),
                Some(hash),
            ) => return Err(error.after_sending(hash, self.label())),
            (Err(error), _) => return Err(error),
        };
        if let Broadcast::NonceUsed { message } | Broadcast::Underpriced { message } = broadcast {
            // A repetition after a lost answer is told so about our own transaction.
            let known = self.knows_transaction(signed.hash).await;
            if !known.map_err(|error| error.after_sending(signed.hash, self.label()))? {
                return Err(ChainError::Refused {
                    node: self.label().to_owned(),
                    operation: "eth_sendRawTransaction".into(),
                    code: 0,
                    message,
                });
            }
        }
        let outcome = self.wait_mined(signed.hash, 1, self.config().transaction_timeout).await?;
        if outcome.success {
            return Ok(outcome);
        }
        // The receipt has no reason; asking the state afterwards mostly gives it.
        let revert = match self.call(request.with_from(signed.from)).await {
            Err(ChainError::Reverted(revert)) => Some(Box::new(revert)),
            _ => None,
        };
        Err(ChainError::TransactionReverted {
            hash: outcome.hash,
            block: outcome.block_number,
            revert,
        })
    }

    /// Hands a signed transaction to the node; harmless if it has it already. With a [private endpoint](super::PrivateEndpoint) it goes
    /// there, once a block, and to the node only after as many blocks as that says.
    ///
    /// # Errors
    /// [`ChainError::Refused`] and [`ChainError::InsufficientFunds`], where the node does not take
    /// it; [`ChainError::Unreachable`], where it may have it.
    pub async fn broadcast(
        &self,
        transaction: &SignedTransaction,
    ) -> Result<Broadcast, ChainError> {
        let Some(private) = &self.private else {
            return self.broadcast_through(self.provider(), self.label(), transaction).await;
        };
        let (place, hash) = ((transaction.from, transaction.nonce), transaction.hash);
        let route = private.route(place, hash, self.head().await?.number);
        let privately = if route.privately {
            let (provider, label) = (&private.provider, &private.label);
            let sent = self.broadcast_through(provider, label, transaction).await;
            if matches!(sent, Ok(Broadcast::Accepted)) {
                private.taken(place, hash);
            }
            sent
        } else {
            Ok(Broadcast::Accepted)
        };
        if !route.publicly {
            return privately;
        }
        tracing::warn!(%hash, nonce = transaction.nonce, code = "sent-publicly", "a transaction does not get into a block privately; it is sent to all nodes");
        self.broadcast_through(self.provider(), self.label(), transaction).await
    }

    async fn broadcast_through(
        &self,
        provider: &DynProvider,
        label: &str,
        transaction: &SignedTransaction,
    ) -> Result<Broadcast, ChainError> {
        let Err(error) = provider.send_raw_transaction(&transaction.raw).await else {
            return Ok(Broadcast::Accepted);
        };
        match ChainError::from_transport(error, label, "eth_sendRawTransaction") {
            ChainError::Refused { code, message, node, operation } => {
                let text = message.to_ascii_lowercase();
                if text.contains("already known")
                    || text.contains("already imported")
                    || text.contains("known transaction")
                {
                    Ok(Broadcast::Accepted)
                } else if text.contains("nonce too low") || text.contains("nonce is too low") {
                    Ok(Broadcast::NonceUsed { message })
                } else if text.contains("underpriced") {
                    Ok(Broadcast::Underpriced { message })
                } else if text.contains("insufficient funds") {
                    let gas = U256::from(transaction.gas_limit);
                    let needed = gas * U256::from(transaction.max_fee_per_gas);
                    Err(self.insufficient_funds(transaction.from, needed).await)
                } else {
                    Err(ChainError::Refused { node, operation, code, message })
                }
            }
            other => Err(other),
        }
    }

    /// The receipt of a transaction; `None` while it is in no block.
    ///
    /// # Errors
    /// Those of the node: [`ChainError::Unreachable`], [`ChainError::Refused`],
    /// [`ChainError::BadAnswer`].
    pub async fn outcome(&self, hash: B256) -> Result<Option<TransactionOutcome>, ChainError> {
        let receipt = self
            .provider()
            .get_transaction_receipt(hash)
            .await
            .map_err(|e| self.fault(e, "eth_getTransactionReceipt"))?;
        Ok(receipt.and_then(|receipt| {
            Some(TransactionOutcome {
                hash: receipt.transaction_hash,
                block_number: receipt.block_number?,
                block_hash: receipt.block_hash?,
                success: receipt.status(),
                gas_used: receipt.gas_used,
                effective_gas_price: receipt.effective_gas_price,
                contract_address: receipt.contract_address,
                logs: receipt.logs().to_vec(),
            })
        }))
    }

    /// Whether the node knows a transaction, mined or in its pool.
    ///
    /// # Errors
    /// Those of the node: [`ChainError::Unreachable`], [`ChainError::Refused`],
    /// [`ChainError::BadAnswer`].
    pub async fn knows_transaction(&self, hash: B256) -> Result<bool, ChainError> {
        let found = self
            .provider()
            .get_transaction_by_hash(hash)
            .await
            .map_err(|e| self.fault(e, "eth_getTransactionByHash"))?;
        Ok(found.is_some())
    }

    /// Waits until `confirmations` blocks (its own is the first) hold a transaction. A node that
    /// cannot be reached meanwhile is waited for as well.
    ///
    /// # Errors
    /// [`ChainError::TransactionPending`] after `timeout`; [`ChainError::SendUnanswered`] if the
    /// node cannot be asked then, or refuses to answer. Both name the transaction.
    pub async fn wait_mined(
        &self,
        hash: B256,
        confirmations: u64,
        timeout: Duration,
    ) -> Result<TransactionOutcome, ChainError> {
        let start = Instant::now();
        loop {
            let trouble = match self.confirmed(hash, confirmations).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => None,
                Err(error) if error.is_transient() => Some(error),
                Err(error) => return Err(error.after_sending(hash, self.label())),
            };
            if start.elapsed() >= timeout {
                return Err(match trouble {
                    Some(error) => error.after_sending(hash, self.label()),
                    None => ChainError::TransactionPending { hash, seconds: timeout.as_secs() },
                });
            }
            // A dev node mines at once; do not make its user wait a whole interval.
            let soon = Duration::from_millis(50).max(start.elapsed() / 4);
            tokio::time::sleep(soon.min(self.config().poll_interval)).await;
        }
    }

    /// The outcome of a transaction that `confirmations` blocks hold.
    async fn confirmed(
        &self,
        hash: B256,
        confirmations: u64,
    ) -> Result<Option<TransactionOutcome>, ChainError> {
        let Some(outcome) = self.outcome(hash).await? else {
            return Ok(None);
        };
        let head = if confirmations > 1 { self.head().await?.number } else { outcome.block_number };
        Ok((outcome.confirmations(head) >= confirmations).then_some(outcome))
    }

    /// How many transactions of the signing account are in blocks: all nonces below are used.
    ///
    /// # Errors
    /// [`ChainError::NoSigner`] and those of the node.
    pub async fn mined_nonce(&self) -> Result<u64, ChainError> {
        let account = self.account()?;
        self.provider()
            .get_transaction_count(account)
            .latest()
            .await
            .map_err(|e| self.fault(e, "eth_getTransactionCount"))
    }

    /// What a unit of gas costs at present, in wei: the base fee and the tip of a transaction sent now.
    ///
    /// # Errors
    /// Those of the node.
    pub async fn gas_price(&self) -> Result<u128, ChainError> {
        self.provider().get_gas_price().await.map_err(|e| self.fault(e, "eth_gasPrice"))
    }

    /// A transaction that does nothing, to take the place of one that must not hold up others: see
    /// [`Chain::sign_replacement`].
    ///
    /// # Errors
    /// [`ChainError::NoSigner`] and those of the gas estimate.
    pub async fn empty_request(&self) -> Result<TransactionRequest, ChainError> {
        let account = self.account()?;
        let request = TransactionRequest::default().with_to(account).with_value(U256::ZERO);
        let gas = self.estimate(account, request.clone().with_from(account), U256::ZERO).await?;
        Ok(request.with_gas_limit(gas))
    }

    async fn next_nonce(&self, account: Address) -> Result<u64, ChainError> {
        let fault = |e| self.fault(e, "eth_getTransactionCount");
        let mined = self.provider().get_transaction_count(account).latest().await.map_err(fault)?;
        // Some gateways answer from a node that has not seen the pool.
        let pending =
            self.provider().get_transaction_count(account).pending().await.map_err(fault)?;
        let next = mined.max(pending);
        match &self.private {
            Some(private) => Ok(next.max(private.next_nonce(account, self.head().await?.number))),
            None => Ok(next),
        }
    }

    async fn sign(
        &self,
        request: TransactionRequest,
        nonce: u64,
        replaced: Option<&SignedTransaction>,
    ) -> Result<SignedTransaction, ChainError> {
        let account = self.signing_account()?;
        let policy = self.gas_policy();
        let value = request.value.unwrap_or_default();
        let request =
            request.with_from(account.address).with_chain_id(self.chain_id()).with_nonce(nonce);

        let gas_limit = match (request.gas, replaced) {
            (Some(gas), _) => gas,
            // An estimate would be made on top of the pool, where the replaced one took effect.
            (None, Some(old)) => old.gas_limit,
            (None, None) => self.estimate(account.address, request.clone(), value).await?,
        };

        let fees = self
            .provider()
            .estimate_eip1559_fees()
            .await
            .map_err(|e| self.fault(e, "eth_feeHistory"))?;
        let (mut max_fee, mut tip) = (fees.max_fee_per_gas, fees.max_priority_fee_per_gas);
        if let Some(old) = replaced {
            max_fee = max_fee.max(raised(old.max_fee_per_gas));
            tip = tip.max(raised(old.max_priority_fee_per_gas));
        }
        if let Some(limit) = policy.max_fee_per_gas
            && max_fee > limit
        {
            return Err(ChainError::FeeOverLimit { max_fee, limit });
        }
        let needed =
            U256::from(gas_limit).saturating_mul(U256::from(max_fee)).saturating_add(value);
        let balance = self.balance(account.address).await?;
        if balance < needed {
            return Err(ChainError::InsufficientFunds {
                account: account.address,
                balance,
                needed,
            });
        }

        let envelope = request
            .with_gas_limit(gas_limit)
            .with_max_fee_per_gas(max_fee)
            .with_max_priority_fee_per_gas(tip)
            .build(&account.wallet)
            .await
            .map_err(|e| ChainError::Signing { reason: e.to_string() })?;
        Ok(SignedTransaction {
            hash: *envelope.tx_hash(),
            from: account.address,
            nonce,
            gas_limit,
            max_fee_per_gas: max_fee,
            max_priority_fee_per_gas: tip,
            raw: envelope.encoded_2718().into(),
        })
    }

    /// Gas limit for a request: the node's estimate and the policy's margin.
    async fn estimate(
        &self,
        from: Address,
        request: TransactionRequest,
        value: U256,
    ) -> Result<u64, ChainError> {
        let policy = self.gas_policy();
        let estimate = match self.provider().estimate_gas(request).await {
            Ok(gas) => gas,
            Err(error) => {
                return Err(match self.fault(error, "eth_estimateGas") {
                    ChainError::Refused { message, .. }
                        if message.to_ascii_lowercase().contains("insufficient funds") =>
                    {
                        self.insufficient_funds(from, value).await
                    }
                    other => other,
                });
            }
        };
        if estimate > policy.max_gas {
            return Err(ChainError::GasOverLimit { needed: estimate, limit: policy.max_gas });
        }
        Ok(estimate.saturating_add(estimate / 100 * policy.margin_percent).min(policy.max_gas))
    }

    async fn insufficient_funds(&self, account: Address, needed: U256) -> ChainError {
        match self.balance(account).await {
            Ok(balance) => ChainError::InsufficientFunds { account, balance, needed },
            Err(error) => error,
        }
    }
}

fn raised(fee: u128) -> u128 {
    fee.saturating_add(fee / 8).saturating_add(1)
}
