// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @dev A list of one output word.
function one(uint256 word) pure returns (uint256[] memory words) {
    words = new uint256[](1);
    words[0] = word;
}
