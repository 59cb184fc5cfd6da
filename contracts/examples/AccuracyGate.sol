// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IResultRegistry} from "../src/interfaces/IResultRegistry.sol";

/// @title A gate that only good models pass
/// @notice Fixes which certifier it trusts, on which test set, and its size; a model is good enough if at
/// least 95 of 100 items were proven correct. The audit was made in a circuit for many items; what is
/// admitted is the same weights in the circuit for single predictions.
contract AccuracyGate {
    /// @notice A circuit and the contracts that check its proofs, as its user computed them: from the
    /// published architecture, and from a build of the verifier. Anybody can bind a model to a verifier that
    /// accepts everything, so the verifiers are pinned as well as the keys.
    struct Circuit {
        bytes32 vkHash;
        bytes32 verifierCodeHash;
        bytes4 proofSystemId;
    }

    IModelRegistry public immutable MODELS;
    IResultRegistry public immutable RESULTS;
    address public immutable CERTIFIER;
    uint256 public immutable TEST_SET_ROOT;
    /// @notice Size of the test set. Its first items can be audited alone, under the same root, and a model may
    /// do well on them.
    uint256 public immutable TOTAL;
    bytes32 private immutable AUDIT_CIRCUIT;
    bytes32 private immutable SERVING_CIRCUIT;

    /// @notice Models that may serve. Anybody may register the same weights again, so none takes the place of
    /// another. One that is deprecated later stays here; the inference verifier refuses it.
    mapping(uint256 modelId => bool) public admitted;

    error Deprecated(uint256 modelId);
    error NotAccurateEnough(uint256 modelId, uint256 correct, uint256 total);
    error NotThisCircuit(uint256 modelId);
    error OtherWeights(uint256 auditedId, uint256 servingId);
    error ZeroTotal();

    constructor(
        IResultRegistry results,
        address certifier,
        uint256 testSetRoot,
        uint256 total,
        Circuit memory audit,
        Circuit memory serving
    ) {
        // The total of a result that nobody has certified.
        if (total == 0) revert ZeroTotal();
        MODELS = IModelRegistry(results.registry());
        RESULTS = results;
        CERTIFIER = certifier;
        TEST_SET_ROOT = testSetRoot;
        TOTAL = total;
        AUDIT_CIRCUIT = keccak256(abi.encode(audit));
        SERVING_CIRCUIT = keccak256(abi.encode(serving));
    }

    /// @notice Admits a model that has the weights of an audited one. Open to anyone: the certified result
    /// decides.
    function admit(uint256 auditedId, uint256 servingId) external {
        if (!MODELS.sameWeights(auditedId, servingId)) revert OtherWeights(auditedId, servingId);
        _requireCircuit(auditedId, AUDIT_CIRCUIT);
        _requireCircuit(servingId, SERVING_CIRCUIT);

        IResultRegistry.Result memory result = RESULTS.resultOf(CERTIFIER, auditedId, TEST_SET_ROOT, "top-1");
        if (result.total != TOTAL || uint256(result.correct) * 100 < TOTAL * 95) {
            revert NotAccurateEnough(auditedId, result.correct, result.total);
        }
        admitted[servingId] = true;
    }

    function _requireCircuit(uint256 modelId, bytes32 expected) private view {
        (,, bool deprecated,) = MODELS.admissionOf(modelId);
        if (deprecated) revert Deprecated(modelId);
        IModelRegistry.ModelBinding memory binding = MODELS.bindingOf(modelId);
        Circuit memory circuit =
            Circuit(binding.vkHash, binding.verifierCodeHash, MODELS.proofSystemOf(modelId));
        if (keccak256(abi.encode(circuit)) != expected) revert NotThisCircuit(modelId);
    }
}
