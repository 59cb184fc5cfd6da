// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice Several sellers on one hidden test set.
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

    function test_HighestCountWins() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 2, 0]);
        proveAll(jobId, terms, 2, [uint256(4), 2, 1]);
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(jobId, IAuditEscrow.State.Paid, 2);
        vm.prank(stranger);
        audit.settle(jobId, terms);
        assertCredits(BOND, 0, REWARD + STAKE);
        // The other one reached the target, so its stake is its own.
        audit.release(jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertPaidOut(BOND, STAKE, REWARD + STAKE);
    }

    function test_EqualCountsGoToEarlierEntry() public {
        _deliverAndAccept();
        // The later entry is the first to reach the count.
        proveAll(jobId, terms, 2, [uint256(4), 4, 0]);
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 1, 2);
        proveRun(jobId, terms, 1, 2, 2);
        _endAll();
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    function test_EqualCountDoesNotOvertakeEarlierEntry() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 4, 0]);
        proveAll(jobId, terms, 2, [uint256(4), 2, 2]);
        _endAll();
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    function test_StakeIsLostBelowTheTarget() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 1, 0]);
        proveAll(jobId, terms, 2, [uint256(4), 2, 0]);
        _endAll();
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Forfeited);
        assertPaidOut(BOND + STAKE, 0, REWARD + STAKE);
    }

    function test_NobodyReachesTheTarget() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 1, 0]);
        proveAll(jobId, terms, 2, [uint256(4), 0, 0]);
        _endAll();
        assertJob(jobId, IAuditEscrow.State.Refunded);
        assertPaidOut(REWARD + BOND + 2 * STAKE, 0, 0);
    }

    function test_HighestProvenCountAtDeadlineWins() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 2, 0]);
        proveRun(jobId, terms, 2, 0, 4);
        proveRun(jobId, terms, 2, 1, 3);
        vm.warp(terms.proveBy + 1);
        _endAll();
        assertPaidOut(BOND, STAKE, REWARD + STAKE);
    }

    /// @dev The one who leads cannot end the contest while the other may still overtake.
    function test_RevertWhen_LeaderSettlesWhileOtherProves() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        vm.warp(terms.proveBy);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.Undecided.selector, jobId));
        audit.settle(jobId, terms);
        // Its own entry is complete, though, and its stake free.
        audit.release(jobId, terms, 1);
        vm.warp(terms.proveBy + 1);
        audit.settle(jobId, terms);
        audit.release(jobId, terms, 2);
        assertPaidOut(BOND + STAKE, REWARD + STAKE, 0);
    }

    function test_RevertWhen_SettlingWhileOtherMayAccept() public {
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        vm.warp(terms.acceptBy);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.Undecided.selector, jobId));
        audit.settle(jobId, terms);
        // Afterwards the silent one has aborted, and nobody is left to wait for.
        vm.warp(terms.acceptBy + 1);
        _endAll();
        assertEntry(jobId, 2, IAuditEscrow.EntryState.Aborted);
        assertPaidOut(BOND - ABORT_FEE, REWARD + STAKE, STAKE - ABORT_FEE);
    }

    function test_OneAbortsAndTheOtherWins() public {
        deliverTo(jobId, terms);
        vm.prank(seller);
        audit.abort(jobId, terms, 1);
        acceptAs(rival, jobId, terms, 2);
        proveAll(jobId, terms, 2, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        assertPaidOut(BOND - ABORT_FEE, STAKE - ABORT_FEE, REWARD + STAKE);
    }

    /// @dev Settling pays one entry only, so that it costs the same whatever the others have done.
    function test_SettlingEndsTheWinnerOnly() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        proveAll(jobId, terms, 2, [uint256(4), 4, 0]);
        audit.settle(jobId, terms);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertEntry(jobId, 2, IAuditEscrow.EntryState.Accepted);
        audit.release(jobId, terms, 2);
        assertPaidOut(BOND, REWARD + STAKE, STAKE);
    }

    function test_SettlingWithoutWinnerEndsNoEntry() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 1, 0]);
        proveAll(jobId, terms, 2, [uint256(0), 0, 0]);
        audit.settle(jobId, terms);
        assertCredits(REWARD + BOND, 0, 0);
        for (uint256 entry = 1; entry <= 2; ++entry) {
            assertEntry(jobId, entry, IAuditEscrow.EntryState.Accepted);
            audit.release(jobId, terms, entry);
        }
        assertPaidOut(REWARD + BOND + 2 * STAKE, 0, 0);
    }

    /// @dev An abort is an answer; one that is still to come is waited for.
    function test_RevertWhen_SettlingWhileOneMayAnswer() public {
        deliverTo(jobId, terms);
        vm.prank(rival);
        audit.abort(jobId, terms, 2);
        vm.warp(terms.acceptBy);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.Undecided.selector, jobId));
        audit.settle(jobId, terms);
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Refunded);
    }

    function test_AllAbort() public {
        deliverTo(jobId, terms);
        vm.prank(seller);
        audit.abort(jobId, terms, 1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.Undecided.selector, jobId));
        audit.settle(jobId, terms);
        vm.prank(rival);
        audit.abort(jobId, terms, 2);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Refunded);
        assertPaidOut(REWARD + BOND - 2 * ABORT_FEE, STAKE - ABORT_FEE, STAKE - ABORT_FEE);
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

    function test_SingleEntrantOfContestSettlesEarly() public {
        terms = contest(2);
        jobId = openAudit(terms);
        enterAs(rival, jobId, terms);
        vm.warp(terms.enterBy + 1);
        deliverTo(jobId, terms);
        acceptAs(rival, jobId, terms, 1);
        proveRun(jobId, terms, 1, 0, 4);
        proveRun(jobId, terms, 1, 2, 2);
        vm.prank(rival);
        audit.settle(jobId, terms);
        assertCredits(BOND, 0, REWARD + STAKE);
    }

    /// @dev Only its seller answers for an entry.
    function test_RevertWhen_AnsweringForOtherEntry() public {
        deliverTo(jobId, terms);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, rival, seller));
        audit.accept(jobId, terms, 2);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, rival, seller));
        audit.abort(jobId, terms, 2);
    }

    function test_EntriesAreCountedApart() public {
        _deliverAndAccept();
        proveRun(jobId, terms, 1, 0, 4);
        assertTrue(audit.isProven(jobId, 1, 0));
        assertFalse(audit.isProven(jobId, 2, 0));
        assertEq(audit.getEntry(jobId, 2).correct, 0);
        assertEq(audit.getEntry(jobId, 2).missing, 3);
        proveRun(jobId, terms, 2, 0, 3);
        assertEq(audit.getEntry(jobId, 1).correct, 4);
        assertEq(audit.getEntry(jobId, 2).correct, 3);
    }

    function test_EachEntryIsCertified() public {
        _deliverAndAccept();
        proveAll(jobId, terms, 1, [uint256(4), 0, 0]);
        proveAll(jobId, terms, 2, [uint256(4), 4, 2]);
        _endAll();
        audit.certify(jobId, terms, 2);
        audit.certify(jobId, terms, 1);
        assertEq(results.at(0).modelId, rivalModelId);
        assertEq(results.at(0).correct, 10);
        assertEq(results.at(1).modelId, modelId);
        assertEq(results.at(1).correct, 4);
    }

    /// @dev Whatever is proven in whatever order, the best of all wins, the earliest among equals.
    function testFuzz_BestEntryWins(uint256 seed) public {
        terms = contest(16);
        terms.required = 1;
        jobId = openAudit(terms);
        uint256[17] memory counts;
        address[17] memory sellers;
        for (uint256 i = 1; i <= 16; ++i) {
            sellers[i] = vm.addr(i);
            vm.deal(sellers[i], STAKE);
            enterWith(sellers[i], jobId, terms, offerOf(seller));
        }
        deliverTo(jobId, terms);
        for (uint256 i = 1; i <= 16; ++i) {
            if (seed >> i & 1 == 1) acceptAs(sellers[i], jobId, terms, i);
        }
        uint256 best;
        for (uint256 step = 0; step < 24; ++step) {
            uint256 entry = 1 + (seed >> (step * 8)) % 16;
            uint256 run = (seed >> (step * 8 + 4)) % 3;
            uint256 correct = (seed >> (step * 8 + 6)) % 3;
            if (seed >> entry & 1 == 0 || audit.isProven(jobId, entry, run)) continue;
            bytes memory proof = rawProof(
                WEIGHTS,
                [audit.contextOf(jobId, sellers[entry]), ROOT, run * BATCH, run == 2 ? 2 : 4, correct]
            );
            audit.prove(jobId, terms, entry, run, correct, proof);
            counts[entry] += correct;
        }
        for (uint256 i = 1; i <= 16; ++i) {
            if (counts[i] > counts[best]) best = i;
        }
        vm.warp(terms.proveBy + 1);
        address winner = best == 0 ? buyer : sellers[best];
        vm.expectEmit(address(audit));
        emit Events.AuditSettled(
            jobId, best == 0 ? IAuditEscrow.State.Refunded : IAuditEscrow.State.Paid, best
        );
        audit.settle(jobId, terms);
        if (best != 0) assertEq(ether_(winner), REWARD + STAKE);
    }

    function _deliverAndAccept() private {
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        acceptAs(rival, jobId, terms, 2);
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
