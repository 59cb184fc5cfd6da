// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Range of public inputs
library PublicInputs {
    /// @notice Order r of the BN254 group, the modulus of the proof system's scalars (EIP-197).
    uint256 internal constant SCALAR_MODULUS =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @notice Refuses a value that is not the one canonical form of its residue: v and v + r would be the
    /// same to the proof, but two inputs to everything else.
    function requireCanonical(uint256 index, uint256 value) internal pure {
        if (value >= SCALAR_MODULUS) revert Errors.PublicInputOutOfRange(index, value);
    }
}
