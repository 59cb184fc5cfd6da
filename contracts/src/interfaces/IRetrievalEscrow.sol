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
/// being bit 0, says whether item first index + j is selected.
///
/// Of the terms only the hash is stored: calls on a job repeat them, and they are found in its
/// RetrievalOpened event. Times are Unix seconds, amounts are in units of the token (wei for ether).
interface IRetrievalEscrow is ICustody, IModelVerification {
    enum State {
        None,
        Open,
        Paid,
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
    /// @param batch Items that one proof covers, a property of the model's verifying key; in [1, 248].
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
    /// @param items Number of items in the collection.
    /// @param batch Items of a run.
    /// @param missing Number of runs not yet proven.
    /// @param anySelected Whether a proven run selects an item.
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
    /// @param bindingHash The model's binding hash as the requester computed it from what it checked: that
    /// the verifying key is that of the wanted predicate and statement, and the verifier of a trusted build.
    /// @param hint For the holder, e.g. a key to encrypt openings to (at most 4096 bytes); only logged.
    /// @return jobId Ids run from 1.
    function open(Terms calldata terms, bytes32 bindingHash, bytes calldata hint)
        external
        payable
        returns (uint256 jobId);

    /// @notice {open} for tokens with ERC-2612. A permit that fails is ignored: what counts is the allowance.
    function openWithPermit(
        Terms calldata terms,
        bytes32 bindingHash,
        bytes calldata hint,
        Permit calldata permit
    ) external returns (uint256 jobId);

    /// @notice Shows which items of a run are selected. Open to anyone, up to `proveBy`, once for each run, in
    /// any order. A bad proof reverts and decides nothing.
    /// @param run Run i covers the items from i * batch up to, not including, min(items, (i + 1) * batch).
    /// @param bitmap The proof's bitmap; below 2^items of the run.
    function prove(uint256 jobId, Terms calldata terms, uint256 run, uint256 bitmap, bytes calldata proof)
        external;

    /// @notice The holder publishes the openings of the selected items and is paid. Up to `openBy`, when the
    /// whole collection is covered.
    /// @param dataHash keccak256 of the (encrypted) openings; not zero.
    /// @param place Where they are (a URI or inline bytes, at most 4096); only logged.
    function publish(uint256 jobId, Terms calldata terms, bytes32 dataHash, bytes calldata place) external;

    /// @notice Ends a job that nothing else will end. Open to anyone. Pays the holder if the whole collection
    /// is covered and nothing selected; refunds the requester after `proveBy` if runs are missing, after
    /// `openBy` if nothing was published.
    function settle(uint256 jobId, Terms calldata terms) external;

    /// @notice Whether an item is selected, also after the end of the job; reverts as long as its run is not
    /// proven.
    function selected(uint256 jobId, uint256 index) external view returns (bool);

    /// @notice The proven bitmap of a run; reverts as long as there is none.
    function bitmapOf(uint256 jobId, uint256 run) external view returns (uint256 bitmap);

    /// @notice Reads a job; reverts for an unknown id.
    function getJob(uint256 jobId) external view returns (Job memory job);

    /// @notice Number of jobs opened so far; ids run from 1 to this number.
    function jobCount() external view returns (uint256);
}
