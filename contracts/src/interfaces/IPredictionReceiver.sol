// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title A buyer's contract that is told of its predictions as they are proven
/// @notice {IPredictionEscrow} calls it within the claim, after the payment, with the gas that the job was opened with.
/// Whether it fails decides nothing. It can make no call that changes the escrow, but read everything. The caller is
/// to be checked: it is the escrow, or anybody.
interface IPredictionReceiver {
    /// @notice A run of a job that this contract has opened was proven.
    /// @param jobId The job's id.
    /// @param run 0 for a job of one input; else which run of its collection.
    /// @param outputs The proven words, see {IModelVerification}.
    function onPrediction(uint256 jobId, uint256 run, uint256[] calldata outputs) external;
}
