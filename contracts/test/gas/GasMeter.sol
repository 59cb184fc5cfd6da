// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";

/// @notice What whole transactions cost: 21,000, call data and execution from cold storage. For tests with
/// `isolate`, which makes every call of a test a transaction of its own. What is measured goes to
/// contracts/snapshots/gas.json, see docs/protocols.md.
abstract contract GasMeter is Test {
    /// @dev Limits on calls that open something, that pay it out, and that prove a run, verification apart.
    uint256 internal constant OPEN_LIMIT = 160_000;
    uint256 internal constant CLAIM_LIMIT = 90_000;
    uint256 internal constant RUN_LIMIT = 60_000;

    uint256 private _verification;

    /// @dev Records the last call.
    function assertGas(string memory call, uint256 limit) internal {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        assertGt(used, 21_000, "not measured as a transaction");
        recordGas(call, used, limit);
    }

    /// @dev A transaction that only calls the verifier.
    function measureVerification(
        address verifier,
        address vk,
        bytes memory proof,
        uint256[] memory publicInputs
    ) internal {
        // A call that costs nothing by itself: without `isolate` it would not cost 21,000 either.
        (bool called,) = address(0).call("");
        assertTrue(called);
        assertGe(vm.lastCallGas().gasTotalUsed, 21_000, "not measured as a transaction");
        // A plain call: forge makes no transactions of calls to view functions.
        (bool valid,) = verifier.call(abi.encodeCall(IHalo2Verifier.verify, (vk, proof, publicInputs)));
        assertTrue(valid);
        _verification = vm.lastCallGas().gasTotalUsed;
    }

    /// @dev Records what the last call cost more than that.
    function assertGasAboveVerification(string memory call, uint256 limit) internal {
        recordGas(call, vm.lastCallGas().gasTotalUsed - _verification, limit);
    }

    /// @dev Records what was measured.
    function recordGas(string memory call, uint256 used, uint256 limit) internal {
        emit log_named_uint(call, used);
        vm.snapshotValue("gas", call, used);
        assertLe(used, limit, call);
    }
}
