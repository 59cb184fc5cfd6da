// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice Where an audit's entry stands: correct items << 32 | runs that are missing. Arrays hold four in a slot.
type Tally is uint64;

using Tallies for Tally global;

/// @title Tallies of audits
library Tallies {
    /// @notice Nothing proven, of so many runs.
    function ofRuns(uint256 runs) internal pure returns (Tally) {
        return Tally.wrap(SafeCast.toUint32(runs));
    }

    /// @notice One run more, with so many items correct: below 2^32 over all runs.
    function withRun(Tally tally, uint256 correctItems) internal pure returns (Tally) {
        return Tally.wrap(Tally.unwrap(tally) + SafeCast.toUint64(correctItems << 32) - 1);
    }

    function correct(Tally tally) internal pure returns (uint64) {
        return Tally.unwrap(tally) >> 32;
    }

    function missing(Tally tally) internal pure returns (uint256) {
        return Tally.unwrap(tally) & type(uint32).max;
    }
}
