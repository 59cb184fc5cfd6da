// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Ceremonies} from "../../src/libraries/Ceremonies.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Statement, Statements} from "../../src/libraries/Statement.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofScenarios} from "./ProofScenarios.sol";
import {Shipped} from "../shared/Shipped.sol";

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
            assertEq(binding.owner, seller);
            assertEq(Statement.unwrap(binding.statement), bytes32(circuit.vk.code));
            assertEq(
                circuit.bindingHash,
                registry.bindingHashOf(
                    seller,
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

    /// @dev What the prover writes is what the contracts read.
    function test_RealKeysSayWhatTheyState() public view {
        assertTrue(_statementOf(prediction).equals(Statements.CLASS_OF_COMMITTED_INPUT));
        assertEq(_statementOf(audit).kind(), Statements.AUDIT);
        assertEq(_statementOf(audit).items(), vm.parseJsonUint(fixture("audit"), ".batch"));
        assertEq(_statementOf(audit).parameter(), 1);
        assertEq(_statementOf(retrieval).kind(), Statements.RETRIEVAL);
        assertEq(_statementOf(retrieval).items(), vm.parseJsonUint(fixture("retrieval"), ".batch"));
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
        PredictionEscrow strict = Shipped.predictionEscrow(registry, false);
        IPredictionEscrow.Order memory order = IPredictionEscrow.Order({
            modelId: prediction.modelId,
            bindingHash: prediction.bindingHash,
            inputCommitment: inputOf(0),
            items: 1,
            token: ETHER,
            price: PRICE,
            deadline: uint64(block.timestamp + 1 days),
            notice: 0,
            callbackGas: 0,
            hint: ""
        });
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.DevSetupRefused.selector, prediction.modelId));
        strict.open{value: PRICE}(order);
    }

    /// @dev Threat: the key of an own setup with a ceremony's [s]_2 in the place of its own. The registry takes it for
    /// one of the ceremony, and rightly: what the secret of the own setup can prove is refused from then on.
    function test_KeyWithTheCeremonysPointProvesNothingOfTheOwnSetup() public {
        ModelRegistry known = Shipped.modelRegistry(Ceremonies.known());
        address laundered = _withPoint(384, _hermez());
        (uint256 modelId,) = _bindIn(known, laundered);
        assertFalse(known.bindingOf(modelId).devSetup);
        (uint256 honest,) = _bindIn(known, prediction.vk);
        assertTrue(known.bindingOf(honest).devSetup);

        bytes memory proof = proofOf("prediction");
        uint256[] memory publicInputs = publicInputsOf("prediction");
        assertEq(verify(prediction, proof, publicInputs), prediction.modelHash);
        prediction.vk = laundered;
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        this.verifyExternally(prediction, proof, publicInputs);
    }

    /// @dev Threat: the same, with a multiple of the ceremony's point as [1]_2. The seller knows the factor, and that
    /// is all that forging takes.
    function test_RevertWhen_CeremonysPointComesWithAnotherOne() public {
        ModelRegistry known = Shipped.modelRegistry(Ceremonies.known());
        prediction.vk = _withPoint(384, _hermez());
        address laundered = _withPoint(256, _hermez());
        vm.expectRevert(abi.encodeWithSelector(Errors.GeneratorMismatch.selector, laundered));
        this.bindExternally(known, laundered);
    }

    /// @dev Threat: a seller says nothing of its setup. An escrow for real money takes keys of ceremonies only.
    function test_RevertWhen_SetupIsOfNoKnownCeremony() public {
        ModelRegistry known = Shipped.modelRegistry(Ceremonies.known());
        PredictionEscrow strict = Shipped.predictionEscrow(known, false);
        IPredictionEscrow.Order memory order;
        (order.modelId, order.bindingHash) = _bindIn(known, prediction.vk);
        (order.inputCommitment, order.items, order.price) = (inputOf(0), 1, PRICE);
        order.deadline = uint64(block.timestamp + 1 days);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.DevSetupRefused.selector, order.modelId));
        strict.open{value: PRICE}(order);
        (order.modelId, order.bindingHash) = _bindIn(known, _withPoint(384, _hermez()));
        vm.prank(buyer);
        assertEq(strict.open{value: PRICE}(order), 1);
    }

    /// @dev `verify` as a call of its own, for expectations.
    function verifyExternally(Circuit memory circuit, bytes memory proof, uint256[] memory publicInputs)
        external
        view
    {
        verify(circuit, proof, publicInputs);
    }

    /// @dev The same for binding.
    function bindExternally(ModelRegistry known, address vk) external {
        _bindIn(known, vk);
    }

    function _bindIn(ModelRegistry known, address vk) private returns (uint256 modelId, bytes32 bindingHash) {
        (IERCZKMLRegistry.ModelCommitment memory commitment,,) = registry.getModel(prediction.modelId);
        commitment.vkHash = vk.codehash;
        return known.registerBoundModel(commitment, vk, prediction.verifier);
    }

    /// @dev The prediction's key with 128 other bytes.
    function _withPoint(uint256 at, bytes memory point) private returns (address key) {
        bytes memory code = prediction.vk.code;
        for (uint256 i = 0; i < 128; ++i) {
            code[at + i] = point[i];
        }
        key = makeAddr(string.concat("key with another point at ", vm.toString(at)));
        vm.etch(key, code);
    }

    function _hermez() private pure returns (bytes memory) {
        return
            abi.encode(Ceremonies.HERMEZ_X1, Ceremonies.HERMEZ_X0, Ceremonies.HERMEZ_Y1, Ceremonies.HERMEZ_Y0);
    }

    function _statementOf(Circuit memory circuit) private view returns (Statement) {
        return registry.bindingOf(circuit.modelId).statement;
    }
}
