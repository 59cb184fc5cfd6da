// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Fixture} from "../shared/Fixture.sol";
import {HostileReceivers} from "../shared/HostileReceivers.sol";
import {HostileTokens} from "../shared/HostileTokens.sol";

/// @notice Odd tokens and receivers in predictions.
contract PredictionHostileTest is Fixture, HostileTokens, HostileReceivers {
    function _custody() internal view override returns (ICustody) {
        return escrow;
    }

    function _deposits(address money) internal override returns (Deposit[] memory deposits) {
        _fund(money, buyer);
        IPredictionEscrow.Order memory order = orderIn(money, PRICE);
        ICustody.Permit memory permit;
        deposits = new Deposit[](2);
        deposits[0] = Deposit(buyer, PRICE, abi.encodeCall(escrow.open, (order)));
        deposits[1] = Deposit(buyer, PRICE, abi.encodeCall(escrow.openWithPermit, (order, permit)));
    }

    function _sale(address money, address payee) internal override returns (Job memory) {
        uint256 jobId = _open(money, buyer);
        bytes memory proof = proofFor(jobId, payee, OUTPUT);
        return Job(abi.encodeCall(escrow.claim, (jobId, payee, OUTPUT, proof)), PRICE);
    }

    function _refund(address money, address payee) internal override returns (Job memory) {
        uint256 jobId = _open(money, payee);
        vm.warp(escrow.getJob(jobId).deadline + 1);
        return Job(abi.encodeCall(escrow.refund, (jobId)), PRICE);
    }

    function _guardedCalls(address money) internal view override returns (bytes[] memory calls) {
        ICustody.Permit memory permit;
        calls = new bytes[](4);
        calls[0] = abi.encodeCall(escrow.open, (orderIn(money, PRICE)));
        calls[1] = abi.encodeCall(escrow.openWithPermit, (orderIn(money, PRICE), permit));
        calls[2] = abi.encodeCall(escrow.claim, (1, stranger, OUTPUT, ""));
        calls[3] = abi.encodeCall(escrow.refund, (1));
    }

    function _open(address money, address who) private returns (uint256 jobId) {
        _fund(money, who);
        IPredictionEscrow.Order memory order = orderIn(money, PRICE);
        vm.prank(who);
        return escrow.open{value: money == ETHER ? PRICE : 0}(order);
    }
}
