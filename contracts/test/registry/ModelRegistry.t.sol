// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Fixture} from "../shared/Fixture.sol";

contract ModelRegistryTest is Fixture {
    IERCZKMLRegistry.ModelCommitment internal model;

    function setUp() public override {
        super.setUp();
        model = commitmentTo(keccak256("other weights"), vk);
    }

    function test_RegisterStoresCommitmentAndOwner() public {
        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelRegistered(2, seller, model);
        vm.prank(seller);
        uint256 id = registry.registerModel(model);

        assertEq(id, 2);
        assertEq(registry.modelCount(), 2);
        (IERCZKMLRegistry.ModelCommitment memory stored, bool deprecated, address owner) =
            registry.getModel(id);
        assertEq(abi.encode(stored), abi.encode(model));
        assertFalse(deprecated);
        assertEq(owner, seller);
    }

    function test_ProofSystemIsReadBack() public {
        assertEq(registry.proofSystemOf(modelId), PROOF_SYSTEM);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
        registry.proofSystemOf(99);
    }

    function test_IdsStartAtOne() public view {
        assertEq(modelId, 1);
    }

    function test_SameModelMayBeRegisteredByAnyone() public {
        uint256 first = registry.registerModel(model);
        vm.prank(stranger);
        uint256 second = registry.registerModel(model);
        assertEq(second, first + 1);
        (,, address owner) = registry.getModel(first);
        assertEq(owner, address(this));
    }

    function test_RevertWhen_RegisterZeroModelHash() public {
        model.modelHash = 0;
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "modelHash"));
        registry.registerModel(model);
    }

    function test_RevertWhen_RegisterZeroCircuitHash() public {
        model.circuitHash = 0;
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "circuitHash"));
        registry.registerModel(model);
    }

    function test_RevertWhen_RegisterZeroVkHash() public {
        model.vkHash = 0;
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "vkHash"));
        registry.registerModel(model);
    }

    function test_RevertWhen_RegisterZeroProofSystem() public {
        model.proofSystemId = 0;
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "proofSystemId"));
        registry.registerModel(model);
    }

    function test_UriLengthBound() public {
        model.uri = string(new bytes(1024));
        uint256 id = registry.registerModel(model);

        model.uri = string(new bytes(1025));
        vm.expectRevert(abi.encodeWithSelector(Errors.UriTooLong.selector, 1025, 1024));
        registry.registerModel(model);
        vm.expectRevert(abi.encodeWithSelector(Errors.UriTooLong.selector, 1025, 1024));
        registry.updateModel(id, model);
    }

    function test_UpdateChangesUriOnly() public {
        uint256 id = registry.registerModel(model);
        IERCZKMLRegistry.ModelCommitment memory updated = model;
        updated.uri = "ipfs://elsewhere";

        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelUpdated(id, model, updated);
        registry.updateModel(id, updated);

        (IERCZKMLRegistry.ModelCommitment memory stored,,) = registry.getModel(id);
        assertEq(abi.encode(stored), abi.encode(updated));
    }

    function test_RevertWhen_UpdateChangesModelHash() public {
        uint256 id = registry.registerModel(model);
        model.modelHash = keccak256("swapped");
        _expectImmutable(id);
    }

    function test_RevertWhen_UpdateChangesCircuitHash() public {
        uint256 id = registry.registerModel(model);
        model.circuitHash = keccak256("swapped");
        _expectImmutable(id);
    }

    function test_RevertWhen_UpdateChangesVkHash() public {
        uint256 id = registry.registerModel(model);
        model.vkHash = keccak256("swapped");
        _expectImmutable(id);
    }

    function test_RevertWhen_UpdateChangesProofSystem() public {
        uint256 id = registry.registerModel(model);
        model.proofSystemId = 0x00000003;
        _expectImmutable(id);
    }

    function test_RevertWhen_UpdateByStranger() public {
        vm.expectRevert(
            abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, modelId, address(this))
        );
        registry.updateModel(modelId, model);
    }

    function test_DeprecateIsFinal() public {
        uint256 id = registry.registerModel(model);
        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelDeprecated(id);
        registry.deprecateModel(id);

        (, bool deprecated,) = registry.getModel(id);
        assertTrue(deprecated);
        bytes memory refusal = abi.encodeWithSelector(Errors.DeprecatedModel.selector, id);
        vm.expectRevert(refusal);
        registry.deprecateModel(id);
        vm.expectRevert(refusal);
        registry.updateModel(id, model);
        vm.expectRevert(refusal);
        registry.bindVerifier(id, vk, address(verifier));
    }

    function test_RevertWhen_DeprecateByStranger() public {
        vm.expectRevert(
            abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, modelId, address(this))
        );
        registry.deprecateModel(modelId);
    }

    function test_RevertWhen_ModelUnknown() public {
        bytes memory refusal = abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 9);
        vm.expectRevert(refusal);
        registry.getModel(9);
        vm.expectRevert(refusal);
        registry.updateModel(9, model);
        vm.expectRevert(refusal);
        registry.deprecateModel(9);
        vm.expectRevert(refusal);
        registry.bindVerifier(9, vk, address(verifier));
        vm.expectRevert(refusal);
        registry.bindingOf(9);
        vm.expectRevert(refusal);
        registry.admissionOf(9);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 0));
        registry.getModel(0);
    }

    function test_BindRecordsContracts() public {
        uint256 id = registry.registerModel(model);
        bytes32 expected = keccak256(
            abi.encode(
                model.modelHash,
                CIRCUIT,
                vk.codehash,
                PROOF_SYSTEM,
                vk,
                address(verifier),
                address(verifier).codehash
            )
        );
        vm.expectEmit(address(registry));
        emit IModelRegistry.VerifierBound(
            id, vk, address(verifier), address(verifier).codehash, false, expected
        );
        assertEq(registry.bindVerifier(id, vk, address(verifier)), expected);

        IModelRegistry.ModelBinding memory binding = registry.bindingOf(id);
        assertEq(binding.modelHash, model.modelHash);
        assertEq(binding.vkHash, vk.codehash);
        assertEq(binding.verifierCodeHash, address(verifier).codehash);
        assertEq(binding.vk, vk);
        assertEq(binding.verifier, address(verifier));
        assertFalse(binding.devSetup);
        (bytes32 admitted, bool devSetup, bool deprecated) = registry.admissionOf(id);
        assertEq(admitted, expected);
        assertFalse(devSetup);
        assertFalse(deprecated);
    }

    function test_RegisterBoundModelDoesBoth() public view {
        (IERCZKMLRegistry.ModelCommitment memory stored,, address owner) = registry.getModel(modelId);
        assertEq(stored.modelHash, WEIGHTS);
        assertEq(owner, seller);
        assertEq(
            bindingHash,
            registry.bindingHashOf(
                WEIGHTS, CIRCUIT, vk.codehash, PROOF_SYSTEM, vk, address(verifier), address(verifier).codehash
            )
        );
        (bytes32 admitted,,) = registry.admissionOf(modelId);
        assertEq(admitted, bindingHash);
    }

    function test_BindMarksDevSetup() public {
        address devKey = makeKey("dev key", 0x01);
        (uint256 id,) = bindModel(WEIGHTS, devKey, address(verifier));
        assertTrue(registry.bindingOf(id).devSetup);
        (, bool devSetup,) = registry.admissionOf(id);
        assertTrue(devSetup);
    }

    function test_RevertWhen_BindTwice() public {
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyBound.selector, modelId));
        registry.bindVerifier(modelId, vk, address(verifier));
    }

    function test_RevertWhen_BindByStranger() public {
        uint256 id = registry.registerModel(model);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, id, stranger));
        registry.bindVerifier(id, vk, address(verifier));
    }

    function test_RevertWhen_BindKeyOfOtherHash() public {
        uint256 id = registry.registerModel(model);
        address other = makeKey("other key", 0x00);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.CodeHashMismatch.selector, other, vk.codehash, other.codehash)
        );
        registry.bindVerifier(id, other, address(verifier));
    }

    function test_RevertWhen_BindVerifierWithoutCode() public {
        uint256 id = registry.registerModel(model);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        registry.bindVerifier(id, vk, stranger);
    }

    function test_RevertWhen_KeyIsOnlyAHeader() public {
        _expectMalformed(hex"0000");
    }

    function test_RevertWhen_KeyHasNoCode() public {
        _expectMalformed("");
    }

    function test_RevertWhen_KeyDoesNotStartWithStop() public {
        _expectMalformed(hex"5f000102030405");
    }

    function test_RevertWhen_KeyFlagsUnknown() public {
        address odd = makeAddr("odd");
        vm.etch(odd, hex"00030405");
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentTo(WEIGHTS, odd);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownKeyFlags.selector, odd, 3));
        registry.registerBoundModel(commitment, odd, address(verifier));
    }

    function test_ShortestKeyIsAHeaderAndOneByte() public {
        address small = makeAddr("small");
        vm.etch(small, hex"000055");
        (uint256 id,) = bindModel(WEIGHTS, small, address(verifier));
        assertFalse(registry.bindingOf(id).devSetup);
    }

    function test_RevertWhen_ReadingUnboundModel() public {
        uint256 id = registry.registerModel(model);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBound.selector, id));
        registry.bindingOf(id);
        (bytes32 admitted,,) = registry.admissionOf(id);
        assertEq(admitted, bytes32(0));
    }

    function test_SameWeightsInTwoCircuits() public {
        (uint256 other,) = bindModel(WEIGHTS, makeKey("audit key", 0x00), address(verifier));
        assertTrue(registry.sameWeights(modelId, other));
        assertTrue(registry.sameWeights(other, modelId));
        assertTrue(registry.sameWeights(modelId, modelId));
        // What a commitment says does not depend on its owner's plans.
        vm.prank(seller);
        registry.deprecateModel(other);
        assertTrue(registry.sameWeights(modelId, other));
    }

    function test_OtherWeightsAreNotTheSame() public {
        (uint256 other,) = bindModel(keccak256("other weights"), vk, address(verifier));
        assertFalse(registry.sameWeights(modelId, other));
        assertFalse(registry.sameWeights(other, modelId));
    }

    function test_UnboundModelHasNotTheSameWeights() public {
        uint256 id = registry.registerModel(commitmentTo(WEIGHTS, vk));
        assertFalse(registry.sameWeights(modelId, id));
        assertFalse(registry.sameWeights(id, modelId));
        assertFalse(registry.sameWeights(id, id));
        registry.bindVerifier(id, vk, address(verifier));
        assertTrue(registry.sameWeights(modelId, id));
    }

    /// @dev Unknown models share the hash zero, which is no commitment.
    function test_UnknownModelHasNotTheSameWeights() public view {
        assertFalse(registry.sameWeights(modelId, 9));
        assertFalse(registry.sameWeights(9, modelId));
        assertFalse(registry.sameWeights(8, 9));
        assertFalse(registry.sameWeights(0, 0));
    }

    function test_Erc165Ids() public view {
        assertEq(type(IERCZKMLRegistry).interfaceId, bytes4(0xd28519b1));
        assertTrue(registry.supportsInterface(0xd28519b1));
        assertTrue(registry.supportsInterface(type(IModelRegistry).interfaceId));
        assertTrue(registry.supportsInterface(type(IERC165).interfaceId));
        assertFalse(registry.supportsInterface(0xffffffff));
    }

    function test_ProofSystemIdOfThisProject() public pure {
        assertEq(PROOF_SYSTEM, bytes4(keccak256("halo2-kzg-bn254-v1")));
    }

    /// @dev Whatever the owner does after binding, the binding stays what buyers relied on.
    function testFuzz_OwnerCannotChangeBinding(uint8 action, bytes32 word, string calldata uri) public {
        vm.assume(bytes(uri).length <= 1024);
        bytes memory before = abi.encode(registry.bindingOf(modelId));
        IERCZKMLRegistry.ModelCommitment memory changed = commitmentTo(WEIGHTS, vk);
        changed.uri = uri;
        address otherKey = makeKey("other key", 0x00);
        vm.startPrank(seller);
        if (action % 4 == 0) {
            registry.updateModel(modelId, changed);
        } else if (action % 4 == 1) {
            changed.modelHash = word;
            vm.assume(word != WEIGHTS);
            vm.expectRevert(abi.encodeWithSelector(Errors.CommitmentImmutable.selector, modelId));
            registry.updateModel(modelId, changed);
        } else if (action % 4 == 2) {
            vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyBound.selector, modelId));
            registry.bindVerifier(modelId, otherKey, address(verifier));
        } else {
            registry.deprecateModel(modelId);
        }
        vm.stopPrank();
        assertEq(abi.encode(registry.bindingOf(modelId)), before);
        (bytes32 admitted,,) = registry.admissionOf(modelId);
        assertEq(admitted, bindingHash);
    }

    function _expectImmutable(uint256 id) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.CommitmentImmutable.selector, id));
        registry.updateModel(id, model);
    }

    function _expectMalformed(bytes memory code) private {
        address odd = makeAddr("odd");
        vm.etch(odd, code);
        // An account that exists without code has the hash of the empty string, not zero.
        vm.deal(odd, 1);
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentTo(WEIGHTS, odd);
        vm.expectRevert(abi.encodeWithSelector(Errors.MalformedVerifyingKey.selector, odd));
        registry.registerBoundModel(commitment, odd, address(verifier));
    }
}
