// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {PredictionHandler} from "../handlers/PredictionHandler.sol";
import {CustodyInvariants} from "../shared/CustodyInvariants.sol";
import {Fixture} from "../shared/Fixture.sol";

abstract contract PredictionEscrowInvariants is Fixture, CustodyInvariants {
    PredictionHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new PredictionHandler(escrow, modelId, WEIGHTS, bindingHash, vk.codehash);
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = PredictionHandler.open.selector;
        selectors[1] = PredictionHandler.open.selector;
        selectors[2] = PredictionHandler.claim.selector;
        selectors[3] = PredictionHandler.claimWithStolenProof.selector;
        selectors[4] = PredictionHandler.refund.selector;
        selectors[5] = handler.withdraw.selector;
        selectors[6] = handler.withdrawTo.selector;
        selectors[7] = handler.donate.selector;
        selectors[8] = PredictionHandler.pass.selector;
        _target(handler, selectors);
    }

    /// @dev The handler reaches every action for real; else the invariants would show nothing.
    function test_HandlerReachesEveryAction() public {
        for (uint256 which = 0; which < handler.tokenCount(); ++which) {
            handler.open(0, which, 1 ether, 1 days);
            handler.open(1, which, 2 ether, 2 days);
            handler.donate(which, 1);
        }
        for (uint256 job = 0; job < 4; job += 2) {
            handler.claimWithStolenProof(0, job, 2);
            handler.claim(0, job, 2, 3);
        }
        handler.pass(3 days);
        for (uint256 job = 0; job < 4; ++job) {
            handler.refund(3, job);
        }
        for (uint256 which = 0; which < handler.tokenCount(); ++which) {
            handler.withdrawTo(2, which, 3, 1);
            handler.withdraw(2, which);
            handler.withdraw(1, which);
            assertEq(handler.paidOut(handler.tokens(which)), 3 ether);
        }
        assertEq(handler.calls("open"), 4);
        assertEq(handler.calls("claimWithStolenProof"), 2);
        assertEq(handler.calls("claim"), 2);
        assertEq(handler.calls("refund"), 2);
        assertEq(handler.calls("withdraw"), 6);
        assertEq(handler.calls("donate"), 2);
        invariant_SolventPaidOnceAndFinal();
        afterInvariant();
    }

    function _assertEndedOnceAndForGood() internal view override {
        for (uint256 jobId = 1; jobId <= escrow.jobCount(); ++jobId) {
            uint256 settled = handler.settlements(jobId);
            if (stateOf(jobId) == IPredictionEscrow.State.Open) {
                assertEq(settled, 0, "settled, yet open");
            } else {
                assertEq(settled, 1, "not settled once");
                assertEq(handler.fingerprint(jobId), handler.terminalJob(jobId), "changed after the end");
            }
        }
    }

    function _heldByJobs(address money) internal view override returns (uint256 sum) {
        for (uint256 jobId = 1; jobId <= escrow.jobCount(); ++jobId) {
            IPredictionEscrow.Job memory job = escrow.getJob(jobId);
            if (job.token == money && job.state == IPredictionEscrow.State.Open) sum += job.price;
        }
    }

    function _endEverything() internal override {
        for (uint256 jobId = 1; jobId <= escrow.jobCount(); ++jobId) {
            _passDeadline(escrow.getJob(jobId).deadline);
            handler.refund(3, jobId - 1);
            assertEq(handler.settlements(jobId), 1, "stuck");
        }
    }
}

/// @notice Half of the runs.
contract PredictionEscrowInvariantTest is PredictionEscrowInvariants {}

/// @notice The other half, from another seed, so that a second core can take it.
/// forge-config: default.fuzz.seed = "0x61737361790b"
contract PredictionEscrowInvariantSecondTest is PredictionEscrowInvariants {}
