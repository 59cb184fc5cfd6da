// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ProvenSwitch} from "../../examples/ProvenSwitch.sol";
import {ScoreGate} from "../../examples/ScoreGate.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {IERCZKMLVerifier} from "../../src/interfaces/IERCZKMLVerifier.sol";
import {Outputs} from "../../src/libraries/Outputs.sol";
import {MockVerifier, SilentVerifier} from "../doubles/VerifierDoubles.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";
import {Shipped} from "../shared/Shipped.sol";

contract ScoreGateTest is Fixture {
    uint256 internal constant ZERO = 1 << 15;
    int256 internal constant RANGE = 1 << 15;
    int256 internal constant THRESHOLD = -20;
    uint256 internal constant LEAST_THAT_PASSES = ZERO - 20;

    InferenceVerifier internal inference;
    ScoreGate internal gate;
    address internal alice = makeAddr("alice");

    function setUp() public override {
        super.setUp();
        inference = Shipped.inferenceVerifier(registry, false);
        gate = new ScoreGate(inference, modelId, bindingHash, THRESHOLD);
        gate.assign(alice, bytes32(INPUT));
    }

    function statement() internal pure override returns (bytes32) {
        return Keys.NUMBER;
    }

    function test_ScorePasses() public {
        bytes memory proof = _proof(alice, INPUT, LEAST_THAT_PASSES);
        vm.expectEmit(address(gate));
        emit ScoreGate.Passed(alice, THRESHOLD);
        vm.prank(alice);
        gate.pass(LEAST_THAT_PASSES, proof);
        assertTrue(gate.passed(alice));
        assertTrue(gate.used(bytes32(INPUT)));
        assertFalse(gate.passed(stranger));
    }

    function testFuzz_ScoresFromTheThresholdPass(uint16 word) public {
        bytes memory proof = _proof(alice, INPUT, word);
        bool enough = word >= LEAST_THAT_PASSES;
        if (!enough) {
            int256 score = int256(uint256(word)) - RANGE;
            vm.expectRevert(abi.encodeWithSelector(ScoreGate.ScoreTooLow.selector, score, THRESHOLD));
        }
        vm.prank(alice);
        gate.pass(word, proof);
        assertEq(gate.passed(alice), enough);
    }

    /// @dev Threat: another score is claimed than proven.
    function test_RevertWhen_ScoreIsNotTheProven() public {
        bytes memory proof = _proof(alice, INPUT, LEAST_THAT_PASSES - 1);
        _expectRevert(alice, LEAST_THAT_PASSES, proof, abi.encodePacked(MockVerifier.ProofRejected.selector));
    }

    /// @dev Threat: an input that its maker knows to score well.
    function test_RevertWhen_InputIsNotTheAssigned() public {
        bytes memory proof = _proof(alice, INPUT + 1, ZERO);
        _expectRevert(alice, ZERO, proof, abi.encodePacked(MockVerifier.ProofRejected.selector));
        proof = _proof(stranger, INPUT, ZERO);
        _expectRevert(stranger, ZERO, proof, abi.encodeWithSelector(ScoreGate.NoInput.selector, stranger));
    }

    /// @dev Threat: a proof copied from the mempool, by somebody whom the issuer gave the same input, too.
    function test_RevertWhen_ProofIsOfAnother() public {
        bytes memory proof = _proof(alice, INPUT, ZERO);
        gate.assign(stranger, bytes32(INPUT));
        _expectRevert(stranger, ZERO, proof, abi.encodePacked(MockVerifier.ProofRejected.selector));
    }

    function test_RevertWhen_InputServesAgain() public {
        bytes memory proof = _proof(alice, INPUT, ZERO);
        vm.prank(alice);
        gate.pass(ZERO, proof);
        bytes memory refusal = abi.encodeWithSelector(ScoreGate.InputUsed.selector, bytes32(INPUT));
        _expectRefused(alice, ZERO, proof, refusal);
        // Assigned again, or to somebody else, it is used all the same.
        gate.assign(alice, bytes32(INPUT));
        _expectRefused(alice, ZERO, proof, refusal);
        gate.assign(stranger, bytes32(INPUT));
        _expectRevert(stranger, ZERO, _proof(stranger, INPUT, ZERO), refusal);
        gate.assign(alice, bytes32(INPUT + 1));
        proof = _proof(alice, INPUT + 1, ZERO);
        vm.prank(alice);
        gate.pass(ZERO, proof);
    }

    /// @dev No circuit shows such a word; the double takes any.
    function test_RevertWhen_WordIsNoNumber() public {
        uint256[3] memory words = [uint256(1 << 16), R - 1, type(uint256).max];
        for (uint256 i = 0; i < words.length; ++i) {
            _expectRevert(
                alice,
                words[i],
                _proof(alice, INPUT, words[i]),
                abi.encodeWithSelector(Outputs.WordOutOfRange.selector, words[i])
            );
        }
    }

    function test_RevertWhen_StrangerAssigns() public {
        vm.prank(stranger);
        vm.expectRevert(ScoreGate.NotIssuer.selector);
        gate.assign(stranger, bytes32(INPUT));
    }

    /// @dev Threat: class 40,000 passes for a high score.
    function test_RevertWhen_ModelStatesAClass() public {
        (uint256 id, bytes32 hash) = _bind("class", Keys.PREDICTION);
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.NotANumber.selector, id, Keys.PREDICTION));
        new ScoreGate(inference, id, hash, THRESHOLD);
    }

    function test_RevertWhen_ModelStatesAnythingElse() public {
        bytes32[] memory others = Keys.anythingElse();
        for (uint256 i = 0; i < others.length; ++i) {
            (uint256 id, bytes32 hash) = _bind(vm.toString(i), others[i]);
            vm.expectRevert(abi.encodeWithSelector(ScoreGate.NotANumber.selector, id, others[i]));
            new ScoreGate(inference, id, hash, THRESHOLD);
        }
    }

    /// @dev Threat: the model's owner has bound it to a verifier of its own, or will.
    function test_RevertWhen_GatesModelIsBoundOtherwise() public {
        (uint256 other, bytes32 otherHash) = bindTo(address(new SilentVerifier()));
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.OtherModel.selector, other, otherHash));
        new ScoreGate(inference, other, bindingHash, THRESHOLD);
        uint256 unbound = registry.registerModel(commitmentTo(WEIGHTS, vk));
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.OtherModel.selector, unbound, 0));
        new ScoreGate(inference, unbound, 0, THRESHOLD);
    }

    function test_ThresholdBounds() public {
        int256[4] memory refused = [type(int256).min, -RANGE, RANGE, type(int256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ScoreGate.ThresholdOutOfRange.selector, refused[i]));
            new ScoreGate(inference, modelId, bindingHash, refused[i]);
        }
        new ScoreGate(inference, modelId, bindingHash, 1 - RANGE);
        new ScoreGate(inference, modelId, bindingHash, RANGE - 1);
    }

    function test_RevertWhen_ModelIsWithdrawn() public {
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _expectRevert(
            alice,
            ZERO,
            _proof(alice, INPUT, ZERO),
            abi.encodeWithSelector(IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, modelId)
        );
    }

    /// @dev The other way round: a number is no class.
    function test_RevertWhen_SwitchModelStatesANumber() public {
        vm.expectRevert(abi.encodeWithSelector(ProvenSwitch.NotAClass.selector, modelId, Keys.NUMBER));
        new ProvenSwitch(inference, modelId, bindingHash, OUTPUT);
    }

    function _bind(string memory name, bytes32 stated) private returns (uint256 id, bytes32 hash) {
        return bindModel(WEIGHTS, makeKey(name, stated), address(verifier));
    }

    function _expectRevert(address caller, uint256 word, bytes memory proof, bytes memory reason) private {
        _expectRefused(caller, word, proof, reason);
        assertFalse(gate.passed(caller));
    }

    function _expectRefused(address caller, uint256 word, bytes memory proof, bytes memory reason) private {
        vm.prank(caller);
        vm.expectRevert(reason);
        gate.pass(word, proof);
    }

    function _proof(address caller, uint256 input, uint256 word) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = inference.contextOf(modelId, caller);
        publicInputs[1] = input;
        publicInputs[2] = word;
        return mockProof(WEIGHTS, publicInputs);
    }
}
