// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceVerifier} from "../src/interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Outputs} from "../src/libraries/Outputs.sol";
import {Statement} from "../src/libraries/Statement.sol";

/// @title A gate that accounts with a high score pass
/// @notice Its issuer commits to what it knows of an account, e.g. the figures of an application for credit, and
/// hands the account the input. The account proves what the model makes of it; from the threshold on it passes.
/// The input stays hidden, the score becomes public.
///
/// Whose input it is the issuer says, and no proof: anybody can make up an input that scores well.
///
/// The proof is made for the account that shows it, not for this contract as in {ProvenSwitch}: others can copy it,
/// but not use it. An input serves once.
contract ScoreGate {
    IInferenceVerifier public immutable VERIFIER;
    uint256 public immutable MODEL_ID;
    /// @notice Least score that passes, in steps of the model's output: (real threshold) / (step in its card).
    int256 public immutable THRESHOLD;
    address public immutable ISSUER = msg.sender;

    /// @notice The input that an account has to prove the score of; zero for none.
    mapping(address account => bytes32 inputCommitment) public inputOf;
    mapping(bytes32 inputCommitment => bool) public used;
    mapping(address account => bool) public passed;

    /// @param account Who has passed.
    /// @param score Its proven score, in steps.
    event Passed(address indexed account, int256 score);

    error InputUsed(bytes32 inputCommitment);
    error NoInput(address account);
    error NotANumber(uint256 modelId, Statement statement);
    error NotIssuer();
    error OtherModel(uint256 modelId, bytes32 bindingHash);
    error ScoreTooLow(int256 score, int256 threshold);
    error ThresholdOutOfRange(int256 threshold);

    /// @param verifier Verifier of the model's proofs.
    /// @param modelId The model; its key states a number. The word of a model that states a class is one as well, and
    /// would be compared with the threshold as if it were a score.
    /// @param bindingHash The model's binding hash as the deployer computed it, see {ProvenSwitch}.
    /// @param threshold Least score that passes, in steps; one that every score reaches is refused, and so is one
    /// that none does.
    constructor(IInferenceVerifier verifier, uint256 modelId, bytes32 bindingHash, int256 threshold) {
        (bytes32 bound,,, Statement statement) = IModelRegistry(verifier.registry()).admissionOf(modelId);
        if (bound == 0 || bound != bindingHash) revert OtherModel(modelId, bound);
        if (!statement.isNumber()) revert NotANumber(modelId, statement);
        if (threshold <= Outputs.LEAST || threshold > Outputs.MOST) revert ThresholdOutOfRange(threshold);
        VERIFIER = verifier;
        MODEL_ID = modelId;
        THRESHOLD = threshold;
    }

    /// @notice Gives an account its input, in place of the one before. Issuer only.
    /// @param account Whom the input is about.
    /// @param inputCommitment Salted commitment to the input, which only the account is told.
    function assign(address account, bytes32 inputCommitment) external {
        if (msg.sender != ISSUER) revert NotIssuer();
        inputOf[account] = inputCommitment;
    }

    /// @notice Lets the caller pass. Reverts unless the proof is good, made for the caller and about its input, and
    /// the score is high enough.
    /// @param word The proven output word: the score in steps + 2^15.
    /// @param proof The proof, its context {IInferenceVerifier-contextOf} the model and the caller.
    function pass(uint256 word, bytes calldata proof) external {
        bytes32 inputCommitment = inputOf[msg.sender];
        if (inputCommitment == 0) revert NoInput(msg.sender);
        if (used[inputCommitment]) revert InputUsed(inputCommitment);
        int256 score = Outputs.number(word);
        if (score < THRESHOLD) revert ScoreTooLow(score, THRESHOLD);
        VERIFIER.checkInference(MODEL_ID, inputCommitment, abi.encode(word), proof, msg.sender);

        used[inputCommitment] = true;
        passed[msg.sender] = true;
        emit Passed(msg.sender, score);
    }
}
