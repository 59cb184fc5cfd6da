// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../src/interfaces/IPredictionEscrow.sol";
import {IServiceBond} from "../src/interfaces/IServiceBond.sol";
import {Errors} from "../src/libraries/Errors.sol";
import {BatchTree} from "./doubles/BatchTree.sol";
import {Fixture} from "./Fixture.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice Proofs that come where none is asked for any more, or not yet: the cells of the payoff tables in
/// docs/protocols.md in which nothing changes.
contract PredictionLateProofTest is Fixture {
    function test_BadProofAfterDeadline() public {
        uint256 jobId = openEther();
        uint256 deadline = escrow.getJob(jobId).deadline;
        vm.warp(deadline + 1);
        _expectRefusal(jobId, abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, deadline));
        assertState(jobId, IPredictionEscrow.State.Open);
        escrow.refund(jobId);
        assertEq(escrow.creditOf(ETHER, buyer), PRICE);
    }

    function test_BadProofAfterClaim() public {
        uint256 jobId = openEther();
        claimFor(jobId, seller);
        _expectRefusal(jobId, abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        vm.warp(escrow.getJob(jobId).deadline + 1);
        _expectRefusal(jobId, abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        assertState(jobId, IPredictionEscrow.State.Claimed);
        _expectKept(seller);
    }

    function test_BadProofAfterRefund() public {
        uint256 jobId = openEther();
        uint256 deadline = escrow.getJob(jobId).deadline;
        vm.warp(deadline + 1);
        escrow.refund(jobId);
        _expectRefusal(jobId, abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        vm.warp(deadline);
        _expectRefusal(jobId, abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        assertState(jobId, IPredictionEscrow.State.Refunded);
        _expectKept(buyer);
    }

    function _expectRefusal(uint256 jobId, bytes memory refusal) private {
        bytes[3] memory bad =
            [bytes(""), new bytes(64), abi.encodePacked(proofFor(jobId, seller, OUTPUT), uint8(0))];
        bytes32 before = _fingerprint(jobId);
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(refusal);
            escrow.claim(jobId, seller, OUTPUT, bad[i]);
        }
        assertEq(_fingerprint(jobId), before);
    }

    /// @dev The price is `who`'s to take, and nobody has anything else.
    function _expectKept(address who) private {
        uint256 before = who.balance;
        vm.prank(who);
        escrow.withdraw(ETHER);
        assertEq(who.balance, before + PRICE);
        assertEq(address(escrow).balance, 0);
    }

    function _fingerprint(uint256 jobId) private view returns (bytes32) {
        return keccak256(
            abi.encode(escrow.getJob(jobId), escrow.creditOf(ETHER, buyer), escrow.creditOf(ETHER, seller))
        );
    }
}

/// @notice The same for batches of a service.
contract ServiceLateProofTest is ServiceFixture {
    function test_ProofOfPostedBatch() public {
        bytes32 batchId = postAndWait(0);
        uint256 deadline = bond.getBatch(batchId).deadline;
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
        vm.warp(bond.getBatch(batchId).deadline + 1);
        _expectRefusal(batchId, false, Errors.DeadlinePassed.selector);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
        assertEq(bond.creditOf(ETHER, seller), 0);
    }

    /// @dev Upheld, punished, paid.
    function test_ProofOfEndedBatch() public {
        bytes32 upheld = contested(1);
        proveItem(upheld, 0);
        bytes32 punished = postAndWait(1);
        contestBatch(punished, 1);
        bytes32 paid = postBatch(2);
        vm.warp(bond.getBatch(punished).deadline + 1);
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

    /// @dev A proof of the item that was drawn, or of the first one where none was.
    function _expectRefusal(bytes32 batchId, bool valid, bytes4 refusal) private {
        uint256[] memory drawn = bond.drawnItems(batchId);
        uint256 index = drawn.length == 0 ? 0 : drawn[0];
        IServiceBond.Opening memory opening = IServiceBond.Opening({
            position: 0,
            inputCommitment: BatchTree.inputOf(index),
            output: BatchTree.outputOf(index),
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
