// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {ProofScenarios} from "./ProofScenarios.sol";

/// @notice The registry with real verifiers and the data contracts of real keys.
contract BindingProofTest is ProofScenarios {
    function test_RealContractsAreBound() public view {
        Circuit[3] memory circuits = [prediction, audit, retrieval];
        for (uint256 i = 0; i < circuits.length; ++i) {
            Circuit memory circuit = circuits[i];
            IModelRegistry.ModelBinding memory binding = registry.bindingOf(circuit.modelId);
            // The hash that the prover gives the key is that of the deployed code.
            assertEq(binding.vkHash, keccak256(circuit.vk.code));
            assertEq(binding.verifierCodeHash, keccak256(circuit.verifier.code));
            assertTrue(binding.devSetup);
            assertEq(
                circuit.bindingHash,
                registry.bindingHashOf(
                    circuit.modelHash,
                    circuit.circuitHash,
                    binding.vkHash,
                    PROOF_SYSTEM,
                    circuit.vk,
                    circuit.verifier,
                    binding.verifierCodeHash
                )
            );
        }
    }

    function test_RevertWhen_KeyIsOfAnotherCircuit() public {
        (IERCZKMLRegistry.ModelCommitment memory commitment,,) = registry.getModel(prediction.modelId);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CodeHashMismatch.selector, audit.vk, commitment.vkHash, audit.vk.codehash
            )
        );
        registry.registerBoundModel(commitment, audit.vk, prediction.verifier);
    }

    function test_RevertWhen_DevSetupIsNotAllowed() public {
        PredictionEscrow strict = new PredictionEscrow(registry, false);
        IPredictionEscrow.Order memory order = IPredictionEscrow.Order({
            modelId: prediction.modelId,
            bindingHash: prediction.bindingHash,
            inputCommitment: inputOf(0),
            token: ETHER,
            price: PRICE,
            deadline: uint64(block.timestamp + 1 days),
            hint: ""
        });
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.DevSetupRefused.selector, prediction.modelId));
        strict.open{value: PRICE}(order);
    }

    /// @dev Threat: the mark of a development setup is taken off. Proofs are as good as before, so what
    /// protects a buyer is that it is another key, under another binding.
    function test_KeyWithoutItsMarkIsAnotherKey() public {
        bytes memory code = prediction.vk.code;
        code[1] = 0x00;
        address unmarked = makeAddr("unmarked key");
        vm.etch(unmarked, code);
        (IERCZKMLRegistry.ModelCommitment memory commitment,,) = registry.getModel(prediction.modelId);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CodeHashMismatch.selector, unmarked, commitment.vkHash, unmarked.codehash
            )
        );
        registry.registerBoundModel(commitment, unmarked, prediction.verifier);

        commitment.vkHash = unmarked.codehash;
        (uint256 modelId, bytes32 bindingHash) =
            registry.registerBoundModel(commitment, unmarked, prediction.verifier);
        assertFalse(registry.bindingOf(modelId).devSetup);
        assertNotEq(bindingHash, prediction.bindingHash);
        IPredictionEscrow.Order memory order;
        (order.modelId, order.bindingHash) = (modelId, prediction.bindingHash);
        (order.inputCommitment, order.price) = (inputOf(0), PRICE);
        order.deadline = uint64(block.timestamp + 1 days);
        vm.prank(buyer);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.BindingMismatch.selector, modelId, prediction.bindingHash, bindingHash
            )
        );
        predictionEscrow.open{value: PRICE}(order);
    }
}
