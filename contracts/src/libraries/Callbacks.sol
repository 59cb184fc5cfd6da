// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Calls that are promised an amount of gas, and whose outcome decides nothing
library Callbacks {
    /// @notice Most gas that can be promised, so that a call which makes one fits into a transaction.
    uint256 internal constant MAX_GAS = 1_000_000;

    /// @dev What the call itself costs (an account that is not warm yet, 2,600), and an event after it; rounded up.
    uint256 private constant OVERHEAD = 10_000;

    /// @notice Calls `target` with exactly `gasLimit`, and copies nothing of what it returns: however long that is,
    /// it costs the target's gas only. Reverts with CallbackGasTooLow where the target could not have so much: a call
    /// is given 63/64 of what is left (EIP-150), and who sends the transaction must not make it fail by that.
    function tryCall(address target, uint256 gasLimit, bytes memory data) internal returns (bool succeeded) {
        uint256 needed = (gasLimit * 64) / 63 + OVERHEAD;
        if (gasleft() < needed) revert Errors.CallbackGasTooLow(needed, gasleft());
        assembly ("memory-safe") {
            succeeded := call(gasLimit, target, 0, add(data, 0x20), mload(data), 0x00, 0x00)
        }
    }
}
