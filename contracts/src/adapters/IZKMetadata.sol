// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title ERC-8084 zero-knowledge proof metadata (draft of 2025-11-10)
interface IZKMetadata {
    /// @notice The metadata were set.
    /// @param circuitId See {circuitId}.
    /// @param circuitVersion See {circuitVersion}.
    /// @param proofSystem See {proofSystem}.
    event CircuitMetadataUpdated(bytes32 indexed circuitId, uint64 circuitVersion, bytes4 proofSystem);

    /// @notice Content hash of the artifact that the verifying key is derived from.
    /// @return keccak256 of that artifact: here of the published architecture file.
    function circuitId() external view returns (bytes32);

    /// @notice Version of the circuit.
    /// @return Major version in the high 32 bits, minor in the low ones.
    function circuitVersion() external view returns (uint64);

    /// @notice Hash of the document at {publicInputsSchemaURI}.
    /// @return Keccak-256 of its bytes.
    function publicInputsSchemaHash() external view returns (bytes32);

    /// @notice Where the meaning of the public inputs is written down.
    /// @return Content-addressed; an HTTPS address ends in `#0x` and the document's Keccak-256 hash.
    function publicInputsSchemaURI() external view returns (string memory);

    /// @notice Where the verifying key is found.
    /// @return Content-addressed; an HTTPS address ends in `#0x` and the key's Keccak-256 hash.
    function verificationKeyURI() external view returns (string memory);

    /// @notice The standard's code of the proof system.
    /// @return 0x00000003 stands for Halo2.
    function proofSystem() external view returns (bytes4);
}
