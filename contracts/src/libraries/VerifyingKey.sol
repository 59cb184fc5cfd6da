// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";
import {Statement, Statements} from "./Statement.sol";

/// @title Data contract of a verifying key
/// @notice Runtime code: the statement (32 bytes, the first of them STOP, which keeps the data from ever running,
/// so that it can neither change nor vanish), seven words on the circuit (224 bytes), [1]_2 and [s]_2 of the
/// trusted setup (128 bytes each, in the order of EIP-197), then commitments, 64 bytes each.
library VerifyingKey {
    /// @dev Bytes before the commitments; what has no commitments is no key.
    uint256 private constant HEADER_LENGTH = 512;
    uint256 private constant POINTS_OFFSET = 256;

    /// @dev keccak256 of the generator of G2: x and y, the imaginary part of each first (EIP-197).
    bytes32 private constant GENERATOR_HASH = keccak256(
        abi.encode(
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        )
    );

    /// @notice What proofs of the key state; refuses accounts that are no key, and keys of another format.
    function statementOf(address vk) internal view returns (Statement statement) {
        if (vk.code.length <= HEADER_LENGTH) revert Errors.MalformedVerifyingKey(vk);
        bytes32 word;
        assembly ("memory-safe") {
            extcodecopy(vk, 0x00, 0x00, 0x20)
            word := mload(0x00)
        }
        statement = Statement.wrap(word);
        if (word[0] != 0) revert Errors.MalformedVerifyingKey(vk);
        uint256 format = statement.format();
        if (format != Statements.FORMAT) revert Errors.UnknownKeyFormat(vk, format);
        if (!statement.isWellFormed()) revert Errors.MalformedVerifyingKey(vk);
    }

    /// @notice keccak256 of the key's [s]_2, by which its trusted setup is known. Refuses a key whose [1]_2 is
    /// not the generator: a verifier compares e(., [s]_2) with e(., [1]_2), so with [1]_2 = t^-1 [s]_2 the secret
    /// is t, of whoever chose it, and that [s]_2 is of a ceremony means nothing.
    function setupIdOf(address vk) internal view returns (bytes32 setupId) {
        bytes32 generatorHash;
        assembly ("memory-safe") {
            let start := mload(0x40)
            extcodecopy(vk, start, POINTS_OFFSET, 0x100)
            generatorHash := keccak256(start, 0x80)
            setupId := keccak256(add(start, 0x80), 0x80)
        }
        if (generatorHash != GENERATOR_HASH) revert Errors.GeneratorMismatch(vk);
    }
}
