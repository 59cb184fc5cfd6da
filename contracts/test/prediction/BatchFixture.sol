// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";

/// @notice A model that classifies runs of 4 items, and jobs of 10 of them: two whole runs and a short one.
abstract contract BatchFixture is Fixture {
    uint256 internal constant ROOT = 0x5678;
    uint256 internal constant ITEMS = 10;
    uint256 internal constant BATCH = 4;

    function statement() internal pure virtual override returns (bytes32) {
        return Keys.classification(2);
    }

    function batchOrder(address token_) internal view returns (IPredictionEscrow.Order memory order) {
        order = orderIn(token_, PRICE);
        order.inputCommitment = ROOT;
        order.items = ITEMS;
    }

    function openBatch() internal returns (uint256 jobId) {
        return openOrder(batchOrder(ETHER));
    }

    function openOrder(IPredictionEscrow.Order memory order) internal returns (uint256 jobId) {
        vm.prank(buyer);
        return escrow.open{value: order.token == ETHER ? order.items * order.price : 0}(order);
    }

    /// @dev Two words, to tell them from others: a run of 4 items has one.
    function answersOf(uint256 run) internal pure returns (uint256[] memory outputs) {
        outputs = new uint256[](2);
        (outputs[0], outputs[1]) = (0x0003_0002_0001_0000 + run, run);
    }

    function lengthOf(uint256 run) internal pure returns (uint256) {
        return run == 2 ? 2 : 4;
    }

    function runProof(uint256 jobId, address recipient, uint256 run, uint256[] memory outputs)
        internal
        view
        returns (bytes memory)
    {
        return proofOver(jobId, recipient, ROOT, run * BATCH, lengthOf(run), outputs);
    }

    function proofOver(
        uint256 jobId,
        address recipient,
        uint256 root,
        uint256 first,
        uint256 length,
        uint256[] memory outputs
    ) internal view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](4 + outputs.length);
        publicInputs[0] = escrow.contextOf(jobId, recipient);
        publicInputs[1] = root;
        publicInputs[2] = first;
        publicInputs[3] = length;
        for (uint256 i = 0; i < outputs.length; ++i) {
            publicInputs[4 + i] = outputs[i];
        }
        return mockProof(WEIGHTS, publicInputs);
    }

    function claimRun(uint256 jobId, address recipient, uint256 run) internal {
        uint256[] memory outputs = answersOf(run);
        escrow.claim(jobId, run, recipient, outputs, runProof(jobId, recipient, run, outputs));
    }
}
