// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ICustody} from "./ICustody.sol";
import {IModelVerification} from "./IModelVerification.sol";

/// @title Prediction bounties
/// @notice A buyer escrows a price for the prediction of one committed model on one committed input, or on each item
/// of a committed collection, before a deadline. Whoever holds the model proves the prediction and the proof's
/// recipient is paid. A collection is proven run by run, in any order and by anybody, and paid by run; what nobody has
/// proven in time goes back to the buyer.
///
/// States: Open -> Claimed (a valid proof of each run, up to and including the deadline) or Open -> Refunded (after
/// the deadline). Claimed and Refunded are final. There is no owner, no pause and no upgrade. A buyer cannot cancel at
/// once: it could take the answer from the mempool and not pay for it. With a notice, fixed when the job is opened, it
/// can move the deadline nearer ({requestCancel}), but never so near that a claim which was sent comes too late.
///
/// Public inputs of the proof, each below the scalar modulus r of BN254:
/// [context, inputCommitment, output words] where the model's key is one for one input, and
/// [context, inputCommitment, first item, items of the run, output words] where it is one for runs. Run i holds the
/// items from i * batch on, `batch` being the key's, the last run perhaps fewer. Context =
/// uint256(keccak256(abi.encode(chain id, this contract, job id, recipient))) >> 8. A copied proof therefore pays the
/// same recipient and is void elsewhere. How output words are read is said in {IModelVerification}. Whoever acts on
/// one checks what the job's model states.
///
/// Of an answer of one word the word is kept, of others a hash ({isOutput}); the event JobClaimed holds all words. A
/// buyer's contract may ask to be called with them, see {IPredictionReceiver}: with gas of its own, fixed when the job
/// is opened. That call decides nothing; who claims pays for its gas.
///
/// Times are Unix seconds, amounts are in units of the token (wei for ether). Errors of admission and of a
/// proof are those of IModelVerification, errors of a deposit those of ICustody.
interface IPredictionEscrow is ICustody, IModelVerification {
    /// @notice Where a job stands. Claimed and Refunded are final.
    enum State {
        /// There is no such job.
        None,
        /// The price is in escrow.
        Open,
        /// The predictions were proven; their price was credited to the recipients of the proofs.
        Claimed,
        /// Not all were proven in time; the price of the others was credited to the buyer.
        Refunded
    }

    /// @notice What a buyer orders.
    /// @param modelId Id in the registry. Its meaning cannot change, see IModelRegistry.
    /// @param bindingHash The model's binding hash as the buyer computed it from what it checked: weights'
    /// commitment, circuit, verifying key, verifier and its code. The id does not cover the verifier.
    /// @param inputCommitment Salted Poseidon commitment to the input, or the Poseidon Merkle root of the collection
    /// of inputs; not zero, below r.
    /// @param items Number of inputs: 1 for a model of one input; else at least 1, at most what the tree holds.
    /// @param token ERC-20 token of the price, or the zero address for ether.
    /// @param price What the prover is paid for each input; at least 1, at most 2^96 - 1.
    /// @param deadline Last second in which a proof is accepted; in the future, at most 365 days ahead.
    /// @param notice Seconds between a request to cancel and the deadline; 10 minutes to 30 days, or 0 for none.
    /// @param callbackGas Gas with which the caller, a contract, is told of each run's words; at most 1,000,000, or 0
    /// for no call.
    /// @param hint Where provers find the input or its ciphertext (a URI or inline bytes, at most 4096); only
    /// logged, never interpreted on chain.
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

    /// @notice A job as stored.
    /// @param state Where it stands.
    /// @param buyer Who opened it, and gets a refund.
    /// @param deadline Last second in which a proof is accepted, Unix seconds.
    /// @param modelId Id in the registry.
    /// @param token ERC-20 token of the price, or the zero address for ether.
    /// @param price What the prover is paid for each input, in units of the token (wei for ether).
    /// @param inputCommitment Salted Poseidon commitment to the input, or root of the collection.
    /// @param items Number of inputs.
    /// @param batch Inputs of a run; 0 where the model is one of single inputs.
    /// @param unclaimed Inputs whose price has been paid to no prover.
    /// @param notice Seconds between a request to cancel and the deadline; 0 for none.
    /// @param callbackGas Gas with which the buyer is told of each run's words; 0 for no call.
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

    /// @notice Escrows `order.items * order.price` from the caller. Ether comes with the call, exactly; tokens are taken
    /// by allowance, and a token of which less (or more) than the price arrives is refused.
    /// @dev Errors: PriceOutOfRange, DeadlineOutOfRange, ZeroValue, PublicInputOutOfRange, HintTooLong, TermOutOfRange
    /// (items, notice, callbackGas), NoCode (a callback to an account without code); of admission; of a deposit.
    /// @param order What is ordered; the caller is its buyer.
    /// @return jobId Ids run from 1.
    function open(Order calldata order) external payable returns (uint256 jobId);

    /// @notice {open} for somebody else, whom the caller pays for: refunds are that account's, and so is the right to
    /// cancel. Without a callback, which nobody can order for others.
    /// @dev Errors: as {open}; InvalidRecipient.
    /// @param order What is ordered; `callbackGas` is 0.
    /// @param buyer The job's buyer; neither zero nor this contract.
    /// @return jobId Ids run from 1.
    function openFor(Order calldata order, address buyer) external payable returns (uint256 jobId);

    /// @notice {open} for tokens with ERC-2612. A permit that fails (used by a front-runner, or not known to
    /// the token) is ignored: what counts is the allowance after it.
    /// @dev Errors: as {open}.
    /// @param order What is ordered; the caller is its buyer.
    /// @param permit The caller's signature over the price.
    /// @return jobId Ids run from 1.
    function openWithPermit(Order calldata order, Permit calldata permit) external returns (uint256 jobId);

    /// @notice Shows a proof of a run and credits the price of its items to `recipient`. Open to anyone, up to and
    /// including the deadline. A bad proof reverts and decides nothing. Several runs are claimed at once with
    /// `multicall`.
    /// @dev Errors: JobNotFound, JobNotOpen, DeadlinePassed, InvalidRecipient, RunOutOfRange, RunAlreadyProven; of a
    /// proof; CallbackGasTooLow.
    /// @param jobId The job's id.
    /// @param run 0 for a job of one input; else which run of its collection.
    /// @param recipient Who is paid: the address that the proof names in its context.
    /// @param outputs The output words: the proof's last public inputs; each below r.
    /// @param proof The proof, as the model's verifier takes it.
    function claim(
        uint256 jobId,
        uint256 run,
        address recipient,
        uint256[] calldata outputs,
        bytes calldata proof
    ) external;

    /// @notice Moves the deadline to now plus the job's notice. The buyer only, while that is earlier. Until then
    /// claims are paid as before.
    /// @dev Errors: JobNotFound, JobNotOpen, WrongCaller, NotCancellable, DeadlineNotLater.
    /// @param jobId The job's id.
    function requestCancel(uint256 jobId) external;

    /// @notice Credits the price of what was not claimed back to the job's buyer. Open to anyone, after the deadline.
    /// @dev Errors: JobNotFound, JobNotOpen, DeadlineNotPassed.
    /// @param jobId The job's id.
    function refund(uint256 jobId) external;

    /// @notice Reads a job; reverts for an unknown id.
    /// @param jobId The job's id.
    /// @return job The job as stored.
    function getJob(uint256 jobId) external view returns (Job memory job);

    /// @notice The proven prediction of a job of one input and one word; reverts unless the job was claimed.
    /// @dev Errors: JobNotFound, JobNotClaimed, SeveralOutputs.
    /// @param jobId The job's id.
    /// @return output The word, as the model states, see {IModelVerification}.
    function outputOf(uint256 jobId) external view returns (uint256 output);

    /// @notice Whether these are the words that were proven for a run; reverts unless it was claimed.
    /// @dev Errors: JobNotFound, JobNotClaimed.
    /// @param jobId The job's id.
    /// @param run 0 for a job of one input; else which run of its collection.
    /// @param outputs Words, such as the event JobClaimed holds.
    /// @return Whether they are.
    function isOutput(uint256 jobId, uint256 run, uint256[] calldata outputs) external view returns (bool);

    /// @notice Whether a run was claimed.
    /// @dev Errors: JobNotFound.
    /// @param jobId The job's id.
    /// @param run 0 for a job of one input; else which run of its collection.
    /// @return Whether it was; false past the last run.
    function isClaimed(uint256 jobId, uint256 run) external view returns (bool);

    /// @notice Number of jobs opened so far; ids run from 1 to this number.
    /// @return The latest id.
    function jobCount() external view returns (uint256);
}
