// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {MarketViews} from "../../src/periphery/MarketViews.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {ServiceFixture} from "../service/ServiceFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

contract MarketViewsTest is ServiceFixture {
    MarketViews internal views = Shipped.marketViews();

    /// @dev Jobs 1, 3, 5 and 7 are the model's: 3 is claimed, 5 has expired.
    function test_OpenJobsOfAModel() public {
        (uint256 model, bytes32 binding) = (modelId, bindingHash);
        (uint256 other, bytes32 otherBinding) = bindTo(address(new MockVerifier()));
        for (uint256 i = 0; i < 7; ++i) {
            (modelId, bindingHash) = i % 2 == 0 ? (model, binding) : (other, otherBinding);
            if (i == 4) vm.warp(vm.getBlockTimestamp() - 1 hours);
            openEther();
            if (i == 4) vm.warp(vm.getBlockTimestamp() + 1 hours);
        }
        modelId = model;
        claimFor(3, seller);
        vm.warp(escrow.getJob(1).deadline);
        (MarketViews.OpenJob[] memory jobs, uint256 next) = views.openJobs(escrow, model, 100, 100);
        assertEq(next, 0);
        assertEq(jobs.length, 2);
        assertEq(jobs[0].jobId, 7);
        assertEq(jobs[1].jobId, 1);
        assertEq(abi.encode(jobs[1].job), abi.encode(escrow.getJob(1)));

        (jobs, next) = views.openJobs(escrow, model, 7, 3);
        assertEq(jobs.length, 1);
        assertEq(next, 4);
        (jobs, next) = views.openJobs(escrow, model, next, 4);
        assertEq(jobs.length, 1);
        assertEq(next, 0);
        (jobs, next) = views.openJobs(escrow, model, 0, 4);
        assertEq(jobs.length, 0);
        assertEq(next, 0);
    }

    function test_CreditsOfAnAccount() public {
        claimFor(openEther(), seller);
        ICustody[] memory custodies = new ICustody[](2);
        (custodies[0], custodies[1]) = (escrow, bond);
        address[] memory tokens = new address[](2);
        tokens[1] = address(token);
        MarketViews.Credit[] memory credits = views.creditsOf(custodies, tokens, seller);
        assertEq(credits.length, 1);
        assertEq(address(credits[0].custody), address(escrow));
        assertEq(credits[0].token, ETHER);
        assertEq(credits[0].amount, PRICE);
        assertEq(views.creditsOf(custodies, tokens, stranger).length, 0);
        // A batch that was paid.
        bytes32 batchId = postBatch(0);
        vm.warp(deadlineOf(batchId) + 1);
        bond.settle(receipts[batchId]);
        assertEq(views.creditsOf(custodies, tokens, seller).length, 2);
    }

    function test_RecordsOfServices() public {
        bytes32 batchId = postBatch(0);
        contestBatch(batchId, 1);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        bytes32[] memory ids = new bytes32[](2);
        ids[0] = serviceId;
        ids[1] = openIn(address(token), SALT);
        MarketViews.ServiceRecord[] memory records = views.recordsOf(bond, ids);
        assertEq(records[0].serviceId, serviceId);
        assertEq(records[0].record.posted, 1);
        assertEq(records[0].record.punished, 1);
        assertEq(records[1].record.posted, 0);
        assertEq(abi.encode(records[1].service), abi.encode(bond.getService(ids[1])));
        ids[1] = NONE;
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotFound.selector, NONE));
        views.recordsOf(bond, ids);
    }
}
