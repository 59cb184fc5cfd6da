// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Public inputs of proofs: their range, and lists of them
library PublicInputs {
    /// @notice Order r of the BN254 group, the modulus of the proof system's scalars (EIP-197).
    uint256 internal constant SCALAR_MODULUS =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @notice Refuses a value that is not the one canonical form of its residue: v and v + r would be the
    /// same to the proof, but two inputs to everything else.
    function requireCanonical(uint256 index, uint256 value) internal pure {
        if (value >= SCALAR_MODULUS) revert Errors.PublicInputOutOfRange(index, value);
    }

    /// @notice The same for all values of a list.
    function requireCanonical(uint256[] memory values) internal pure {
        uint256 count = values.length;
        for (uint256 i = 0; i < count; ++i) {
            uint256 value;
            // Without the check of the index, which the loop bounds.
            assembly ("memory-safe") {
                values := add(values, 0x20)
                value := mload(values)
            }
            requireCanonical(i, value);
        }
    }

    /// @notice A list of three values: what a prediction's proof is about.
    function list(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory values) {
        assembly ("memory-safe") {
            values := mload(0x40)
            mstore(0x40, add(values, 0x80))
            mstore(values, 3)
            mstore(add(values, 0x20), a)
            mstore(add(values, 0x40), b)
            mstore(add(values, 0x60), c)
        }
    }

    /// @notice A list of five values: what a run's proof is about.
    function list(uint256 a, uint256 b, uint256 c, uint256 d, uint256 e)
        internal
        pure
        returns (uint256[] memory values)
    {
        assembly ("memory-safe") {
            values := mload(0x40)
            mstore(0x40, add(values, 0xc0))
            mstore(values, 5)
            mstore(add(values, 0x20), a)
            mstore(add(values, 0x40), b)
            mstore(add(values, 0x60), c)
            mstore(add(values, 0x80), d)
            mstore(add(values, 0xa0), e)
        }
    }
}
