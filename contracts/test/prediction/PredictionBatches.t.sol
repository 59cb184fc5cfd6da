// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {one} from "../doubles/Words.sol";
import {Keys} from "../shared/Keys.sol";
import {BatchFixture} from "./BatchFixture.sol";

/// @notice Many inputs under one root, proven and paid run by run.
contract PredictionBatchesTest is BatchFixture {
    function test_EachRunIsPaidByItsItems() public {
        uint256 jobId = openBatch();
        assertEq(address(escrow).balance, ITEMS * PRICE);
        uint256[] memory outputs = answersOf(2);
        bytes memory proof = runProof(jobId, seller, 2, outputs);
        vm.expectEmit(address(escrow));
        emit Events.JobClaimed(jobId, modelId, seller, 2, outputs);
        vm.prank(stranger);
        escrow.claim(jobId, 2, seller, outputs, proof);
        assertEq(escrow.creditOf(ETHER, seller), 2 * PRICE);
        claimRun(jobId, seller, 0);
        assertEq(escrow.creditOf(ETHER, seller), 6 * PRICE);
        assertState(jobId, IPredictionEscrow.State.Open);
        claimRun(jobId, seller, 1);
        assertEq(escrow.creditOf(ETHER, seller), ITEMS * PRICE);
        assertState(jobId, IPredictionEscrow.State.Claimed);
    }

    function test_JobSaysWhatIsLeft() public {
        uint256 jobId = openBatch();
        IPredictionEscrow.Job memory job = escrow.getJob(jobId);
        assertEq(job.items, ITEMS);
        assertEq(job.batch, BATCH);
        assertEq(job.unclaimed, ITEMS);
        claimRun(jobId, seller, 2);
        assertEq(escrow.getJob(jobId).unclaimed, 8);
        assertTrue(escrow.isClaimed(jobId, 2));
        assertFalse(escrow.isClaimed(jobId, 1));
        assertFalse(escrow.isClaimed(jobId, 3));
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotFound.selector, jobId + 1));
        escrow.isClaimed(jobId + 1, 0);
    }

    /// @dev Several sellers of one model share a job.
    function test_RunsOfSeveralSellers() public {
        uint256 jobId = openBatch();
        claimRun(jobId, seller, 0);
        claimRun(jobId, stranger, 1);
        claimRun(jobId, seller, 2);
        assertEq(escrow.creditOf(ETHER, seller), 6 * PRICE);
        assertEq(escrow.creditOf(ETHER, stranger), 4 * PRICE);
    }

    function test_UnprovenItemsAreRefunded() public {
        uint256 jobId = openBatch();
        claimRun(jobId, seller, 2);
        vm.warp(escrow.getJob(jobId).deadline + 1);
        vm.expectEmit(address(escrow));
        emit Events.JobRefunded(jobId, modelId, buyer, 8 * PRICE);
        escrow.refund(jobId);
        assertEq(escrow.creditOf(ETHER, buyer), 8 * PRICE);
        assertEq(escrow.creditOf(ETHER, seller), 2 * PRICE);
        assertState(jobId, IPredictionEscrow.State.Refunded);
    }

    function test_RevertWhen_RunIsClaimedTwice() public {
        uint256 jobId = openBatch();
        claimRun(jobId, seller, 1);
        uint256[] memory outputs = answersOf(1);
        bytes memory proof = runProof(jobId, stranger, 1, outputs);
        vm.expectRevert(abi.encodeWithSelector(Errors.RunAlreadyProven.selector, 1));
        escrow.claim(jobId, 1, stranger, outputs, proof);
    }

    function test_RevertWhen_RunIsPastTheEnd() public {
        uint256 jobId = openBatch();
        uint256[2] memory runs = [uint256(3), type(uint256).max];
        for (uint256 i = 0; i < runs.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.RunOutOfRange.selector, runs[i], 3));
            escrow.claim(jobId, runs[i], seller, answersOf(0), "");
        }
    }

    /// @dev Threat: a proof over other items than those of the run, over more of them, or under another root.
    function test_RevertWhen_ProofIsOverOtherItems() public {
        uint256 jobId = openBatch();
        uint256[] memory outputs = answersOf(1);
        bytes[5] memory proofs = [
            proofOver(jobId, seller, ROOT, 0, 4, outputs),
            proofOver(jobId, seller, ROOT, 5, 4, outputs),
            proofOver(jobId, seller, ROOT, 4, 3, outputs),
            proofOver(jobId, seller, ROOT + 1, 4, 4, outputs),
            proofOver(jobId, stranger, ROOT, 4, 4, outputs)
        ];
        for (uint256 i = 0; i < proofs.length; ++i) {
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            escrow.claim(jobId, 1, seller, outputs, proofs[i]);
        }
        claimRun(jobId, seller, 1);
    }

    /// @dev Threat: one input's proof has two public inputs less.
    function test_RevertWhen_ProofIsOfOneInput() public {
        uint256 jobId = openBatch();
        uint256[] memory outputs = answersOf(0);
        uint256[] memory publicInputs = new uint256[](4);
        (publicInputs[0], publicInputs[1]) = (escrow.contextOf(jobId, seller), ROOT);
        (publicInputs[2], publicInputs[3]) = (outputs[0], outputs[1]);
        bytes memory proof = mockProof(WEIGHTS, publicInputs);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, outputs, proof);
    }

    function test_EveryWordIsBelowModulus() public {
        uint256 jobId = openBatch();
        for (uint256 i = 0; i < 2; ++i) {
            uint256[] memory outputs = answersOf(0);
            outputs[i] += R;
            bytes memory proof = runProof(jobId, seller, 0, outputs);
            vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 4 + i, outputs[i]));
            escrow.claim(jobId, 0, seller, outputs, proof);
        }
    }

    function test_WordsAreKeptAsTheirHash() public {
        uint256 jobId = openBatch();
        uint256[] memory outputs = answersOf(1);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotClaimed.selector, jobId));
        escrow.isOutput(jobId, 1, outputs);
        claimRun(jobId, seller, 1);
        assertTrue(escrow.isOutput(jobId, 1, outputs));
        for (uint256 i = 0; i < 2; ++i) {
            ++outputs[i];
            assertFalse(escrow.isOutput(jobId, 1, outputs));
            --outputs[i];
        }
        (outputs[0], outputs[1]) = (outputs[1], outputs[0]);
        assertFalse(escrow.isOutput(jobId, 1, outputs), "in another order");
        assertFalse(escrow.isOutput(jobId, 1, new uint256[](0)));
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotClaimed.selector, jobId));
        escrow.isOutput(jobId, 0, outputs);
    }

    /// @dev Threat: a word that no proof shows passes for the hash of several.
    function test_NoWordPassesForAHash() public {
        uint256 jobId = openBatch();
        claimRun(jobId, seller, 1);
        uint256 hash = uint256(keccak256(abi.encodePacked(answersOf(1))));
        uint256 kept = 1 << 254 | hash >> 3;
        assertFalse(escrow.isOutput(jobId, 1, one(kept)));
        assertFalse(escrow.isOutput(jobId, 1, one(1 << 255 | kept)));
    }

    function test_RevertWhen_ReadingOneWordOfABatch() public {
        uint256 jobId = openBatch();
        claimRun(jobId, seller, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.SeveralOutputs.selector, jobId, 0));
        escrow.outputOf(jobId);
        // Also where each run has one word: it is that of several items.
        jobId = openBatch();
        bytes memory proof = runProof(jobId, seller, 0, one(5));
        escrow.claim(jobId, 0, seller, one(5), proof);
        assertTrue(escrow.isOutput(jobId, 0, one(5)));
        assertFalse(escrow.isOutput(jobId, 0, one(5 | 1 << 255)));
        vm.expectRevert(abi.encodeWithSelector(Errors.SeveralOutputs.selector, jobId, 0));
        escrow.outputOf(jobId);
    }

    /// @dev What belongs together in one transaction, all or nothing.
    function test_ManyRunsAtOnce() public {
        uint256 jobId = openBatch();
        bytes[] memory calls = new bytes[](4);
        for (uint256 run = 0; run < 3; ++run) {
            uint256[] memory outputs = answersOf(run);
            bytes memory proof = runProof(jobId, seller, run, outputs);
            calls[run] = abi.encodeCall(escrow.claim, (jobId, run, seller, outputs, proof));
        }
        calls[3] = abi.encodeCall(ICustody.withdraw, (ETHER));
        vm.prank(seller);
        bytes[] memory results = escrow.multicall(calls);
        assertEq(abi.decode(results[3], (uint256)), ITEMS * PRICE);
        assertEq(seller.balance, ITEMS * PRICE);
        assertState(jobId, IPredictionEscrow.State.Claimed);

        jobId = openBatch();
        for (uint256 run = 0; run < 3; ++run) {
            uint256[] memory outputs = answersOf(run);
            bytes memory proof = runProof(jobId, seller, run == 2 ? 1 : run, outputs);
            calls[run] = abi.encodeCall(escrow.claim, (jobId, run, seller, outputs, proof));
        }
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.multicall(calls);
        assertEq(escrow.creditOf(ETHER, seller), 0);
        assertFalse(escrow.isClaimed(jobId, 0));
    }

    /// @dev Threat: one payment of ether for several calls. A multicall takes none.
    function test_RevertWhen_EtherComesWithManyCalls() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(escrow.open, (batchOrder(ETHER)));
        calls[1] = calls[0];
        vm.startPrank(buyer);
        (bool paid,) = address(escrow).call{value: ITEMS * PRICE}(abi.encodeCall(escrow.multicall, (calls)));
        assertFalse(paid);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, ITEMS * PRICE, 0));
        escrow.multicall(calls);
    }

    function test_ItemBounds() public {
        IPredictionEscrow.Order memory order = batchOrder(ETHER);
        order.price = 1;
        uint256[2] memory refused = [uint256(0), (1 << 20) + 1];
        for (uint256 i = 0; i < refused.length; ++i) {
            order.items = refused[i];
            vm.prank(buyer);
            vm.expectRevert(
                abi.encodeWithSelector(Errors.TermOutOfRange.selector, "items", refused[i], 1, 1 << 20)
            );
            escrow.open{value: refused[i]}(order);
        }
        uint256[2] memory accepted = [uint256(1), 1 << 20];
        for (uint256 i = 0; i < accepted.length; ++i) {
            order.items = accepted[i];
            assertEq(escrow.getJob(openOrder(order)).unclaimed, accepted[i]);
        }
    }

    /// @dev A tree may hold more than is counted.
    function test_MostItemsOfTheDeepestTree() public {
        bytes32 deep = bytes32(abi.encodePacked(hex"000204000600000001", uint8(2), uint8(32)));
        IPredictionEscrow.Order memory order = batchOrder(ETHER);
        (order.modelId, order.bindingHash) = bindModel(WEIGHTS, makeKey("deep", deep), address(verifier));
        order.price = 1;
        order.items = 1 << 32;
        vm.prank(buyer);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.TermOutOfRange.selector, "items", 1 << 32, 1, type(uint32).max)
        );
        escrow.open{value: order.items}(order);
        order.items = type(uint32).max;
        assertEq(escrow.getJob(openOrder(order)).items, type(uint32).max);
    }

    /// @dev A job of one item, and one that ends with its run.
    function test_OneItemOfARun() public {
        IPredictionEscrow.Order memory order = batchOrder(address(token));
        order.items = 1;
        uint256 jobId = openOrder(order);
        uint256[] memory outputs = answersOf(0);
        escrow.claim(jobId, 0, seller, outputs, proofOver(jobId, seller, ROOT, 0, 1, outputs));
        assertEq(escrow.creditOf(address(token), seller), PRICE);
        assertState(jobId, IPredictionEscrow.State.Claimed);
    }

    /// @dev Threat: a model of one input, and a job of several.
    function test_RevertWhen_ModelIsOfOneInput() public {
        IPredictionEscrow.Order memory order = batchOrder(ETHER);
        (order.modelId, order.bindingHash) =
            bindModel(WEIGHTS, makeKey("one", Keys.PREDICTION), address(verifier));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.TermOutOfRange.selector, "items", ITEMS, 1, 1));
        escrow.open{value: ITEMS * PRICE}(order);
    }

    /// @dev The most that can be owed: nothing overflows.
    function test_LargestPriceOfManyItems() public {
        IPredictionEscrow.Order memory order = batchOrder(ETHER);
        order.items = 1 << 20;
        order.price = type(uint96).max;
        vm.deal(buyer, order.items * order.price);
        uint256 jobId = openOrder(order);
        claimRun(jobId, seller, 0);
        assertEq(escrow.creditOf(ETHER, seller), 4 * order.price);
        vm.warp(order.deadline + 1);
        escrow.refund(jobId);
        assertEq(escrow.creditOf(ETHER, buyer), ((1 << 20) - 4) * order.price);
    }

    function test_BatchWithPermit() public {
        IPredictionEscrow.Order memory order = batchOrder(address(permitToken));
        ICustody.Permit memory permit = signPermit(buyerKey, address(escrow), ITEMS * PRICE);
        vm.prank(buyer);
        uint256 jobId = escrow.openWithPermit(order, permit);
        assertEq(permitToken.balanceOf(address(escrow)), ITEMS * PRICE);
        claimRun(jobId, seller, 0);
        assertEq(escrow.creditOf(address(permitToken), seller), 4 * PRICE);
    }

    /// @dev Whatever is proven, in whatever order, before the deadline: what goes out is what came in.
    function testFuzz_PayoutsEqualDeposits(uint256 order, uint96 price, uint8 proven) public {
        IPredictionEscrow.Order memory bought = batchOrder(ETHER);
        bought.price = bound(price, 1, 1_000 ether);
        vm.deal(buyer, ITEMS * bought.price);
        uint256 jobId = openOrder(bought);
        order %= 3;
        uint256[3] memory runs = [order, (order + 1) % 3, (order + 2) % 3];
        uint256 items;
        for (uint256 i = 0; i < proven % 4; ++i) {
            claimRun(jobId, seller, runs[i]);
            items += lengthOf(runs[i]);
        }
        vm.warp(bought.deadline + 1);
        (bool refunded,) = address(escrow).call(abi.encodeCall(escrow.refund, (jobId)));
        assertEq(refunded, items != ITEMS);
        assertEq(escrow.creditOf(ETHER, seller), items * bought.price);
        assertEq(escrow.creditOf(ETHER, buyer), (ITEMS - items) * bought.price);
        assertEq(address(escrow).balance, ITEMS * bought.price);
    }
}
