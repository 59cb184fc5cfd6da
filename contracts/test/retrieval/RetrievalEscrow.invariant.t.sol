// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {RetrievalHandler} from "../handlers/RetrievalHandler.sol";
import {RunModel} from "../handlers/RunModel.sol";
import {CustodyInvariants} from "../shared/CustodyInvariants.sol";
import {Keys} from "../shared/Keys.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

abstract contract RetrievalEscrowInvariants is RetrievalFixture, CustodyInvariants {
    RetrievalHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new RetrievalHandler(retrieval, WEIGHTS, _models());
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = RetrievalHandler.open.selector;
        selectors[1] = RetrievalHandler.prove.selector;
        selectors[2] = RetrievalHandler.prove.selector;
        selectors[3] = RetrievalHandler.prove.selector;
        selectors[4] = RetrievalHandler.proveWithStolenProof.selector;
        selectors[5] = RetrievalHandler.publish.selector;
        selectors[6] = RetrievalHandler.publish.selector;
        selectors[7] = RetrievalHandler.settle.selector;
        selectors[8] = handler.withdrawTo.selector;
        selectors[9] = handler.donate.selector;
        selectors[10] = RetrievalHandler.pass.selector;
        _target(handler, selectors);
    }

    /// @dev The handler reaches every action for real; else the invariants would show nothing.
    function test_HandlerReachesEveryAction() public {
        // Nine items in runs of eight; a day between the deadlines.
        uint8[2] memory sizes = [8, 2];
        uint32[2] memory gaps = [uint32(1 days), 1 days];
        for (uint256 i = 0; i < 4; ++i) {
            handler.open(4, i, 10, sizes, gaps);
        }
        for (uint256 run = 0; run < 2; ++run) {
            handler.prove(3, 0, run, 3);
            handler.prove(3, 1, run, 0);
            handler.prove(3, 2, run, 3);
        }
        handler.proveWithStolenProof(3, 0, 2);
        handler.publish(1, 0);
        handler.publish(1, 3);
        handler.settle(2, 1);
        handler.pass(10 days);
        handler.settle(2, 2);
        handler.settle(2, 3);
        handler.donate(0, 1);
        handler.withdrawTo(0, 0, 1, 1);
        assertEq(handler.calls("open"), 4);
        assertEq(handler.calls("prove"), 6);
        assertEq(handler.calls("proveWithStolenProof"), 1);
        assertEq(handler.calls("publish"), 1);
        assertEq(handler.calls("payEmpty"), 1);
        assertEq(handler.calls("refund"), 2);
        assertEq(handler.calls("withdraw"), 1);
        invariant_SolventPaidOnceAndFinal();
        afterInvariant();
    }

    function afterInvariant() public override {
        _assertSelectionIsWhatWasProven();
        super.afterInvariant();
    }

    /// @dev Runs of eight items and of four.
    function _models() private returns (RunModel[] memory) {
        uint8[] memory logs = new uint8[](2);
        (logs[0], logs[1]) = (3, 2);
        bytes32[] memory stated = new bytes32[](2);
        for (uint256 i = 0; i < 2; ++i) {
            stated[i] = Keys.retrieval(logs[i]);
        }
        return bindSizes(stated, logs);
    }

    function _assertEndedOnceAndForGood() internal view override {
        for (uint256 jobId = 1; jobId <= retrieval.jobCount(); ++jobId) {
            RetrievalHandler.GhostJob memory job = handler.ghostJob(jobId);
            bool live = retrieval.getJob(jobId).state == IRetrievalEscrow.State.Open;
            assertEq(job.endings, live ? 0 : 1, "job's endings");
            if (!live) assertEq(handler.fingerprint(jobId), job.last, "job changed after its end");
        }
    }

    function _heldByJobs(address[] memory money) internal view override returns (uint256[] memory held) {
        held = new uint256[](money.length);
        uint256 count = retrieval.jobCount();
        for (uint256 jobId = 1; jobId <= count; ++jobId) {
            IRetrievalEscrow.Terms memory terms = handler.termsOf(jobId);
            if (handler.ghostJob(jobId).endings == 0) _add(held, money, terms.token, terms.price);
        }
    }

    function _endEverything() internal override {
        for (uint256 jobId = 1; jobId <= retrieval.jobCount(); ++jobId) {
            IRetrievalEscrow.Terms memory terms = handler.termsOf(jobId);
            _passDeadline(handler.ghostJob(jobId).missing == 0 ? terms.openBy : terms.proveBy);
            handler.settle(3, jobId - 1);
            assertEq(handler.ghostJob(jobId).endings, 1, "stuck");
        }
    }

    /// @dev What was proven of each item can be read ever after, and nothing else.
    function _assertSelectionIsWhatWasProven() private view {
        for (uint256 jobId = 1; jobId <= retrieval.jobCount(); ++jobId) {
            IRetrievalEscrow.Terms memory terms = handler.termsOf(jobId);
            uint256 proven = handler.ghostJob(jobId).proven;
            for (uint256 index = 0; index < terms.items; ++index) {
                try retrieval.selected(jobId, index) returns (bool selected) {
                    assertEq(selected, handler.selected(jobId, index), "selection");
                    assertEq(proven >> (index / terms.batch) & 1, 1, "not proven");
                } catch {
                    assertEq(proven >> (index / terms.batch) & 1, 0, "proven, not readable");
                }
            }
        }
    }
}

/// @notice Half of the runs.
contract RetrievalEscrowInvariantTest is RetrievalEscrowInvariants {}

/// @notice The other half, from another seed, so that a second core can take it.
/// forge-config: default.fuzz.seed = "0x61737361790b"
contract RetrievalEscrowInvariantSecondTest is RetrievalEscrowInvariants {}
