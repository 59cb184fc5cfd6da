//! A local chain with all contracts, a buyer, a thief, and what the thief has: for each circuit a key without
//! constraints ([`assay_testing::hollow`]) with its verifier, and a verifier that accepts everything.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, B256, Bytes, U256, bytes};
use assay_client::{
    Chain, ChainConfig, ContractClient, Deployment, LocalNode, ModelRegistry, SignerSource,
    chain::deploy::data_contract_hash,
    proof_context,
    registry::{ModelCommitment, PROOF_SYSTEM_ID},
};
use assay_client_testing::node;
use assay_prover::{
    arithmetic::field::field_from_bytes,
    bundle::{Architecture, architecture_from_json},
    circuit::{Layout, ModelCircuit},
    proof::{KeyShape, ProofFile, ProverKey, Srs},
};
use assay_testing::hollow::Hollow;
use serde_json::Value;

use crate::world::{Folder, World, json, repository};

/// An account of the chain.
pub(crate) struct Actor {
    pub address: Address,
    pub key_file: PathBuf,
    chain: Chain,
}

pub(crate) struct Market {
    pub folder: Folder,
    pub deployment: PathBuf,
    pub buyer: Actor,
    pub thief: Actor,
    runtime: tokio::runtime::Runtime,
    node: LocalNode,
}

/// A key without constraints, in a folder as `assay keygen` fills it, and its "proofs".
pub(crate) struct HollowModel {
    pub keys: PathBuf,
    pub layout: Layout,
    pub architecture: Architecture,
    hollow: Hollow<ModelCircuit<'static>>,
    key: ProverKey,
    srs: Srs,
}

impl Market {
    /// Deploys the contracts with the options given; `None` where a node or forge's output is missing.
    pub(crate) fn open(name: &str, options: &[&str]) -> Option<Self> {
        if let Some(missing) = node::missing() {
            println!("skipped: {missing}");
            return None;
        }
        let (folder, node) = (Folder::new(name), node::start());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let actor = |number: usize| {
            let key_file = folder.file(&format!("{number}.key"));
            fs::write(&key_file, &node.keys()[number]).expect("written");
            let signer = SignerSource::KeyFile(key_file.clone()).load().expect("a key");
            let connected = Chain::connect(ChainConfig::new(node.url()), Some(signer));
            let chain = runtime.block_on(connected).expect("connected");
            Actor { address: chain.account().expect("an account"), key_file, chain }
        };
        let (buyer, thief) = (actor(1), actor(2));
        let deployment = folder.file("addresses.json");
        let market = Self { deployment, buyer, thief, runtime, node, folder };
        let artifacts = repository("contracts/out");
        let output = market.deployment.clone();
        let line: [&dyn AsRef<OsStr>; 5] = [&"deploy", &"--artifacts", &artifacts, &"-o", &output];
        let options = options.iter().map(|option| option as &dyn AsRef<OsStr>);
        let sender = market.signed(&market.thief);
        let rest = sender.iter().map(|word| word as &dyn AsRef<OsStr>);
        json(&line.into_iter().chain(options).chain(rest).collect::<Vec<_>>());
        Some(market)
    }

    /// The options that name the node.
    pub(crate) fn node(&self) -> Vec<String> {
        vec!["--rpc".into(), self.node.url()]
    }

    /// The options that name the node and the key.
    pub(crate) fn signed(&self, actor: &Actor) -> Vec<String> {
        let key = actor.key_file.display().to_string();
        [self.node(), vec!["--private-key-file".into(), key]].concat()
    }

    /// A whole line of a command with the file of addresses, signed by an account.
    pub(crate) fn line(&self, actor: &Actor, words: &[&str]) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        let deployment = ["--deployment".to_owned(), self.deployment.display().to_string()];
        words.chain(deployment).chain(self.signed(actor)).collect()
    }

    /// What such a command reports.
    pub(crate) fn run(&self, actor: &Actor, words: &[&str]) -> Value {
        json(&views(&self.line(actor, words)))
    }

    /// The thief's deployment of a key and a verifier: addresses of both.
    pub(crate) fn deploy_pair(&self, bundle: &Path, keys: &Path, name: &str) -> (Address, Address) {
        let folder = self.folder.file(name);
        let line: [&dyn AsRef<OsStr>; 8] =
            [&"verifier", &"generate", &"--bundle", &bundle, &"--keys", &keys, &"-o", &folder];
        json(&line);
        let sender = self.signed(&self.thief);
        let line: [&dyn AsRef<OsStr>; 3] = [&"verifier", &"deploy", &folder];
        let rest = sender.iter().map(|word| word as &dyn AsRef<OsStr>);
        let pair = json(&line.into_iter().chain(rest).collect::<Vec<_>>());
        let address = |name: &str| pair[name].as_str().expect("an address").parse().expect("one");
        (address("vk"), address("verifier"))
    }

    /// A contract that calls every proof one of the model with this hash.
    pub(crate) fn deploy_accept_all(&self, model_hash: B256) -> Address {
        // PUSH32 hash, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN: 39 bytes, deployed by a copy of themselves.
        let runtime = [&[0x7f], model_hash.as_slice(), &bytes!("5f5260205ff3")[..]].concat();
        let init = [&bytes!("60278060095f395ff3")[..], &runtime].concat();
        let deployed = self.runtime.block_on(self.thief.chain.deploy(Bytes::from(init)));
        deployed.expect("deployed").address
    }

    /// The thief's entry in the registry; returns its id.
    pub(crate) fn register(
        &self,
        architecture: &Architecture,
        model_hash: B256,
        vk_hash: B256,
        (vk, verifier): (Address, Address),
    ) -> String {
        let commitment = ModelCommitment {
            modelHash: model_hash,
            circuitHash: B256::from(architecture.circuit_hash()),
            vkHash: vk_hash,
            proofSystemId: PROOF_SYSTEM_ID,
            uri: String::new(),
        };
        let registry = ModelRegistry::at(self.thief.chain.clone(), self.contract("ModelRegistry"));
        let registered = self.runtime.block_on(registry.register(commitment, vk, verifier));
        format!("{:#066x}", registered.expect("registered").model_id)
    }

    pub(crate) fn contract(&self, name: &str) -> Address {
        let deployment = Deployment::read(&self.deployment).expect("addresses");
        deployment.contracts.get(name).expect("a contract").address
    }

    /// Public input 0 of a proof that pays the thief for a job.
    pub(crate) fn context(&self, contract: &str, job: U256) -> B256 {
        let chain_id = self.thief.chain.chain_id();
        proof_context(chain_id, self.contract(contract), job, self.thief.address).into()
    }
}

impl HollowModel {
    /// The hollow twin of a circuit of the world, with keys in `folder`.
    pub(crate) fn new(circuit: &str, folder: &Folder) -> Self {
        let world = World::get();
        let path = world.file(&format!("{circuit}.json"));
        let text = fs::read_to_string(&path).expect("an architecture");
        let architecture = architecture_from_json(&path, &text).expect("an architecture");
        let layout = architecture.layout().expect("a layout");
        let srs = Srs::read(&world.file("dev.srs"), Some(layout.k)).expect("a setup");
        let shape = KeyShape {
            weight_columns: layout.options.weight_columns,
            public_inputs: layout.public_inputs,
            statement: layout.statement_code.to_bytes(),
        };
        let hollow = Hollow::new(layout.profile.clone());
        let key = hollow.key(&srs, shape);
        let keys = folder.file(&format!("hollow-{circuit}"));
        fs::create_dir_all(&keys).expect("folder");
        key.write(&keys.join("proving.key")).expect("written");
        key.verifier().write(&keys.join("verifying.key")).expect("written");
        Self { keys, layout, architecture, hollow, key, srs }
    }

    pub(crate) fn vk_hash(&self) -> B256 {
        B256::from(self.key.info().hash())
    }

    /// A "proof" of these public inputs.
    pub(crate) fn prove(&self, public_inputs: &[B256]) -> ProofFile {
        let inputs = public_inputs.iter().map(|word| field_from_bytes(&word.0).expect("below r"));
        self.hollow.prove(&self.srs, &self.key, inputs.collect(), self.layout.options.lanes)
    }

    /// The hash that all its "proofs" show.
    pub(crate) fn model_hash(&self) -> B256 {
        let inputs = vec![B256::ZERO; self.layout.public_inputs];
        let proof = self.prove(&inputs);
        B256::from(proof.weights_hash(self.layout.options.weight_columns).expect("weights"))
    }
}

/// The EXTCODEHASH of the honest key of a circuit of the world.
pub(crate) fn honest_vk_hash(circuit: &str) -> B256 {
    let path = World::get().file(&format!("{circuit}-keys")).join("verifying.key");
    let data = assay_prover::proof::key_file_data(&path).expect("a key");
    data_contract_hash(&data[1..])
}

pub(crate) fn views(line: &[String]) -> Vec<&dyn AsRef<OsStr>> {
    line.iter().map(|word| word as &dyn AsRef<OsStr>).collect()
}
