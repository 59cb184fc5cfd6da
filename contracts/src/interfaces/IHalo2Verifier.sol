// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Halo2 (KZG, BN254, SHPLONK) proof verifier of one column profile
/// @notice The generated verifier holds the logic for every model of a profile. What differs between
/// models is the verifying key, which lives in a data contract of its own.
interface IHalo2Verifier {
    /// @notice Checks a proof. Reverts with a custom error on any failure; it never returns for a bad proof.
    /// @param vk Data contract of the verifying key: its runtime code is 0x00 followed by the key's bytes.
    /// The verifier does not know which key is the right one: callers pin it by EXTCODEHASH.
    /// @param proof The proof, exactly as long as the key demands.
    /// @param publicInputs Public inputs in the order of the statement, each below the scalar modulus of BN254.
    /// @return weightsHash keccak256 of the proof's first W points (64 bytes each), the commitments to the
    /// weight columns: this is the model's identity, and callers compare it with the one they expect.
    function verify(address vk, bytes calldata proof, uint256[] calldata publicInputs)
        external
        view
        returns (bytes32 weightsHash);
}
