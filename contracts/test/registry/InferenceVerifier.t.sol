// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IERCZKMLStorageExtension} from "../../src/interfaces/IERCZKMLStorageExtension.sol";
import {IERCZKMLVerifier} from "../../src/interfaces/IERCZKMLVerifier.sol";
import {IInferenceVerifier} from "../../src/interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {
    MockVerifier,
    MuteVerifier,
    ShortVerifier,
    SilentVerifier,
    StarvableVerifier
} from "../doubles/VerifierDoubles.sol";
import {Fixture} from "../shared/Fixture.sol";
import {GasSweep} from "../shared/GasSweep.sol";
import {Keys} from "../shared/Keys.sol";
import {Shipped} from "../shared/Shipped.sol";

contract InferenceVerifierTest is Fixture, GasSweep {
    InferenceVerifier internal inference;
    address internal dapp = makeAddr("dapp");

    function setUp() public override {
        super.setUp();
        inference = Shipped.inferenceVerifier(registry, false);
    }

    function test_ValidProofIsAnEvent() public {
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        vm.expectEmit(address(inference));
        emit IERCZKMLVerifier.InferenceVerified(modelId, bytes32(INPUT), abi.encode(OUTPUT), dapp);
        vm.prank(dapp);
        inference.verifyInference(modelId, bytes32(INPUT), abi.encode(OUTPUT), proof);
    }

    function test_CheckIsForTheNamedCaller() public {
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        vm.prank(stranger);
        inference.checkInference(modelId, bytes32(INPUT), abi.encode(OUTPUT), proof, dapp);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        inference.checkInference(modelId, bytes32(INPUT), abi.encode(OUTPUT), proof, stranger);
    }

    function test_StoredInferenceIsReadBack() public {
        bytes memory output = abi.encode(OUTPUT);
        bytes32 expected =
            keccak256(abi.encode(block.chainid, address(inference), modelId, bytes32(INPUT), output));
        assertEq(inference.inferenceIdOf(modelId, bytes32(INPUT), output), expected);
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        vm.expectEmit(address(inference));
        emit IERCZKMLVerifier.InferenceVerified(modelId, bytes32(INPUT), output, dapp);
        vm.expectEmit(address(inference));
        emit IERCZKMLStorageExtension.InferenceStored(expected);
        vm.prank(dapp);
        bytes32 id = inference.verifyAndStoreInference(modelId, bytes32(INPUT), output, proof);

        assertEq(id, expected);
        (uint256 storedModel, bytes32 storedInput, bytes memory storedOutput) = inference.getInference(id);
        assertEq(storedModel, modelId);
        assertEq(storedInput, bytes32(INPUT));
        assertEq(storedOutput, output);
    }

    function test_StoringAgainChangesNothing() public {
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        vm.prank(dapp);
        bytes32 id = inference.verifyAndStoreInference(modelId, bytes32(INPUT), abi.encode(OUTPUT), proof);
        proof = _proof(stranger, INPUT, OUTPUT);
        vm.prank(stranger);
        vm.recordLogs();
        assertEq(inference.verifyAndStoreInference(modelId, bytes32(INPUT), abi.encode(OUTPUT), proof), id);
        assertEq(vm.getRecordedLogs().length, 1, "stored twice");
        vm.prank(stranger);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        inference.verifyAndStoreInference(modelId, bytes32(INPUT), abi.encode(OUTPUT), hex"00");
    }

    function test_InferenceIdIsOfChainAndContract() public {
        bytes memory output = abi.encode(OUTPUT);
        bytes32 id = inference.inferenceIdOf(modelId, bytes32(INPUT), output);
        InferenceVerifier other = Shipped.inferenceVerifier(registry, false);
        assertNotEq(other.inferenceIdOf(modelId, bytes32(INPUT), output), id);
        assertNotEq(inference.inferenceIdOf(modelId + 1, bytes32(INPUT), output), id);
        assertNotEq(inference.inferenceIdOf(modelId, bytes32(INPUT + 1), output), id);
        assertNotEq(inference.inferenceIdOf(modelId, bytes32(INPUT), abi.encode(OUTPUT + 1)), id);
        vm.chainId(block.chainid + 1);
        assertNotEq(inference.inferenceIdOf(modelId, bytes32(INPUT), output), id);
    }

    function test_RevertWhen_InferenceIsUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InferenceNotFound.selector, bytes32(INPUT)));
        inference.getInference(bytes32(INPUT));
    }

    function test_Settings() public {
        assertEq(inference.registry(), address(registry));
        assertEq(inference.proofSystemOf(modelId), PROOF_SYSTEM);
        assertEq(inference.PROOF_SYSTEM_ID(), bytes4(keccak256("halo2-kzg-bn254-v1")));
        assertFalse(inference.allowDevSetup());
        assertTrue(Shipped.inferenceVerifier(registry, true).allowDevSetup());
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        Shipped.inferenceVerifier(IModelRegistry(stranger), false);
    }

    function test_Erc165Ids() public view {
        assertTrue(inference.supportsInterface(0x5df65472));
        assertTrue(inference.supportsInterface(0x80b171ef));
        assertTrue(inference.supportsInterface(0x29c6ba89));
        assertTrue(inference.supportsInterface(type(IInferenceVerifier).interfaceId));
        assertTrue(inference.supportsInterface(type(IERC165).interfaceId));
        assertFalse(inference.supportsInterface(0xffffffff));
    }

    function test_ContextIsTheSpecifiedHash() public view {
        uint256 expected = uint256(keccak256(abi.encode(block.chainid, address(inference), modelId, dapp)));
        assertEq(inference.contextOf(modelId, dapp), expected >> 8);
    }

    /// @dev Threat: a proof copied from the mempool.
    function test_RevertWhen_ProofIsOfOtherCaller() public {
        _expectRevert(
            _proof(stranger, INPUT, OUTPUT), abi.encodeWithSelector(MockVerifier.ProofRejected.selector)
        );
    }

    /// @dev Threat: replay under another id of the same weights, at another contract, on another chain.
    function test_RevertWhen_ProofIsOfOtherContext() public {
        bytes memory invalid = abi.encodeWithSelector(MockVerifier.ProofRejected.selector);
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        uint256 first = modelId;
        (modelId,) = bindTo(address(verifier));
        _expectRevert(proof, invalid);
        modelId = first;
        InferenceVerifier original = inference;
        inference = Shipped.inferenceVerifier(registry, false);
        _expectRevert(proof, invalid);
        inference = original;
        vm.chainId(block.chainid + 1);
        _expectRevert(proof, invalid);
    }

    function test_RevertWhen_ProofIsAboutOtherInputOrOutput() public {
        bytes memory invalid = abi.encodeWithSelector(MockVerifier.ProofRejected.selector);
        _expectRevert(_proof(dapp, INPUT + 1, OUTPUT), invalid);
        _expectRevert(_proof(dapp, INPUT, OUTPUT + 1), invalid);
    }

    function test_InputCommitmentRange() public {
        uint256[3] memory refused = [0, R, type(uint256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            bytes memory proof = _proof(dapp, refused[i], OUTPUT);
            vm.prank(dapp);
            vm.expectRevert(IERCZKMLVerifier.InputCommitmentMismatch.selector);
            inference.verifyInference(modelId, bytes32(refused[i]), abi.encode(OUTPUT), proof);
        }
        bytes memory last = _proof(dapp, R - 1, OUTPUT);
        vm.prank(dapp);
        inference.verifyInference(modelId, bytes32(R - 1), abi.encode(OUTPUT), last);
    }

    function test_OutputRange() public {
        uint256[2] memory refused = [R, type(uint256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            bytes memory proof = _proof(dapp, INPUT, refused[i]);
            vm.prank(dapp);
            vm.expectRevert(IERCZKMLVerifier.OutputMismatch.selector);
            inference.verifyInference(modelId, bytes32(INPUT), abi.encode(refused[i]), proof);
        }
        bytes memory last = _proof(dapp, INPUT, R - 1);
        vm.prank(dapp);
        inference.verifyInference(modelId, bytes32(INPUT), abi.encode(R - 1), last);
    }

    /// @dev Threat: two encodings of one output, hence two ids.
    function test_RevertWhen_OutputIsNotOneWord() public {
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        bytes[3] memory refused = [bytes(""), hex"07", abi.encode(OUTPUT, 0)];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.prank(dapp);
            vm.expectRevert(IERCZKMLVerifier.OutputMismatch.selector);
            inference.verifyInference(modelId, bytes32(INPUT), refused[i], proof);
        }
    }

    function test_RevertWhen_ProofShowsOtherWeights() public {
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        bytes32 other = keccak256("cheap model");
        assembly ("memory-safe") {
            mstore(add(proof, 32), other)
        }
        _expectRevert(proof, abi.encodeWithSelector(IERCZKMLVerifier.ModelMismatch.selector));
    }

    /// @dev Threat: verifier or key swapped after the model was bound.
    function test_RevertWhen_CodeChanged() public {
        bytes memory mismatch = abi.encodeWithSelector(IERCZKMLVerifier.ModelMismatch.selector);
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        bytes memory code = address(verifier).code;
        vm.etch(address(verifier), abi.encodePacked(code, hex"00"));
        _expectRevert(proof, mismatch);
        vm.etch(address(verifier), code);
        vm.etch(vk, abi.encodePacked(vk.code, hex"00"));
        _expectRevert(_proof(dapp, INPUT, OUTPUT), mismatch);
    }

    /// @dev Nothing of this says that the proof is bad.
    function test_RevertWhen_VerifierGivesNoReason() public {
        address[3] memory odd =
            [address(new SilentVerifier()), address(new ShortVerifier()), address(new MuteVerifier())];
        for (uint256 i = 0; i < odd.length; ++i) {
            (modelId,) = bindModelAs(makeAddr(vm.toString(i)), WEIGHTS, vk, odd[i]);
            _expectRevert(
                _proof(dapp, INPUT, OUTPUT),
                abi.encodeWithSelector(IInferenceVerifier.VerifierFailed.selector, odd[i])
            );
        }
    }

    /// @dev Threat: a caller gives so little gas that the verifier itself takes a good proof for a bad one. In small
    /// steps: nothing ever says that the proof is bad.
    function test_GoodProofIsNeverCalledBad() public {
        (modelId,) = bindTo(address(new StarvableVerifier()));
        bytes memory call = abi.encodeCall(
            inference.checkInference,
            (modelId, bytes32(INPUT), abi.encode(OUTPUT), _proof(dapp, INPUT, OUTPUT), dapp)
        );
        assertNeverCalledBad(address(inference), call, 5_000, 400_000, 250);
    }

    /// @dev With gas to spare the verifier's reason is passed on, so that callers can tell what was wrong.
    function test_RevertWhen_VerifierRefusesWithGasToSpare() public {
        (modelId,) = bindTo(address(new StarvableVerifier()));
        _expectRevert(
            _proof(dapp, INPUT, OUTPUT + 1), abi.encodeWithSelector(MockVerifier.ProofRejected.selector)
        );
    }

    /// @dev Threat: a proof of something else with as many public inputs, e.g. of a public input.
    function test_RevertWhen_KeyIsNotForOneInput() public {
        bytes32[] memory others = Keys.notOfOneInput();
        for (uint256 i = 0; i < others.length; ++i) {
            vk = makeKey(vm.toString(i), others[i]);
            (modelId,) = bindModel(WEIGHTS, vk, address(verifier));
            _expectRevert(
                _proof(dapp, INPUT, OUTPUT),
                abi.encodeWithSelector(Errors.WrongStatement.selector, modelId, others[i])
            );
        }
    }

    function test_RevertWhen_ModelIsDeprecated() public {
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _expectRevert(
            _proof(dapp, INPUT, OUTPUT),
            abi.encodeWithSelector(IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, modelId)
        );
    }

    function test_RevertWhen_ModelIsUnknownOrUnbound() public {
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        modelId = registry.registerModel(commitmentTo(WEIGHTS, vk));
        _expectRevert(proof, abi.encodeWithSelector(Errors.NotBound.selector, modelId));
        modelId = 99;
        _expectRevert(proof, abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
    }

    function test_RevertWhen_ProofSystemIsAnother() public {
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentTo(WEIGHTS, vk);
        commitment.proofSystemId = 0x00000003;
        (modelId,) = registry.registerBoundModel(commitment, vk, address(verifier));
        _expectRevert(
            _proof(dapp, INPUT, OUTPUT),
            abi.encodeWithSelector(IERCZKMLVerifier.UnsupportedProofSystem.selector, bytes4(0x00000003))
        );
    }

    function test_DevSetupNeedsPermission() public {
        vk = makeDevKey("dev key");
        (modelId,) = bindModel(WEIGHTS, vk, address(verifier));
        _expectRevert(
            _proof(dapp, INPUT, OUTPUT), abi.encodeWithSelector(Errors.DevSetupRefused.selector, modelId)
        );
        inference = Shipped.inferenceVerifier(registry, true);
        bytes memory proof = _proof(dapp, INPUT, OUTPUT);
        vm.prank(dapp);
        inference.verifyInference(modelId, bytes32(INPUT), abi.encode(OUTPUT), proof);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof, uint256 input, uint256 class) public {
        input = bound(input, 1, R - 1);
        class = bound(class, 0, R - 1);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        inference.verifyInference(modelId, bytes32(input), abi.encode(class), proof);
    }

    function _proof(address caller, uint256 input, uint256 class) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = inference.contextOf(modelId, caller);
        publicInputs[1] = input;
        publicInputs[2] = class;
        return mockProof(WEIGHTS, publicInputs);
    }

    /// @dev All three ways to ask give the same answer.
    function _expectRevert(bytes memory proof, bytes memory reason) private {
        bytes memory output = abi.encode(OUTPUT);
        vm.prank(dapp);
        vm.expectRevert(reason);
        inference.verifyInference(modelId, bytes32(INPUT), output, proof);
        vm.prank(dapp);
        vm.expectRevert(reason);
        inference.verifyAndStoreInference(modelId, bytes32(INPUT), output, proof);
        vm.expectRevert(reason);
        inference.checkInference(modelId, bytes32(INPUT), output, proof, dapp);
    }
}
