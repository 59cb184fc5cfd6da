// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-7992 inference verifier (draft of 2025-07-23)
/// @dev ERC-165 id 0x5df65472 with the two optional views below, 0x80b171ef for {verifyInference} alone.
interface IERCZKMLVerifier {
    /// @notice A proof was verified.
    /// @param modelId The model's id in the registry.
    /// @param inputCommitment Commitment to the input.
    /// @param output The encoded output.
    /// @param caller Who showed the proof, and whom it was made for.
    event InferenceVerified(
        uint256 indexed modelId, bytes32 indexed inputCommitment, bytes output, address indexed caller
    );

    /// @notice The proof is not valid for this input, output and caller.
    error InvalidProof();
    /// @notice The proof is about other weights, or the code of the model's key or verifier has changed.
    error ModelMismatch();
    /// @notice No proof can be about this input commitment.
    error InputCommitmentMismatch();
    /// @notice No proof can be about this output.
    error OutputMismatch();
    /// @notice The model's proofs are of a system that is not verified here.
    /// @param proofSystemId The model's proof system.
    error UnsupportedProofSystem(bytes4 proofSystemId);
    /// @notice The model is withdrawn from new business.
    /// @param modelId The model's id.
    error VerificationRefused_ModelDeprecated(uint256 modelId);

    /// @notice Reverts unless `proof` shows that the model answers `output` to the committed input.
    /// @dev Errors: those above, and those of the registry.
    /// @param modelId The model's id in the registry.
    /// @param inputCommitment Commitment to the input.
    /// @param output The encoded output.
    /// @param proof The proof, made for the caller.
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice Proof system of a model's proofs (optional in the standard).
    /// @param modelId The model's id in the registry.
    /// @return First four bytes of keccak256 of the proof system's name.
    function proofSystemOf(uint256 modelId) external view returns (bytes4);

    /// @notice The registry whose models are verified (optional in the standard).
    /// @return registryAddress Address of the registry (IERCZKMLRegistry).
    function registry() external view returns (address registryAddress);
}
