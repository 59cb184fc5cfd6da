// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-7992 storage extension (draft of 2025-07-23), ERC-165 id 0x29c6ba89
interface IERCZKMLStorageExtension {
    event InferenceStored(bytes32 indexed inferenceId);

    /// @notice Verifies like the verifier's `verifyInference` and keeps the inference.
    function verifyAndStoreInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external returns (bytes32 inferenceId);

    /// @notice Reads a stored inference.
    function getInference(bytes32 inferenceId)
        external
        view
        returns (uint256 modelId, bytes32 inputCommitment, bytes memory output);
}
