// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-7992 model registry (draft of 2025-07-23), ERC-165 id 0xd28519b1
/// @dev The published text declares `ModelDeprecated` both as an event and as an error, which does not
/// compile. The event is kept, the error dropped.
interface IERCZKMLRegistry {
    /// @notice What identifies a model.
    /// @param modelHash Commitment to the weights: keccak256 of the weight columns' commitment points.
    /// @param circuitHash keccak256 of the published architecture file.
    /// @param vkHash EXTCODEHASH of the verifying key's data contract, keccak256(0x00 ++ key bytes).
    /// @param proofSystemId First four bytes of keccak256 of the proof system's name.
    /// @param uri Where the architecture and the description are found; never trusted.
    struct ModelCommitment {
        bytes32 modelHash;
        bytes32 circuitHash;
        bytes32 vkHash;
        bytes4 proofSystemId;
        string uri;
    }

    event ModelRegistered(uint256 indexed modelId, address indexed owner, ModelCommitment commitment);
    event ModelUpdated(uint256 indexed modelId, ModelCommitment oldCommitment, ModelCommitment newCommitment);
    event ModelDeprecated(uint256 indexed modelId);

    error ModelNotFound(uint256 modelId);
    error NotModelOwner(uint256 modelId, address caller);

    /// @notice Registers a model; the caller becomes its owner.
    /// @return modelId Never 0, never used twice.
    function registerModel(ModelCommitment calldata commitment) external returns (uint256 modelId);

    /// @notice Changes a model's commitment within the registry's update policy. Owner only.
    function updateModel(uint256 modelId, ModelCommitment calldata newCommitment) external;

    /// @notice Marks a model as withdrawn from new business, for good. Owner only.
    function deprecateModel(uint256 modelId) external;

    /// @notice Reads a model; reverts with {ModelNotFound} for an unknown id.
    function getModel(uint256 modelId)
        external
        view
        returns (ModelCommitment memory commitment, bool deprecated, address owner);
}
