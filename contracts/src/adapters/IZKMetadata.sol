// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-8084 zero-knowledge proof metadata (draft of 2025-11-10)
interface IZKMetadata {
    event CircuitMetadataUpdated(bytes32 indexed circuitId, uint64 circuitVersion, bytes4 proofSystem);

    /// @notice Content hash of the artifact that the verifying key is derived from.
    function circuitId() external view returns (bytes32);

    /// @notice Major version in the high 32 bits, minor in the low ones.
    function circuitVersion() external view returns (uint64);

    /// @notice Hash of the document at {publicInputsSchemaURI}.
    function publicInputsSchemaHash() external view returns (bytes32);

    /// @notice Where the meaning of the public inputs is written down.
    function publicInputsSchemaURI() external view returns (string memory);

    /// @notice Where the verifying key is found.
    function verificationKeyURI() external view returns (string memory);

    /// @notice 3 stands for Halo2.
    function proofSystem() external view returns (bytes4);
}
