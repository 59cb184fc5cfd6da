// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {ProofEvaluator} from "../../src/adapters/ProofEvaluator.sol";
import {ProofVerifierAdapter} from "../../src/adapters/ProofVerifierAdapter.sol";
import {IERCZKMLVerifier} from "../../src/interfaces/IERCZKMLVerifier.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {AgenticCommerceDouble} from "../doubles/AgenticCommerceDouble.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {one} from "../doubles/Words.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice A network whose proofs show two words: they are sold wherever one word is.
contract WordPredictionsTest is Fixture {
    InferenceVerifier internal inference;
    address internal dapp = makeAddr("dapp");

    function setUp() public override {
        super.setUp();
        inference = Shipped.inferenceVerifier(registry, false);
    }

    function statement() internal pure override returns (bytes32) {
        return Keys.TWO_LOGITS;
    }

    function test_SeveralWordsArePaidFor() public {
        uint256 jobId = openEther();
        bytes memory proof = _proof(escrow.contextOf(jobId, seller), _words());
        vm.expectEmit(address(escrow));
        emit Events.JobClaimed(jobId, modelId, seller, 0, _words());
        escrow.claim(jobId, 0, seller, _words(), proof);
        assertState(jobId, IPredictionEscrow.State.Claimed);
        assertEq(escrow.creditOf(ETHER, seller), PRICE);
        assertTrue(escrow.isOutput(jobId, 0, _words()));
        vm.expectRevert(abi.encodeWithSelector(Errors.SeveralOutputs.selector, jobId, 0));
        escrow.outputOf(jobId);
    }

    /// @dev Best classes, also one, and the commitment to hidden outputs.
    function test_StatementsOfOneInputAreSold() public {
        bytes32[4] memory sold = [Keys.TWO_BEST, Keys.ONE_BEST, Keys.HIDDEN, Keys.TWO_LOGITS];
        for (uint256 i = 0; i < sold.length; ++i) {
            vk = makeKey(vm.toString(i), sold[i]);
            (modelId, bindingHash) = bindModel(WEIGHTS, vk, address(verifier));
            uint256 jobId = openEther();
            uint256[] memory words = uint256(sold[i] >> 184) & 0xff == 2 ? _words() : one(R - 1);
            escrow.claim(jobId, 0, seller, words, _proof(escrow.contextOf(jobId, seller), words));
            assertTrue(escrow.isOutput(jobId, 0, words));
        }
    }

    function test_RevertWhen_AWordIsAnotherThanProven() public {
        uint256 jobId = openEther();
        bytes memory proof = _proof(escrow.contextOf(jobId, seller), _words());
        for (uint256 i = 0; i < 2; ++i) {
            uint256[] memory words = _words();
            ++words[i];
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            escrow.claim(jobId, 0, seller, words, proof);
            words[i] += R - 1;
            vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 2 + i, words[i]));
            escrow.claim(jobId, 0, seller, words, proof);
        }
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, one(_words()[0]), proof);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, new uint256[](0), proof);
        assertState(jobId, IPredictionEscrow.State.Open);
    }

    /// @dev A job of one input has one run.
    function test_RevertWhen_RunIsNotTheFirst() public {
        uint256 jobId = openEther();
        bytes memory proof = _proof(escrow.contextOf(jobId, seller), _words());
        vm.expectRevert(abi.encodeWithSelector(Errors.RunOutOfRange.selector, 1, 1));
        escrow.claim(jobId, 1, seller, _words(), proof);
    }

    function test_SeveralWordsAreVerifiedAndStored() public {
        bytes memory proof = _proof(inference.contextOf(modelId, dapp), _words());
        bytes memory output = abi.encodePacked(_words());
        inference.checkInference(modelId, bytes32(INPUT), output, proof, dapp);
        vm.startPrank(dapp);
        vm.expectEmit(address(inference));
        emit IERCZKMLVerifier.InferenceVerified(modelId, bytes32(INPUT), output, dapp);
        inference.verifyInference(modelId, bytes32(INPUT), output, proof);
        bytes32 id = inference.verifyAndStoreInference(modelId, bytes32(INPUT), output, proof);
        assertEq(inference.verifyAndStoreInference(modelId, bytes32(INPUT), output, proof), id);
        vm.stopPrank();
        (uint256 storedModel, bytes32 input, bytes memory stored) = inference.getInference(id);
        assertEq(storedModel, modelId);
        assertEq(input, bytes32(INPUT));
        assertEq(stored, output);
    }

    /// @dev As many words as the key states, each of them in range.
    function test_RevertWhen_OutputIsNotTheWordsOfTheKey() public {
        bytes memory output = abi.encodePacked(_words());
        bytes[5] memory refused = [
            bytes(""),
            abi.encode(_words()[0]),
            bytes.concat(output, hex"00"),
            bytes.concat(output, output),
            abi.encode(_words()[0], R)
        ];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(IERCZKMLVerifier.OutputMismatch.selector);
            inference.checkInference(modelId, bytes32(INPUT), refused[i], "", dapp);
        }
    }

    function test_AdapterTakesSeveralWords() public {
        ProofVerifierAdapter adapter = Shipped.proofVerifierAdapter(inference);
        bytes memory output = abi.encodePacked(_words());
        bytes memory proof = abi.encode(output, _proof(inference.contextOf(modelId, dapp), _words()));
        bytes memory metadata = abi.encode(modelId, bindingHash);
        // The adapter's caller is whom the proof is made for.
        vm.prank(dapp);
        assertTrue(adapter.verify(bytes32(INPUT), keccak256(output), metadata, proof));
    }

    function test_EvaluatorTakesSeveralWords() public {
        AgenticCommerceDouble commerce = new AgenticCommerceDouble();
        ProofEvaluator evaluator =
            Shipped.proofEvaluator(registry, false, commerce, modelId, bindingHash, INPUT);
        commerce.create(5, address(evaluator), AgenticCommerceDouble.Status.Submitted);
        evaluator.evaluate(5, _words(), _proof(evaluator.contextOf(5, address(0)), _words()));
        (,, bytes32 reason) = commerce.jobs(5);
        assertEq(reason, keccak256(abi.encodePacked(_words())));
    }

    function _words() private pure returns (uint256[] memory words) {
        words = new uint256[](2);
        (words[0], words[1]) = (32_768 - 300, 32_768 + 12);
    }

    function _proof(uint256 context, uint256[] memory words) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](2 + words.length);
        publicInputs[0] = context;
        publicInputs[1] = INPUT;
        for (uint256 i = 0; i < words.length; ++i) {
            publicInputs[2 + i] = words[i];
        }
        return mockProof(WEIGHTS, publicInputs);
    }
}
