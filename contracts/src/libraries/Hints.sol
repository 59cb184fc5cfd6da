// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Hints: bytes that are logged and never read by a contract, such as places and encryption keys
library Hints {
    /// @notice Longest hint, so that an event's readers know what to expect.
    uint256 internal constant MAX_LENGTH = 4096;

    /// @notice Refuses a hint that is longer.
    function requireLength(bytes calldata hint) internal pure {
        if (hint.length > MAX_LENGTH) revert Errors.HintTooLong(hint.length, MAX_LENGTH);
    }
}
