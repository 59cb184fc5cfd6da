// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Deadlines} from "../../src/libraries/Deadlines.sol";

/// @notice Windows, for all times (scripts/symbolic-tests.sh).
contract DeadlinesSymbolicTest is Test {
    /// @dev At any time exactly one side of a deadline is open.
    function check_WindowsExclude(uint64 time, uint64 deadline) public {
        vm.warp(time);
        (bool before,) = address(this).call(abi.encodeCall(this.requireNotPassed, (deadline)));
        (bool later,) = address(this).call(abi.encodeCall(this.requirePassed, (deadline)));
        assertTrue(before != later);
        assertEq(before, time <= deadline);
    }

    /// @dev Deadlines that are accepted one after the other leave each window a second at least, and end within a
    /// year of the opening.
    function check_WindowsFollowEachOther(uint64 time, uint64 first, uint64 second) public {
        vm.warp(time);
        (bool one,) = address(this).call(abi.encodeCall(this.requireOrder, (time, first)));
        (bool two,) = address(this).call(abi.encodeCall(this.requireOrder, (first, second)));
        uint256 latest = uint256(time) + 365 days;
        assertEq(one, first > time && first <= latest);
        assertEq(two, second > first && second <= latest);
    }

    function requireNotPassed(uint256 deadline) external view {
        Deadlines.requireNotPassed(1, deadline);
    }

    function requirePassed(uint256 deadline) external view {
        Deadlines.requirePassed(1, deadline);
    }

    function requireOrder(uint256 earlier, uint256 deadline) external view {
        Deadlines.requireOrder(earlier, deadline);
    }
}
