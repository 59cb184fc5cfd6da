// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice Attacks on the incentives, played to their end with the figures of a contest for 10 ether: they leave
/// the thief, all its accounts counted, with less than before.
contract AuditSpoilingTest is AuditFixture {
    uint96 internal constant FEE = 0.5 ether;
    uint96 internal constant FULL_BOND = 16 * FEE;

    /// @dev Threat: garbage is delivered to a full audit, and the abort fees collected.
    function test_GarbageCostsItsBuyerWhatItCostsTheSellers() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _fullContest(16);
        deliverTo(jobId, terms);
        // Half of them say so, half turn away.
        for (uint256 entry = 1; entry <= 8; ++entry) {
            abortAs(_seller(entry), jobId, terms, entry);
        }
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        for (uint256 entry = 9; entry <= 16; ++entry) {
            audit.release(jobId, terms, entry);
        }
        for (uint256 entry = 1; entry <= 16; ++entry) {
            assertEq(ether_(_seller(entry)), STAKE - FEE);
        }
        assertPaidOutWith(16 * uint256(STAKE - FEE), REWARD + FULL_BOND - 16 * uint256(FEE));
        assertEq(audit.burntOf(ETHER), 2 * 16 * uint256(FEE));
    }

    /// @dev The same with all the other sellers in the buyer's pay: they lose as much again.
    function test_BuyersPuppetsLoseTwice() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _fullContest(16);
        deliverTo(jobId, terms);
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        uint256 coalition = ether_(buyer);
        for (uint256 entry = 1; entry <= 16; ++entry) {
            audit.release(jobId, terms, entry);
            if (entry > 1) coalition += ether_(_seller(entry));
        }
        uint256 paidIn = uint256(REWARD) + FULL_BOND + 15 * uint256(STAKE);
        assertEq(paidIn - coalition, 16 * FEE + 15 * FEE);
        assertEq(ether_(_seller(1)), STAKE - FEE);
    }

    /// @dev Threat: seven of eight places go to weights that do not exist, and the reward to who has the least that
    /// is asked for. The buyer names eight sellers, so the places are theirs.
    function test_NamedPlacesAreNotTaken() public {
        IAuditEscrow.Terms memory terms = _spoilt(8);
        bytes32[] memory path = new bytes32[](1);
        path[0] = leafOf(rival);
        terms.sellers = Hashes.commutativeKeccak256(leafOf(seller), leafOf(rival));
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        offer.path = path;
        enterWith(seller, jobId, terms, offer);
        for (uint256 puppet = 1; puppet <= 7; ++puppet) {
            vm.deal(_seller(puppet), STAKE);
            vm.prank(_seller(puppet));
            vm.expectRevert(abi.encodeWithSelector(Errors.SellerNotNamed.selector, _seller(puppet)));
            audit.enter{value: STAKE}(jobId, terms, offer);
        }
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyEntered.selector, jobId, 1));
        audit.enter{value: STAKE}(jobId, terms, offer);
        offer = offerOf(rival);
        offer.path = path;
        path[0] = leafOf(seller);
        enterWith(rival, jobId, terms, offer);
        vm.warp(terms.enterBy + 1);
        deliverTo(jobId, terms);
        _acceptAndProveAll(jobId, terms, 1, seller, [uint256(4), 2, 0]);
        _acceptAndProveAll(jobId, terms, 2, rival, [uint256(4), 4, 1]);
        audit.settle(jobId, terms);
        assertEq(ether_(rival), REWARD + STAKE);
    }

    /// @dev Threat: the same against a buyer that names nobody. It says no, at no cost, and opens another job.
    function test_TakenPlacesWinNothing() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _fullContest(8);
        vm.roll(block.number + 1);
        declineAs(buyer, jobId, terms);
        for (uint256 entry = 1; entry <= 8; ++entry) {
            assertEq(ether_(_seller(entry)), STAKE);
        }
        assertPaidOutWith(8 * uint256(STAKE), uint256(REWARD) + terms.bond);
    }

    /// @dev Threat: puppets of the buyer hold a contest up with claims that nobody can prove. Each costs a fee, and
    /// the honest seller has a window of its own after theirs.
    function test_ClaimsThatAreNotProvenCostTheirCoalition() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _fullContest(8);
        deliverTo(jobId, terms);
        for (uint256 entry = 1; entry <= 7; ++entry) {
            acceptAs(_seller(entry), jobId, terms, entry, ITEMS);
        }
        acceptAs(_seller(8), jobId, terms, 8, 6);
        assertEq(audit.getEntry(jobId, 8).turn, 7);
        vm.warp(proveBy(terms, 6));
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, proveBy(terms, 7)));
        audit.release(jobId, terms, 8);
        vm.warp(proveBy(terms, 7));
        bytes memory proof = rawProof(WEIGHTS, [audit.contextOf(jobId, _seller(8)), ROOT, 0, 4, 4]);
        audit.prove(jobId, terms, 8, 0, 4, proof);
        proof = rawProof(WEIGHTS, [audit.contextOf(jobId, _seller(8)), ROOT, 8, 2, 2]);
        audit.prove(jobId, terms, 8, 2, 2, proof);
        audit.settle(jobId, terms);
        for (uint256 entry = 1; entry <= 7; ++entry) {
            audit.release(jobId, terms, entry);
            assertEq(ether_(_seller(entry)), 0);
        }
        assertEq(ether_(_seller(8)), REWARD + STAKE);
        assertEq(ether_(buyer), terms.bond + 7 * uint256(STAKE - FEE));
        assertEq(audit.burntOf(ETHER), 7 * uint256(FEE));
    }

    /// @dev Threat: entries that nobody approves of, made to take the bond of their buyer.
    function test_JunkTakesNoBond() public {
        IAuditEscrow.Terms memory terms = _spoilt(2);
        terms.admittedKeys = 0;
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        deliverTo(jobId, terms, 1);
        assertCredits(0, 0, STAKE);
        _acceptAndProveAll(jobId, terms, 1, seller, [uint256(4), 2, 0]);
        audit.settle(jobId, terms);
        assertPaidOut(terms.bond, REWARD + STAKE, STAKE);
    }

    /// @dev Whoever stands together and however they stay away: what they take out is less than what they put in, by
    /// a fee for each side and entry of theirs, and nobody outside loses more than the fee of an entry of its own.
    function testFuzz_NoCoalitionGainsBySpoiling(uint256 seed, uint256 members, uint256 fee, uint8 size)
        public
    {
        IAuditEscrow.Terms memory terms = contest(uint8(bound(size, 1, 16)));
        terms.abortFee = uint96(bound(fee, 0, STAKE));
        terms.bond = terms.maxEntries * terms.abortFee;
        uint256 jobId = _filled(terms);
        uint256 approved = (seed >> 128) % 2 ** terms.maxEntries;
        if (approved == 0) {
            vm.roll(block.number + 1);
            declineAs(buyer, jobId, terms);
        } else {
            deliverTo(jobId, terms, approved);
        }
        for (uint256 entry = 1; entry <= terms.maxEntries; ++entry) {
            bool live = approved >> (entry - 1) & 1 != 0;
            if (live && seed >> entry & 1 == 0) abortAs(_seller(entry), jobId, terms, entry);
        }
        vm.warp(terms.acceptBy + 1);
        if (approved != 0) audit.settle(jobId, terms);
        uint256 spoilt;
        uint256 gained = members & 1 == 0 ? 0 : ether_(buyer);
        uint256 paidIn = members & 1 == 0 ? 0 : uint256(REWARD) + terms.bond;
        for (uint256 entry = 1; entry <= terms.maxEntries; ++entry) {
            IAuditEscrow.EntryState state = audit.getEntry(jobId, entry).state;
            if (state == IAuditEscrow.EntryState.Entered) audit.release(jobId, terms, entry);
            bool away = approved >> (entry - 1) & 1 != 0;
            assertEq(ether_(_seller(entry)), STAKE - (away ? terms.abortFee : 0));
            if (away) ++spoilt;
            if (members >> entry & 1 == 0) continue;
            gained += ether_(_seller(entry));
            paidIn += STAKE;
        }
        assertLe(gained, paidIn, "gained by spoiling");
        assertEq(audit.burntOf(ETHER), 2 * spoilt * terms.abortFee);
        assertEq(ether_(buyer), uint256(REWARD) + terms.bond - spoilt * terms.abortFee);
    }

    /// @dev What sellers and buyer can take out, and that the rest was burnt.
    function assertPaidOutWith(uint256 ofSellers, uint256 ofBuyer) private view {
        assertEq(ether_(buyer), ofBuyer, "buyer's credit");
        assertEq(address(audit).balance, ofSellers + ofBuyer + audit.burntOf(ETHER), "held");
    }

    function _acceptAndProveAll(
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        uint256 entry,
        address who,
        uint256[3] memory correct
    ) private {
        acceptAs(who, jobId, terms, entry, correct[0] + correct[1] + correct[2]);
        proveAll(jobId, terms, entry, correct);
    }

    function _fullContest(uint8 size) private returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        terms = _spoilt(size);
        jobId = _filled(terms);
    }

    function _spoilt(uint8 size) private view returns (IAuditEscrow.Terms memory terms) {
        terms = contest(size);
        terms.abortFee = FEE;
        terms.bond = size * FEE;
    }

    /// @dev A job whose places are taken by sellers of one account each.
    function _filled(IAuditEscrow.Terms memory terms) private returns (uint256 jobId) {
        jobId = openAudit(terms);
        for (uint256 entry = 1; entry <= terms.maxEntries; ++entry) {
            vm.deal(_seller(entry), STAKE);
            enterWith(_seller(entry), jobId, terms, offerOf(seller));
        }
    }

    function _seller(uint256 entry) private pure returns (address) {
        return vm.addr(entry);
    }
}
