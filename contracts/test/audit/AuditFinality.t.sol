// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice What has ended stays as it is, whoever calls what, at any time, even if time ran backwards.
contract AuditFinalityTest is AuditFixture {
    function test_TerminalStatesAreFinal() public {
        for (uint256 ending = 0; ending < 6; ++ending) {
            (uint256 jobId, IAuditEscrow.Terms memory terms) = _endedBounty(ending);
            _expectFinal(jobId, terms, ending == 0 ? 0 : 1);
        }
    }

    /// @dev The second claim wins, by `settle`; the others are ended by `release`: the first one, that was not proven,
    /// one that did not have to be, one that was never made.
    function test_TerminalStatesOfContestsAreFinal() public {
        IAuditEscrow.Terms memory terms = contest(4);
        uint256 jobId = _entered(terms);
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1, 7);
        acceptAs(rival, jobId, terms, 2, 6);
        acceptAs(seller, jobId, terms, 3, 8);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        for (uint256 entry = 2; entry <= 4; ++entry) {
            audit.release(jobId, terms, entry);
        }
        assertEntry(jobId, 1, IAuditEscrow.EntryState.Returned);
        assertEntry(jobId, 2, IAuditEscrow.EntryState.Returned);
        assertEntry(jobId, 3, IAuditEscrow.EntryState.Forfeited);
        assertEntry(jobId, 4, IAuditEscrow.EntryState.Aborted);
        _expectFinal(jobId, terms, 4);
        assertPaidOut(BOND + STAKE - 2 * ABORT_FEE, REWARD + STAKE, 2 * STAKE - ABORT_FEE);
    }

    /// @dev Nothing was delivered; entries are released before the job is settled, and after.
    function test_TerminalStatesOfUndeliveredContestsAreFinal() public {
        IAuditEscrow.Terms memory terms = contest(4);
        uint256 jobId = _entered(terms);
        vm.warp(terms.deliverBy + 1);
        audit.release(jobId, terms, 1);
        audit.release(jobId, terms, 2);
        audit.settle(jobId, terms);
        audit.release(jobId, terms, 3);
        audit.release(jobId, terms, 4);
        _expectFinal(jobId, terms, 4);
        assertPaidOut(REWARD, 2 * STAKE + BOND / 2, 2 * STAKE + BOND / 2);
    }

    /// @dev While its job goes on, and others may still answer.
    function test_AbortedEntryIsFinal() public {
        IAuditEscrow.Terms memory terms = contest(4);
        uint256 jobId = _entered(terms);
        deliverTo(jobId, terms);
        vm.prank(seller);
        audit.abort(jobId, terms, 1);
        bytes32 before = _fingerprint(jobId, 4);
        _expectEntryEnded(jobId, terms, 1);
        assertEq(_fingerprint(jobId, 4), before);
        assertEq(ether_(seller), STAKE - ABORT_FEE);
    }

    /// @dev With the stake back, while its job goes on, when it has ended, and after all deadlines.
    function test_NotApprovedEntriesAreFinal() public {
        IAuditEscrow.Terms memory terms = contest(4);
        uint256 jobId = _entered(terms);
        deliverTo(jobId, terms, 1);
        uint64[4] memory times =
            [terms.enterBy, terms.acceptBy, terms.acceptBy + 1, uint64(proveBy(terms, 3)) + 1];
        for (uint256 i = 0; i < times.length; ++i) {
            vm.warp(times[i]);
            bytes32 before = _fingerprint(jobId, 4);
            for (uint256 entry = 2; entry <= 4; ++entry) {
                _expectEntryEnded(jobId, terms, entry);
            }
            assertEq(_fingerprint(jobId, 4), before);
            assertCredits(
                i < 3 ? 0 : REWARD + BOND - ABORT_FEE, STAKE + (i < 3 ? 0 : STAKE - ABORT_FEE), 2 * STAKE
            );
            if (i == 2) {
                audit.settle(jobId, terms);
                audit.release(jobId, terms, 1);
            }
        }
        _expectFinal(jobId, terms, 4);
    }

    /// @dev Endings: nobody entered, nothing delivered, the seller silent, paid, forfeited, declined.
    function _endedBounty(uint256 ending) private returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        terms = bounty(ETHER);
        jobId = openAudit(terms);
        if (ending > 0) enterAs(seller, jobId, terms);
        if (ending == 5) {
            vm.roll(block.number + 1);
            declineAs(buyer, jobId, terms);
            return (jobId, terms);
        }
        if (ending > 1) deliverTo(jobId, terms);
        if (ending > 2) acceptAs(seller, jobId, terms, 1);
        if (ending == 3) proveAll(jobId, terms, 1, [uint256(4), 4, 1]);
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
    }

    /// @dev A job with an entry of the seller's, the rival's, the seller's and the rival's.
    function _entered(IAuditEscrow.Terms memory terms) private returns (uint256 jobId) {
        jobId = openAudit(terms);
        for (uint256 i = 0; i < 4; ++i) {
            enterAs(i % 2 == 0 ? seller : rival, jobId, terms);
        }
    }

    /// @dev Ends where time began.
    function _expectFinal(uint256 jobId, IAuditEscrow.Terms memory terms, uint256 entries) private {
        bytes32 before = _fingerprint(jobId, entries);
        uint256[5] memory times =
            [proveBy(terms) + 1, proveBy(terms), terms.acceptBy, terms.enterBy, terms.enterBy - 1 days];
        for (uint256 i = 0; i < times.length; ++i) {
            vm.warp(times[i]);
            _expectNothingWorks(jobId, terms, entries);
            assertEq(_fingerprint(jobId, entries), before);
        }
    }

    function _expectNothingWorks(uint256 jobId, IAuditEscrow.Terms memory terms, uint256 entries) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        audit.settle(jobId, terms);
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        _expectFailure(buyer, 0, abi.encodeCall(audit.deliver, (jobId, terms, entriesHash, 1, DATA, "")));
        _expectFailure(buyer, 0, abi.encodeCall(audit.decline, (jobId, terms, entriesHash)));
        _expectFailure(buyer, 0, abi.encodeCall(audit.returnBond, (jobId, terms)));
        _expectFailure(rival, STAKE, abi.encodeCall(audit.enter, (jobId, terms, offerOf(rival))));
        for (uint256 entry = 1; entry <= entries; ++entry) {
            _expectEntryEnded(jobId, terms, entry);
        }
    }

    function _expectEntryEnded(uint256 jobId, IAuditEscrow.Terms memory terms, uint256 entry) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryEnded.selector, jobId, entry));
        audit.release(jobId, terms, entry);
        address who = audit.getEntry(jobId, entry).seller;
        for (uint256 run = 0; run < 3; ++run) {
            bytes memory proof = runProof(jobId, terms, entry, run, 2);
            _expectFailure(who, 0, abi.encodeCall(audit.prove, (jobId, terms, entry, run, 2, proof)));
        }
        _expectFailure(who, 0, abi.encodeCall(audit.accept, (jobId, terms, entry, 6)));
        _expectFailure(who, 0, abi.encodeCall(audit.abort, (jobId, terms, entry)));
    }

    function _expectFailure(address who, uint256 value, bytes memory call) private {
        vm.prank(who);
        (bool ok,) = address(audit).call{value: value}(call);
        assertFalse(ok);
    }

    function _fingerprint(uint256 jobId, uint256 entries) private view returns (bytes32 hash) {
        hash = keccak256(
            abi.encode(
                audit.getJob(jobId), ether_(buyer), ether_(seller), ether_(rival), audit.burntOf(ETHER)
            )
        );
        for (uint256 entry = 1; entry <= entries; ++entry) {
            hash = keccak256(abi.encode(hash, audit.getEntry(jobId, entry)));
        }
    }
}
