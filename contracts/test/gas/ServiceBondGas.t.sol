// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {GasMeter} from "./GasMeter.sol";
import {ServiceFixture} from "../service/ServiceFixture.sol";

/// @notice Services.
contract ServiceBondGasTest is ServiceFixture, GasMeter {
    /// @dev A service is six slots.
    uint256 private constant SERVICE_LIMIT = 175_000;

    /// forge-config: default.isolate = true
    function test_GasOfOpenService() public {
        openIn(ETHER, "another");
        assertGas("service: openService, ether", SERVICE_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfPost() public {
        postBatch(0);
        postBatch(1);
        assertGas("service: post, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfContestOfOneItem() public {
        bytes32 batchId = postBatch(0);
        contestBatch(batchId, 1);
        assertGas("service: contest, 1 item", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfContestOfMostItems() public {
        bytes32 batchId = postBatch(0);
        contestBatch(batchId, 16);
        assertGas("service: contest, 16 items", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfCallsInToken() public {
        // The first of all pays for the contract's first tokens.
        openIn(address(token), "first");
        serviceId = openIn(address(token), 0);
        assertGas("service: openService, ERC-20", SERVICE_LIMIT);
        bytes32 batchId = postBatch(0);
        contestBatch(batchId, 1);
        assertGas("service: contest, 1 item, ERC-20", OPEN_LIMIT);
        postBatch(1);
        assertGas("service: post, ERC-20", OPEN_LIMIT);
    }

    /// @dev Above a transaction that only calls the verifier. The last item, which ends the batch.
    /// forge-config: default.isolate = true
    function test_GasOfProofAboveVerification() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = bond.contextOf(uint256(batchId), seller);
        publicInputs[1] = opening.inputCommitment;
        publicInputs[2] = opening.outputs[0];
        measureVerification(address(verifier), vk, proof, publicInputs);
        bond.prove(receipts[batchId], opening, proof);
        assertGasAboveVerification("service: prove the last item, above verification", CLAIM_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfEnds() public {
        bytes32 settled = postBatch(0);
        bytes32 punished = postBatch(1);
        contestBatch(punished, 16);
        vm.warp(deadlineOf(punished) + 1);
        bond.settle(receipts[settled]);
        assertGas("service: settle", CLAIM_LIMIT);
        bond.punish(receipts[punished]);
        assertGas("service: punish, 16 items", CLAIM_LIMIT);
    }
}
