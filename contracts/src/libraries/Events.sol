// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IAuditEscrow} from "../interfaces/IAuditEscrow.sol";
import {IPredictionEscrow} from "../interfaces/IPredictionEscrow.sol";
import {IRetrievalEscrow} from "../interfaces/IRetrievalEscrow.sol";

/// @title Events of the registries and the escrows
library Events {
    /// @notice A credit was paid out.
    event Withdrawn(address indexed token, address indexed account, address to, uint256 amount);

    /// @notice Money was burnt: it stays in the contract, and nobody can take it out.
    event Burnt(address indexed token, uint256 amount);

    /// @notice A prediction was ordered. Carries all that a prover needs besides the model itself.
    event JobOpened(
        uint256 indexed jobId, uint256 indexed modelId, address indexed buyer, IPredictionEscrow.Order order
    );

    /// @notice A run of a job (its one input, or neighbouring items of its collection) was proven, with these output
    /// words; the price of its items was credited to `recipient`.
    event JobClaimed(
        uint256 indexed jobId,
        uint256 indexed modelId,
        address indexed recipient,
        uint256 run,
        uint256[] outputs
    );

    /// @notice The buyer's contract failed when it was told of a run's words; the payment stands.
    event CallbackFailed(uint256 indexed jobId, uint256 indexed run);

    /// @notice The buyer asked for an end: claims are taken until `deadline`, which is earlier than before.
    event CancelRequested(uint256 indexed jobId, uint64 deadline);

    /// @notice The time for claims is over: what was not proven, `amount` in all, was credited back to `buyer`.
    event JobRefunded(uint256 indexed jobId, uint256 indexed modelId, address indexed buyer, uint256 amount);

    // Certified results

    /// @notice `certifier` states that `correct` of `total` items of the test set were proven correct.
    event ResultRecorded(
        address indexed certifier,
        uint256 indexed modelId,
        uint256 indexed testSetRoot,
        bytes32 metric,
        uint64 correct,
        uint64 total
    );

    // Services with spot checks

    /// @notice A provider offers a service. The terms are read from the contract.
    event ServiceOpened(
        bytes32 indexed serviceId, address indexed provider, uint256 indexed modelId, uint256 bond
    );

    /// @notice The bond of a service grew.
    event BondIncreased(bytes32 indexed serviceId, address indexed from, uint256 amount);

    /// @notice The service takes no new business; its bond is returned from `closableAt` on.
    event NoticeGiven(bytes32 indexed serviceId, uint64 closableAt);

    /// @notice The bond, or what was left of it, was credited to the provider.
    event ServiceClosed(bytes32 indexed serviceId, uint256 bond);

    /// @notice A receipt was posted and its price paid in. Carries all of the receipt, which later calls repeat.
    event BatchPosted(
        bytes32 indexed batchId,
        bytes32 indexed serviceId,
        address indexed buyer,
        bytes32 root,
        uint256 count,
        uint256 price,
        uint256 nonce,
        uint256 validUntil,
        uint64 contestBy
    );

    /// @notice The items with these indices have to be proven until `deadline`. Carries what a prover needs
    /// to act at once.
    event BatchContested(
        bytes32 indexed batchId, bytes32 indexed serviceId, uint256[] indices, uint64 deadline
    );

    /// @notice A contested item was proven, or a contested run of items, with these output words.
    event ItemProven(bytes32 indexed batchId, uint256 position, uint256[] outputs);

    /// @notice All contested items were proven; until `contestBy` the buyer may contest others.
    event ContestUpheld(bytes32 indexed batchId, bytes32 indexed serviceId, uint64 contestBy);

    /// @notice The batch's price was credited to the provider: the time for contests has passed, and all contested
    /// items were proven.
    event BatchPaid(bytes32 indexed batchId, bytes32 indexed serviceId, uint256 price);

    /// @notice `unproven` contested items were not proven in time; `compensation` was credited to the buyer.
    event BatchPunished(
        bytes32 indexed batchId, bytes32 indexed serviceId, uint256 unproven, uint256 compensation
    );

    // Audits

    /// @notice An audit was ordered. Carries all that sellers need, and what later calls repeat.
    event AuditOpened(
        uint256 indexed jobId, address indexed buyer, IAuditEscrow.Terms terms, bytes32[] admitted, bytes hint
    );

    /// @notice A seller entered its model. `entriesHash` covers this entry and all before it.
    event AuditEntered(
        uint256 indexed jobId,
        address indexed seller,
        uint256 indexed modelId,
        uint256 entry,
        bytes32 bindingHash,
        uint256 batch,
        bytes encryptionKey,
        bytes32 entriesHash
    );

    /// @notice The encrypted test set was published, for the entries in `approved`, a bit each.
    event AuditDelivered(uint256 indexed jobId, uint256 approved, bytes32 dataHash, bytes place);

    /// @notice The buyer was credited what is left of its bond; `lost` of it was burnt.
    event AuditBondReturned(uint256 indexed jobId, uint256 lost);

    /// @notice A seller confirmed the delivery, and claims that so many items are correct.
    event EntryAccepted(uint256 indexed jobId, uint256 indexed entry, uint256 claim);

    /// @notice A run of an entry was proven, with so many items correct.
    event AuditRunProven(uint256 indexed jobId, uint256 indexed entry, uint256 run, uint256 correct);

    /// @notice An entry ended in `state`, which says where its stake is: credited to the seller if Returned (with
    /// a share of the bond if nothing was delivered); if Forfeited or Aborted, the abort fee was burnt, and the
    /// rest credited to the buyer or to the seller.
    event EntrySettled(uint256 indexed jobId, uint256 indexed entry, IAuditEscrow.EntryState state);

    /// @notice A job ended in `state`. The reward was credited to the seller of entry `winner`, or to the buyer
    /// if that is zero.
    event AuditSettled(uint256 indexed jobId, IAuditEscrow.State state, uint256 winner);

    /// @notice The result of an entry was recorded.
    event ResultCertified(
        uint256 indexed jobId, uint256 indexed modelId, uint256 entry, uint256 correct, uint256 total
    );

    // Retrievals

    /// @notice A retrieval was ordered. Carries all that the holder needs, and what later calls repeat.
    event RetrievalOpened(
        uint256 indexed jobId,
        address indexed requester,
        address indexed holder,
        IRetrievalEscrow.Terms terms,
        bytes32 bindingHash,
        bytes hint
    );

    /// @notice A run of the collection was proven: bit j of `bitmap` says whether its item j is selected.
    event RetrievalRunProven(uint256 indexed jobId, uint256 indexed run, uint256 bitmap);

    /// @notice The holder published the openings of the selected items.
    event OpeningsPublished(uint256 indexed jobId, bytes32 dataHash, bytes place);

    /// @notice A job ended in `state`; the price was credited to `recipient`, the holder or the requester.
    event RetrievalSettled(uint256 indexed jobId, IRetrievalEscrow.State state, address recipient);
}
