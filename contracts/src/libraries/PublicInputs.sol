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

    /// @notice What the proof of a prediction is about: context, commitment to the input, output words.
    function ofInput(uint256 context, uint256 commitment, uint256[] calldata outputs)
        internal
        pure
        returns (uint256[] memory values)
    {
        values = new uint256[](2 + outputs.length);
        values[0] = context;
        values[1] = commitment;
        _copy(outputs, values, 2);
    }

    /// @notice What the proof of a classification of a run is about: context, root of the collection, index of the
    /// run's first item, number of its items, output words.
    function ofRun(uint256 context, uint256 root, uint256 first, uint256 length, uint256[] calldata outputs)
        internal
        pure
        returns (uint256[] memory values)
    {
        values = new uint256[](4 + outputs.length);
        values[0] = context;
        values[1] = root;
        values[2] = first;
        values[3] = length;
        _copy(outputs, values, 4);
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

    /// @dev `values` has room for all of `outputs` from place `at` on.
    function _copy(uint256[] calldata outputs, uint256[] memory values, uint256 at) private pure {
        assembly ("memory-safe") {
            let to := add(add(values, 0x20), shl(5, at))
            calldatacopy(to, outputs.offset, shl(5, outputs.length))
        }
    }
}
