// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice The answers of a batch and their Merkle tree, as a provider builds it. Written without the
/// library under test.
library BatchTree {
    function inputOf(uint256 index) internal pure returns (uint256) {
        return 1_000 + index;
    }

    function outputOf(uint256 index) internal pure returns (uint256) {
        return index % 10;
    }

    function leaf(uint256 index, uint256 input, uint256 output) internal pure returns (bytes32) {
        return keccak256(abi.encode(index, input, keccak256(abi.encode(output))));
    }

    function root(uint256 count) internal pure returns (bytes32) {
        bytes32[] memory level = leaves(count);
        while (level.length > 1) {
            level = above(level);
        }
        return level[0];
    }

    function path(uint256 count, uint256 index) internal pure returns (bytes32[] memory siblings) {
        bytes32[] memory level = leaves(count);
        uint256 depth;
        while (level.length >> depth > 1) {
            ++depth;
        }
        siblings = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            siblings[i] = level[index ^ 1];
            level = above(level);
            index /= 2;
        }
    }

    function leaves(uint256 count) internal pure returns (bytes32[] memory level) {
        uint256 width = 1;
        while (width < count) {
            width *= 2;
        }
        level = new bytes32[](width);
        for (uint256 i = 0; i < count; ++i) {
            level[i] = leaf(i, inputOf(i), outputOf(i));
        }
    }

    function above(bytes32[] memory level) internal pure returns (bytes32[] memory next) {
        next = new bytes32[](level.length / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] = keccak256(abi.encodePacked(level[2 * i], level[2 * i + 1]));
        }
    }
}
