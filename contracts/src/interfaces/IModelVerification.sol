// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title What every escrow tells about the models and proofs it takes
interface IModelVerification {
    /// @notice The registry whose models are admitted.
    function registry() external view returns (address);

    /// @notice Whether keys of locally made trusted setups are admitted. For development chains only.
    function allowDevSetup() external view returns (bool);

    /// @notice Public input 0 of a proof that pays `recipient` for `jobId`:
    /// uint256(keccak256(abi.encode(chain id, this contract, job id, recipient))) >> 8.
    function contextOf(uint256 jobId, address recipient) external view returns (uint256 context);
}
