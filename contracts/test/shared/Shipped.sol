// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {ServiceBond} from "../../src/ServiceBond.sol";
import {IAgenticCommerce} from "../../src/adapters/IAgenticCommerce.sol";
import {ModelMetadata} from "../../src/adapters/ModelMetadata.sol";
import {ProofEvaluator} from "../../src/adapters/ProofEvaluator.sol";
import {ProofVerifierAdapter} from "../../src/adapters/ProofVerifierAdapter.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IInferenceVerifier} from "../../src/interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IResultRegistry} from "../../src/interfaces/IResultRegistry.sol";
import {MarketViews} from "../../src/periphery/MarketViews.sol";
import {Purses} from "../../src/periphery/Purses.sol";
import {SignedOpenings} from "../../src/periphery/SignedOpenings.sol";

/// @notice The contracts under test, with the bytecode that ships. Tests are compiled without the IR pipeline, which
/// takes minutes over them; the contracts that they deploy are those of `forge build`, which has it. So no test has
/// `new` before one of these. The profiles `quick` and `symbolic`, and the coverage, take the contracts as they are
/// compiled with the tests.
library Shipped {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice The creation code of a contract of `contracts/src`, which has its file to itself.
    function code(string memory name) internal view returns (bytes memory) {
        return code(string.concat(name, ".sol"), name);
    }

    /// @notice The creation code of any contract that `forge build` compiles.
    function code(string memory file, string memory name) internal view returns (bytes memory) {
        bytes32 profile = keccak256(bytes(VM.envOr("FOUNDRY_PROFILE", string("default"))));
        if (profile != keccak256("tests") && profile != keccak256("ci")) {
            return VM.getCode(string.concat(file, ":", name));
        }
        return VM.getCode(string.concat("contracts/out/", file, "/", name, ".json"));
    }

    function modelRegistry(bytes32[] memory setupIds) internal returns (ModelRegistry) {
        return ModelRegistry(_create("ModelRegistry", abi.encode(setupIds)));
    }

    function resultRegistry(IModelRegistry registry) internal returns (ResultRegistry) {
        return ResultRegistry(_create("ResultRegistry", abi.encode(registry)));
    }

    function inferenceVerifier(IModelRegistry registry, bool allowDevSetup)
        internal
        returns (InferenceVerifier)
    {
        return InferenceVerifier(_create("InferenceVerifier", abi.encode(registry, allowDevSetup)));
    }

    function predictionEscrow(IModelRegistry registry, bool allowDevSetup)
        internal
        returns (PredictionEscrow)
    {
        return PredictionEscrow(_create("PredictionEscrow", abi.encode(registry, allowDevSetup)));
    }

    function auditEscrow(IModelRegistry registry, IResultRegistry results, bool allowDevSetup)
        internal
        returns (AuditEscrow)
    {
        return AuditEscrow(_create("AuditEscrow", abi.encode(registry, results, allowDevSetup)));
    }

    function retrievalEscrow(IModelRegistry registry, bool allowDevSetup) internal returns (RetrievalEscrow) {
        return RetrievalEscrow(_create("RetrievalEscrow", abi.encode(registry, allowDevSetup)));
    }

    function serviceBond(IModelRegistry registry, bool allowDevSetup) internal returns (ServiceBond) {
        return ServiceBond(_create("ServiceBond", abi.encode(registry, allowDevSetup)));
    }

    function proofVerifierAdapter(IInferenceVerifier inference) internal returns (ProofVerifierAdapter) {
        return ProofVerifierAdapter(_create("ProofVerifierAdapter", abi.encode(inference)));
    }

    function proofEvaluator(
        IModelRegistry registry,
        bool allowDevSetup,
        IAgenticCommerce commerce,
        uint256 modelId,
        bytes32 bindingHash,
        uint256 inputCommitment
    ) internal returns (ProofEvaluator) {
        bytes memory arguments = abi.encode(
            registry, allowDevSetup, commerce, modelId, bindingHash, inputCommitment
        );
        return ProofEvaluator(_create("ProofEvaluator", arguments));
    }

    function modelMetadata(
        IERCZKMLRegistry registry,
        uint256 modelId,
        uint64 version,
        bytes32 schemaHash,
        string memory schemaUri,
        string memory keyUri
    ) internal returns (ModelMetadata) {
        bytes memory arguments = abi.encode(registry, modelId, version, schemaHash, schemaUri, keyUri);
        return ModelMetadata(_create("ModelMetadata", arguments));
    }

    function marketViews() internal returns (MarketViews) {
        return MarketViews(_create("MarketViews", ""));
    }

    function purses() internal returns (Purses) {
        return Purses(_create("Purses", ""));
    }

    function signedOpenings() internal returns (SignedOpenings) {
        return SignedOpenings(_create("SignedOpenings", ""));
    }

    /// @notice Runs init code; reverts with what the constructor reverts with.
    function create(bytes memory initCode) internal returns (address account) {
        assembly ("memory-safe") {
            account := create(0, add(initCode, 0x20), mload(initCode))
            if iszero(account) {
                let start := mload(0x40)
                returndatacopy(start, 0, returndatasize())
                revert(start, returndatasize())
            }
        }
    }

    function _create(string memory name, bytes memory arguments) private returns (address) {
        return create(bytes.concat(code(name), arguments));
    }
}
