// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Statement} from "../libraries/Statement.sol";
import {IERCZKMLRegistry} from "./IERCZKMLRegistry.sol";

/// @title Model registry: ERC-7992 and the binding of models to the contracts that check their proofs
/// @notice Ids. A model's id is the hash of its owner and of all that is fixed at registration, {modelIdOf}. So an
/// id covers the owner: no reorganization, and nobody who registers a copy first, can put somebody else behind
/// it, and it is known before the registration. It does not cover the contracts that its owner binds; the
/// binding hash does.
///
/// Update policy. A model id never changes its meaning: `modelHash`, `circuitHash`, `vkHash` and
/// `proofSystemId` are fixed at registration and an update may change the `uri` only. Other weights or
/// another circuit are another model with another id. The binding to a verifying key and a verifier is
/// written once, by the owner, and fixed from then on; for a better verifier, another account registers the
/// model again, under another id. Deprecation stops new business and cannot be undone; it does not touch what is
/// already funded. Hence escrows pin a model completely by its id, and an owner has no power over funded jobs.
///
/// Trusted setups. Whoever knows the secret s of a setup forges proofs of every model whose key is of that setup.
/// The registry is deployed with the ceremonies that it knows, {isCeremony}, and reads from a key which setup it
/// is of; any other setup, whoever says what about it, counts as a development setup.
///
/// Registration proves neither authorship nor possession: anyone may register any hash, also one that is
/// registered already (a ban on duplicates would let squatters lock out the author). Clients pass the
/// binding hash they computed from what they checked themselves, not just an id.
///
/// Errors of the inherited calls, besides the standard's: ZeroValue, UriTooLong and AlreadyRegistered
/// ({registerModel}); DeprecatedModel, CommitmentImmutable and UriTooLong ({updateModel}); DeprecatedModel
/// ({deprecateModel}).
interface IModelRegistry is IERCZKMLRegistry {
    /// @notice The contracts that check a model's proofs, as they were when the owner bound them.
    /// @param modelHash The weights' commitment that a proof must show.
    /// @param vkHash EXTCODEHASH of `vk`, equal to the commitment's.
    /// @param verifierCodeHash EXTCODEHASH of `verifier`.
    /// @param vk Data contract of the verifying key.
    /// @param verifier Verifier of the model's column profile (IHalo2Verifier).
    /// @param devSetup Whether the key's setup is of no ceremony that the registry knows: somebody may know its
    /// secret, and forge proofs.
    /// @param setupId keccak256 of the key's [s]_2.
    /// @param statement What proofs of the key state.
    /// @param owner Who registered the model.
    struct ModelBinding {
        bytes32 modelHash;
        bytes32 vkHash;
        bytes32 verifierCodeHash;
        address vk;
        address verifier;
        bool devSetup;
        bytes32 setupId;
        Statement statement;
        address owner;
    }

    /// @notice A ceremony that the registry knows; only at deployment.
    /// @param setupId keccak256 of the ceremony's [s]_2.
    event CeremonyKnown(bytes32 indexed setupId);

    /// @notice A model was bound to its verifying key and verifier.
    /// @param modelId The model's id.
    /// @param vk Data contract of the verifying key.
    /// @param verifier Verifier of the model's column profile (IHalo2Verifier).
    /// @param verifierCodeHash EXTCODEHASH of `verifier`.
    /// @param devSetup Whether the key's setup is of no ceremony that the registry knows.
    /// @param setupId keccak256 of the key's [s]_2.
    /// @param statement What proofs of the key state.
    /// @param bindingHash See {bindingHashOf}.
    event VerifierBound(
        uint256 indexed modelId,
        address vk,
        address verifier,
        bytes32 verifierCodeHash,
        bool devSetup,
        bytes32 setupId,
        Statement statement,
        bytes32 bindingHash
    );

    /// @notice Binds a model to the contracts that check its proofs. Owner only, once, not when deprecated.
    /// @dev Errors: ModelNotFound, NotModelOwner, DeprecatedModel, AlreadyBound, CodeHashMismatch, NoCode,
    /// MalformedVerifyingKey, UnknownKeyFormat, GeneratorMismatch.
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
    /// @return modelId See {modelIdOf}.
    /// @return bindingHash See {bindingHashOf}.
    function registerBoundModel(ModelCommitment calldata commitment, address vk, address verifier)
        external
        returns (uint256 modelId, bytes32 bindingHash);

    /// @notice The binding of a model; reverts for an unknown or unbound one.
    /// @dev Errors: ModelNotFound, NotBound.
    /// @param modelId The model's id.
    /// @return binding The contracts and hashes that were bound.
    function bindingOf(uint256 modelId) external view returns (ModelBinding memory binding);

    /// @notice What {bindingOf} says of the contracts that check a proof, in few storage reads.
    /// @dev Errors: ModelNotFound, NotBound.
    /// @param modelId The model's id.
    /// @return modelHash The weights' commitment that a proof must show.
    /// @return vkHash EXTCODEHASH of `vk`.
    /// @return verifierCodeHash EXTCODEHASH of `verifier`.
    /// @return vk Data contract of the verifying key.
    /// @return verifier Verifier of the model's column profile (IHalo2Verifier).
    function verificationOf(uint256 modelId)
        external
        view
        returns (bytes32 modelHash, bytes32 vkHash, bytes32 verifierCodeHash, address vk, address verifier);

    /// @notice The same for a proof that is checked on chain, in three storage reads: a proof is the model's where the
    /// contracts' code and the weights that it shows have this hash together. What differs where they do not,
    /// {verificationOf} tells.
    /// @dev Errors: ModelNotFound, NotBound.
    /// @param modelId The model's id.
    /// @return checkHash keccak256(abi.encode(modelHash, vkHash, verifierCodeHash)).
    /// @return vk Data contract of the verifying key.
    /// @return verifier Verifier of the model's column profile (IHalo2Verifier).
    function proofCheckOf(uint256 modelId)
        external
        view
        returns (bytes32 checkHash, address vk, address verifier);

    /// @notice The code hashes of a model's contracts, which say what its proofs are worth.
    /// @dev Errors: ModelNotFound, NotBound.
    /// @param modelId The model's id.
    /// @return vkHash EXTCODEHASH of the verifying key's data contract.
    /// @return verifierCodeHash EXTCODEHASH of the verifier.
    function codeHashesOf(uint256 modelId) external view returns (bytes32 vkHash, bytes32 verifierCodeHash);

    /// @notice What an escrow needs in order to admit a model, in few storage reads.
    /// Reverts for an unknown model; `bindingHash` and `statement` are zero for an unbound one.
    /// @param modelId The model's id.
    /// @return bindingHash See {bindingHashOf}.
    /// @return devSetup Whether the key's setup is of no ceremony that the registry knows.
    /// @return deprecated Whether the model is withdrawn from new business.
    /// @return statement What proofs of the key state.
    function admissionOf(uint256 modelId)
        external
        view
        returns (bytes32 bindingHash, bool devSetup, bool deprecated, Statement statement);

    /// @notice Whether the registry knows a ceremony with this [s]_2. Fixed at deployment.
    /// @param setupId keccak256 of a [s]_2.
    /// @return Whether keys of that setup are no development keys.
    function isCeremony(bytes32 setupId) external view returns (bool);

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
    /// keccak256(abi.encode(owner, modelHash, circuitHash, vkHash, proofSystemId, vk, verifier, verifierCodeHash)).
    /// @param owner Who registered the model.
    /// @param modelHash The weights' commitment.
    /// @param circuitHash keccak256 of the published architecture file.
    /// @param vkHash EXTCODEHASH of `vk`.
    /// @param proofSystemId First four bytes of keccak256 of the proof system's name.
    /// @param vk Data contract of the verifying key.
    /// @param verifier Verifier contract.
    /// @param verifierCodeHash EXTCODEHASH of `verifier`.
    /// @return bindingHash Never zero for a bound model.
    function bindingHashOf(
        address owner,
        bytes32 modelHash,
        bytes32 circuitHash,
        bytes32 vkHash,
        bytes4 proofSystemId,
        address vk,
        address verifier,
        bytes32 verifierCodeHash
    ) external pure returns (bytes32 bindingHash);

    /// @notice The id of a model, registered or not:
    /// uint256(keccak256(abi.encode(owner, modelHash, circuitHash, vkHash, proofSystemId))).
    /// @param owner Who registers the model.
    /// @param modelHash The weights' commitment.
    /// @param circuitHash keccak256 of the published architecture file.
    /// @param vkHash EXTCODEHASH of the verifying key's data contract.
    /// @param proofSystemId First four bytes of keccak256 of the proof system's name.
    /// @return modelId The id; the same on every chain.
    function modelIdOf(
        address owner,
        bytes32 modelHash,
        bytes32 circuitHash,
        bytes32 vkHash,
        bytes4 proofSystemId
    ) external pure returns (uint256 modelId);
}
