// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";

contract ModelRegistryTest is Fixture {
    IERCZKMLRegistry.ModelCommitment internal model;

    function setUp() public override {
        super.setUp();
        model = commitmentTo(keccak256("other weights"), vk);
    }

    function test_RegisterStoresCommitmentAndOwner() public {
        uint256 expected =
            uint256(keccak256(abi.encode(seller, model.modelHash, CIRCUIT, vk.codehash, PROOF_SYSTEM)));
        vm.expectEmit(address(registry));
        emit IERCZKMLRegistry.ModelRegistered(expected, seller, model);
        vm.prank(seller);
        uint256 id = registry.registerModel(model);

        assertEq(id, expected);
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

    /// @dev Threat: a thief sees the registration and registers a copy first, or a reorganization puts its copy
    /// first. The owner's id is the owner's all the same, and whoever ordered by it gets the owner's model.
    function test_CopyRegisteredFirstTakesNobodysId() public {
        uint256 expected = registry.modelIdOf(seller, model.modelHash, CIRCUIT, vk.codehash, PROOF_SYSTEM);
        vm.startPrank(stranger);
        (uint256 copy,) = registry.registerBoundModel(model, vk, address(verifier));
        registry.deprecateModel(copy);
        vm.stopPrank();
        assertNotEq(copy, expected);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, expected));
        registry.getModel(expected);

        vm.prank(seller);
        (uint256 id, bytes32 hash) = registry.registerBoundModel(model, vk, address(verifier));
        assertEq(id, expected);
        (, bool deprecated, address owner) = registry.getModel(id);
        assertEq(owner, seller);
        assertFalse(deprecated);
        assertNotEq(
            hash,
            registry.bindingHashOf(
                stranger,
                model.modelHash,
                CIRCUIT,
                vk.codehash,
                PROOF_SYSTEM,
                vk,
                address(verifier),
                address(verifier).codehash
            )
        );
        // Nor can anybody act on the other's.
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.NotModelOwner.selector, id, stranger));
        registry.deprecateModel(id);
    }

    /// @dev Whatever the URI says: it is not part of the id.
    function test_RevertWhen_OwnerRegistersAgain() public {
        uint256 id = registry.registerModel(model);
        bytes memory refusal = abi.encodeWithSelector(Errors.AlreadyRegistered.selector, id);
        vm.expectRevert(refusal);
        registry.registerModel(model);
        model.uri = "ipfs://elsewhere";
        vm.expectRevert(refusal);
        registry.registerModel(model);
        vm.expectRevert(refusal);
        registry.registerBoundModel(model, vk, address(verifier));
        registry.deprecateModel(id);
        vm.expectRevert(refusal);
        registry.registerModel(model);
    }

    /// @dev Everything that is fixed at registration, and nothing else.
    function test_IdCoversWhatIsFixed() public {
        uint256 id = registry.registerModel(model);
        bytes32 fixed_ = model.modelHash;
        model.modelHash = "other";
        assertNotEq(registry.registerModel(model), id);
        (model.modelHash, model.circuitHash) = (fixed_, "other");
        assertNotEq(registry.registerModel(model), id);
        (model.circuitHash, model.vkHash) = (CIRCUIT, "other");
        assertNotEq(registry.registerModel(model), id);
        (model.vkHash, model.proofSystemId) = (vk.codehash, "ther");
        assertNotEq(registry.registerModel(model), id);
        model.proofSystemId = PROOF_SYSTEM;
        vm.chainId(block.chainid + 1);
        vm.prank(stranger);
        uint256 other = registry.registerModel(model);
        assertNotEq(other, id);
        assertEq(
            registry.modelIdOf(stranger, fixed_, CIRCUIT, vk.codehash, PROOF_SYSTEM),
            other,
            "chain is covered"
        );
    }

    function testFuzz_IdIsTheHashOfItsParts(address owner, bytes32[3] calldata hashes, bytes4 system)
        public
        view
    {
        assertEq(
            registry.modelIdOf(owner, hashes[0], hashes[1], hashes[2], system),
            uint256(keccak256(abi.encode(owner, hashes[0], hashes[1], hashes[2], system)))
        );
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
        vm.prank(stranger);
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
                address(this),
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
            id,
            vk,
            address(verifier),
            address(verifier).codehash,
            false,
            Keys.setupId(CEREMONY),
            Statement.wrap(Keys.PREDICTION),
            expected
        );
        assertEq(registry.bindVerifier(id, vk, address(verifier)), expected);

        IModelRegistry.ModelBinding memory binding = registry.bindingOf(id);
        assertEq(binding.modelHash, model.modelHash);
        assertEq(binding.vkHash, vk.codehash);
        assertEq(binding.verifierCodeHash, address(verifier).codehash);
        assertEq(binding.vk, vk);
        assertEq(binding.verifier, address(verifier));
        assertFalse(binding.devSetup);
        assertEq(binding.setupId, Keys.setupId(CEREMONY));
        assertEq(Statement.unwrap(binding.statement), Keys.PREDICTION);
        assertEq(binding.owner, address(this));
        (bytes32 admitted, bool devSetup, bool deprecated, Statement stated) = registry.admissionOf(id);
        assertEq(admitted, expected);
        assertFalse(devSetup);
        assertFalse(deprecated);
        assertEq(Statement.unwrap(stated), Keys.PREDICTION);
    }

    /// @dev The short answers are parts of the long one.
    function test_VerificationIsPartOfTheBinding() public view {
        IModelRegistry.ModelBinding memory binding = registry.bindingOf(modelId);
        (bytes32 modelHash, bytes32 vkHash, bytes32 codeHash, address key, address checker) =
            registry.verificationOf(modelId);
        assertEq(modelHash, binding.modelHash);
        assertEq(vkHash, binding.vkHash);
        assertEq(codeHash, binding.verifierCodeHash);
        assertEq(key, binding.vk);
        assertEq(checker, binding.verifier);
        (bytes32 shortVkHash, bytes32 shortCodeHash) = registry.codeHashesOf(modelId);
        assertEq(shortVkHash, binding.vkHash);
        assertEq(shortCodeHash, binding.verifierCodeHash);
        bytes32 checkHash;
        (checkHash, key, checker) = registry.proofCheckOf(modelId);
        assertEq(
            checkHash, keccak256(abi.encode(binding.modelHash, binding.vkHash, binding.verifierCodeHash))
        );
        assertEq(key, binding.vk);
        assertEq(checker, binding.verifier);
    }

    function test_RegisterBoundModelDoesBoth() public view {
        (IERCZKMLRegistry.ModelCommitment memory stored,, address owner) = registry.getModel(modelId);
        assertEq(stored.modelHash, WEIGHTS);
        assertEq(owner, seller);
        assertEq(
            bindingHash,
            registry.bindingHashOf(
                seller,
                WEIGHTS,
                CIRCUIT,
                vk.codehash,
                PROOF_SYSTEM,
                vk,
                address(verifier),
                address(verifier).codehash
            )
        );
        (bytes32 admitted,,,) = registry.admissionOf(modelId);
        assertEq(admitted, bindingHash);
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
        address other = makeKey("other key");
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

    function test_RevertWhen_ReadingUnboundModel() public {
        uint256 id = registry.registerModel(model);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBound.selector, id));
        registry.bindingOf(id);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBound.selector, id));
        registry.verificationOf(id);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBound.selector, id));
        registry.proofCheckOf(id);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBound.selector, id));
        registry.codeHashesOf(id);
        (bytes32 admitted,,, Statement stated) = registry.admissionOf(id);
        assertEq(admitted, bytes32(0));
        assertEq(Statement.unwrap(stated), bytes32(0));
    }

    function test_SameWeightsInTwoCircuits() public {
        (uint256 other,) = bindModel(WEIGHTS, makeKey("audit key", Keys.audit(2)), address(verifier));
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
        assertNotEq(id, modelId);
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
        address otherKey = makeKey("other key");
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
        (bytes32 admitted,,,) = registry.admissionOf(modelId);
        assertEq(admitted, bindingHash);
    }

    function _expectImmutable(uint256 id) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.CommitmentImmutable.selector, id));
        registry.updateModel(id, model);
    }
}
