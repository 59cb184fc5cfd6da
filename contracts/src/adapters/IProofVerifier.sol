// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-8274 proof verifier (draft of 2026-05-26, PR 1771 of ethereum/ERCs), ERC-165 id 0x86761e49
interface IProofVerifier {
    /// @notice Whether `proof` shows the answer to an input. What is hashed how is the verifier's to say.
    /// @param inputHash Hash of, or commitment to, the input.
    /// @param outputHash Hash of the answer.
    /// @param metadata More for the verifier, e.g. which model.
    /// @param proof The proof, as the verifier takes it.
    /// @return Whether the proof is valid; a verifier may revert instead of answering false.
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        returns (bool);

    /// @notice The proof system, as "paradigm/variant".
    /// @return E.g. "zk/halo2-kzg".
    function proofSystem() external view returns (string memory);

    /// @notice Identifies this deployment.
    /// @return keccak256 over {proofSystem} and a constant of the deployment.
    function proofProfile() external view returns (bytes32);
}
