// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IResultRegistry} from "../src/interfaces/IResultRegistry.sol";

/// @title A gate that only good models pass
/// @notice Fixes which certifier it trusts, on which test set and how long a test it asks for; a model is
/// good enough if at least 95 of 100 items were proven correct. The audit was made in a circuit for many
/// items; what is put into use is the same weights in the circuit for single predictions.
contract AccuracyGate {
    /// @notice A circuit and the contracts that check its proofs, as its user computed them: from the
    /// published architecture, and from a build of the verifier. Anybody can bind a model to a verifier that
    /// accepts everything, so the verifiers are pinned as well as the keys.
    struct Circuit {
        bytes32 vkHash;
        bytes32 verifierCodeHash;
    }

    IModelRegistry public immutable MODELS;
    IResultRegistry public immutable RESULTS;
    address public immutable CERTIFIER;
    uint256 public immutable TEST_SET_ROOT;
    uint256 public immutable MIN_TOTAL;
    bytes32 private immutable AUDIT_CIRCUIT;
    bytes32 private immutable SERVING_CIRCUIT;

    uint256 public modelInUse;

    error NotAccurateEnough(uint256 modelId, uint256 correct, uint256 total);
    error NotThisCircuit(uint256 modelId);
    error OtherWeights(uint256 auditedId, uint256 servingId);

    constructor(
        IResultRegistry results,
        address certifier,
        uint256 testSetRoot,
        uint256 minTotal,
        Circuit memory audit,
        Circuit memory serving
    ) {
        MODELS = IModelRegistry(results.registry());
        RESULTS = results;
        CERTIFIER = certifier;
        TEST_SET_ROOT = testSetRoot;
        MIN_TOTAL = minTotal;
        AUDIT_CIRCUIT = keccak256(abi.encode(audit));
        SERVING_CIRCUIT = keccak256(abi.encode(serving));
    }

    /// @notice Puts a model into use that has the weights of an audited one. Open to anyone: the certified
    /// result decides.
    function use(uint256 auditedId, uint256 servingId) external {
        if (!MODELS.sameWeights(auditedId, servingId)) revert OtherWeights(auditedId, servingId);
        _requireCircuit(auditedId, AUDIT_CIRCUIT);
        _requireCircuit(servingId, SERVING_CIRCUIT);

        IResultRegistry.Result memory result = RESULTS.resultOf(CERTIFIER, auditedId, TEST_SET_ROOT, "top-1");
        // The total first: no result at all is 0 of 0.
        if (result.total < MIN_TOTAL || uint256(result.correct) * 100 < uint256(result.total) * 95) {
            revert NotAccurateEnough(auditedId, result.correct, result.total);
        }
        modelInUse = servingId;
    }

    function _requireCircuit(uint256 modelId, bytes32 expected) private view {
        IModelRegistry.ModelBinding memory binding = MODELS.bindingOf(modelId);
        Circuit memory circuit = Circuit(binding.vkHash, binding.verifierCodeHash);
        if (keccak256(abi.encode(circuit)) != expected) revert NotThisCircuit(modelId);
    }
}
