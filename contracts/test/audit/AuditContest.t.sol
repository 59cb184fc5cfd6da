// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice Several sellers on one hidden test set: whose claim has to be proven, until when, and who gets what.
contract AuditContestTest is AuditFixture {
    uint256 internal jobId;
    IAuditEscrow.Terms internal terms;

    function setUp() public override {
        super.setUp();
        terms = contest(2);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
    }

    /// @dev The others prove nothing.
    function test_HighestClaimWins() public {
        _deliverAndClaim(6, 7);
        proveAll(jobId, terms, 2, [uint256(4), 2, 1]);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(jobId, IAuditEscrow.State.Paid, 2);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertCredits(BOND, 0, REWARD + STAKE);
        // At once, though its own window has not begun.
        audit.release(jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertPaidOut(BOND, STAKE, REWARD + STAKE);
    }

    function test_EqualClaimsGoToEarlierEntry() public {
        deliverTo(jobId, terms);
        // The later entry is the first to claim, and to prove.
        acceptAs(rival, jobId, terms, 2, 8);
        acceptAs(seller, jobId, terms, 1, 8);
        assertEq(audit.getEntry(jobId, 1).turn, 0);
        assertEq(audit.getEntry(jobId, 2).turn, 1);
        proveAll(jobId, terms, 2, [uint256(4), 4, 0]);
        _expectUndecided(rival);
        vm.warp(proveBy(terms));
        _expectUndecided(rival);
        proveAll(jobId, terms, 1, [uint256(4), 2, 2]);
        _endAll();
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    /// @dev More than it has claimed is proven for nothing.
    function test_CountAboveTheClaimDoesNotOvertake() public {
        _deliverAndClaim(7, 6);
        proveAll(jobId, terms, 2, [uint256(4), 4, 2]);
        proveAll(jobId, terms, 1, [uint256(4), 3, 0]);
        _endAll();
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    /// @dev They add to what goes on record only, so the claim's own window is nothing to them.
    function test_RunsBeyondAProvenClaimMayComeAfterItsWindow() public {
        _deliverAndClaim(7, 6);
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 1, 3);
        vm.warp(proveBy(terms, 0) + 1);
        proveRun(jobId, terms, 1, 2, 2);
        assertEq(audit.getEntry(jobId, 1).correct, 9);
    }

    /// @dev A claim that is not proven forfeits the stake, and the next one follows, in a window of its own.
    function test_NextClaimFollowsOneThatIsNotProven() public {
        _deliverAndClaim(8, 6);
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 1, 3);
        vm.warp(proveBy(terms, 0) + 1);
        bytes memory late = runProof(jobId, terms, 1, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, proveBy(terms, 0)));
        audit.prove(jobId, terms, 1, 2, 1, late);
        _expectUndecided(rival);
        vm.warp(proveBy(terms, 1));
        proveAll(jobId, terms, 2, [uint256(4), 2, 0]);
        audit.settle(jobId, terms);
        audit.release(jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Forfeited);
        assertPaidOut(BOND + STAKE - ABORT_FEE, 0, REWARD + STAKE);
    }

    /// @dev Proven early, it only has to wait for those before it.
    function test_LaterClaimMayBeProvenEarly() public {
        _deliverAndClaim(8, 6);
        proveAll(jobId, terms, 2, [uint256(4), 2, 0]);
        // Its stake is free at once, the reward not before.
        audit.release(jobId, terms, 2);
        vm.warp(proveBy(terms, 0));
        _expectUndecided(rival);
        vm.warp(proveBy(terms, 0) + 1);
        _endAll();
        assertPaidOut(BOND + STAKE - ABORT_FEE, 0, REWARD + STAKE);
    }

    function test_NoClaimIsProven() public {
        _deliverAndClaim(6, 7);
        // Entry 2 comes first.
        vm.warp(proveBy(terms, 0));
        _expectTooEarly(2, proveBy(terms, 0));
        vm.warp(proveBy(terms, 0) + 1);
        audit.release(jobId, terms, 2);
        _expectTooEarly(1, proveBy(terms, 1));
        vm.warp(proveBy(terms, 1));
        _expectUndecided(buyer);
        _expectTooEarly(1, proveBy(terms, 1));
        vm.warp(proveBy(terms, 1) + 1);
        _endAll();
        assertJob(jobId, IAuditEscrow.State.Refunded);
        assertPaidOut(REWARD + BOND + 2 * (STAKE - ABORT_FEE), 0, 0);
    }

    /// @dev Threat: nobody settles until the window of the others has passed, too, and then their stakes are taken.
    function test_StakesBehindAProvenClaimAreNeverForfeited() public {
        _deliverAndClaim(6, 7);
        proveAll(jobId, terms, 2, [uint256(4), 3, 0]);
        vm.warp(proveBy(terms, 1) + 1);
        vm.prank(buyer);
        audit.release(jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        audit.settle(jobId, terms);
        assertPaidOut(BOND, STAKE, REWARD + STAKE);
    }

    /// @dev Threat: a claim that is paid before the others may have made theirs.
    function test_RevertWhen_SettlingWhileOtherMayClaimMore() public {
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1, 9);
        proveAll(jobId, terms, 1, [uint256(4), 4, 1]);
        vm.warp(terms.acceptBy);
        _expectUndecided(seller);
        vm.warp(terms.acceptBy + 1);
        _endAll();
        assertEntry(jobId, 2, IAuditEscrow.EntryState.Aborted);
        assertPaidOut(BOND - ABORT_FEE, REWARD + STAKE, STAKE - ABORT_FEE);
    }

    /// @dev All of n cannot be outdone. Who has not answered has spoilt nothing, and loses nothing.
    function test_ProvenClaimOfAllItemsIsPaidAtOnce() public {
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1, ITEMS);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        vm.expectEmit(address(audit));
        emit Events.AuditBondReturned(jobId, 0);
        audit.settle(jobId, terms);
        assertEq(audit.getJob(jobId).waiting, 0);
        assertCredits(BOND, REWARD + STAKE, 0);
        vm.prank(rival);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.WrongJobState.selector, jobId, IAuditEscrow.State.Delivered, IAuditEscrow.State.Paid
            )
        );
        audit.accept(jobId, terms, 2, ITEMS);
        audit.release(jobId, terms, 2);
        assertEntry(jobId, 2, IAuditEscrow.EntryState.Returned);
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    /// @dev The last second to answer is one of those in which silence spoils nothing.
    function test_SilenceSpoilsNothingInALastSecondSettlement() public {
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1, ITEMS);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        vm.warp(terms.acceptBy);
        audit.settle(jobId, terms);
        audit.release(jobId, terms, 2);
        assertEntry(jobId, 2, IAuditEscrow.EntryState.Returned);
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    /// @dev An earlier entry may still claim as much, and comes before it then.
    function test_RevertWhen_EarlierEntryMayClaimAllItems() public {
        deliverTo(jobId, terms);
        acceptAs(rival, jobId, terms, 2, ITEMS);
        proveAll(jobId, terms, 2, [uint256(4), 4, 2]);
        vm.warp(terms.acceptBy);
        _expectUndecided(rival);
        acceptAs(seller, jobId, terms, 1, ITEMS);
        _expectUndecided(rival);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        _endAll();
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    /// @dev Each of the earlier entries is waited for, not only the first and the last.
    function test_RevertWhen_AnyEarlierEntryMayClaimAllItems() public {
        terms = contest(5);
        jobId = openAudit(terms);
        for (uint256 entry = 1; entry <= 5; ++entry) {
            enterAs(entry == 5 ? seller : rival, jobId, terms);
        }
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 5, ITEMS);
        proveAll(jobId, terms, 5, [uint256(4), 4, 2]);
        uint256 start = vm.snapshotState();
        for (uint256 silent = 1; silent < 5; ++silent) {
            for (uint256 entry = 1; entry < 5; ++entry) {
                if (entry != silent) abortAs(rival, jobId, terms, entry);
            }
            _expectUndecided(seller);
            abortAs(rival, jobId, terms, silent);
            audit.settle(jobId, terms);
            vm.revertToState(start);
        }
    }

    function test_OneAbortsAndTheOtherWins() public {
        deliverTo(jobId, terms);
        abortAs(seller, jobId, terms, 1);
        acceptAs(rival, jobId, terms, 2);
        proveAll(jobId, terms, 2, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        assertPaidOut(BOND - ABORT_FEE, STAKE - ABORT_FEE, REWARD + STAKE);
    }

    /// @dev An abort is an answer; one that is still to come is waited for.
    function test_RevertWhen_SettlingWhileOneMayAnswer() public {
        deliverTo(jobId, terms);
        abortAs(rival, jobId, terms, 2);
        vm.warp(terms.acceptBy);
        _expectUndecided(seller);
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Refunded);
    }

    function test_AllAbort() public {
        deliverTo(jobId, terms);
        abortAs(seller, jobId, terms, 1);
        _expectUndecided(stranger);
        abortAs(rival, jobId, terms, 2);
        audit.settle(jobId, terms);
        assertPaidOut(REWARD + BOND - 2 * ABORT_FEE, STAKE - ABORT_FEE, STAKE - ABORT_FEE);
    }

    /// @dev Settling pays one entry only, so that it costs the same whatever the others have done.
    function test_SettlingEndsTheWinnerOnly() public {
        _deliverAndClaim(7, 6);
        proveAll(jobId, terms, 1, [uint256(4), 3, 0]);
        audit.settle(jobId, terms);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertEntry(jobId, 2, IAuditEscrow.EntryState.Accepted);
        audit.release(jobId, terms, 2);
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    function test_SettlingWithoutWinnerEndsNoEntry() public {
        _deliverAndClaim(7, 6);
        vm.warp(proveBy(terms, 1) + 1);
        audit.settle(jobId, terms);
        assertCredits(REWARD + BOND, 0, 0);
        for (uint256 entry = 1; entry <= 2; ++entry) {
            assertEntry(jobId, entry, IAuditEscrow.EntryState.Accepted);
            audit.release(jobId, terms, entry);
        }
        assertPaidOut(REWARD + BOND + 2 * (STAKE - ABORT_FEE), 0, 0);
    }

    function test_SingleEntrantOfContestIsPaidForItsClaim() public {
        terms = contest(2);
        jobId = openAudit(terms);
        enterAs(rival, jobId, terms);
        vm.warp(terms.enterBy + 1);
        deliverTo(jobId, terms);
        acceptAs(rival, jobId, terms, 1);
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 2, 2);
        audit.settle(jobId, terms);
        assertCredits(BOND, 0, REWARD + STAKE);
    }

    /// @dev Who did not have to prove anything may still put its count on record.
    function test_EachEntryIsCertified() public {
        _deliverAndClaim(6, 10);
        proveAll(jobId, terms, 2, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        proveAll(jobId, terms, 1, [uint256(4), 3, 0]);
        audit.release(jobId, terms, 1);
        audit.certify(jobId, terms, 2);
        audit.certify(jobId, terms, 1);
        assertEq(results.at(0).modelId, rivalModelId);
        assertEq(results.at(0).correct, 10);
        assertEq(results.at(1).modelId, modelId);
        assertEq(results.at(1).correct, 7);
        assertPaidOut(BOND, STAKE, REWARD + STAKE);
    }

    function test_RevertWhen_ProvingAfterAllWindows() public {
        _deliverAndClaim(6, 7);
        bytes memory proof = runProof(jobId, terms, 1, 0, 4);
        vm.warp(proveBy(terms, 1) + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, proveBy(terms, 1)));
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    /// @dev Whatever is claimed and proven in whatever order, the first claim wins that is proven; no claim before it
    /// keeps its stake, and none after it loses it.
    function testFuzz_FirstProvenClaimWins(uint256 seed, uint256 accepted, uint256 proven) public {
        terms = contest(16);
        terms.required = 1;
        jobId = openAudit(terms);
        uint256[17] memory claims;
        for (uint256 i = 1; i <= 16; ++i) {
            vm.deal(vm.addr(i), STAKE);
            enterWith(vm.addr(i), jobId, terms, offerOf(seller));
        }
        deliverTo(jobId, terms);
        uint256 best;
        for (uint256 i = 1; i <= 16; ++i) {
            if (accepted >> i & 1 == 0) continue;
            claims[i] = 1 + (seed >> (i * 8)) % 4;
            acceptAs(vm.addr(i), jobId, terms, i, claims[i]);
            if (proven >> i & 1 == 0) continue;
            bytes memory proof =
                rawProof(WEIGHTS, [audit.contextOf(jobId, vm.addr(i)), ROOT, 0, 4, claims[i]]);
            audit.prove(jobId, terms, i, 0, claims[i], proof);
            if (claims[i] > claims[best]) best = i;
        }
        vm.warp(proveBy(terms, 15) + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(
            jobId, best == 0 ? IAuditEscrow.State.Refunded : IAuditEscrow.State.Paid, best
        );
        audit.settle(jobId, terms);
        for (uint256 i = 1; i <= 16; ++i) {
            if (i == best) {
                assertEq(ether_(vm.addr(i)), REWARD + STAKE);
                continue;
            }
            audit.release(jobId, terms, i);
            bool before = best == 0 || claims[i] > claims[best] || (claims[i] == claims[best] && i < best);
            uint256 kept = claims[i] == 0 ? STAKE - ABORT_FEE : before ? 0 : STAKE;
            assertEq(ether_(vm.addr(i)), kept);
        }
    }

    /// @dev The entries share the bond of a silent buyer; what does not divide stays the buyer's.
    function test_NothingIsDelivered() public {
        terms = contest(2);
        (terms.bond, terms.abortFee) = (101, 0);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        assertCredits(REWARD + 1, 0, 0);
        audit.release(jobId, terms, 1);
        assertCredits(REWARD + 1, STAKE + 50, 0);
        audit.release(jobId, terms, 2);
        assertCredits(REWARD + 1, STAKE + 50, STAKE + 50);
    }

    function test_UndeliveredEntriesAreReleasedInAnyOrder() public {
        vm.warp(terms.deliverBy + 1);
        audit.release(jobId, terms, 2);
        audit.settle(jobId, terms);
        audit.release(jobId, terms, 1);
        assertPaidOut(REWARD, STAKE + BOND / 2, STAKE + BOND / 2);
    }

    /// @dev The buyer takes the other places: a seller gets no more of the bond than its share.
    function test_SilentBuyerSharesInItsOwnBond() public {
        terms = contest(4);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        for (uint256 place = 2; place <= 4; ++place) {
            enterAs(buyer, jobId, terms);
        }
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        for (uint256 entry = 1; entry <= 4; ++entry) {
            audit.release(jobId, terms, entry);
        }
        assertCredits(uint256(REWARD) + 3 * (STAKE + BOND / 4), STAKE + BOND / 4, 0);
    }

    /// @dev Only its seller answers for an entry.
    function test_RevertWhen_AnsweringForOtherEntry() public {
        deliverTo(jobId, terms);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, rival, seller));
        audit.accept(jobId, terms, 2, 6);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, rival, seller));
        audit.abort(jobId, terms, 2);
    }

    function test_EntriesAreCountedApart() public {
        _deliverAndClaim(6, 7);
        proveRun(jobId, terms, 1, 0, 4);
        assertTrue(audit.isProven(jobId, 1, 0));
        assertFalse(audit.isProven(jobId, 2, 0));
        assertEq(audit.getEntry(jobId, 2).correct, 0);
        assertEq(audit.getEntry(jobId, 2).missing, 3);
        proveRun(jobId, terms, 2, 0, 3);
        assertEq(audit.getEntry(jobId, 1).correct, 4);
        assertEq(audit.getEntry(jobId, 2).correct, 3);
    }

    function _deliverAndClaim(uint256 ofSeller, uint256 ofRival) private {
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1, ofSeller);
        acceptAs(rival, jobId, terms, 2, ofRival);
    }

    function _expectUndecided(address who) private {
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(Errors.Undecided.selector, jobId));
        audit.settle(jobId, terms);
    }

    function _expectTooEarly(uint256 entry, uint256 deadline) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, deadline));
        audit.release(jobId, terms, entry);
    }

    /// @dev Settles, and releases what that left.
    function _endAll() private {
        audit.settle(jobId, terms);
        for (uint256 entry = 1; entry <= 2; ++entry) {
            IAuditEscrow.EntryState state = audit.getEntry(jobId, entry).state;
            if (state == IAuditEscrow.EntryState.Entered || state == IAuditEscrow.EntryState.Accepted) {
                audit.release(jobId, terms, entry);
            }
        }
    }
}
