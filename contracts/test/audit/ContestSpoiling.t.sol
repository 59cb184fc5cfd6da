// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice Contests in which some stand together, with the buyer or without, and spoil as they like; the others claim
/// what their model gets right and prove it, or abort.
contract ContestSpoilingTest is AuditFixture {
    enum Play {
        Proves,
        Aborts,
        IsSilent,
        Claims
    }

    struct Contest {
        uint256 jobId;
        IAuditEscrow.Terms terms;
        /// Bit 0 is the buyer, bit i entry i.
        uint256 members;
        uint256 seed;
        Play[17] plays;
        /// What the entry's model gets right, or what it claims without proving it.
        uint256[17] counts;
        /// The entry whose claim is proven first, by the order of turns; 0 for none.
        uint256 winner;
    }

    /// @dev What a coalition takes out is what it put in and what its proven claims earn, less what it spoils: against
    /// the same contest without its spoilers it never gains. And whoever plays by the rules outside of it has its stake,
    /// the reward if its claim is the best that is proven, and loses a fee only where it aborts itself.
    function testFuzz_NoCoalitionGainsBySpoilingAContest(
        uint256 seed,
        uint256 members,
        uint256 fee,
        uint256 size,
        bool late
    ) public {
        Contest memory contest_ =
            _delivered(seed, members, uint96(bound(fee, 0, STAKE)), uint8(bound(size, 1, 8)));
        for (uint256 entry = 1; entry <= contest_.terms.maxEntries; ++entry) {
            _answer(contest_, entry);
        }
        _settle(contest_, late);
        _check(contest_);
    }

    function _delivered(uint256 seed, uint256 members, uint96 fee, uint8 size)
        private
        returns (Contest memory contest_)
    {
        contest_.terms = contest(size);
        contest_.terms.abortFee = fee;
        contest_.terms.bond = size * fee;
        (contest_.members, contest_.seed) = (members, seed);
        contest_.jobId = openAudit(contest_.terms);
        for (uint256 entry = 1; entry <= size; ++entry) {
            vm.deal(_seller(entry), STAKE);
            enterWith(_seller(entry), contest_.jobId, contest_.terms, offerOf(seller));
        }
        deliverTo(contest_.jobId, contest_.terms);
    }

    function _answer(Contest memory contest_, uint256 entry) private {
        uint256 random = uint256(keccak256(abi.encode(contest_.seed, entry)));
        uint256 count = random % (ITEMS + 1);
        Play play = count < REQUIRED ? Play.Aborts : Play.Proves;
        if (_isMember(contest_, entry) && random >> 128 & 1 != 0) {
            play = Play(1 + (random >> 64) % 3);
            if (play == Play.Claims) count = REQUIRED + (random >> 32) % (ITEMS - REQUIRED + 1);
        }
        (contest_.plays[entry], contest_.counts[entry]) = (play, count);
        if (play == Play.Aborts) abortAs(_seller(entry), contest_.jobId, contest_.terms, entry);
        if (play != Play.Claims && play != Play.Proves) return;
        acceptAs(_seller(entry), contest_.jobId, contest_.terms, entry, count);
        uint256 best = contest_.winner;
        if (play == Play.Proves && (best == 0 || count > contest_.counts[best])) contest_.winner = entry;
    }

    /// @dev All proofs come in the last second of the claim's window, or before the first; the rest is anybody's.
    function _settle(Contest memory contest_, bool late) private {
        IAuditEscrow.Terms memory terms = contest_.terms;
        vm.warp(terms.acceptBy + 1);
        for (uint256 turn = 0; turn < terms.maxEntries; ++turn) {
            if (late) vm.warp(proveBy(terms, turn));
            for (uint256 entry = 1; entry <= terms.maxEntries; ++entry) {
                if (contest_.plays[entry] != Play.Proves) continue;
                if (audit.getEntry(contest_.jobId, entry).turn != turn) continue;
                uint256 count = contest_.counts[entry];
                uint256[3] memory correct = [count < 4 ? count : 4, 0, 0];
                correct[1] = count - correct[0] < 4 ? count - correct[0] : 4;
                correct[2] = count - correct[0] - correct[1];
                for (uint256 run = 0; run < 3; ++run) {
                    _prove(contest_, entry, run, correct[run]);
                }
            }
        }
        vm.warp(proveBy(terms, terms.maxEntries));
        audit.settle(contest_.jobId, terms);
        for (uint256 entry = 1; entry <= terms.maxEntries; ++entry) {
            IAuditEscrow.EntryState state = audit.getEntry(contest_.jobId, entry).state;
            if (state == IAuditEscrow.EntryState.Entered || state == IAuditEscrow.EntryState.Accepted) {
                audit.release(contest_.jobId, terms, entry);
            }
        }
    }

    function _prove(Contest memory contest_, uint256 entry, uint256 run, uint256 correct) private {
        uint256 context = audit.contextOf(contest_.jobId, _seller(entry));
        bytes memory proof = runProof(WEIGHTS, context, List(ROOT, contest_.terms.items, BATCH), run, correct);
        audit.prove(contest_.jobId, contest_.terms, entry, run, correct, proof);
    }

    function _check(Contest memory contest_) private view {
        IAuditEscrow.Terms memory terms = contest_.terms;
        (uint256 fee, uint256 winner) = (terms.abortFee, contest_.winner);
        bool withBuyer = contest_.members & 1 != 0;
        uint256 gained = withBuyer ? ether_(buyer) : 0;
        uint256 paidIn = withBuyer ? uint256(REWARD) + terms.bond : 0;
        uint256 spoilt;
        uint256 burnt;
        for (uint256 entry = 1; entry <= terms.maxEntries; ++entry) {
            Play play = contest_.plays[entry];
            bool away = play == Play.Aborts || play == Play.IsSilent;
            bool lost = play == Play.Claims && _comesBefore(contest_, entry, winner);
            burnt += away ? 2 * fee : lost ? fee : 0;
            bool isMember = _isMember(contest_, entry);
            if (isMember) {
                (gained, paidIn) = (gained + ether_(_seller(entry)), paidIn + STAKE);
                // What the buyer gets of a lost stake stays within a coalition that it belongs to.
                if (lost) spoilt += withBuyer ? fee : STAKE;
                if (away) spoilt += fee;
            } else {
                uint256 reward = entry == winner ? REWARD : 0;
                assertEq(ether_(_seller(entry)), STAKE + reward - (away ? fee : 0), "outside");
            }
            // Whoever's entry it is, the bond pays for it, too.
            if (away && withBuyer) spoilt += fee;
        }
        uint256 earned = winner != 0 && _isMember(contest_, winner) ? REWARD : 0;
        uint256 spent = winner != 0 && withBuyer ? REWARD : 0;
        assertEq(gained + spent + spoilt, paidIn + earned, "coalition");
        assertEq(audit.burntOf(ETHER), burnt, "burnt");
    }

    /// @dev Whether a claim has its turn before the winner's; every one has, where nobody wins.
    function _comesBefore(Contest memory contest_, uint256 entry, uint256 winner)
        private
        pure
        returns (bool)
    {
        if (winner == 0) return true;
        (uint256 claim, uint256 best) = (contest_.counts[entry], contest_.counts[winner]);
        return claim > best || (claim == best && entry < winner);
    }

    function _isMember(Contest memory contest_, uint256 entry) private pure returns (bool) {
        return contest_.members >> entry & 1 != 0;
    }

    function _seller(uint256 entry) private pure returns (address) {
        return vm.addr(entry);
    }
}
