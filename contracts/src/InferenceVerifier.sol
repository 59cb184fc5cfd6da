// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IERCZKMLStorageExtension} from "./interfaces/IERCZKMLStorageExtension.sol";
import {IERCZKMLVerifier} from "./interfaces/IERCZKMLVerifier.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IInferenceVerifier} from "./interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Errors} from "./libraries/Errors.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {Statement} from "./libraries/Statement.sol";

/// @title Verifier of predictions for other contracts
/// @notice See IInferenceVerifier.
contract InferenceVerifier is IInferenceVerifier, ERC165 {
    struct Inference {
        uint256 modelId;
        bytes32 inputCommitment;
        // The first output word, and the others, of which most predictions have none.
        uint256 word;
        uint256[] more;
    }

    /// @notice First bytes of keccak256("halo2-kzg-bn254-v1"), the proof system that is checked here.
    bytes4 public constant PROOF_SYSTEM_ID = 0x301c92ec;

    /// @dev Above what a verifier has left whose call of a precompile ran out of gas: a 64th of what it had before,
    /// which was less than the 113,000 of the dearest call, a pairing of two pairs, so less than 2,000. A precompile
    /// that fails for another reason takes all gas, too, but leaves more where there was plenty.
    uint256 private constant STARVED = 10_000;

    IModelRegistry private immutable REGISTRY;
    bool private immutable ALLOW_DEV_SETUP;

    mapping(bytes32 inferenceId => Inference) private _inferences;

    /// @param registry_ Registry whose models are verified.
    /// @param allowDevSetup_ Whether to admit keys of trusted setups that the registry does not know.
    constructor(IModelRegistry registry_, bool allowDevSetup_) {
        if (address(registry_).code.length == 0) revert Errors.NoCode(address(registry_));
        REGISTRY = registry_;
        ALLOW_DEV_SETUP = allowDevSetup_;
    }

    /// @inheritdoc IERCZKMLVerifier
    function verifyInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external {
        _check(modelId, inputCommitment, output, proof, msg.sender);
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
    }

    /// @inheritdoc IERCZKMLStorageExtension
    function verifyAndStoreInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external returns (bytes32 inferenceId) {
        uint256[] memory words = _check(modelId, inputCommitment, output, proof, msg.sender);
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);

        inferenceId = inferenceIdOf(modelId, inputCommitment, output);
        Inference storage inference = _inferences[inferenceId];
        if (inference.inputCommitment != 0) return inferenceId;
        inference.modelId = modelId;
        inference.inputCommitment = inputCommitment;
        inference.word = words[0];
        for (uint256 i = 1; i < words.length; ++i) {
            inference.more.push(words[i]);
        }
        emit InferenceStored(inferenceId);
    }

    /// @inheritdoc IInferenceVerifier
    function checkInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        address caller
    ) external view {
        _check(modelId, inputCommitment, output, proof, caller);
    }

    /// @inheritdoc IERCZKMLStorageExtension
    function getInference(bytes32 inferenceId)
        external
        view
        returns (uint256 modelId, bytes32 inputCommitment, bytes memory output)
    {
        Inference storage inference = _inferences[inferenceId];
        inputCommitment = inference.inputCommitment;
        if (inputCommitment == 0) revert InferenceNotFound(inferenceId);
        return (inference.modelId, inputCommitment, abi.encodePacked(inference.word, inference.more));
    }

    /// @inheritdoc IERCZKMLVerifier
    function proofSystemOf(uint256 modelId) external view returns (bytes4) {
        return REGISTRY.proofSystemOf(modelId);
    }

    /// @inheritdoc IERCZKMLVerifier
    function registry() external view returns (address registryAddress) {
        return address(REGISTRY);
    }

    /// @inheritdoc IInferenceVerifier
    function contextOf(uint256 modelId, address caller) external view returns (uint256 context) {
        return ProofContext.bind(modelId, caller);
    }

    /// @inheritdoc IInferenceVerifier
    function allowDevSetup() external view returns (bool) {
        return ALLOW_DEV_SETUP;
    }

    /// @inheritdoc IInferenceVerifier
    function inferenceIdOf(uint256 modelId, bytes32 inputCommitment, bytes calldata output)
        public
        view
        returns (bytes32 inferenceId)
    {
        return keccak256(abi.encode(block.chainid, address(this), modelId, inputCommitment, output));
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERCZKMLVerifier).interfaceId
            || interfaceId == IERCZKMLVerifier.verifyInference.selector
            || interfaceId == type(IERCZKMLStorageExtension).interfaceId
            || interfaceId == type(IInferenceVerifier).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @dev Reverts unless the proof, made for `caller`, is valid.
    /// @return words The proven output words.
    function _check(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        address caller
    ) private view returns (uint256[] memory words) {
        uint256 modulus = PublicInputs.SCALAR_MODULUS;
        if (inputCommitment == 0 || uint256(inputCommitment) >= modulus) revert InputCommitmentMismatch();
        uint256 count = _admit(modelId);
        if (output.length != 32 * count) revert OutputMismatch();
        words = new uint256[](count);
        uint256[] memory publicInputs = new uint256[](2 + count);
        publicInputs[0] = ProofContext.bind(modelId, caller);
        publicInputs[1] = uint256(inputCommitment);
        for (uint256 i = 0; i < count; ++i) {
            uint256 word = uint256(bytes32(output[32 * i:]));
            if (word >= modulus) revert OutputMismatch();
            words[i] = word;
            publicInputs[2 + i] = word;
        }
        _requireProof(modelId, proof, publicInputs);
    }

    /// @return outputs Number of output words that the model's proofs show; at least 1.
    function _admit(uint256 modelId) private view returns (uint256 outputs) {
        (bytes32 bindingHash, bool devSetup, bool deprecated, Statement statement) =
            REGISTRY.admissionOf(modelId);
        if (bindingHash == 0) revert Errors.NotBound(modelId);
        if (deprecated) revert VerificationRefused_ModelDeprecated(modelId);
        if (devSetup && !ALLOW_DEV_SETUP) revert Errors.DevSetupRefused(modelId);
        bytes4 proofSystemId = REGISTRY.proofSystemOf(modelId);
        if (proofSystemId != PROOF_SYSTEM_ID) revert UnsupportedProofSystem(proofSystemId);
        if (!statement.isOfCommittedInput()) {
            revert Errors.WrongStatement(modelId, Statement.unwrap(statement));
        }
        return statement.outputs();
    }

    /// @dev A call by hand, because what it fails with depends on the gas, and because an answer of the wrong
    /// length would be outside of what `try` catches.
    function _requireProof(uint256 modelId, bytes calldata proof, uint256[] memory publicInputs)
        private
        view
    {
        (bytes32 modelHash, bytes32 vkHash, bytes32 verifierCodeHash, address vk, address verifier) =
            REGISTRY.verificationOf(modelId);
        if (vk.codehash != vkHash || verifier.codehash != verifierCodeHash) revert ModelMismatch();
        bytes memory question = abi.encodeCall(IHalo2Verifier.verify, (vk, proof, publicInputs));
        uint256 given = gasleft();
        (bool valid, bytes memory answer) = verifier.staticcall(question);
        if (!valid) {
            // A verifier that runs out of gas leaves the 64th that this call keeps back (EIP-150), and one whose
            // call of a precompile runs out a little more. It may say that the proof is bad; that is not known.
            if (gasleft() <= given / 64 + STARVED) revert GasTooLow(given);
            if (answer.length == 0) revert VerifierFailed(verifier);
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        if (answer.length != 32) revert VerifierFailed(verifier);
        if (abi.decode(answer, (bytes32)) != modelHash) revert ModelMismatch();
    }
}
