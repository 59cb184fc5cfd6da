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

    /// @notice A model was registered.
    /// @param modelId Its id.
    /// @param owner Who registered it, and alone may change it.
    /// @param commitment What identifies it.
    event ModelRegistered(uint256 indexed modelId, address indexed owner, ModelCommitment commitment);
    /// @notice A model's commitment was changed.
    /// @param modelId Its id.
    /// @param oldCommitment The commitment before.
    /// @param newCommitment The commitment from now on.
    event ModelUpdated(uint256 indexed modelId, ModelCommitment oldCommitment, ModelCommitment newCommitment);
    /// @notice A model was withdrawn from new business, for good.
    /// @param modelId Its id.
    event ModelDeprecated(uint256 indexed modelId);

    /// @notice No model has this id.
    /// @param modelId The id that was asked for.
    error ModelNotFound(uint256 modelId);
    /// @notice Only the model's owner may do this.
    /// @param modelId The model's id.
    /// @param caller Who tried.
    error NotModelOwner(uint256 modelId, address caller);

    /// @notice Registers a model; the caller becomes its owner.
    /// @param commitment What identifies the model; no hash and no proof system id in it is zero.
    /// @return modelId Never 0, never used twice.
    function registerModel(ModelCommitment calldata commitment) external returns (uint256 modelId);

    /// @notice Changes a model's commitment within the registry's update policy. Owner only.
    /// @dev Errors: {ModelNotFound}, {NotModelOwner}, and those of the policy.
    /// @param modelId The model's id.
    /// @param newCommitment The commitment from now on.
    function updateModel(uint256 modelId, ModelCommitment calldata newCommitment) external;

    /// @notice Marks a model as withdrawn from new business, for good. Owner only.
    /// @dev Errors: {ModelNotFound}, {NotModelOwner}; a second time is refused.
    /// @param modelId The model's id.
    function deprecateModel(uint256 modelId) external;

    /// @notice Reads a model; reverts with {ModelNotFound} for an unknown id.
    /// @param modelId The model's id.
    /// @return commitment What identifies the model.
    /// @return deprecated Whether it is withdrawn from new business.
    /// @return owner Who registered it.
    function getModel(uint256 modelId)
        external
        view
        returns (ModelCommitment memory commitment, bool deprecated, address owner);
}
