// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {CustodyHandler} from "./CustodyHandler.sol";
import {RunModel} from "./RunModel.sol";

/// @notice All that buyers, sellers and bystanders can do, with bounded choices, and ghost state: what must happen
/// follows from it and the clock, never from what the escrow says of itself.
contract AuditHandler is CustodyHandler {
    /// @dev An entry as it must be. `stage`: 1 entered, 2 accepted, 3 ended.
    struct GhostEntry {
        address seller;
        uint256 stage;
        uint256 batch;
        bytes32 vkHash;
        uint256 correct;
        uint256 proven;
        uint256 missing;
        uint256 endings;
        bool spoilt;
        uint256 claim;
        bool claimProven;
        bool certified;
        bytes32 last;
    }

    /// @dev A job as it must be. `pot`: what came in for it and has not been credited.
    struct GhostJob {
        bool delivered;
        bool bondReturned;
        bool excused;
        uint256 endings;
        uint256 lastBlock;
        uint256 pot;
        bytes32 last;
        bytes32 entriesHash;
    }

    uint256 internal constant ROOT = uint256(keccak256("test set")) >> 8;
    uint256 internal constant CHALLENGE = uint256(keccak256("public collection")) >> 8;
    uint256 internal constant MAX_JOBS = 6;

    AuditEscrow public immutable ESCROW;
    bytes32 internal immutable WEIGHTS;

    /// @dev The weights with keys of several batches; the list admits each at its place.
    RunModel[] internal _models;
    bytes32[] internal _admitted;

    mapping(uint256 jobId => IAuditEscrow.Terms) internal _terms;
    mapping(uint256 jobId => GhostJob) internal _jobs;
    mapping(uint256 jobId => GhostEntry[]) internal _entries;

    constructor(AuditEscrow escrow, bytes32 weights, RunModel[] memory models, bytes32[] memory admitted)
        CustodyHandler(escrow)
    {
        ESCROW = escrow;
        WEIGHTS = weights;
        for (uint256 i = 0; i < models.length; ++i) {
            _models.push(models[i]);
        }
        _admitted = admitted;
    }

    function open(
        uint256 who,
        uint256 which,
        uint96[4] memory amounts,
        uint8[3] memory sizes,
        uint32[4] memory gaps
    ) external {
        if (ESCROW.jobCount() == MAX_JOBS) return;
        bool listed = which % 4 != 0;
        IAuditEscrow.Terms memory terms;
        terms.buyer = _actor(who);
        terms.token = _token(which / 4);
        terms.reward = amounts[0] == 0 ? 1 : amounts[0];
        terms.stake = amounts[2] == 0 ? 1 : amounts[2];
        terms.abortFee = amounts[3] < terms.stake ? amounts[3] : terms.stake;
        terms.testSetRoot = ROOT;
        terms.metric = "top-1";
        terms.items = 1 + sizes[0] % 9;
        terms.required = 1 + sizes[1] % terms.items;
        terms.maxEntries = 1 + sizes[2] % 3;
        // Up to three fees have to fit into a bond.
        terms.abortFee /= 3;
        uint96 fees = terms.maxEntries * terms.abortFee;
        terms.bond = amounts[1] < fees ? fees : amounts[1];
        terms.enterBy = SafeCast.toUint64(block.timestamp) + 1 + gaps[0] % 10 days;
        terms.deliverBy = terms.enterBy + 10 minutes + gaps[1] % 10 days;
        terms.acceptBy = terms.deliverBy + 10 minutes + gaps[2] % 10 days;
        terms.proveWindow = 10 minutes + gaps[3] % 5 days;
        terms.admittedKeys = listed ? keccak256(abi.encodePacked(_admitted)) : bytes32(0);
        if (which % 8 == 6) terms.challengeRoot = CHALLENGE;

        uint256 amount = uint256(terms.reward) + terms.bond;
        bytes memory call = abi.encodeCall(ESCROW.open, (terms, listed ? _admitted : new bytes32[](0), ""));
        assertTrue(_pay(terms.buyer, terms.token, amount, call), "opening refused against the rules");
        uint256 jobId = ESCROW.jobCount();
        _terms[jobId] = terms;
        _jobs[jobId].pot = amount;
        ++calls["open"];
    }

    function enter(uint256 who, uint256 which, uint256 model) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IAuditEscrow.Terms memory terms = _terms[jobId];
        IAuditEscrow.Offer memory offer;
        offer.which = model % _models.length;
        RunModel memory entered = _models[offer.which];
        (offer.modelId, offer.bindingHash, offer.batch) = (entered.id, entered.bindingHash, entered.batch);
        offer.admitted = _admitted;
        GhostJob storage job = _jobs[jobId];
        bool expected = job.endings == 0 && !job.delivered && block.timestamp <= terms.enterBy
            && _entries[jobId].length < terms.maxEntries;
        address seller = _actor(who);
        if (terms.challengeRoot != 0) {
            // Some show what was made for somebody else.
            address prover = _actor(model / 64 % 4 == 3 ? who % 64 + 1 : who);
            if (prover != seller || _hasEntered(jobId, seller)) expected = false;
            uint256 items = terms.items < offer.batch ? terms.items : offer.batch;
            offer.correct = model % (items + 1);
            offer.possession = _proof(jobId, prover, entered.vkHash, [CHALLENGE, 0, items, offer.correct]);
        }
        bytes memory call = abi.encodeCall(ESCROW.enter, (jobId, terms, offer));
        assertEq(_pay(seller, terms.token, terms.stake, call), expected, "entry");
        if (!expected) return;
        GhostEntry storage entry = _entries[jobId].push();
        entry.seller = seller;
        entry.stage = 1;
        entry.batch = offer.batch;
        entry.vkHash = entered.vkHash;
        entry.missing = (terms.items - 1) / offer.batch + 1;
        job.pot += terms.stake;
        job.lastBlock = block.number;
        job.entriesHash = keccak256(abi.encode(job.entriesHash, seller, offer.bindingHash, offer.batch));
        ++calls["enter"];
    }

    /// @param approved Whom the buyer approves of, a bit each.
    function deliver(uint256 which, bool sameBlock, uint256 approved) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        if (!sameBlock) vm.roll(block.number + 1);
        IAuditEscrow.Terms memory terms = _terms[jobId];
        GhostJob storage job = _jobs[jobId];
        uint256 entries = _entries[jobId].length;
        approved %= 2 ** (entries + 1);
        bool expected = _mayDecide(jobId) && approved != 0 && approved < 2 ** entries;
        bytes memory call =
            abi.encodeCall(ESCROW.deliver, (jobId, terms, job.entriesHash, approved, "data", ""));
        assertEq(_call(terms.buyer, call), expected, "delivery");
        if (!expected) return;
        job.delivered = true;
        for (uint256 id = 1; id <= entries; ++id) {
            if (approved >> (id - 1) & 1 == 0) _reject(jobId, id);
        }
        ++calls["deliver"];
    }

    function decline(uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IAuditEscrow.Terms memory terms = _terms[jobId];
        GhostJob storage job = _jobs[jobId];
        bool expected = _mayDecide(jobId);
        bytes memory call = abi.encodeCall(ESCROW.decline, (jobId, terms, job.entriesHash));
        assertEq(_call(terms.buyer, call), expected, "refusal of all entries");
        if (!expected) return;
        for (uint256 id = 1; id <= _entries[jobId].length; ++id) {
            _reject(jobId, id);
        }
        _credit(jobId, terms.buyer, uint256(terms.reward) + terms.bond);
        ++job.endings;
        job.last = jobFingerprint(jobId);
        ++calls["decline"];
    }

    function returnBond(uint256 who, uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        GhostJob storage job = _jobs[jobId];
        bool expected = job.endings == 0 && job.delivered && !job.bondReturned && !_mayAnswer(jobId);
        bytes memory call = abi.encodeCall(ESCROW.returnBond, (jobId, _terms[jobId]));
        assertEq(_call(_actor(who), call), expected, "return of the bond");
        if (!expected) return;
        _returnBond(jobId);
        ++calls["returnBond"];
    }

    /// @param claim Zero gives up.
    function answer(uint256 who, uint256 which, uint256 number, uint256 claim) external {
        (uint256 jobId, uint256 id) = _entryId(which, number);
        if (id == 0) return;
        IAuditEscrow.Terms memory terms = _terms[jobId];
        GhostEntry storage entry = _entries[jobId][id - 1];
        // Mostly the seller itself.
        address caller = who % 4 == 0 ? _actor(who / 4) : entry.seller;
        bool expected = _jobs[jobId].endings == 0 && _jobs[jobId].delivered && entry.stage == 1
            && block.timestamp <= terms.acceptBy && caller == entry.seller;
        bool accepts = claim % 8 != 0;
        claim = _bound(claim / 8, terms.required - 1, terms.items + 1);
        if (accepts && (claim < terms.required || claim > terms.items)) expected = false;
        bytes memory call = accepts
            ? abi.encodeCall(ESCROW.accept, (jobId, terms, id, claim))
            : abi.encodeCall(ESCROW.abort, (jobId, terms, id));
        assertEq(_call(caller, call), expected, "answer");
        if (!expected) return;
        if (accepts) (entry.stage, entry.claim) = (2, claim);
        else _end(jobId, id);
        if (accepts) ++calls["accept"];
        else ++calls["abort"];
    }

    function prove(uint256 who, uint256 which, uint256 number, uint256 run, uint256 correct) external {
        (uint256 jobId, uint256 id) = _entryId(which, number);
        if (id == 0) return;
        GhostEntry storage entry = _entries[jobId][id - 1];
        run = _run(jobId, id, run);
        correct = _bound(correct, 0, _items(jobId, id, run));
        bool completes =
            _jobs[jobId].endings == 0 && !entry.claimProven && entry.correct + correct >= entry.claim;
        bool expected = _jobs[jobId].delivered && entry.stage == 2
            && block.timestamp <= _proveBy(jobId, _terms[jobId].maxEntries - 1)
            && entry.proven >> run & 1 == 0
            && (!completes || block.timestamp <= _proveBy(jobId, _turn(jobId, id)));
        assertEq(_prove(_actor(who), entry.seller, jobId, id, run, correct), expected, "proof");
        if (!expected) return;
        entry.correct += correct;
        if (completes) entry.claimProven = true;
        entry.proven |= 2 ** run;
        --entry.missing;
        ++calls["prove"];
    }

    /// @dev A proof made for somebody else never works.
    function proveWithStolenProof(uint256 which, uint256 number, uint256 run, uint256 from) external {
        (uint256 jobId, uint256 id) = _entryId(which, number);
        if (id == 0) return;
        address thief = _entries[jobId][id - 1].seller;
        address victim = _actor(from);
        if (victim == thief) return;
        run = _run(jobId, id, run);
        assertFalse(_prove(thief, victim, jobId, id, run, 0), "stolen proof was counted");
        ++calls["proveWithStolenProof"];
    }

    function settle(uint256 who, uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IAuditEscrow.Terms memory terms = _terms[jobId];
        GhostJob storage job = _jobs[jobId];
        address caller = _actor(who);
        (bool over, uint256 winner) = _result(jobId);
        bool expected = job.endings == 0 && over;
        assertEq(_call(caller, abi.encodeCall(ESCROW.settle, (jobId, terms))), expected, "settlement");
        if (!expected) return;

        uint256 entries = _entries[jobId].length;
        if (!job.delivered) {
            uint256 shares = entries == 0 ? 0 : terms.bond / entries * entries;
            _credit(jobId, terms.buyer, uint256(terms.reward) + terms.bond - shares);
        } else {
            _credit(jobId, winner == 0 ? terms.buyer : _entries[jobId][winner - 1].seller, terms.reward);
            // Paid before they had to answer, they have spoilt nothing.
            job.excused = _mayAnswer(jobId);
            if (!job.bondReturned) _returnBond(jobId);
        }
        ++job.endings;
        // The entry that wins ends with the job, or the only one.
        uint256 ending = entries == 1 ? 1 : winner;
        if (ending != 0 && _entries[jobId][ending - 1].stage != 3) _end(jobId, ending);
        job.last = jobFingerprint(jobId);
        if (job.excused) ++calls["payAtOnce"];
        if (winner != 0) ++calls["pay"];
        else if (job.delivered) ++calls["refund"];
        else ++calls["expire"];
    }

    function release(uint256 who, uint256 which, uint256 number) external {
        (uint256 jobId, uint256 id) = _entryId(which, number);
        if (id == 0) return;
        bool expected = _entries[jobId][id - 1].stage != 3 && !_mayChange(jobId, id);
        bytes memory call = abi.encodeCall(ESCROW.release, (jobId, _terms[jobId], id));
        assertEq(_call(_actor(who), call), expected, "release");
        if (!expected) return;
        _end(jobId, id);
        ++calls["release"];
    }

    function certify(uint256 which, uint256 number) external {
        (uint256 jobId, uint256 id) = _entryId(which, number);
        if (id == 0) return;
        GhostEntry storage entry = _entries[jobId][id - 1];
        bool expected = entry.stage == 3 && !entry.certified
            && (entry.missing == 0 || entry.correct >= _terms[jobId].required);
        bytes memory call = abi.encodeCall(ESCROW.certify, (jobId, _terms[jobId], id));
        assertEq(_call(address(this), call), expected, "certificate");
        if (!expected) return;
        entry.certified = true;
        entry.last = entryFingerprint(jobId, id);
        ++calls["certify"];
    }

    /// @dev Takes the step that is due, so that histories get far enough: alone, chance rarely does.
    function proceed(uint256 which, uint256 number, uint256 seed) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0 || _jobs[jobId].endings != 0) return;
        IAuditEscrow.Terms memory terms = _terms[jobId];
        uint256 entries = _entries[jobId].length;
        if (entries < terms.maxEntries && block.timestamp <= terms.enterBy) {
            return this.enter(seed, which, uint8(bytes1(keccak256(abi.encode(seed)))));
        }
        if (!_jobs[jobId].delivered) {
            return this.deliver(which, false, seed % 4 == 0 ? seed / 4 : 2 ** entries - 1);
        }
        GhostEntry storage entry = _entries[jobId][number % entries];
        if (entry.stage == 1) return this.answer(1, which, number, seed);
        if (entry.missing == 0) return this.settle(seed, which);
        uint256 run;
        while (entry.proven >> run & 1 != 0) ++run;
        uint256 items = _items(jobId, 1 + number % entries, run);
        this.prove(seed, which, number, run, seed % 4 == 0 ? seed % (items + 1) : items);
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + _bound(time, 1, 6 days));
        vm.roll(block.number + 1);
    }

    function entryCount(uint256 jobId) external view returns (uint256) {
        return _entries[jobId].length;
    }

    function termsOf(uint256 jobId) external view returns (IAuditEscrow.Terms memory) {
        return _terms[jobId];
    }

    function ghostJob(uint256 jobId) external view returns (GhostJob memory) {
        return _jobs[jobId];
    }

    function ghostEntry(uint256 jobId, uint256 id) external view returns (GhostEntry memory) {
        return _entries[jobId][id - 1];
    }

    function jobFingerprint(uint256 jobId) public view returns (bytes32) {
        return keccak256(abi.encode(ESCROW.getJob(jobId)));
    }

    function entryFingerprint(uint256 jobId, uint256 id) public view returns (bytes32) {
        IAuditEscrow.Entry memory entry = ESCROW.getEntry(jobId, id);
        // Others may still come before it; that is not about the entry.
        entry.turn = 0;
        return keccak256(abi.encode(entry));
    }

    /// @dev Ends the ghost of an entry by what it has come to.
    function _end(uint256 jobId, uint256 id) private {
        IAuditEscrow.Terms memory terms = _terms[jobId];
        GhostEntry storage entry = _entries[jobId][id - 1];
        uint256 toBuyer;
        uint256 bonus;
        uint256 lost;
        if (!_jobs[jobId].delivered) {
            bonus = terms.bond / _entries[jobId].length;
        } else if (entry.stage == 1) {
            if (!_jobs[jobId].excused) (lost, entry.spoilt) = (terms.abortFee, true);
        } else if (!_isSafe(jobId, id)) {
            (lost, toBuyer) = (terms.abortFee, terms.stake - terms.abortFee);
        }
        _credit(jobId, entry.seller, terms.stake - toBuyer - lost + bonus);
        _credit(jobId, terms.buyer, toBuyer);
        _burn(jobId, lost);
        entry.stage = 3;
        ++entry.endings;
        entry.last = entryFingerprint(jobId, id);
    }

    /// @dev An entry that the buyer does not approve of.
    function _reject(uint256 jobId, uint256 id) private {
        GhostEntry storage entry = _entries[jobId][id - 1];
        _credit(jobId, entry.seller, _terms[jobId].stake);
        entry.stage = 3;
        ++entry.endings;
        entry.last = entryFingerprint(jobId, id);
    }

    /// @dev Each approved entry that gave up or never answered costs the bond a fee.
    function _returnBond(uint256 jobId) private {
        IAuditEscrow.Terms memory terms = _terms[jobId];
        uint256 lost;
        for (uint256 id = 1; id <= _entries[jobId].length; ++id) {
            GhostEntry storage entry = _entries[jobId][id - 1];
            if (entry.spoilt || (entry.stage == 1 && !_jobs[jobId].excused)) lost += terms.abortFee;
        }
        _jobs[jobId].bondReturned = true;
        _credit(jobId, terms.buyer, terms.bond - lost);
        _burn(jobId, lost);
    }

    function _burn(uint256 jobId, uint256 amount) private {
        _jobs[jobId].pot -= amount;
        burnt[_terms[jobId].token] += amount;
    }

    function _credit(uint256 jobId, address to, uint256 amount) private {
        // Underflows where a job would pay more than came in for it.
        _jobs[jobId].pot -= amount;
        owed[_terms[jobId].token][to] += amount;
    }

    /// @dev Whether the buyer may deliver or decline.
    function _mayDecide(uint256 jobId) private view returns (bool) {
        IAuditEscrow.Terms memory terms = _terms[jobId];
        GhostJob storage job = _jobs[jobId];
        uint256 entries = _entries[jobId].length;
        bool closed = entries == terms.maxEntries || block.timestamp > terms.enterBy;
        return job.endings == 0 && !job.delivered && entries != 0 && closed
            && block.timestamp <= terms.deliverBy && block.number > job.lastBlock;
    }

    /// @dev Whether an answer to the delivery may still come.
    function _mayAnswer(uint256 jobId) private view returns (bool) {
        for (uint256 id = 1; id <= _entries[jobId].length; ++id) {
            if (_entries[jobId][id - 1].stage == 1 && block.timestamp <= _terms[jobId].acceptBy) return true;
        }
        return false;
    }

    /// @dev Whether the job's outcome is certain, and which entry has won, by looking at one claim after the other.
    function _result(uint256 jobId) private view returns (bool over, uint256 winner) {
        IAuditEscrow.Terms memory terms = _terms[jobId];
        uint256 entries = _entries[jobId].length;
        if (!_jobs[jobId].delivered) {
            return (block.timestamp > (entries == 0 ? terms.enterBy : terms.deliverBy), 0);
        }
        for (uint256 turn = 0; turn < entries && winner == 0; ++turn) {
            uint256 id = _at(jobId, turn);
            if (id == 0) break;
            if (_entries[jobId][id - 1].claimProven) winner = id;
            else if (block.timestamp <= _proveBy(jobId, turn)) return (false, 0);
        }
        for (uint256 id = 1; id <= entries && block.timestamp <= terms.acceptBy; ++id) {
            if (_entries[jobId][id - 1].stage != 1) continue;
            if (winner == 0 || id < winner || _entries[jobId][winner - 1].claim < terms.items) {
                return (false, 0);
            }
        }
        return (true, winner);
    }

    /// @dev Whether it is open how an entry ends.
    function _mayChange(uint256 jobId, uint256 id) private view returns (bool) {
        IAuditEscrow.Terms memory terms = _terms[jobId];
        if (!_jobs[jobId].delivered) return block.timestamp <= terms.deliverBy;
        if (_entries[jobId][id - 1].stage == 1) {
            return !_jobs[jobId].excused && block.timestamp <= terms.acceptBy;
        }
        return !_isSafe(jobId, id) && block.timestamp <= _proveBy(jobId, _turn(jobId, id));
    }

    /// @dev Whether an entry's claim is proven, or one before it.
    function _isSafe(uint256 jobId, uint256 id) private view returns (bool) {
        for (uint256 turn = 0; turn <= _turn(jobId, id); ++turn) {
            if (_entries[jobId][_at(jobId, turn) - 1].claimProven) return true;
        }
        return false;
    }

    /// @dev How many claims come before that of an entry.
    function _turn(uint256 jobId, uint256 id) private view returns (uint256 turn) {
        uint256 claim = _entries[jobId][id - 1].claim;
        for (uint256 other = 1; other <= _entries[jobId].length; ++other) {
            uint256 theirs = _entries[jobId][other - 1].claim;
            if (theirs > claim || (theirs == claim && other < id)) ++turn;
        }
    }

    /// @dev The entry whose claim has this turn; zero if there is none.
    function _at(uint256 jobId, uint256 turn) private view returns (uint256) {
        for (uint256 id = 1; id <= _entries[jobId].length; ++id) {
            if (_entries[jobId][id - 1].claim != 0 && _turn(jobId, id) == turn) return id;
        }
        return 0;
    }

    function _proveBy(uint256 jobId, uint256 turn) private view returns (uint256) {
        return _terms[jobId].acceptBy + (turn + 1) * _terms[jobId].proveWindow;
    }

    function _run(uint256 jobId, uint256 id, uint256 seed) private view returns (uint256) {
        return _bound(seed, 0, (_terms[jobId].items - 1) / _entries[jobId][id - 1].batch);
    }

    function _items(uint256 jobId, uint256 id, uint256 run) private view returns (uint256) {
        uint256 batch = _entries[jobId][id - 1].batch;
        uint256 left = _terms[jobId].items - run * batch;
        return left < batch ? left : batch;
    }

    /// @dev Shows a proof that is made for `recipient`.
    function _prove(
        address caller,
        address recipient,
        uint256 jobId,
        uint256 id,
        uint256 run,
        uint256 correct
    ) private returns (bool ok) {
        GhostEntry storage entry = _entries[jobId][id - 1];
        uint256[4] memory shown = [ROOT, run * entry.batch, _items(jobId, id, run), correct];
        bytes memory proof = _proof(jobId, recipient, entry.vkHash, shown);
        return _call(caller, abi.encodeCall(ESCROW.prove, (jobId, _terms[jobId], id, run, correct, proof)));
    }

    /// @dev A proof of what is shown beside the context.
    function _proof(uint256 jobId, address recipient, bytes32 vkHash, uint256[4] memory shown)
        private
        view
        returns (bytes memory)
    {
        uint256[] memory publicInputs = new uint256[](5);
        publicInputs[0] = ESCROW.contextOf(jobId, recipient);
        for (uint256 i = 0; i < 4; ++i) {
            publicInputs[i + 1] = shown[i];
        }
        return abi.encode(WEIGHTS, keccak256(abi.encode(vkHash, publicInputs)));
    }

    function _hasEntered(uint256 jobId, address seller) private view returns (bool) {
        for (uint256 i = 0; i < _entries[jobId].length; ++i) {
            if (_entries[jobId][i].seller == seller) return true;
        }
        return false;
    }

    /// @dev 0 if there is no job yet.
    function _jobId(uint256 seed) private view returns (uint256) {
        return _oneOf(ESCROW.jobCount(), seed);
    }

    function _entryId(uint256 which, uint256 number) private view returns (uint256 jobId, uint256 id) {
        jobId = _jobId(which);
        id = _oneOf(_entries[jobId].length, number);
    }
}
