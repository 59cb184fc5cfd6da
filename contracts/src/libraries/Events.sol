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
}
