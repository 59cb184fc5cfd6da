// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Runs of neighbouring items: what one proof covers
/// @notice Run i of a set of n items covers the items from i * batch up to, not including,
/// min(n, (i + 1) * batch). Together the runs cover each item once.
library Runs {
    /// @notice Number of runs; the last one may be short. `batch` is not zero.
    function count(uint256 items, uint256 batch) internal pure returns (uint256 runs) {
        return (items + batch - 1) / batch;
    }

    /// @notice First item and number of items of a run; refuses runs past the end of the set.
    function span(uint256 run, uint256 items, uint256 batch)
        internal
        pure
        returns (uint256 first, uint256 length)
    {
        uint256 runs = count(items, batch);
        if (run >= runs) revert Errors.RunOutOfRange(run, runs);
        // Not past the end, so below `items`.
        unchecked {
            first = run * batch;
            length = items - first;
        }
        if (length > batch) length = batch;
    }
}
