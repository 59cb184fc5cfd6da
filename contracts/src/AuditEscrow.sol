// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Custody} from "./Custody.sol";
import {ModelVerification} from "./ModelVerification.sol";
import {IAuditEscrow} from "./interfaces/IAuditEscrow.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IResultRegistry} from "./interfaces/IResultRegistry.sol";
import {AuditTerms} from "./libraries/AuditTerms.sol";
import {Deadlines} from "./libraries/Deadlines.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {Hints} from "./libraries/Hints.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {Runs} from "./libraries/Runs.sol";
import {Statements} from "./libraries/Statement.sol";
import {Tallies, Tally} from "./libraries/Tally.sol";

/// @title Escrow for accuracy audits: bounties and contests
/// @notice See IAuditEscrow for the protocol.
contract AuditEscrow is IAuditEscrow, Custody, ModelVerification {
    struct StoredJob {
        bytes32 termsHash;
        State state;
        uint8 entries;
        // Entries whose sellers have neither accepted nor aborted.
        uint8 unanswered;
        uint64 lastEntryBlock;
        bytes32 entriesHash;
    }

    struct StoredEntry {
        address seller;
        uint32 batch;
        EntryState state;
        bool certified;
        uint256 modelId;
        // A bit for each run, 256 to a slot.
        mapping(uint256 bucket => uint256) proven;
    }

    /// @notice Latest deadline, counted from the opening.
    uint256 public constant MAX_DURATION = Deadlines.MAX_DURATION;

    /// @notice Longest hint, encryption key or place that is logged.
    uint256 public constant MAX_HINT_LENGTH = Hints.MAX_LENGTH;

    /// @notice Longest list of admitted keys.
    uint256 public constant MAX_ADMITTED_KEYS = 64;

    /// @notice Largest number of entries: settling a job looks at the tallies of all of them.
    uint256 public constant MAX_ENTRIES = 16;

    IResultRegistry private immutable RESULTS;

    /// @inheritdoc IAuditEscrow
    uint256 public jobCount;

    mapping(uint256 jobId => StoredJob) private _jobs;
    mapping(uint256 jobId => mapping(uint256 entry => StoredEntry)) private _entries;

    /// @dev Apart from the entries, four to a slot, so that settling reads four slots at most.
    mapping(uint256 jobId => Tally[MAX_ENTRIES]) private _tallies;

    /// @param results_ Where {certify} records results; a registry of results on the models of `registry_`.
    constructor(IModelRegistry registry_, IResultRegistry results_, bool allowDevSetup_)
        ModelVerification(registry_, allowDevSetup_)
    {
        if (address(results_).code.length == 0) revert Errors.NoCode(address(results_));
        // Results name models by their ids, which mean something in one registry only.
        address resultsOf = results_.registry();
        if (resultsOf != address(registry_)) revert Errors.RegistryMismatch(address(registry_), resultsOf);
        RESULTS = results_;
    }

    /// @inheritdoc IAuditEscrow
    function open(Terms calldata terms, bytes32[] calldata admitted, bytes calldata hint)
        external
        payable
        nonReentrant
        returns (uint256 jobId)
    {
        jobId = _record(terms, admitted, hint);
        _deposit(terms.token, uint256(terms.reward) + terms.bond);
    }

    /// @inheritdoc IAuditEscrow
    function openWithPermit(
        Terms calldata terms,
        bytes32[] calldata admitted,
        bytes calldata hint,
        Permit calldata permit
    ) external nonReentrant returns (uint256 jobId) {
        jobId = _record(terms, admitted, hint);
        uint256 amount = uint256(terms.reward) + terms.bond;
        _tryPermit(terms.token, amount, permit);
        _deposit(terms.token, amount);
    }

    /// @inheritdoc IAuditEscrow
    function enter(uint256 jobId, Terms calldata terms, Offer calldata offer)
        external
        payable
        nonReentrant
        returns (uint256 entry)
    {
        entry = _enter(jobId, terms, offer);
        _deposit(terms.token, terms.stake);
    }

    /// @inheritdoc IAuditEscrow
    function enterWithPermit(
        uint256 jobId,
        Terms calldata terms,
        Offer calldata offer,
        Permit calldata permit
    ) external nonReentrant returns (uint256 entry) {
        entry = _enter(jobId, terms, offer);
        _tryPermit(terms.token, terms.stake, permit);
        _deposit(terms.token, terms.stake);
    }

    /// @inheritdoc IAuditEscrow
    function deliver(
        uint256 jobId,
        Terms calldata terms,
        bytes32 entriesHash,
        bytes32 dataHash,
        bytes calldata place
    ) external nonReentrant {
        StoredJob storage job = _job(jobId, terms);
        if (msg.sender != terms.buyer) revert Errors.WrongCaller(terms.buyer, msg.sender);
        _requireState(jobId, job, State.Open);
        Deadlines.requireNotPassed(jobId, terms.deliverBy);
        if (job.entries == 0) revert Errors.NoEntries(jobId);
        if (job.entries != terms.maxEntries && block.timestamp <= terms.enterBy) {
            revert Errors.EntriesOpen(jobId, terms.enterBy);
        }
        if (block.number <= job.lastEntryBlock) revert Errors.SameBlock(jobId);
        if (entriesHash != job.entriesHash) {
            revert Errors.EntriesMismatch(jobId, job.entriesHash, entriesHash);
        }
        if (dataHash == 0) revert Errors.ZeroValue("dataHash");
        Hints.requireLength(place);

        job.state = State.Delivered;
        if (terms.bond != 0) _credit(terms.token, terms.buyer, terms.bond);
        emit Events.AuditDelivered(jobId, dataHash, place);
    }

    /// @inheritdoc IAuditEscrow
    function accept(uint256 jobId, Terms calldata terms, uint256 entry) external nonReentrant {
        _answer(jobId, terms, entry).state = EntryState.Accepted;
        _tallies[jobId][entry - 1] = _tallies[jobId][entry - 1].accepted();
        emit Events.EntryAccepted(jobId, entry);
    }

    /// @inheritdoc IAuditEscrow
    function abort(uint256 jobId, Terms calldata terms, uint256 entry) external nonReentrant {
        StoredEntry storage stored = _answer(jobId, terms, entry);
        (uint256 toSeller, uint256 toBuyer) = _end(jobId, terms, entry, stored, 0);
        _pay(terms, stored, toSeller, toBuyer);
    }

    /// @inheritdoc IAuditEscrow
    function prove(
        uint256 jobId,
        Terms calldata terms,
        uint256 entry,
        uint256 run,
        uint256 correct,
        bytes calldata proof
    ) external nonReentrant {
        _job(jobId, terms);
        StoredEntry storage stored = _entries[jobId][entry];
        // As long as an accepted entry has runs to prove and time for it, its job is neither undelivered nor
        // settled: settling waits for it or ends it.
        _requireEntryState(jobId, entry, stored, EntryState.Accepted);
        Deadlines.requireNotPassed(jobId, terms.proveBy);
        (uint256 first, uint256 length) = Runs.span(run, terms.items, stored.batch);
        uint256 bit = 2 ** (run & 0xff);
        uint256 proven = stored.proven[run >> 8];
        if (proven & bit != 0) revert Errors.RunAlreadyProven(run);
        if (correct > length) revert Errors.CorrectOutOfRange(correct, length);

        uint256 context = ProofContext.bind(jobId, stored.seller);
        _requireProof(
            stored.modelId, PublicInputs.list(context, terms.testSetRoot, first, length, correct), proof
        );

        stored.proven[run >> 8] = proven | bit;
        Tally[MAX_ENTRIES] storage tallies = _tallies[jobId];
        tallies[entry - 1] = tallies[entry - 1].withRun(correct);
        emit Events.AuditRunProven(jobId, entry, run, correct);
    }

    /// @inheritdoc IAuditEscrow
    function settle(uint256 jobId, Terms calldata terms) external nonReentrant {
        StoredJob storage job = _job(jobId, terms);
        State state = job.state;
        uint256 entries = job.entries;
        uint256 winner;
        uint256 toBuyer = terms.reward;
        if (state == State.Open) {
            Deadlines.requirePassed(jobId, entries == 0 ? terms.enterBy : terms.deliverBy);
            state = entries == 0 ? State.Refunded : State.Undelivered;
            // The entries share the bond; what does not divide stays the buyer's.
            toBuyer += entries == 0 ? terms.bond : terms.bond % entries;
        } else if (state == State.Delivered) {
            winner = _winner(jobId, terms, job);
            state = winner == 0 ? State.Refunded : State.Paid;
        } else {
            revert Errors.JobNotOpen(jobId);
        }

        job.state = state;
        emit Events.AuditSettled(jobId, state, winner);
        uint256 toSeller;
        if (winner != 0) (toSeller, toBuyer) = (toBuyer, 0);
        uint256 ending = entries == 1 ? 1 : winner;
        StoredEntry storage stored = _entries[jobId][ending];
        if (_isLive(stored.state)) {
            uint256 sharing = state == State.Undelivered ? entries : 0;
            (uint256 returned, uint256 forfeited) = _end(jobId, terms, ending, stored, sharing);
            toSeller += returned;
            toBuyer += forfeited;
        }
        _pay(terms, stored, toSeller, toBuyer);
    }

    /// @inheritdoc IAuditEscrow
    function release(uint256 jobId, Terms calldata terms, uint256 entry) external nonReentrant {
        StoredJob storage job = _job(jobId, terms);
        StoredEntry storage stored = _entry(jobId, entry);
        if (!_isLive(stored.state)) revert Errors.EntryEnded(jobId, entry);
        bool delivered = job.state != State.Open && job.state != State.Undelivered;
        if (!delivered) Deadlines.requirePassed(jobId, terms.deliverBy);
        else if (stored.state == EntryState.Entered) Deadlines.requirePassed(jobId, terms.acceptBy);
        else if (_tallies[jobId][entry - 1].missing() != 0) Deadlines.requirePassed(jobId, terms.proveBy);
        (uint256 toSeller, uint256 toBuyer) = _end(jobId, terms, entry, stored, delivered ? 0 : job.entries);
        _pay(terms, stored, toSeller, toBuyer);
    }

    /// @inheritdoc IAuditEscrow
    function certify(uint256 jobId, Terms calldata terms, uint256 entry) external nonReentrant {
        _job(jobId, terms);
        StoredEntry storage stored = _entry(jobId, entry);
        Tally tally = _tallies[jobId][entry - 1];
        uint64 correct = tally.correct();
        if (_isLive(stored.state) || (tally.missing() != 0 && correct < terms.required)) {
            revert Errors.NotCertifiable(jobId, entry);
        }
        if (stored.certified) revert Errors.AlreadyCertified(jobId, entry);

        stored.certified = true;
        emit Events.ResultCertified(jobId, stored.modelId, entry, correct, terms.items);
        RESULTS.recordResult(stored.modelId, terms.testSetRoot, terms.metric, correct, terms.items);
    }

    /// @inheritdoc IAuditEscrow
    function getJob(uint256 jobId) external view returns (Job memory) {
        StoredJob storage job = _jobs[jobId];
        if (job.state == State.None) revert Errors.JobNotFound(jobId);
        return Job({
            state: job.state,
            entries: job.entries,
            lastEntryBlock: job.lastEntryBlock,
            entriesHash: job.entriesHash,
            termsHash: job.termsHash
        });
    }

    /// @inheritdoc IAuditEscrow
    function getEntry(uint256 jobId, uint256 entry) external view returns (Entry memory) {
        StoredEntry storage stored = _entry(jobId, entry);
        Tally tally = _tallies[jobId][entry - 1];
        return Entry({
            state: stored.state,
            seller: stored.seller,
            modelId: stored.modelId,
            batch: stored.batch,
            correct: tally.correct(),
            missing: tally.missing(),
            certified: stored.certified
        });
    }

    /// @inheritdoc IAuditEscrow
    function isProven(uint256 jobId, uint256 entry, uint256 run) external view returns (bool) {
        return _entries[jobId][entry].proven[run >> 8] >> (run & 0xff) & 1 != 0;
    }

    /// @inheritdoc IAuditEscrow
    function results() external view returns (address) {
        return address(RESULTS);
    }

    /// @inheritdoc IAuditEscrow
    function admissionHashOf(bytes32 vkHash, bytes32 verifierCodeHash) public pure returns (bytes32) {
        return keccak256(abi.encode(vkHash, verifierCodeHash));
    }

    /// @dev Checks the terms and stores their hash. The caller takes the money right after.
    function _record(Terms calldata terms, bytes32[] calldata admitted, bytes calldata hint)
        private
        returns (uint256 jobId)
    {
        if (msg.sender != terms.buyer) revert Errors.WrongCaller(terms.buyer, msg.sender);
        if (terms.reward == 0) revert Errors.ZeroValue("reward");
        if (terms.stake == 0) revert Errors.ZeroValue("stake");
        if (terms.abortFee > terms.stake) revert Errors.AbortFeeOutOfRange(terms.abortFee, terms.stake);
        if (terms.testSetRoot == 0) revert Errors.ZeroValue("testSetRoot");
        PublicInputs.requireCanonical(1, terms.testSetRoot);
        if (terms.metric == 0) revert Errors.ZeroValue("metric");
        // With n = 0 there is no t.
        if (terms.required == 0 || terms.required > terms.items) {
            revert Errors.RequiredOutOfRange(terms.required, terms.items);
        }
        if (terms.maxEntries == 0 || terms.maxEntries > MAX_ENTRIES) {
            revert Errors.MaxEntriesOutOfRange(terms.maxEntries, MAX_ENTRIES);
        }
        Deadlines.requireOrder(block.timestamp, terms.enterBy);
        Deadlines.requireOrder(terms.enterBy, terms.deliverBy);
        Deadlines.requireOrder(terms.deliverBy, terms.acceptBy);
        Deadlines.requireOrder(terms.acceptBy, terms.proveBy);
        if (admitted.length > MAX_ADMITTED_KEYS) {
            revert Errors.KeyListTooLong(admitted.length, MAX_ADMITTED_KEYS);
        }
        _requireList(terms, admitted);
        if (terms.bond != 0 && admitted.length == 0) revert Errors.BondWithoutKeys(terms.bond);
        Hints.requireLength(hint);

        jobId = ++jobCount;
        StoredJob storage job = _jobs[jobId];
        // Encoded, so that values out of their types' ranges are refused once and for all.
        job.termsHash = keccak256(abi.encode(terms));
        job.state = State.Open;
        emit Events.AuditOpened(jobId, msg.sender, terms, admitted, hint);
    }

    /// @dev Checks and stores an entry. The caller takes the stake right after.
    function _enter(uint256 jobId, Terms calldata terms, Offer calldata offer)
        private
        returns (uint256 entry)
    {
        StoredJob storage job = _job(jobId, terms);
        _requireState(jobId, job, State.Open);
        Deadlines.requireNotPassed(jobId, terms.enterBy);
        if (terms.seller != address(0) && msg.sender != terms.seller) {
            revert Errors.WrongCaller(terms.seller, msg.sender);
        }
        if (job.entries == terms.maxEntries) revert Errors.EntriesFull(jobId, terms.maxEntries);
        Hints.requireLength(offer.encryptionKey);
        _admitRuns(offer.modelId, offer.bindingHash, Statements.AUDIT, offer.batch);
        _admitKey(terms, offer);

        entry = ++job.entries;
        ++job.unanswered;
        _tallies[jobId][entry - 1] = Tallies.ofRuns(Runs.count(terms.items, offer.batch));
        job.lastEntryBlock = SafeCast.toUint64(block.number);
        bytes32 entriesHash =
            keccak256(abi.encode(job.entriesHash, msg.sender, offer.bindingHash, offer.batch));
        job.entriesHash = entriesHash;

        StoredEntry storage stored = _entries[jobId][entry];
        stored.seller = msg.sender;
        stored.modelId = offer.modelId;
        stored.batch = offer.batch;
        stored.state = EntryState.Entered;
        emit Events.AuditEntered(
            jobId,
            msg.sender,
            offer.modelId,
            entry,
            offer.bindingHash,
            offer.batch,
            offer.encryptionKey,
            entriesHash
        );
    }

    /// @dev Ends a live entry by what it has come to. Callers make sure that this cannot change any more, and
    /// pay.
    /// @param sharing Number of entries that share the bond because nothing was delivered; else zero.
    function _end(
        uint256 jobId,
        Terms calldata terms,
        uint256 entry,
        StoredEntry storage stored,
        uint256 sharing
    ) private returns (uint256 toSeller, uint256 toBuyer) {
        EntryState end = EntryState.Returned;
        toSeller = terms.stake;
        if (sharing != 0) {
            toSeller += terms.bond / sharing;
        } else if (stored.state == EntryState.Entered) {
            (end, toBuyer) = (EntryState.Aborted, terms.abortFee);
        } else if (_tallies[jobId][entry - 1].correct() < terms.required) {
            (end, toBuyer) = (EntryState.Forfeited, toSeller);
        }
        toSeller -= toBuyer;

        stored.state = end;
        emit Events.EntrySettled(jobId, entry, end);
    }

    function _pay(Terms calldata terms, StoredEntry storage stored, uint256 toSeller, uint256 toBuyer)
        private
    {
        if (toSeller != 0) _credit(terms.token, stored.seller, toSeller);
        if (toBuyer != 0) _credit(terms.token, terms.buyer, toBuyer);
    }

    /// @dev What both answers of a seller to the delivery need and do.
    function _answer(uint256 jobId, Terms calldata terms, uint256 entry)
        private
        returns (StoredEntry storage stored)
    {
        StoredJob storage job = _job(jobId, terms);
        stored = _entry(jobId, entry);
        if (msg.sender != stored.seller) revert Errors.WrongCaller(stored.seller, msg.sender);
        _requireState(jobId, job, State.Delivered);
        _requireEntryState(jobId, entry, stored, EntryState.Entered);
        Deadlines.requireNotPassed(jobId, terms.acceptBy);
        --job.unanswered;
    }

    /// @dev The entry of a delivered job that gets the reward, zero for none. Reverts as long as a count may
    /// change that matters.
    function _winner(uint256 jobId, Terms calldata terms, StoredJob storage job)
        private
        view
        returns (uint256 winner)
    {
        (uint256 entries, uint256 unanswered) = (job.entries, job.unanswered);
        bool decided = unanswered == 0 || block.timestamp > terms.acceptBy;
        // No seller that has not answered has a count, and the highest that is too low is no count either.
        uint256 highest = terms.required - 1;
        for (uint256 entry = 1; unanswered != entries && entry <= entries; ++entry) {
            Tally tally = _tallies[jobId][entry - 1];
            if (tally.isProving() && block.timestamp <= terms.proveBy) decided = false;
            uint64 correct = tally.correct();
            if (correct > highest) (winner, highest) = (entry, correct);
        }
        bool early = entries == 1 && winner != 0 && msg.sender == _entries[jobId][1].seller;
        if (!early && !decided) revert Errors.Undecided(jobId);
    }

    function _isLive(EntryState state) private pure returns (bool) {
        return state == EntryState.Entered || state == EntryState.Accepted;
    }

    function _admitKey(Terms calldata terms, Offer calldata offer) private view {
        if (terms.admittedKeys == 0) return;
        _requireList(terms, offer.admitted);
        (bytes32 vkHash, bytes32 verifierCodeHash) = _codeHashesOf(offer.modelId);
        bytes32 key = admissionHashOf(vkHash, verifierCodeHash);
        if (offer.which >= offer.admitted.length || offer.admitted[offer.which] != key) {
            revert Errors.KeyNotAdmitted(vkHash, verifierCodeHash);
        }
    }

    function _job(uint256 jobId, Terms calldata terms) private view returns (StoredJob storage job) {
        job = _jobs[jobId];
        bytes32 expected = job.termsHash;
        if (expected == 0) revert Errors.JobNotFound(jobId);
        bytes32 actual = AuditTerms.hash(terms);
        if (actual != expected) revert Errors.TermsMismatch(jobId, expected, actual);
    }

    function _entry(uint256 jobId, uint256 entry) private view returns (StoredEntry storage stored) {
        stored = _entries[jobId][entry];
        if (stored.state == EntryState.None) revert Errors.EntryNotFound(jobId, entry);
    }

    function _requireList(Terms calldata terms, bytes32[] calldata admitted) private pure {
        bytes32 list = admitted.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(admitted));
        if (list != terms.admittedKeys) revert Errors.KeyListMismatch(terms.admittedKeys, list);
    }

    function _requireState(uint256 jobId, StoredJob storage job, State expected) private view {
        if (job.state != expected) {
            revert Errors.WrongJobState(jobId, uint256(expected), uint256(job.state));
        }
    }

    function _requireEntryState(uint256 jobId, uint256 entry, StoredEntry storage stored, EntryState expected)
        private
        view
    {
        EntryState state = stored.state;
        if (state != expected) {
            if (state == EntryState.None) revert Errors.EntryNotFound(jobId, entry);
            revert Errors.WrongEntryState(jobId, entry, uint256(expected), uint256(state));
        }
    }
}
