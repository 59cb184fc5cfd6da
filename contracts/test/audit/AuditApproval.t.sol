// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice The buyer decides on the entries: it delivers to some, or declines them all.
contract AuditApprovalTest is AuditFixture {
    uint256 internal jobId;
    IAuditEscrow.Terms internal terms;

    function setUp() public override {
        super.setUp();
        terms = contest(3);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        enterAs(rival, jobId, terms);
    }

    /// @dev At once, and with nothing taken from anybody.
    function test_OthersGetTheirStakesBackAtOnce() public {
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditDelivered(jobId, 1, DATA, "");
        for (uint256 entry = 2; entry <= 3; ++entry) {
            vm.expectEmit(address(audit));
            emit Events.EntrySettled(jobId, entry, IAuditEscrow.EntryState.Returned);
        }
        vm.prank(buyer);
        audit.deliver(jobId, terms, entriesHash, 1, DATA, "");
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Entered);
        assertEq(audit.getJob(jobId).waiting, 1);
        assertCredits(0, 0, 2 * STAKE);
        acceptAs(seller, jobId, terms, 1);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        assertPaidOut(BOND, REWARD + STAKE, 2 * STAKE);
    }

    function test_RevertWhen_RejectedEntryGoesOn() public {
        deliverTo(jobId, terms, 5);
        bytes memory refusal = abi.encodeWithSelector(
            Errors.WrongEntryState.selector,
            jobId,
            2,
            IAuditEscrow.EntryState.Entered,
            IAuditEscrow.EntryState.Returned
        );
        vm.startPrank(rival);
        vm.expectRevert(refusal);
        audit.accept(jobId, terms, 2, 6);
        vm.expectRevert(refusal);
        audit.abort(jobId, terms, 2);
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryEnded.selector, jobId, 2));
        audit.release(jobId, terms, 2);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCertifiable.selector, jobId, 2));
        audit.certify(jobId, terms, 2);
        // The one beside it does.
        audit.accept(jobId, terms, 3, 6);
        assertEq(audit.getJob(jobId).waiting, 1);
    }

    function test_ApprovedBounds() public {
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        uint256[4] memory refused = [uint256(0), 8, 9, 1 << 255];
        vm.startPrank(buyer);
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.ApprovedOutOfRange.selector, refused[i], 3));
            audit.deliver(jobId, terms, entriesHash, refused[i], DATA, "");
        }
        audit.deliver(jobId, terms, entriesHash, 7, DATA, "");
    }

    /// @dev Sixteen entries, of which any are approved.
    function testFuzz_EveryEntryIsApprovedOrReturned(uint16 approved) public {
        approved = approved == 0 ? 1 : approved;
        terms = contest(16);
        jobId = openAudit(terms);
        vm.deal(rival, 1_000 ether);
        for (uint256 i = 0; i < 16; ++i) {
            enterAs(rival, jobId, terms);
        }
        deliverTo(jobId, terms, approved);
        uint256 returned;
        for (uint256 i = 0; i < 16; ++i) {
            bool live = audit.getEntry(jobId, i + 1).state == IAuditEscrow.EntryState.Entered;
            assertEq(live, approved >> i & 1 != 0);
            if (!live) ++returned;
        }
        assertEq(ether_(rival), returned * STAKE);
    }

    function test_RevertWhen_DecliningIsNotTheBuyersOrTooEarlyOrTooLate() public {
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, buyer, seller));
        vm.prank(seller);
        audit.decline(jobId, terms, entriesHash);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.SameBlock.selector, jobId));
        audit.decline(jobId, terms, entriesHash);
        vm.roll(block.number + 1);
        bytes32 other = keccak256("other entries");
        vm.expectRevert(abi.encodeWithSelector(Errors.EntriesMismatch.selector, jobId, entriesHash, other));
        audit.decline(jobId, terms, other);
        vm.warp(terms.deliverBy + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, terms.deliverBy));
        audit.decline(jobId, terms, entriesHash);
        vm.warp(terms.deliverBy);
        audit.decline(jobId, terms, entriesHash);
        vm.stopPrank();
        assertPaidOut(REWARD + BOND, STAKE, 2 * STAKE);
    }

    /// @dev Sellers that may still come are not turned away by what the earlier ones are.
    function test_RevertWhen_DecliningWhileSellersMayEnter() public {
        terms = contest(3);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.EntriesOpen.selector, jobId, terms.enterBy));
        audit.decline(jobId, terms, entriesHash);
    }

    function test_RevertWhen_DecliningAfterDelivery() public {
        deliverTo(jobId, terms);
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.prank(buyer);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.WrongJobState.selector, jobId, IAuditEscrow.State.Open, IAuditEscrow.State.Delivered
            )
        );
        audit.decline(jobId, terms, entriesHash);
    }
}

/// @notice When the bond of a delivered job is returned, and how much of it.
contract AuditBondTest is AuditFixture {
    uint256 internal jobId;
    IAuditEscrow.Terms internal terms;

    function setUp() public override {
        super.setUp();
        terms = contest(3);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        enterAs(rival, jobId, terms);
        deliverTo(jobId, terms, 3);
    }

    /// @dev An answer that may still come may cost it a fee.
    function test_BondStaysUntilTheDeadlineForAnswers() public {
        acceptAs(seller, jobId, terms, 1);
        vm.warp(terms.acceptBy);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, terms.acceptBy));
        audit.returnBond(jobId, terms);
        vm.warp(terms.acceptBy + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditBondReturned(jobId, ABORT_FEE);
        vm.prank(stranger);
        audit.returnBond(jobId, terms);
        assertCredits(BOND - ABORT_FEE, 0, STAKE);
        assertTrue(audit.getJob(jobId).bondReturned);
        // The silent entry's own fee is burnt when it ends.
        assertEq(audit.burntOf(ETHER), ABORT_FEE);
        audit.release(jobId, terms, 2);
        assertEq(audit.burntOf(ETHER), 2 * ABORT_FEE);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        assertPaidOut(BOND - ABORT_FEE, REWARD + STAKE, 2 * STAKE - ABORT_FEE);
    }

    function test_BondIsReturnedOnceAllHaveAnswered() public {
        abortAs(rival, jobId, terms, 2);
        acceptAs(seller, jobId, terms, 1);
        audit.returnBond(jobId, terms);
        assertCredits(BOND - ABORT_FEE, 0, 2 * STAKE - ABORT_FEE);
        assertEq(audit.burntOf(ETHER), 2 * ABORT_FEE);
    }

    /// @dev In either order, of a silent entry and the bond.
    function test_SilentEntryCostsBothSidesWhoeverEndsFirst() public {
        acceptAs(seller, jobId, terms, 1);
        vm.warp(terms.acceptBy + 1);
        audit.release(jobId, terms, 2);
        audit.returnBond(jobId, terms);
        assertCredits(BOND - ABORT_FEE, 0, 2 * STAKE - ABORT_FEE);
        assertEq(audit.burntOf(ETHER), 2 * ABORT_FEE);
    }

    function test_RevertWhen_BondIsReturnedTwice() public {
        acceptAs(seller, jobId, terms, 1);
        acceptAs(rival, jobId, terms, 2);
        audit.returnBond(jobId, terms);
        vm.expectRevert(abi.encodeWithSelector(Errors.BondReturned.selector, jobId));
        audit.returnBond(jobId, terms);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        assertEq(ether_(buyer), BOND);
        vm.expectRevert(abi.encodeWithSelector(Errors.BondReturned.selector, jobId));
        audit.returnBond(jobId, terms);
    }

    /// @dev Before the delivery it is what the entries rely on.
    function test_RevertWhen_BondOfUndeliveredJobIsReturned() public {
        (jobId, terms) = enteredBounty();
        bytes memory refusal = abi.encodeWithSelector(
            Errors.WrongJobState.selector, jobId, IAuditEscrow.State.Delivered, IAuditEscrow.State.Open
        );
        vm.expectRevert(refusal);
        audit.returnBond(jobId, terms);
        vm.warp(proveBy(terms) + 1);
        vm.expectRevert(refusal);
        audit.returnBond(jobId, terms);
    }
}
