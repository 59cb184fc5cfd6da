// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Events of the registries and the escrows
library Events {
    /// @notice A credit was paid out.
    event Withdrawn(address indexed token, address indexed account, address to, uint256 amount);

    /// @notice A prediction was ordered. Carries all that a prover needs besides the model itself.
    event JobOpened(
        uint256 indexed jobId,
        uint256 indexed modelId,
        address indexed buyer,
        bytes32 bindingHash,
        uint256 inputCommitment,
        address token,
        uint256 price,
        uint64 deadline,
        bytes hint
    );

    /// @notice A prediction was proven and `price` of the job credited to `recipient`.
    event JobClaimed(
        uint256 indexed jobId, uint256 indexed modelId, address indexed recipient, uint256 output
    );

    /// @notice Nobody proved the prediction in time; the price was credited back to `buyer`.
    event JobRefunded(uint256 indexed jobId, uint256 indexed modelId, address indexed buyer);

    // Links and certified results

    /// @notice Two models were shown to hold the same weights, by the contracts with these code hashes.
    event ModelsLinked(
        uint256 indexed modelA,
        uint256 indexed modelB,
        bytes32 indexed linkId,
        bytes32 vkHashA,
        bytes32 verifierCodeHashA,
        bytes32 vkHashB,
        bytes32 verifierCodeHashB,
        bool devSetup
    );

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

    /// @notice A receipt was posted and its price paid in.
    event BatchPosted(
        bytes32 indexed batchId,
        bytes32 indexed serviceId,
        address indexed buyer,
        bytes32 root,
        uint256 count,
        uint256 price,
        uint64 deadline,
        uint256 drawBlock
    );

    /// @notice The items with these indices have to be proven until `deadline`. Carries what a prover needs
    /// to act at once.
    event BatchContested(
        bytes32 indexed batchId, bytes32 indexed serviceId, uint256[] indices, uint64 deadline
    );

    /// @notice A drawn item was proven.
    event ItemProven(bytes32 indexed batchId, uint256 position, uint256 output);

    /// @notice The batch's price was credited to the provider, after no contest or after the last proof.
    event BatchPaid(bytes32 indexed batchId, bytes32 indexed serviceId, uint256 price);

    /// @notice `unproven` drawn items were not proven in time; `compensation` was credited to the buyer.
    event BatchPunished(
        bytes32 indexed batchId, bytes32 indexed serviceId, uint256 unproven, uint256 compensation
    );
}
