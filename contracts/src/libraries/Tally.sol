// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";

/// @notice Where an audit's entry stands: correct items << 32 | whether it was accepted << 31 | runs that are
/// missing. Arrays hold four in a slot.
type Tally is uint64;

using Tallies for Tally global;

/// @title Tallies of audits
library Tallies {
    /// @notice Largest number of runs.
    uint256 internal constant MAX_RUNS = ACCEPTED - 1;

    uint64 private constant ACCEPTED = 1 << 31;

    /// @notice Nothing proven, of so many runs.
    function ofRuns(uint256 runs) internal pure returns (Tally) {
        if (runs > MAX_RUNS) revert Errors.RunOutOfRange(runs, MAX_RUNS);
        return Tally.wrap(SafeCast.toUint64(runs));
    }

    function accepted(Tally tally) internal pure returns (Tally) {
        return Tally.wrap(Tally.unwrap(tally) | ACCEPTED);
    }

    /// @notice One run more, with so many items correct: below 2^32 over all runs.
    function withRun(Tally tally, uint256 correctItems) internal pure returns (Tally) {
        return Tally.wrap(Tally.unwrap(tally) + SafeCast.toUint64(correctItems << 32) - 1);
    }

    function correct(Tally tally) internal pure returns (uint64) {
        return Tally.unwrap(tally) >> 32;
    }

    function missing(Tally tally) internal pure returns (uint256) {
        return Tally.unwrap(tally) & (ACCEPTED - 1);
    }

    /// @notice Whether its runs are being proven, as long as there is time.
    function isProving(Tally tally) internal pure returns (bool) {
        return Tally.unwrap(tally) & ACCEPTED != 0 && missing(tally) != 0;
    }
}
