// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ServiceBond} from "../../src/ServiceBond.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {RunModel} from "../handlers/RunModel.sol";
import {ServiceBondHandler} from "../handlers/ServiceBondHandler.sol";
import {CustodyInvariants} from "../shared/CustodyInvariants.sol";
import {Keys} from "../shared/Keys.sol";
import {ServiceFixture} from "./ServiceFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

abstract contract ServiceBondInvariants is ServiceFixture, CustodyInvariants {
    ServiceBondHandler internal handler;

    function setUp() public override {
        super.setUp();
        // A fresh contract, so that the handler's ghost state is complete.
        delete serviceId;
        bond = Shipped.serviceBond(registry, false);
        RunModel[2] memory models;
        models[0] = RunModel(modelId, bindingHash, vk.codehash, 1);
        address key = makeKey("key of runs", Keys.classification(2));
        (uint256 id, bytes32 hash) = bindModel(WEIGHTS, key, address(verifier));
        models[1] = RunModel(id, hash, key.codehash, 4);
        handler = new ServiceBondHandler(bond, WEIGHTS, models);
        handler.openService(0, 0, 8, 2, 2, 1);
        handler.openService(1, 1, 8, 5, 3, 1 ether);
        bytes4[] memory selectors = new bytes4[](22);
        selectors[0] = ServiceBondHandler.openService.selector;
        selectors[1] = ServiceBondHandler.topUp.selector;
        selectors[2] = ServiceBondHandler.giveNotice.selector;
        selectors[3] = ServiceBondHandler.close.selector;
        selectors[4] = ServiceBondHandler.post.selector;
        selectors[5] = ServiceBondHandler.post.selector;
        selectors[6] = ServiceBondHandler.post.selector;
        selectors[7] = ServiceBondHandler.contest.selector;
        selectors[8] = ServiceBondHandler.contest.selector;
        selectors[9] = ServiceBondHandler.contest.selector;
        selectors[10] = ServiceBondHandler.prove.selector;
        selectors[11] = ServiceBondHandler.prove.selector;
        selectors[12] = ServiceBondHandler.prove.selector;
        selectors[13] = ServiceBondHandler.prove.selector;
        selectors[14] = ServiceBondHandler.prove.selector;
        selectors[15] = ServiceBondHandler.settle.selector;
        selectors[16] = ServiceBondHandler.punish.selector;
        selectors[17] = handler.withdraw.selector;
        selectors[18] = handler.donate.selector;
        selectors[19] = ServiceBondHandler.pass.selector;
        selectors[20] = ServiceBondHandler.replay.selector;
        selectors[21] = handler.withdrawTo.selector;
        _target(handler, selectors);
    }

    /// @dev The handler reaches every action for real; else the invariants would show nothing.
    function test_HandlerReachesEveryAction() public {
        for (uint256 i = 0; i < 2; ++i) {
            handler.openService(2, i, 8, 1, 2, 2 + i);
            handler.topUp(1, i, 5 ether);
            handler.donate(i, 3);
        }
        for (uint256 i = 0; i < 8; ++i) {
            handler.post(i, i, 1 ether, 1 + i, i);
        }
        handler.replay(0);
        handler.pass(20, 2);
        for (uint256 i = 2; i < 8; ++i) {
            handler.contest(i, 2);
        }
        for (uint256 i = 2; i < 6; ++i) {
            handler.prove(i, 0, true);
            handler.prove(i, 1, true);
            handler.prove(i, 1, false);
        }
        handler.contest(2, 2);
        handler.giveNotice(0);
        handler.giveNotice(1);
        handler.pass(60 days, 9);
        for (uint256 i = 0; i < 8; ++i) {
            handler.settle(1, i);
            handler.punish(2, i);
        }
        handler.close(3, 0);
        assertEq(handler.calls("close"), 0, "before the notice period ends");
        handler.pass(1 days, 1);
        handler.close(3, 0);
        handler.close(3, 1);
        for (uint256 i = 0; i < handler.actorCount(); ++i) {
            handler.withdrawTo(i, 0, i + 1, 1);
            handler.withdraw(i, 1);
        }
        string[9] memory actions =
            ["openService", "topUp", "post", "contest", "prove", "settle", "punish", "close", "withdraw"];
        for (uint256 i = 0; i < actions.length; ++i) {
            assertGt(handler.calls(actions[i]), 0, actions[i]);
        }
        assertGt(handler.calls("upheld"), 0, "upheld");
        assertGt(handler.calls("proveRun"), 0, "runs proven");
        assertGt(handler.calls("contestAgain"), 0, "contested again");
        assertGt(handler.calls("replay"), 0, "replay");
        invariant_SolventPaidOnceAndFinal();
        afterInvariant();
    }

    /// @dev Each batch ends once and stays as it is; the penalty of each that is open is set aside, and the bond covers
    /// what is set aside.
    function _assertEndedOnceAndForGood() internal view override {
        ServiceBondHandler.Ended[] memory batches = handler.endedBatches();
        ServiceBondHandler.Ended[] memory services = handler.endedServices();
        uint256[] memory open = new uint256[](services.length);
        for (uint256 i = 0; i < batches.length; ++i) {
            IServiceBond.Batch memory batch = bond.getBatch(batches[i].id);
            if (_isOpen(batch.state)) {
                assertEq(batches[i].endings, 0, "ended, yet open");
                ++open[batches[i].service];
            } else {
                assertEq(batches[i].endings, 1, "not ended once");
                bytes32 now_ = keccak256(abi.encode(batch, bond.contestedItems(batches[i].id)));
                assertEq(now_, batches[i].last, "changed after the end");
            }
        }
        for (uint256 i = 0; i < services.length; ++i) {
            _assertServiceMatchesGhost(services[i], open[i]);
        }
    }

    function _assertServiceMatchesGhost(ServiceBondHandler.Ended memory ghost, uint256 open) private view {
        IServiceBond.Service memory service = bond.getService(ghost.id);
        assertEq(service.openBatches, open, "open batches");
        assertEq(service.reserved, open * service.penalty, "reserved");
        assertGe(service.bond, service.reserved, "covered");
        assertEq(service.bond, handler.bondOf(ghost.id), "bond");
        assertEq(keccak256(abi.encode(bond.recordOf(ghost.id))), ghost.last, "record");
        bool closed = service.state == IServiceBond.ServiceState.Closed;
        assertEq(ghost.endings, closed ? 1 : 0, "closed once");
        if (closed) assertEq(service.bond, 0, "bond of a closed service");
    }

    /// @dev Bonds; prices of open batches, and advances for items that are neither proven nor forfeited.
    function _heldByJobs(address[] memory money) internal view override returns (uint256[] memory held) {
        held = new uint256[](money.length);
        ServiceBondHandler.Ended[] memory services = handler.endedServices();
        IServiceBond.Service[] memory stored = new IServiceBond.Service[](services.length);
        for (uint256 i = 0; i < services.length; ++i) {
            stored[i] = bond.getService(services[i].id);
            _add(held, money, stored[i].token, stored[i].bond);
        }
        ServiceBondHandler.Ended[] memory batches = handler.endedBatches();
        for (uint256 i = 0; i < batches.length; ++i) {
            if (batches[i].endings != 0) continue;
            IServiceBond.Batch memory batch = bond.getBatch(batches[i].id);
            assertEq(uint8(batch.state), uint8(handler.stateOf(batches[i].id)), "state");
            uint256 amount = batches[i].price;
            // Those of an earlier contest are paid, or it would not be one.
            for (uint256 j = 0; j < batch.checks; ++j) {
                if ((batch.proven >> j) & 1 == 0) amount += stored[batches[i].service].proofCost;
            }
            _add(held, money, stored[batches[i].service].token, amount);
        }
    }

    /// @dev After its deadline anybody can end a batch, and after the notice a service.
    function _endEverything() internal override {
        for (uint256 i = 0; i < handler.batchCount(); ++i) {
            bytes32 batchId = handler.batches(i);
            IServiceBond.Batch memory batch = bond.getBatch(batchId);
            if (!_isOpen(batch.state)) continue;
            _passDeadline(batch.state == IServiceBond.BatchState.Contested ? batch.proveBy : batch.contestBy);
            handler.end(batchId);
            assertEq(handler.endings(batchId), 1, "batch stuck");
        }
        for (uint256 i = 0; i < handler.serviceCount(); ++i) {
            bytes32 id = handler.services(i);
            handler.noticeOf(id);
            uint256 closableAt = bond.getService(id).closableAt;
            if (block.timestamp < closableAt) vm.warp(closableAt);
            handler.close(3, i);
            assertEq(handler.endings(id), 1, "service stuck");
        }
    }

    function _isOpen(IServiceBond.BatchState state) private pure returns (bool) {
        return state == IServiceBond.BatchState.Posted || state == IServiceBond.BatchState.Contested;
    }
}

/// @notice Half of the runs.
contract ServiceBondInvariantTest is ServiceBondInvariants {}

/// @notice The other half, from another seed, so that a second core can take it.
/// forge-config: default.fuzz.seed = "0x61737361790b"
contract ServiceBondInvariantSecondTest is ServiceBondInvariants {}
