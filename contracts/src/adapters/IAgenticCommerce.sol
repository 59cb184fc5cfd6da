// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title The one call of ERC-8183 (Agentic Commerce, draft of 2026-02-25) that an evaluator needs
interface IAgenticCommerce {
    /// @notice Completes a submitted job and pays its provider. The job's evaluator only.
    /// @param jobId A submitted job.
    /// @param reason Why, as the evaluator states it.
    /// @param optParams More for the contract; the evaluator here sends none.
    function complete(uint256 jobId, bytes32 reason, bytes calldata optParams) external;
}
