// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "./interfaces/IAuditEscrow.sol";
import {AuditTerms} from "./libraries/AuditTerms.sol";
import {Claims} from "./libraries/Claims.sol";
import {Errors} from "./libraries/Errors.sol";

/// @title What an audit escrow keeps of its jobs and entries, and how it is read
abstract contract AuditJobs is IAuditEscrow {
    struct StoredJob {
        bytes32 termsHash;
        State state;
        uint8 entries;
        // A bit for each approved entry whose seller has neither accepted nor aborted.
        uint16 waiting;
        // Approved entries whose sellers have aborted.
        uint8 aborted;
        // Entries whose sellers have accepted, and a bit for each whose claim is proven.
        uint8 accepted;
        uint16 proven;
        bool bondReturned;
        uint64 lastEntryBlock;
        bytes32 entriesHash;
    }

    /// @dev What a run changes lies in one slot.
    struct StoredEntry {
        address seller;
        // Of the items that one proof covers: a power of two.
        uint8 logBatch;
        EntryState state;
        bool certified;
        // Items that are proven correct, and runs that are not proven.
        uint32 correct;
        uint32 missing;
        uint256 modelId;
        // A bit for each run, 256 to a slot.
        mapping(uint256 bucket => uint256) proven;
    }

    /// @notice Largest number of entries: settling a job looks at the claims of all of them.
    uint256 public constant MAX_ENTRIES = 16;

    /// @inheritdoc IAuditEscrow
    uint256 public jobCount;

    mapping(uint256 jobId => StoredJob) internal _jobs;
    mapping(uint256 jobId => mapping(uint256 entry => StoredEntry)) internal _entries;

    /// @dev Of each entry; eight to a slot, so that whose turn it is is read from two.
    mapping(uint256 jobId => uint32[MAX_ENTRIES]) internal _claims;

    /// @inheritdoc IAuditEscrow
    function getJob(uint256 jobId) external view returns (Job memory) {
        StoredJob storage job = _jobs[jobId];
        if (job.state == State.None) revert Errors.JobNotFound(jobId);
        return Job({
            state: job.state,
            entries: job.entries,
            waiting: job.waiting,
            aborted: job.aborted,
            accepted: job.accepted,
            proven: job.proven,
            bondReturned: job.bondReturned,
            lastEntryBlock: job.lastEntryBlock,
            entriesHash: job.entriesHash,
            termsHash: job.termsHash
        });
    }

    /// @inheritdoc IAuditEscrow
    function getEntry(uint256 jobId, uint256 entry) external view returns (Entry memory) {
        StoredEntry storage stored = _entry(jobId, entry);
        uint32 claim = _claims[jobId][entry - 1];
        return Entry({
            state: stored.state,
            seller: stored.seller,
            modelId: stored.modelId,
            batch: _batchOf(stored),
            claim: claim,
            turn: claim == 0 ? 0 : Claims.turnOf(_claims[jobId], entry),
            correct: stored.correct,
            missing: stored.missing,
            certified: stored.certified
        });
    }

    /// @inheritdoc IAuditEscrow
    function isProven(uint256 jobId, uint256 entry, uint256 run) external view returns (bool) {
        return _entries[jobId][entry].proven[run >> 8] >> (run & 0xff) & 1 != 0;
    }

    function _job(uint256 jobId, Terms calldata terms) internal view returns (StoredJob storage job) {
        job = _jobs[jobId];
        bytes32 expected = job.termsHash;
        if (expected == 0) revert Errors.JobNotFound(jobId);
        bytes32 actual = AuditTerms.hash(terms);
        if (actual != expected) revert Errors.TermsMismatch(jobId, expected, actual);
    }

    function _entry(uint256 jobId, uint256 entry) internal view returns (StoredEntry storage stored) {
        stored = _entries[jobId][entry];
        if (stored.state == EntryState.None) revert Errors.EntryNotFound(jobId, entry);
    }

    function _batchOf(StoredEntry storage stored) internal view returns (uint32) {
        return uint32(1) << stored.logBatch;
    }

    /// @dev Of a job with entries.
    function _isUndelivered(State state) internal pure returns (bool) {
        return state == State.Open || state == State.Undelivered;
    }

    function _isLive(EntryState state) internal pure returns (bool) {
        return state == EntryState.Entered || state == EntryState.Accepted;
    }

    function _requireState(uint256 jobId, StoredJob storage job, State expected) internal view {
        if (job.state != expected) {
            revert Errors.WrongJobState(jobId, uint256(expected), uint256(job.state));
        }
    }

    function _requireEntryState(uint256 jobId, uint256 entry, StoredEntry storage stored, EntryState expected)
        internal
        view
    {
        EntryState state = stored.state;
        if (state != expected) {
            if (state == EntryState.None) revert Errors.EntryNotFound(jobId, entry);
            revert Errors.WrongEntryState(jobId, entry, uint256(expected), uint256(state));
        }
    }
}
