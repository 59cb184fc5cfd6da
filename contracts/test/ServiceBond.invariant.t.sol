// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {PlainToken} from "./doubles/Tokens.sol";
import {ServiceBondHandler} from "./doubles/ServiceBondHandler.sol";
import {IServiceBond} from "../src/interfaces/IServiceBond.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

contract ServiceBondInvariantTest is ServiceFixture {
    ServiceBondHandler internal handler;
    address[] internal tokens;

    function setUp() public override {
        super.setUp();
        // A fresh contract, so that the handler's books are complete.
        delete serviceId;
        tokens = [ETHER, address(token)];
        handler = new ServiceBondHandler(registry, token, modelId, bindingHash, WEIGHTS, vk.codehash);
        bond = handler.BOND();
        handler.openService(0, 0, 8, 2, 2, 1);
        handler.openService(1, 1, 8, 5, 3, 1 ether);
        bytes4[] memory selectors = new bytes4[](21);
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
        selectors[17] = ServiceBondHandler.withdraw.selector;
        selectors[18] = ServiceBondHandler.donate.selector;
        selectors[19] = ServiceBondHandler.pass.selector;
        selectors[20] = ServiceBondHandler.replay.selector;
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev What the contract holds is what it owes: bonds, prices and advances of open batches, credits,
    /// and gifts. Payouts and debts equal deposits, and each credit is as the handler's books say.
    function invariant_SolventAndBooksAgree() public view {
        for (uint256 i = 0; i < tokens.length; ++i) {
            address money = tokens[i];
            uint256 debts = _bonds(money) + _openBatches(money);
            for (uint256 j = 0; j < handler.actorCount(); ++j) {
                address actor = handler.actors(j);
                uint256 credit = bond.creditOf(money, actor);
                assertEq(credit, handler.owed(money, actor), "credit");
                debts += credit;
            }
            assertEq(_holdings(money), debts + handler.donated(money), "holdings");
            assertEq(handler.paidOut(money) + debts, handler.deposited(money), "payouts and debts");
        }
    }

    /// @dev Each open batch's penalty is set aside, and the bond covers what is set aside.
    function invariant_PenaltiesAreCovered() public view {
        for (uint256 i = 0; i < handler.serviceCount(); ++i) {
            bytes32 id = handler.services(i);
            IServiceBond.Service memory service = bond.getService(id);
            uint256 open;
            for (uint256 j = 0; j < handler.batchCount(); ++j) {
                bytes32 batchId = handler.batches(j);
                if (handler.receiptOf(batchId).serviceId == id && _isOpen(bond.getBatch(batchId).state)) {
                    ++open;
                }
            }
            assertEq(service.openBatches, open, "open batches");
            assertEq(service.reserved, open * service.penalty, "reserved");
            assertGe(service.bond, service.reserved, "covered");
            assertEq(service.bond, handler.bondOf(id), "bond");
        }
    }

    function invariant_EndedOnceAndTerminalStatesFinal() public view {
        for (uint256 i = 0; i < handler.batchCount(); ++i) {
            bytes32 batchId = handler.batches(i);
            if (_isOpen(bond.getBatch(batchId).state)) {
                assertEq(handler.endings(batchId), 0, "ended, yet open");
            } else {
                assertEq(handler.endings(batchId), 1, "not ended once");
                assertEq(
                    handler.fingerprint(batchId), handler.terminalBatch(batchId), "changed after the end"
                );
            }
        }
        for (uint256 i = 0; i < handler.serviceCount(); ++i) {
            bytes32 id = handler.services(i);
            bool closed = bond.getService(id).state == IServiceBond.ServiceState.Closed;
            assertEq(handler.endings(id), closed ? 1 : 0, "closed once");
            if (closed) assertEq(bond.getService(id).bond, 0, "bond of a closed service");
        }
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
            handler.withdraw(i, 0, i % 2 == 0 ? 0 : 1);
            handler.withdraw(i, 1, 0);
        }
        string[9] memory actions =
            ["openService", "topUp", "post", "contest", "prove", "settle", "punish", "close", "withdraw"];
        for (uint256 i = 0; i < actions.length; ++i) {
            assertGt(handler.calls(actions[i]), 0, actions[i]);
        }
        assertGt(handler.calls("upheld"), 0, "upheld");
        assertGt(handler.calls("replay"), 0, "replay");
        invariant_SolventAndBooksAgree();
        invariant_PenaltiesAreCovered();
        invariant_EndedOnceAndTerminalStatesFinal();
        afterInvariant();
    }

    /// @dev Nothing is ever stuck: after its deadline anybody can end every batch, and after the notice
    /// every service; then all is paid out to the last unit.
    function afterInvariant() public {
        vm.warp(block.timestamp + 31 days);
        for (uint256 i = 0; i < handler.batchCount(); ++i) {
            bytes32 batchId = handler.batches(i);
            IServiceBond.BatchState state = bond.getBatch(batchId).state;
            if (state == IServiceBond.BatchState.Posted) bond.settle(handler.receiptOf(batchId));
            if (state == IServiceBond.BatchState.Contested) bond.punish(handler.receiptOf(batchId));
        }
        for (uint256 i = 0; i < handler.serviceCount(); ++i) {
            bytes32 id = handler.services(i);
            IServiceBond.Service memory service = bond.getService(id);
            if (service.state == IServiceBond.ServiceState.Active) {
                vm.prank(service.provider);
                bond.giveNotice(id);
            }
        }
        vm.warp(block.timestamp + 365 days);
        for (uint256 i = 0; i < handler.serviceCount(); ++i) {
            bytes32 id = handler.services(i);
            if (bond.getService(id).state == IServiceBond.ServiceState.Closing) bond.close(id);
        }
        for (uint256 i = 0; i < tokens.length; ++i) {
            for (uint256 j = 0; j < handler.actorCount(); ++j) {
                address actor = handler.actors(j);
                if (bond.creditOf(tokens[i], actor) == 0) continue;
                vm.prank(actor);
                bond.withdraw(tokens[i]);
            }
            assertEq(_holdings(tokens[i]), handler.donated(tokens[i]), "money left behind");
        }
    }

    function _holdings(address money) private view returns (uint256) {
        return money == ETHER ? address(bond).balance : PlainToken(money).balanceOf(address(bond));
    }

    function _bonds(address money) private view returns (uint256 sum) {
        for (uint256 i = 0; i < handler.serviceCount(); ++i) {
            IServiceBond.Service memory service = bond.getService(handler.services(i));
            if (service.token == money) sum += service.bond;
        }
    }

    /// @dev Prices of open batches, and advances for items that are neither proven nor forfeited.
    function _openBatches(address money) private view returns (uint256 sum) {
        for (uint256 i = 0; i < handler.batchCount(); ++i) {
            bytes32 batchId = handler.batches(i);
            IServiceBond.Batch memory batch = bond.getBatch(batchId);
            IServiceBond.Receipt memory receipt = handler.receiptOf(batchId);
            IServiceBond.Service memory service = bond.getService(receipt.serviceId);
            if (service.token != money || !_isOpen(batch.state)) continue;
            sum += receipt.price;
            for (uint256 j = 0; j < batch.checks; ++j) {
                if ((batch.proven >> j) & 1 == 0) sum += service.proofCost;
            }
        }
    }

    function _isOpen(IServiceBond.BatchState state) private pure returns (bool) {
        return state == IServiceBond.BatchState.Posted || state == IServiceBond.BatchState.Contested;
    }
}
