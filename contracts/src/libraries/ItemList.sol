// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Lists of a batch's items in one word, 16 bits for each index
library ItemList {
    /// @notice Longest list.
    uint256 internal constant MAX_SIZE = 16;
    /// @notice Largest batch.
    uint256 internal constant MAX_COUNT = 1 << 16;

    /// @notice Packs indices of a batch of `count` items, at most MAX_COUNT. Refuses none, more than MAX_SIZE, one that
    /// is not there, and all that are not in ascending order, so that none is there twice.
    function pack(uint256[] calldata indices, uint256 count) internal pure returns (uint256 list) {
        uint256 size = indices.length;
        if (size == 0 || size > MAX_SIZE) revert Errors.ChecksOutOfRange(size, MAX_SIZE);
        for (uint256 i = 0; i < size; ++i) {
            uint256 index = indices[i];
            if (index >= count) revert Errors.ItemOutOfRange(index, count);
            if (i != 0 && index <= indices[i - 1]) revert Errors.ItemsNotAscending(indices[i - 1], index);
            list |= index << (16 * i);
        }
    }

    /// @notice The index at `position`, from 0.
    function at(uint256 list, uint256 position) internal pure returns (uint256 index) {
        return (list >> (16 * position)) & 0xffff;
    }
}
