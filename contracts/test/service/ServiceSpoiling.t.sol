// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice A service with batches of several buyers, some of them the provider's own, which are contested and proven
/// as everybody likes, until nothing is open and the bond is returned.
contract ServiceSpoilingTest is ServiceFixture {
    uint256 internal constant BATCHES = 3;

    struct Course {
        bytes32 id;
        address buyer;
        bool isMember;
        uint256 contested;
        uint256 proven;
    }

    /// @dev Whichever buyers are the provider's own: what it takes out is what it put in, and from outside the price of
    /// each batch that it proved all asked-for items of, the cost of each proof, and minus a penalty for each batch
    /// that it did not. So leaving a proof out never pays, its own buyers take nothing out of a bond that is promised
    /// to others, and a buyer that contests right answers pays for it.
    function testFuzz_NoProviderGainsBySpoiling(uint256 seed, uint256 members) public {
        Course[] memory batches = new Course[](BATCHES);
        for (uint256 i = 0; i < BATCHES; ++i) {
            batches[i] = _play(uint256(keccak256(abi.encode(seed, i))), i, members >> i & 1 != 0);
        }
        vm.prank(seller);
        bond.giveNotice(serviceId);
        vm.warp(vm.getBlockTimestamp() + NOTICE + 1);
        for (uint256 i = 0; i < BATCHES; ++i) {
            if (batches[i].proven == batches[i].contested) bond.settle(receipts[batches[i].id]);
            else bond.punish(receipts[batches[i].id]);
        }
        bond.close(serviceId);
        _check(batches);
    }

    function _play(uint256 random, uint256 nonce, bool isMember) private returns (Course memory course) {
        course.isMember = isMember;
        course.buyer = vm.addr(1 + nonce);
        course.contested = random % 5;
        course.proven = random >> 8 & 1 == 0 ? course.contested : (random >> 16) % (course.contested + 1);
        vm.deal(course.buyer, PRICE + course.contested * PROOF_COST);
        IServiceBond.Receipt memory receipt = receiptOf(nonce);
        receipt.buyer = course.buyer;
        course.id = postReceipt(receipt);
        if (course.contested == 0) return course;
        contestBatch(course.id, course.contested);
        for (uint256 i = 0; i < course.proven; ++i) {
            proveItem(course.id, i);
        }
    }

    function _check(Course[] memory batches) private view {
        (uint256 gained, uint256 paidIn) = (bond.creditOf(ETHER, seller), BOND);
        (uint256 earned, uint256 lost) = (0, 0);
        for (uint256 i = 0; i < batches.length; ++i) {
            Course memory course = batches[i];
            uint256 credit = bond.creditOf(ETHER, course.buyer);
            bool upheld = course.proven == course.contested;
            uint256 unproven = course.contested - course.proven;
            uint256 back = upheld ? 0 : PRICE + unproven * PROOF_COST + PENALTY;
            assertEq(credit, back, "buyer");
            if (course.isMember) {
                (gained, paidIn) = (gained + credit, paidIn + PRICE + course.contested * PROOF_COST);
            } else {
                earned += course.proven * PROOF_COST + (upheld ? PRICE : 0);
                if (!upheld) lost += PENALTY;
            }
        }
        assertEq(gained + lost, paidIn + earned, "provider and its buyers");
        assertEq(bond.creditOf(ETHER, signer), 0);
    }
}
