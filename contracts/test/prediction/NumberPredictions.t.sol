// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {ProofEvaluator} from "../../src/adapters/ProofEvaluator.sol";
import {ProofVerifierAdapter} from "../../src/adapters/ProofVerifierAdapter.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {AgenticCommerceDouble} from "../doubles/AgenticCommerceDouble.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice A network with one output: its number is sold wherever a class is.
contract NumberPredictionsTest is Fixture {
    uint256 internal constant JOB = 5;
    /// @dev Minus 300 steps.
    uint256 internal constant WORD = (1 << 15) - 300;

    InferenceVerifier internal inference;
    address internal dapp = makeAddr("dapp");

    function setUp() public override {
        super.setUp();
        inference = Shipped.inferenceVerifier(registry, false);
    }

    function statement() internal pure override returns (bytes32) {
        return Keys.NUMBER;
    }

    function test_NumberIsPaidFor() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, WORD);
        vm.expectEmit(address(escrow));
        emit Events.JobClaimed(jobId, modelId, seller, 0, one(WORD));
        escrow.claim(jobId, 0, seller, one(WORD), proof);
        assertState(jobId, IPredictionEscrow.State.Claimed);
        assertEq(escrow.outputOf(jobId), WORD);
        assertEq(escrow.creditOf(ETHER, seller), PRICE);
    }

    /// @dev How a dApp learns what the word is.
    function test_RegistrySaysThatItIsANumber() public view {
        (,,, Statement stated) = registry.admissionOf(modelId);
        assertTrue(stated.isNumber());
        assertFalse(stated.isClass());
    }

    function test_RevertWhen_NumberIsAnotherThanProven() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, WORD);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, one(WORD + 1), proof);
        vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 2, WORD + R));
        escrow.claim(jobId, 0, seller, one(WORD + R), proof);
        assertState(jobId, IPredictionEscrow.State.Open);
    }

    /// @dev Threat: a class is sold for a number, or one of two logits of the same weights. The job names the key.
    function test_RevertWhen_ProofIsOfAnotherStatement() public {
        uint256 jobId = openEther();
        address number = vk;
        bytes32[3] memory others = [Keys.PREDICTION, Keys.TWO_LOGITS, Keys.ONE_BEST];
        for (uint256 i = 0; i < others.length; ++i) {
            vk = makeKey(vm.toString(i), others[i]);
            bytes memory proof = proofFor(jobId, seller, WORD);
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            escrow.claim(jobId, 0, seller, one(WORD), proof);
        }
        vk = number;
        escrow.claim(jobId, 0, seller, one(WORD), proofFor(jobId, seller, WORD));
    }

    /// @dev The same at the jobs of a class.
    function test_RevertWhen_NumberIsClaimedForAClass() public {
        address number = vk;
        vk = makeKey("class", Keys.PREDICTION);
        (modelId, bindingHash) = bindModel(WEIGHTS, vk, address(verifier));
        uint256 jobId = openEther();
        vk = number;
        bytes memory proof = proofFor(jobId, seller, WORD);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, one(WORD), proof);
    }

    function test_NumberIsVerifiedAndStored() public {
        bytes memory proof = _inferenceProof(dapp);
        inference.checkInference(modelId, bytes32(INPUT), abi.encode(WORD), proof, dapp);
        vm.startPrank(dapp);
        inference.verifyInference(modelId, bytes32(INPUT), abi.encode(WORD), proof);
        bytes32 id = inference.verifyAndStoreInference(modelId, bytes32(INPUT), abi.encode(WORD), proof);
        vm.stopPrank();
        (uint256 storedModel,, bytes memory output) = inference.getInference(id);
        assertEq(storedModel, modelId);
        assertEq(output, abi.encode(WORD));
    }

    function test_AdapterTakesNumber() public {
        ProofVerifierAdapter adapter = Shipped.proofVerifierAdapter(inference);
        bytes memory proof = abi.encode(abi.encode(WORD), _inferenceProof(dapp));
        vm.prank(dapp);
        assertTrue(
            adapter.verify(
                bytes32(INPUT), keccak256(abi.encode(WORD)), abi.encode(modelId, bindingHash), proof
            )
        );
    }

    function test_EvaluatorTakesNumber() public {
        AgenticCommerceDouble commerce = new AgenticCommerceDouble();
        ProofEvaluator evaluator =
            Shipped.proofEvaluator(registry, false, commerce, modelId, bindingHash, INPUT);
        commerce.create(JOB, address(evaluator), AgenticCommerceDouble.Status.Submitted);
        evaluator.evaluate(JOB, one(WORD), _proof(evaluator.contextOf(JOB, address(0))));
        (,, bytes32 reason) = commerce.jobs(JOB);
        assertEq(reason, keccak256(abi.encode(WORD)));
    }

    /// @dev Threat: what is not about one hidden input.
    function test_RevertWhen_EvaluatorsKeyIsNotForOneInput() public {
        AgenticCommerceDouble commerce = new AgenticCommerceDouble();
        bytes32[] memory others = Keys.notOfOneInput();
        for (uint256 i = 0; i < others.length; ++i) {
            address key = makeKey(vm.toString(i), others[i]);
            (uint256 id, bytes32 hash) = bindModel(WEIGHTS, key, address(verifier));
            vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatement.selector, id, others[i]));
            Shipped.proofEvaluator(registry, false, commerce, id, hash, INPUT);
        }
    }

    function _inferenceProof(address caller) private view returns (bytes memory) {
        return _proof(inference.contextOf(modelId, caller));
    }

    function _proof(uint256 context) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = context;
        publicInputs[1] = INPUT;
        publicInputs[2] = WORD;
        return mockProof(WEIGHTS, publicInputs);
    }
}
