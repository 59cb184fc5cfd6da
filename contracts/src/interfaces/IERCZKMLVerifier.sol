// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-7992 inference verifier (draft of 2025-07-23)
/// @dev ERC-165 id 0x5df65472 with the two optional views below, 0x80b171ef for {verifyInference} alone.
interface IERCZKMLVerifier {
    event InferenceVerified(
        uint256 indexed modelId, bytes32 indexed inputCommitment, bytes output, address indexed caller
    );

    error InvalidProof();
    error ModelMismatch();
    error InputCommitmentMismatch();
    error OutputMismatch();
    error UnsupportedProofSystem(bytes4 proofSystemId);
    error VerificationRefused_ModelDeprecated(uint256 modelId);

    /// @notice Reverts unless `proof` shows that the model answers `output` to the committed input.
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice Proof system of a model's proofs (optional in the standard).
    function proofSystemOf(uint256 modelId) external view returns (bytes4);

    /// @notice The registry whose models are verified (optional in the standard).
    function registry() external view returns (address registryAddress);
}
