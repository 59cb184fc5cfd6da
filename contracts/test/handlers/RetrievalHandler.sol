// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {CustodyHandler} from "./CustodyHandler.sol";
import {RunModel} from "./RunModel.sol";

/// @notice All that requesters, holders and bystanders can do, with bounded choices, and ghost state: what
/// must happen follows from it and the clock, never from what the escrow says of itself.
contract RetrievalHandler is CustodyHandler {
    /// @dev A job as it must be. Bit i of `proven`: run i has been proven.
    struct GhostJob {
        uint256 proven;
        uint256 missing;
        bool anySelected;
        uint256 endings;
        bytes32 last;
        bytes32 vkHash;
    }

    uint256 internal constant ROOT = uint256(keccak256("collection")) >> 8;
    uint256 internal constant MAX_JOBS = 5;

    RetrievalEscrow public immutable ESCROW;
    bytes32 internal immutable WEIGHTS;

    /// @dev The weights with keys of several batches.
    RunModel[] internal _models;

    mapping(uint256 jobId => IRetrievalEscrow.Terms) internal _terms;
    mapping(uint256 jobId => GhostJob) internal _jobs;
    mapping(uint256 jobId => mapping(uint256 index => bool)) public selected;

    constructor(RetrievalEscrow escrow, bytes32 weights, RunModel[] memory models) CustodyHandler(escrow) {
        ESCROW = escrow;
        WEIGHTS = weights;
        for (uint256 i = 0; i < models.length; ++i) {
            _models.push(models[i]);
        }
    }

    function open(uint256 who, uint256 which, uint96 price, uint8[2] memory sizes, uint32[2] memory gaps)
        external
    {
        if (ESCROW.jobCount() == MAX_JOBS) return;
        IRetrievalEscrow.Terms memory terms;
        terms.requester = _actor(who);
        terms.holder = _actor(who / 4);
        terms.token = _token(which);
        terms.price = price == 0 ? 1 : price;
        RunModel memory model = _models[sizes[1] % _models.length];
        terms.modelId = model.id;
        terms.collectionRoot = ROOT;
        terms.items = 1 + sizes[0] % 9;
        terms.batch = SafeCast.toUint16(model.batch);
        terms.proveBy = SafeCast.toUint64(block.timestamp) + 1 + gaps[0] % 20 days;
        terms.openBy = terms.proveBy + 1 + gaps[1] % 20 days;
        bytes memory call = abi.encodeCall(ESCROW.open, (terms, model.bindingHash, ""));
        assertTrue(_pay(terms.requester, terms.token, terms.price, call), "opening refused against the rules");

        uint256 jobId = ESCROW.jobCount();
        _terms[jobId] = terms;
        _jobs[jobId].vkHash = model.vkHash;
        _jobs[jobId].missing = (terms.items - 1) / terms.batch + 1;
        ++calls["open"];
    }

    function prove(uint256 who, uint256 which, uint256 run, uint256 bitmap) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IRetrievalEscrow.Terms memory terms = _terms[jobId];
        GhostJob storage job = _jobs[jobId];
        run = _bound(run, 0, (terms.items - 1) / terms.batch);
        uint256 length = _items(jobId, run);
        // Often nothing at all.
        bitmap = bitmap % 2 == 0 ? 0 : (bitmap >> 1) % 2 ** length;
        bool expected = job.endings == 0 && block.timestamp <= terms.proveBy && job.proven >> run & 1 == 0;
        assertEq(_prove(_actor(who), terms.holder, jobId, run, bitmap), expected, "proof");
        if (!expected) return;
        job.proven |= 2 ** run;
        --job.missing;
        if (bitmap != 0) job.anySelected = true;
        for (uint256 i = 0; i < length; ++i) {
            selected[jobId][run * terms.batch + i] = bitmap >> i & 1 == 1;
        }
        ++calls["prove"];
    }

    /// @dev A proof made for somebody else never works.
    function proveWithStolenProof(uint256 which, uint256 run, uint256 from) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        address holder = _terms[jobId].holder;
        address victim = _actor(from);
        if (victim == holder) return;
        run = _bound(run, 0, (_terms[jobId].items - 1) / _terms[jobId].batch);
        assertFalse(_prove(holder, victim, jobId, run, 0), "stolen proof was counted");
        ++calls["proveWithStolenProof"];
    }

    function publish(uint256 who, uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IRetrievalEscrow.Terms memory terms = _terms[jobId];
        GhostJob storage job = _jobs[jobId];
        // Mostly the holder itself.
        address caller = who % 4 == 0 ? _actor(who / 4) : terms.holder;
        bool expected =
            job.endings == 0 && job.missing == 0 && block.timestamp <= terms.openBy && caller == terms.holder;
        assertEq(
            _call(caller, abi.encodeCall(ESCROW.publish, (jobId, terms, "data", ""))), expected, "publishing"
        );
        if (!expected) return;
        _end(jobId, terms.holder);
        ++calls["publish"];
    }

    function settle(uint256 who, uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IRetrievalEscrow.Terms memory terms = _terms[jobId];
        GhostJob storage job = _jobs[jobId];
        bool empty = job.missing == 0 && !job.anySelected;
        bool late = block.timestamp > (job.missing == 0 ? terms.openBy : terms.proveBy);
        bool expected = job.endings == 0 && (empty || late);
        assertEq(_call(_actor(who), abi.encodeCall(ESCROW.settle, (jobId, terms))), expected, "settlement");
        if (!expected) return;
        _end(jobId, empty ? terms.holder : terms.requester);
        if (empty) ++calls["payEmpty"];
        else ++calls["refund"];
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + _bound(time, 1, 10 days));
    }

    function termsOf(uint256 jobId) external view returns (IRetrievalEscrow.Terms memory) {
        return _terms[jobId];
    }

    function ghostJob(uint256 jobId) external view returns (GhostJob memory) {
        return _jobs[jobId];
    }

    function fingerprint(uint256 jobId) public view returns (bytes32) {
        return keccak256(abi.encode(ESCROW.getJob(jobId)));
    }

    function _end(uint256 jobId, address to) private {
        owed[_terms[jobId].token][to] += _terms[jobId].price;
        ++_jobs[jobId].endings;
        _jobs[jobId].last = fingerprint(jobId);
    }

    function _items(uint256 jobId, uint256 run) private view returns (uint256) {
        uint256 batch = _terms[jobId].batch;
        uint256 left = _terms[jobId].items - run * batch;
        return left < batch ? left : batch;
    }

    /// @dev Shows a proof that is made for `recipient`.
    function _prove(address caller, address recipient, uint256 jobId, uint256 run, uint256 bitmap)
        private
        returns (bool ok)
    {
        uint256[] memory publicInputs = new uint256[](5);
        publicInputs[0] = ESCROW.contextOf(jobId, recipient);
        publicInputs[1] = ROOT;
        publicInputs[2] = run * _terms[jobId].batch;
        publicInputs[3] = _items(jobId, run);
        publicInputs[4] = bitmap;
        bytes memory proof = abi.encode(WEIGHTS, keccak256(abi.encode(_jobs[jobId].vkHash, publicInputs)));
        return _call(caller, abi.encodeCall(ESCROW.prove, (jobId, _terms[jobId], run, bitmap, proof)));
    }

    /// @dev 0 if there is no job yet.
    function _jobId(uint256 seed) private view returns (uint256) {
        return _oneOf(ESCROW.jobCount(), seed);
    }
}
