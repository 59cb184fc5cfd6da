// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-7992 storage extension (draft of 2025-07-23), ERC-165 id 0x29c6ba89
interface IERCZKMLStorageExtension {
    /// @notice An inference was verified and stored for the first time.
    /// @param inferenceId Its id, see {verifyAndStoreInference}.
    event InferenceStored(bytes32 indexed inferenceId);

    /// @notice Verifies like the verifier's `verifyInference` and keeps the inference.
    /// @dev Errors: those of the verifier's `verifyInference`.
    /// @param modelId The model's id in the registry.
    /// @param inputCommitment Commitment to the input.
    /// @param output The encoded output.
    /// @param proof The proof, made for the caller.
    /// @return inferenceId Hash that the inference is read back by.
    function verifyAndStoreInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external returns (bytes32 inferenceId);

    /// @notice Reads a stored inference; reverts for an unknown id.
    /// @param inferenceId What {verifyAndStoreInference} returned.
    /// @return modelId The model's id in the registry.
    /// @return inputCommitment Commitment to the input.
    /// @return output The encoded output.
    function getInference(bytes32 inferenceId)
        external
        view
        returns (uint256 modelId, bytes32 inputCommitment, bytes memory output);
}
