// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IInferenceVerifier} from "../../src/interfaces/IInferenceVerifier.sol";

/// @notice Shows a good proof to the verifier for dApps, with all amounts of gas.
abstract contract GasSweep is Test {
    /// @dev Calls with from `least` gas on, in steps, and demands of every failure that it does not say that the
    /// proof is bad. The sweep must meet success, want of gas in the verifier, and want of gas elsewhere, or it
    /// shows nothing.
    function assertNeverCalledBad(
        address target,
        bytes memory call,
        uint256 least,
        uint256 most,
        uint256 step
    ) internal view {
        uint256 successes;
        uint256 plain;
        uint256 told;
        for (uint256 gas = least; gas <= most; gas += step) {
            (bool ok, bytes memory reason) = target.staticcall{gas: gas}(call);
            if (ok) {
                ++successes;
            } else if (reason.length == 0) {
                ++plain;
            } else {
                bytes4 selector;
                assembly ("memory-safe") {
                    selector := mload(add(reason, 0x20))
                }
                assertEq(selector, IInferenceVerifier.GasTooLow.selector, "called bad");
                ++told;
            }
        }
        assertGt(successes, 50, "successes");
        assertGt(plain, 20, "out of gas");
        assertGt(told, 100, "gas too low");
    }
}
