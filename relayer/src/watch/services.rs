//! Services behind a bond: contested items are proven, and what is due is settled, punished and closed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::Log,
    sol_types::SolEvent,
};
use assay_client::{
    ContractClient, ModelIdentity, ModelRegistry, ServiceBond,
    bindings::IServiceBond,
    chain::{BlockRef, LogScanner},
    service_bond::{Batch, BatchState, Opening, Receipt, Service, ServiceState, receipt_in},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    Watch,
    discovery::{Discovery, Source, of_each},
};
use crate::{
    answer_folder::AnswerFolder,
    duty::{Call, Due, Duty, ProofKey},
    error::RelayerError,
    proving::{ProofRequest, Prover, RunPlace},
};

/// What contested items are proven with.
pub(crate) struct Proofs {
    pub(crate) prover: Arc<dyn Prover>,
    /// Folder of the answers that were given.
    pub(crate) answers: PathBuf,
}

/// Watches one service bond for one account.
pub(crate) struct ServiceWatch {
    bond: ServiceBond,
    account: Address,
    seen: Discovery<Found>,
    proofs: Option<(Arc<dyn Prover>, AnswerFolder)>,
    /// Whether to settle, punish and close.
    keep: bool,
    registry: Option<ModelRegistry>,
    models: HashMap<U256, ModelIdentity>,
    confirmed: Option<BlockRef>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Found {
    /// Services of the account, and how many batches of each were posted.
    services: BTreeMap<B256, u64>,
    /// Batches that may yet need something of the account, as provider or as buyer.
    batches: BTreeMap<B256, Receipt>,
}

/// A batch in the state of a block.
struct Look {
    id: B256,
    receipt: Receipt,
    batch: Batch,
    /// Of the newest contest.
    items: Vec<U256>,
}

impl ServiceWatch {
    pub(crate) async fn new(
        bond: ServiceBond,
        account: Address,
        source: &Source,
        proofs: Option<Proofs>,
        keep: bool,
    ) -> Result<Self, RelayerError> {
        let topics = vec![
            IServiceBond::ServiceOpened::SIGNATURE_HASH,
            IServiceBond::BatchPosted::SIGNATURE_HASH,
        ];
        let scanner = LogScanner::new(bond.address(), topics, source.max_log_range);
        let name = format!("services of {account} at {}", bond.address());
        let seen = Discovery::open(name, bond.chain().clone(), scanner, source).await?;
        let proofs = proofs.map(|proofs| (proofs.prover, AnswerFolder::new(proofs.answers)));
        Ok(Self {
            bond,
            account,
            seen,
            proofs,
            keep,
            registry: None,
            models: HashMap::new(),
            confirmed: None,
        })
    }

    /// Whether the events show as many batches of each service as the contract counts.
    async fn is_complete(&self, confirmed: BlockRef) -> Result<bool, RelayerError> {
        let bond = self.bond.in_block(confirmed);
        for (service, seen) in &self.seen.found().services {
            let call = IServiceBond::recordOfCall { serviceId: *service };
            if bond.contract().query(&call).await?.posted > U256::from(*seen) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The services of these ids that there are in the state of a block.
    async fn services(
        &self,
        ids: BTreeSet<B256>,
        at: BlockRef,
    ) -> Result<HashMap<B256, Service>, RelayerError> {
        let bond = self.bond.in_block(at);
        let found = of_each(ids, |id| {
            let bond = bond.clone();
            async move { Ok((id, bond.service(id).await?)) }
        });
        Ok(found.await?.into_iter().filter_map(|(id, found)| Some((id, found?))).collect())
    }

    async fn batches(&self, at: BlockRef) -> Result<Vec<Look>, RelayerError> {
        let bond = self.bond.in_block(at);
        let known = self.seen.found().batches.clone();
        let found = of_each(known, |(id, receipt)| {
            let bond = bond.clone();
            async move {
                let Some(batch) = bond.batch(id).await? else {
                    return Ok(None);
                };
                let items = match batch.state {
                    BatchState::Contested => bond.contested_items(id).await?,
                    _ => Vec::new(),
                };
                Ok(Some(Look { id, receipt, batch, items }))
            }
        });
        Ok(found.await?.into_iter().flatten().collect())
    }

    async fn model(&mut self, id: U256) -> Result<Option<ModelIdentity>, RelayerError> {
        if let Some(model) = self.models.get(&id) {
            return Ok(Some(*model));
        }
        let registry = match &self.registry {
            Some(registry) => registry.clone(),
            None => self.registry.insert(self.bond.contract().registry().await?).clone(),
        };
        // Bindings are final.
        let model = registry.binding(id).await?.map(|binding| binding.model);
        self.models.extend(model.map(|model| (id, model)));
        Ok(model)
    }

    /// The contested items that are not proven yet.
    async fn unproven(
        &mut self,
        look: &Look,
        service: &Service,
        dues: &mut Vec<Due>,
    ) -> Result<(), RelayerError> {
        if self.proofs.is_none() {
            return Ok(());
        }
        let model = self.model(service.modelId).await?;
        for (position, index) in look.items.iter().enumerate() {
            if look.batch.proven.bit(position) {
                continue;
            }
            let duty = Duty::ProveItem {
                contract: self.bond.address(),
                batch: look.id,
                contested: look.batch.contested,
                position: position as u64,
            };
            let call = match self.proof(look, service, model, position, *index) {
                Ok(call) => call,
                Err(why) => Call::Blocked(why),
            };
            dues.push(Due::by(look.batch.proveBy, duty, call));
        }
        Ok(())
    }

    /// How an item is proven, or why it cannot be.
    fn proof(
        &mut self,
        look: &Look,
        service: &Service,
        model: Option<ModelIdentity>,
        position: usize,
        index: U256,
    ) -> Result<Call, String> {
        let (prover, folder) = self.proofs.as_mut().ok_or("nothing is proven here")?;
        let model = model
            .filter(|model| prover.serves(model))
            .ok_or("the service is of another model than the bundle served here")?;
        let (answers, tree) = folder.of(&look.receipt).ok_or_else(|| {
            format!(
                "no file in {} holds the answers under root {}; put it there",
                folder.path().display(),
                look.receipt.root
            )
        })?;
        let place = usize::try_from(index).map_err(|_| "an index is too large")?;
        let answer = answers.list.get(place).ok_or("an item is not among the answers")?;
        let path = tree.path(place).ok_or("an item is not in the tree")?;
        let batch_id = U256::from_be_bytes(look.id.0);
        let run =
            (answers.batch != 0).then_some(RunPlace { run: place as u64, items: answers.items });
        let request = ProofRequest {
            job_id: batch_id,
            context: self.bond.contract().proof_context(batch_id, service.provider),
            model,
            input_commitment: U256::from_be_bytes(answer.commitment.0),
            recipient: service.provider,
            hint: Default::default(),
            run,
            expected: Some(answer.outputs.clone()),
        };
        let (contract, receipt) = (self.bond.contract().clone(), look.receipt.clone());
        let commitment = request.input_commitment;
        let call = Arc::new(move |proof: &assay_client::ProofArtifact| {
            let opening = Opening {
                position: U256::from(position),
                inputCommitment: commitment,
                outputs: proof.outputs.clone(),
                path: path.clone(),
            };
            let (receipt, proof) = (receipt.clone(), proof.proof.clone());
            contract.request(&IServiceBond::proveCall { receipt, opening, proof })
        });
        let key = ProofKey::new(self.bond.address(), batch_id, place as u64);
        let prover = Arc::clone(prover);
        Ok(Call::WithProof { key, request: Box::new(request), prover, call })
    }

    fn kept(&self, look: &Look, service: &Service, now: u64, dues: &mut Vec<Due>) {
        let (contract, batch) = (self.bond.address(), look.id);
        let (is_provider, is_buyer) =
            (service.provider == self.account, look.receipt.buyer == self.account);
        let receipt = look.receipt.clone();
        let bond = self.bond.contract();
        let (duty, call) = match look.batch.state {
            BatchState::Posted if is_provider && now > look.batch.contestBy => (
                Duty::SettleBatch { contract, batch },
                bond.request(&IServiceBond::settleCall { receipt }),
            ),
            BatchState::Contested if is_buyer && now > look.batch.proveBy => (
                Duty::PunishBatch { contract, batch },
                bond.request(&IServiceBond::punishCall { receipt }),
            ),
            _ => return,
        };
        dues.push(Due::ready(duty, call));
    }

    /// Forgets batches of which nothing more can come, as a confirmed block says.
    async fn drop_final(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        let looks = self.batches(confirmed).await?;
        let is_over =
            |look: &&Look| !matches!(look.batch.state, BatchState::Posted | BatchState::Contested);
        let over: Vec<B256> = looks.iter().filter(is_over).map(|look| look.id).collect();
        if over.is_empty() {
            return Ok(());
        }
        for id in &over {
            self.seen
                .store()
                .forget_duty_proofs(self.bond.address(), U256::from_be_bytes(id.0))
                .await?;
        }
        self.seen.change(|found| found.batches.retain(|id, _| !over.contains(id))).await
    }
}

#[async_trait]
impl Watch for ServiceWatch {
    fn tells(&self, duty: &Duty) -> bool {
        duty.contract() == self.bond.address() && !matches!(duty, Duty::Withdraw { .. })
    }

    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError> {
        self.confirmed = Some(confirmed);
        let account = self.account;
        let note = |found: &mut Found, log: &Log| {
            note(found, log, account);
            None
        };
        self.seen.advance(confirmed, &note).await?;
        let complete = self.is_complete(confirmed).await?;
        if self.seen.lacks(complete) {
            self.seen.advance(confirmed, &note).await?;
        }
        Ok(())
    }

    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError> {
        let looks = self.batches(at).await?;
        let mut ids: BTreeSet<B256> = self.seen.found().services.keys().copied().collect();
        ids.extend(looks.iter().map(|look| look.receipt.serviceId));
        let services = self.services(ids, at).await?;
        let (mut dues, mut any_over) = (Vec::new(), false);
        for look in &looks {
            let Some(service) = services.get(&look.receipt.serviceId) else {
                continue;
            };
            let state = look.batch.state;
            any_over |= !matches!(state, BatchState::Posted | BatchState::Contested);
            let in_time = at.timestamp <= look.batch.proveBy;
            if state == BatchState::Contested && in_time && service.provider == self.account {
                self.unproven(look, service, &mut dues).await?;
            }
            if self.keep {
                self.kept(look, service, at.timestamp, &mut dues);
            }
        }
        for (id, service) in &services {
            let closes = service.state == ServiceState::Closing
                && service.provider == self.account
                && at.timestamp >= service.closableAt
                && service.openBatches.is_zero();
            if self.keep && closes {
                let duty = Duty::CloseService { contract: self.bond.address(), service: *id };
                let call = IServiceBond::closeCall { serviceId: *id };
                dues.push(Due::ready(duty, self.bond.contract().request(&call)));
            }
        }
        if any_over && let Some(confirmed) = self.confirmed {
            self.drop_final(confirmed).await?;
        }
        Ok(dues)
    }
}

fn note(found: &mut Found, log: &Log, account: Address) {
    if let Ok(opened) = IServiceBond::ServiceOpened::decode_log(&log.inner) {
        if opened.provider == account {
            found.services.entry(opened.serviceId).or_default();
        }
    } else if let Ok(posted) = IServiceBond::BatchPosted::decode_log(&log.inner) {
        let ours = found.services.get_mut(&posted.serviceId).map(|count| *count += 1).is_some();
        if (ours || posted.buyer == account)
            && let Some(receipt) = receipt_in(&log.inner, posted.batchId)
        {
            found.batches.insert(posted.batchId, receipt);
        }
    }
}
