// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {IAgenticCommerce} from "../../src/adapters/IAgenticCommerce.sol";
import {IProofVerifier} from "../../src/adapters/IProofVerifier.sol";
import {IZKMetadata} from "../../src/adapters/IZKMetadata.sol";
import {ModelMetadata} from "../../src/adapters/ModelMetadata.sol";
import {ProofEvaluator} from "../../src/adapters/ProofEvaluator.sol";
import {ProofVerifierAdapter} from "../../src/adapters/ProofVerifierAdapter.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IInferenceVerifier} from "../../src/interfaces/IInferenceVerifier.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {AgenticCommerceDouble} from "../doubles/AgenticCommerceDouble.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "../shared/Shipped.sol";

contract ProofVerifierAdapterTest is Fixture {
    InferenceVerifier internal inference;
    ProofVerifierAdapter internal adapter;
    address internal consumer = makeAddr("consumer");

    function setUp() public override {
        super.setUp();
        inference = Shipped.inferenceVerifier(registry, false);
        adapter = Shipped.proofVerifierAdapter(inference);
    }

    function test_ValidProofIsTrue() public {
        bytes memory proof = _proof(consumer, OUTPUT);
        vm.prank(consumer);
        assertTrue(adapter.verify(bytes32(INPUT), keccak256(abi.encode(OUTPUT)), _metadata(), proof));
    }

    /// @dev Never false: a consumer could take that for a verdict.
    function test_RevertWhen_ProofIsInvalid() public {
        bytes memory proof = _proof(stranger, OUTPUT);
        vm.prank(consumer);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        adapter.verify(bytes32(INPUT), keccak256(abi.encode(OUTPUT)), _metadata(), proof);
        proof = _proof(consumer, OUTPUT);
        vm.prank(consumer);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        adapter.verify(bytes32(INPUT + 1), keccak256(abi.encode(OUTPUT)), _metadata(), proof);
        vm.prank(consumer);
        vm.expectRevert(bytes(""));
        adapter.verify(bytes32(INPUT), keccak256(abi.encode(OUTPUT)), _metadata(), hex"00");
    }

    function test_RevertWhen_OutputHashIsAnother() public {
        bytes memory proof = _proof(consumer, OUTPUT);
        bytes32 expected = keccak256(abi.encode(OUTPUT + 1));
        vm.prank(consumer);
        vm.expectRevert(
            abi.encodeWithSelector(
                ProofVerifierAdapter.OutputHashMismatch.selector, expected, keccak256(abi.encode(OUTPUT))
            )
        );
        adapter.verify(bytes32(INPUT), expected, _metadata(), proof);
    }

    function test_RevertWhen_ModelIsBoundOtherwise() public {
        bytes memory proof = _proof(consumer, OUTPUT);
        bytes32 other = keccak256("another binding");
        vm.prank(consumer);
        vm.expectRevert(abi.encodeWithSelector(Errors.BindingMismatch.selector, modelId, other, bindingHash));
        adapter.verify(bytes32(INPUT), keccak256(abi.encode(OUTPUT)), abi.encode(modelId, other), proof);
    }

    function test_Identification() public {
        assertEq(adapter.proofSystem(), "zk/halo2-kzg");
        bytes32 deployment = keccak256(abi.encode(block.chainid, address(inference)));
        assertEq(adapter.proofProfile(), keccak256(abi.encodePacked("zk/halo2-kzg", deployment)));
        assertEq(address(adapter.INFERENCE_VERIFIER()), address(inference));
        assertTrue(adapter.supportsInterface(0x86761e49));
        assertTrue(adapter.supportsInterface(type(IERC165).interfaceId));
        assertFalse(adapter.supportsInterface(0xffffffff));
        assertEq(type(IProofVerifier).interfaceId, bytes4(0x86761e49));
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        Shipped.proofVerifierAdapter(IInferenceVerifier(stranger));
    }

    function _metadata() private view returns (bytes memory) {
        return abi.encode(modelId, bindingHash);
    }

    function _proof(address caller, uint256 class) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = inference.contextOf(modelId, caller);
        publicInputs[1] = INPUT;
        publicInputs[2] = class;
        bytes memory inner = mockProof(WEIGHTS, publicInputs);
        return abi.encode(abi.encode(class), inner);
    }
}

contract ProofEvaluatorTest is Fixture {
    uint256 internal constant JOB = 5;

    AgenticCommerceDouble internal commerce;
    ProofEvaluator internal evaluator;

    function setUp() public override {
        super.setUp();
        commerce = new AgenticCommerceDouble();
        evaluator = Shipped.proofEvaluator(registry, false, commerce, modelId, bindingHash, INPUT);
        commerce.create(JOB, address(evaluator), AgenticCommerceDouble.Status.Submitted);
    }

    function test_ProofCompletesJob() public {
        bytes memory proof = _proof(JOB, OUTPUT);
        vm.expectEmit(address(evaluator));
        emit ProofEvaluator.JobEvaluated(JOB, one(OUTPUT));
        vm.prank(stranger);
        evaluator.evaluate(JOB, one(OUTPUT), proof);
        (, AgenticCommerceDouble.Status status, bytes32 reason) = commerce.jobs(JOB);
        assertEq(uint8(status), uint8(AgenticCommerceDouble.Status.Completed));
        assertEq(reason, keccak256(abi.encode(OUTPUT)));
    }

    /// @dev Threat: junk proofs. The job stays as it is.
    function test_JunkProofDecidesNothing() public {
        bytes memory proof = _proof(JOB, OUTPUT);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        evaluator.evaluate(JOB, one(OUTPUT + 1), proof);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        evaluator.evaluate(JOB, one(OUTPUT), hex"00");
        (, AgenticCommerceDouble.Status status,) = commerce.jobs(JOB);
        assertEq(uint8(status), uint8(AgenticCommerceDouble.Status.Submitted));
        evaluator.evaluate(JOB, one(OUTPUT), proof);
    }

    /// @dev The model was admitted when the evaluator was deployed: also jobs that are created later complete.
    function test_DeprecationDoesNotStopEvaluator() public {
        vm.prank(seller);
        registry.deprecateModel(modelId);
        commerce.create(JOB + 1, address(evaluator), AgenticCommerceDouble.Status.Submitted);
        evaluator.evaluate(JOB + 1, one(OUTPUT), _proof(JOB + 1, OUTPUT));
        (, AgenticCommerceDouble.Status status,) = commerce.jobs(JOB + 1);
        assertEq(uint8(status), uint8(AgenticCommerceDouble.Status.Completed));
        vm.expectRevert(abi.encodeWithSelector(Errors.DeprecatedModel.selector, modelId));
        Shipped.proofEvaluator(registry, false, commerce, modelId, bindingHash, INPUT);
    }

    function test_RevertWhen_ProofIsOfOtherJobOrEvaluator() public {
        commerce.create(JOB + 1, address(evaluator), AgenticCommerceDouble.Status.Submitted);
        bytes memory proof = _proof(JOB, OUTPUT);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        evaluator.evaluate(JOB + 1, one(OUTPUT), proof);
        evaluator = Shipped.proofEvaluator(registry, false, commerce, modelId, bindingHash, INPUT);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        evaluator.evaluate(JOB, one(OUTPUT), proof);
    }

    function test_RevertWhen_JobDoesNotWaitForIt() public {
        commerce.create(JOB + 1, address(evaluator), AgenticCommerceDouble.Status.Funded);
        bytes memory proof = _proof(JOB + 1, OUTPUT);
        vm.expectRevert(AgenticCommerceDouble.WrongStatus.selector);
        evaluator.evaluate(JOB + 1, one(OUTPUT), proof);
        commerce.create(JOB + 2, stranger, AgenticCommerceDouble.Status.Submitted);
        proof = _proof(JOB + 2, OUTPUT);
        vm.expectRevert(AgenticCommerceDouble.Unauthorized.selector);
        evaluator.evaluate(JOB + 2, one(OUTPUT), proof);
    }

    function test_RevertWhen_OrderIsNonsense() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        Shipped.proofEvaluator(registry, false, IAgenticCommerce(stranger), modelId, bindingHash, INPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "inputCommitment"));
        Shipped.proofEvaluator(registry, false, commerce, modelId, bindingHash, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 1, R));
        Shipped.proofEvaluator(registry, false, commerce, modelId, bindingHash, R);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.BindingMismatch.selector, modelId, WEIGHTS, bindingHash)
        );
        Shipped.proofEvaluator(registry, false, commerce, modelId, WEIGHTS, INPUT);
    }

    /// @dev The order is for the class of a committed input, by a setup that nobody can forge proofs with.
    function test_RevertWhen_KeyIsNotForIt() public {
        (uint256 id, bytes32 hash) = bindModel(WEIGHTS, makeKey("audit", Keys.audit(2)), address(verifier));
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatement.selector, id, Keys.audit(2)));
        Shipped.proofEvaluator(registry, false, commerce, id, hash, INPUT);
        (id, hash) = bindModel(WEIGHTS, makeDevKey("own"), address(verifier));
        vm.expectRevert(abi.encodeWithSelector(Errors.DevSetupRefused.selector, id));
        Shipped.proofEvaluator(registry, false, commerce, id, hash, INPUT);
    }

    function _proof(uint256 jobId, uint256 output) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = evaluator.contextOf(jobId, address(0));
        publicInputs[1] = INPUT;
        publicInputs[2] = output;
        return mockProof(WEIGHTS, publicInputs);
    }
}

contract ModelMetadataTest is Fixture {
    function test_MetadataIsReadBack() public {
        vm.expectEmit();
        emit IZKMetadata.CircuitMetadataUpdated(CIRCUIT, 1 << 32, 0x00000003);
        ModelMetadata metadata = _deploy("schema", "ipfs://schema", "ipfs://key");
        assertEq(metadata.MODEL_ID(), modelId);
        assertEq(metadata.circuitId(), CIRCUIT);
        assertEq(metadata.circuitVersion(), 1 << 32);
        assertEq(metadata.publicInputsSchemaHash(), "schema");
        assertEq(metadata.publicInputsSchemaURI(), "ipfs://schema");
        assertEq(metadata.verificationKeyURI(), "ipfs://key");
        assertEq(metadata.proofSystem(), bytes4(0x00000003));
    }

    function test_RevertWhen_MetadataIsMissing() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "publicInputsSchemaHash"));
        _deploy(0, "ipfs://schema", "ipfs://key");
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "publicInputsSchemaURI"));
        _deploy("schema", "", "ipfs://key");
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "verificationKeyURI"));
        _deploy("schema", "ipfs://schema", "");
        modelId = 99;
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
        _deploy("schema", "ipfs://schema", "ipfs://key");
    }

    function _deploy(bytes32 schemaHash, string memory schema, string memory key)
        private
        returns (ModelMetadata)
    {
        return Shipped.modelMetadata(registry, modelId, 1 << 32, schemaHash, schema, key);
    }
}
