// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {AuditFixture} from "./AuditFixture.sol";

contract AuditEscrowDeliverTest is AuditFixture {
    function test_Deliver() public {
        // The second job, so that its number is not the bitmap of its entries.
        openAudit(bounty(ETHER));
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        vm.expectEmit(address(audit));
        emit Events.AuditDelivered(jobId, 1, DATA, "ipfs://data");
        vm.prank(buyer);
        audit.deliver(jobId, terms, entriesHash, 1, DATA, "ipfs://data");
        assertJob(jobId, IAuditEscrow.State.Delivered);
        assertEq(audit.getJob(jobId).waiting, 1);
        // The bond stays until the seller has answered.
        assertCredits(0, 0, 0);
    }

    function test_RevertWhen_DelivererIsNotBuyer() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, buyer, seller));
        audit.deliver(jobId, terms, 0, 1, DATA, "");
    }

    function test_RevertWhen_NobodyEntered() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.warp(terms.enterBy + 1);
        _expectRefusal(jobId, terms, 0, DATA, abi.encodeWithSelector(Errors.NoEntries.selector, jobId));
    }

    /// @dev Threat: a model chosen after seeing the test, by the contents of the same block.
    function test_RevertWhen_DeliveredInBlockOfEntry() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes32 entries = audit.getJob(jobId).entriesHash;
        _expectRefusal(jobId, terms, entries, DATA, abi.encodeWithSelector(Errors.SameBlock.selector, jobId));
        deliverTo(jobId, terms);
    }

    /// @dev Entering closes before delivery: by the deadline where there is room.
    function test_ContestClosesBeforeDelivery() public {
        IAuditEscrow.Terms memory terms = contest(3);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        bytes32 entries = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        vm.warp(terms.enterBy);
        _expectRefusal(
            jobId,
            terms,
            entries,
            DATA,
            abi.encodeWithSelector(Errors.EntriesOpen.selector, jobId, terms.enterBy)
        );
        vm.warp(terms.enterBy + 1);
        deliverTo(jobId, terms);
    }

    function test_FullContestIsDeliveredEarly() public {
        IAuditEscrow.Terms memory terms = contest(2);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        deliverTo(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Delivered);
    }

    /// @dev Threat: other entries after a reorganization, of models that the buyer would not approve of.
    function test_RevertWhen_EntriesAreNotThoseSeen() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes32 entries = audit.getJob(jobId).entriesHash;
        bytes32 seen = keccak256(abi.encode(bytes32(0), rival, rivalBinding, BATCH));
        vm.roll(block.number + 1);
        _expectRefusal(
            jobId,
            terms,
            seen,
            DATA,
            abi.encodeWithSelector(Errors.EntriesMismatch.selector, jobId, entries, seen)
        );
    }

    function test_RevertWhen_DataHashIsZero() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes32 entries = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        _expectRefusal(
            jobId, terms, entries, 0, abi.encodeWithSelector(Errors.ZeroValue.selector, "dataHash")
        );
    }

    function test_PlaceLengthBound() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes32 entries = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.HintTooLong.selector, 4097, 4096));
        audit.deliver(jobId, terms, entries, 1, DATA, new bytes(4097));
        audit.deliver(jobId, terms, entries, 1, DATA, new bytes(4096));
    }

    function test_DeliverAtDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.warp(terms.deliverBy);
        deliverTo(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Delivered);
    }

    function test_RevertWhen_DeliveringAfterDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes32 entries = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        vm.warp(terms.deliverBy + 1);
        _expectRefusal(
            jobId,
            terms,
            entries,
            DATA,
            abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, terms.deliverBy)
        );
    }

    function test_RevertWhen_DeliveredTwice() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        bytes32 entries = audit.getJob(jobId).entriesHash;
        _expectRefusal(
            jobId,
            terms,
            entries,
            DATA,
            abi.encodeWithSelector(
                Errors.WrongJobState.selector, jobId, IAuditEscrow.State.Open, IAuditEscrow.State.Delivered
            )
        );
    }

    function _expectRefusal(
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        bytes32 entries,
        bytes32 dataHash,
        bytes memory refusal
    ) private {
        vm.prank(buyer);
        vm.expectRevert(refusal);
        audit.deliver(jobId, terms, entries, 1, dataHash, "");
    }
}

contract AuditEscrowAnswerTest is AuditFixture {
    function test_Accept() public {
        openOthers();
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.expectEmit(address(audit));
        emit Events.EntryAccepted(jobId, 1, 6);
        acceptAs(seller, jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Accepted);
        assertEq(audit.getEntry(jobId, 1).claim, 6);
        assertEq(audit.getJob(jobId).accepted, 1);
    }

    function test_ClaimBounds() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        uint256[4] memory refused = [uint256(0), REQUIRED - 1, ITEMS + 1, 1 << 32 | REQUIRED];
        vm.startPrank(seller);
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(Errors.ClaimOutOfRange.selector, refused[i], REQUIRED, ITEMS)
            );
            audit.accept(jobId, terms, 1, refused[i]);
        }
        uint256 start = vm.snapshotState();
        audit.accept(jobId, terms, 1, REQUIRED);
        vm.revertToState(start);
        audit.accept(jobId, terms, 1, ITEMS);
    }

    function test_AbortCostsTheFee() public {
        openOthers();
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.expectEmit(address(audit));
        emit Events.EntrySettled(jobId, 1, IAuditEscrow.EntryState.Aborted);
        vm.expectEmit(address(audit));
        emit Events.Burnt(ETHER, ABORT_FEE);
        abortAs(seller, jobId, terms, 1);
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Aborted);
        assertCredits(0, STAKE - ABORT_FEE, 0);
        assertEq(audit.burntOf(ETHER), ABORT_FEE);
        assertJob(jobId, IAuditEscrow.State.Delivered);
    }

    function test_AbortWithoutFeeOrWithWholeStake() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.bond = STAKE;
        uint96[2] memory fees = [0, STAKE];
        for (uint256 i = 0; i < 2; ++i) {
            terms.abortFee = fees[i];
            uint256 jobId = openAudit(terms);
            enterAs(seller, jobId, terms);
            deliverTo(jobId, terms);
            abortAs(seller, jobId, terms, 1);
            audit.settle(jobId, terms);
            // One bond is returned whole, the other burnt with the stake.
            assertPaidOut((i + 1) * REWARD + STAKE, STAKE, 0);
            assertEq(audit.burntOf(ETHER), 2 * i * STAKE);
        }
    }

    function test_AnswerAtDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy);
        uint256 snapshot = vm.snapshotState();
        acceptAs(seller, jobId, terms, 1);
        vm.revertToState(snapshot);
        vm.prank(seller);
        audit.abort(jobId, terms, 1);
    }

    function test_RevertWhen_AnsweringAfterDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy + 1);
        bytes memory refusal = abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, terms.acceptBy);
        _expectRefusal(seller, jobId, terms, refusal);
    }

    function test_RevertWhen_AnswererIsNotSeller() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        _expectRefusal(
            buyer, jobId, terms, abi.encodeWithSelector(Errors.WrongCaller.selector, seller, buyer)
        );
    }

    function test_RevertWhen_AnsweringBeforeDelivery() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        _expectRefusal(
            seller,
            jobId,
            terms,
            abi.encodeWithSelector(
                Errors.WrongJobState.selector, jobId, IAuditEscrow.State.Delivered, IAuditEscrow.State.Open
            )
        );
    }

    function test_RevertWhen_AnsweringTwice() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        uint256 snapshot = vm.snapshotState();
        acceptAs(seller, jobId, terms, 1);
        _expectAnswered(jobId, terms, IAuditEscrow.EntryState.Accepted);
        vm.revertToState(snapshot);
        vm.prank(seller);
        audit.abort(jobId, terms, 1);
        _expectAnswered(jobId, terms, IAuditEscrow.EntryState.Aborted);
    }

    function test_RevertWhen_EntryIsUnknown() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        bytes memory refusal = abi.encodeWithSelector(Errors.EntryNotFound.selector, jobId, 2);
        vm.startPrank(seller);
        vm.expectRevert(refusal);
        audit.accept(jobId, terms, 2, 6);
        vm.expectRevert(refusal);
        audit.abort(jobId, terms, 2);
        vm.expectRevert(refusal);
        audit.release(jobId, terms, 2);
        vm.expectRevert(refusal);
        audit.certify(jobId, terms, 2);
        vm.expectRevert(refusal);
        audit.prove(jobId, terms, 2, 0, 0, "");
    }

    function _expectAnswered(uint256 jobId, IAuditEscrow.Terms memory terms, IAuditEscrow.EntryState state)
        private
    {
        _expectRefusal(
            seller,
            jobId,
            terms,
            abi.encodeWithSelector(
                Errors.WrongEntryState.selector, jobId, 1, IAuditEscrow.EntryState.Entered, state
            )
        );
    }

    function _expectRefusal(address who, uint256 jobId, IAuditEscrow.Terms memory terms, bytes memory refusal)
        private
    {
        vm.startPrank(who);
        vm.expectRevert(refusal);
        audit.accept(jobId, terms, 1, 6);
        vm.expectRevert(refusal);
        audit.abort(jobId, terms, 1);
        vm.stopPrank();
    }
}
