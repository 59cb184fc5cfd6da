//! Does what is due: signs each call once, keeps it before it is sent, and follows it until a confirmed block shows that
//! nothing is left to do.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use alloy::{primitives::Address, rpc::types::TransactionRequest};
use assay_client::{
    Chain, ChainError,
    chain::{BlockRef, SignedTransaction, transaction::Broadcast},
};
use tokio::time::Instant;

use crate::{
    duty::{Call, Due, Duty, DutyRecord},
    error::{RelayerError, chain_code},
    heads::Heads,
    refusal::LeftAlone,
    resend::{Sendings, Waiting, is_displaced, resend},
    store::{JobStore, KEPT_BLOCKS},
    submitter::SubmitPolicy,
    watch::Watch,
};

mod proofs;

pub(crate) use proofs::Wanted;

/// Said of a duty that somebody is about to do.
const POOL_DOES_IT: &str =
    "the node's pool has a transaction after which it would revert; waiting for what becomes of it";
/// How long an input, or a file of answers, that was put in its place may wait to be noticed.
const LONGEST_PROOF_PAUSE: Duration = Duration::from_secs(30);

/// The duties of one account.
pub(crate) struct Duties {
    chain: Chain,
    store: JobStore,
    policy: SubmitPolicy,
    watches: Vec<Box<dyn Watch>>,
    /// What the newest block leaves to do: the nearest deadline first.
    dues: Vec<Due>,
    /// The block whose state that is.
    looked_at: Option<BlockRef>,
    /// Watches, by place, whose newest look went well.
    known: BTreeSet<usize>,
    pauses: HashMap<Duty, (Instant, u32)>,
    sendings: Sendings,
    /// Those that can never be done, as far as this process knows.
    hopeless: HashMap<Duty, String>,
    /// Jobs that are left alone, by the newest look; `None` before the first, when the store has those of another process.
    left_alone: Option<Vec<LeftAlone>>,
    /// Gas of the newest call with a proof that is over, by contract.
    proof_gas: HashMap<Address, u64>,
}

impl Duties {
    pub(crate) fn new(
        chain: Chain,
        store: JobStore,
        policy: SubmitPolicy,
        watches: Vec<Box<dyn Watch>>,
    ) -> Self {
        Self {
            chain,
            store,
            policy,
            watches,
            dues: Vec::new(),
            looked_at: None,
            known: BTreeSet::new(),
            pauses: HashMap::new(),
            sendings: Sendings::default(),
            hopeless: HashMap::new(),
            left_alone: None,
            proof_gas: HashMap::new(),
        }
    }

    /// Jobs in which the account could sell, and does not.
    pub(crate) fn left_alone(&self) -> &[LeftAlone] {
        self.left_alone.as_deref().unwrap_or_default()
    }

    /// What the newest call with a proof used in a contract, in gas.
    pub(crate) fn proof_gas(&self, contract: Address) -> Option<u64> {
        self.proof_gas.get(&contract).copied()
    }

    /// Whether all contracts have said what is due.
    pub(crate) fn knows_all(&self) -> bool {
        self.known.len() == self.watches.len()
    }

    /// Has the next look find out anew what is due, without a new block too.
    pub(crate) fn look_again(&mut self) {
        self.looked_at = None;
    }

    /// What is due, the nearest deadline first.
    pub(crate) fn dues(&self) -> &[Due] {
        &self.dues
    }

    /// Duties of which a confirmed block says that nothing is left to do.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn over(&self) -> Result<BTreeSet<Duty>, RelayerError> {
        let over =
            self.store.duties().await?.into_iter().filter(|record| record.over_since.is_some());
        Ok(over.map(|record| record.duty).collect())
    }

    /// Those with a deadline that nothing here can do, and why.
    pub(crate) fn blocked(&self) -> Vec<(Duty, String)> {
        let why = |due: &Due| match &due.call {
            _ if due.deadline.is_none() => None,
            Call::Blocked(why) => Some((due.duty, why.clone())),
            _ => self.hopeless.get(&due.duty).map(|why| (due.duty, why.clone())),
        };
        self.dues.iter().filter_map(why).collect()
    }

    /// Finds out what is due, if a block came since the last look or a watch has news of this machine, and what is over.
    ///
    /// # Errors
    /// A broken store; an unreachable node, of which all else is done first. The trouble of one watch leaves the others.
    pub(crate) async fn look(&mut self, heads: Heads) -> Result<(), RelayerError> {
        let mut news = false;
        for watch in &mut self.watches {
            news |= watch.has_news();
        }
        if self.watches.is_empty() || self.looked_at == Some(heads.newest) && !news {
            return Ok(());
        }
        let mut trouble = Ok(());
        let mut dues = Vec::new();
        self.known.clear();
        for (place, watch) in self.watches.iter_mut().enumerate() {
            match look_with(watch.as_mut(), heads).await {
                Ok(found) => {
                    dues.extend(found);
                    self.known.insert(place);
                }
                // The chain has moved; the next look sees where to.
                Err(RelayerError::Chain(error @ ChainError::Incomplete { .. })) => {
                    tracing::debug!(%error, "a look at the contracts is repeated");
                }
                Err(error @ RelayerError::Chain(_)) => {
                    tracing::warn!(%error, code = error.code(), "what is due is not known");
                    trouble = trouble.and(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        // What was due by the contracts that did not answer is so until they say otherwise.
        for due in std::mem::take(&mut self.dues) {
            let told = self.watches.iter().position(|watch| watch.tells(&due.duty));
            if told.is_some_and(|place| !self.known.contains(&place)) {
                dues.push(due);
            }
        }
        dues.sort_by_key(Due::urgency);
        self.dues = dues;
        let whole = self.known.len() == self.watches.len();
        if whole {
            self.note_left_alone().await?;
        }
        self.looked_at = whole.then_some(heads.newest);
        self.pauses.retain(|duty, _| self.dues.iter().any(|due| due.duty == *duty));
        self.end(heads).await?;
        match trouble {
            Err(error) if error.is_unreachable() => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps why jobs are left alone, for whoever asks, and says what is new.
    async fn note_left_alone(&mut self) -> Result<(), RelayerError> {
        let found: Vec<_> = self.watches.iter().flat_map(|watch| watch.left_alone()).collect();
        if self.left_alone.as_ref() == Some(&found) {
            return Ok(());
        }
        for new in found.iter().filter(|one| !self.left_alone().contains(one)) {
            tracing::info!(what = new.what, reason = %new.reason, code = "left-alone", "it is left alone");
        }
        self.store.put_left_alone(&found).await?;
        self.left_alone = Some(found);
        Ok(())
    }

    /// Notes what is over, and forgets what is over for long.
    async fn end(&mut self, heads: Heads) -> Result<(), RelayerError> {
        let mut in_confirmed: HashMap<usize, Vec<Due>> = HashMap::new();
        for record in self.store.duties().await? {
            let duty = record.duty;
            if let Some(since) = record.over_since {
                let old = heads.confirmed.number > since.saturating_add(KEPT_BLOCKS as u64);
                if old && !record.is_loose() {
                    self.store.forget_duty(&duty).await?;
                }
                continue;
            }
            let watch = self.watches.iter().position(|watch| watch.tells(&duty));
            let Some(place) = watch.filter(|place| self.known.contains(place)) else {
                continue;
            };
            if self.dues.iter().any(|due| due.duty == duty) || heads.confirmed.hash.is_zero() {
                continue;
            }
            let due = match in_confirmed.get(&place) {
                Some(due) => due,
                None => {
                    let Some(watch) = self.watches.get_mut(place) else { continue };
                    match watch.due(heads.confirmed).await {
                        Ok(due) => in_confirmed.entry(place).or_insert(due),
                        Err(RelayerError::Chain(error)) => {
                            tracing::debug!(%error, "whether a duty is over is asked again");
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            if due.iter().all(|due| due.duty != duty) {
                self.note_over(&record, heads).await?;
            }
        }
        Ok(())
    }

    async fn note_over(&mut self, record: &DutyRecord, heads: Heads) -> Result<(), RelayerError> {
        let duty = record.duty;
        let mut ours = None;
        for transaction in record.transactions.iter().rev() {
            ours = self.chain.outcome(transaction.hash).await?.filter(|outcome| outcome.success);
            if ours.is_some() {
                break;
            }
        }
        match ours {
            // Its block may not be confirmed yet although somebody else has done the same.
            Some(ours) if ours.block_number > heads.confirmed.number => return Ok(()),
            Some(ours) => {
                tracing::info!(
                    %duty, transaction = %ours.hash, block = ours.block_number, gas = ours.gas_used, "done"
                );
                if duty.shows_proof() {
                    self.proof_gas.insert(duty.contract(), ours.gas_used);
                }
            }
            None => {
                tracing::info!(%duty, "nothing is left to do; it was done by another, or its time is over")
            }
        }
        let since = heads.confirmed.number;
        self.store
            .update_duty(&duty, |record| {
                (record.over_since, record.proving) = (Some(since), false);
            })
            .await?;
        Ok(())
    }

    /// One step of something that is due. Returns the proof that it needs first, if so.
    ///
    /// # Errors
    /// An unreachable node, a broken store. Other trouble postpones it.
    pub(crate) async fn perform(
        &mut self,
        due: &Due,
        heads: Heads,
    ) -> Result<Option<Wanted>, RelayerError> {
        let duty = due.duty;
        let paused = self.pauses.get(&duty).is_some_and(|(end, _)| *end > Instant::now());
        if paused || self.hopeless.contains_key(&duty) {
            return Ok(None);
        }
        let done = self.step(due, heads).await;
        match done {
            Err(RelayerError::Chain(error)) if !matches!(error, ChainError::Unreachable { .. }) => {
                self.postpone(duty, &error.to_string(), chain_code(&error)).await?;
                Ok(None)
            }
            other => other,
        }
    }

    async fn step(&mut self, due: &Due, heads: Heads) -> Result<Option<Wanted>, RelayerError> {
        let duty = due.duty;
        let mut record = self.store.duty(&duty).await?.unwrap_or_else(|| DutyRecord::new(duty));
        if record.over_since.is_some() {
            // A reorganization took it back, or there is more to withdraw.
            record = self
                .store
                .update_duty(&duty, |record| {
                    (record.over_since, record.nonces_used) = (None, false);
                })
                .await?;
        }
        let request = match &due.call {
            Call::Ready(request) => (**request).clone(),
            Call::Blocked(why) => {
                self.postpone(duty, why, "bond-at-risk").await?;
                return Ok(None);
            }
            Call::WithProof { key, request, prover, call } => {
                match self.store.duty_proof(key).await? {
                    Some(proof) => call(&proof),
                    None => {
                        let (key, request) = (key.clone(), (**request).clone());
                        let (deadline, pays, prover) = (due.deadline, due.pays, Arc::clone(prover));
                        return Ok(Some(Wanted { duty, key, request, prover, deadline, pays }));
                    }
                }
            }
        };
        if record.transactions.is_empty() {
            self.send(duty, request).await?;
        } else {
            self.follow(&record, request, heads).await?;
        }
        Ok(None)
    }

    /// Tries a call at the nodes, one after the other, until one takes it; then signs, keeps and sends it.
    async fn send(&mut self, duty: Duty, request: TransactionRequest) -> Result<(), RelayerError> {
        let nodes = match self.chain.node_count() {
            0 | 1 => vec![self.chain.clone()],
            _ => self.chain.each_node(),
        };
        let mut refusal = None;
        for node in nodes {
            match self.send_through(&node, duty, request.clone()).await {
                Ok(()) => return Ok(()),
                Err(RelayerError::Chain(error)) => {
                    if refusal.is_none() || matches!(error, ChainError::Reverted(_)) {
                        refusal = Some(error);
                    }
                    if !self
                        .store
                        .duty(&duty)
                        .await?
                        .is_none_or(|kept| kept.transactions.is_empty())
                    {
                        // It was signed: the next turn finds out what became of it.
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        match refusal {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    async fn send_through(
        &mut self,
        node: &Chain,
        duty: Duty,
        request: TransactionRequest,
    ) -> Result<(), RelayerError> {
        let trial = TransactionRequest { from: Some(node.account()?), ..request.clone() };
        node.call(trial.clone()).await?;
        // A race would cost the loser its fee.
        let pending = alloy::eips::BlockNumberOrTag::Pending;
        if let Err(ChainError::Reverted(_)) = node.call_at(trial, pending).await {
            return self.postpone(duty, POOL_DOES_IT, "pool-does-it").await;
        }
        let keep = async |signed: SignedTransaction| -> Result<(), RelayerError> {
            self.store
                .update_duty(&duty, |record| {
                    record.transactions.push(signed);
                    record.last_error = None;
                })
                .await?;
            Ok(())
        };
        let (signed, answer) = match node.send_with(request, keep).await {
            Ok(sent) => sent,
            // The node will never have it.
            Err(RelayerError::Chain(error @ ChainError::Refused { .. })) => {
                self.store.update_duty(&duty, |record| record.transactions.clear()).await?;
                return Err(error.into());
            }
            Err(error) => return Err(error),
        };
        tracing::info!(%duty, transaction = %signed.hash, nonce = signed.nonce, ?answer, "sent");
        self.sendings.sent(signed.hash);
        self.pauses.remove(&duty);
        Ok(())
    }

    /// Finds out what became of the transactions of a duty that the newest block still leaves to do.
    async fn follow(
        &mut self,
        record: &DutyRecord,
        request: TransactionRequest,
        heads: Heads,
    ) -> Result<(), RelayerError> {
        let (chain, duty) = (self.chain.clone(), record.duty);
        for transaction in record.transactions.iter().rev() {
            let Some(outcome) = chain.outcome(transaction.hash).await? else {
                continue;
            };
            let block = BlockRef {
                number: outcome.block_number,
                hash: outcome.block_hash,
                timestamp: heads.newest.timestamp,
            };
            if !heads.confirm(block) {
                // Newer than the state that was looked at, or not final.
                return Ok(());
            }
            chain.require_block(block).await?;
            if outcome.success {
                // It took effect, and the same is due again, as a withdrawal may be.
                tracing::info!(%duty, transaction = %outcome.hash, "done, and due again");
                self.begin_anew(duty).await?;
                return Ok(());
            }
            self.begin_anew(duty).await?;
            let text = format!("transaction {} was mined but reverted", outcome.hash);
            return self.postpone(duty, &text, "reverted").await;
        }
        let account = chain.account()?;
        let Some(newest) = record.transactions.last().filter(|newest| newest.from == account)
        else {
            tracing::warn!(%duty, "a transaction of another account is left to it");
            return self.begin_anew(duty).await;
        };
        let stuck = self.sendings.waited(newest.hash) >= self.policy.resend_after;
        let known = chain.knows_transaction(newest.hash).await?;
        if known && !stuck {
            return Ok(());
        }
        if !known && is_displaced(&chain, &self.store, newest).await? {
            tracing::warn!(%duty, nonce = newest.nonce, "the node lost the transaction and gave its nonce out again; signing again");
            return self.begin_anew(duty).await;
        }
        let may_raise = record.transactions.len() < self.policy.max_claims;
        let keep = async |signed: SignedTransaction| {
            let keep = |record: &mut DutyRecord| record.transactions.push(signed);
            self.store.update_duty(&duty, keep).await.map(drop)
        };
        let dearest = record.transactions.iter().max_by_key(|known| known.max_fee_per_gas);
        let waiting = Waiting {
            newest,
            dearest: dearest.unwrap_or(newest),
            request: may_raise.then_some(request),
        };
        match resend(&chain, waiting, stuck, keep).await? {
            Broadcast::Accepted => self.sendings.sent_again(&chain, newest.hash),
            Broadcast::Underpriced { message } => {
                self.postpone(duty, &message, "underpriced").await?
            }
            // By one of these after all, or by another transaction; the state tells.
            Broadcast::NonceUsed { .. } => {
                for transaction in &record.transactions {
                    if chain.outcome(transaction.hash).await?.is_some() {
                        return Ok(());
                    }
                }
                self.begin_anew(duty).await?;
            }
        }
        Ok(())
    }

    async fn begin_anew(&mut self, duty: Duty) -> Result<(), RelayerError> {
        self.store
            .update_duty(&duty, |record| {
                record.transactions.clear();
                record.cancellations.clear();
            })
            .await?;
        Ok(())
    }

    /// Lets a duty rest: 2, 4, 8... seconds, up to the longest pause.
    async fn postpone(
        &mut self,
        duty: Duty,
        why: &str,
        code: &'static str,
    ) -> Result<(), RelayerError> {
        let (_, tries) = self.pauses.get(&duty).copied().unwrap_or((Instant::now(), 0));
        let pause = Duration::from_secs(2u64 << tries.min(20)).min(self.policy.max_pause);
        let pause = pause.min(LONGEST_PROOF_PAUSE);
        self.pauses.insert(duty, (Instant::now() + pause, tries.saturating_add(1)));
        let known = self.store.duty(&duty).await?.and_then(|record| record.last_error);
        if known.as_deref() != Some(why) {
            tracing::warn!(%duty, why, code, "it waits");
            self.store
                .update_duty(&duty, |record| record.last_error = Some(why.to_owned()))
                .await?;
        }
        Ok(())
    }
}

async fn look_with(watch: &mut dyn Watch, heads: Heads) -> Result<Vec<Due>, RelayerError> {
    if !heads.confirmed.hash.is_zero() {
        watch.discover(heads.confirmed).await?;
    }
    watch.due(heads.newest).await
}
