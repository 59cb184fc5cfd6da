// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {BatchTree} from "../doubles/BatchTree.sol";
import {ServiceFixture} from "./ServiceFixture.sol";
import {one} from "../doubles/Words.sol";

/// @notice From a posted receipt to the end of the batch.
contract ServiceBondContestTest is ServiceFixture {
    function test_UncontestedBatchIsPaid() public {
        bytes32 batchId = postBatch(0);
        uint256 deadline = deadlineOf(batchId);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, uint256(batchId), deadline));
        bond.settle(receipts[batchId]);
        vm.warp(deadline + 1);
        vm.expectEmit(address(bond));
        emit Events.BatchPaid(batchId, serviceId, PRICE);
        vm.prank(stranger);
        bond.settle(receipts[batchId]);

        assertBatch(batchId, IServiceBond.BatchState.Paid);
        assertEq(bond.creditOf(ETHER, seller), PRICE);
        assertEq(bond.creditOf(ETHER, buyer), 0);
        _assertNothingReserved(BOND);
    }

    /// @dev Those that the buyer names.
    function test_BuyerContestsItemsOfItsChoice() public {
        bytes32 batchId = postBatch(0);
        uint256[] memory indices = new uint256[](3);
        (indices[0], indices[1], indices[2]) = (0, 7, 19);
        uint64 proveBy = uint64(block.timestamp) + PROOF_WINDOW;
        vm.expectEmit(address(bond));
        emit Events.BatchContested(batchId, serviceId, indices, proveBy);
        contestItems(batchId, indices);
        assertBatch(batchId, IServiceBond.BatchState.Contested);
        IServiceBond.Batch memory batch = bond.getBatch(batchId);
        assertEq(batch.proveBy, proveBy);
        assertEq(batch.checks, 3);
        assertEq(batch.contested, 3);
        assertEq(address(bond).balance, BOND + PRICE + 3 * PROOF_COST);
        assertEq(bond.contestedItems(batchId), indices);
    }

    function test_ContestAtDeadlineButNotAfter() public {
        bytes32 batchId = postBatch(0);
        uint256 deadline = bond.getBatch(batchId).contestBy;
        vm.warp(deadline + 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, uint256(batchId), deadline));
        bond.contest{value: PROOF_COST}(receipts[batchId], lastItems(COUNT, 1));
        vm.warp(deadline);
        contestBatch(batchId, 1);
        assertBatch(batchId, IServiceBond.BatchState.Contested);
    }

    function test_ChecksBounds() public {
        bytes32 batchId = postBatch(0);
        uint256[2] memory refused = [uint256(0), 17];
        for (uint256 i = 0; i < refused.length; ++i) {
            _expectRefusal(
                batchId,
                lastItems(COUNT, refused[i]),
                abi.encodeWithSelector(Errors.ChecksOutOfRange.selector, refused[i], 16)
            );
        }
        contestBatch(batchId, 16);
    }

    function test_RevertWhen_ItemsAreNotThereOrTwice() public {
        bytes32 batchId = postBatch(0);
        uint256[] memory indices = new uint256[](2);
        uint256[2] memory missing = [COUNT, type(uint256).max];
        for (uint256 i = 0; i < 2; ++i) {
            indices[1] = missing[i];
            _expectRefusal(
                batchId, indices, abi.encodeWithSelector(Errors.ItemOutOfRange.selector, missing[i], COUNT)
            );
        }
        uint256[2] memory second = [uint256(7), 6];
        for (uint256 i = 0; i < 2; ++i) {
            (indices[0], indices[1]) = (7, second[i]);
            _expectRefusal(
                batchId, indices, abi.encodeWithSelector(Errors.ItemsNotAscending.selector, 7, second[i])
            );
        }
        (indices[0], indices[1]) = (7, 8);
        contestItems(batchId, indices);
    }

    /// @dev The provider is asked for sixteen proofs at most at a time.
    function test_RevertWhen_ContestedBeforeTheLastContestIsProven() public {
        bytes32 batchId = postBatch(0);
        contestBatch(batchId, 2);
        proveItem(batchId, 0);
        _expectNotPosted(batchId);
        proveItem(batchId, 1);
        assertBatch(batchId, IServiceBond.BatchState.Posted);
        contestBatch(batchId, 2);
        assertEq(bond.getBatch(batchId).proven, 0);
        assertEq(bond.getBatch(batchId).contested, 4);
    }

    /// @dev As often as the buyer pays for; each contest has a proof window of its own, and the price waits for
    /// the end of the time for contests.
    function test_ContestedAgainUntilTheWindowEnds() public {
        bytes32 batchId = postBatch(0);
        uint64 contestBy = bond.getBatch(batchId).contestBy;
        for (uint256 round = 1; round <= 3; ++round) {
            contestBatch(batchId, round);
            for (uint256 i = 0; i < round; ++i) {
                if (i == round - 1) {
                    vm.expectEmit(address(bond));
                    emit Events.ContestUpheld(batchId, serviceId, contestBy);
                }
                proveItem(batchId, i);
            }
            assertBatch(batchId, IServiceBond.BatchState.Posted);
            vm.warp(vm.getBlockTimestamp() + 10 minutes);
        }
        assertEq(bond.creditOf(ETHER, seller), 6 * PROOF_COST);
        // In the last second, too, others may follow.
        vm.warp(contestBy);
        contestBatch(batchId, 1);
        proveItem(batchId, 0);
        assertBatch(batchId, IServiceBond.BatchState.Posted);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, uint256(batchId), contestBy)
        );
        bond.settle(receipts[batchId]);
        vm.warp(contestBy + 1);
        bond.settle(receipts[batchId]);
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
        assertEq(bond.creditOf(ETHER, seller), PRICE + 7 * PROOF_COST);
        _assertNothingReserved(BOND);
    }

    /// @dev A later contest can be lost after earlier ones were upheld; what was proven stays paid.
    function test_LaterContestIsPunished() public {
        bytes32 batchId = postBatch(0);
        contestBatch(batchId, 2);
        proveItem(batchId, 0);
        proveItem(batchId, 1);
        contestBatch(batchId, 3);
        proveItem(batchId, 2);
        vm.warp(bond.getBatch(batchId).proveBy + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, seller), 3 * PROOF_COST);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + 2 * PROOF_COST + PENALTY);
        _assertNothingReserved(BOND - PENALTY);
    }

    /// @dev Threat: wrong answers that are few, sold to a buyer that knows which they are.
    function test_KnownWrongAnswerIsContestedAsSuch() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.count = 2;
        bytes32 wrong = BatchTree.leaf(1, BatchTree.inputOf(1), BatchTree.outputOf(1) + 1);
        receipt.root = keccak256(
            abi.encodePacked(BatchTree.leaf(0, BatchTree.inputOf(0), BatchTree.outputOf(0)), wrong)
        );
        bytes32 batchId = postReceipt(receipt);
        contestBatch(batchId, 1);
        assertEq(bond.contestedItems(batchId)[0], 1);
        IServiceBond.Opening memory opening = IServiceBond.Opening({
            position: 0,
            inputCommitment: BatchTree.inputOf(1),
            outputs: one(BatchTree.outputOf(1)),
            path: new bytes32[](1)
        });
        opening.path[0] = BatchTree.leaf(0, BatchTree.inputOf(0), BatchTree.outputOf(0));
        bytes memory proof = proofOf(batchId, opening);
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, 1));
        bond.prove(receipts[batchId], opening, proof);
        vm.warp(bond.getBatch(batchId).proveBy + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev The proofs of the last contest come when the time for others has passed: the last one ends the batch.
    function test_GoodProofsPayProviderAndUphold() public {
        bytes32 batchId = contested(3);
        IServiceBond.Opening memory opening = openingOf(batchId, 1);
        bytes memory proof = proofOf(batchId, opening);
        vm.expectEmit(address(bond));
        emit Events.ItemProven(batchId, 1, opening.outputs);
        vm.prank(stranger);
        bond.prove(receipts[batchId], opening, proof);
        assertEq(bond.creditOf(ETHER, seller), PROOF_COST);
        assertEq(bond.getBatch(batchId).proven, 2);
        assertBatch(batchId, IServiceBond.BatchState.Contested);

        proveItem(batchId, 0);
        vm.warp(bond.getBatch(batchId).proveBy);
        opening = openingOf(batchId, 2);
        proof = proofOf(batchId, opening);
        vm.expectEmit(address(bond));
        emit Events.BatchPaid(batchId, serviceId, PRICE);
        bond.prove(receipts[batchId], opening, proof);
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
        assertEq(bond.creditOf(ETHER, seller), PRICE + 3 * PROOF_COST);
        assertEq(bond.creditOf(ETHER, buyer), 0);
        assertEq(bond.creditOf(ETHER, stranger), 0);
        _assertNothingReserved(BOND);
    }

    function test_RevertWhen_ContestedBySomebodyElse() public {
        bytes32 batchId = postBatch(0);
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBatchBuyer.selector, buyer, stranger));
        bond.contest{value: PROOF_COST}(receipts[batchId], lastItems(COUNT, 1));
    }

    function test_RevertWhen_AdvanceDoesNotArrive() public {
        bytes32 batchId = postBatch(0);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, 2 * PROOF_COST, PROOF_COST));
        bond.contest{value: PROOF_COST}(receipts[batchId], lastItems(COUNT, 2));
    }

    function test_MostChecksAreUpheld() public {
        bytes32 batchId = contested(16);
        for (uint256 i = 0; i < 16; ++i) {
            proveItem(batchId, i);
        }
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
        assertEq(bond.creditOf(ETHER, seller), PRICE + 16 * PROOF_COST);
    }

    function test_UnprovenItemIsPunished() public {
        bytes32 batchId = contested(3);
        proveItem(batchId, 2);
        uint256 deadline = deadlineOf(batchId);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, uint256(batchId), deadline));
        bond.punish(receipts[batchId]);
        vm.warp(deadline + 1);
        uint256 compensation = PRICE + 2 * PROOF_COST + PENALTY;
        vm.expectEmit(address(bond));
        emit Events.BatchPunished(batchId, serviceId, 2, compensation);
        vm.prank(stranger);
        bond.punish(receipts[batchId]);

        assertBatch(batchId, IServiceBond.BatchState.Punished);
        assertEq(bond.creditOf(ETHER, buyer), compensation);
        assertEq(bond.creditOf(ETHER, seller), PROOF_COST);
        _assertNothingReserved(BOND - PENALTY);
    }

    function test_PunishWithNothingProven() public {
        bytes32 batchId = contested(16);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + 16 * PROOF_COST + PENALTY);
        assertEq(bond.creditOf(ETHER, seller), 0);
    }

    function test_PayoffsInToken() public {
        serviceId = openIn(address(token), 0);
        bytes32 batchId = contested(2);
        proveItem(batchId, 0);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(address(token), buyer), PRICE + PROOF_COST + PENALTY);
        assertEq(bond.creditOf(address(token), seller), PROOF_COST);
        assertEq(bond.creditOf(ETHER, buyer), 0);
    }

    function test_RevertWhen_ProvenAfterDeadline() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        uint256 deadline = deadlineOf(batchId);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, uint256(batchId), deadline));
        bond.prove(receipts[batchId], opening, proof);
    }

    function test_RevertWhen_ProvenTwice() public {
        bytes32 batchId = contested(2);
        proveItem(batchId, 0);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemAlreadyProven.selector, batchId, 0));
        bond.prove(receipts[batchId], opening, proof);
    }

    function test_RevertWhen_PositionIsOutOfRange() public {
        bytes32 batchId = contested(2);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        uint256[3] memory refused = [uint256(2), 16, type(uint256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            opening.position = refused[i];
            vm.expectRevert(abi.encodeWithSelector(Errors.PositionOutOfRange.selector, refused[i], 2));
            bond.prove(receipts[batchId], opening, proof);
        }
    }

    /// @dev Calls that belong to another state, in every state.
    function test_RevertWhen_StateIsAnother() public {
        bytes32 batchId = postBatch(0);
        IServiceBond.Opening memory opening;
        _expectNotContested(batchId, opening);
        contestLate(batchId, 1);
        opening = openingOf(batchId, 0);
        _expectNotPosted(batchId);
        uint256 start = vm.snapshotState();

        proveItem(batchId, 0);
        vm.warp(deadlineOf(batchId) + 1);
        _expectNotPosted(batchId);
        _expectNotContested(batchId, opening);

        vm.revertToState(start);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        _expectNotPosted(batchId);
        _expectNotContested(batchId, opening);

        batchId = postBatch(1);
        vm.warp(deadlineOf(batchId) + 1);
        bond.settle(receipts[batchId]);
        _expectNotPosted(batchId);
        _expectNotContested(batchId, opening);

        IServiceBond.Receipt memory none = receiptOf(2);
        bytes memory unknown = abi.encodeWithSelector(Errors.BatchNotFound.selector, bond.batchIdOf(none));
        vm.expectRevert(unknown);
        bond.settle(none);
        vm.expectRevert(unknown);
        bond.punish(none);
        vm.expectRevert(unknown);
        bond.contest(none, lastItems(COUNT, 1));
        vm.expectRevert(unknown);
        bond.prove(none, opening, "");
    }

    /// @dev A chain that splits may get a new id. Nothing is stuck on either side.
    function test_BatchEndsUnderAnotherChainId() public {
        bytes32 batchId = postBatch(0);
        bytes32 second = postBatch(1);
        vm.chainId(block.chainid + 1);
        contestLate(second, 1);
        proveItem(second, 0);
        assertBatch(second, IServiceBond.BatchState.Upheld);
        bond.settle(receipts[batchId]);
        assertBatch(batchId, IServiceBond.BatchState.Paid);
    }

    /// @dev A batch is called by its whole receipt: with any term changed it is unknown.
    function test_RevertWhen_ReceiptIsNotThePostedOne() public {
        bytes32 batchId = contested(1);
        vm.warp(deadlineOf(batchId) + 1);
        for (uint256 i = 0; i < 7; ++i) {
            IServiceBond.Receipt memory receipt = receipts[batchId];
            if (i == 0) receipt.serviceId = "another";
            if (i == 1) receipt.buyer = stranger;
            if (i == 2) receipt.root = "another";
            if (i == 3) ++receipt.count;
            if (i == 4) ++receipt.price;
            if (i == 5) ++receipt.nonce;
            if (i == 6) ++receipt.validUntil;
            vm.expectRevert(abi.encodeWithSelector(Errors.BatchNotFound.selector, bond.batchIdOf(receipt)));
            bond.punish(receipt);
        }
    }

    /// @dev Notice ends new business; what is open goes its way.
    function test_NoticeDoesNotTouchOpenBatch() public {
        bytes32 batchId = postBatch(0);
        vm.prank(seller);
        bond.giveNotice(serviceId);
        contestBatch(batchId, 2);
        proveItem(batchId, 0);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    function test_DeprecationDoesNotTouchOpenBatch() public {
        bytes32 batchId = postBatch(0);
        vm.prank(seller);
        registry.deprecateModel(modelId);
        contestLate(batchId, 1);
        proveItem(batchId, 0);
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
    }

    /// @dev Exactly one of contest and settle is possible at any time, and so of prove and punish.
    function testFuzz_DeadlinesExclude(uint64 passed, bool second) public {
        bytes32 batchId = postBatch(0);
        if (second) contestBatch(batchId, 1);
        uint256 deadline = deadlineOf(batchId);
        vm.warp(bound(passed, block.timestamp, deadline + 1 days));
        bool inTime = block.timestamp <= deadline;
        bool early;
        bool late;
        if (second) {
            IServiceBond.Opening memory opening = openingOf(batchId, 0);
            bytes memory proof = proofOf(batchId, opening);
            uint256 start = vm.snapshotState();
            (early,) = address(bond).call(abi.encodeCall(bond.prove, (receipts[batchId], opening, proof)));
            vm.revertToState(start);
            (late,) = address(bond).call(abi.encodeCall(bond.punish, (receipts[batchId])));
        } else {
            uint256 start = vm.snapshotState();
            vm.prank(buyer);
            (early,) = address(bond).call{value: PROOF_COST}(
                abi.encodeCall(bond.contest, (receipts[batchId], lastItems(COUNT, 1)))
            );
            vm.revertToState(start);
            (late,) = address(bond).call(abi.encodeCall(bond.settle, (receipts[batchId])));
        }
        assertEq(early, inTime);
        assertEq(late, !inTime);
    }

    /// @dev Whatever the amounts, and whichever of the drawn items are proven, the money that came in for
    /// the batch goes out, and not more.
    function testFuzz_PayoutsEqualDeposits(
        uint96 price,
        uint96 penalty,
        uint96 cost,
        uint8 checks,
        uint16 mask
    ) public {
        IServiceBond.Terms memory terms = termsIn(address(token));
        terms.penalty = bound(penalty, 1, type(uint96).max);
        terms.proofCost = bound(cost, 1, type(uint96).max);
        checks = uint8(bound(checks, 1, 16));
        token.mint(seller, type(uint96).max);
        token.mint(buyer, 20 * uint256(type(uint96).max));
        vm.prank(seller);
        serviceId = bond.openService(terms, terms.penalty, "fuzz");
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.price = bound(price, 1, type(uint96).max);
        bytes32 batchId = postReceipt(receipt);
        vm.prank(buyer);
        bond.contest(receipts[batchId], lastItems(COUNT, checks));
        uint256 proven;
        for (uint256 i = 0; i < checks; ++i) {
            if ((mask >> i) & 1 == 0) continue;
            proveItem(batchId, i);
            ++proven;
        }
        uint256 toSeller = proven * terms.proofCost;
        if (proven == checks) {
            vm.warp(bond.getBatch(batchId).contestBy + 1);
            bond.settle(receipts[batchId]);
            toSeller += receipt.price;
        } else {
            vm.warp(deadlineOf(batchId) + 1);
            bond.punish(receipts[batchId]);
            assertEq(
                bond.creditOf(address(token), buyer),
                receipt.price + (checks - proven) * terms.proofCost + terms.penalty
            );
        }
        assertEq(bond.creditOf(address(token), seller), toSeller);
        assertEq(
            token.balanceOf(address(bond)),
            bond.creditOf(address(token), seller) + bond.creditOf(address(token), buyer)
                + bond.getService(serviceId).bond
        );
    }

    function _assertNothingReserved(uint256 left) private view {
        IServiceBond.Service memory service = bond.getService(serviceId);
        assertEq(service.reserved, 0);
        assertEq(service.openBatches, 0);
        assertEq(service.bond, left);
    }

    function _expectRefusal(bytes32 batchId, uint256[] memory indices, bytes memory refusal) private {
        vm.prank(buyer);
        vm.expectRevert(refusal);
        bond.contest{value: indices.length * PROOF_COST}(receipts[batchId], indices);
    }

    function _expectNotPosted(bytes32 batchId) private {
        bytes memory reason = abi.encodeWithSelector(Errors.BatchNotPosted.selector, batchId);
        vm.prank(buyer);
        vm.expectRevert(reason);
        bond.contest{value: PROOF_COST}(receipts[batchId], lastItems(COUNT, 1));
        vm.expectRevert(reason);
        bond.settle(receipts[batchId]);
    }

    function _expectNotContested(bytes32 batchId, IServiceBond.Opening memory opening) private {
        bytes memory reason = abi.encodeWithSelector(Errors.BatchNotContested.selector, batchId);
        vm.expectRevert(reason);
        bond.prove(receipts[batchId], opening, "");
        vm.expectRevert(reason);
        bond.punish(receipts[batchId]);
    }
}
