// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice Stands in for an IResultRegistry: keeps the results that are recorded, and can refuse them.
contract ResultRecorder {
    struct Result {
        address certifier;
        uint256 modelId;
        uint256 testSetRoot;
        bytes32 metric;
        uint64 correct;
        uint64 total;
    }

    error Refused();

    address public immutable registry;
    Result[] private _results;
    bool public refusing;

    constructor(address registry_) {
        registry = registry_;
    }

    function setRefusing(bool on) external {
        refusing = on;
    }

    function recordResult(uint256 modelId, uint256 testSetRoot, bytes32 metric, uint64 correct, uint64 total)
        external
    {
        if (refusing) revert Refused();
        _results.push(Result(msg.sender, modelId, testSetRoot, metric, correct, total));
    }

    function count() external view returns (uint256) {
        return _results.length;
    }

    function at(uint256 index) external view returns (Result memory) {
        return _results[index];
    }
}
