// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Deadlines: absolute, in Unix seconds, each the last second of a window
/// @notice Before and after exclude each other: whatever is allowed up to a deadline tests {requireNotPassed},
/// whatever is allowed from then on {requirePassed}.
library Deadlines {
    /// @notice Latest deadline, counted from the opening. Catches deadlines given in milliseconds, which
    /// would lock the money for good.
    uint256 internal constant MAX_DURATION = 365 days;

    /// @notice Shortest window for a step that somebody loses by who comes too late: a proof fits in.
    uint256 internal constant MIN_WINDOW = 10 minutes;

    function requireNotPassed(uint256 jobId, uint256 deadline) internal view {
        if (block.timestamp > deadline) revert Errors.DeadlinePassed(jobId, deadline);
    }

    function requirePassed(uint256 jobId, uint256 deadline) internal view {
        if (block.timestamp <= deadline) revert Errors.DeadlineNotPassed(jobId, deadline);
    }

    /// @notice Refuses a deadline that leaves less than the shortest window after `earlier`, or is absurdly late.
    function requireWindow(uint256 earlier, uint256 deadline) internal view {
        requireOrder(earlier + MIN_WINDOW - 1, deadline);
    }

    /// @notice Refuses a deadline that is not later than `earlier` or absurdly late.
    function requireOrder(uint256 earlier, uint256 deadline) internal view {
        uint256 latest = block.timestamp + MAX_DURATION;
        if (deadline <= earlier || deadline > latest) {
            revert Errors.DeadlineOutOfRange(deadline, earlier + 1, latest);
        }
    }
}
