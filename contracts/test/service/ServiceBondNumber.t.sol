// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {Keys} from "../shared/Keys.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice A service that answers with the numbers of a network with one output.
contract ServiceBondNumberTest is ServiceFixture {
    function statement() internal pure override returns (bytes32) {
        return Keys.NUMBER;
    }

    function test_ContestedNumbersAreProven() public {
        bytes32 batchId = contested(2);
        proveItem(batchId, 0);
        proveItem(batchId, 1);
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
        assertEq(bond.creditOf(ETHER, seller), PRICE + 2 * PROOF_COST);
    }

    function test_UnprovenNumberIsPunished() public {
        bytes32 batchId = contested(1);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        assertBatch(batchId, IServiceBond.BatchState.Punished);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev Threat: the provider proves another number than it has sold, or the class.
    function test_RevertWhen_NumberIsAnotherThanAnswered() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        uint256 index = bond.contestedItems(batchId)[0];
        ++opening.outputs[0];
        bytes memory proof = proofOf(batchId, opening);
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, index));
        bond.prove(receipts[batchId], opening, proof);

        opening = openingOf(batchId, 0);
        vk = makeKey("class", Keys.PREDICTION);
        proof = proofOf(batchId, opening);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        bond.prove(receipts[batchId], opening, proof);
        assertBatch(batchId, IServiceBond.BatchState.Contested);
    }
}
