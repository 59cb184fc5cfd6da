// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ICustody} from "./ICustody.sol";
import {IModelVerification} from "./IModelVerification.sol";

/// @title Prediction bounties
/// @notice A buyer escrows a price for the prediction of one committed model on one committed input before
/// a deadline. Whoever holds the model proves the prediction and the proof's recipient is paid; if nobody
/// does, the price goes back to the buyer.
///
/// States: Open -> Claimed (a valid proof, up to and including the deadline) or Open -> Refunded (after the
/// deadline). Claimed and Refunded are final. There is no owner, no pause, no upgrade and no cancellation:
/// a buyer who could cancel could take the answer from the mempool and not pay for it.
///
/// Public inputs of the proof, each below the scalar modulus r of BN254:
/// [context, inputCommitment, output], context = uint256(keccak256(abi.encode(chain id, this contract,
/// job id, recipient))) >> 8. A copied proof therefore pays the same recipient and is void elsewhere. The model's
/// key is one for the class, or the one number, of a committed input: which, and how the output is read, is said in
/// {IModelVerification}. Whoever acts on an output checks which of the two the job's model states.
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
        /// The prediction was proven; the price was credited to the recipient of the proof.
        Claimed,
        /// Nobody proved it in time; the price was credited to the buyer.
        Refunded
    }

    /// @notice What a buyer orders.
    /// @param modelId Id in the registry. Its meaning cannot change, see IModelRegistry.
    /// @param bindingHash The model's binding hash as the buyer computed it from what it checked: weights'
    /// commitment, circuit, verifying key, verifier and its code. The id does not cover the verifier.
    /// @param inputCommitment Salted Poseidon commitment to the input; not zero, below r.
    /// @param token ERC-20 token of the price, or the zero address for ether.
    /// @param price What the prover is paid; at least 1, at most 2^96 - 1.
    /// @param deadline Last second in which a proof is accepted; in the future, at most 365 days ahead.
    /// @param hint Where provers find the input or its ciphertext (a URI or inline bytes, at most 4096); only
    /// logged, never interpreted on chain.
    struct Order {
        uint256 modelId;
        bytes32 bindingHash;
        uint256 inputCommitment;
        address token;
        uint256 price;
        uint64 deadline;
        bytes hint;
    }

    /// @notice A job as stored.
    /// @param state Where it stands.
    /// @param buyer Who opened it, and gets a refund.
    /// @param deadline Last second in which a proof is accepted, Unix seconds.
    /// @param modelId Id in the registry.
    /// @param token ERC-20 token of the price, or the zero address for ether.
    /// @param price What the prover is paid, in units of the token (wei for ether).
    /// @param inputCommitment Salted Poseidon commitment to the input.
    /// @param output The proven class or number, see {IModelVerification}; it has a meaning in state Claimed only.
    struct Job {
        State state;
        address buyer;
        uint64 deadline;
        uint256 modelId;
        address token;
        uint256 price;
        uint256 inputCommitment;
        uint256 output;
    }

    /// @notice Escrows `order.price` from the caller. Ether comes with the call, exactly; tokens are taken
    /// by allowance, and a token of which less (or more) than the price arrives is refused.
    /// @dev Errors: PriceOutOfRange, DeadlineOutOfRange, ZeroValue, PublicInputOutOfRange, HintTooLong; of
    /// admission; of a deposit.
    /// @param order What is ordered; the caller is its buyer.
    /// @return jobId Ids run from 1.
    function open(Order calldata order) external payable returns (uint256 jobId);

    /// @notice {open} for tokens with ERC-2612. A permit that fails (used by a front-runner, or not known to
    /// the token) is ignored: what counts is the allowance after it.
    /// @dev Errors: as {open}.
    /// @param order What is ordered; the caller is its buyer.
    /// @param permit The caller's signature over the price.
    /// @return jobId Ids run from 1.
    function openWithPermit(Order calldata order, Permit calldata permit) external returns (uint256 jobId);

    /// @notice Shows a proof and credits the price to `recipient`. Open to anyone, up to and including the
    /// deadline. A bad proof reverts and decides nothing.
    /// @dev Errors: JobNotFound, JobNotOpen, DeadlinePassed, InvalidRecipient; of a proof.
    /// @param jobId The job's id.
    /// @param recipient Who is paid: the address that the proof names in its context.
    /// @param output The predicted class, or the number + 2^15: the proof's third public input; below r.
    /// @param proof The proof, as the model's verifier takes it.
    function claim(uint256 jobId, address recipient, uint256 output, bytes calldata proof) external;

    /// @notice Credits the price back to the buyer of an unclaimed job. Open to anyone, after the deadline.
    /// @dev Errors: JobNotFound, JobNotOpen, DeadlineNotPassed.
    /// @param jobId The job's id.
    function refund(uint256 jobId) external;

    /// @notice Reads a job; reverts for an unknown id.
    /// @param jobId The job's id.
    /// @return job The job as stored.
    function getJob(uint256 jobId) external view returns (Job memory job);

    /// @notice The proven prediction of a job; reverts unless the job was claimed.
    /// @dev Errors: JobNotFound, JobNotClaimed.
    /// @param jobId The job's id.
    /// @return output The class, or the number + 2^15, as the model states, see {IModelVerification}.
    function outputOf(uint256 jobId) external view returns (uint256 output);

    /// @notice Number of jobs opened so far; ids run from 1 to this number.
    /// @return The latest id.
    function jobCount() external view returns (uint256);
}
