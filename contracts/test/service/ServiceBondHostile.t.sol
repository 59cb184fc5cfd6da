// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {NonZeroToken} from "../doubles/Tokens.sol";
import {HostileReceivers} from "../shared/HostileReceivers.sol";
import {HostileTokens} from "../shared/HostileTokens.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice Odd tokens and receivers in services.
contract ServiceBondHostileTest is ServiceFixture, HostileTokens, HostileReceivers {
    uint256 private _lastNonce;

    /// @dev A batch that is contested and proven moves nothing of which there is none.
    function test_TokenRevertingOnZeroWorksForProvenItems() public {
        NonZeroToken odd = new NonZeroToken();
        _fund(address(odd), seller);
        _fund(address(odd), buyer);
        serviceId = openIn(address(odd), 0);
        bytes32 batchId = contested(1);
        proveItem(batchId, 0);
        _withdraw(address(odd), seller, PRICE + PROOF_COST);
    }

    function _custody() internal view override returns (ICustody) {
        return bond;
    }

    function _deposits(address money) internal override returns (Deposit[] memory deposits) {
        _fund(money, buyer);
        _openService(money, seller);
        bytes32 batchId = postBatch(++_lastNonce);
        IServiceBond.Receipt memory receipt = receiptOf(++_lastNonce);
        bytes memory signature = sign(receipt);
        deposits = new Deposit[](4);
        deposits[0] = Deposit(seller, BOND, abi.encodeCall(bond.openService, (termsIn(money), BOND, SALT)));
        deposits[1] = Deposit(seller, 1 ether, abi.encodeCall(bond.topUp, (serviceId, 1 ether)));
        deposits[2] = Deposit(buyer, PRICE, abi.encodeCall(bond.post, (receipt, signature)));
        deposits[3] = Deposit(
            buyer, PROOF_COST, abi.encodeCall(bond.contest, (receipts[batchId], lastItems(COUNT, 1)))
        );
    }

    /// @dev A batch that nobody contests.
    function _sale(address money, address payee) internal override returns (Job memory) {
        _fund(money, buyer);
        _openService(money, payee);
        bytes32 batchId = postBatch(++_lastNonce);
        vm.warp(deadlineOf(batchId) + 1);
        return Job(abi.encodeCall(bond.settle, (receipts[batchId])), PRICE);
    }

    /// @dev A contested batch of which nothing is proven.
    function _refund(address money, address payee) internal override returns (Job memory) {
        _fund(money, payee);
        _openService(money, seller);
        IServiceBond.Receipt memory receipt = receiptOf(++_lastNonce);
        receipt.buyer = payee;
        bytes32 batchId = postReceipt(receipt);
        contestBatch(batchId, 1);
        vm.warp(deadlineOf(batchId) + 1);
        return Job(abi.encodeCall(bond.punish, (receipts[batchId])), PRICE + PROOF_COST + PENALTY);
    }

    function _guardedCalls(address money) internal view override returns (bytes[] memory calls) {
        IServiceBond.Receipt memory receipt = receiptOf(1);
        IServiceBond.Opening memory opening;
        calls = new bytes[](9);
        calls[0] = abi.encodeCall(bond.openService, (termsIn(money), BOND, SALT));
        calls[1] = abi.encodeCall(bond.topUp, (serviceId, 1));
        calls[2] = abi.encodeCall(bond.giveNotice, (serviceId));
        calls[3] = abi.encodeCall(bond.close, (serviceId));
        calls[4] = abi.encodeCall(bond.post, (receipt, ""));
        calls[5] = abi.encodeCall(bond.contest, (receipt, lastItems(COUNT, 1)));
        calls[6] = abi.encodeCall(bond.prove, (receipt, opening, ""));
        calls[7] = abi.encodeCall(bond.settle, (receipt));
        calls[8] = abi.encodeCall(bond.punish, (receipt));
    }

    function _openService(address money, address provider) private {
        _fund(money, provider);
        bytes32 salt = bytes32(++_lastNonce);
        vm.prank(provider);
        serviceId = bond.openService{value: money == ETHER ? BOND : 0}(termsIn(money), BOND, salt);
    }
}
