// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IModelVerification} from "./interfaces/IModelVerification.sol";
import {Errors} from "./libraries/Errors.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {Statement} from "./libraries/Statement.sol";

/// @title Admission of models and checking of their proofs, shared by the escrows
/// @notice A job stores its model's id. That pins weights, verifying key and verifier, because the registry
/// (fixed here at deployment, without owner or upgrade) never changes what a bound id means, and because
/// the code of key and verifier is compared with the recorded hashes again whenever a proof is checked.
abstract contract ModelVerification is IModelVerification {
    IModelRegistry private immutable REGISTRY;
    bool private immutable ALLOW_DEV_SETUP;

    /// @param registry_ Registry whose models are admitted.
    /// @param allowDevSetup_ Whether to admit keys of trusted setups that the registry does not know; false
    /// wherever the money is real, because whoever made such a setup can forge proofs.
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

    /// @dev Reverts unless new business may rely on the model, it is bound as the caller expects, and its proofs
    /// are about one committed input.
    function _admitPrediction(uint256 modelId, bytes32 expectedBinding) internal view {
        Statement statement = _admit(modelId, expectedBinding);
        if (!statement.isOfCommittedInput()) {
            revert Errors.WrongStatement(modelId, Statement.unwrap(statement));
        }
    }

    /// @dev The same where proofs may also be about what is made of each item of a run of a committed collection.
    /// @return batch Items of such a run; 0 where proofs are about one input.
    /// @return capacity Most items of a collection; 1 where proofs are about one input.
    function _admitPredictions(uint256 modelId, bytes32 expectedBinding)
        internal
        view
        returns (uint256 batch, uint256 capacity)
    {
        Statement statement = _admit(modelId, expectedBinding);
        if (statement.isOfCommittedInput()) return (0, 1);
        if (!statement.isOfCommittedRun()) {
            revert Errors.WrongStatement(modelId, Statement.unwrap(statement));
        }
        return (statement.items(), 2 ** statement.depth());
    }

    /// @dev The same for proofs of this kind about runs of `batch` items. An audit's proof has as many public
    /// inputs as a retrieval's, and a bitmap of the one would pass for a count of the other.
    function _admitRuns(uint256 modelId, bytes32 expectedBinding, uint256 kind, uint256 batch) internal view {
        Statement statement = _admit(modelId, expectedBinding);
        if (statement.kind() != kind) revert Errors.WrongStatement(modelId, Statement.unwrap(statement));
        uint256 items = statement.items();
        if (items != batch) revert Errors.BatchMismatch(modelId, items, batch);
    }

    /// @dev Reverts if a model that was admitted before has been deprecated since; its binding is the same.
    function _requireCurrent(uint256 modelId) internal view {
        (,, bool deprecated,) = REGISTRY.admissionOf(modelId);
        if (deprecated) revert Errors.DeprecatedModel(modelId);
    }

    /// @dev What admits or refuses a model by its contracts: the code hashes of its verifying key and verifier.
    function _codeHashesOf(uint256 modelId) internal view returns (bytes32 vkHash, bytes32 verifierCodeHash) {
        return REGISTRY.codeHashesOf(modelId);
    }

    /// @dev Reverts unless `proof` is valid for the public inputs and shows the model's weights.
    function _requireProof(uint256 modelId, uint256[] memory publicInputs, bytes calldata proof)
        internal
        view
    {
        PublicInputs.requireCanonical(publicInputs);
        (bytes32 checkHash, address vk, address verifier) = _proofCheckOf(modelId);
        bytes32 vkHash = vk.codehash;
        bytes32 verifierCodeHash = verifier.codehash;
        (bool valid, bytes memory answer) = _verify(verifier, vk, proof, publicInputs);
        // One comparison in the place of three. Which of them fails is looked up when one does.
        // A valid answer is one word, see _verify.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (valid && keccak256(abi.encode(bytes32(answer), vkHash, verifierCodeHash)) == checkHash) return;
        _refuse(modelId, valid, answer);
    }

    /// @dev Reverts with what is wrong: the code of a contract, the proof, or the weights that it shows.
    function _refuse(uint256 modelId, bool valid, bytes memory answer) private view {
        (bytes32 modelHash, bytes32 vkHash, bytes32 verifierCodeHash, address vk, address verifier) =
            REGISTRY.verificationOf(modelId);
        _requireCode(vk, vkHash);
        _requireCode(verifier, verifierCodeHash);
        // A valid answer is one word, see _verify.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (valid) revert Errors.ModelHashMismatch(modelHash, bytes32(answer));
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    function _admit(uint256 modelId, bytes32 expectedBinding) private view returns (Statement) {
        (bytes32 bindingHash, bool devSetup, bool deprecated, Statement statement) =
            REGISTRY.admissionOf(modelId);
        if (bindingHash == 0) revert Errors.NotBound(modelId);
        if (bindingHash != expectedBinding) {
            revert Errors.BindingMismatch(modelId, expectedBinding, bindingHash);
        }
        if (deprecated) revert Errors.DeprecatedModel(modelId);
        if (devSetup && !ALLOW_DEV_SETUP) revert Errors.DevSetupRefused(modelId);
        return statement;
    }

    /// @dev REGISTRY.proofCheckOf(modelId), for less gas: the answer is read where it stands.
    function _proofCheckOf(uint256 modelId)
        private
        view
        returns (bytes32 checkHash, address vk, address verifier)
    {
        bytes4 selector = IModelRegistry.proofCheckOf.selector;
        address registry_ = address(REGISTRY);
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(0x00, selector)
            mstore(0x04, modelId)
            if iszero(staticcall(gas(), registry_, 0x00, 0x24, start, 0x60)) {
                returndatacopy(start, 0, returndatasize())
                revert(start, returndatasize())
            }
            if lt(returndatasize(), 0x60) { revert(0, 0) }
            checkHash := mload(start)
            vk := shr(96, mload(add(start, 0x2c)))
            verifier := shr(96, mload(add(start, 0x4c)))
        }
    }

    /// @dev IHalo2Verifier(verifier).verify(vk, proof, publicInputs), for less gas: the arguments are put
    /// together in one pass.
    /// @return valid Whether it answered, with a word at least.
    /// @return answer What it answered, or failed with; a word, the weights' hash, where it is valid.
    function _verify(address verifier, address vk, bytes calldata proof, uint256[] memory publicInputs)
        private
        view
        returns (bool valid, bytes memory answer)
    {
        bytes4 selector = IHalo2Verifier.verify.selector;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), vk)
            mstore(add(start, 0x24), 0x60)
            let padded := and(add(proof.length, 0x1f), not(0x1f))
            mstore(add(start, 0x44), add(padded, 0x80))
            mstore(add(start, 0x64), proof.length)
            let end := add(start, 0x84)
            calldatacopy(end, proof.offset, proof.length)
            mstore(add(end, proof.length), 0)
            end := add(end, padded)
            let size := shl(5, add(mload(publicInputs), 1))
            mcopy(end, publicInputs, size)
            end := add(end, size)
            valid := staticcall(gas(), verifier, start, sub(end, start), 0x00, 0x00)
            answer := start
            size := returndatasize()
            if valid {
                valid := gt(size, 0x1f)
                // An answer that is no word says nothing, and neither does what stands behind the word.
                size := shl(5, valid)
            }
            mstore(answer, size)
            returndatacopy(add(answer, 0x20), 0, size)
            mstore(0x40, add(add(answer, 0x20), and(add(size, 0x1f), not(0x1f))))
        }
    }

    function _requireCode(address account, bytes32 expected) private view {
        bytes32 codeHash = account.codehash;
        if (codeHash != expected) revert Errors.CodeHashMismatch(account, expected, codeHash);
    }
}
