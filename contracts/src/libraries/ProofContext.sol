// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Public input 0 of every proof
library ProofContext {
    /// @notice Ties a proof to this chain, the calling contract, one job and one recipient.
    /// @return context 248 bits, so that it is below the scalar modulus of BN254 without reduction.
    function bind(uint256 jobId, address recipient) internal view returns (uint256 context) {
        context = uint256(keccak256(abi.encode(block.chainid, address(this), jobId, recipient))) >> 8;
    }
}
