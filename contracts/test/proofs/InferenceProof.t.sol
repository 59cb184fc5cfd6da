// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ProvenSwitch} from "../../examples/ProvenSwitch.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {ProofVerifierAdapter} from "../../src/adapters/ProofVerifierAdapter.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IERCZKMLVerifier} from "../../src/interfaces/IERCZKMLVerifier.sol";
import {GasSweep} from "../shared/GasSweep.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofRefusals} from "./ProofRefusals.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice A device that a real proof turns on, by way of the inference verifier.
contract InferenceProofTest is ProofRefusals, GasSweep {
    bytes32 internal image;
    bytes internal output;

    function setUp() public override {
        super.setUp();
        image = bytes32(inputOf(0));
        output = abi.encode(classOf(0));
        device.look(image);
    }

    function test_ProofIsVerifiedAndStored() public {
        vm.expectEmit(address(inference));
        emit IERCZKMLVerifier.InferenceVerified(prediction.modelId, image, output, address(device));
        vm.prank(address(device));
        inference.verifyInference(prediction.modelId, image, output, proof);

        vm.prank(address(device));
        bytes32 id = inference.verifyAndStoreInference(prediction.modelId, image, output, proof);
        (uint256 modelId, bytes32 input, bytes memory stored) = inference.getInference(id);
        assertEq(modelId, prediction.modelId);
        assertEq(input, image);
        assertEq(stored, output);
    }

    function test_AdapterPassesTheProofOn() public {
        ProofVerifierAdapter adapter = Shipped.proofVerifierAdapter(inference);
        bytes memory metadata = abi.encode(prediction.modelId, prediction.bindingHash);
        bytes memory wrapped = abi.encode(abi.encode(classOf(0)), proof);
        vm.prank(address(device));
        assertTrue(adapter.verify(image, keccak256(output), metadata, wrapped));
        vm.prank(stranger);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        adapter.verify(image, keccak256(output), metadata, wrapped);
    }

    /// @dev Threat: another contract uses the proof that it saw. The caller is the recipient here.
    function test_RevertWhen_RecipientIsAnother() public {
        vm.prank(stranger);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        inference.verifyInference(prediction.modelId, image, output, proof);

        ProvenSwitch other = placeSwitch("other switch");
        other.look(image);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        other.turnOn(proof);
        assertFalse(other.on());
        _accept();
    }

    /// @dev The model's id stands where a job's does: the same circuit under another id.
    function test_RevertWhen_ModelIdIsAnother() public {
        (IERCZKMLRegistry.ModelCommitment memory commitment,,) = registry.getModel(prediction.modelId);
        (uint256 other,) = registry.registerBoundModel(commitment, prediction.vk, prediction.verifier);
        vm.prank(address(device));
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        inference.verifyInference(other, image, output, proof);
        _accept();
    }

    function test_RevertWhen_ContractIsAnother() public {
        InferenceVerifier other = Shipped.inferenceVerifier(registry, true);
        vm.prank(address(device));
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        other.verifyInference(prediction.modelId, image, output, proof);
        _accept();
    }

    function test_RevertWhen_InputIsAnother() public {
        bytes32 raised = bytes32(uint256(image) + R);
        device.look(bytes32(inputOf(1)));
        _refuse(proof, abi.encodeWithSelector(VerifierErrors.ProofInvalid.selector));
        device.look(raised);
        _refuse(proof, abi.encodeWithSelector(IERCZKMLVerifier.InputCommitmentMismatch.selector));
        device.look(image);
        _accept();
    }

    function test_RevertWhen_OutputIsAnother() public {
        uint256 class = classOf(0);
        vm.startPrank(address(device));
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        inference.verifyInference(prediction.modelId, image, abi.encode(class + 1), proof);
        vm.expectRevert(IERCZKMLVerifier.OutputMismatch.selector);
        inference.verifyInference(prediction.modelId, image, abi.encode(class + R), proof);
        vm.stopPrank();
        _accept();
    }

    /// @dev Threat: a caller gives so little gas that the generated verifier, or a precompile that it calls, runs
    /// short, and the verifier takes the good proof for a bad one. In small steps: nothing ever says that the
    /// proof is bad.
    function test_GoodProofIsNeverCalledBad() public {
        uint256 needed = gasleft();
        inference.checkInference(prediction.modelId, image, output, proof, address(device));
        needed -= gasleft();
        bytes memory call = abi.encodeCall(
            inference.checkInference, (prediction.modelId, image, output, proof, address(device))
        );
        assertNeverCalledBad(address(inference), call, 1_000, needed + needed / 8, 499);
        _accept();
    }

    function _name() internal pure override returns (string memory) {
        return "inference";
    }

    function _circuit() internal view override returns (Circuit memory) {
        return prediction;
    }

    function _call(bytes memory shown) internal view override returns (address, bytes memory) {
        return (address(device), abi.encodeCall(device.turnOn, (shown)));
    }

    function _state() internal view override returns (bytes memory) {
        return abi.encode(device.on());
    }

    function _isAccepted() internal view override returns (bool) {
        return device.on();
    }

    function _otherWeights(bytes32, bytes32) internal pure override returns (bytes memory) {
        return abi.encodeWithSelector(IERCZKMLVerifier.ModelMismatch.selector);
    }

    function _otherCode(address, bytes32) internal pure override returns (bytes memory) {
        return abi.encodeWithSelector(IERCZKMLVerifier.ModelMismatch.selector);
    }
}
