// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {ReenteringBuyer, RefusingBuyer} from "../doubles/Buyers.sol";
import {one} from "../doubles/Words.sol";
import {CustodyHandler} from "./CustodyHandler.sol";
import {RunModel} from "./RunModel.sol";

/// @notice All that buyers, sellers and bystanders can do, with bounded choices, and ghost state
/// that never reads the escrow's credits or jobs. What must happen follows from it. Two of the actors are contracts
/// that misbehave when they are told of an answer.
contract PredictionHandler is CustodyHandler {
    struct GhostJob {
        address buyer;
        address token;
        uint256 price;
        uint256 deadline;
        uint256 notice;
        uint256 items;
        // 0: a job of one input.
        uint256 batch;
        uint256 unclaimed;
    }

    uint256 internal constant INPUT = 0x1234;
    uint256 internal constant MAX_JOBS = 10;

    PredictionEscrow public immutable ESCROW;
    bytes32 internal immutable WEIGHTS;

    /// @dev Of one input, of runs.
    RunModel[2] internal models;
    uint256 internal opened;
    mapping(uint256 jobId => GhostJob) internal jobs;
    mapping(uint256 jobId => mapping(uint256 run => bool)) internal claimed;
    mapping(uint256 jobId => uint256) public settlements;
    mapping(uint256 jobId => bytes32) public terminalJob;

    constructor(PredictionEscrow escrow, bytes32 weights, RunModel[2] memory models_) CustodyHandler(escrow) {
        ESCROW = escrow;
        WEIGHTS = weights;
        models[0] = models_[0];
        models[1] = models_[1];
        actors.push(address(new RefusingBuyer()));
        ReenteringBuyer reentering = new ReenteringBuyer();
        reentering.prepare(abi.encodeCall(escrow.refund, (1)));
        actors.push(address(reentering));
    }

    function open(uint256 who, uint256 which, uint256 price, uint256 wait, uint256 items, uint256 notice)
        external
    {
        if (opened == MAX_JOBS) return;
        address actor = _actor(who);
        address token = _token(which);
        price = _bound(price, 1, type(uint96).max);
        wait = _bound(wait, 1, 365 days);
        bool several = items % 3 != 0;
        RunModel storage model = models[several ? 1 : 0];
        IPredictionEscrow.Order memory order = IPredictionEscrow.Order({
            modelId: model.id,
            bindingHash: model.bindingHash,
            inputCommitment: INPUT,
            items: several ? _bound(items, 1, 11) : 1,
            token: token,
            price: price,
            deadline: SafeCast.toUint64(block.timestamp + wait),
            notice: notice % 2 == 0 ? 0 : SafeCast.toUint64(_bound(notice, 10 minutes, 30 days)),
            callbackGas: actor.code.length == 0 ? 0 : 60_000,
            hint: ""
        });
        bytes memory call = abi.encodeCall(ESCROW.open, (order));
        assertTrue(_pay(actor, token, order.items * price, call), "opening refused against the rules");
        jobs[++opened] = GhostJob({
            buyer: actor,
            token: token,
            price: price,
            deadline: order.deadline,
            notice: order.notice,
            items: order.items,
            batch: several ? model.batch : 0,
            unclaimed: order.items
        });
        ++calls["open"];
    }

    /// @dev Claims any run in any state and at any time; what must happen follows from the ghost state alone.
    function claim(uint256 who, uint256 which, uint256 run, uint256 to, uint256 output) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        GhostJob storage job = jobs[jobId];
        address recipient = _actor(to);
        output = _bound(output, 0, 9);
        uint256 runs = job.batch == 0 ? 1 : (job.items + job.batch - 1) / job.batch;
        run = _bound(run, 0, runs);
        bool expected =
            settlements[jobId] == 0 && block.timestamp <= job.deadline && run < runs && !claimed[jobId][run];
        bytes memory proof = _proof(jobId, run, recipient, output);
        vm.prank(_actor(who));
        try ESCROW.claim(jobId, run, recipient, one(output), proof) {
            assertTrue(expected, "claimed against the rules");
            claimed[jobId][run] = true;
            uint256 length = _lengthOf(job, run);
            job.unclaimed -= length;
            owed[job.token][recipient] += length * job.price;
            if (job.unclaimed == 0) _settle(jobId);
            ++calls[job.batch == 0 ? "claim" : "claimRun"];
            if (job.buyer.code.length != 0) ++calls["tell"];
        } catch {
            assertFalse(expected, "claim refused against the rules");
        }
    }

    /// @dev A proof made for somebody else never works.
    function claimWithStolenProof(uint256 who, uint256 which, uint256 to) external {
        uint256 jobId = _jobId(which);
        address thief = _actor(who);
        address recipient = _actor(to);
        if (jobId == 0 || thief == recipient) return;
        bytes memory proof = _proof(jobId, 0, recipient, 1);
        vm.prank(thief);
        try ESCROW.claim(jobId, 0, thief, one(1), proof) {
            assertTrue(false, "stolen proof was paid");
        } catch {
            ++calls["claimWithStolenProof"];
        }
    }

    /// @dev The buyer, or anybody else, in any state and at any time.
    function requestCancel(uint256 who, uint256 which, bool own) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        GhostJob storage job = jobs[jobId];
        address actor = own ? job.buyer : _actor(who);
        uint256 deadline = block.timestamp + job.notice;
        bool expected =
            settlements[jobId] == 0 && actor == job.buyer && job.notice != 0 && deadline < job.deadline;
        assertEq(_call(actor, abi.encodeCall(ESCROW.requestCancel, (jobId))), expected, "request");
        if (!expected) return;
        job.deadline = deadline;
        ++calls["requestCancel"];
    }

    function refund(uint256 who, uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        GhostJob storage job = jobs[jobId];
        bool expected = settlements[jobId] == 0 && block.timestamp > job.deadline;
        vm.prank(_actor(who));
        try ESCROW.refund(jobId) {
            assertTrue(expected, "refunded against the rules");
            owed[job.token][job.buyer] += job.unclaimed * job.price;
            _settle(jobId);
            ++calls["refund"];
        } catch {
            assertFalse(expected, "refund refused against the rules");
        }
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + _bound(time, 1, time % 2 == 0 ? 120 days : 2 days));
    }

    function fingerprint(uint256 jobId) public view returns (bytes32) {
        return keccak256(abi.encode(ESCROW.getJob(jobId)));
    }

    /// @dev What the job holds by the rules.
    function heldBy(uint256 jobId) external view returns (address token, uint256 amount) {
        GhostJob storage job = jobs[jobId];
        return (job.token, settlements[jobId] == 0 ? job.unclaimed * job.price : 0);
    }

    function _settle(uint256 jobId) private {
        ++settlements[jobId];
        terminalJob[jobId] = fingerprint(jobId);
    }

    function _lengthOf(GhostJob storage job, uint256 run) private view returns (uint256) {
        if (job.batch == 0) return 1;
        uint256 left = job.items - run * job.batch;
        return left < job.batch ? left : job.batch;
    }

    function _proof(uint256 jobId, uint256 run, address recipient, uint256 output)
        private
        view
        returns (bytes memory)
    {
        GhostJob storage job = jobs[jobId];
        bool several = job.batch != 0;
        uint256[] memory publicInputs = new uint256[](several ? 5 : 3);
        publicInputs[0] = ESCROW.contextOf(jobId, recipient);
        publicInputs[1] = INPUT;
        if (several) {
            publicInputs[2] = run * job.batch;
            publicInputs[3] = run * job.batch < job.items ? _lengthOf(job, run) : 0;
        }
        publicInputs[publicInputs.length - 1] = output;
        bytes32 vkHash = models[several ? 1 : 0].vkHash;
        return abi.encode(WEIGHTS, keccak256(abi.encode(vkHash, publicInputs)));
    }

    /// @dev 0 if there is no job yet.
    function _jobId(uint256 seed) private view returns (uint256) {
        return _oneOf(opened, seed);
    }
}
