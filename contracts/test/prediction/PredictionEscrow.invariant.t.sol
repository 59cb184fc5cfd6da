// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {PredictionHandler} from "../handlers/PredictionHandler.sol";
import {RunModel} from "../handlers/RunModel.sol";
import {CustodyInvariants} from "../shared/CustodyInvariants.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";

abstract contract PredictionEscrowInvariants is Fixture, CustodyInvariants {
    PredictionHandler internal handler;

    function setUp() public override {
        super.setUp();
        RunModel[2] memory models;
        models[0] = RunModel(modelId, bindingHash, vk.codehash, 1);
        address key = makeKey("key of runs", Keys.classification(2));
        (uint256 id, bytes32 hash) = bindModel(WEIGHTS, key, address(verifier));
        models[1] = RunModel(id, hash, key.codehash, 4);
        handler = new PredictionHandler(escrow, WEIGHTS, models);
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = PredictionHandler.open.selector;
        selectors[1] = PredictionHandler.open.selector;
        selectors[2] = PredictionHandler.claim.selector;
        selectors[3] = PredictionHandler.claim.selector;
        selectors[4] = PredictionHandler.claimWithStolenProof.selector;
        selectors[5] = PredictionHandler.refund.selector;
        selectors[6] = handler.withdraw.selector;
        selectors[7] = handler.withdrawTo.selector;
        selectors[8] = handler.donate.selector;
        selectors[9] = PredictionHandler.pass.selector;
        selectors[10] = PredictionHandler.requestCancel.selector;
        _target(handler, selectors);
    }

    /// @dev The handler reaches every action for real; else the invariants would show nothing.
    function test_HandlerReachesEveryAction() public {
        for (uint256 which = 0; which < handler.tokenCount(); ++which) {
            handler.open(0, which, 1 ether, 1 days, 0, 0);
            handler.open(1, which, 2 ether, 2 days, 7, 1 + 2 * 1 hours);
            // By the contracts that misbehave.
            handler.open(4, which, 1 ether, 1 days, 0, 0);
            handler.open(5, which, 1 ether, 1 days, 4, 0);
            handler.donate(which, 1);
        }
        // Jobs 1 and 5 are of one input, 2 and 6 of seven, 3 and 7 of one, 4 and 8 of four.
        for (uint256 job = 0; job < 8; job += 4) {
            handler.claimWithStolenProof(0, job, 2);
            handler.claim(0, job, 0, 2, 3);
            handler.claim(0, job, 0, 2, 3);
            handler.claim(0, job + 1, 1, 2, 3);
            handler.claim(0, job + 1, 2, 2, 3);
            handler.claim(0, job + 2, 0, 2, 3);
            handler.claim(0, job + 3, 0, 2, 3);
            handler.requestCancel(0, job + 1, false);
            handler.requestCancel(0, job + 1, true);
        }
        handler.pass(3 days + 1);
        handler.pass(3 days + 1);
        for (uint256 job = 0; job < 8; ++job) {
            handler.refund(3, job);
        }
        for (uint256 which = 0; which < handler.tokenCount(); ++which) {
            handler.withdrawTo(2, which, 3, 1);
            handler.withdraw(2, which);
            handler.withdraw(1, which);
            // Two single inputs and a run of four at 1 each; three of seven at 2, and the other four back.
            assertEq(handler.paidOut(handler.tokens(which)), (1 + 1 + 4 + 7 * 2) * 1 ether);
        }
        assertEq(handler.calls("open"), 8);
        assertEq(handler.calls("claimWithStolenProof"), 2);
        assertEq(handler.calls("claim"), 4);
        assertEq(handler.calls("claimRun"), 4);
        assertEq(handler.calls("tell"), 4);
        assertEq(handler.calls("requestCancel"), 2);
        assertEq(handler.calls("refund"), 2);
        assertEq(handler.calls("withdraw"), 6);
        assertEq(handler.calls("donate"), 2);
        invariant_SolventPaidOnceAndFinal();
        afterInvariant();
    }

    function _assertEndedOnceAndForGood() internal view override {
        uint256 count = escrow.jobCount();
        for (uint256 jobId = 1; jobId <= count; ++jobId) {
            IPredictionEscrow.Job memory job = escrow.getJob(jobId);
            uint256 settled = handler.settlements(jobId);
            if (job.state == IPredictionEscrow.State.Open) {
                assertEq(settled, 0, "settled, yet open");
            } else {
                assertEq(settled, 1, "not settled once");
                assertEq(keccak256(abi.encode(job)), handler.terminalJob(jobId), "changed after the end");
            }
        }
    }

    function _heldByJobs(address[] memory money) internal view override returns (uint256[] memory held) {
        held = new uint256[](money.length);
        uint256 count = escrow.jobCount();
        for (uint256 jobId = 1; jobId <= count; ++jobId) {
            IPredictionEscrow.Job memory job = escrow.getJob(jobId);
            (address token_, uint256 expected) = handler.heldBy(jobId);
            assertEq(job.token, token_);
            uint256 amount = job.state == IPredictionEscrow.State.Open ? job.unclaimed * job.price : 0;
            assertEq(amount, expected, "held by the job");
            _add(held, money, token_, amount);
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
