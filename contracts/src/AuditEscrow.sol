// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {AuditJobs} from "./AuditJobs.sol";
import {Custody} from "./Custody.sol";
import {ModelVerification} from "./ModelVerification.sol";
import {IAuditEscrow} from "./interfaces/IAuditEscrow.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IResultRegistry} from "./interfaces/IResultRegistry.sol";
import {AuditTerms} from "./libraries/AuditTerms.sol";
import {Claims} from "./libraries/Claims.sol";
import {Deadlines} from "./libraries/Deadlines.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {Hints} from "./libraries/Hints.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {Runs} from "./libraries/Runs.sol";
import {Statements} from "./libraries/Statement.sol";

/// @title Escrow for accuracy audits: bounties and contests
/// @notice See IAuditEscrow for the protocol.
contract AuditEscrow is AuditJobs, Custody, ModelVerification {
    using AuditTerms for Terms;

    /// @notice Latest deadline, counted from the opening.
    uint256 public constant MAX_DURATION = Deadlines.MAX_DURATION;

    /// @notice Longest hint, encryption key or place that is logged.
    uint256 public constant MAX_HINT_LENGTH = Hints.MAX_LENGTH;

    /// @notice Longest list of admitted keys.
    uint256 public constant MAX_ADMITTED_KEYS = 64;

    IResultRegistry private immutable RESULTS;

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
        uint256 approved,
        bytes32 dataHash,
        bytes calldata place
    ) external nonReentrant {
        StoredJob storage job = _closed(jobId, terms, entriesHash);
        uint256 entries = job.entries;
        if (approved == 0 || approved >> entries != 0) revert Errors.ApprovedOutOfRange(approved, entries);
        if (dataHash == 0) revert Errors.ZeroValue("dataHash");
        Hints.requireLength(place);

        job.state = State.Delivered;
        job.waiting = SafeCast.toUint16(approved);
        emit Events.AuditDelivered(jobId, approved, dataHash, place);
        _returnStakes(jobId, terms, entries, approved);
    }

    /// @inheritdoc IAuditEscrow
    function decline(uint256 jobId, Terms calldata terms, bytes32 entriesHash) external nonReentrant {
        StoredJob storage job = _closed(jobId, terms, entriesHash);
        job.state = State.Refunded;
        emit Events.AuditSettled(jobId, State.Refunded, 0);
        _returnStakes(jobId, terms, job.entries, 0);
        _credit(terms.token, terms.buyer, uint256(terms.reward) + terms.bond);
    }

    /// @inheritdoc IAuditEscrow
    function returnBond(uint256 jobId, Terms calldata terms) external nonReentrant {
        StoredJob storage job = _job(jobId, terms);
        if (job.bondReturned) revert Errors.BondReturned(jobId);
        _requireState(jobId, job, State.Delivered);
        if (job.waiting != 0) Deadlines.requirePassed(jobId, terms.acceptBy);
        _returnBond(jobId, terms, job);
    }

    /// @inheritdoc IAuditEscrow
    function accept(uint256 jobId, Terms calldata terms, uint256 entry, uint256 claim) external nonReentrant {
        (StoredJob storage job, StoredEntry storage stored) = _answer(jobId, terms, entry);
        if (claim < terms.required || claim > terms.items) {
            revert Errors.ClaimOutOfRange(claim, terms.required, terms.items);
        }
        ++job.accepted;
        stored.state = EntryState.Accepted;
        _claims[jobId][entry - 1] = SafeCast.toUint32(claim);
        emit Events.EntryAccepted(jobId, entry, claim);
    }

    /// @inheritdoc IAuditEscrow
    function abort(uint256 jobId, Terms calldata terms, uint256 entry) external nonReentrant {
        (StoredJob storage job, StoredEntry storage stored) = _answer(jobId, terms, entry);
        ++job.aborted;
        _end(jobId, terms, entry, stored, EntryState.Aborted);
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
        // Once the reward is paid, runs of others can only add to what goes on record.
        _requireEntryState(jobId, entry, stored, EntryState.Accepted);
        // The last window of all. Whether the claim's own has passed matters to the run that completes it.
        Deadlines.requireNotPassed(jobId, terms.proveBy(terms.maxEntries - 1));
        (uint256 first, uint256 length) = Runs.span(run, terms.items, _batchOf(stored));
        uint256 bit = 2 ** (run & 0xff);
        uint256 proven = stored.proven[run >> 8];
        if (proven & bit != 0) revert Errors.RunAlreadyProven(run);
        if (correct > length) revert Errors.CorrectOutOfRange(correct, length);

        uint256 context = ProofContext.bind(jobId, stored.seller);
        _requireProof(
            stored.modelId, PublicInputs.list(context, terms.testSetRoot, first, length, correct), proof
        );

        stored.proven[run >> 8] = proven | bit;
        emit Events.AuditRunProven(jobId, entry, run, correct);
        _count(jobId, terms, entry, stored, correct);
    }

    /// @inheritdoc IAuditEscrow
    function settle(uint256 jobId, Terms calldata terms) external nonReentrant {
        StoredJob storage job = _job(jobId, terms);
        State state = job.state;
        uint256 entries = job.entries;
        uint256 winner;
        uint256 pot = terms.reward;
        if (state == State.Open) {
            Deadlines.requirePassed(jobId, entries == 0 ? terms.enterBy : terms.deliverBy);
            state = entries == 0 ? State.Refunded : State.Undelivered;
            // The entries share the bond; what does not divide stays the buyer's.
            pot += entries == 0 ? terms.bond : terms.bond % entries;
        } else if (state == State.Delivered) {
            winner = _winner(jobId, terms, job);
            state = winner == 0 ? State.Refunded : State.Paid;
            // Paid before they had to answer, the others have spoilt nothing.
            if (block.timestamp <= terms.acceptBy) job.waiting = 0;
            if (!job.bondReturned) _returnBond(jobId, terms, job);
        } else {
            revert Errors.JobNotOpen(jobId);
        }

        job.state = state;
        emit Events.AuditSettled(jobId, state, winner);
        uint256 ending = entries == 1 ? 1 : winner;
        StoredEntry storage stored = _entries[jobId][ending];
        if (_isLive(stored.state)) {
            _end(jobId, terms, ending, stored, _outcome(jobId, terms, job, ending));
        }
        _credit(terms.token, winner == 0 ? terms.buyer : stored.seller, pot);
    }

    /// @inheritdoc IAuditEscrow
    function release(uint256 jobId, Terms calldata terms, uint256 entry) external nonReentrant {
        StoredJob storage job = _job(jobId, terms);
        StoredEntry storage stored = _entry(jobId, entry);
        if (!_isLive(stored.state)) revert Errors.EntryEnded(jobId, entry);
        _end(jobId, terms, entry, stored, _outcome(jobId, terms, job, entry));
    }

    /// @inheritdoc IAuditEscrow
    function certify(uint256 jobId, Terms calldata terms, uint256 entry) external nonReentrant {
        _job(jobId, terms);
        StoredEntry storage stored = _entry(jobId, entry);
        uint32 correct = stored.correct;
        if (_isLive(stored.state) || (stored.missing != 0 && correct < terms.required)) {
            revert Errors.NotCertifiable(jobId, entry);
        }
        if (stored.certified) revert Errors.AlreadyCertified(jobId, entry);

        stored.certified = true;
        emit Events.ResultCertified(jobId, stored.modelId, entry, correct, terms.items);
        RESULTS.recordResult(stored.modelId, terms.testSetRoot, terms.metric, correct, terms.items);
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
        terms.requireSound(MAX_ENTRIES);
        if (admitted.length > MAX_ADMITTED_KEYS) {
            revert Errors.KeyListTooLong(admitted.length, MAX_ADMITTED_KEYS);
        }
        _requireList(terms, admitted);
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
        if (terms.sellers != 0 && !terms.names(msg.sender, offer.path)) {
            revert Errors.SellerNotNamed(msg.sender);
        }
        if (terms.sellers != 0 || terms.challengeRoot != 0) _requireNew(jobId, job.entries);
        if (job.entries == terms.maxEntries) revert Errors.EntriesFull(jobId, terms.maxEntries);
        Hints.requireLength(offer.encryptionKey);
        _admitRuns(offer.modelId, offer.bindingHash, Statements.AUDIT, offer.batch);
        _admitKey(terms, offer);
        if (terms.challengeRoot != 0) _requirePossession(jobId, terms, offer);

        entry = ++job.entries;
        job.lastEntryBlock = SafeCast.toUint64(block.number);
        bytes32 entriesHash =
            keccak256(abi.encode(job.entriesHash, msg.sender, offer.bindingHash, offer.batch));
        job.entriesHash = entriesHash;

        StoredEntry storage stored = _entries[jobId][entry];
        stored.seller = msg.sender;
        stored.modelId = offer.modelId;
        // Runs of another size than a power of two have no key.
        stored.logBatch = SafeCast.toUint8(Math.log2(offer.batch));
        stored.state = EntryState.Entered;
        stored.missing = SafeCast.toUint32(Runs.count(terms.items, offer.batch));
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

    /// @dev Ends a live entry. Callers make sure that its outcome cannot change any more.
    function _end(
        uint256 jobId,
        Terms calldata terms,
        uint256 entry,
        StoredEntry storage stored,
        EntryState outcome
    ) private {
        stored.state = outcome;
        emit Events.EntrySettled(jobId, entry, outcome);
        uint256 amount = terms.stake;
        if (outcome == EntryState.Returned) {
            StoredJob storage job = _jobs[jobId];
            // Nothing was delivered: the entries share the bond.
            if (_isUndelivered(job.state)) amount += terms.bond / job.entries;
        } else if (terms.abortFee != 0) {
            amount -= terms.abortFee;
            _burn(terms.token, terms.abortFee);
        }
        address payee = outcome == EntryState.Forfeited ? terms.buyer : stored.seller;
        if (amount != 0) _credit(terms.token, payee, amount);
    }

    /// @dev Adds a run to an entry's count, and keeps whether that proves its claim, which it has to in the claim's
    /// own window.
    function _count(
        uint256 jobId,
        Terms calldata terms,
        uint256 entry,
        StoredEntry storage stored,
        uint256 correct
    ) private {
        uint256 before = stored.correct;
        stored.correct = SafeCast.toUint32(before + correct);
        --stored.missing;
        uint256 claim = _claims[jobId][entry - 1];
        StoredJob storage job = _jobs[jobId];
        // Of a job that has ended nothing changes but what goes on record.
        if (before >= claim || before + correct < claim || job.state != State.Delivered) return;

        // Up to acceptBy claims may still come in, and no window has passed.
        if (block.timestamp > terms.acceptBy) {
            Deadlines.requireNotPassed(jobId, terms.proveBy(Claims.turnOf(_claims[jobId], entry)));
        }
        job.proven |= SafeCast.toUint16(2 ** (entry - 1));
    }

    /// @dev Gives the entries that the buyer does not approve of their stakes back.
    function _returnStakes(uint256 jobId, Terms calldata terms, uint256 entries, uint256 approved) private {
        for (uint256 entry = 1; entry <= entries; ++entry) {
            if (approved >> (entry - 1) & 1 != 0) continue;
            StoredEntry storage stored = _entries[jobId][entry];
            stored.state = EntryState.Returned;
            emit Events.EntrySettled(jobId, entry, EntryState.Returned);
            _credit(terms.token, stored.seller, terms.stake);
        }
    }

    /// @dev Gives the buyer its bond back, less an abort fee for each approved entry that does not go on. Callers
    /// make sure that no seller can answer any more.
    function _returnBond(uint256 jobId, Terms calldata terms, StoredJob storage job) private {
        uint256 lost = _bitsIn(job.waiting);
        lost = (lost + job.aborted) * terms.abortFee;
        job.bondReturned = true;
        emit Events.AuditBondReturned(jobId, lost);
        if (lost != 0) _burn(terms.token, lost);
        if (terms.bond != lost) _credit(terms.token, terms.buyer, terms.bond - lost);
    }

    /// @dev What both answers of a seller to the delivery need and do.
    function _answer(uint256 jobId, Terms calldata terms, uint256 entry)
        private
        returns (StoredJob storage job, StoredEntry storage stored)
    {
        job = _job(jobId, terms);
        stored = _entry(jobId, entry);
        if (msg.sender != stored.seller) revert Errors.WrongCaller(stored.seller, msg.sender);
        _requireState(jobId, job, State.Delivered);
        _requireEntryState(jobId, entry, stored, EntryState.Entered);
        Deadlines.requireNotPassed(jobId, terms.acceptBy);
        job.waiting ^= SafeCast.toUint16(2 ** (entry - 1));
    }

    /// @dev A job whose buyer may decide on the entries that it has seen: nobody can enter any more.
    function _closed(uint256 jobId, Terms calldata terms, bytes32 entriesHash)
        private
        view
        returns (StoredJob storage job)
    {
        job = _job(jobId, terms);
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
    }

    /// @dev The entry of a delivered job that gets the reward, zero for none: the first claim that is proven, once
    /// the windows of all before it have passed. Reverts as long as another may come before it.
    function _winner(uint256 jobId, Terms calldata terms, StoredJob storage job)
        private
        view
        returns (uint256 winner)
    {
        uint32[MAX_ENTRIES] memory claims = _claims[jobId];
        winner = Claims.first(claims, job.proven);
        uint256 turn = winner == 0 ? job.accepted : Claims.turnOf(claims, winner);
        bool decided = turn <= terms.turnsPassed();
        if (job.waiting != 0 && block.timestamp <= terms.acceptBy) {
            // Who has not answered may claim everything, and does not come before an earlier entry by that.
            decided = decided && winner != 0 && claims[winner - 1] == terms.items
                && job.waiting & (2 ** winner - 1) == 0;
        }
        if (!decided) revert Errors.Undecided(jobId);
    }

    /// @dev How a live entry ends. Reverts as long as that is not certain.
    function _outcome(uint256 jobId, Terms calldata terms, StoredJob storage job, uint256 entry)
        private
        view
        returns (EntryState)
    {
        if (_isUndelivered(job.state)) {
            Deadlines.requirePassed(jobId, terms.deliverBy);
            return EntryState.Returned;
        }
        uint256 bit = 2 ** (entry - 1);
        if (_entries[jobId][entry].state == EntryState.Entered) {
            if (job.waiting & bit == 0) return EntryState.Returned;
            Deadlines.requirePassed(jobId, terms.acceptBy);
            return EntryState.Aborted;
        }
        if (job.proven & bit != 0) return EntryState.Returned;
        uint32[MAX_ENTRIES] memory claims = _claims[jobId];
        uint256 leader = Claims.first(claims, job.proven);
        // Its turn does not come.
        if (leader != 0 && Claims.comesBefore(claims, leader, entry)) return EntryState.Returned;
        Deadlines.requirePassed(jobId, terms.proveBy(Claims.turnOf(claims, entry)));
        return EntryState.Forfeited;
    }

    /// @dev One place each, where sellers are named or show weights: else one of them could take all the places, and with
    /// one proof.
    function _requireNew(uint256 jobId, uint256 entries) private view {
        for (uint256 entry = 1; entry <= entries; ++entry) {
            if (_entries[jobId][entry].seller == msg.sender) revert Errors.AlreadyEntered(jobId, entry);
        }
    }

    /// @dev The first run of the challenge, proven like one of the test set, shows that the weights exist.
    function _requirePossession(uint256 jobId, Terms calldata terms, Offer calldata offer) private view {
        uint256 context = ProofContext.bind(jobId, msg.sender);
        (, uint256 length) = Runs.span(0, terms.items, offer.batch);
        _requireProof(
            offer.modelId,
            PublicInputs.list(context, terms.challengeRoot, 0, length, offer.correct),
            offer.possession
        );
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

    function _bitsIn(uint256 bitmap) private pure returns (uint256 count) {
        for (; bitmap != 0; bitmap &= bitmap - 1) {
            ++count;
        }
    }

    function _requireList(Terms calldata terms, bytes32[] calldata admitted) private pure {
        bytes32 list = admitted.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(admitted));
        if (list != terms.admittedKeys) revert Errors.KeyListMismatch(terms.admittedKeys, list);
    }
}
