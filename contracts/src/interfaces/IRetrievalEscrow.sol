// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ICustody} from "./ICustody.sol";
import {IModelVerification} from "./IModelVerification.sol";

/// @title Retrieval from a committed collection
/// @notice A requester pays the holder of a committed collection for saying which of its items a predicate
/// model selects. The holder proves the selection run by run; when the whole collection is covered it
/// publishes the openings of the selected items against the root and is paid.
///
/// States: Open -> Paid (everything proven by `proveBy`, and openings published by `openBy` or nothing
/// selected) or Open -> Refunded. Both are final. There is no owner, no pause, no upgrade and no cancellation.
///
/// What is enforced: the selection, completely. No item can be left out or added, whatever the holder wants
/// to show or to hide, and it is public on chain. What is not: the openings' content. The contract sees only
/// that the holder stated a hash and a place. A holder that publishes something else is paid; the requester
/// can show it to others by the hash, the root and the selection, but not to the contract.
///
/// Public inputs of a run's proof, each below the scalar modulus r of BN254: [context, collectionRoot, first
/// index, items, bitmap]; context = {contextOf}(job id, holder). Bit j of the bitmap, the least significant
/// being bit 0, says whether item first index + j is selected. The model's key is one of retrieval.
///
/// Of the terms only the hash is stored: calls on a job repeat them, and they are found in its
/// RetrievalOpened event; with others they revert with TermsMismatch, for an unknown id with JobNotFound. Times
/// are Unix seconds, amounts are in units of the token (wei for ether). Errors of admission and of a proof are
/// those of IModelVerification, errors of a deposit those of ICustody.
interface IRetrievalEscrow is ICustody, IModelVerification {
    /// @notice Where a job stands. Paid and Refunded are final.
    enum State {
        /// There is no such job.
        None,
        /// The price is in escrow.
        Open,
        /// The price was credited to the holder.
        Paid,
        /// Runs or openings were missing in time; the price was credited to the requester.
        Refunded
    }

    /// @notice What the requester orders; fixed when the job is opened.
    /// @param requester The caller of {open}.
    /// @param holder Who is paid; the proofs are bound to it.
    /// @param token ERC-20 token of the price, or the zero address for ether.
    /// @param price What the holder is paid; not zero.
    /// @param modelId Id of the predicate model in the registry. Its meaning cannot change.
    /// @param collectionRoot Poseidon Merkle root of the collection; not zero, below r.
    /// @param items Number of items in the collection; at least 1.
    /// @param batch Items that one proof covers, as the model's verifying key says; at most 248.
    /// @param proveBy Last second in which runs are proven; in the future.
    /// @param openBy Last second in which openings are published; after `proveBy`, at most 365 days ahead.
    struct Terms {
        address requester;
        address holder;
        address token;
        uint96 price;
        uint256 modelId;
        uint256 collectionRoot;
        uint32 items;
        uint16 batch;
        uint64 proveBy;
        uint64 openBy;
    }

    /// @notice A job as stored.
    /// @param state Where it stands.
    /// @param items Number of items in the collection.
    /// @param batch Items of a run.
    /// @param missing Number of runs not yet proven.
    /// @param anySelected Whether a proven run selects an item.
    /// @param termsHash keccak256(abi.encode(terms)).
    struct Job {
        State state;
        uint256 items;
        uint256 batch;
        uint256 missing;
        bool anySelected;
        bytes32 termsHash;
    }

    /// @notice Opens a job and escrows the price from the caller. Ether comes with the call, exactly; tokens
    /// are taken by allowance, and a token of which another amount arrives is refused.
    /// @dev Errors: WrongCaller, InvalidRecipient, ZeroValue, PublicInputOutOfRange, BatchOutOfRange,
    /// DeadlineOutOfRange, HintTooLong; of admission; of a deposit.
    /// @param terms What is ordered; the caller is its requester.
    /// @param bindingHash The model's binding hash as the requester computed it from what it checked: that
    /// the verifying key is that of the wanted predicate and statement, and the verifier of a trusted build.
    /// @param hint For the holder, e.g. a key to encrypt openings to (at most 4096 bytes); only logged.
    /// @return jobId Ids run from 1.
    function open(Terms calldata terms, bytes32 bindingHash, bytes calldata hint)
        external
        payable
        returns (uint256 jobId);

    /// @notice {open} for tokens with ERC-2612. A permit that fails is ignored: what counts is the allowance.
    /// @dev Errors: as {open}.
    /// @param terms As in {open}.
    /// @param bindingHash As in {open}.
    /// @param hint As in {open}.
    /// @param permit The caller's signature over the price.
    /// @return jobId Ids run from 1.
    function openWithPermit(
        Terms calldata terms,
        bytes32 bindingHash,
        bytes calldata hint,
        Permit calldata permit
    ) external returns (uint256 jobId);

    /// @notice Shows which items of a run are selected. Open to anyone, up to `proveBy`, once for each run, in
    /// any order. A bad proof reverts and decides nothing.
    /// @dev Errors: JobNotOpen, DeadlinePassed, RunOutOfRange, RunAlreadyProven, BitmapOutOfRange; of a
    /// proof.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param run Run i covers the items from i * batch up to, not including, min(items, (i + 1) * batch).
    /// @param bitmap The proof's bitmap; below 2^items of the run.
    /// @param proof The proof, as the model's verifier takes it.
    function prove(uint256 jobId, Terms calldata terms, uint256 run, uint256 bitmap, bytes calldata proof)
        external;

    /// @notice The holder publishes the openings of the selected items and is paid. Up to `openBy`, when the
    /// whole collection is covered.
    /// @dev Errors: JobNotOpen, WrongCaller, DeadlinePassed, NotCovered, ZeroValue, HintTooLong.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param dataHash keccak256 of the (encrypted) openings; not zero.
    /// @param place Where they are (a URI or inline bytes, at most 4096); only logged.
    function publish(uint256 jobId, Terms calldata terms, bytes32 dataHash, bytes calldata place) external;

    /// @notice Ends a job that nothing else will end. Open to anyone. Pays the holder if the whole collection
    /// is covered and nothing selected; refunds the requester after `proveBy` if runs are missing, after
    /// `openBy` if nothing was published.
    /// @dev Errors: JobNotOpen, DeadlineNotPassed.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    function settle(uint256 jobId, Terms calldata terms) external;

    /// @notice Whether an item is selected, also after the end of the job; reverts as long as its run is not
    /// proven.
    /// @dev Errors: JobNotFound, ItemOutOfRange, RunNotProven.
    /// @param jobId The job's id.
    /// @param index Index of the item in the collection, from 0.
    /// @return Whether the model selects it.
    function selected(uint256 jobId, uint256 index) external view returns (bool);

    /// @notice The proven bitmap of a run; reverts as long as there is none.
    /// @dev Errors: RunNotProven.
    /// @param jobId The job's id.
    /// @param run Index of the run, from 0.
    /// @return bitmap Bit j says whether item run * batch + j is selected.
    function bitmapOf(uint256 jobId, uint256 run) external view returns (uint256 bitmap);

    /// @notice Reads a job; reverts for an unknown id.
    /// @dev Errors: JobNotFound.
    /// @param jobId The job's id.
    /// @return job The job as stored.
    function getJob(uint256 jobId) external view returns (Job memory job);

    /// @notice Number of jobs opened so far; ids run from 1 to this number.
    /// @return The latest id.
    function jobCount() external view returns (uint256);
}
