//! Client of the bond behind a prediction service; receipts and the tree of answers.

use alloy::{
    primitives::{Address, B256, Log, U256, keccak256},
    sol_types::{SolEvent, SolValue},
};

use crate::{
    bindings::{ContractErrors, IServiceBond},
    chain::{ChainError, LogScanner, TransactionOutcome},
    contract::{Contract, ContractClient},
};

mod answers;

pub use answers::{Answers, AnswersError};

pub use crate::bindings::IServiceBond::{
    Batch, BatchContested, BatchPosted, BatchState, Opening, Receipt, Service, ServiceState, Terms,
};

/// Most items of a batch.
pub const MAX_ANSWERS: usize = 1 << 16;

/// A service bond contract.
#[derive(Clone, Debug)]
pub struct ServiceBond {
    contract: Contract,
}

/// One answer of a provider: about an input, or about a run of a collection of inputs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// Salted Poseidon commitment to the input; of a run the root of the collection.
    pub commitment: B256,
    /// What was answered: the output words, as the model's key states.
    #[serde(alias = "class", alias = "output", with = "words")]
    pub outputs: Vec<U256>,
}

/// Output words in files: numbers where they are small, or else hexadecimal; one alone may stand without brackets.
mod words {
    use alloy::primitives::U256;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// The largest integers that every reader of JSON tells apart.
    const SMALL: u64 = 1 << 53;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Word {
        Small(u64),
        Any(U256),
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(Word),
        Several(Vec<Word>),
    }

    pub(super) fn serialize<S: Serializer>(words: &[U256], to: S) -> Result<S::Ok, S::Error> {
        let small = |word: &U256| u64::try_from(*word).ok().filter(|word| *word <= SMALL);
        let words = words.iter().map(|word| small(word).map_or(Word::Any(*word), Word::Small));
        words.collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<U256>, D::Error> {
        let words = match Words::deserialize(from)? {
            Words::One(word) => vec![word],
            Words::Several(words) => words,
        };
        let read = |word| match word {
            Word::Small(word) => U256::from(word),
            Word::Any(word) => word,
        };
        Ok(words.into_iter().map(read).collect())
    }
}

/// The Merkle tree over a batch's answers, in which the index of an item is its place.
#[derive(Clone, Debug)]
pub struct AnswerTree {
    /// From the leaves, filled up to a power of two, to the root.
    levels: Vec<Vec<B256>>,
}

impl AnswerTree {
    /// Leaf i = keccak256(abi.encode(i, commitment, keccak256(output words))); nodes are
    /// keccak256 over 64 bytes; missing leaves are zero. `None` for no answers or more than 65,536.
    pub fn new(answers: &[Answer]) -> Option<Self> {
        if answers.is_empty() || answers.len() > MAX_ANSWERS {
            return None;
        }
        let mut level: Vec<B256> = answers
            .iter()
            .enumerate()
            .map(|(index, answer)| {
                let words: Vec<u8> =
                    answer.outputs.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
                keccak256((U256::from(index), answer.commitment, keccak256(words)).abi_encode())
            })
            .collect();
        level.resize(answers.len().next_power_of_two(), B256::ZERO);
        let mut levels = vec![level];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below.chunks(2).map(|pair| keccak256(pair.concat())).collect();
            levels.push(above);
        }
        Some(Self { levels })
    }

    /// What a receipt names.
    pub fn root(&self) -> B256 {
        self.levels.last().and_then(|top| top.first().copied()).unwrap_or_default()
    }

    /// Siblings from leaf `index` to the root; `None` past the end.
    pub fn path(&self, index: usize) -> Option<Vec<B256>> {
        self.levels.first()?.get(index)?;
        let below_the_root = self.levels.len().saturating_sub(1);
        self.levels
            .iter()
            .take(below_the_root)
            .enumerate()
            .map(|(height, level)| level.get((index >> height) ^ 1).copied())
            .collect()
    }
}

impl ContractClient for ServiceBond {
    const NAME: &'static str = "ServiceBond";

    type Probe = IServiceBond::getBatchCall;

    fn probe() -> Self::Probe {
        IServiceBond::getBatchCall { batchId: B256::ZERO }
    }

    fn new(contract: Contract) -> Self {
        Self { contract }
    }

    fn contract(&self) -> &Contract {
        &self.contract
    }
}

impl ServiceBond {
    /// Opens a service of the signing account and puts up its bond.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `ServiceExists`,
    /// `TermOutOfRange` and `BindingMismatch`.
    pub async fn open_service(
        &self,
        terms: Terms,
        bond: U256,
        salt: B256,
    ) -> Result<(B256, TransactionOutcome), ChainError> {
        let token = terms.token;
        let call = IServiceBond::openServiceCall { terms, bond, salt };
        let outcome = self.contract.pay(&call, token, bond).await?;
        let opened = self.contract.event::<IServiceBond::ServiceOpened>(&outcome)?;
        Ok((opened.serviceId, outcome))
    }

    /// Adds to the bond of a service.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `ServiceNotFound` and
    /// `TermOutOfRange`.
    pub async fn top_up(
        &self,
        service_id: B256,
        amount: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let token = self.service_or_revert(service_id).await?.token;
        let call = IServiceBond::topUpCall { serviceId: service_id, amount };
        self.contract.pay(&call, token, amount).await
    }

    /// Ends new business and starts the notice period.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `NotServiceProvider`
    /// and `ServiceNotActive`.
    pub async fn give_notice(&self, service_id: B256) -> Result<TransactionOutcome, ChainError> {
        self.contract.send(&IServiceBond::giveNoticeCall { serviceId: service_id }).await
    }

    /// Credits the bond to the provider, after the notice period.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `ServiceNotClosing`,
    /// `NoticeNotPassed` and `BatchesOpen`.
    pub async fn close(&self, service_id: B256) -> Result<TransactionOutcome, ChainError> {
        self.contract.send(&IServiceBond::closeCall { serviceId: service_id }).await
    }

    /// Posts a receipt and pays its price into escrow.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `NotBatchBuyer`,
    /// `ReceiptExpired`, `ReceiptUsed`, `SignatureRejected` and `BondTooSmall`.
    pub async fn post(
        &self,
        receipt: Receipt,
        signature: Vec<u8>,
    ) -> Result<(BatchPosted, TransactionOutcome), ChainError> {
        let token = self.service_or_revert(receipt.serviceId).await?.token;
        let price = receipt.price;
        let call = IServiceBond::postCall { receipt, signature: signature.into() };
        let outcome = self.contract.pay(&call, token, price).await?;
        Ok((self.contract.event(&outcome)?, outcome))
    }

    /// Contests the items with these indices, 1 to 16 in ascending order, and pays for their proofs
    /// into escrow.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `BatchNotPosted`,
    /// `NotBatchBuyer`, `DeadlinePassed` and `ItemsNotAscending`.
    pub async fn contest(
        &self,
        receipt: Receipt,
        indices: &[u64],
    ) -> Result<(BatchContested, TransactionOutcome), ChainError> {
        let service = self.service_or_revert(receipt.serviceId).await?;
        let indices: Vec<U256> = indices.iter().map(|index| U256::from(*index)).collect();
        let amount = service.proofCost.saturating_mul(U256::from(indices.len()));
        let call = IServiceBond::contestCall { receipt, indices };
        let outcome = self.contract.pay(&call, service.token, amount).await?;
        Ok((self.contract.event(&outcome)?, outcome))
    }

    /// Opens one contested item and shows its proof.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `BatchNotContested`,
    /// `ItemAlreadyProven`, `ItemNotInRoot` and `ProofInvalid`.
    pub async fn prove(
        &self,
        receipt: Receipt,
        opening: Opening,
        proof: Vec<u8>,
    ) -> Result<TransactionOutcome, ChainError> {
        let proof = proof.into();
        self.contract.send(&IServiceBond::proveCall { receipt, opening, proof }).await
    }

    /// Pays a batch of which nothing is left to prove.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `BatchNotPosted` and
    /// `DeadlineNotPassed`.
    pub async fn settle(&self, receipt: Receipt) -> Result<TransactionOutcome, ChainError> {
        self.contract.send(&IServiceBond::settleCall { receipt }).await
    }

    /// Pays the buyer of a contested batch with unproven items.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `BatchNotContested` and
    /// `DeadlineNotPassed`.
    pub async fn punish(&self, receipt: Receipt) -> Result<TransactionOutcome, ChainError> {
        self.contract.send(&IServiceBond::punishCall { receipt }).await
    }

    /// The receipt of a posted batch: the contract stores its hash only, and logs it when it is
    /// posted. `None` when the node has no such log, for instance because it does not keep old ones.
    ///
    /// # Errors
    /// Those of the node.
    pub async fn receipt(
        &self,
        batch_id: B256,
        batch: &Batch,
    ) -> Result<Option<Receipt>, ChainError> {
        let chain = self.contract.chain();
        let block = u64::try_from(batch.postedIn).unwrap_or(u64::MAX);
        let topics = vec![IServiceBond::BatchPosted::SIGNATURE_HASH];
        let mut scanner = LogScanner::new(self.contract.address(), topics, 1).about(batch_id);
        let (logs, _) = scanner.scan(chain, block, block).await?;
        Ok(logs.iter().find_map(|log| receipt_in(&log.inner, batch_id)))
    }

    /// Reads a service; `None` if there is none with this id.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn service(&self, service_id: B256) -> Result<Option<Service>, ChainError> {
        let call = IServiceBond::getServiceCall { serviceId: service_id };
        self.contract.lookup::<ContractErrors::ServiceNotFound, _>(&call).await
    }

    /// Reads a batch; `None` if there is none with this id.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn batch(&self, batch_id: B256) -> Result<Option<Batch>, ChainError> {
        let call = IServiceBond::getBatchCall { batchId: batch_id };
        self.contract.lookup::<ContractErrors::BatchNotFound, _>(&call).await
    }

    /// Indices of the items of a batch's latest contest, by position; empty before one.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn contested_items(&self, batch_id: B256) -> Result<Vec<U256>, ChainError> {
        self.contract.query(&IServiceBond::contestedItemsCall { batchId: batch_id }).await
    }

    /// EIP-712 digest of a receipt as the contract computes it: what is signed.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn receipt_hash(&self, receipt: &Receipt) -> Result<B256, ChainError> {
        self.contract.query(&IServiceBond::receiptHashCall { receipt: receipt.clone() }).await
    }

    async fn service_or_revert(&self, service_id: B256) -> Result<Service, ChainError> {
        self.contract.query(&IServiceBond::getServiceCall { serviceId: service_id }).await
    }
}

/// EIP-712 digest of a receipt: what a provider signs. Computed here, so that it signs nothing that a
/// node made up.
pub fn receipt_digest(chain_id: u64, contract: Address, receipt: &Receipt) -> B256 {
    let domain_type = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
    );
    let (name, version) = (keccak256("Assay ServiceBond"), keccak256("1"));
    let domain =
        keccak256((domain_type, name, version, U256::from(chain_id), contract).abi_encode());
    keccak256([&[0x19, 0x01], domain.as_slice(), batch_id(receipt).as_slice()].concat())
}

/// EIP-712 struct hash of a receipt: the id of its batch.
pub fn batch_id(receipt: &Receipt) -> B256 {
    let receipt_type = keccak256(
        "Receipt(bytes32 serviceId,address buyer,bytes32 root,uint256 count,uint256 price,\
         uint256 nonce,uint256 validUntil)",
    );
    keccak256([receipt_type.to_vec(), receipt.abi_encode()].concat())
}

/// The receipt with this id in the log of its posting. Its hash is compared, because a node can make
/// up any log.
pub fn receipt_in(log: &Log, id: B256) -> Option<Receipt> {
    let posted = IServiceBond::BatchPosted::decode_log(log).ok()?.data;
    let receipt = Receipt {
        serviceId: posted.serviceId,
        buyer: posted.buyer,
        root: posted.root,
        count: posted.count,
        price: posted.price,
        nonce: posted.nonce,
        validUntil: posted.validUntil,
    };
    (batch_id(&receipt) == id).then_some(receipt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(count: u8) -> Vec<Answer> {
        (0..count)
            .map(|i| Answer {
                commitment: B256::with_last_byte(i + 1),
                outputs: vec![U256::from(i)],
            })
            .collect()
    }

    /// Files of answers called the word by the one thing that it could be.
    #[test]
    fn older_answers_are_read() {
        let text = |name| format!(r#"{{ "commitment": "{}", "{name}": 7 }}"#, B256::ZERO);
        let read = |name| serde_json::from_str::<Answer>(&text(name)).unwrap();
        assert_eq!(read("class"), read("output"));
        assert_eq!(read("output").outputs, [U256::from(7)]);
    }

    #[test]
    fn answers_of_all_sizes_survive_their_file() {
        for outputs in
            [vec![U256::from(7)], vec![U256::MAX >> 2, U256::ZERO], vec![U256::from(1u64 << 60)]]
        {
            let answer = Answer { commitment: B256::with_last_byte(1), outputs };
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer, "{text}");
        }
    }

    /// As `IndexedMerkle.contains` does it.
    fn fold(leaf: B256, index: usize, path: &[B256]) -> B256 {
        path.iter().enumerate().fold(leaf, |node, (level, sibling)| {
            let pair = if index >> level & 1 == 0 { [node, *sibling] } else { [*sibling, node] };
            keccak256(pair.concat())
        })
    }

    #[test]
    fn every_answer_opens_the_root_in_its_place_only() {
        for count in [1u8, 2, 3, 5, 8] {
            let answers = answers(count);
            let tree = AnswerTree::new(&answers).unwrap();
            for index in 0..answers.len() {
                let leaf = tree.levels[0][index];
                let path = tree.path(index).unwrap();
                assert_eq!(1 << path.len(), answers.len().next_power_of_two());
                assert_eq!(fold(leaf, index, &path), tree.root());
                if count > 1 {
                    assert_ne!(fold(leaf, index ^ 1, &path), tree.root());
                }
            }
            assert_eq!(tree.path(8), None);
        }
        assert!(AnswerTree::new(&[]).is_none());
        let mut other = answers(5);
        other[4].outputs[0] += U256::ONE;
        let root = |answers: &[Answer]| AnswerTree::new(answers).unwrap().root();
        assert_ne!(root(&other), root(&answers(5)));
    }

    #[test]
    fn receipts_are_rebuilt_from_the_log_of_their_posting() {
        let receipt = Receipt {
            serviceId: B256::with_last_byte(1),
            buyer: Address::with_last_byte(2),
            root: B256::with_last_byte(3),
            count: U256::from(4),
            price: U256::from(5),
            nonce: U256::from(6),
            validUntil: U256::from(7),
        };
        let id = batch_id(&receipt);
        let posted = IServiceBond::BatchPosted {
            batchId: id,
            serviceId: receipt.serviceId,
            buyer: receipt.buyer,
            root: receipt.root,
            count: receipt.count,
            price: receipt.price,
            nonce: receipt.nonce,
            validUntil: receipt.validUntil,
            contestBy: 8,
        };
        let log_of = |posted: &IServiceBond::BatchPosted| Log {
            address: Address::ZERO,
            data: posted.encode_log_data(),
        };
        assert_eq!(receipt_in(&log_of(&posted), id), Some(receipt));
        assert_eq!(receipt_in(&log_of(&posted), B256::ZERO), None, "another batch");
        let made_up = IServiceBond::BatchPosted { nonce: U256::ZERO, ..posted };
        assert_eq!(receipt_in(&log_of(&made_up), id), None, "another receipt under the id");
    }

    #[test]
    fn digests_depend_on_domain_and_message() {
        let receipt = Receipt { count: U256::ONE, ..Receipt::default() };
        let (a, b) = (Address::with_last_byte(1), Address::with_last_byte(2));
        let digest = receipt_digest(1, a, &receipt);
        assert_ne!(digest, receipt_digest(2, a, &receipt));
        assert_ne!(digest, receipt_digest(1, b, &receipt));
        let other = Receipt { nonce: U256::ONE, ..receipt };
        assert_ne!(digest, receipt_digest(1, a, &other));
    }
}
