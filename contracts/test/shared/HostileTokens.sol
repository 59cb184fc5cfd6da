// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {Errors} from "../../src/libraries/Errors.sol";
import {ReenteringReceiver} from "../doubles/Receivers.sol";
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
import {EscrowUnderTest} from "./EscrowUnderTest.sol";

/// @notice Tokens of every kind. An escrow that inherits this shows that it takes exactly what it is owed and
/// gives exactly what it owes, whatever a token does; that no token keeps a job from ending; and that a token
/// harms nobody but those who have chosen it.
abstract contract HostileTokens is EscrowUnderTest {
    /// @dev Each deposit is refused while the token takes its fee, and only because of it.
    function test_RevertWhen_TokenTakesFee() public {
        FeeToken odd = new FeeToken();
        odd.setFee(false);
        Deposit[] memory deposits = _deposits(address(odd));
        odd.setFee(true);
        for (uint256 i = 0; i < deposits.length; ++i) {
            uint256 amount = deposits[i].amount;
            _assertRefused(deposits[i], odd, _wrongAmount(odd, amount, amount - amount / 100));
        }
        odd.setFee(false);
        _assertTaken(deposits, odd);
    }

    /// @dev A fee switched on later is borne by the receiver: exactly the credit leaves the escrow.
    function test_FeeSwitchedOnLaterIsReceiversLoss() public {
        FeeToken odd = new FeeToken();
        odd.setFee(false);
        Job memory job = _sale(address(odd), _ann);
        Job memory other = _sale(address(odd), _bob);
        odd.setFee(true);
        _end(job, address(odd), _ann);
        _end(other, address(odd), _bob);
        uint256 had = odd.balanceOf(_ann);
        uint256 held = odd.balanceOf(address(_custody()));
        vm.prank(_ann);
        assertEq(_custody().withdraw(address(odd)), job.credit);
        assertEq(odd.balanceOf(_ann) - had, job.credit - job.credit / 100, "received");
        assertEq(held - odd.balanceOf(address(_custody())), job.credit, "left the escrow");
    }

    /// @dev A surcharge would be paid by the other depositors: refused.
    function test_RevertWhen_TokenTakesSurchargeOnWithdrawal() public {
        SurchargeToken odd = new SurchargeToken();
        Job memory job = _sale(address(odd), _ann);
        Job memory other = _sale(address(odd), _bob);
        odd.setFee(true);
        _end(job, address(odd), _ann);
        _expectWithdrawalRefused(
            address(odd), _ann, _wrongAmount(odd, job.credit, job.credit + job.credit / 100)
        );
        odd.setFee(false);
        _withdraw(address(odd), _ann, job.credit);
        _end(other, address(odd), _bob);
        _withdraw(address(odd), _bob, other.credit);
    }

    function test_RevertWhen_TokenOnlySaysItMoved() public {
        LyingToken odd = new LyingToken();
        odd.setLying(false);
        Deposit[] memory deposits = _deposits(address(odd));
        odd.setLying(true);
        for (uint256 i = 0; i < deposits.length; ++i) {
            _assertRefused(deposits[i], odd, _wrongAmount(odd, deposits[i].amount, 0));
        }
        odd.setLying(false);
        _assertTaken(deposits, odd);
    }

    function test_RevertWhen_TokenOnlySaysItPaid() public {
        LyingToken odd = new LyingToken();
        odd.setLying(false);
        Job memory job = _sale(address(odd), _ann);
        odd.setLying(true);
        _end(job, address(odd), _ann);
        _expectWithdrawalRefused(address(odd), _ann, _wrongAmount(odd, job.credit, 0));
    }

    function test_RevertWhen_TokenReturnsFalse() public {
        FalseToken odd = new FalseToken();
        Deposit[] memory deposits = _deposits(address(odd));
        odd.setFailing(true);
        for (uint256 i = 0; i < deposits.length; ++i) {
            _assertRefused(deposits[i], odd, _operationFailed(odd));
        }
        odd.setFailing(false);
        _assertTaken(deposits, odd);
    }

    /// @dev No token can keep a job from ending: that asks none.
    function test_FailingTokenDoesNotBlockSettling() public {
        FalseToken odd = new FalseToken();
        _failingTokenDoesNotBlock(odd, _sale(address(odd), _ann));
    }

    function test_FailingTokenDoesNotBlockRefund() public {
        FalseToken odd = new FalseToken();
        _failingTokenDoesNotBlock(odd, _refund(address(odd), _ann));
    }

    /// @dev As after a self-destruction.
    function test_RevertWhen_TokenHasNoCode() public {
        PlainToken odd = new PlainToken();
        Deposit[] memory deposits = _deposits(address(odd));
        bytes memory code = address(odd).code;
        for (uint256 i = 0; i < deposits.length; ++i) {
            vm.etch(address(odd), "");
            vm.prank(deposits[i].payer);
            (bool ok, bytes memory answer) = address(_custody()).call(deposits[i].data);
            assertFalse(ok, "deposit of nothing");
            assertEq(answer, abi.encodeWithSelector(Errors.NoCode.selector, odd));
        }
        vm.etch(address(odd), code);
        _assertTaken(deposits, odd);
    }

    function test_TokenWithoutReturnValueWorks() public {
        SilentToken odd = new SilentToken();
        _assertTaken(_deposits(address(odd)), PlainToken(address(odd)));
        Job memory job = _sale(address(odd), _ann);
        _end(job, address(odd), _ann);
        _withdraw(address(odd), _ann, job.credit);
        job = _refund(address(odd), _bob);
        _end(job, address(odd), _bob);
        _withdraw(address(odd), _bob, job.credit);
    }

    /// @dev Nothing of which there is none is ever moved.
    function test_TokenRevertingOnZeroWorks() public {
        NonZeroToken odd = new NonZeroToken();
        _assertTaken(_deposits(address(odd)), odd);
        _endAndEmpty(odd, _sale(address(odd), _ann), _ann);
        _endAndEmpty(odd, _refund(address(odd), _bob), _bob);
    }

    /// @dev A seller that the token blocks gets its job ended, and its money out elsewhere.
    function test_BlockedSellerIsPaidElsewhere() public {
        BlockingToken odd = new BlockingToken();
        _blockedIsPaidElsewhere(odd, _sale(address(odd), _ann));
    }

    function test_BlockedBuyerIsRefundedElsewhere() public {
        BlockingToken odd = new BlockingToken();
        _blockedIsPaidElsewhere(odd, _refund(address(odd), _ann));
    }

    /// @dev A token that blocks the escrow itself harms holders of that token only.
    function test_BlockedEscrowHarmsThatTokenOnly() public {
        BlockingToken odd = new BlockingToken();
        Deposit[] memory deposits = _deposits(address(odd));
        bytes memory refusal = abi.encodeWithSelector(BlockingToken.Blocked.selector, _custody());
        odd.setBlocked(address(_custody()), true);
        for (uint256 i = 0; i < deposits.length; ++i) {
            _assertRefused(deposits[i], odd, refusal);
        }
        odd.setBlocked(address(_custody()), false);
        Job memory job = _sale(address(odd), _ann);
        odd.setBlocked(address(_custody()), true);
        _end(job, address(odd), _ann);
        _expectWithdrawalRefused(address(odd), _ann, refusal);
        _assertOthersArePaid();
    }

    /// @dev After a rebase the escrow owes more than there is: what is left goes to those who come first.
    /// Ether and other tokens are not touched.
    function test_RebasingDownHarmsThatTokenOnly() public {
        RebasingToken odd = new RebasingToken();
        Job memory first = _sale(address(odd), _ann);
        Job memory second = _sale(address(odd), _bob);
        odd.rebase(_percentLeftForOne(odd.balanceOf(address(_custody())), first.credit));
        _end(first, address(odd), _ann);
        _end(second, address(odd), _bob);
        _withdraw(address(odd), _ann, first.credit);
        vm.prank(_bob);
        vm.expectRevert();
        _custody().withdraw(address(odd));
        assertEq(_custody().creditOf(address(odd), _bob), second.credit);
        _assertOthersArePaid();
    }

    /// @dev Money sent without a call belongs to nobody and changes nothing.
    function test_DonationChangesNothing() public {
        PlainToken plain = new PlainToken();
        plain.mint(address(_custody()), 5 ether);
        vm.deal(address(_custody()), address(_custody()).balance + 5 ether);
        _assertTaken(_deposits(address(plain)), plain);
        Job memory inToken = _sale(address(plain), _ann);
        Job memory inEther = _sale(NATIVE, _ann);
        _end(inToken, address(plain), _ann);
        _end(inEther, NATIVE, _ann);
        _withdraw(address(plain), _ann, inToken.credit);
        _withdraw(NATIVE, _ann, inEther.credit);
        assertGe(plain.balanceOf(address(_custody())), 5 ether);
        assertGe(address(_custody()).balance, 5 ether);
    }

    /// @dev Threat: the token hands control to somebody while a deposit moves. No call gets through.
    function test_HookReentryIsRefused() public {
        HookToken odd = new HookToken();
        Deposit[] memory deposits = _deposits(address(odd));
        bytes[] memory calls = _calls(address(odd));
        ReenteringReceiver hook = new ReenteringReceiver();
        odd.setHook(address(hook));
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < deposits.length; ++i) {
            for (uint256 j = 0; j < calls.length; ++j) {
                hook.prepare(address(_custody()), calls[j]);
                _take(deposits[i], odd);
                _assertGuarded(hook);
                vm.revertToState(start);
            }
        }
    }

    /// @dev The same from within a withdrawal, by the one who is paid.
    function test_HookReentryOnWithdrawalIsRefused() public {
        HookToken odd = new HookToken();
        ReenteringReceiver payee = new ReenteringReceiver();
        Job memory job = _sale(address(odd), address(payee));
        Job memory other = _sale(address(odd), _bob);
        _end(job, address(odd), address(payee));
        _end(other, address(odd), _bob);
        bytes[] memory calls = _calls(address(odd));
        odd.setHook(address(payee));
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < calls.length; ++i) {
            payee.prepare(address(_custody()), calls[i]);
            _withdraw(address(odd), address(payee), job.credit);
            _assertGuarded(payee);
            vm.revertToState(start);
        }
    }

    /// @dev Sending tokens from within the hook does not help to pay: the amount must be exact.
    function test_RevertWhen_HookSendsMore() public {
        HookToken odd = new HookToken();
        Deposit[] memory deposits = _deposits(address(odd));
        ReenteringReceiver sender = new ReenteringReceiver();
        odd.setHook(address(sender));
        sender.prepare(address(odd), abi.encodeCall(odd.mint, (address(_custody()), 5)));
        for (uint256 i = 0; i < deposits.length; ++i) {
            uint256 amount = deposits[i].amount;
            _assertRefused(deposits[i], odd, _wrongAmount(odd, amount, amount + 5));
        }
    }

    function _failingTokenDoesNotBlock(FalseToken odd, Job memory job) private {
        odd.setFailing(true);
        _end(job, address(odd), _ann);
        _expectWithdrawalRefused(address(odd), _ann, _operationFailed(odd));
        odd.setFailing(false);
        _withdraw(address(odd), _ann, job.credit);
    }

    function _blockedIsPaidElsewhere(BlockingToken odd, Job memory job) private {
        odd.setBlocked(_ann, true);
        _end(job, address(odd), _ann);
        _expectWithdrawalRefused(
            address(odd), _ann, abi.encodeWithSelector(BlockingToken.Blocked.selector, _ann)
        );
        vm.prank(_ann);
        _custody().withdrawTo(address(odd), _elsewhere, job.credit);
        assertEq(odd.balanceOf(_elsewhere), job.credit);
    }

    function _endAndEmpty(NonZeroToken odd, Job memory job, address payee) private {
        _end(job, address(odd), payee);
        _withdraw(address(odd), payee, job.credit);
        vm.prank(payee);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, odd, 0, 0));
        _custody().withdraw(address(odd));
    }

    /// @dev Each deposit by itself works.
    function _assertTaken(Deposit[] memory deposits, PlainToken odd) private {
        assertGt(deposits.length, 0, "no deposits");
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < deposits.length; ++i) {
            _take(deposits[i], odd);
            vm.revertToState(start);
        }
    }

    function _take(Deposit memory deposit, PlainToken odd) private {
        uint256 held = odd.balanceOf(address(_custody()));
        vm.prank(deposit.payer);
        (bool ok,) = address(_custody()).call(deposit.data);
        assertTrue(ok, "a good deposit was refused");
        assertEq(odd.balanceOf(address(_custody())) - held, deposit.amount, "deposited");
    }

    function _assertRefused(Deposit memory deposit, PlainToken odd, bytes memory refusal) private {
        uint256 held = odd.balanceOf(address(_custody()));
        vm.prank(deposit.payer);
        (bool ok, bytes memory answer) = address(_custody()).call(deposit.data);
        assertFalse(ok, "a bad deposit was taken");
        assertEq(answer, refusal, "refused for another reason");
        assertEq(odd.balanceOf(address(_custody())), held, "money moved");
    }

    /// @dev What to scale `held` by so that it covers one credit, but not two.
    function _percentLeftForOne(uint256 held, uint256 credit) private pure returns (uint256) {
        uint8[5] memory percents = [50, 25, 20, 10, 5];
        for (uint256 i = 0; i < percents.length; ++i) {
            uint256 left = held * percents[i] / 100;
            if (credit <= left && left < 2 * credit) return percents[i];
        }
        revert("no scale fits");
    }

    function _wrongAmount(PlainToken odd, uint256 expected, uint256 actual)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, expected, actual);
    }

    function _operationFailed(PlainToken odd) private pure returns (bytes memory) {
        return abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, odd);
    }
}
