// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERCZKMLVerifier} from "../src/interfaces/IERCZKMLVerifier.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Statement} from "../src/libraries/Statement.sol";

/// @title A switch that a model works
/// @notice Its owner publishes commitments to camera images. Whoever proves that the model sees the class
/// `TRIGGER` in the current one turns the switch on. What happens is the same whoever brings the proof,
/// and the proof names this contract as the caller, so it does not matter that others can copy it.
contract ProvenSwitch {
    IERCZKMLVerifier public immutable VERIFIER;
    uint256 public immutable MODEL_ID;
    uint256 public immutable TRIGGER;
    address public immutable OWNER = msg.sender;

    bytes32 public image;
    bool public on;

    error NotAClass(uint256 modelId, Statement statement);
    error NotOwner();
    error OtherModel(uint256 modelId, bytes32 bindingHash);

    /// @param bindingHash The model's binding hash as the switch's owner computed it: the id covers the model's
    /// owner and key, but not the verifier that it was bound to. Not zero, as an unbound model's is.
    constructor(IERCZKMLVerifier verifier, uint256 modelId, bytes32 bindingHash, uint256 trigger) {
        (bytes32 bound,,, Statement statement) = IModelRegistry(verifier.registry()).admissionOf(modelId);
        if (bound == 0 || bound != bindingHash) revert OtherModel(modelId, bound);
        // A number has the form of a class, and would be compared with one.
        if (!statement.isClass()) revert NotAClass(modelId, statement);
        VERIFIER = verifier;
        MODEL_ID = modelId;
        TRIGGER = trigger;
    }

    /// @notice Shows the switch a new image, and turns it off.
    function look(bytes32 inputCommitment) external {
        if (msg.sender != OWNER) revert NotOwner();
        (image, on) = (inputCommitment, false);
    }

    /// @notice Turns the switch on. Reverts unless the proof is good.
    function turnOn(bytes calldata proof) external {
        VERIFIER.verifyInference(MODEL_ID, image, abi.encode(TRIGGER), proof);
        on = true;
    }
}
