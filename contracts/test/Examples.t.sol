// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {AccuracyGate} from "../examples/AccuracyGate.sol";
import {ProvenSwitch} from "../examples/ProvenSwitch.sol";
import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {ResultRegistry} from "../src/ResultRegistry.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {Fixture} from "./Fixture.sol";
import {SilentVerifier} from "./doubles/VerifierDoubles.sol";

contract ProvenSwitchTest is Fixture {
    InferenceVerifier internal inference;
    ProvenSwitch internal device;

    function setUp() public override {
        super.setUp();
        inference = new InferenceVerifier(registry, false);
        device = new ProvenSwitch(inference, modelId, OUTPUT);
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
        vm.expectRevert(IERCZKMLVerifier.InvalidProof.selector);
        device.turnOn(proof);
        assertFalse(device.on());
    }

    function test_NewImageNeedsANewProof() public {
        device.turnOn(_proof(INPUT, OUTPUT));
        device.look(bytes32(INPUT + 1));
        assertFalse(device.on());
        bytes memory old = _proof(INPUT, OUTPUT);
        vm.expectRevert(IERCZKMLVerifier.InvalidProof.selector);
        device.turnOn(old);
        device.turnOn(_proof(INPUT + 1, OUTPUT));
        assertTrue(device.on());
    }

    function test_RevertWhen_StrangerShowsImage() public {
        vm.prank(stranger);
        vm.expectRevert(ProvenSwitch.NotOwner.selector);
        device.look(bytes32(INPUT));
    }

    function _proof(uint256 input, uint256 class) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = inference.contextOf(modelId, address(device));
        publicInputs[1] = input;
        publicInputs[2] = class;
        return abi.encode(WEIGHTS, keccak256(abi.encode(vk.codehash, publicInputs)));
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
        results = new ResultRegistry(registry);
        auditKey = makeKey("audit key", 0x00);
        (auditedId,) = bindModel(WEIGHTS, auditKey, address(verifier));
        bytes32 codeHash = address(verifier).codehash;
        gate = new AccuracyGate(
            results,
            certifier,
            ROOT,
            1000,
            AccuracyGate.Circuit(auditKey.codehash, codeHash),
            AccuracyGate.Circuit(vk.codehash, codeHash)
        );
    }

    function test_AuditAdmitsServingModel() public {
        _certify(auditedId, 950, 1000);
        gate.use(auditedId, modelId);
        assertEq(gate.modelInUse(), modelId);
    }

    function test_RevertWhen_ModelIsTooWeak() public {
        _certify(auditedId, 949, 1000);
        _expectTooWeak(949, 1000);
    }

    function test_RevertWhen_TestIsTooShort() public {
        _certify(auditedId, 999, 999);
        _expectTooWeak(999, 999);
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
        gate.use(auditedId, other);
    }

    /// @dev The same weights in a circuit that nobody has looked at: it could read them as another network.
    function test_RevertWhen_CircuitIsAnotherOne() public {
        (uint256 other,) = bindModel(WEIGHTS, makeKey("other key", 0x00), address(verifier));
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
        (uint256 audited,) = bindModel(WEIGHTS, auditKey, other);
        (uint256 serving,) = bindModel(WEIGHTS, vk, other);
        _certify(auditedId, 1000, 1000);
        _certify(audited, 1000, 1000);
        _expectOtherCircuit(audited, modelId, audited);
        _expectOtherCircuit(auditedId, serving, serving);
    }

    function _certify(uint256 id, uint64 correct, uint64 total) private {
        vm.prank(certifier);
        results.recordResult(id, ROOT, "top-1", correct, total);
    }

    function _expectTooWeak(uint256 correct, uint256 total) private {
        vm.expectRevert(
            abi.encodeWithSelector(AccuracyGate.NotAccurateEnough.selector, auditedId, correct, total)
        );
        gate.use(auditedId, modelId);
    }

    function _expectOtherCircuit(uint256 audited, uint256 serving, uint256 refused) private {
        vm.expectRevert(abi.encodeWithSelector(AccuracyGate.NotThisCircuit.selector, refused));
        gate.use(audited, serving);
    }
}
