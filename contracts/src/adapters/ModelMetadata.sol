// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERCZKMLRegistry} from "../interfaces/IERCZKMLRegistry.sol";
import {Errors} from "../libraries/Errors.sol";
import {IZKMetadata} from "./IZKMetadata.sol";

/// @title ERC-8084 metadata of one registered model
/// @notice Written once, at deployment, so that nothing can be swapped later; a model's circuit never
/// changes either. What the URIs lead to is the deployer's claim: readers compare it with the hashes.
/// A contract of its own, because ERC-8274 gives `proofSystem()` another return type.
contract ModelMetadata is IZKMetadata {
    /// @notice The model in the registry.
    uint256 public immutable MODEL_ID;

    /// @inheritdoc IZKMetadata
    bytes32 public immutable circuitId;
    /// @inheritdoc IZKMetadata
    uint64 public immutable circuitVersion;
    /// @inheritdoc IZKMetadata
    bytes32 public immutable publicInputsSchemaHash;
    /// @inheritdoc IZKMetadata
    bytes4 public constant proofSystem = 0x00000003;
    /// @inheritdoc IZKMetadata
    string public publicInputsSchemaURI;
    /// @inheritdoc IZKMetadata
    string public verificationKeyURI;

    /// @dev Errors: ZeroValue, and ModelNotFound of the registry.
    /// @param registry Registry of the model, from which the circuit's hash is read.
    /// @param modelId The model. The id covers its owner, its circuit and its key.
    /// @param version Major version in the high 32 bits, minor in the low ones.
    /// @param schemaHash Keccak-256 of the schema document; not zero.
    /// @param schemaUri Where the schema is; not empty. Content-addressed (`ipfs://`), or if HTTPS is used
    /// with a fragment `#0x` and the Keccak-256 hash of the content in hexadecimal: ERC-8084 says MUST, and
    /// nothing here checks it.
    /// @param keyUri Where the verifying key is; not empty. The same rule holds.
    constructor(
        IERCZKMLRegistry registry,
        uint256 modelId,
        uint64 version,
        bytes32 schemaHash,
        string memory schemaUri,
        string memory keyUri
    ) {
        if (schemaHash == 0) revert Errors.ZeroValue("publicInputsSchemaHash");
        if (bytes(schemaUri).length == 0) revert Errors.ZeroValue("publicInputsSchemaURI");
        if (bytes(keyUri).length == 0) revert Errors.ZeroValue("verificationKeyURI");
        (IERCZKMLRegistry.ModelCommitment memory commitment,,) = registry.getModel(modelId);
        MODEL_ID = modelId;
        circuitId = commitment.circuitHash;
        circuitVersion = version;
        publicInputsSchemaHash = schemaHash;
        publicInputsSchemaURI = schemaUri;
        verificationKeyURI = keyUri;
        emit CircuitMetadataUpdated(commitment.circuitHash, version, proofSystem);
    }
}
