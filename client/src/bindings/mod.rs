//! The contracts' interfaces as they are called here.
//!
//! Written out here, not read from forge's output: then `cargo build` neither needs a Solidity
//! build first nor fails in a macro when there is none, and these files show what the clients
//! rely on. A test compares it with forge's artifacts, signature by signature.

// The constructors that `sol!` makes for events take every field.
#![allow(clippy::too_many_arguments)]
#![allow(missing_docs, reason = "contracts/src/interfaces says what the functions and fields are")]

mod audit;
mod hints;
mod retrieval;
mod service;

use std::{collections::BTreeMap, sync::LazyLock};

use alloy::{
    dyn_abi::{DynSolType, DynSolValue, Specifier},
    json_abi::Error as AbiError,
    primitives::{FixedBytes, hex},
    sol,
};

pub use audit::IAuditEscrow;
pub use retrieval::IRetrievalEscrow;
pub use service::IServiceBond;

sol! {
    #[sol(rpc, abi)]
    #[derive(Debug, PartialEq, Eq)]
    interface IModelRegistry {
        struct ModelCommitment {
            bytes32 modelHash;
            bytes32 circuitHash;
            bytes32 vkHash;
            bytes4 proofSystemId;
            string uri;
        }

        struct ModelBinding {
            bytes32 modelHash;
            bytes32 vkHash;
            bytes32 verifierCodeHash;
            address vk;
            address verifier;
            bool devSetup;
            bytes32 setupId;
            bytes32 statement;
            address owner;
        }

        event ModelRegistered(uint256 indexed modelId, address indexed owner, ModelCommitment commitment);
        event VerifierBound(
            uint256 indexed modelId,
            address vk,
            address verifier,
            bytes32 verifierCodeHash,
            bool devSetup,
            bytes32 setupId,
            bytes32 statement,
            bytes32 bindingHash
        );
        event ModelUpdated(uint256 indexed modelId, ModelCommitment oldCommitment, ModelCommitment newCommitment);
        event ModelDeprecated(uint256 indexed modelId);
        event CeremonyKnown(bytes32 indexed setupId);

        function registerModel(ModelCommitment calldata commitment) external returns (uint256 modelId);
        function registerBoundModel(ModelCommitment calldata commitment, address vk, address verifier)
            external
            returns (uint256 modelId, bytes32 bindingHash);
        function bindVerifier(uint256 modelId, address vk, address verifier) external returns (bytes32 bindingHash);
        function updateModel(uint256 modelId, ModelCommitment calldata newCommitment) external;
        function deprecateModel(uint256 modelId) external;
        function getModel(uint256 modelId)
            external
            view
            returns (ModelCommitment memory commitment, bool deprecated, address owner);
        function bindingOf(uint256 modelId) external view returns (ModelBinding memory binding);
        function admissionOf(uint256 modelId)
            external
            view
            returns (bytes32 bindingHash, bool devSetup, bool deprecated, bytes32 statement);
        function isCeremony(bytes32 setupId) external view returns (bool);
        function modelIdOf(
            address owner,
            bytes32 modelHash,
            bytes32 circuitHash,
            bytes32 vkHash,
            bytes4 proofSystemId
        ) external pure returns (uint256 modelId);
        function bindingHashOf(
            address owner,
            bytes32 modelHash,
            bytes32 circuitHash,
            bytes32 vkHash,
            bytes4 proofSystemId,
            address vk,
            address verifier,
            bytes32 verifierCodeHash
        ) external pure returns (bytes32 bindingHash);
    }

    #[sol(rpc, abi)]
    #[derive(Debug, PartialEq, Eq)]
    interface IPredictionEscrow {
        enum State {
            None,
            Open,
            Claimed,
            Refunded
        }

        struct Order {
            uint256 modelId;
            bytes32 bindingHash;
            uint256 inputCommitment;
            uint256 items;
            address token;
            uint256 price;
            uint64 deadline;
            uint64 notice;
            uint64 callbackGas;
            bytes hint;
        }

        struct Job {
            State state;
            address buyer;
            uint64 deadline;
            uint256 modelId;
            address token;
            uint256 price;
            uint256 inputCommitment;
            uint256 items;
            uint256 batch;
            uint256 unclaimed;
            uint64 notice;
            uint64 callbackGas;
        }

        event JobOpened(
            uint256 indexed jobId, uint256 indexed modelId, address indexed buyer, Order order
        );
        event JobClaimed(
            uint256 indexed jobId,
            uint256 indexed modelId,
            address indexed recipient,
            uint256 run,
            uint256[] outputs
        );
        event CallbackFailed(uint256 indexed jobId, uint256 indexed run);
        event CancelRequested(uint256 indexed jobId, uint64 deadline);
        event JobRefunded(
            uint256 indexed jobId, uint256 indexed modelId, address indexed buyer, uint256 amount
        );

        function open(Order calldata order) external payable returns (uint256 jobId);
        function openFor(Order calldata order, address buyer)
            external
            payable
            returns (uint256 jobId);
        function claim(
            uint256 jobId,
            uint256 run,
            address recipient,
            uint256[] calldata outputs,
            bytes calldata proof
        ) external;
        function requestCancel(uint256 jobId) external;
        function refund(uint256 jobId) external;
        function getJob(uint256 jobId) external view returns (Job memory job);
        function outputOf(uint256 jobId) external view returns (uint256 output);
        function isOutput(uint256 jobId, uint256 run, uint256[] calldata outputs)
            external
            view
            returns (bool);
        function isClaimed(uint256 jobId, uint256 run) external view returns (bool);
        function contextOf(uint256 jobId, address recipient) external view returns (uint256 context);
        function jobCount() external view returns (uint256);
        function registry() external view returns (address);
        function allowDevSetup() external view returns (bool);
    }

    /// What every contract that holds money offers.
    #[sol(abi)]
    #[derive(Debug, PartialEq, Eq)]
    interface ICustody {
        event Withdrawn(address indexed token, address indexed account, address to, uint256 amount);

        function withdraw(address token) external returns (uint256 amount);
        function withdrawTo(address token, address to, uint256 amount) external;
        function creditOf(address token, address account) external view returns (uint256 amount);
        function burntOf(address token) external view returns (uint256 amount);
    }

    /// Custom errors of the registries, the escrows and their libraries.
    #[sol(abi)]
    #[derive(Debug, PartialEq, Eq)]
    interface ContractErrors {
        error RegistryMismatch(address expected, address actual);
        error ModelNotFound(uint256 modelId);
        error NotModelOwner(uint256 modelId, address caller);
        error ZeroValue(string field);
        error UriTooLong(uint256 length, uint256 maximum);
        error CommitmentImmutable(uint256 modelId);
        error DeprecatedModel(uint256 modelId);
        error AlreadyBound(uint256 modelId);
        error NotBound(uint256 modelId);
        error BindingMismatch(uint256 modelId, bytes32 expected, bytes32 actual);
        error CodeHashMismatch(address account, bytes32 expected, bytes32 actual);
        error NoCode(address account);
        error MalformedVerifyingKey(address vk);
        error UnknownKeyFormat(address vk, uint256 format);
        error GeneratorMismatch(address vk);
        error AlreadyRegistered(uint256 modelId);
        error WrongStatement(uint256 modelId, bytes32 statement);
        error BatchMismatch(uint256 modelId, uint256 expected, uint256 actual);
        error GasTooLow(uint256 given);
        error VerifierFailed(address verifier);
        error DevSetupRefused(uint256 modelId);
        error PublicInputOutOfRange(uint256 index, uint256 value);
        error ModelHashMismatch(bytes32 expected, bytes32 actual);
        error WrongEtherAmount(uint256 expected, uint256 actual);
        error UnexpectedEther(uint256 amount);
        error WrongTokenAmount(address token, uint256 expected, uint256 actual);
        error InsufficientCredit(address token, uint256 credit, uint256 amount);
        error EtherTransferFailed(address to, uint256 amount);
        error InvalidRecipient(address recipient);
        error JobNotFound(uint256 jobId);
        error JobNotOpen(uint256 jobId);
        error JobNotClaimed(uint256 jobId);
        error SeveralOutputs(uint256 jobId, uint256 run);
        error NotCancellable(uint256 jobId);
        error DeadlineNotLater(uint256 jobId, uint256 deadline);
        error CallbackGasTooLow(uint256 needed, uint256 left);
        error PriceOutOfRange(uint256 price, uint256 maximum);
        error DeadlineOutOfRange(uint256 deadline, uint256 earliest, uint256 latest);
        error HintTooLong(uint256 length, uint256 maximum);
        error DeadlinePassed(uint256 jobId, uint256 deadline);
        error DeadlineNotPassed(uint256 jobId, uint256 deadline);
        error ResultOutOfRange(uint256 correct, uint256 total);
        error ServiceNotFound(bytes32 serviceId);
        error ServiceExists(bytes32 serviceId);
        error ServiceNotActive(bytes32 serviceId);
        error ServiceNotClosing(bytes32 serviceId);
        error NotServiceProvider(bytes32 serviceId, address caller);
        error NoticeNotPassed(bytes32 serviceId, uint256 closableAt);
        error BatchesOpen(bytes32 serviceId, uint256 openBatches);
        error TermOutOfRange(string field, uint256 value, uint256 minimum, uint256 maximum);
        error BondTooSmall(uint256 free, uint256 needed);
        error BatchNotFound(bytes32 batchId);
        error BatchNotPosted(bytes32 batchId);
        error BatchNotContested(bytes32 batchId);
        error NotBatchBuyer(address buyer, address caller);
        error ReceiptUsed(bytes32 batchId);
        error ReceiptExpired(uint256 validUntil);
        error SignatureRejected(address signer);
        error CountOutOfRange(uint256 count, uint256 maximum);
        error ChecksOutOfRange(uint256 checks, uint256 maximum);
        error ItemsNotAscending(uint256 first, uint256 second);
        error PositionOutOfRange(uint256 position, uint256 checks);
        error ItemAlreadyProven(bytes32 batchId, uint256 position);
        error ItemNotInRoot(bytes32 batchId, uint256 index);
        error TermsMismatch(uint256 jobId, bytes32 expected, bytes32 actual);
        error WrongCaller(address expected, address actual);
        error WrongJobState(uint256 jobId, uint256 expected, uint256 actual);
        error Undecided(uint256 jobId);
        error RunOutOfRange(uint256 run, uint256 runs);
        error RunAlreadyProven(uint256 run);
        error AbortFeeOutOfRange(uint256 abortFee, uint256 stake);
        error BondBelowFees(uint256 bond, uint256 needed);
        error SellerNotNamed(address seller);
        error AlreadyEntered(uint256 jobId, uint256 entry);
        error ApprovedOutOfRange(uint256 approved, uint256 entries);
        error BondReturned(uint256 jobId);
        error RequiredOutOfRange(uint256 required, uint256 items);
        error MaxEntriesOutOfRange(uint256 maxEntries, uint256 maximum);
        error KeyListTooLong(uint256 length, uint256 maximum);
        error KeyListMismatch(bytes32 expected, bytes32 actual);
        error KeyNotAdmitted(bytes32 vkHash, bytes32 verifierCodeHash);
        error EntriesFull(uint256 jobId, uint256 maximum);
        error EntriesOpen(uint256 jobId, uint256 enterBy);
        error NoEntries(uint256 jobId);
        error SameBlock(uint256 jobId);
        error EntriesMismatch(uint256 jobId, bytes32 expected, bytes32 actual);
        error EntryNotFound(uint256 jobId, uint256 entry);
        error WrongEntryState(uint256 jobId, uint256 entry, uint256 expected, uint256 actual);
        error EntryEnded(uint256 jobId, uint256 entry);
        error ClaimOutOfRange(uint256 claim, uint256 minimum, uint256 maximum);
        error CorrectOutOfRange(uint256 correct, uint256 items);
        error NotCertifiable(uint256 jobId, uint256 entry);
        error AlreadyCertified(uint256 jobId, uint256 entry);
        error BatchOutOfRange(uint256 batch, uint256 maximum);
        error BitmapOutOfRange(uint256 bitmap, uint256 items);
        error ItemOutOfRange(uint256 index, uint256 items);
        error RunNotProven(uint256 jobId, uint256 run);
        error NotCovered(uint256 jobId, uint256 missing);
        error AddressEmptyCode(address target);
        error FailedCall();
        error InvalidShortString();
        error StringTooLong(string str);
        error ReentrancyGuardReentrantCall();
        error SafeERC20FailedOperation(address token);
        error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value);
    }

    /// What generated verifiers revert with; the escrow passes it on.
    #[sol(abi)]
    interface VerifierErrors {
        error CalldataLength();
        error ProofLength();
        error PublicInputCount();
        error VerifyingKeyFormat();
        error PublicInputNotInField(uint256 index);
        error ScalarNotInField(uint256 offset);
        error PointNotOnCurve(uint256 offset);
        error DegenerateChallenge();
        error PrecompileFailed();
        error ProofInvalid();
    }

    #[sol(rpc)]
    interface IERC20 {
        function approve(address spender, uint256 amount) external returns (bool);
        function allowance(address owner, address spender) external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
    }
}

static ERRORS: LazyLock<BTreeMap<FixedBytes<4>, AbiError>> = LazyLock::new(|| {
    ContractErrors::abi::errors()
        .into_values()
        .chain(VerifierErrors::abi::errors().into_values())
        .flatten()
        .map(|e| (e.selector(), e))
        .collect()
});

/// Name and full text, such as `JobNotOpen(jobId: 3)`, of a known custom error; with a sentence on what
/// to do where the name does not say it.
pub(crate) fn describe_error(data: &[u8]) -> Option<(&'static str, String)> {
    let (selector, body) = data.split_at_checked(4)?;
    let error = ERRORS.get(selector)?;
    let types: Vec<DynSolType> =
        error.inputs.iter().map(|p| p.resolve()).collect::<Result<_, _>>().ok()?;
    let DynSolValue::Tuple(values) = DynSolType::Tuple(types).abi_decode_params(body).ok()? else {
        return None;
    };
    let fields: Vec<String> = error
        .inputs
        .iter()
        .zip(&values)
        .map(|(input, value)| format!("{}: {}", input.name, word(value)))
        .collect();
    let mut text = format!("{}({})", error.name, fields.join(", "));
    if let Some(hint) = hints::hint(&error.name) {
        text = format!("{text}: {hint}");
    }
    Some((&error.name, text))
}

fn word(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(v, _) => v.to_string(),
        DynSolValue::Address(v) => v.to_string(),
        DynSolValue::FixedBytes(v, size) => {
            hex::encode_prefixed(v.get(..*size).unwrap_or(v.as_slice()))
        }
        DynSolValue::String(v) => format!("\"{v}\""),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use alloy::{primitives::U256, sol_types::SolError};

    use super::*;

    #[test]
    fn hints_are_about_known_errors() {
        let known = |name| ERRORS.values().any(|error| error.name == name);
        for (name, hint) in hints::HINTS {
            assert!(known(*name), "{name}");
            assert!(!hint.ends_with('.'), "{name}: it stands inside a sentence");
        }
        let data = ContractErrors::ServiceExists { serviceId: Default::default() }.abi_encode();
        assert!(describe_error(&data).unwrap().1.contains("): give another --salt"));
    }

    #[test]
    fn errors_are_spelled_out() {
        let data = ContractErrors::JobNotFound { jobId: U256::from(3) }.abi_encode();
        assert_eq!(
            describe_error(&data).unwrap(),
            ("JobNotFound", "JobNotFound(jobId: 3)".to_owned())
        );
        let data = ContractErrors::ZeroValue { field: "vkHash".into() }.abi_encode();
        assert_eq!(describe_error(&data).unwrap().1, "ZeroValue(field: \"vkHash\")");
        let data = VerifierErrors::ProofInvalid {}.abi_encode();
        assert_eq!(describe_error(&data).unwrap().0, "ProofInvalid");
        let data = VerifierErrors::PointNotOnCurve { offset: U256::from(64) }.abi_encode();
        assert_eq!(describe_error(&data).unwrap().1, "PointNotOnCurve(offset: 64)");
        assert_eq!(describe_error(&data[..20]), None, "cut short");
        assert_eq!(describe_error(&[1, 2, 3]), None);
    }
}
