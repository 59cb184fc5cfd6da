// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

contract RetrievalEscrowSettleTest is RetrievalFixture {
    function test_PublishingPays() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.expectEmit(address(retrieval));
        emit Events.OpeningsPublished(jobId, DATA, "ipfs://openings");
        vm.expectEmit(address(retrieval));
        emit Events.RetrievalSettled(jobId, IRetrievalEscrow.State.Paid, seller);
        vm.prank(seller);
        retrieval.publish(jobId, terms, DATA, "ipfs://openings");
        assertState(jobId, IRetrievalEscrow.State.Paid);
        assertPaidOut(0, PRICE);
    }

    /// @dev What the contract cannot see: a false hash is paid for like a true one.
    function test_ContentOfOpeningsIsNotChecked() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.prank(seller);
        retrieval.publish(jobId, terms, keccak256("nothing of the kind"), "");
        assertPaidOut(0, PRICE);
        // The selection itself stands.
        assertTrue(retrieval.selected(jobId, 9));
        assertFalse(retrieval.selected(jobId, 8));
    }

    function test_NothingSelectedIsPaidWithoutOpenings() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(false);
        vm.prank(stranger);
        retrieval.settle(jobId, terms);
        assertState(jobId, IRetrievalEscrow.State.Paid);
        assertPaidOut(0, PRICE);
    }

    /// @dev A result of nothing stands, however late it is collected.
    function test_NothingSelectedIsPaidAfterAllDeadlines() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(false);
        vm.warp(terms.openBy + 1);
        retrieval.settle(jobId, terms);
        assertPaidOut(0, PRICE);
    }

    function test_NothingSelectedMayBePublished() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(false);
        vm.prank(seller);
        retrieval.publish(jobId, terms, DATA, "");
        assertPaidOut(0, PRICE);
    }

    function test_NotCoveredIsRefunded() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proveRun(jobId, terms, 0, 9);
        proveRun(jobId, terms, 1, 9);
        vm.warp(terms.proveBy + 1);
        vm.expectEmit(address(retrieval));
        emit Events.RetrievalSettled(jobId, IRetrievalEscrow.State.Refunded, buyer);
        vm.prank(stranger);
        retrieval.settle(jobId, terms);
        assertState(jobId, IRetrievalEscrow.State.Refunded);
        assertPaidOut(PRICE, 0);
    }

    function test_NothingProvenIsRefunded() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.warp(terms.proveBy + 1);
        retrieval.settle(jobId, terms);
        assertPaidOut(PRICE, 0);
    }

    /// @dev The holder who proves and then withholds the items is not paid.
    function test_NotPublishedIsRefunded() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.warp(terms.openBy + 1);
        retrieval.settle(jobId, terms);
        assertPaidOut(PRICE, 0);
        assertTrue(retrieval.selected(jobId, 0));
    }

    function test_RevertWhen_SettlingTooEarly() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.warp(terms.proveBy);
        _expectTooEarly(jobId, terms, terms.proveBy);
        proveRun(jobId, terms, 0, 1);
        proveRun(jobId, terms, 1, 0);
        proveRun(jobId, terms, 2, 0);
        _expectTooEarly(jobId, terms, terms.openBy);
        vm.warp(terms.openBy);
        _expectTooEarly(jobId, terms, terms.openBy);
    }

    /// @dev Nothing selected so far is not nothing selected.
    function test_RevertWhen_SettlingEmptyRunsBeforeCover() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proveRun(jobId, terms, 0, 0);
        proveRun(jobId, terms, 1, 0);
        _expectTooEarly(jobId, terms, terms.proveBy);
    }

    function test_PublishAtDeadline() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.warp(terms.openBy);
        vm.prank(seller);
        retrieval.publish(jobId, terms, DATA, "");
        assertPaidOut(0, PRICE);
    }

    function test_RevertWhen_PublishingAfterDeadline() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.warp(terms.openBy + 1);
        _expectPublishRefused(
            seller,
            jobId,
            terms,
            DATA,
            abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, terms.openBy)
        );
    }

    function test_RevertWhen_PublishingBeforeCover() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proveRun(jobId, terms, 0, 9);
        proveRun(jobId, terms, 1, 9);
        _expectPublishRefused(
            seller, jobId, terms, DATA, abi.encodeWithSelector(Errors.NotCovered.selector, jobId, 1)
        );
    }

    function test_RevertWhen_PublisherIsNotHolder() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        _expectPublishRefused(
            buyer, jobId, terms, DATA, abi.encodeWithSelector(Errors.WrongCaller.selector, seller, buyer)
        );
    }

    function test_RevertWhen_DataHashIsZero() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        _expectPublishRefused(
            seller, jobId, terms, 0, abi.encodeWithSelector(Errors.ZeroValue.selector, "dataHash")
        );
    }

    function test_PlaceLengthBound() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.HintTooLong.selector, 4097, 4096));
        retrieval.publish(jobId, terms, DATA, new bytes(4097));
        retrieval.publish(jobId, terms, DATA, new bytes(4096));
    }

    function test_RevertWhen_TermsAreNotThoseOfTheJob() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        _expectAllRefused(1, terms, abi.encodeWithSelector(Errors.JobNotFound.selector, 1));
        openRetrieval(terms);
        bytes32 expected = keccak256(abi.encode(terms));
        terms.holder = stranger;
        bytes32 actual = keccak256(abi.encode(terms));
        _expectAllRefused(
            1, terms, abi.encodeWithSelector(Errors.TermsMismatch.selector, 1, expected, actual)
        );
    }

    /// @dev Final, even if time ran backwards.
    function test_TerminalStatesAreFinal() public {
        for (uint256 paid = 0; paid < 2; ++paid) {
            (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
            uint256 start = block.timestamp;
            if (paid == 0) vm.warp(terms.openBy + 1);
            vm.prank(seller);
            if (paid == 0) retrieval.settle(jobId, terms);
            else retrieval.publish(jobId, terms, DATA, "");
            bytes32 before = keccak256(abi.encode(retrieval.getJob(jobId)));
            for (uint256 i = 0; i < 2; ++i) {
                vm.warp(i == 0 ? start : terms.openBy + 1);
                _expectAllRefused(jobId, terms, abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
            }
            vm.warp(start);
            assertEq(keccak256(abi.encode(retrieval.getJob(jobId))), before);
        }
        assertPaidOut(PRICE, PRICE);
    }

    function test_PaysInToken() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(address(token));
        uint256 jobId = openRetrieval(terms);
        for (uint256 run = 0; run < 3; ++run) {
            proveRun(jobId, terms, run, 1);
        }
        vm.prank(seller);
        retrieval.publish(jobId, terms, DATA, "");
        vm.prank(seller);
        assertEq(retrieval.withdraw(address(token)), PRICE);
        assertEq(token.balanceOf(seller), PRICE);
    }

    /// @dev At any time at most one of payment and refund is to be had, and after all deadlines one is.
    function testFuzz_PaymentAndRefundExclude(uint256 proven, uint256 bitmap, uint256 passed) public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proven = bound(proven, 0, 3);
        for (uint256 run = 0; run < proven; ++run) {
            proveRun(jobId, terms, run, bitmap >> (2 * run) & 3);
        }
        bool covered = proven == 3;
        bool any = retrieval.getJob(jobId).anySelected;
        vm.warp(block.timestamp + bound(passed, 0, 3 days));
        uint256 snapshot = vm.snapshotState();
        vm.prank(seller);
        (bool published,) =
            address(retrieval).call(abi.encodeCall(retrieval.publish, (jobId, terms, DATA, "")));
        vm.revertToState(snapshot);
        (bool settled,) = address(retrieval).call(abi.encodeCall(retrieval.settle, (jobId, terms)));
        assertEq(published, covered && block.timestamp <= terms.openBy);
        bool paid = covered && !any;
        bool refunded = !paid && block.timestamp > (covered ? terms.openBy : terms.proveBy);
        assertEq(settled, paid || refunded);
        assertFalse(published && refunded);
        assertEq(retrieval.creditOf(ETHER, seller), paid ? PRICE : 0);
        assertEq(retrieval.creditOf(ETHER, buyer), refunded ? PRICE : 0);
    }

    function _expectAllRefused(uint256 jobId, IRetrievalEscrow.Terms memory terms, bytes memory refusal)
        private
    {
        vm.expectRevert(refusal);
        retrieval.prove(jobId, terms, 0, 0, "");
        vm.expectRevert(refusal);
        retrieval.settle(jobId, terms);
        _expectPublishRefused(seller, jobId, terms, DATA, refusal);
    }

    function _expectTooEarly(uint256 jobId, IRetrievalEscrow.Terms memory terms, uint256 deadline) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, deadline));
        retrieval.settle(jobId, terms);
    }

    function _expectPublishRefused(
        address who,
        uint256 jobId,
        IRetrievalEscrow.Terms memory terms,
        bytes32 dataHash,
        bytes memory refusal
    ) private {
        vm.prank(who);
        vm.expectRevert(refusal);
        retrieval.publish(jobId, terms, dataHash, "");
    }
}
