// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERCZKMLStorageExtension} from "./IERCZKMLStorageExtension.sol";
import {IERCZKMLVerifier} from "./IERCZKMLVerifier.sol";

/// @title Verifier of predictions for other contracts: ERC-7992 verifier and storage extension
/// @notice Finds a model's verifying key and verifier in the registry, compares their code with what was
/// bound, and checks the proof. It returns nothing and reverts on everything that is not a valid proof.
///
/// Public inputs of the proof, each below the scalar modulus r of BN254: [context, inputCommitment, output words].
///
/// Context = {contextOf}(modelId, caller): the proof is made for this chain, this contract, this model id
/// and one caller of this contract. Called by a dApp, the caller is the dApp; a proof that is copied from
/// the mempool then works through that dApp only, with whatever it does for everybody. A dApp that rewards
/// the sender must tie the sender to the input commitment, or call with one contract per user.
/// The same caller can show the same proof again: what must happen once is the dApp's to remember, by the
/// input commitment (which the standard wants to be salted, so it is a nonce) or by the stored inference.
///
/// `output` is the output words, 32 bytes each, exactly as many as the model's key states; for one word that is
/// abi.encode(uint256 word). What words mean is said in {IModelVerification}, and {Outputs} reads them.
/// `inputCommitment` is the Poseidon commitment as a big-endian field element; zero and values from r on are refused.
///
/// The model's key is one for one committed input; its proofs could not be told from others. Nor is a class told from
/// a number here: a dApp checks, when it chooses its model, that {IModelRegistry-admissionOf} states what it takes the
/// words for.
///
/// Reverts: {ModelMismatch} for other weights, and when the code of the bound key or verifier has changed;
/// {InputCommitmentMismatch} and {OutputMismatch} for values that no proof can be about; the verifier's own errors
/// for all that it refuses, so its ProofInvalid() also for a proof about another input, output or context;
/// {GasTooLow} where the verifier may have failed for want of gas, which says nothing about the proof;
/// {VerifierFailed}; {UnsupportedProofSystem}, {VerificationRefused_ModelDeprecated}; the registry's errors for
/// unknown and NotBound for unbound models; WrongStatement for keys of anything else; DevSetupRefused for keys of
/// trusted setups that the registry does not know, unless they were allowed at deployment. The standard's
/// {InvalidProof} is not used: it would hide which of these it was.
interface IInferenceVerifier is IERCZKMLVerifier, IERCZKMLStorageExtension {
    /// @notice There is no such inference.
    /// @param inferenceId The id that was asked for.
    error InferenceNotFound(bytes32 inferenceId);
    /// @notice The model's verifier failed, and so little gas was left that it may have run short. The proof may be
    /// good: call again with more.
    /// @param given Gas that was left when the verifier was called.
    error GasTooLow(uint256 given);
    /// @notice The model's verifier failed without a reason, or answered with something that is no hash. No verifier
    /// that is generated for a model does so.
    /// @param verifier The verifier's address.
    error VerifierFailed(address verifier);

    /// @notice {verifyInference} without an event, for a proof made for `caller`. Reverts in the same cases.
    /// @param modelId The model's id in the registry.
    /// @param inputCommitment Poseidon commitment to the input; not zero, below r.
    /// @param output The output words, 32 bytes each, each below r.
    /// @param proof The proof, made with the context for `caller`.
    /// @param caller Whom the proof was made for.
    function checkInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        address caller
    ) external view;

    /// @notice Public input 0 of proofs for `caller`:
    /// uint256(keccak256(abi.encode(chain id, this contract, modelId, caller))) >> 8.
    /// @param modelId The model's id in the registry.
    /// @param caller Who will show the proof to this contract.
    /// @return context Below 2^248.
    function contextOf(uint256 modelId, address caller) external view returns (uint256 context);

    /// @notice keccak256(abi.encode(chain id, this contract, modelId, inputCommitment, output)). Storing the
    /// same inference again verifies it again and changes nothing.
    /// @dev The ERC-7992 draft has keccak256(abi.encodePacked(modelId, inputCommitment, output)). This id is
    /// bound to chain and contract as well: an id says which deployment has verified the inference, and model
    /// ids mean something in one registry only.
    /// @param modelId The model's id in the registry.
    /// @param inputCommitment Poseidon commitment to the input.
    /// @param output The output words, 32 bytes each.
    /// @return inferenceId What {verifyAndStoreInference} stores under.
    function inferenceIdOf(uint256 modelId, bytes32 inputCommitment, bytes calldata output)
        external
        view
        returns (bytes32 inferenceId);

    /// @notice Whether keys of trusted setups that the registry does not know are admitted. For development
    /// chains only.
    /// @return Whether they are admitted; fixed at deployment.
    function allowDevSetup() external view returns (bool);
}
