// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Fixture} from "./Fixture.sol";

/// @notice Proofs of runs: of what a model makes of some consecutive items of a committed list.
abstract contract RunFixture is Fixture {
    /// @dev A list of `items` items below `root`, proven in runs of `batch`.
    struct List {
        uint256 root;
        uint256 items;
        uint256 batch;
    }

    /// @dev Proves `result` (a count or a bitmap) of a run; the last one has the items that are left.
    function runProof(bytes32 weights, uint256 context, List memory list, uint256 run, uint256 result)
        internal
        view
        returns (bytes memory)
    {
        uint256 first = run * list.batch;
        uint256 left = list.items - first;
        uint256 length = left < list.batch ? left : list.batch;
        return rawProof(weights, [context, list.root, first, length, result]);
    }

    /// @dev For any public inputs: context, root, first item, number of items, result.
    function rawProof(bytes32 weights, uint256[5] memory values) internal view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](5);
        for (uint256 i = 0; i < 5; ++i) {
            publicInputs[i] = values[i];
        }
        return mockProof(weights, publicInputs);
    }
}
