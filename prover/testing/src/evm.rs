//! Runs contracts in revm, on the rules of the Osaka fork, and watches them.

use std::collections::BTreeMap;

use revm::{
    Context, DatabaseCommit, InspectEvm, Inspector, MainBuilder, MainContext,
    bytecode::opcode,
    context::TxEnv,
    context_interface::result::{ExecutionResult, Output},
    database::{CacheDB, EmptyDB},
    interpreter::{
        Interpreter,
        interpreter_types::{Jumps, MemoryTr},
    },
    primitives::{Address, Bytes, TxKind, U256, hardfork::SpecId},
    state::AccountInfo,
};

use assay_arithmetic::keccak256;

const CALLER: Address = Address::repeat_byte(0x11);

/// A chain in memory, with one account that sends all transactions.
pub struct Chain {
    db: CacheDB<EmptyDB>,
    nonce: u64,
}

/// What a transaction did.
pub struct Outcome {
    /// Return or revert data.
    pub result: Result<Vec<u8>, Vec<u8>>,
    /// Gas of the whole transaction.
    pub gas: u64,
    /// Where the gas went.
    pub watch: Watch,
}

/// Gas by purpose, and the memory at the call of the pairing.
#[derive(Default)]
pub struct Watch {
    last: Option<(&'static str, u64)>,
    /// Gas spent, by purpose of the opcode or the precompile called (`ecMul`, `keccak256`, ...).
    pub gas: BTreeMap<&'static str, u64>,
    /// Opcodes executed, by the same purposes.
    pub counts: BTreeMap<&'static str, u64>,
    /// Memory when the pairing was last called; empty if it was not.
    pub memory: Vec<u8>,
}

impl<CTX> Inspector<CTX> for Watch {
    fn step(&mut self, interp: &mut Interpreter, _: &mut CTX) {
        let remaining = interp.gas.remaining();
        if let Some((purpose, before)) = self.last.take() {
            *self.gas.entry(purpose).or_default() += before.saturating_sub(remaining);
            *self.counts.entry(purpose).or_default() += 1;
        }
        let purpose = match interp.bytecode.opcode() {
            opcode::STATICCALL => {
                let address = interp.stack.peek(1).unwrap_or_default();
                match address.saturating_to::<u64>() {
                    5 => "modexp",
                    6 => "ecAdd",
                    7 => "ecMul",
                    8 => {
                        self.memory = interp.memory.slice(0..interp.memory.size()).to_vec();
                        "pairing"
                    }
                    _ => "other call",
                }
            }
            opcode::KECCAK256 => "keccak256",
            opcode::CALLDATACOPY => "calldatacopy",
            opcode::EXTCODESIZE | opcode::EXTCODECOPY => "verifying key",
            opcode::ADDMOD | opcode::MULMOD => "modular arithmetic",
            opcode::JUMP | opcode::JUMPI | opcode::JUMPDEST => "jumps",
            opcode::MLOAD | opcode::MSTORE | opcode::MCOPY => "memory",
            _ => "other opcodes",
        };
        self.last = Some((purpose, remaining));
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// A chain without contracts; its account has 100 ether.
    pub fn new() -> Self {
        let mut db = CacheDB::new(EmptyDB::default());
        let balance = U256::from(10).pow(U256::from(20));
        db.insert_account_info(CALLER, AccountInfo { balance, ..Default::default() });
        Self { db, nonce: 0 }
    }

    /// Deploys a contract; returns its address and the transaction's gas. Panics if that fails.
    pub fn deploy(&mut self, init_code: Vec<u8>) -> (Address, u64) {
        let (result, _) = self.transact(TxKind::Create, init_code.into());
        let gas = result.tx_gas_used();
        match result {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => {
                (address, gas)
            }
            other => panic!("not deployed: {other:?}"),
        }
    }

    /// Calls a contract in a transaction. Panics if it neither returns nor reverts.
    pub fn call(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        let (result, watch) = self.transact(TxKind::Call(to), data.into());
        let gas = result.tx_gas_used();
        let result = match result {
            ExecutionResult::Success { output, .. } => Ok(output.into_data().to_vec()),
            ExecutionResult::Revert { output, .. } => Err(output.to_vec()),
            other => panic!("halted: {other:?}"),
        };
        Outcome { result, gas, watch }
    }

    fn transact(&mut self, kind: TxKind, data: Bytes) -> (ExecutionResult, Watch) {
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA))
            .modify_block_chained(|block| block.gas_limit = 60_000_000)
            .build_mainnet_with_inspector(Watch::default());
        let tx = TxEnv::builder()
            .caller(CALLER)
            .kind(kind)
            .data(data)
            .gas_limit(16_000_000)
            .nonce(self.nonce)
            .build()
            .unwrap();
        let out = evm.inspect_tx(tx).unwrap();
        let watch = std::mem::take(&mut evm.inspector);
        self.nonce += 1;
        self.db.commit(out.state);
        (out.result, watch)
    }
}

/// Calldata of `verify(address,bytes,uint256[])`.
pub fn calldata(vk: Address, proof: &[u8], public_inputs: &[[u8; 32]]) -> Vec<u8> {
    let word = |value: usize| U256::from(value).to_be_bytes::<32>();
    let mut data = keccak256(&[b"verify(address,bytes,uint256[])"])[..4].to_vec();
    let padded = proof.len().div_ceil(32) * 32;
    data.extend_from_slice(&vk.into_word()[..]);
    data.extend_from_slice(&word(0x60));
    data.extend_from_slice(&word(0x80 + padded));
    data.extend_from_slice(&word(proof.len()));
    data.extend_from_slice(proof);
    data.resize(data.len() + padded - proof.len(), 0);
    data.extend_from_slice(&word(public_inputs.len()));
    for input in public_inputs {
        data.extend_from_slice(input);
    }
    data
}
