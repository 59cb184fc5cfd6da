// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Events} from "../../src/libraries/Events.sol";
import {Caller} from "../doubles/Buyers.sol";
import {Fixture} from "../shared/Fixture.sol";
import {HostileCallbacks} from "../shared/HostileCallbacks.sol";
import {HostileReceivers} from "../shared/HostileReceivers.sol";
import {HostileTokens} from "../shared/HostileTokens.sol";
import {one} from "../doubles/Words.sol";

/// @notice Odd tokens, receivers and buyers' contracts in predictions.
contract PredictionHostileTest is Fixture, HostileTokens, HostileReceivers, HostileCallbacks {
    function _custody() internal view override returns (ICustody) {
        return escrow;
    }

    function _deposits(address money) internal override returns (Deposit[] memory deposits) {
        _fund(money, buyer);
        IPredictionEscrow.Order memory order = orderIn(money, PRICE);
        ICustody.Permit memory permit;
        deposits = new Deposit[](3);
        deposits[0] = Deposit(buyer, PRICE, abi.encodeCall(escrow.open, (order)));
        deposits[1] = Deposit(buyer, PRICE, abi.encodeCall(escrow.openWithPermit, (order, permit)));
        deposits[2] = Deposit(buyer, PRICE, abi.encodeCall(escrow.openFor, (order, stranger)));
    }

    function _sale(address money, address payee) internal override returns (Job memory) {
        uint256 jobId = _open(money, buyer);
        bytes memory proof = proofFor(jobId, payee, OUTPUT);
        return Job(abi.encodeCall(escrow.claim, (jobId, 0, payee, one(OUTPUT), proof)), PRICE);
    }

    function _refund(address money, address payee) internal override returns (Job memory) {
        uint256 jobId = _open(money, payee);
        vm.warp(escrow.getJob(jobId).deadline + 1);
        return Job(abi.encodeCall(escrow.refund, (jobId)), PRICE);
    }

    function _guardedCalls(address money) internal view override returns (bytes[] memory calls) {
        ICustody.Permit memory permit;
        calls = new bytes[](6);
        calls[0] = abi.encodeCall(escrow.open, (orderIn(money, PRICE)));
        calls[1] = abi.encodeCall(escrow.openWithPermit, (orderIn(money, PRICE), permit));
        calls[2] = abi.encodeCall(escrow.claim, (1, 0, stranger, one(OUTPUT), ""));
        calls[3] = abi.encodeCall(escrow.refund, (1));
        calls[4] = abi.encodeCall(escrow.requestCancel, (1));
        calls[5] = abi.encodeCall(escrow.openFor, (orderIn(money, PRICE), stranger));
    }

    function _saleTo(Caller buyer_, address payee) internal override returns (Job memory) {
        vm.deal(address(buyer_), PRICE);
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.callbackGas = CALLBACK_GAS;
        bytes memory opened = buyer_.execute(address(escrow), PRICE, abi.encodeCall(escrow.open, (order)));
        uint256 jobId = abi.decode(opened, (uint256));
        bytes memory proof = proofFor(jobId, payee, OUTPUT);
        return Job(abi.encodeCall(escrow.claim, (jobId, 0, payee, one(OUTPUT), proof)), PRICE);
    }

    function _expectFailure() internal override {
        vm.expectEmit(address(escrow));
        emit Events.CallbackFailed(escrow.jobCount(), 0);
    }

    function _open(address money, address who) private returns (uint256 jobId) {
        _fund(money, who);
        IPredictionEscrow.Order memory order = orderIn(money, PRICE);
        vm.prank(who);
        return escrow.open{value: money == ETHER ? PRICE : 0}(order);
    }
}
