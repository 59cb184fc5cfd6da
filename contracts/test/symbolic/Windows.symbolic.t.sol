// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Statement, Statements} from "../../src/libraries/Statement.sol";
import {one} from "../doubles/Words.sol";

/// @notice Registry of one model, and a verifier that accepts everything: here only the clock decides.
contract OneModel is IHalo2Verifier {
    function admissionOf(uint256) external pure returns (bytes32, bool, bool, Statement) {
        return (bytes32(uint256(1)), false, false, Statements.CLASS_OF_COMMITTED_INPUT);
    }

    function proofCheckOf(uint256) external view returns (bytes32, address, address) {
        bytes32 codeHash = address(this).codehash;
        bytes32 checkHash = keccak256(abi.encode(uint256(2), codeHash, codeHash));
        return (checkHash, address(this), address(this));
    }

    function verify(address, bytes calldata, uint256[] calldata) external pure returns (bytes32) {
        return bytes32(uint256(2));
    }
}

/// @notice Claim against refund, for all prices, deadlines and times (scripts/symbolic-tests.sh).
contract WindowsSymbolicTest is Test {
    address internal constant BUYER = address(0xa11ce);
    address internal constant SELLER = address(0xb0b);
    uint256 internal constant START = 1_800_000_000;

    PredictionEscrow internal escrow;

    function setUp() public {
        vm.warp(START);
        escrow = new PredictionEscrow(IModelRegistry(address(new OneModel())), false);
    }

    /// @dev Whoever comes first and when: the money goes to the seller up to the deadline, to the buyer from then on,
    /// and only once.
    function check_ClaimXorRefund(uint96 price, uint64 deadline, uint64 time, bool refundFirst) public {
        vm.assume(price != 0);
        vm.assume(deadline > START && deadline <= START + 365 days);
        vm.assume(time >= START);
        IPredictionEscrow.Order memory order;
        order.modelId = 1;
        order.bindingHash = bytes32(uint256(1));
        order.inputCommitment = 5;
        order.items = 1;
        order.price = price;
        order.deadline = deadline;
        vm.deal(BUYER, price);
        vm.prank(BUYER);
        uint256 jobId = escrow.open{value: price}(order);

        vm.warp(time);
        bytes memory claim = abi.encodeCall(escrow.claim, (jobId, 0, SELLER, one(7), ""));
        bytes memory refund = abi.encodeCall(escrow.refund, (jobId));
        (bool first,) = address(escrow).call(refundFirst ? refund : claim);
        (bool second,) = address(escrow).call(refundFirst ? claim : refund);
        (bool claimed, bool refunded) = refundFirst ? (second, first) : (first, second);
        assertEq(claimed, time <= deadline);
        assertEq(refunded, time > deadline);
        assertEq(escrow.creditOf(address(0), SELLER), claimed ? price : 0);
        assertEq(escrow.creditOf(address(0), BUYER), refunded ? price : 0);
        assertEq(address(escrow).balance, price);
        (bool again,) = address(escrow).call(refundFirst ? refund : claim);
        assertFalse(again);
    }
}
