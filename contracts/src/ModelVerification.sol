// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IModelVerification} from "./interfaces/IModelVerification.sol";
import {Errors} from "./libraries/Errors.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";

/// @title Admission of models and checking of their proofs, shared by the escrows
/// @notice A job stores its model's id. That pins weights, verifying key and verifier, because the registry
/// (fixed here at deployment, without owner or upgrade) never changes what a bound id means, and because
/// the code of key and verifier is compared with the recorded hashes again whenever a proof is checked.
abstract contract ModelVerification is IModelVerification {
    IModelRegistry private immutable REGISTRY;
    bool private immutable ALLOW_DEV_SETUP;

    /// @param registry_ Registry whose models are admitted.
    /// @param allowDevSetup_ Whether to admit keys of locally made trusted setups; false wherever the money
    /// is real, because whoever made such a setup can forge proofs.
    constructor(IModelRegistry registry_, bool allowDevSetup_) {
        if (address(registry_).code.length == 0) revert Errors.NoCode(address(registry_));
        REGISTRY = registry_;
        ALLOW_DEV_SETUP = allowDevSetup_;
    }

    /// @inheritdoc IModelVerification
    function registry() external view returns (address) {
        return address(REGISTRY);
    }

    /// @inheritdoc IModelVerification
    function allowDevSetup() external view returns (bool) {
        return ALLOW_DEV_SETUP;
    }

    /// @inheritdoc IModelVerification
    function contextOf(uint256 jobId, address recipient) external view returns (uint256 context) {
        return ProofContext.bind(jobId, recipient);
    }

    /// @dev Reverts unless new business may rely on the model and it is bound as the caller expects.
    function _admitModel(uint256 modelId, bytes32 expectedBinding) internal view {
        (bytes32 bindingHash, bool devSetup, bool deprecated) = REGISTRY.admissionOf(modelId);
        if (bindingHash == 0) revert Errors.NotBound(modelId);
        if (bindingHash != expectedBinding) {
            revert Errors.BindingMismatch(modelId, expectedBinding, bindingHash);
        }
        if (deprecated) revert Errors.DeprecatedModel(modelId);
        if (devSetup && !ALLOW_DEV_SETUP) revert Errors.DevSetupRefused(modelId);
    }

    /// @dev Reverts if a model that was admitted before has been deprecated since; its binding is the same.
    function _requireCurrent(uint256 modelId) internal view {
        (,, bool deprecated) = REGISTRY.admissionOf(modelId);
        if (deprecated) revert Errors.DeprecatedModel(modelId);
    }

    /// @dev What admits or refuses a model by its contracts: the code hashes of its verifying key and verifier.
    function _codeHashesOf(uint256 modelId) internal view returns (bytes32 vkHash, bytes32 verifierCodeHash) {
        IModelRegistry.ModelBinding memory binding = REGISTRY.bindingOf(modelId);
        return (binding.vkHash, binding.verifierCodeHash);
    }

    /// @dev Reverts unless `proof` is valid for the public inputs and shows the model's weights.
    function _requireProof(uint256 modelId, uint256[] memory publicInputs, bytes calldata proof)
        internal
        view
    {
        for (uint256 i = 0; i < publicInputs.length; ++i) {
            PublicInputs.requireCanonical(i, publicInputs[i]);
        }
        IModelRegistry.ModelBinding memory binding = REGISTRY.bindingOf(modelId);
        _requireCode(binding.vk, binding.vkHash);
        _requireCode(binding.verifier, binding.verifierCodeHash);
        bytes32 weightsHash = IHalo2Verifier(binding.verifier).verify(binding.vk, proof, publicInputs);
        if (weightsHash != binding.modelHash) {
            revert Errors.ModelHashMismatch(binding.modelHash, weightsHash);
        }
    }

    function _requireCode(address account, bytes32 expected) private view {
        if (account.codehash != expected) {
            revert Errors.CodeHashMismatch(account, expected, account.codehash);
        }
    }
}
