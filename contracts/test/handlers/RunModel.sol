// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice A bound model whose proofs are about runs of `batch` items.
struct RunModel {
    uint256 id;
    bytes32 bindingHash;
    bytes32 vkHash;
    uint32 batch;
}
