// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {RefusingBuyer} from "../doubles/Buyers.sol";
import {BatchFixture} from "./BatchFixture.sol";

/// @notice Collections whose buyer cancels and refuses to be called, with provers that come late or twice.
contract PredictionSpoilingTest is BatchFixture {
    RefusingBuyer internal refusing = new RefusingBuyer();

    struct Course {
        uint256 jobId;
        uint256 start;
        address payer;
        /// Minutes after the start.
        uint256 cancelledAt;
        uint256[3] provenAt;
        address[3] provers;
    }

    /// @dev Each run is paid to who proves it first in time, and the rest comes back: a buyer that cancels and refuses
    /// its calls takes out what was not proven, and no more, whoever of the provers is its puppet.
    function testFuzz_NoBuyerGainsBySpoiling(
        uint256 seed,
        uint256 cancelledAt,
        bool refuses,
        uint256[3] memory provenAt
    ) public {
        Course memory course = _open(refuses);
        course.cancelledAt = bound(cancelledAt, 0, 60);
        for (uint256 run = 0; run < 3; ++run) {
            course.provenAt[run] = bound(provenAt[run], 0, 90);
            course.provers[run] = seed >> run & 1 == 0 ? seller : stranger;
        }
        for (uint256 minute = 0; minute <= 90; ++minute) {
            _pass(course, minute);
        }
        if (escrow.getJob(course.jobId).state == IPredictionEscrow.State.Open) escrow.refund(course.jobId);
        uint256 total;
        for (uint256 run = 0; run < 3; ++run) {
            if (_isInTime(course, run)) total += lengthOf(run) * PRICE;
        }
        assertEq(escrow.creditOf(ETHER, seller) + escrow.creditOf(ETHER, stranger), total, "provers");
        assertEq(escrow.creditOf(ETHER, course.payer), ITEMS * PRICE - total, "buyer");
    }

    function _open(bool refuses) private returns (Course memory course) {
        IPredictionEscrow.Order memory order = batchOrder(ETHER);
        order.notice = 10 minutes;
        if (refuses) order.callbackGas = 100_000;
        course.payer = refuses ? address(refusing) : buyer;
        course.start = vm.getBlockTimestamp();
        vm.deal(course.payer, ITEMS * PRICE);
        vm.prank(course.payer);
        course.jobId = escrow.open{value: ITEMS * PRICE}(order);
    }

    /// @dev What happens in a minute; the request to cancel comes first.
    function _pass(Course memory course, uint256 minute) private {
        vm.warp(course.start + minute * 1 minutes);
        bool isOpen = escrow.getJob(course.jobId).state == IPredictionEscrow.State.Open;
        if (minute == course.cancelledAt && isOpen) {
            vm.prank(course.payer);
            escrow.requestCancel(course.jobId);
        }
        for (uint256 run = 0; run < 3; ++run) {
            if (course.provenAt[run] != minute) continue;
            address prover = course.provers[run];
            uint256 credit = escrow.creditOf(ETHER, prover);
            bool claimed = _tryToClaim(course.jobId, prover, run);
            assertEq(claimed, _isInTime(course, run), "claimed");
            assertEq(escrow.creditOf(ETHER, prover) - credit, claimed ? lengthOf(run) * PRICE : 0, "paid");
            assertFalse(_tryToClaim(course.jobId, prover == seller ? stranger : seller, run), "paid twice");
        }
    }

    function _isInTime(Course memory course, uint256 run) private pure returns (bool) {
        return course.provenAt[run] <= course.cancelledAt + 10;
    }

    function _tryToClaim(uint256 jobId, address recipient, uint256 run) private returns (bool) {
        uint256[] memory outputs = answersOf(run);
        bytes memory proof = runProof(jobId, recipient, run, outputs);
        try escrow.claim(jobId, run, recipient, outputs, proof) {
            return true;
        } catch {
            return false;
        }
    }
}
