// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {AuditHandler} from "../handlers/AuditHandler.sol";
import {RunModel} from "../handlers/RunModel.sol";
import {AuditFixture} from "./AuditFixture.sol";
import {CustodyInvariants} from "../shared/CustodyInvariants.sol";
import {Keys} from "../shared/Keys.sol";

abstract contract AuditEscrowInvariants is AuditFixture, CustodyInvariants {
    AuditHandler internal handler;

    function setUp() public override {
        super.setUp();
        RunModel[] memory models = _models();
        delete admitted;
        for (uint256 i = 0; i < models.length; ++i) {
            admitted.push(audit.admissionHashOf(models[i].vkHash, address(verifier).codehash));
        }
        handler = new AuditHandler(audit, WEIGHTS, models, admitted);
        bytes4[] memory selectors = new bytes4[](20);
        selectors[0] = AuditHandler.open.selector;
        selectors[1] = AuditHandler.enter.selector;
        selectors[2] = AuditHandler.proceed.selector;
        selectors[3] = AuditHandler.deliver.selector;
        selectors[4] = AuditHandler.proceed.selector;
        selectors[5] = AuditHandler.answer.selector;
        selectors[6] = AuditHandler.prove.selector;
        selectors[7] = AuditHandler.proceed.selector;
        selectors[8] = AuditHandler.proveWithStolenProof.selector;
        selectors[9] = AuditHandler.settle.selector;
        selectors[10] = AuditHandler.release.selector;
        selectors[11] = AuditHandler.certify.selector;
        selectors[12] = handler.withdrawTo.selector;
        selectors[13] = handler.donate.selector;
        selectors[14] = AuditHandler.pass.selector;
        selectors[15] = AuditHandler.proceed.selector;
        selectors[16] = AuditHandler.proceed.selector;
        selectors[17] = AuditHandler.proceed.selector;
        selectors[18] = AuditHandler.decline.selector;
        selectors[19] = AuditHandler.returnBond.selector;
        _target(handler, selectors);
    }

    /// @dev The handler reaches every action for real; else the invariants would show nothing.
    function test_HandlerReachesEveryAction() public {
        uint96[4] memory amounts = [uint96(10), 3, 2, 1];
        // Nine items, five required, two entries; a day between the deadlines.
        uint8[3] memory sizes = [8, 4, 1];
        uint32[4] memory gaps = [uint32(1 days), 1 days, 1 days, 1 days];
        for (uint256 i = 0; i < 6; ++i) {
            handler.open(0, i + 2, amounts, sizes, gaps);
        }
        for (uint256 job = 0; job < 5; ++job) {
            handler.enter(1, job, 0);
            handler.enter(2, job, 1);
        }
        handler.deliver(0, true, 3);
        handler.deliver(0, false, 3);
        handler.deliver(1, false, 3);
        handler.deliver(4, false, 3);
        handler.decline(3);
        // Nine items, five required: claims of eight and of five; given up; accepted by somebody else.
        handler.answer(1, 0, 0, 8 * 8 + 1);
        handler.answer(1, 0, 1, 8 * 5 + 1);
        handler.answer(1, 1, 0, 0);
        handler.answer(0, 1, 1, 8 * 5 + 1);
        handler.answer(1, 4, 0, 8 * 9 + 1);
        handler.proveWithStolenProof(0, 0, 0, 2);
        handler.prove(3, 0, 0, 0, 4);
        handler.prove(3, 0, 0, 2, 1);
        handler.prove(3, 0, 1, 0, 9);
        // All of nine, while the other has not answered.
        handler.prove(3, 4, 0, 0, 4);
        handler.prove(3, 4, 0, 1, 4);
        handler.prove(3, 4, 0, 2, 1);
        handler.settle(3, 4);
        handler.pass(3.5 days);
        handler.returnBond(3, 1);
        handler.pass(1.5 days);
        for (uint256 job = 0; job < 6; ++job) {
            handler.settle(3, job);
            handler.release(3, job, 0);
            handler.release(3, job, 1);
        }
        handler.certify(0, 0);
        handler.certify(0, 1);
        handler.donate(0, 1);
        handler.withdrawTo(0, 0, 1, 1);
        assertEq(handler.calls("open"), 6);
        assertEq(handler.calls("enter"), 10);
        assertEq(handler.calls("deliver"), 3);
        assertEq(handler.calls("decline"), 1);
        assertEq(handler.calls("returnBond"), 1);
        assertEq(handler.calls("accept"), 3);
        assertEq(handler.calls("abort"), 1);
        assertEq(handler.calls("payAtOnce"), 1);
        assertEq(handler.calls("proveWithStolenProof"), 1);
        assertEq(handler.calls("prove"), 6);
        assertEq(handler.calls("pay"), 2);
        assertEq(handler.calls("refund"), 1);
        assertEq(handler.calls("expire"), 2);
        assertEq(handler.calls("release"), 5);
        assertEq(handler.calls("certify"), 2);
        assertEq(handler.calls("withdraw"), 1);
        invariant_SolventPaidOnceAndFinal();
        afterInvariant();
    }

    /// @dev Runs of four items, of more than any set has, and of two.
    function _models() private returns (RunModel[] memory) {
        uint8[] memory logs = new uint8[](3);
        (logs[0], logs[1], logs[2]) = (2, 4, 1);
        bytes32[] memory stated = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            stated[i] = Keys.audit(logs[i]);
        }
        return bindSizes(stated, logs);
    }

    /// @dev A job and each of its entries end once and stay as they are; together they pay out all that
    /// came in.
    function _assertEndedOnceAndForGood() internal view override {
        for (uint256 jobId = 1; jobId <= audit.jobCount(); ++jobId) {
            AuditHandler.GhostJob memory job = handler.ghostJob(jobId);
            IAuditEscrow.State state = audit.getJob(jobId).state;
            bool live = state == IAuditEscrow.State.Open || state == IAuditEscrow.State.Delivered;
            assertEq(job.endings, live ? 0 : 1, "job's endings");
            if (!live) assertEq(handler.jobFingerprint(jobId), job.last, "job changed after its end");
            uint256 ended = live ? 0 : 1;
            for (uint256 id = 1; id <= handler.entryCount(jobId); ++id) {
                ended += _assertEntryMatchesGhost(jobId, id);
            }
            if (ended == 1 + handler.entryCount(jobId)) assertEq(job.pot, 0, "left in the pot");
        }
    }

    function _heldByJobs(address[] memory money) internal view override returns (uint256[] memory held) {
        held = new uint256[](money.length);
        uint256 count = audit.jobCount();
        for (uint256 jobId = 1; jobId <= count; ++jobId) {
            _add(held, money, handler.termsOf(jobId).token, handler.ghostJob(jobId).pot);
        }
    }

    function _endEverything() internal override {
        for (uint256 job = 0; job < audit.jobCount(); ++job) {
            _passDeadline(_lastDeadline(job + 1));
            for (uint256 entry = 0; entry < handler.entryCount(job + 1); ++entry) {
                handler.release(3, job, entry);
                assertEq(handler.ghostEntry(job + 1, entry + 1).endings, 1, "entry stuck");
            }
            handler.settle(3, job);
            assertEq(handler.ghostJob(job + 1).endings, 1, "job stuck");
        }
    }

    /// @dev The deadline after which a job and its entries can be ended, whatever state they are in.
    function _lastDeadline(uint256 jobId) private view returns (uint256) {
        IAuditEscrow.Terms memory terms = handler.termsOf(jobId);
        if (handler.ghostJob(jobId).delivered) {
            return terms.acceptBy + terms.maxEntries * uint256(terms.proveWindow);
        }
        return handler.entryCount(jobId) == 0 ? terms.enterBy : terms.deliverBy;
    }

    function _assertEntryMatchesGhost(uint256 jobId, uint256 id) private view returns (uint256 ended) {
        AuditHandler.GhostEntry memory entry = handler.ghostEntry(jobId, id);
        IAuditEscrow.EntryState state = audit.getEntry(jobId, id).state;
        if (state == IAuditEscrow.EntryState.Entered || state == IAuditEscrow.EntryState.Accepted) {
            assertEq(entry.endings, 0, "ended, yet live");
            return 0;
        }
        assertEq(entry.endings, 1, "not ended once");
        assertEq(handler.entryFingerprint(jobId, id), entry.last, "entry changed after its end");
        return 1;
    }
}

/// @notice Half of the runs.
contract AuditEscrowInvariantTest is AuditEscrowInvariants {}

/// @notice The other half, from another seed, so that a second core can take it.
/// forge-config: default.fuzz.seed = "0x61737361790b"
contract AuditEscrowInvariantSecondTest is AuditEscrowInvariants {}
