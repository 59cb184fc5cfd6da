// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {IResultRegistry} from "../../src/interfaces/IResultRegistry.sol";
import {ResultRecorder} from "../doubles/ResultRecorder.sol";
import {AuditFixture} from "./AuditFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice Every way in which a bounty ends, and who can withdraw what.
contract AuditEscrowSettleTest is AuditFixture {
    function test_NobodyEnters() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.warp(terms.enterBy + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(jobId, IAuditEscrow.State.Refunded, 0);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Refunded);
        assertPaidOut(REWARD + BOND, 0, 0);
    }

    function test_RevertWhen_SettlingWhileSellersMayEnter() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.warp(terms.enterBy);
        _expectTooEarly(jobId, terms, terms.enterBy);
    }

    /// @dev The silent buyer loses the bond to the seller.
    function test_NothingIsDelivered() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.warp(terms.deliverBy + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(jobId, IAuditEscrow.State.Undelivered, 0);
        vm.expectEmit(address(audit));
        emit Events.EntrySettled(jobId, 1, IAuditEscrow.EntryState.Returned);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Undelivered);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertPaidOut(REWARD, STAKE + BOND, 0);
    }

    /// @dev Saying no costs nobody anything, with or without a list.
    function test_BuyerDoesNotApprove() public {
        for (uint256 i = 0; i < 2; ++i) {
            IAuditEscrow.Terms memory terms = i == 0 ? unlisted() : bounty(ETHER);
            uint256 jobId = openAudit(terms);
            enterAs(seller, jobId, terms);
            // The optimizer takes block.number for the same in each round.
            vm.roll(vm.getBlockNumber() + 1);
            vm.expectEmit(address(audit));
            emit Events.AuditSettled(jobId, IAuditEscrow.State.Refunded, 0);
            vm.expectEmit(address(audit));
            emit Events.EntrySettled(jobId, 1, IAuditEscrow.EntryState.Returned);
            declineAs(buyer, jobId, terms);
            assertJob(jobId, IAuditEscrow.State.Refunded);
            assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
            assertPaidOut((i + 1) * (REWARD + BOND), (i + 1) * STAKE, 0);
        }
    }

    function test_RevertWhen_SettlingWhileBuyerMayDeliver() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.warp(terms.deliverBy);
        _expectTooEarly(jobId, terms, terms.deliverBy);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, terms.deliverBy));
        audit.release(jobId, terms, 1);
    }

    /// @dev Either order of the two calls pays the same.
    function test_ReleaseBeforeSettlingOfUndelivered() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.warp(terms.deliverBy + 1);
        audit.release(jobId, terms, 1);
        assertCredits(0, STAKE + BOND, 0);
        audit.settle(jobId, terms);
        assertPaidOut(REWARD, STAKE + BOND, 0);
    }

    /// @dev The silent seller has aborted.
    function test_SellerDoesNotAnswer() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditBondReturned(jobId, ABORT_FEE);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(jobId, IAuditEscrow.State.Refunded, 0);
        vm.expectEmit(address(audit));
        emit Events.EntrySettled(jobId, 1, IAuditEscrow.EntryState.Aborted);
        audit.settle(jobId, terms);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Aborted);
        assertPaidOut(REWARD + BOND - ABORT_FEE, STAKE - ABORT_FEE, 0);
    }

    function test_ReleaseOfSilentSeller() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, terms.acceptBy));
        audit.release(jobId, terms, 1);
        vm.warp(terms.acceptBy + 1);
        audit.release(jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Aborted);
        assertCredits(0, STAKE - ABORT_FEE, 0);
        audit.settle(jobId, terms);
        assertPaidOut(REWARD + BOND - ABORT_FEE, STAKE - ABORT_FEE, 0);
    }

    function test_RevertWhen_SettlingWhileSellerMayAnswer() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy);
        _expectUndecided(buyer, jobId, terms);
    }

    function test_SellerAborts() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        abortAs(seller, jobId, terms, 1);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Refunded);
        assertPaidOut(REWARD + BOND - ABORT_FEE, STAKE - ABORT_FEE, 0);
    }

    function test_AllProvenAndReached() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 2, 0]);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(jobId, IAuditEscrow.State.Paid, 1);
        vm.expectEmit(address(audit));
        emit Events.EntrySettled(jobId, 1, IAuditEscrow.EntryState.Returned);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Paid);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertPaidOut(BOND, REWARD + STAKE, 0);
    }

    /// @dev The window is the claim's own, whatever it has come to before.
    function test_AllProvenAndOneTooFew() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 1, 0]);
        vm.warp(proveBy(terms));
        _expectUndecided(stranger, jobId, terms);
        vm.warp(proveBy(terms) + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(jobId, IAuditEscrow.State.Refunded, 0);
        vm.expectEmit(address(audit));
        emit Events.EntrySettled(jobId, 1, IAuditEscrow.EntryState.Forfeited);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Refunded);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Forfeited);
        assertPaidOut(REWARD + BOND + STAKE - ABORT_FEE, 0, 0);
    }

    function test_ReachedWithRunsMissingAfterDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 2, 2);
        vm.warp(proveBy(terms) + 1);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertPaidOut(BOND, REWARD + STAKE, 0);
    }

    /// @dev The seller who does not prove its claim loses the stake.
    function test_TooFewAfterDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 0, 4);
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Forfeited);
        assertPaidOut(REWARD + BOND + STAKE - ABORT_FEE, 0, 0);
    }

    function test_NothingProvenAfterDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        assertPaidOut(REWARD + BOND + STAKE - ABORT_FEE, 0, 0);
    }

    /// @dev The deadline decides also where nobody ever called between.
    function test_SellerDoesNotAnswerUntilTheEnd() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        assertPaidOut(REWARD + BOND - ABORT_FEE, STAKE - ABORT_FEE, 0);
    }

    function test_RevertWhen_SettlingWhileProvingAndNotReached() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 1, 1);
        vm.warp(proveBy(terms));
        _expectUndecided(seller, jobId, terms);
        _expectUndecided(buyer, jobId, terms);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, proveBy(terms)));
        audit.release(jobId, terms, 1);
    }

    /// @dev Nobody need prove more than it has claimed.
    function test_ProvenClaimIsPaidWithRunsMissing() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 0, 4);
        _expectUndecided(seller, jobId, terms);
        proveRun(jobId, terms, 1, 2, 2);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Paid);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertPaidOut(BOND, REWARD + STAKE, 0);
        // Nothing can be added afterwards.
        bytes memory proof = runProof(jobId, terms, 1, 1, 4);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.WrongEntryState.selector,
                jobId,
                1,
                IAuditEscrow.EntryState.Accepted,
                IAuditEscrow.EntryState.Returned
            )
        );
        audit.prove(jobId, terms, 1, 1, 4, proof);
    }

    /// @dev Ending the entry does not end the job, nor the other way round.
    function test_ReleaseBeforeSettling() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        vm.prank(stranger);
        audit.release(jobId, terms, 1);
        assertCredits(0, STAKE, 0);
        assertJob(jobId, IAuditEscrow.State.Delivered);
        audit.settle(jobId, terms);
        assertPaidOut(BOND, REWARD + STAKE, 0);
    }

    function test_ReleaseOfForfeitedStake() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        vm.warp(proveBy(terms) + 1);
        audit.release(jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Forfeited);
        assertCredits(STAKE - ABORT_FEE, 0, 0);
        audit.settle(jobId, terms);
        assertPaidOut(REWARD + BOND + STAKE - ABORT_FEE, 0, 0);
    }

    function test_PaysInToken() public {
        IAuditEscrow.Terms memory terms = bounty(address(token));
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        assertCredits(0, 0, 0);
        vm.prank(seller);
        assertEq(audit.withdraw(address(token)), REWARD + STAKE);
        vm.prank(buyer);
        assertEq(audit.withdraw(address(token)), BOND);
        assertEq(token.balanceOf(address(audit)), 0);
    }

    /// @dev At any time at most one outcome is to be had, and after all deadlines exactly one.
    function testFuzz_SettlingIsDecidedByTimeAlone(uint256 reached, uint256 passed) public {
        uint256 steps = bound(reached, 0, 3);
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 start = block.timestamp;
        uint256 jobId = openAudit(terms);
        if (steps > 0) enterAs(seller, jobId, terms);
        if (steps > 1) deliverTo(jobId, terms);
        if (steps > 2) acceptAs(seller, jobId, terms, 1);
        uint256[4] memory deadlines =
            [uint256(terms.enterBy), terms.deliverBy, terms.acceptBy, proveBy(terms)];
        vm.warp(start + bound(passed, 0, 5 days));
        vm.prank(stranger);
        (bool ok,) = address(audit).call(abi.encodeCall(audit.settle, (jobId, terms)));
        assertEq(ok, block.timestamp > deadlines[steps]);
        uint256[4] memory ofBuyer =
            [uint256(REWARD) + BOND, REWARD, REWARD + BOND - ABORT_FEE, REWARD + BOND + STAKE - ABORT_FEE];
        uint256[4] memory ofSeller = [uint256(0), STAKE + BOND, STAKE - ABORT_FEE, 0];
        if (ok) assertPaidOut(ofBuyer[steps], ofSeller[steps], 0);
        else assertCredits(0, 0, 0);
    }

    function testFuzz_AmountsAddUp(uint96[4] memory amounts, uint256 correct, bool accepts) public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.reward = uint96(bound(amounts[0], 1, type(uint96).max));
        terms.stake = uint96(bound(amounts[2], 1, type(uint96).max));
        terms.abortFee = uint96(bound(amounts[3], 0, terms.stake));
        terms.bond = uint96(bound(amounts[1], terms.abortFee, type(uint96).max));
        correct = bound(correct, 0, ITEMS);
        vm.deal(buyer, uint256(terms.reward) + terms.bond);
        vm.deal(seller, terms.stake);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        deliverTo(jobId, terms);
        if (accepts) {
            acceptAs(seller, jobId, terms, 1);
            uint256 second = correct > 4 ? (correct > 8 ? 4 : correct - 4) : 0;
            uint256 third = correct > 8 ? correct - 8 : 0;
            proveAll(jobId, terms, 1, [correct - second - third, second, third]);
        }
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        uint256 r = terms.reward;
        uint256 b = terms.bond;
        uint256 s = terms.stake;
        if (!accepts) assertPaidOut(r + b - terms.abortFee, s - terms.abortFee, 0);
        else if (correct >= REQUIRED) assertPaidOut(b, r + s, 0);
        else assertPaidOut(r + b + s - terms.abortFee, 0, 0);
    }

    function _expectTooEarly(uint256 jobId, IAuditEscrow.Terms memory terms, uint256 deadline) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, deadline));
        audit.settle(jobId, terms);
    }

    function _expectUndecided(address who, uint256 jobId, IAuditEscrow.Terms memory terms) private {
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(Errors.Undecided.selector, jobId));
        audit.settle(jobId, terms);
    }
}

/// @notice What goes on record, and that no money depends on it.
contract AuditEscrowCertifyTest is AuditFixture {
    function test_CertifiesPaidAudit() public {
        openOthers();
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 3, 1]);
        audit.settle(jobId, terms);
        vm.expectEmit(address(audit));
        emit Events.ResultCertified(jobId, modelId, 1, 8, ITEMS);
        vm.prank(stranger);
        audit.certify(jobId, terms, 1);
        assertTrue(audit.getEntry(jobId, 1).certified);
        _assertRecorded(8);
    }

    /// @dev A weak model's result is as certain as a strong one's.
    function test_CertifiesFailedAudit() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(1), 0, 0]);
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        audit.certify(jobId, terms, 1);
        _assertRecorded(1);
    }

    /// @dev With runs missing, what was proven is a lower bound.
    function test_CertifiesWhatWasProvenWhenSettledEarly() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 0, 3);
        proveRun(jobId, terms, 1, 1, 3);
        vm.prank(seller);
        audit.settle(jobId, terms);
        audit.certify(jobId, terms, 1);
        _assertRecorded(uint64(REQUIRED));
    }

    function test_RevertWhen_CertifyingLiveEntry() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        _expectNotCertifiable(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        _expectNotCertifiable(jobId, terms);
        audit.release(jobId, terms, 1);
        audit.certify(jobId, terms, 1);
    }

    /// @dev A count that stopped short of both the target and the end says nothing about the model.
    function test_RevertWhen_CertifyingUnfinishedCount() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 1, 1);
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        _expectNotCertifiable(jobId, terms);
    }

    function test_RevertWhen_CertifyingAborted() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        _expectNotCertifiable(jobId, terms);
    }

    function test_RevertWhen_CertifyingUndelivered() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        _expectNotCertifiable(jobId, terms);
    }

    function test_RevertWhen_CertifiedTwice() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        audit.certify(jobId, terms, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyCertified.selector, jobId, 1));
        audit.certify(jobId, terms, 1);
        assertEq(results.count(), 1);
    }

    /// @dev The registry of results itself: what a consumer of certified accuracy reads.
    function test_CertifiedResultIsReadable() public {
        ResultRegistry registryOfResults = Shipped.resultRegistry(registry);
        audit = Shipped.auditEscrow(registry, registryOfResults, false);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? buyer : seller);
            token.approve(address(audit), type(uint256).max);
        }
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 3, 2]);
        audit.settle(jobId, terms);
        audit.certify(jobId, terms, 1);
        IResultRegistry.Result memory result =
            registryOfResults.resultOf(address(audit), modelId, ROOT, METRIC);
        assertEq(result.correct, 9);
        assertEq(result.total, ITEMS);
    }

    /// @dev A result registry that fails blocks nobody's money, and can be asked again.
    function test_RefusedResultBlocksNoMoney() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        results.setRefusing(true);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        assertPaidOut(BOND, REWARD + STAKE, 0);
        vm.expectRevert(ResultRecorder.Refused.selector);
        audit.certify(jobId, terms, 1);
        assertFalse(audit.getEntry(jobId, 1).certified);
        results.setRefusing(false);
        audit.certify(jobId, terms, 1);
        assertEq(results.count(), 1);
    }

    function _assertRecorded(uint64 correct) private view {
        assertEq(results.count(), 1);
        ResultRecorder.Result memory result = results.at(0);
        assertEq(result.certifier, address(audit));
        assertEq(result.modelId, modelId);
        assertEq(result.testSetRoot, ROOT);
        assertEq(result.metric, METRIC);
        assertEq(result.correct, correct);
        assertEq(result.total, ITEMS);
    }

    function _expectNotCertifiable(uint256 jobId, IAuditEscrow.Terms memory terms) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCertifiable.selector, jobId, 1));
        audit.certify(jobId, terms, 1);
        assertEq(results.count(), 0);
    }
}
