// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Fixture} from "../shared/Fixture.sol";
import {one} from "../doubles/Words.sol";

/// @notice Proofs that come where none is asked for any more, or not yet: the cells of the payoff table in
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
            escrow.claim(jobId, 0, seller, one(OUTPUT), bad[i]);
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
