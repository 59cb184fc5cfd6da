// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title Merkle tree in which the index of an item is its place
/// @notice Each bit of the index says on which side the path joins, and the path's length follows from the
/// number of items, so that a root has one leaf for an index. (Trees that sort siblings can hold two.)
library IndexedMerkle {
    /// @notice Levels above the leaves of a tree of `count` items, filled up to a power of two.
    function depthOf(uint256 count) internal pure returns (uint256 depth) {
        while (2 ** depth < count) ++depth;
    }

    /// @notice Whether `leaf` is item `index` of `count` under `root`.
    function contains(bytes32 root, uint256 count, uint256 index, bytes32 leaf, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        if (path.length != depthOf(count)) return false;
        bytes32 node = leaf;
        for (uint256 level = 0; level < path.length; ++level) {
            node = (index >> level) & 1 == 0
                ? Hashes.efficientKeccak256(node, path[level])
                : Hashes.efficientKeccak256(path[level], node);
        }
        return node == root;
    }
}
