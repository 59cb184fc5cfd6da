// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {one} from "../doubles/Words.sol";
import {Fixture} from "../shared/Fixture.sol";

/// @notice A buyer that no longer wants to wait.
contract PredictionCancelTest is Fixture {
    uint64 internal constant NOTICE = 1 hours;

    function test_RequestMovesTheDeadline() public {
        uint256 jobId = _open(NOTICE);
        uint64 deadline = uint64(block.timestamp) + NOTICE;
        vm.expectEmit(address(escrow));
        emit Events.CancelRequested(jobId, deadline);
        vm.prank(buyer);
        escrow.requestCancel(jobId);
        assertEq(escrow.getJob(jobId).deadline, deadline);
        assertState(jobId, IPredictionEscrow.State.Open);
    }

    /// @dev Threat: the answer is read in the mempool, and not paid for. A claim that was sent is still paid.
    function test_ClaimWithinTheNoticeIsPaid() public {
        uint256 jobId = _open(NOTICE);
        vm.prank(buyer);
        escrow.requestCancel(jobId);
        vm.warp(block.timestamp + NOTICE);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, vm.getBlockTimestamp())
        );
        escrow.refund(jobId);
        claimFor(jobId, seller);
        assertEq(escrow.creditOf(ETHER, seller), PRICE);
    }

    function test_RefundAfterTheNotice() public {
        uint256 jobId = _open(NOTICE);
        vm.prank(buyer);
        escrow.requestCancel(jobId);
        uint256 deadline = escrow.getJob(jobId).deadline;
        vm.warp(deadline + 1);
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, deadline));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
        escrow.refund(jobId);
        assertEq(escrow.creditOf(ETHER, buyer), PRICE);
    }

    /// @dev Threat: the deadline moved on and on, or to where it was.
    function test_RevertWhen_DeadlineIsNoLater() public {
        uint256 jobId = _open(NOTICE);
        uint256 deadline = escrow.getJob(jobId).deadline;
        vm.startPrank(buyer);
        for (uint256 late = 0; late < 2; ++late) {
            vm.warp(deadline - NOTICE + late);
            vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotLater.selector, jobId, deadline));
            escrow.requestCancel(jobId);
        }
        vm.warp(deadline - NOTICE - 1);
        escrow.requestCancel(jobId);
        assertEq(escrow.getJob(jobId).deadline, deadline - 1);
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotLater.selector, jobId, deadline - 1));
        escrow.requestCancel(jobId);
    }

    function test_RevertWhen_DeadlineHasPassed() public {
        uint256 jobId = _open(NOTICE);
        uint256 deadline = escrow.getJob(jobId).deadline;
        vm.warp(deadline + 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotLater.selector, jobId, deadline));
        escrow.requestCancel(jobId);
    }

    function test_RevertWhen_CancelledBySomebodyElse() public {
        uint256 jobId = _open(NOTICE);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, buyer, stranger));
        escrow.requestCancel(jobId);
    }

    function test_RevertWhen_NoNoticeWasFixed() public {
        uint256 jobId = _open(0);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCancellable.selector, jobId));
        escrow.requestCancel(jobId);
    }

    function test_RevertWhen_JobHasEnded() public {
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotFound.selector, 1));
        escrow.requestCancel(1);
        vm.stopPrank();
        uint256 claimed = _open(NOTICE);
        uint256 refunded = _open(NOTICE);
        claimFor(claimed, seller);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, claimed));
        escrow.requestCancel(claimed);
        vm.warp(escrow.getJob(refunded).deadline + 1);
        escrow.refund(refunded);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, refunded));
        escrow.requestCancel(refunded);
    }

    function test_NoticeBounds() public {
        uint64[2] memory refused = [uint64(10 minutes) - 1, uint64(30 days) + 1];
        for (uint256 i = 0; i < refused.length; ++i) {
            IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
            order.notice = refused[i];
            vm.prank(buyer);
            vm.expectRevert(
                abi.encodeWithSelector(
                    Errors.TermOutOfRange.selector, "notice", refused[i], 10 minutes, 30 days
                )
            );
            escrow.open{value: PRICE}(order);
        }
        assertEq(escrow.getJob(_open(10 minutes)).notice, 10 minutes);
        assertEq(escrow.getJob(_open(30 days)).notice, 30 days);
    }

    /// @dev Exactly one of claim and refund is possible, whenever it was cancelled; and a request never comes to more
    /// time, nor to less than the notice.
    function testFuzz_ClaimAndRefundExclude(uint64 notice, uint64 asked, uint64 passed) public {
        uint256 jobId = _open(uint64(bound(notice, 10 minutes, 30 days)));
        uint256 before = escrow.getJob(jobId).deadline;
        vm.warp(block.timestamp + bound(asked, 0, 2 days));
        vm.prank(buyer);
        (bool moved,) = address(escrow).call(abi.encodeCall(escrow.requestCancel, (jobId)));
        uint256 deadline = escrow.getJob(jobId).deadline;
        assertLe(deadline, before);
        if (moved) assertEq(deadline, vm.getBlockTimestamp() + escrow.getJob(jobId).notice);
        else assertEq(deadline, before);
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.warp(vm.getBlockTimestamp() + bound(passed, 0, 40 days));
        uint256 snapshot = vm.snapshotState();
        (bool claimed,) =
            address(escrow).call(abi.encodeCall(escrow.claim, (jobId, 0, seller, one(OUTPUT), proof)));
        vm.revertToState(snapshot);
        (bool refunded,) = address(escrow).call(abi.encodeCall(escrow.refund, (jobId)));
        assertEq(claimed, block.timestamp <= deadline);
        assertEq(refunded, block.timestamp > deadline);
    }

    function _open(uint64 notice) private returns (uint256 jobId) {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.notice = notice;
        vm.prank(buyer);
        return escrow.open{value: PRICE}(order);
    }
}
