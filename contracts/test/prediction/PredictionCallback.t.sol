// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {ListeningBuyer} from "../doubles/Buyers.sol";
import {one} from "../doubles/Words.sol";
import {Fixture} from "../shared/Fixture.sol";

/// @notice What a buyer's contract is told, and who can ask for it. Hostile ones: PredictionHostileTest.
contract PredictionCallbackTest is Fixture {
    ListeningBuyer internal listener = new ListeningBuyer();

    function test_BuyerIsToldOfItsAnswer() public {
        vm.deal(address(listener), PRICE);
        uint256 jobId = _openBy(listener, _order(200_000));
        vm.recordLogs();
        claimFor(jobId, seller);
        assertEq(vm.getRecordedLogs().length, 1, "no failure");
        assertEq(listener.jobId(), jobId);
        assertEq(listener.run(), 0);
        assertEq(listener.outputs(0), OUTPUT);
        assertEq(listener.calls(), 1);
    }

    function test_NobodyIsCalledUnlessAskedFor() public {
        vm.deal(address(listener), PRICE);
        uint256 jobId = _openBy(listener, _order(0));
        vm.recordLogs();
        claimFor(jobId, seller);
        assertEq(listener.calls(), 0);
        assertEq(vm.getRecordedLogs().length, 1, "not even without gas");
    }

    function test_RefundTellsNobody() public {
        vm.deal(address(listener), PRICE);
        uint256 jobId = _openBy(listener, _order(200_000));
        vm.warp(escrow.getJob(jobId).deadline + 1);
        escrow.refund(jobId);
        assertEq(listener.calls(), 0);
        assertEq(escrow.creditOf(ETHER, address(listener)), PRICE);
    }

    function test_CallbackGasBounds() public {
        vm.deal(address(listener), 2 * PRICE);
        IPredictionEscrow.Order memory order = _order(1_000_001);
        vm.prank(address(listener));
        vm.expectRevert(
            abi.encodeWithSelector(Errors.TermOutOfRange.selector, "callbackGas", 1_000_001, 0, 1_000_000)
        );
        escrow.open{value: PRICE}(order);
        order.callbackGas = 1_000_000;
        vm.prank(address(listener));
        assertEq(escrow.getJob(escrow.open{value: PRICE}(order)).callbackGas, 1_000_000);
    }

    function test_RevertWhen_BuyerHasNoCode() public {
        IPredictionEscrow.Order memory order = _order(1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, buyer));
        escrow.open{value: PRICE}(order);
    }

    /// @dev Threat: calls ordered for somebody else's contract.
    function test_RevertWhen_CallbackIsOrderedForOthers() public {
        IPredictionEscrow.Order memory order = _order(1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.TermOutOfRange.selector, "callbackGas", 1, 0, 0));
        escrow.openFor{value: PRICE}(order, address(listener));
    }

    function test_OpenedForSomebodyElse() public {
        IPredictionEscrow.Order memory order = _order(0);
        vm.prank(buyer);
        uint256 jobId = escrow.openFor{value: PRICE}(order, stranger);
        assertEq(escrow.getJob(jobId).buyer, stranger);
        vm.warp(order.deadline + 1);
        escrow.refund(jobId);
        assertEq(escrow.creditOf(ETHER, stranger), PRICE);
        assertEq(escrow.creditOf(ETHER, buyer), 0);
    }

    function test_RevertWhen_OpenedForNobody() public {
        IPredictionEscrow.Order memory order = _order(0);
        address[2] memory refused = [address(0), address(escrow)];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.prank(buyer);
            vm.expectRevert(abi.encodeWithSelector(Errors.InvalidRecipient.selector, refused[i]));
            escrow.openFor{value: PRICE}(order, refused[i]);
        }
    }

    /// @dev The call comes last: by then the answer can be read.
    function test_AnswerCanBeReadMeanwhile() public {
        ReadingBuyer reader = new ReadingBuyer();
        vm.deal(address(reader), PRICE);
        vm.prank(address(reader));
        uint256 jobId = escrow.open{value: PRICE}(_order(200_000));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proofFor(jobId, seller, OUTPUT));
        assertEq(reader.output(), OUTPUT);
    }

    function _openBy(ListeningBuyer who, IPredictionEscrow.Order memory order) private returns (uint256) {
        return
            abi.decode(who.execute(address(escrow), PRICE, abi.encodeCall(escrow.open, (order))), (uint256));
    }

    function _order(uint64 callbackGas) private view returns (IPredictionEscrow.Order memory order) {
        order = orderIn(ETHER, PRICE);
        order.callbackGas = callbackGas;
    }
}

/// @notice Reads its answer from the escrow.
contract ReadingBuyer {
    uint256 public output;

    function onPrediction(uint256 jobId, uint256, uint256[] calldata) external {
        output = IPredictionEscrow(msg.sender).outputOf(jobId);
    }
}
