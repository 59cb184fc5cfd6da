// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice From a posted receipt to the end of the batch.
contract ServiceBondContestTest is ServiceFixture {
    function test_UncontestedBatchIsPaid() public {
        bytes32 batchId = postBatch(0);
        uint256 deadline = bond.getBatch(batchId).deadline;
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

    function test_ContestDrawsItems() public {
        bytes32 batchId = postAndWait(0);
        uint256 balance = address(bond).balance;
        uint64 deadline = uint64(block.timestamp) + PROOF_WINDOW;
        contestBatch(batchId, 16);
        assertBatch(batchId, IServiceBond.BatchState.Contested);
        IServiceBond.Batch memory batch = bond.getBatch(batchId);
        assertEq(batch.deadline, deadline);
        assertEq(batch.checks, 16);
        assertEq(address(bond).balance, balance + 16 * PROOF_COST);
        uint256[] memory items = bond.drawnItems(batchId);
        assertEq(items.length, 16);
        for (uint256 i = 0; i < items.length; ++i) {
            assertLt(items[i], COUNT);
            for (uint256 j = 0; j < i; ++j) {
                assertNotEq(items[i], items[j], "drawn twice");
            }
        }
    }

    function test_ContestIsAnEventWithTheItems() public {
        bytes32 batchId = postAndWait(0);
        uint256 start = vm.snapshotState();
        contestBatch(batchId, 3);
        uint256[] memory items = bond.drawnItems(batchId);
        vm.revertToState(start);
        vm.expectEmit(address(bond));
        emit Events.BatchContested(batchId, serviceId, items, uint64(block.timestamp) + PROOF_WINDOW);
        contestBatch(batchId, 3);
    }

    /// @dev The draw is that of the block hash, the secret and the batch, and of nothing else.
    function test_DrawDependsOnBlockHashSecretAndBatch() public {
        bytes32 batchId = postAndWait(0);
        uint256 start = vm.snapshotState();
        contestBatch(batchId, 16);
        uint256[] memory items = bond.drawnItems(batchId);

        vm.revertToState(start);
        vm.warp(block.timestamp + 600);
        vm.roll(block.number + 50);
        contestBatch(batchId, 16);
        assertEq(bond.drawnItems(batchId), items, "time of the contest must not matter");

        vm.revertToState(start);
        vm.setBlockhash(bond.getBatch(batchId).drawBlock, keccak256("another block"));
        contestBatch(batchId, 16);
        assertNotEq(bond.drawnItems(batchId), items, "block");

        vm.revertToState(start);
        vm.roll(bond.getBatch(batchId).drawBlock - 1);
        bytes32 other = postBatch(1);
        waitForDraw(other);
        contestBatch(other, 16);
        uint256[] memory otherItems = bond.drawnItems(other);
        assertNotEq(otherItems, items, "batch");

        vm.revertToState(start);
        vm.roll(bond.getBatch(batchId).drawBlock - 1);
        IServiceBond.Receipt memory receipt = receiptOf(1);
        bytes memory signature = sign(receipt);
        bytes32 secret = keccak256("other secret");
        vm.prank(buyer);
        assertEq(bond.post{value: PRICE}(receipt, signature, keccak256(abi.encode(secret))), other);
        receipts[other] = receipt;
        vm.roll(block.number + 2);
        vm.prank(buyer);
        bond.contest{value: 16 * PROOF_COST}(receipts[other], 16, secret);
        assertNotEq(bond.drawnItems(other), otherItems, "secret");
    }

    function test_ContestAtDeadlineButNotAfter() public {
        bytes32 batchId = postAndWait(0);
        uint256 deadline = bond.getBatch(batchId).deadline;
        vm.warp(deadline + 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, uint256(batchId), deadline));
        bond.contest{value: PROOF_COST}(receipts[batchId], 1, SECRET);
        vm.warp(deadline);
        contestBatch(batchId, 1);
        assertBatch(batchId, IServiceBond.BatchState.Contested);
    }

    /// @dev The hash that decides is not known before the block after the drawing block, and only so long.
    function test_ContestNeedsTheBlockHash() public {
        bytes32 batchId = postBatch(0);
        uint256 drawBlock = bond.getBatch(batchId).drawBlock;
        uint256[4] memory refused = [drawBlock - 1, drawBlock, drawBlock + 257, drawBlock + 100_000];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.roll(refused[i]);
            vm.prank(buyer);
            vm.expectRevert(abi.encodeWithSelector(Errors.BlockHashUnavailable.selector, drawBlock));
            bond.contest{value: PROOF_COST}(receipts[batchId], 1, SECRET);
        }
        vm.roll(drawBlock + 256);
        contestBatch(batchId, 1);
    }

    /// @dev Where EIP-2935 is in force, its contract knows older hashes.
    function test_ContestWithHashFromHistoryContract() public {
        bytes32 batchId = postBatch(0);
        uint256 drawBlock = bond.getBatch(batchId).drawBlock;
        vm.roll(drawBlock + 300);
        // Answers every question with the word 0x2a: PUSH1 2a PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, hex"602a5f5260205ff3");
        contestBatch(batchId, 16);
        uint256[] memory items = bond.drawnItems(batchId);
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, hex"");
        bytes32 seed = keccak256(abi.encode(bytes32(uint256(0x2a)), SECRET, batchId));
        assertEq(items[0], uint256(keccak256(abi.encode(seed, 0))) % (COUNT - 15));
    }

    function test_RevertWhen_ContestedBySomebodyElse() public {
        bytes32 batchId = postAndWait(0);
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBatchBuyer.selector, buyer, stranger));
        bond.contest{value: PROOF_COST}(receipts[batchId], 1, SECRET);
    }

    /// @dev Threat: the buyer tries secrets until it likes the draw.
    function test_RevertWhen_SecretIsAnother() public {
        bytes32 batchId = postAndWait(0);
        bytes32 other = keccak256("other");
        vm.prank(buyer);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.SecretMismatch.selector, secretHash(), keccak256(abi.encode(other)))
        );
        bond.contest{value: PROOF_COST}(receipts[batchId], 1, other);
    }

    function test_ChecksBounds() public {
        bytes32 batchId = postAndWait(0);
        uint256[3] memory refused = [0, uint256(17), type(uint256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.prank(buyer);
            vm.expectRevert(abi.encodeWithSelector(Errors.ChecksOutOfRange.selector, refused[i], 16));
            bond.contest(receipts[batchId], refused[i], SECRET);
        }
        IServiceBond.Receipt memory receipt = receiptOf(1);
        receipt.count = 3;
        batchId = postReceipt(receipt);
        waitForDraw(batchId);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.ChecksOutOfRange.selector, 4, 3));
        bond.contest(receipts[batchId], 4, SECRET);
        contestBatch(batchId, 3);
        uint256[] memory items = bond.drawnItems(batchId);
        assertEq(2 ** items[0] + 2 ** items[1] + 2 ** items[2], 7, "all items");
    }

    function test_RevertWhen_AdvanceDoesNotArrive() public {
        bytes32 batchId = postAndWait(0);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, 2 * PROOF_COST, PROOF_COST));
        bond.contest{value: PROOF_COST}(receipts[batchId], 2, SECRET);
    }

    function test_GoodProofsPayProviderAndUphold() public {
        bytes32 batchId = contested(3);
        IServiceBond.Opening memory opening = openingOf(batchId, 1);
        bytes memory proof = proofOf(batchId, opening);
        vm.expectEmit(address(bond));
        emit Events.ItemProven(batchId, 1, opening.output);
        vm.prank(stranger);
        bond.prove(receipts[batchId], opening, proof);
        assertEq(bond.creditOf(ETHER, seller), PROOF_COST);
        assertEq(bond.getBatch(batchId).proven, 2);
        assertBatch(batchId, IServiceBond.BatchState.Contested);

        proveItem(batchId, 0);
        vm.warp(bond.getBatch(batchId).deadline);
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
        uint256 deadline = bond.getBatch(batchId).deadline;
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
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + 16 * PROOF_COST + PENALTY);
        assertEq(bond.creditOf(ETHER, seller), 0);
    }

    function test_PayoffsInToken() public {
        serviceId = openIn(address(token), 0);
        bytes32 batchId = contested(2);
        proveItem(batchId, 0);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(address(token), buyer), PRICE + PROOF_COST + PENALTY);
        assertEq(bond.creditOf(address(token), seller), PROOF_COST);
        assertEq(bond.creditOf(ETHER, buyer), 0);
    }

    function test_RevertWhen_ProvenAfterDeadline() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        uint256 deadline = bond.getBatch(batchId).deadline;
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
        bytes32 batchId = postAndWait(0);
        IServiceBond.Opening memory opening;
        _expectNotContested(batchId, opening);
        contestBatch(batchId, 1);
        opening = openingOf(batchId, 0);
        _expectNotPosted(batchId);
        uint256 start = vm.snapshotState();

        proveItem(batchId, 0);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        _expectNotPosted(batchId);
        _expectNotContested(batchId, opening);

        vm.revertToState(start);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.punish(receipts[batchId]);
        _expectNotPosted(batchId);
        _expectNotContested(batchId, opening);

        batchId = postAndWait(1);
        vm.warp(bond.getBatch(batchId).deadline + 1);
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
        bond.contest(none, 1, SECRET);
        vm.expectRevert(unknown);
        bond.prove(none, opening, "");
    }

    /// @dev A chain that splits may get a new id. Nothing is stuck on either side.
    function test_BatchEndsUnderAnotherChainId() public {
        bytes32 batchId = postAndWait(0);
        bytes32 second = postAndWait(1);
        vm.chainId(block.chainid + 1);
        contestBatch(second, 1);
        proveItem(second, 0);
        assertBatch(second, IServiceBond.BatchState.Upheld);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.settle(receipts[batchId]);
        assertBatch(batchId, IServiceBond.BatchState.Paid);
    }

    /// @dev A batch is called by its whole receipt: with any term changed it is unknown.
    function test_RevertWhen_ReceiptIsNotThePostedOne() public {
        bytes32 batchId = contested(1);
        vm.warp(bond.getBatch(batchId).deadline + 1);
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
        bytes32 batchId = postAndWait(0);
        vm.prank(seller);
        bond.giveNotice(serviceId);
        contestBatch(batchId, 2);
        proveItem(batchId, 0);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    function test_DeprecationDoesNotTouchOpenBatch() public {
        bytes32 batchId = postAndWait(0);
        vm.prank(seller);
        registry.deprecateModel(modelId);
        contestBatch(batchId, 1);
        proveItem(batchId, 0);
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
    }

    /// @dev Exactly one of contest and settle is possible at any time, and so of prove and punish.
    function testFuzz_DeadlinesExclude(uint64 passed, bool second) public {
        bytes32 batchId = postAndWait(0);
        if (second) contestBatch(batchId, 1);
        uint256 deadline = bond.getBatch(batchId).deadline;
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
                abi.encodeCall(bond.contest, (receipts[batchId], 1, SECRET))
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
        waitForDraw(batchId);
        vm.prank(buyer);
        bond.contest(receipts[batchId], checks, SECRET);
        uint256 proven;
        for (uint256 i = 0; i < checks; ++i) {
            if ((mask >> i) & 1 == 0) continue;
            proveItem(batchId, i);
            ++proven;
        }
        uint256 toSeller = proven * terms.proofCost;
        if (proven == checks) {
            toSeller += receipt.price;
        } else {
            vm.warp(bond.getBatch(batchId).deadline + 1);
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

    function _expectNotPosted(bytes32 batchId) private {
        bytes memory reason = abi.encodeWithSelector(Errors.BatchNotPosted.selector, batchId);
        vm.prank(buyer);
        vm.expectRevert(reason);
        bond.contest{value: PROOF_COST}(receipts[batchId], 1, SECRET);
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
