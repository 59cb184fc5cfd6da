// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {GasBurner, ReenteringReceiver, RefusingReceiver} from "../doubles/Receivers.sol";
import {
    BlockingToken,
    FalseToken,
    FeeToken,
    HookToken,
    LyingToken,
    NonZeroToken,
    PlainToken,
    RebasingToken,
    SilentToken,
    SurchargeToken
} from "../doubles/Tokens.sol";
import {Fixture} from "../shared/Fixture.sol";

/// @notice Custody as the prediction escrow uses it: money in by opening, money out by withdrawing.
abstract contract CustodyFixture is Fixture {
    /// @dev Opens a job in `token_` and pays it to `recipient`.
    function earn(address token_, address recipient) internal {
        uint256 jobId = token_ == ETHER ? openEther() : openIn(token_);
        claimFor(jobId, recipient);
    }

    function fund(PlainToken token_) internal {
        token_.mint(buyer, 1_000 ether);
        vm.prank(buyer);
        token_.approve(address(escrow), type(uint256).max);
    }

    function expectOpenRefused(address token_, bytes memory refusal) internal {
        vm.prank(buyer);
        vm.expectRevert(refusal);
        escrow.open(orderIn(token_, PRICE));
        assertEq(escrow.jobCount(), 0);
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

contract CustodyHostileTokenTest is CustodyFixture {
    function test_RevertWhen_TokenTakesFeeOnDeposit() public {
        FeeToken fee = new FeeToken();
        fund(fee);
        expectOpenRefused(
            address(fee),
            abi.encodeWithSelector(Errors.WrongTokenAmount.selector, address(fee), PRICE, PRICE - PRICE / 100)
        );
    }

    /// @dev A fee switched on later is borne by the receiver: exactly the credit leaves the escrow.
    function test_FeeSwitchedOnLaterIsReceiversLoss() public {
        FeeToken fee = new FeeToken();
        fund(fee);
        fee.setFee(false);
        earn(address(fee), seller);
        openIn(address(fee));
        fee.setFee(true);
        vm.prank(seller);
        escrow.withdraw(address(fee));
        assertEq(fee.balanceOf(seller), PRICE - PRICE / 100);
        assertEq(fee.balanceOf(address(escrow)), PRICE);
    }

    /// @dev A surcharge would be paid by the other depositors: refused.
    function test_RevertWhen_TokenTakesSurchargeOnWithdrawal() public {
        SurchargeToken surcharge = new SurchargeToken();
        fund(surcharge);
        earn(address(surcharge), seller);
        openIn(address(surcharge));
        surcharge.setFee(true);
        vm.prank(seller);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.WrongTokenAmount.selector, address(surcharge), PRICE, PRICE + PRICE / 100
            )
        );
        escrow.withdraw(address(surcharge));
        assertEq(escrow.creditOf(address(surcharge), seller), PRICE);
    }

    function test_TokenWithoutReturnValueWorks() public {
        SilentToken silent = new SilentToken();
        silent.mint(buyer, PRICE);
        vm.prank(buyer);
        silent.approve(address(escrow), PRICE);
        earn(address(silent), seller);
        vm.prank(seller);
        escrow.withdraw(address(silent));
        assertEq(silent.balanceOf(seller), PRICE);
    }

    function test_RevertWhen_TokenReturnsFalse() public {
        FalseToken failing = new FalseToken();
        fund(failing);
        bytes memory refusal =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(failing));
        failing.setFailing(true);
        expectOpenRefused(address(failing), refusal);

        failing.setFailing(false);
        earn(address(failing), seller);
        failing.setFailing(true);
        vm.prank(seller);
        vm.expectRevert(refusal);
        escrow.withdraw(address(failing));
        assertEq(escrow.creditOf(address(failing), seller), PRICE);
    }

    function test_RevertWhen_TokenOnlySaysItMoved() public {
        LyingToken lying = new LyingToken();
        fund(lying);
        expectOpenRefused(
            address(lying), abi.encodeWithSelector(Errors.WrongTokenAmount.selector, address(lying), PRICE, 0)
        );
    }

    function test_TokenRevertingOnZeroIsNeverAskedForZero() public {
        NonZeroToken nonZero = new NonZeroToken();
        fund(nonZero);
        earn(address(nonZero), seller);
        vm.startPrank(seller);
        escrow.withdraw(address(nonZero));
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, address(nonZero), 0, 0));
        escrow.withdraw(address(nonZero));
    }

    /// @dev A seller blocked by the token still gets the job settled, and its money out elsewhere.
    function test_BlockedSellerIsPaidElsewhere() public {
        BlockingToken blocking = new BlockingToken();
        fund(blocking);
        blocking.setBlocked(seller, true);
        earn(address(blocking), seller);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, seller));
        escrow.withdraw(address(blocking));
        escrow.withdrawTo(address(blocking), stranger, PRICE);
        assertEq(blocking.balanceOf(stranger), PRICE);
    }

    function test_BlockedBuyerIsRefundedElsewhere() public {
        BlockingToken blocking = new BlockingToken();
        fund(blocking);
        uint256 jobId = openIn(address(blocking));
        blocking.setBlocked(buyer, true);
        vm.warp(block.timestamp + 2 days);
        escrow.refund(jobId);
        vm.prank(buyer);
        escrow.withdrawTo(address(blocking), stranger, PRICE);
        assertEq(blocking.balanceOf(stranger), PRICE);
    }

    /// @dev A token that blocks the escrow itself harms holders of that token only.
    function test_BlockedEscrowHarmsThatTokenOnly() public {
        BlockingToken blocking = new BlockingToken();
        fund(blocking);
        earn(address(blocking), seller);
        earn(ETHER, seller);
        blocking.setBlocked(address(escrow), true);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, address(escrow)));
        escrow.withdraw(address(blocking));
        assertEq(escrow.withdraw(ETHER), PRICE);
    }

    function test_HookReentryIsRefused() public {
        HookToken hooked = new HookToken();
        fund(hooked);
        ReenteringReceiver attacker = new ReenteringReceiver();
        hooked.mint(address(attacker), PRICE);
        attacker.execute(
            address(hooked), abi.encodeCall(hooked.approve, (address(escrow), type(uint256).max))
        );
        IPredictionEscrow.Order memory order = orderIn(address(hooked), PRICE);
        hooked.setHook(address(attacker));

        // From within a deposit: open a second job whose deposit would be counted twice.
        attacker.prepare(address(escrow), abi.encodeCall(escrow.open, (order)));
        attacker.execute(address(escrow), abi.encodeCall(escrow.open, (order)));
        _assertReentryRefused(attacker);
        assertEq(escrow.jobCount(), 1);

        // The same through the entry for permits.
        ICustody.Permit memory permit;
        hooked.mint(address(attacker), PRICE);
        attacker.execute(address(escrow), abi.encodeCall(escrow.openWithPermit, (order, permit)));
        _assertReentryRefused(attacker);
        assertEq(escrow.jobCount(), 2);
        vm.warp(block.timestamp + 2 days);
        escrow.refund(2);
        vm.warp(block.timestamp - 2 days);

        // From within a withdrawal: withdraw again.
        claimFor(1, address(attacker));
        attacker.prepare(address(escrow), abi.encodeCall(escrow.withdraw, (address(hooked))));
        attacker.execute(address(escrow), abi.encodeCall(escrow.withdraw, (address(hooked))));
        _assertReentryRefused(attacker);
        assertEq(hooked.balanceOf(address(attacker)), 2 * PRICE);
        assertEq(hooked.balanceOf(address(escrow)), 0);
    }

    /// @dev Sending tokens from within the hook does not help to fund a job: the amount must be exact.
    function test_RevertWhen_HookSendsMore() public {
        HookToken hooked = new HookToken();
        ReenteringReceiver sender = new ReenteringReceiver();
        fund(hooked);
        hooked.mint(address(this), 5);
        hooked.setHook(address(sender));
        sender.prepare(address(hooked), abi.encodeCall(hooked.mint, (address(escrow), 5)));
        expectOpenRefused(
            address(hooked),
            abi.encodeWithSelector(Errors.WrongTokenAmount.selector, address(hooked), PRICE, PRICE + 5)
        );
    }

    /// @dev After a rebase the token owes more than there is. Ether and other tokens are not touched.
    function test_RebasingDownHarmsThatTokenOnly() public {
        RebasingToken rebasing = new RebasingToken();
        fund(rebasing);
        earn(address(rebasing), seller);
        earn(address(rebasing), stranger);
        earn(address(token), seller);
        rebasing.rebase(50);
        assertEq(rebasing.balanceOf(address(escrow)), PRICE);
        vm.prank(seller);
        escrow.withdraw(address(rebasing));
        vm.prank(stranger);
        vm.expectRevert();
        escrow.withdraw(address(rebasing));
        assertEq(escrow.creditOf(address(rebasing), stranger), PRICE);
        vm.prank(seller);
        assertEq(escrow.withdraw(address(token)), PRICE);
    }

    /// @dev Tokens sent without a call belong to nobody and change nothing.
    function test_DonationChangesNothing() public {
        token.mint(address(escrow), 5 ether);
        vm.deal(address(escrow), 5 ether);
        earn(address(token), seller);
        earn(ETHER, seller);
        assertEq(escrow.creditOf(address(token), seller), PRICE);
        assertEq(escrow.creditOf(ETHER, seller), PRICE);
    }

    function _assertReentryRefused(ReenteringReceiver attacker) private view {
        assertGt(attacker.calls(), 0);
        assertFalse(attacker.succeeded());
        assertEq(
            attacker.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
    }
}

contract CustodyHostileReceiverTest is CustodyFixture {
    /// @dev A receiver that refuses ether cannot stop a job from settling, and can pull to elsewhere.
    function test_ReceiverRefusingEther() public {
        RefusingReceiver refusing = new RefusingReceiver();
        earn(ETHER, address(refusing));
        vm.expectRevert(abi.encodeWithSelector(Errors.EtherTransferFailed.selector, address(refusing), PRICE));
        refusing.withdraw(escrow, ETHER);
        assertEq(escrow.creditOf(ETHER, address(refusing)), PRICE);
        refusing.withdrawTo(escrow, ETHER, stranger, PRICE);
        assertEq(stranger.balance, PRICE);
    }

    function test_ReceiverReenteringOnEther() public {
        bytes[4] memory attacks = [
            abi.encodeCall(escrow.withdraw, (ETHER)),
            abi.encodeCall(escrow.withdrawTo, (ETHER, stranger, 1)),
            abi.encodeCall(escrow.refund, (1)),
            abi.encodeCall(escrow.claim, (1, stranger, OUTPUT, ""))
        ];
        for (uint256 i = 0; i < attacks.length; ++i) {
            ReenteringReceiver attacker = new ReenteringReceiver();
            earn(ETHER, address(attacker));
            attacker.prepare(address(escrow), attacks[i]);
            attacker.execute(address(escrow), abi.encodeCall(escrow.withdraw, (ETHER)));
            assertEq(attacker.calls(), 1);
            assertFalse(attacker.succeeded());
            assertEq(
                attacker.answer(),
                abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
            );
            assertEq(address(attacker).balance, PRICE);
            assertEq(address(escrow).balance, 0);
        }
    }

    /// @dev The credit is gone before the ether leaves: a receiver that looks sees zero.
    function test_CreditIsClearedBeforeTransfer() public {
        ReenteringReceiver looker = new ReenteringReceiver();
        earn(ETHER, address(looker));
        looker.prepare(address(escrow), abi.encodeCall(escrow.creditOf, (ETHER, address(looker))));
        looker.execute(address(escrow), abi.encodeCall(escrow.withdraw, (ETHER)));
        assertTrue(looker.succeeded());
        assertEq(looker.answer(), abi.encode(0));
    }

    function test_ReceiverBurningGasHarmsItselfOnly() public {
        GasBurner burner = new GasBurner();
        earn(ETHER, address(burner));
        earn(ETHER, seller);
        (bool ok,) = address(burner).call{gas: 1_000_000}(abi.encodeCall(burner.withdraw, (escrow, ETHER)));
        assertFalse(ok);
        assertEq(escrow.creditOf(ETHER, address(burner)), PRICE);
        vm.prank(seller);
        assertEq(escrow.withdraw(ETHER), PRICE);
    }
}
