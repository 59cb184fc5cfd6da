// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IResultRegistry} from "./interfaces/IResultRegistry.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";

/// @title Registry of certified results
/// @notice See IResultRegistry.
contract ResultRegistry is IResultRegistry {
    IModelRegistry private immutable REGISTRY;

    /// @dev One slot each.
    mapping(bytes32 key => Result) private _results;

    /// @param registry_ Registry whose model ids are meant.
    constructor(IModelRegistry registry_) {
        if (address(registry_).code.length == 0) revert Errors.NoCode(address(registry_));
        REGISTRY = registry_;
    }

    /// @inheritdoc IResultRegistry
    function recordResult(uint256 modelId, uint256 testSetRoot, bytes32 metric, uint64 correct, uint64 total)
        external
    {
        if (testSetRoot == 0) revert Errors.ZeroValue("testSetRoot");
        PublicInputs.requireCanonical(1, testSetRoot);
        if (metric == 0) revert Errors.ZeroValue("metric");
        if (total == 0 || correct > total) revert Errors.ResultOutOfRange(correct, total);
        // Reverts for an unknown model.
        REGISTRY.admissionOf(modelId);

        Result storage result = _results[_key(msg.sender, modelId, testSetRoot, metric)];
        uint64 known = result.total;
        if (total > known || (total == known && correct > result.correct)) {
            result.correct = correct;
            result.total = total;
            result.recordedAt = SafeCast.toUint64(block.timestamp);
        }
        emit Events.ResultRecorded(msg.sender, modelId, testSetRoot, metric, correct, total);
    }

    /// @inheritdoc IResultRegistry
    function resultOf(address certifier, uint256 modelId, uint256 testSetRoot, bytes32 metric)
        external
        view
        returns (Result memory result)
    {
        return _results[_key(certifier, modelId, testSetRoot, metric)];
    }

    /// @inheritdoc IResultRegistry
    function registry() external view returns (address) {
        return address(REGISTRY);
    }

    function _key(address certifier, uint256 modelId, uint256 testSetRoot, bytes32 metric)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(certifier, modelId, testSetRoot, metric));
    }
}
