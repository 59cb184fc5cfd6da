// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IERCZKMLRegistry} from "./interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Errors} from "./libraries/Errors.sol";
import {Statement} from "./libraries/Statement.sol";
import {VerifyingKey} from "./libraries/VerifyingKey.sol";

/// @title Model registry
/// @notice See IModelRegistry for the update policy and what a registration does not prove.
contract ModelRegistry is IModelRegistry, ERC165 {
    /// @dev What escrows read to admit a model lies in two slots, what they read for a proof in three.
    struct Model {
        bytes32 modelHash;
        bytes32 circuitHash;
        bytes32 vkHash;
        bytes32 verifierCodeHash;
        bytes32 bindingHash;
        bytes32 setupId;
        bytes32 checkHash;
        // The statement's bytes up to the reserved ones, which are zero.
        bytes15 statement;
        bool devSetup;
        bool deprecated;
        bytes4 proofSystemId;
        address vk;
        address verifier;
        address owner;
        string uri;
    }

    /// @notice Longest URI that is stored, so that reading a model stays cheap for other contracts.
    uint256 public constant MAX_URI_LENGTH = 1024;

    /// @inheritdoc IModelRegistry
    mapping(bytes32 setupId => bool) public isCeremony;

    mapping(uint256 modelId => Model) private _models;

    /// @param setupIds The ceremonies that are known: keccak256 of the [s]_2 of each, see VerifyingKey.
    constructor(bytes32[] memory setupIds) {
        for (uint256 i = 0; i < setupIds.length; ++i) {
            bytes32 setupId = setupIds[i];
            if (setupId == 0) revert Errors.ZeroValue("setupId");
            isCeremony[setupId] = true;
            emit CeremonyKnown(setupId);
        }
    }

    /// @inheritdoc IERCZKMLRegistry
    function registerModel(ModelCommitment calldata commitment) public returns (uint256 modelId) {
        if (commitment.modelHash == 0) revert Errors.ZeroValue("modelHash");
        if (commitment.circuitHash == 0) revert Errors.ZeroValue("circuitHash");
        if (commitment.vkHash == 0) revert Errors.ZeroValue("vkHash");
        if (commitment.proofSystemId == 0) revert Errors.ZeroValue("proofSystemId");
        _requireUriLength(commitment.uri);

        modelId = modelIdOf(
            msg.sender,
            commitment.modelHash,
            commitment.circuitHash,
            commitment.vkHash,
            commitment.proofSystemId
        );
        Model storage model = _models[modelId];
        if (model.modelHash != 0) revert Errors.AlreadyRegistered(modelId);
        model.modelHash = commitment.modelHash;
        model.circuitHash = commitment.circuitHash;
        model.vkHash = commitment.vkHash;
        model.proofSystemId = commitment.proofSystemId;
        model.owner = msg.sender;
        model.uri = commitment.uri;
        emit ModelRegistered(modelId, msg.sender, commitment);
    }

    /// @inheritdoc IModelRegistry
    function bindVerifier(uint256 modelId, address vk, address verifier)
        public
        returns (bytes32 bindingHash)
    {
        Model storage model = _ownModel(modelId);
        if (model.deprecated) revert Errors.DeprecatedModel(modelId);
        if (model.bindingHash != 0) revert Errors.AlreadyBound(modelId);
        if (vk.codehash != model.vkHash) revert Errors.CodeHashMismatch(vk, model.vkHash, vk.codehash);
        if (verifier.code.length == 0) revert Errors.NoCode(verifier);

        Statement statement = VerifyingKey.statementOf(vk);
        bytes32 setupId = VerifyingKey.setupIdOf(vk);
        bool devSetup = !isCeremony[setupId];
        bindingHash = bindingHashOf(
            model.owner,
            model.modelHash,
            model.circuitHash,
            model.vkHash,
            model.proofSystemId,
            vk,
            verifier,
            verifier.codehash
        );
        model.vk = vk;
        model.verifier = verifier;
        model.verifierCodeHash = verifier.codehash;
        model.checkHash = keccak256(abi.encode(model.modelHash, model.vkHash, verifier.codehash));
        model.setupId = setupId;
        model.statement = bytes15(Statement.unwrap(statement));
        model.devSetup = devSetup;
        model.bindingHash = bindingHash;
        emit VerifierBound(
            modelId, vk, verifier, verifier.codehash, devSetup, setupId, statement, bindingHash
        );
    }

    /// @inheritdoc IModelRegistry
    function registerBoundModel(ModelCommitment calldata commitment, address vk, address verifier)
        external
        returns (uint256 modelId, bytes32 bindingHash)
    {
        modelId = registerModel(commitment);
        bindingHash = bindVerifier(modelId, vk, verifier);
    }

    /// @inheritdoc IERCZKMLRegistry
    function updateModel(uint256 modelId, ModelCommitment calldata newCommitment) external {
        Model storage model = _ownModel(modelId);
        if (model.deprecated) revert Errors.DeprecatedModel(modelId);
        if (
            newCommitment.modelHash != model.modelHash || newCommitment.circuitHash != model.circuitHash
                || newCommitment.vkHash != model.vkHash || newCommitment.proofSystemId != model.proofSystemId
        ) revert Errors.CommitmentImmutable(modelId);
        _requireUriLength(newCommitment.uri);

        ModelCommitment memory oldCommitment = _commitment(model);
        model.uri = newCommitment.uri;
        emit ModelUpdated(modelId, oldCommitment, newCommitment);
    }

    /// @inheritdoc IERCZKMLRegistry
    function deprecateModel(uint256 modelId) external {
        Model storage model = _ownModel(modelId);
        if (model.deprecated) revert Errors.DeprecatedModel(modelId);
        model.deprecated = true;
        emit ModelDeprecated(modelId);
    }

    /// @inheritdoc IERCZKMLRegistry
    function getModel(uint256 modelId)
        external
        view
        returns (ModelCommitment memory commitment, bool deprecated, address owner)
    {
        Model storage model = _model(modelId);
        return (_commitment(model), model.deprecated, model.owner);
    }

    /// @inheritdoc IModelRegistry
    function bindingOf(uint256 modelId) external view returns (ModelBinding memory) {
        Model storage model = _boundModel(modelId);
        return ModelBinding({
            modelHash: model.modelHash,
            vkHash: model.vkHash,
            verifierCodeHash: model.verifierCodeHash,
            vk: model.vk,
            verifier: model.verifier,
            devSetup: model.devSetup,
            setupId: model.setupId,
            statement: Statement.wrap(model.statement),
            owner: model.owner
        });
    }

    /// @inheritdoc IModelRegistry
    function verificationOf(uint256 modelId)
        external
        view
        returns (bytes32 modelHash, bytes32 vkHash, bytes32 verifierCodeHash, address vk, address verifier)
    {
        Model storage model = _boundModel(modelId);
        return (model.modelHash, model.vkHash, model.verifierCodeHash, model.vk, model.verifier);
    }

    /// @inheritdoc IModelRegistry
    function proofCheckOf(uint256 modelId)
        external
        view
        returns (bytes32 checkHash, address vk, address verifier)
    {
        Model storage model = _boundModel(modelId);
        return (model.checkHash, model.vk, model.verifier);
    }

    /// @inheritdoc IModelRegistry
    function codeHashesOf(uint256 modelId) external view returns (bytes32 vkHash, bytes32 verifierCodeHash) {
        Model storage model = _models[modelId];
        verifierCodeHash = model.verifierCodeHash;
        if (verifierCodeHash == 0) _boundModel(modelId);
        return (model.vkHash, verifierCodeHash);
    }

    /// @inheritdoc IModelRegistry
    function admissionOf(uint256 modelId)
        external
        view
        returns (bytes32 bindingHash, bool devSetup, bool deprecated, Statement statement)
    {
        Model storage model = _models[modelId];
        bindingHash = model.bindingHash;
        if (bindingHash == 0) _model(modelId);
        return (bindingHash, model.devSetup, model.deprecated, Statement.wrap(model.statement));
    }

    /// @inheritdoc IModelRegistry
    function proofSystemOf(uint256 modelId) external view returns (bytes4 proofSystemId) {
        return _model(modelId).proofSystemId;
    }

    /// @inheritdoc IModelRegistry
    function sameWeights(uint256 modelA, uint256 modelB) external view returns (bool) {
        Model storage a = _models[modelA];
        Model storage b = _models[modelB];
        // What is bound is registered, and what is registered has a hash.
        return a.bindingHash != 0 && b.bindingHash != 0 && a.modelHash == b.modelHash;
    }

    /// @inheritdoc IModelRegistry
    function modelIdOf(
        address owner,
        bytes32 modelHash,
        bytes32 circuitHash,
        bytes32 vkHash,
        bytes4 proofSystemId
    ) public pure returns (uint256 modelId) {
        modelId = uint256(keccak256(abi.encode(owner, modelHash, circuitHash, vkHash, proofSystemId)));
    }

    /// @inheritdoc IModelRegistry
    function bindingHashOf(
        address owner,
        bytes32 modelHash,
        bytes32 circuitHash,
        bytes32 vkHash,
        bytes4 proofSystemId,
        address vk,
        address verifier,
        bytes32 verifierCodeHash
    ) public pure returns (bytes32 bindingHash) {
        bindingHash = keccak256(
            abi.encode(owner, modelHash, circuitHash, vkHash, proofSystemId, vk, verifier, verifierCodeHash)
        );
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERCZKMLRegistry).interfaceId
            || interfaceId == type(IModelRegistry).interfaceId || super.supportsInterface(interfaceId);
    }

    function _model(uint256 modelId) private view returns (Model storage model) {
        model = _models[modelId];
        if (model.modelHash == 0) revert ModelNotFound(modelId);
    }

    function _boundModel(uint256 modelId) private view returns (Model storage model) {
        model = _models[modelId];
        if (model.verifier == address(0)) {
            _model(modelId);
            revert Errors.NotBound(modelId);
        }
    }

    function _ownModel(uint256 modelId) private view returns (Model storage model) {
        model = _model(modelId);
        if (model.owner != msg.sender) revert NotModelOwner(modelId, msg.sender);
    }

    function _commitment(Model storage model) private view returns (ModelCommitment memory) {
        return ModelCommitment({
            modelHash: model.modelHash,
            circuitHash: model.circuitHash,
            vkHash: model.vkHash,
            proofSystemId: model.proofSystemId,
            uri: model.uri
        });
    }

    function _requireUriLength(string calldata uri) private pure {
        uint256 length = bytes(uri).length;
        if (length > MAX_URI_LENGTH) revert Errors.UriTooLong(length, MAX_URI_LENGTH);
    }
}
