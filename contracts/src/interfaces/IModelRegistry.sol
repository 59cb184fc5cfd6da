// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERCZKMLRegistry} from "./IERCZKMLRegistry.sol";

/// @title Model registry: ERC-7992 and the binding of models to the contracts that check their proofs
/// @notice Update policy. A model id never changes its meaning: `modelHash`, `circuitHash`, `vkHash` and
/// `proofSystemId` are fixed at registration and an update may change the `uri` only. Other weights or
/// another circuit are another model with another id. The binding to a verifying key and a verifier is
/// written once, by the owner, and fixed from then on; a better verifier, too, means another id.
/// Deprecation stops new business and cannot be undone; it does not touch what is already funded.
/// Hence escrows pin a model completely by its id, and an owner has no power over funded jobs.
///
/// Registration proves neither authorship nor possession: anyone may register any hash, also one that is
/// registered already (a ban on duplicates would let squatters lock out the author). Clients pass the
/// binding hash they computed from what they checked themselves, not just an id.
///
/// Errors of the inherited calls, besides the standard's: ZeroValue and UriTooLong ({registerModel});
/// DeprecatedModel, CommitmentImmutable and UriTooLong ({updateModel}); DeprecatedModel ({deprecateModel}).
interface IModelRegistry is IERCZKMLRegistry {
    /// @notice The contracts that check a model's proofs, as they were when the owner bound them.
    /// @param modelHash The weights' commitment that a proof must show.
    /// @param vkHash EXTCODEHASH of `vk`, equal to the commitment's.
    /// @param verifierCodeHash EXTCODEHASH of `verifier`.
    /// @param vk Data contract of the verifying key.
    /// @param verifier Verifier of the model's column profile (IHalo2Verifier).
    /// @param devSetup Whether the key says that its trusted setup was made locally: proofs can be forged.
    struct ModelBinding {
        bytes32 modelHash;
        bytes32 vkHash;
        bytes32 verifierCodeHash;
        address vk;
        address verifier;
        bool devSetup;
    }

    /// @notice A model was bound to its verifying key and verifier.
    /// @param modelId The model's id.
    /// @param vk Data contract of the verifying key.
    /// @param verifier Verifier of the model's column profile (IHalo2Verifier).
    /// @param verifierCodeHash EXTCODEHASH of `verifier`.
    /// @param devSetup Whether the key says that its trusted setup was made locally.
    /// @param bindingHash See {bindingHashOf}.
    event VerifierBound(
        uint256 indexed modelId,
        address vk,
        address verifier,
        bytes32 verifierCodeHash,
        bool devSetup,
        bytes32 bindingHash
    );

    /// @notice Binds a model to the contracts that check its proofs. Owner only, once, not when deprecated.
    /// @dev Errors: ModelNotFound, NotModelOwner, DeprecatedModel, AlreadyBound, CodeHashMismatch, NoCode,
    /// MalformedVerifyingKey, UnknownKeyFlags.
    /// @param modelId The model's id.
    /// @param vk Data contract whose EXTCODEHASH is the commitment's `vkHash`.
    /// @param verifier Verifier contract; its code hash is recorded.
    /// @return bindingHash See {bindingHashOf}.
    function bindVerifier(uint256 modelId, address vk, address verifier)
        external
        returns (bytes32 bindingHash);

    /// @notice {registerModel} and {bindVerifier} in one transaction.
    /// @dev Errors: those of both.
    /// @param commitment What identifies the model.
    /// @param vk Data contract whose EXTCODEHASH is the commitment's `vkHash`.
    /// @param verifier Verifier contract; its code hash is recorded.
    /// @return modelId Never 0, never used twice.
    /// @return bindingHash See {bindingHashOf}.
    function registerBoundModel(ModelCommitment calldata commitment, address vk, address verifier)
        external
        returns (uint256 modelId, bytes32 bindingHash);

    /// @notice The binding of a model; reverts for an unknown or unbound one.
    /// @dev Errors: ModelNotFound, NotBound.
    /// @param modelId The model's id.
    /// @return binding The contracts and hashes that were bound.
    function bindingOf(uint256 modelId) external view returns (ModelBinding memory binding);

    /// @notice What an escrow needs in order to admit a model, in few storage reads.
    /// Reverts for an unknown model; `bindingHash` is zero for an unbound one.
    /// @param modelId The model's id.
    /// @return bindingHash See {bindingHashOf}.
    /// @return devSetup Whether the key says that its trusted setup was made locally.
    /// @return deprecated Whether the model is withdrawn from new business.
    function admissionOf(uint256 modelId)
        external
        view
        returns (bytes32 bindingHash, bool devSetup, bool deprecated);

    /// @notice The proof system of a model's proofs; reverts for an unknown model.
    /// @param modelId The model's id.
    /// @return proofSystemId First four bytes of keccak256 of the proof system's name.
    function proofSystemOf(uint256 modelId) external view returns (bytes4 proofSystemId);

    /// @notice Whether two models are committed to with the same points: both are registered and bound, and
    /// their `modelHash` is the same. All circuits of one model (predictions, batches, audits, retrieval)
    /// commit to the weights with the same points, so what is proven about the weights of one is about the
    /// weights of the other. Never reverts; a model has the same weights as itself once it is bound.
    ///
    /// It says that the commitments are equal, and no more. That they are commitments under the same KZG
    /// parameters, and that both circuits read the committed columns as the same network, is what the two
    /// `vkHash` say: a consumer recomputes them from the published architectures and one set of parameters
    /// (`assay keygen --architecture`; `assay model link` says whether the architectures are of one network)
    /// and compares them, and the verifiers' code hashes, with {bindingOf}. It says nothing about who
    /// registered the models either: anybody may register a hash, but only a proof shows that its prover
    /// knows the weights.
    /// @param modelA Id of a model.
    /// @param modelB Id of another, or of the same.
    /// @return Whether both are bound and their `modelHash` is the same.
    function sameWeights(uint256 modelA, uint256 modelB) external view returns (bool);

    /// @notice The hash that stands for everything a buyer relies on:
    /// keccak256(abi.encode(modelHash, circuitHash, vkHash, proofSystemId, vk, verifier, verifierCodeHash)).
    /// @param modelHash The weights' commitment.
    /// @param circuitHash keccak256 of the published architecture file.
    /// @param vkHash EXTCODEHASH of `vk`.
    /// @param proofSystemId First four bytes of keccak256 of the proof system's name.
    /// @param vk Data contract of the verifying key.
    /// @param verifier Verifier contract.
    /// @param verifierCodeHash EXTCODEHASH of `verifier`.
    /// @return bindingHash Never zero for a bound model.
    function bindingHashOf(
        bytes32 modelHash,
        bytes32 circuitHash,
        bytes32 vkHash,
        bytes4 proofSystemId,
        address vk,
        address verifier,
        bytes32 verifierCodeHash
    ) external pure returns (bytes32 bindingHash);

    /// @notice Number of models registered so far; ids run from 1 to this number.
    /// @return The latest id.
    function modelCount() external view returns (uint256);
}
