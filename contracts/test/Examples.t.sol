// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {AccuracyGate} from "../examples/AccuracyGate.sol";
import {ProvenSwitch} from "../examples/ProvenSwitch.sol";
import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {ResultRegistry} from "../src/ResultRegistry.sol";
import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {Fixture} from "./Fixture.sol";

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

    function setUp() public override {
        super.setUp();
        results = new ResultRegistry(registry);
        gate = new AccuracyGate(results, certifier, ROOT, 1000);
    }

    function test_GoodModelPasses() public {
        _certify(950, 1000);
        gate.use(modelId);
        assertEq(gate.modelInUse(), modelId);
    }

    function test_RevertWhen_ModelIsTooWeak() public {
        _certify(949, 1000);
        _expectRefusal(949, 1000);
    }

    function test_RevertWhen_TestIsTooShort() public {
        _certify(999, 999);
        _expectRefusal(999, 999);
    }

    function test_RevertWhen_NobodyCertifies() public {
        _expectRefusal(0, 0);
    }

    function test_RevertWhen_SomebodyElseCertifies() public {
        results.recordResult(modelId, ROOT, "top-1", 1000, 1000);
        _expectRefusal(0, 0);
    }

    function _certify(uint64 correct, uint64 total) private {
        vm.prank(certifier);
        results.recordResult(modelId, ROOT, "top-1", correct, total);
    }

    function _expectRefusal(uint256 correct, uint256 total) private {
        vm.expectRevert(
            abi.encodeWithSelector(AccuracyGate.NotAccurateEnough.selector, modelId, correct, total)
        );
        gate.use(modelId);
    }
}
