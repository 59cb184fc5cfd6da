// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Random samples without repetition
library Sampling {
    /// @notice Largest sample; its indices, 16 bits each, fill a word.
    uint256 internal constant MAX_SIZE = 16;
    /// @notice Largest set to draw from.
    uint256 internal constant MAX_COUNT = 1 << 16;

    /// @notice Draws `size` different numbers below `count`, every set of them equally likely (Floyd's
    /// algorithm: Bentley and Floyd, "A sample of brilliance", CACM 30 (9), 1987). The caller keeps to
    /// size <= MAX_SIZE and size <= count <= MAX_COUNT.
    /// @return sample The number drawn at step i in the bits from 16 * i on.
    function draw(bytes32 seed, uint256 count, uint256 size) internal pure returns (uint256 sample) {
        for (uint256 i = 0; i < size; ++i) {
            uint256 last = count - size + i;
            uint256 index = uint256(keccak256(abi.encode(seed, i))) % (last + 1);
            if (_contains(sample, i, index)) index = last;
            sample |= index << (16 * i);
        }
    }

    /// @notice The number drawn at step `position`.
    function at(uint256 sample, uint256 position) internal pure returns (uint256 index) {
        return (sample >> (16 * position)) & 0xffff;
    }

    function _contains(uint256 sample, uint256 size, uint256 index) private pure returns (bool) {
        for (uint256 i = 0; i < size; ++i) {
            if (at(sample, i) == index) return true;
        }
        return false;
    }
}
