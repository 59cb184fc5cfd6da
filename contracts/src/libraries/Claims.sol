// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title The order of an audit's claims: the highest first, among equal ones the earlier entry
/// @notice `claims` holds the claim of each entry from entry 1 on, zero for none. A claim that comes after `turn`
/// others has turn `turn`: its window is the one after theirs.
library Claims {
    /// @notice How many claims come before that of `entry`, which has one.
    function turnOf(uint32[16] memory claims, uint256 entry) internal pure returns (uint256 turn) {
        for (uint256 other = 1; other <= 16; ++other) {
            if (comesBefore(claims, other, entry)) ++turn;
        }
    }

    /// @notice The first of the entries that have a bit in `among`, zero if there is none.
    function first(uint32[16] memory claims, uint256 among) internal pure returns (uint256 leader) {
        for (uint256 entry = 1; among != 0; ++entry) {
            bool counts = among & 1 != 0;
            if (counts && (leader == 0 || comesBefore(claims, entry, leader))) leader = entry;
            among >>= 1;
        }
    }

    /// @notice Whether the claim of `other` comes before that of `entry`. An entry does not come before itself.
    function comesBefore(uint32[16] memory claims, uint256 other, uint256 entry)
        internal
        pure
        returns (bool)
    {
        uint32 theirs = claims[other - 1];
        uint32 own = claims[entry - 1];
        return theirs > own || (theirs == own && other < entry);
    }
}
