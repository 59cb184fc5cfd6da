// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {Fixture} from "../shared/Fixture.sol";

/// @notice Custody as the prediction escrow uses it: money in by opening, money out by withdrawing.
abstract contract CustodyFixture is Fixture {
    /// @dev Opens a job in `token_` and pays it to `recipient`.
    function earn(address token_, address recipient) internal {
        uint256 jobId = token_ == ETHER ? openEther() : openIn(token_);
        claimFor(jobId, recipient);
    }
}

contract CustodyWithdrawTest is CustodyFixture {
    function test_WithdrawEther() public {
        earn(ETHER, seller);
        vm.expectEmit(address(escrow));
        emit Events.Withdrawn(ETHER, seller, seller, PRICE);
        vm.prank(seller);
        assertEq(escrow.withdraw(ETHER), PRICE);
        assertEq(seller.balance, PRICE);
        assertEq(escrow.creditOf(ETHER, seller), 0);
        assertEq(address(escrow).balance, 0);
    }

    function test_WithdrawToken() public {
        earn(address(token), seller);
        vm.prank(seller);
        assertEq(escrow.withdraw(address(token)), PRICE);
        assertEq(token.balanceOf(seller), PRICE);
        assertEq(token.balanceOf(address(escrow)), 0);
    }

    function test_WithdrawToPaysPartElsewhere() public {
        earn(address(token), seller);
        vm.expectEmit(address(escrow));
        emit Events.Withdrawn(address(token), seller, stranger, PRICE / 4);
        vm.prank(seller);
        escrow.withdrawTo(address(token), stranger, PRICE / 4);
        assertEq(token.balanceOf(stranger), PRICE / 4);
        assertEq(escrow.creditOf(address(token), seller), PRICE - PRICE / 4);
    }

    function test_CreditsOfSeveralJobsAddUp() public {
        earn(ETHER, seller);
        earn(ETHER, seller);
        earn(address(token), seller);
        assertEq(escrow.creditOf(ETHER, seller), 2 * PRICE);
        vm.prank(seller);
        assertEq(escrow.withdraw(ETHER), 2 * PRICE);
        assertEq(escrow.creditOf(address(token), seller), PRICE);
    }

    /// @dev All or none, each in the caller's name.
    function test_ManyCallsAtOnce() public {
        earn(ETHER, seller);
        earn(address(token), seller);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ICustody.withdraw, (ETHER));
        calls[1] = abi.encodeCall(ICustody.withdrawTo, (address(token), stranger, PRICE + 1));
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, token, PRICE, PRICE + 1));
        escrow.multicall(calls);
        assertEq(seller.balance, 0);
        calls[1] = abi.encodeCall(ICustody.withdrawTo, (address(token), stranger, PRICE));
        vm.prank(seller);
        bytes[] memory results = escrow.multicall(calls);
        assertEq(abi.decode(results[0], (uint256)), PRICE);
        assertEq(seller.balance, PRICE);
        assertEq(token.balanceOf(stranger), PRICE);
        assertEq(escrow.multicall(new bytes[](0)).length, 0);
    }

    function test_RevertWhen_NothingToWithdraw() public {
        bytes memory refusal = abi.encodeWithSelector(Errors.InsufficientCredit.selector, ETHER, 0, 0);
        vm.expectRevert(refusal);
        escrow.withdraw(ETHER);
        vm.expectRevert(refusal);
        escrow.withdrawTo(ETHER, stranger, 0);
    }

    function test_RevertWhen_WithdrawnTwice() public {
        earn(ETHER, seller);
        openEther();
        vm.startPrank(seller);
        escrow.withdraw(ETHER);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, ETHER, 0, 0));
        escrow.withdraw(ETHER);
    }

    function test_RevertWhen_WithdrawingMoreThanCredit() public {
        earn(ETHER, seller);
        openEther();
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, ETHER, PRICE, PRICE + 1));
        escrow.withdrawTo(ETHER, seller, PRICE + 1);
    }

    /// @dev A zero amount is refused also for those who have credit: tokens may revert on it.
    function test_RevertWhen_WithdrawingZero() public {
        earn(ETHER, seller);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, ETHER, PRICE, 0));
        escrow.withdrawTo(ETHER, seller, 0);
    }

    function test_RevertWhen_WithdrawingToZeroOrEscrow() public {
        earn(ETHER, seller);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidRecipient.selector, address(0)));
        escrow.withdrawTo(ETHER, address(0), PRICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidRecipient.selector, address(escrow)));
        escrow.withdrawTo(ETHER, address(escrow), PRICE);
    }

    function test_CreditIsPerToken() public {
        earn(address(token), seller);
        openEther();
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, ETHER, 0, PRICE));
        escrow.withdrawTo(ETHER, seller, PRICE);
    }

    function testFuzz_WithdrawInParts(uint96 price, uint96 first) public {
        price = uint96(bound(price, 2, 1_000 ether));
        first = uint96(bound(first, 1, price - 1));
        vm.prank(buyer);
        uint256 jobId = escrow.open(orderIn(address(token), price));
        claimFor(jobId, seller);
        vm.startPrank(seller);
        escrow.withdrawTo(address(token), stranger, first);
        assertEq(escrow.creditOf(address(token), seller), price - first);
        assertEq(escrow.withdraw(address(token)), price - first);
        assertEq(token.balanceOf(stranger), first);
        assertEq(token.balanceOf(seller), price - first);
        assertEq(token.balanceOf(address(escrow)), 0);
    }
}

contract CustodyPermitTest is CustodyFixture {
    function test_OpenWithPermit() public {
        IPredictionEscrow.Order memory order = orderIn(address(permitToken), PRICE);
        ICustody.Permit memory permit = signPermit(buyerKey, address(escrow), PRICE);
        vm.prank(buyer);
        uint256 jobId = escrow.openWithPermit(order, permit);
        assertEq(escrow.getJob(jobId).buyer, buyer);
        assertEq(permitToken.balanceOf(address(escrow)), PRICE);
        assertEq(permitToken.allowance(buyer, address(escrow)), 0);
    }

    /// @dev Somebody sends the buyer's permit first: the opening still works.
    function test_OpenWithPermitUsedByFrontRunner() public {
        ICustody.Permit memory permit = signPermit(buyerKey, address(escrow), PRICE);
        vm.prank(stranger);
        permitToken.permit(buyer, address(escrow), PRICE, permit.deadline, permit.v, permit.r, permit.s);
        vm.prank(buyer);
        assertEq(escrow.openWithPermit(orderIn(address(permitToken), PRICE), permit), 1);
    }

    function test_OpenWithPermitOnTokenWithoutPermit() public {
        ICustody.Permit memory permit;
        vm.prank(buyer);
        assertEq(escrow.openWithPermit(orderIn(address(token), PRICE), permit), 1);
    }

    /// @dev Any call that takes a token can follow a permit in one transaction.
    function test_PermitBeforeOtherCalls() public {
        ICustody.Permit memory permit = signPermit(buyerKey, address(escrow), 2 * PRICE);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(ICustody.usePermit, (address(permitToken), 2 * PRICE, permit));
        calls[1] = abi.encodeCall(escrow.open, (orderIn(address(permitToken), PRICE)));
        calls[2] = calls[1];
        vm.prank(buyer);
        bytes[] memory results = escrow.multicall(calls);
        assertEq(abi.decode(results[2], (uint256)), 2);
        assertEq(permitToken.balanceOf(address(escrow)), 2 * PRICE);
        assertEq(escrow.getJob(2).buyer, buyer);
    }

    /// @dev Somebody else's permit gives the caller nothing, and one that fails is ignored.
    function test_PermitThatFailsIsIgnored() public {
        ICustody.Permit memory permit = signPermit(buyerKey, address(escrow), PRICE);
        vm.prank(stranger);
        escrow.usePermit(address(permitToken), PRICE, permit);
        assertEq(permitToken.allowance(stranger, address(escrow)), 0);
        vm.startPrank(buyer);
        escrow.usePermit(address(permitToken), PRICE, permit);
        assertEq(permitToken.allowance(buyer, address(escrow)), PRICE);
        escrow.usePermit(address(permitToken), PRICE, permit);
        assertEq(permitToken.allowance(buyer, address(escrow)), PRICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, ETHER));
        escrow.usePermit(ETHER, PRICE, permit);
    }

    /// @dev A permit of the buyer is of no use to anybody else.
    function test_RevertWhen_PermitIsOfSomebodyElse() public {
        ICustody.Permit memory permit = signPermit(buyerKey, address(escrow), PRICE);
        IPredictionEscrow.Order memory order = orderIn(address(permitToken), PRICE);
        vm.prank(stranger);
        vm.expectRevert();
        escrow.openWithPermit(order, permit);
        assertEq(permitToken.balanceOf(buyer), 1_000 ether);
    }

    function test_RevertWhen_PermitInEther() public {
        ICustody.Permit memory permit;
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, ETHER));
        escrow.openWithPermit(orderIn(ETHER, PRICE), permit);
    }

    function test_RevertWhen_PermitTokenHasNoCode() public {
        ICustody.Permit memory permit;
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        escrow.openWithPermit(orderIn(stranger, PRICE), permit);
    }
}
