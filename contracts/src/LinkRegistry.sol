// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {ILinkRegistry} from "./interfaces/ILinkRegistry.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {VerifyingKey} from "./libraries/VerifyingKey.sol";

/// @title Registry of links between commitments
/// @notice See ILinkRegistry.
contract LinkRegistry is ILinkRegistry {
    IModelRegistry private immutable REGISTRY;
    bool private immutable ALLOW_DEV_SETUP;

    mapping(bytes32 linkId => Link) private _links;

    /// @param registry_ Registry whose models are linked.
    /// @param allowDevSetup_ Whether to admit keys of locally made trusted setups.
    constructor(IModelRegistry registry_, bool allowDevSetup_) {
        if (address(registry_).code.length == 0) revert Errors.NoCode(address(registry_));
        REGISTRY = registry_;
        ALLOW_DEV_SETUP = allowDevSetup_;
    }

    /// @inheritdoc ILinkRegistry
    function linkModels(LinkProof calldata linkProof) external returns (bytes32 linkId) {
        LinkSide calldata a = linkProof.a;
        LinkSide calldata b = linkProof.b;
        if (a.modelId >= b.modelId) revert Errors.PairNotOrdered(a.modelId, b.modelId);
        PublicInputs.requireCanonical(2, linkProof.value);

        LinkKey memory keyA = LinkKey(a.vk.codehash, a.verifier.codehash);
        LinkKey memory keyB = LinkKey(b.vk.codehash, b.verifier.codehash);
        linkId = _linkId(a.modelId, b.modelId, keyA, keyB);
        if (_links[linkId].linkedAt != 0) revert Errors.AlreadyLinked(linkId);

        bool devSetup = _requireProofs(a, b, linkProof.value);
        _links[linkId] = Link({linkedAt: SafeCast.toUint64(block.timestamp), devSetup: devSetup});
        emit Events.ModelsLinked(
            a.modelId,
            b.modelId,
            linkId,
            keyA.vkHash,
            keyA.verifierCodeHash,
            keyB.vkHash,
            keyB.verifierCodeHash,
            devSetup
        );
    }

    /// @inheritdoc ILinkRegistry
    function linkOf(uint256 modelA, uint256 modelB, LinkKey calldata keyA, LinkKey calldata keyB)
        external
        view
        returns (Link memory link)
    {
        return _links[linkIdOf(modelA, modelB, keyA, keyB)];
    }

    /// @inheritdoc ILinkRegistry
    function contextOf(uint256 modelA, uint256 modelB) external view returns (uint256 context) {
        return modelA < modelB ? _context(modelA, modelB) : _context(modelB, modelA);
    }

    /// @inheritdoc ILinkRegistry
    function pointOf(uint256 modelA, uint256 modelB) external view returns (uint256 point) {
        bytes32 modelHashA = REGISTRY.bindingOf(modelA).modelHash;
        bytes32 modelHashB = REGISTRY.bindingOf(modelB).modelHash;
        return modelA < modelB ? _point(modelHashA, modelHashB) : _point(modelHashB, modelHashA);
    }

    /// @inheritdoc ILinkRegistry
    function registry() external view returns (address) {
        return address(REGISTRY);
    }

    /// @inheritdoc ILinkRegistry
    function allowDevSetup() external view returns (bool) {
        return ALLOW_DEV_SETUP;
    }

    /// @inheritdoc ILinkRegistry
    function linkIdOf(uint256 modelA, uint256 modelB, LinkKey calldata keyA, LinkKey calldata keyB)
        public
        pure
        returns (bytes32 linkId)
    {
        return modelA < modelB ? _linkId(modelA, modelB, keyA, keyB) : _linkId(modelB, modelA, keyB, keyA);
    }

    /// @dev Reverts unless both proofs are valid for one value at the pair's point.
    /// @return devSetup Whether either key is of a locally made setup.
    function _requireProofs(LinkSide calldata a, LinkSide calldata b, uint256 value)
        private
        view
        returns (bool devSetup)
    {
        bytes32 modelHashA = REGISTRY.bindingOf(a.modelId).modelHash;
        bytes32 modelHashB = REGISTRY.bindingOf(b.modelId).modelHash;
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = _context(a.modelId, b.modelId);
        publicInputs[1] = _point(modelHashA, modelHashB);
        publicInputs[2] = value;
        bool devA = _requireSide(a, modelHashA, publicInputs);
        bool devB = _requireSide(b, modelHashB, publicInputs);
        return devA || devB;
    }

    /// @dev Reverts unless the side's proof is valid for the public inputs and shows the model's weights.
    function _requireSide(LinkSide calldata side, bytes32 modelHash, uint256[] memory publicInputs)
        private
        view
        returns (bool devSetup)
    {
        devSetup = VerifyingKey.isDevSetup(side.vk);
        if (devSetup && !ALLOW_DEV_SETUP) revert Errors.DevSetupRefused(side.modelId);
        if (side.verifier.code.length == 0) revert Errors.NoCode(side.verifier);
        bytes32 weightsHash = IHalo2Verifier(side.verifier).verify(side.vk, side.proof, publicInputs);
        if (weightsHash != modelHash) revert Errors.ModelHashMismatch(modelHash, weightsHash);
    }

    function _context(uint256 modelA, uint256 modelB) private view returns (uint256) {
        return ProofContext.bind(uint256(keccak256(abi.encode(modelA, modelB))), address(0));
    }

    function _point(bytes32 modelHashA, bytes32 modelHashB) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(modelHashA, modelHashB))) >> 8;
    }

    function _linkId(uint256 modelA, uint256 modelB, LinkKey memory keyA, LinkKey memory keyB)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(modelA, modelB, keyA, keyB));
    }
}
