// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IServiceBond} from "../src/interfaces/IServiceBond.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice What whole transactions of the service cost: 21,000, call data and execution from cold storage.
/// `isolate` makes every call of a test a transaction of its own.
contract ServiceBondGasTest is ServiceFixture {
    uint256 internal constant OPEN_LIMIT = 190_000;
    uint256 internal constant POST_LIMIT = 190_000;
    uint256 internal constant CONTEST_LIMIT = 80_000;
    uint256 internal constant PROVE_LIMIT = 90_000;
    uint256 internal constant END_LIMIT = 90_000;

    /// forge-config: default.isolate = true
    function test_GasOfOpenService() public {
        openIn(ETHER, "another");
        _assertBelow("openService, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfPost() public {
        postBatch(0);
        postBatch(1);
        _assertBelow("post, ether", POST_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfContestOfOneItem() public {
        bytes32 batchId = postAndWait(0);
        contestBatch(batchId, 1);
        _assertBelow("contest, 1 item", CONTEST_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfContestOfMostItems() public {
        bytes32 batchId = postAndWait(0);
        contestBatch(batchId, 16);
        _assertBelow("contest, 16 items", CONTEST_LIMIT + 30_000);
    }

    /// @dev Above a transaction that only calls the verifier. The last item, which ends the batch.
    /// forge-config: default.isolate = true
    function test_GasOfProofAboveVerification() public {
        bytes32 batchId = postAndWait(0);
        contestBatch(batchId, 1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = bond.contextOf(uint256(batchId), seller);
        publicInputs[1] = opening.inputCommitment;
        publicInputs[2] = opening.output;
        // A plain call: forge makes no transactions of calls to view functions.
        (bool valid,) = address(verifier).call(abi.encodeCall(verifier.verify, (vk, proof, publicInputs)));
        assertTrue(valid);
        uint256 verification = vm.lastCallGas().gasTotalUsed;
        bond.prove(batchId, opening, proof);
        uint256 total = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("prove, above verification", total - verification);
        assertLe(total - verification, PROVE_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfEnds() public {
        bytes32 settled = postAndWait(0);
        bytes32 punished = postAndWait(1);
        contestBatch(punished, 16);
        vm.warp(bond.getBatch(punished).deadline + 1);
        bond.settle(settled);
        _assertBelow("settle", END_LIMIT);
        bond.punish(punished);
        _assertBelow("punish, 16 items", END_LIMIT);
    }

    function _assertBelow(string memory name, uint256 limit) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(name, used);
        assertGt(used, 21_000, "not measured as a transaction");
        assertLe(used, limit, name);
    }
}
