// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../interfaces/ICustody.sol";
import {IPredictionEscrow} from "../interfaces/IPredictionEscrow.sol";
import {IServiceBond} from "../interfaces/IServiceBond.sol";

/// @title Views for a first page: what is open, what is owed, how a provider has done
/// @notice Reads contracts that the caller names and holds nothing. What it answers is worth what those contracts are:
/// who shows it to others names the ones that it has compared with a build. For calls that cost no gas: it looks at
/// jobs one by one.
contract MarketViews {
    /// @notice A job that waits for proofs.
    /// @param jobId Its id in the escrow.
    /// @param job The job as stored.
    struct OpenJob {
        uint256 jobId;
        IPredictionEscrow.Job job;
    }

    /// @notice What an account can withdraw.
    /// @param custody The escrow or service bond.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @param amount In units of the token (wei for ether); not zero.
    struct Credit {
        ICustody custody;
        address token;
        uint256 amount;
    }

    /// @notice How a service of a provider has done.
    /// @param serviceId The service's id.
    /// @param service The service as stored.
    /// @param record What became of its batches so far.
    struct ServiceRecord {
        bytes32 serviceId;
        IServiceBond.Service service;
        IServiceBond.Record record;
    }

    /// @notice Jobs of a model that can still be claimed, the newest first.
    /// @param escrow Where they are.
    /// @param modelId Id in the registry of the escrow.
    /// @param newest The id to begin with; jobs above the latest are left out.
    /// @param looks How many jobs are looked at, at most.
    /// @return jobs Those that are open, with a deadline that has not passed.
    /// @return next The id to go on with; 0 when all were looked at.
    function openJobs(IPredictionEscrow escrow, uint256 modelId, uint256 newest, uint256 looks)
        external
        view
        returns (OpenJob[] memory jobs, uint256 next)
    {
        uint256 count = escrow.jobCount();
        if (newest > count) newest = count;
        if (looks > newest) looks = newest;
        next = newest - looks;
        jobs = new OpenJob[](looks);
        uint256 found;
        for (uint256 jobId = newest; jobId > next; --jobId) {
            IPredictionEscrow.Job memory job = escrow.getJob(jobId);
            if (job.modelId != modelId || !_isClaimable(job)) continue;
            jobs[found++] = OpenJob(jobId, job);
        }
        assembly ("memory-safe") {
            mstore(jobs, found)
        }
    }

    /// @notice What an account can withdraw, in all of these contracts and tokens.
    /// @param custodies Escrows and service bonds.
    /// @param tokens ERC-20 tokens; the zero address for ether.
    /// @param account Whose credits.
    /// @return credits Those that are not zero.
    function creditsOf(ICustody[] calldata custodies, address[] calldata tokens, address account)
        external
        view
        returns (Credit[] memory credits)
    {
        credits = new Credit[](custodies.length * tokens.length);
        uint256 found;
        for (uint256 i = 0; i < custodies.length; ++i) {
            for (uint256 j = 0; j < tokens.length; ++j) {
                uint256 amount = custodies[i].creditOf(tokens[j], account);
                if (amount != 0) credits[found++] = Credit(custodies[i], tokens[j], amount);
            }
        }
        assembly ("memory-safe") {
            mstore(credits, found)
        }
    }

    /// @notice How services have done. A provider can post batches to itself, so what it was punished for says more
    /// than what was upheld.
    /// @param bond Where they are.
    /// @param serviceIds Their ids, from the log of ServiceOpened, which has the provider as a topic.
    /// @return records One for each, in the same order; reverts for an unknown id.
    function recordsOf(IServiceBond bond, bytes32[] calldata serviceIds)
        external
        view
        returns (ServiceRecord[] memory records)
    {
        records = new ServiceRecord[](serviceIds.length);
        for (uint256 i = 0; i < serviceIds.length; ++i) {
            bytes32 id = serviceIds[i];
            records[i] = ServiceRecord(id, bond.getService(id), bond.recordOf(id));
        }
    }

    function _isClaimable(IPredictionEscrow.Job memory job) private view returns (bool) {
        return job.state == IPredictionEscrow.State.Open && block.timestamp <= job.deadline;
    }
}
