// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {AccuracyGate} from "../../examples/AccuracyGate.sol";
import {ProvenSwitch} from "../../examples/ProvenSwitch.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";
import {MockVerifier, SilentVerifier} from "../doubles/VerifierDoubles.sol";
import {Shipped} from "../shared/Shipped.sol";

contract ProvenSwitchTest is Fixture {
    InferenceVerifier internal inference;
    ProvenSwitch internal device;

    function setUp() public override {
        super.setUp();
        inference = Shipped.inferenceVerifier(registry, false);
        device = new ProvenSwitch(inference, modelId, bindingHash, OUTPUT);
        device.look(bytes32(INPUT));
    }

    function test_ProofTurnsSwitchOn() public {
        bytes memory proof = _proof(INPUT, OUTPUT);
        vm.prank(stranger);
        device.turnOn(proof);
        assertTrue(device.on());
    }

    function test_RevertWhen_ModelSeesAnotherClass() public {
        bytes memory proof = _proof(INPUT, OUTPUT + 1);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        device.turnOn(proof);
        assertFalse(device.on());
    }

    function test_NewImageNeedsANewProof() public {
        device.turnOn(_proof(INPUT, OUTPUT));
        device.look(bytes32(INPUT + 1));
        assertFalse(device.on());
        bytes memory old = _proof(INPUT, OUTPUT);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        device.turnOn(old);
        device.turnOn(_proof(INPUT + 1, OUTPUT));
        assertTrue(device.on());
    }

    function test_RevertWhen_StrangerShowsImage() public {
        vm.prank(stranger);
        vm.expectRevert(ProvenSwitch.NotOwner.selector);
        device.look(bytes32(INPUT));
    }

    /// @dev Threat: the model's owner has bound it to a verifier of its own.
    function test_RevertWhen_SwitchModelIsBoundOtherwise() public {
        (uint256 other, bytes32 otherHash) = bindTo(address(new SilentVerifier()));
        assertNotEq(otherHash, bindingHash);
        vm.expectRevert(abi.encodeWithSelector(ProvenSwitch.OtherModel.selector, other, otherHash));
        new ProvenSwitch(inference, other, bindingHash, OUTPUT);
    }

    /// @dev Its owner could bind it to anything later.
    function test_RevertWhen_SwitchModelIsUnbound() public {
        uint256 unbound = registry.registerModel(commitmentTo(WEIGHTS, vk));
        vm.expectRevert(abi.encodeWithSelector(ProvenSwitch.OtherModel.selector, unbound, 0));
        new ProvenSwitch(inference, unbound, 0, OUTPUT);
    }

    function _proof(uint256 input, uint256 class) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = inference.contextOf(modelId, address(device));
        publicInputs[1] = input;
        publicInputs[2] = class;
        return mockProof(WEIGHTS, publicInputs);
    }
}

contract AccuracyGateTest is Fixture {
    uint256 internal constant ROOT = 0xabcd;

    ResultRegistry internal results;
    AccuracyGate internal gate;
    address internal certifier = makeAddr("certifier");
    address internal auditKey;
    uint256 internal auditedId;

    function setUp() public override {
        super.setUp();
        results = Shipped.resultRegistry(registry);
        auditKey = makeKey("audit key", Keys.audit(2));
        (auditedId,) = bindModel(WEIGHTS, auditKey, address(verifier));
        gate = _gateFor(1000);
    }

    function test_AuditAdmitsServingModel() public {
        _certify(auditedId, 950, 1000);
        assertFalse(gate.admitted(modelId));
        gate.admit(auditedId, modelId);
        assertTrue(gate.admitted(modelId));
        assertFalse(gate.admitted(auditedId));
    }

    /// @dev Threat: somebody registers the serving weights again, has them admitted, and withdraws them.
    function test_CloneDisplacesNobody() public {
        _certify(auditedId, 1000, 1000);
        gate.admit(auditedId, modelId);
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentTo(WEIGHTS, vk);
        vm.startPrank(stranger);
        (uint256 clone,) = registry.registerBoundModel(commitment, vk, address(verifier));
        gate.admit(auditedId, clone);
        registry.deprecateModel(clone);
        vm.stopPrank();
        assertTrue(gate.admitted(modelId));
    }

    function test_RevertWhen_GateModelIsDeprecated() public {
        _certify(auditedId, 1000, 1000);
        (uint256 audited,) = bindModelAs(stranger, WEIGHTS, auditKey, address(verifier));
        _certify(audited, 1000, 1000);
        (uint256 serving,) = bindModelAs(stranger, WEIGHTS, vk, address(verifier));
        vm.startPrank(stranger);
        registry.deprecateModel(audited);
        registry.deprecateModel(serving);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(AccuracyGate.Deprecated.selector, serving));
        gate.admit(auditedId, serving);
        vm.expectRevert(abi.encodeWithSelector(AccuracyGate.Deprecated.selector, audited));
        gate.admit(audited, modelId);
        gate.admit(auditedId, modelId);
    }

    /// @dev The same weights and contracts, under a proof system that no verifier of predictions takes.
    function test_RevertWhen_ProofSystemIsAnotherOne() public {
        _certify(auditedId, 1000, 1000);
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentTo(WEIGHTS, vk);
        commitment.proofSystemId = 0xdeadbeef;
        (uint256 other,) = registry.registerBoundModel(commitment, vk, address(verifier));
        _expectOtherCircuit(auditedId, other, other);
    }

    function test_RevertWhen_ModelIsTooWeak() public {
        _certify(auditedId, 949, 1000);
        _expectTooWeak(949, 1000);
    }

    /// @dev Threat: an audit of the set's first items only, which has the same root, under an id that no whole
    /// audit is on record for.
    function test_RevertWhen_TestIsOfAPartOfTheSet() public {
        _certify(auditedId, 900, 1000);
        (auditedId,) = bindModelAs(stranger, WEIGHTS, auditKey, address(verifier));
        _certify(auditedId, 999, 999);
        _expectTooWeak(999, 999);
    }

    /// @dev Nobody can prove all of these: the set has fewer items.
    function test_RevertWhen_TestIsLongerThanTheSet() public {
        _certify(auditedId, 1000, 1001);
        _expectTooWeak(1000, 1001);
    }

    function test_RevertWhen_NobodyCertifies() public {
        _expectTooWeak(0, 0);
    }

    function test_RevertWhen_SomebodyElseCertifies() public {
        results.recordResult(auditedId, ROOT, "top-1", 1000, 1000);
        _expectTooWeak(0, 0);
    }

    function test_RevertWhen_ServingModelHasOtherWeights() public {
        _certify(auditedId, 1000, 1000);
        (uint256 other,) = bindModel(keccak256("other weights"), vk, address(verifier));
        vm.expectRevert(abi.encodeWithSelector(AccuracyGate.OtherWeights.selector, auditedId, other));
        gate.admit(auditedId, other);
    }

    /// @dev The same weights in a circuit that nobody has looked at: it could read them as another network.
    function test_RevertWhen_CircuitIsAnotherOne() public {
        (uint256 other,) = bindModel(WEIGHTS, makeKey("other key"), address(verifier));
        _certify(auditedId, 1000, 1000);
        _certify(other, 1000, 1000);
        _expectOtherCircuit(auditedId, other, other);
        _expectOtherCircuit(other, modelId, other);
        // Nor does either circuit stand in for the other.
        _certify(modelId, 1000, 1000);
        _expectOtherCircuit(modelId, modelId, modelId);
        _expectOtherCircuit(auditedId, auditedId, auditedId);
    }

    /// @dev The certifier lets anybody audit a model that is bound to a verifier of its own.
    function test_RevertWhen_VerifierIsAnotherOne() public {
        address other = address(new SilentVerifier());
        (uint256 audited,) = bindModelAs(stranger, WEIGHTS, auditKey, other);
        (uint256 serving,) = bindModelAs(stranger, WEIGHTS, vk, other);
        _certify(auditedId, 1000, 1000);
        _certify(audited, 1000, 1000);
        _expectOtherCircuit(audited, modelId, audited);
        _expectOtherCircuit(auditedId, serving, serving);
    }

    function test_RevertWhen_TestSetIsEmpty() public {
        vm.expectRevert(AccuracyGate.ZeroTotal.selector);
        _gateFor(0);
    }

    function _gateFor(uint256 total) private returns (AccuracyGate) {
        bytes32 codeHash = address(verifier).codehash;
        return new AccuracyGate(
            results,
            certifier,
            ROOT,
            total,
            AccuracyGate.Circuit(auditKey.codehash, codeHash, PROOF_SYSTEM),
            AccuracyGate.Circuit(vk.codehash, codeHash, PROOF_SYSTEM)
        );
    }

    function _certify(uint256 id, uint64 correct, uint64 total) private {
        vm.prank(certifier);
        results.recordResult(id, ROOT, "top-1", correct, total);
    }

    function _expectTooWeak(uint256 correct, uint256 total) private {
        vm.expectRevert(
            abi.encodeWithSelector(AccuracyGate.NotAccurateEnough.selector, auditedId, correct, total)
        );
        gate.admit(auditedId, modelId);
    }

    function _expectOtherCircuit(uint256 audited, uint256 serving, uint256 refused) private {
        vm.expectRevert(abi.encodeWithSelector(AccuracyGate.NotThisCircuit.selector, refused));
        gate.admit(audited, serving);
    }
}
