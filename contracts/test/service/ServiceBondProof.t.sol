// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ServiceBond} from "../../src/ServiceBond.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {BatchTree} from "../doubles/BatchTree.sol";
import {CostlyVerifier, MockVerifier, SilentVerifier} from "../doubles/VerifierDoubles.sol";
import {ServiceFixture} from "./ServiceFixture.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice Openings and proofs that are not what they should be.
contract ServiceBondProofTest is ServiceFixture {
    /// @dev Threat: another answer is proven than the one that was sold.
    function test_RevertWhen_OpeningIsNotTheCommittedItem() public {
        bytes32 batchId = contested(1);
        uint256 index = bond.contestedItems(batchId)[0];
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        ++opening.outputs[0];
        _expectNotInRoot(batchId, opening);
        opening = openingOf(batchId, 0);
        ++opening.inputCommitment;
        _expectNotInRoot(batchId, opening);
        // Another item of the batch, in its own place and in this one.
        uint256 other = index == 0 ? 1 : 0;
        opening = openingOf(batchId, 0);
        opening.inputCommitment = BatchTree.inputOf(other);
        opening.outputs[0] = BatchTree.outputOf(other);
        _expectNotInRoot(batchId, opening);
        opening.path = BatchTree.path(COUNT, other);
        _expectNotInRoot(batchId, opening);
    }

    function test_RevertWhen_PathIsWrong() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        for (uint256 level = 0; level < opening.path.length; ++level) {
            opening.path[level] ^= bytes32(uint256(1));
            _expectNotInRoot(batchId, opening);
            opening.path[level] ^= bytes32(uint256(1));
        }
        bytes32[] memory path = opening.path;
        opening.path = new bytes32[](path.length - 1);
        _expectNotInRoot(batchId, opening);
        opening.path = new bytes32[](path.length + 1);
        _expectNotInRoot(batchId, opening);
    }

    /// @dev Threat: a second leaf with the contested index, elsewhere in the tree, where the buyer's copy of the
    /// answers has another one.
    function test_RevertWhen_ItemStandsInAnotherPlace() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.count = 2;
        bytes32 sold = keccak256("wrong answer, as the buyer knows it");
        bytes32 hidden = BatchTree.leaf(0, BatchTree.inputOf(0), BatchTree.outputOf(0));
        receipt.root = keccak256(abi.encodePacked(sold, hidden));
        bytes32 batchId = postReceipt(receipt);
        contestBatch(batchId, 2);
        uint256 position = bond.contestedItems(batchId)[0] == 0 ? 0 : 1;
        IServiceBond.Opening memory opening = IServiceBond.Opening({
            position: position,
            inputCommitment: BatchTree.inputOf(0),
            outputs: one(BatchTree.outputOf(0)),
            path: new bytes32[](1)
        });
        opening.path[0] = sold;
        bytes memory proof = proofOf(batchId, opening);
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, 0));
        bond.prove(receipts[batchId], opening, proof);
    }

    function test_SingleItemIsItsRoot() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.count = 1;
        receipt.root = BatchTree.root(1);
        bytes32 batchId = postReceipt(receipt);
        contestLate(batchId, 1);
        IServiceBond.Opening memory opening = IServiceBond.Opening({
            position: 0,
            inputCommitment: BatchTree.inputOf(0),
            outputs: one(BatchTree.outputOf(0)),
            path: new bytes32[](0)
        });
        bond.prove(receipts[batchId], opening, proofOf(batchId, opening));
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
    }

    /// @dev Threat: a proof made for another batch, contract or chain.
    function test_RevertWhen_ProofIsOfOtherContext() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(bytes32(uint256(batchId) ^ 1), opening);
        _expectRejected(batchId, opening, proof);

        proof = proofOf(batchId, opening);
        vm.chainId(block.chainid + 1);
        _expectRejected(batchId, opening, proof);
        vm.chainId(block.chainid - 1);

        ServiceBond original = bond;
        bond = Shipped.serviceBond(registry, false);
        proof = proofOf(batchId, opening);
        bond = original;
        _expectRejected(batchId, opening, proof);
    }

    function test_RevertWhen_ProofIsForAnotherRecipient() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = bond.contextOf(uint256(batchId), stranger);
        publicInputs[1] = opening.inputCommitment;
        publicInputs[2] = opening.outputs[0];
        _expectRejected(batchId, opening, mockProof(WEIGHTS, publicInputs));
    }

    function test_RevertWhen_ProofShowsOtherWeights() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        bytes32 other = keccak256("cheap model");
        assembly ("memory-safe") {
            mstore(add(proof, 32), other)
        }
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, other));
        bond.prove(receipts[batchId], opening, proof);
    }

    /// @dev Threat: malleable inputs. The leaf and the proof are made for the very values.
    function test_RevertWhen_CommittedValuesAreOutOfRange() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.count = 1;
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 input, uint256 output) = i == 0 ? (R, uint256(1)) : (uint256(1), R);
            receipt.root = BatchTree.leaf(0, input, output);
            bytes32 batchId = postReceipt(receipt);
            contestBatch(batchId, 1);
            IServiceBond.Opening memory opening = IServiceBond.Opening({
                position: 0, inputCommitment: input, outputs: one(output), path: new bytes32[](0)
            });
            bytes memory proof = proofOf(batchId, opening);
            vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, i + 1, R));
            bond.prove(receipts[batchId], opening, proof);
        }
    }

    function test_RevertWhen_CodeChanged() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        bytes32 pinned = address(verifier).codehash;
        vm.etch(address(verifier), abi.encodePacked(address(verifier).code, hex"00"));
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CodeHashMismatch.selector, address(verifier), pinned, address(verifier).codehash
            )
        );
        bond.prove(receipts[batchId], opening, proof);
    }

    function test_RevertWhen_VerifierAnswersNothing() public {
        (modelId, bindingHash) = bindTo(address(new SilentVerifier()));
        serviceId = openIn(ETHER, "silent");
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        vm.expectRevert(bytes(""));
        bond.prove(receipts[batchId], opening, proof);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof) public {
        bytes32 batchId = contested(1);
        _expectRejected(batchId, openingOf(batchId, 0), proof);
    }

    /// @dev Whatever gas the caller chooses, a call does all that it should or nothing.
    function test_StarvedProofDecidesNothing() public {
        (modelId, bindingHash) = bindTo(address(new CostlyVerifier()));
        serviceId = openIn(ETHER, "costly");
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory call =
            abi.encodeCall(bond.prove, (receipts[batchId], opening, proofOf(batchId, opening)));
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 20_000; gas <= 500_000; gas += 5_000) {
            (bool ok,) = address(bond).call{gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertBatch(batchId, ok ? IServiceBond.BatchState.Upheld : IServiceBond.BatchState.Contested);
            assertEq(bond.creditOf(ETHER, seller), ok ? PRICE + PROOF_COST : 0);
            vm.revertToState(start);
        }
        assertGt(failures, 50);
        assertGt(successes, 5);
    }

    function _expectNotInRoot(bytes32 batchId, IServiceBond.Opening memory opening) private {
        bytes memory proof = proofOf(batchId, opening);
        uint256 index = bond.contestedItems(batchId)[opening.position];
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, index));
        bond.prove(receipts[batchId], opening, proof);
    }

    function _expectRejected(bytes32 batchId, IServiceBond.Opening memory opening, bytes memory proof)
        private
    {
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        bond.prove(receipts[batchId], opening, proof);
    }
}
