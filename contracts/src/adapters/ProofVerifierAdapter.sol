// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IInferenceVerifier} from "../interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Errors} from "../libraries/Errors.sol";
import {IProofVerifier} from "./IProofVerifier.sol";

/// @title ERC-8274 proof verifier over the inference verifier
/// @notice Encodings: `inputHash` is the input's Poseidon commitment; `outputHash` is
/// keccak256 of the output words, 32 bytes each; `metadata` is abi.encode(uint256 modelId, bytes32 bindingHash),
/// the binding hash being the one that its author computed (see IModelRegistry); `proof` is
/// abi.encode(bytes words, bytes proof), the inner proof made with the context of the inference verifier
/// for the account that calls this adapter. What the words are the model states, see IModelVerification; the binding
/// hash fixes it.
///
/// A proof that is not valid reverts; false is never returned. A consumer that takes false for a verdict
/// would let anybody reject a job with a junk proof, or with too little gas.
contract ProofVerifierAdapter is IProofVerifier, ERC165 {
    /// @notice Checks the proofs.
    IInferenceVerifier public immutable INFERENCE_VERIFIER;
    IModelRegistry private immutable REGISTRY;

    /// @notice The proof is about another output than the hash.
    /// @param expected The hash that the caller passed.
    /// @param actual The hash of the proof's output.
    error OutputHashMismatch(bytes32 expected, bytes32 actual);

    /// @param inferenceVerifier Checks the proofs, on the models of its registry.
    constructor(IInferenceVerifier inferenceVerifier) {
        if (address(inferenceVerifier).code.length == 0) revert Errors.NoCode(address(inferenceVerifier));
        INFERENCE_VERIFIER = inferenceVerifier;
        REGISTRY = IModelRegistry(inferenceVerifier.registry());
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        view
        returns (bool)
    {
        (uint256 modelId, bytes32 bindingHash) = abi.decode(metadata, (uint256, bytes32));
        (bytes memory output, bytes memory inner) = abi.decode(proof, (bytes, bytes));
        if (keccak256(output) != outputHash) revert OutputHashMismatch(outputHash, keccak256(output));
        (bytes32 bound,,,) = REGISTRY.admissionOf(modelId);
        if (bound != bindingHash) revert Errors.BindingMismatch(modelId, bindingHash, bound);
        INFERENCE_VERIFIER.checkInference(modelId, inputHash, output, inner, msg.sender);
        return true;
    }

    /// @inheritdoc IProofVerifier
    function proofSystem() public pure returns (string memory) {
        return "zk/halo2-kzg";
    }

    /// @inheritdoc IProofVerifier
    /// @dev The deployment's constant is keccak256(abi.encode(chain id, inference verifier)).
    function proofProfile() external view returns (bytes32) {
        bytes32 deployment = keccak256(abi.encode(block.chainid, INFERENCE_VERIFIER));
        return keccak256(abi.encodePacked(proofSystem(), deployment));
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IProofVerifier).interfaceId || super.supportsInterface(interfaceId);
    }
}
