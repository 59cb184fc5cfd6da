// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ModelVerification} from "../ModelVerification.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Errors} from "../libraries/Errors.sol";
import {ProofContext} from "../libraries/ProofContext.sol";
import {PublicInputs} from "../libraries/PublicInputs.sol";
import {IAgenticCommerce} from "./IAgenticCommerce.sol";

/// @title ERC-8183 evaluator: completes jobs on proof of a prediction
/// @notice One evaluator stands for one order: the prediction of one model on one committed input, fixed at
/// deployment. A client names it as the evaluator of a job, so its address tells the provider all that is
/// asked for. It completes a job when anybody brings a valid proof, and it never rejects one: a bad proof
/// decides nothing, and a job without a proof expires, which gives the client its budget back.
///
/// The model is admitted once, at deployment: a deprecation afterwards stops no job, not even one that is
/// created later. A client looks whether the model is deprecated before it names an evaluator.
///
/// Public inputs of the proof: [context, inputCommitment, output words], context = {contextOf}(job id, address
/// zero). No recipient is named because the job pays its provider, whoever brings the proof.
contract ProofEvaluator is ModelVerification {
    /// @notice ERC-8183 contract that holds the jobs.
    IAgenticCommerce public immutable COMMERCE;
    /// @notice The model's id in the registry.
    uint256 public immutable MODEL_ID;
    /// @notice Salted Poseidon commitment to the input.
    uint256 public immutable INPUT_COMMITMENT;

    /// @notice A job was completed; its prediction is `outputs`.
    /// @param jobId The job's id in the ERC-8183 contract.
    /// @param outputs The proven words, see IModelVerification.
    event JobEvaluated(uint256 indexed jobId, uint256[] outputs);

    /// @dev Errors: NoCode, ZeroValue, PublicInputOutOfRange; those of admission, see IModelVerification.
    /// @param registry_ Registry of the model.
    /// @param allowDevSetup_ Whether to admit keys of trusted setups that the registry does not know.
    /// @param commerce ERC-8183 contract that holds the jobs.
    /// @param modelId The model's id in the registry.
    /// @param bindingHash The model's binding hash as the client computed it, see IModelRegistry.
    /// @param inputCommitment Salted Poseidon commitment to the input; not zero, below r.
    constructor(
        IModelRegistry registry_,
        bool allowDevSetup_,
        IAgenticCommerce commerce,
        uint256 modelId,
        bytes32 bindingHash,
        uint256 inputCommitment
    ) ModelVerification(registry_, allowDevSetup_) {
        if (address(commerce).code.length == 0) {
            revert Errors.NoCode(address(commerce));
        }
        if (inputCommitment == 0) revert Errors.ZeroValue("inputCommitment");
        PublicInputs.requireCanonical(1, inputCommitment);
        _admitPrediction(modelId, bindingHash);
        COMMERCE = commerce;
        MODEL_ID = modelId;
        INPUT_COMMITMENT = inputCommitment;
    }

    /// @notice Completes a submitted job. Open to anyone; reverts unless the proof is valid and the job
    /// waits for this evaluator. The reason given is keccak256 of the output words, 32 bytes each.
    /// @dev Errors: those of a proof, see IModelVerification, and the ERC-8183 contract's own.
    /// @param jobId The job's id in the ERC-8183 contract.
    /// @param outputs The output words: the proof's last public inputs.
    /// @param proof The proof, as the model's verifier takes it.
    function evaluate(uint256 jobId, uint256[] calldata outputs, bytes calldata proof) external {
        uint256 context = ProofContext.bind(jobId, address(0));
        _requireProof(MODEL_ID, PublicInputs.ofInput(context, INPUT_COMMITMENT, outputs), proof);
        emit JobEvaluated(jobId, outputs);
        COMMERCE.complete(jobId, keccak256(abi.encodePacked(outputs)), "");
    }
}
