// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {CostlyVerifier} from "../doubles/VerifierDoubles.sol";
import {Fixture} from "../shared/Fixture.sol";
import {one} from "../doubles/Words.sol";

/// @notice A caller chooses the gas, and a call can be given 63/64 of it at most. Whatever it chooses, a
/// call either does all that it should or nothing.
contract GasStarvationTest is Fixture {
    function test_StarvedClaimDecidesNothing() public {
        (modelId, bindingHash) = bindTo(address(new CostlyVerifier()));
        uint256 jobId = openEther();
        bytes memory call =
            abi.encodeCall(escrow.claim, (jobId, 0, seller, one(OUTPUT), proofFor(jobId, seller, OUTPUT)));
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 20_000; gas <= 480_000; gas += 2_500) {
            (bool ok,) = address(escrow).call{gas: gas}(call);
            if (ok) {
                ++successes;
                assertState(jobId, IPredictionEscrow.State.Claimed);
                assertEq(escrow.creditOf(ETHER, seller), PRICE);
                assertEq(escrow.outputOf(jobId), OUTPUT);
            } else {
                ++failures;
                assertState(jobId, IPredictionEscrow.State.Open);
                assertEq(escrow.creditOf(ETHER, seller), 0);
                assertEq(escrow.creditOf(ETHER, buyer), 0);
            }
            vm.revertToState(start);
        }
        // The sweep must have met both cases, or it shows nothing.
        assertGt(failures, 100);
        assertGt(successes, 10);
    }

    function test_StarvedOpenDecidesNothing() public {
        IPredictionEscrow.Order memory order = orderIn(address(permitToken), PRICE);
        ICustody.Permit memory permit;
        vm.prank(buyer);
        permitToken.approve(address(escrow), PRICE);
        bytes memory call = abi.encodeCall(escrow.openWithPermit, (order, permit));
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 10_000; gas <= 300_000; gas += 2_500) {
            vm.prank(buyer);
            (bool ok,) = address(escrow).call{gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertEq(escrow.jobCount(), ok ? 1 : 0);
            assertEq(permitToken.balanceOf(address(escrow)), ok ? PRICE : 0);
            vm.revertToState(start);
        }
        assertGt(failures, 20);
        assertGt(successes, 10);
    }
}
