// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAgenticCommerce} from "../../src/adapters/IAgenticCommerce.sol";

/// @notice The states of an ERC-8183 contract, as far as an evaluator meets them.
contract AgenticCommerceDouble is IAgenticCommerce {
    enum Status {
        Open,
        Funded,
        Submitted,
        Completed
    }

    struct Job {
        address evaluator;
        Status status;
        bytes32 reason;
    }

    error WrongStatus();
    error Unauthorized();

    mapping(uint256 jobId => Job) public jobs;

    function create(uint256 jobId, address evaluator, Status status) external {
        jobs[jobId] = Job(evaluator, status, 0);
    }

    function complete(uint256 jobId, bytes32 reason, bytes calldata) external {
        Job storage job = jobs[jobId];
        if (job.status != Status.Submitted) revert WrongStatus();
        if (msg.sender != job.evaluator) revert Unauthorized();
        (job.status, job.reason) = (Status.Completed, reason);
    }
}
