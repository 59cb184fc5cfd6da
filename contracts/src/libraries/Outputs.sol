// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Numbers in output words
/// @notice For dApps that take the word of a model whose key states a number ({Statements-isNumber}). The circuit
/// shows the integer of the network's output + 2^15. The real number is the integer times the step in the model's
/// card: a threshold is given in steps.
///
/// A class has the same form: that the model states a number is to be checked where the model is chosen.
library Outputs {
    /// @notice What is added to the integer.
    int256 internal constant OFFSET = 1 << 15;
    /// @notice Least integer of an output.
    int256 internal constant LEAST = -OFFSET;
    /// @notice Largest integer of an output.
    int256 internal constant MOST = OFFSET - 1;

    /// @notice No circuit shows this word for a number.
    /// @param word What was to be read.
    error WordOutOfRange(uint256 word);

    /// @notice The integer behind an output word. Reverts with WordOutOfRange above 2^16 - 1.
    function number(uint256 word) internal pure returns (int256) {
        if (word > type(uint16).max) revert WordOutOfRange(word);
        // Below 2^16.
        // forge-lint: disable-next-line(unsafe-typecast)
        return int256(word) - OFFSET;
    }
}
