// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {CustodyHandler} from "./CustodyHandler.sol";

/// @notice All that buyers, sellers and bystanders can do, with bounded choices, and ghost state
/// that never reads the escrow's credits or jobs. What must happen follows from it.
contract PredictionHandler is CustodyHandler {
    struct GhostJob {
        address buyer;
        address token;
        uint256 price;
        uint256 deadline;
    }

    uint256 internal constant INPUT = 0x1234;
    uint256 internal constant MAX_JOBS = 10;

    PredictionEscrow public immutable ESCROW;
    uint256 internal immutable MODEL_ID;
    bytes32 internal immutable WEIGHTS;
    bytes32 internal immutable BINDING;
    bytes32 internal immutable VK_HASH;

    uint256 internal opened;
    mapping(uint256 jobId => GhostJob) internal jobs;
    mapping(uint256 jobId => uint256) public settlements;
    mapping(uint256 jobId => bytes32) public terminalJob;

    constructor(PredictionEscrow escrow, uint256 modelId, bytes32 weights, bytes32 binding, bytes32 vkHash)
        CustodyHandler(escrow)
    {
        ESCROW = escrow;
        MODEL_ID = modelId;
        WEIGHTS = weights;
        BINDING = binding;
        VK_HASH = vkHash;
    }

    function open(uint256 who, uint256 which, uint256 price, uint256 wait) external {
        if (opened == MAX_JOBS) return;
        address actor = _actor(who);
        address token = _token(which);
        price = _bound(price, 1, type(uint96).max);
        wait = _bound(wait, 1, 365 days);
        IPredictionEscrow.Order memory order = IPredictionEscrow.Order({
            modelId: MODEL_ID,
            bindingHash: BINDING,
            inputCommitment: INPUT,
            token: token,
            price: price,
            deadline: SafeCast.toUint64(block.timestamp + wait),
            hint: ""
        });
        bytes memory call = abi.encodeCall(ESCROW.open, (order));
        assertTrue(_pay(actor, token, price, call), "opening refused against the rules");
        jobs[++opened] = GhostJob(actor, token, price, order.deadline);
        ++calls["open"];
    }

    /// @dev Claims in any state and at any time; what must happen follows from the ghost state alone.
    function claim(uint256 who, uint256 which, uint256 to, uint256 output) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        GhostJob storage job = jobs[jobId];
        address recipient = _actor(to);
        output = _bound(output, 0, 9);
        bool expected = settlements[jobId] == 0 && block.timestamp <= job.deadline;
        bytes memory proof = _proof(jobId, recipient, output);
        vm.prank(_actor(who));
        try ESCROW.claim(jobId, recipient, output, proof) {
            assertTrue(expected, "claimed against the rules");
            _settle(jobId, job.token, recipient, job.price);
            ++calls["claim"];
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
        bytes memory proof = _proof(jobId, recipient, 1);
        vm.prank(thief);
        try ESCROW.claim(jobId, thief, 1, proof) {
            assertTrue(false, "stolen proof was paid");
        } catch {
            ++calls["claimWithStolenProof"];
        }
    }

    function refund(uint256 who, uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        GhostJob storage job = jobs[jobId];
        bool expected = settlements[jobId] == 0 && block.timestamp > job.deadline;
        vm.prank(_actor(who));
        try ESCROW.refund(jobId) {
            assertTrue(expected, "refunded against the rules");
            _settle(jobId, job.token, job.buyer, job.price);
            ++calls["refund"];
        } catch {
            assertFalse(expected, "refund refused against the rules");
        }
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + _bound(time, 1, 120 days));
    }

    function fingerprint(uint256 jobId) public view returns (bytes32) {
        return keccak256(abi.encode(ESCROW.getJob(jobId)));
    }

    function _settle(uint256 jobId, address token, address to, uint256 amount) private {
        ++settlements[jobId];
        owed[token][to] += amount;
        terminalJob[jobId] = fingerprint(jobId);
    }

    function _proof(uint256 jobId, address recipient, uint256 output) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = ESCROW.contextOf(jobId, recipient);
        publicInputs[1] = INPUT;
        publicInputs[2] = output;
        return abi.encode(WEIGHTS, keccak256(abi.encode(VK_HASH, publicInputs)));
    }

    /// @dev 0 if there is no job yet.
    function _jobId(uint256 seed) private view returns (uint256) {
        return _oneOf(opened, seed);
    }
}
