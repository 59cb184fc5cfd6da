// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {BatchTree} from "../doubles/BatchTree.sol";
import {ServiceFixture} from "./ServiceFixture.sol";
import {one} from "../doubles/Words.sol";

/// @notice Proofs that come where none is asked for any more, or not yet: the cells of the payoff table in
/// docs/protocols.md in which nothing changes.
contract ServiceLateProofTest is ServiceFixture {
    function test_ProofOfPostedBatch() public {
        bytes32 batchId = postBatch(0);
        uint256 deadline = deadlineOf(batchId);
        for (uint256 late = 0; late < 2; ++late) {
            vm.warp(deadline + late);
            _expectRefusal(batchId, true, Errors.BatchNotContested.selector);
            _expectRefusal(batchId, false, Errors.BatchNotContested.selector);
            assertBatch(batchId, IServiceBond.BatchState.Posted);
        }
        bond.settle(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, seller), PRICE);
    }

    function test_BadProofAfterProofWindow() public {
        bytes32 batchId = contested(1);
        vm.warp(deadlineOf(batchId) + 1);
        _expectRefusal(batchId, false, Errors.DeadlinePassed.selector);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
        assertEq(bond.creditOf(ETHER, seller), 0);
    }

    /// @dev Upheld, punished, paid.
    function test_ProofOfEndedBatch() public {
        bytes32 upheld = contested(1);
        proveItem(upheld, 0);
        bytes32 punished = postBatch(1);
        contestBatch(punished, 1);
        bytes32 paid = postBatch(2);
        vm.warp(deadlineOf(punished) + 1);
        bond.punish(receipts[punished]);
        bond.settle(receipts[paid]);
        bytes32[3] memory ended = [upheld, punished, paid];
        uint256 start = block.timestamp - PROOF_WINDOW;
        for (uint256 i = 0; i < 6; ++i) {
            vm.warp(i < 3 ? block.timestamp : start);
            _expectRefusal(ended[i % 3], true, Errors.BatchNotContested.selector);
            _expectRefusal(ended[i % 3], false, Errors.BatchNotContested.selector);
        }
        assertEq(bond.creditOf(ETHER, seller), 2 * PRICE + PROOF_COST);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev A proof of the item that is contested, or of the first one where none is.
    function _expectRefusal(bytes32 batchId, bool valid, bytes4 refusal) private {
        uint256[] memory items = bond.contestedItems(batchId);
        uint256 index = items.length == 0 ? 0 : items[0];
        IServiceBond.Opening memory opening = IServiceBond.Opening({
            position: 0,
            inputCommitment: BatchTree.inputOf(index),
            outputs: one(BatchTree.outputOf(index)),
            path: BatchTree.path(COUNT, index)
        });
        bytes memory proof = valid ? proofOf(batchId, opening) : new bytes(64);
        bytes32 before = _fingerprint(batchId);
        vm.expectPartialRevert(refusal);
        bond.prove(receipts[batchId], opening, proof);
        assertEq(_fingerprint(batchId), before);
    }

    function _fingerprint(bytes32 batchId) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                bond.getBatch(batchId),
                bond.getService(serviceId),
                bond.creditOf(ETHER, buyer),
                bond.creditOf(ETHER, seller)
            )
        );
    }
}
