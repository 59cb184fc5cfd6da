// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Test} from "forge-std/Test.sol";

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {ReenteringReceiver} from "../doubles/Receivers.sol";
import {PlainToken, SilentToken} from "../doubles/Tokens.sol";

/// @notice An escrow as the suites of hostile tokens and receivers see it: how money comes in, how it becomes
/// credit, and how it leaves.
abstract contract EscrowUnderTest is Test {
    /// @dev A call that takes `amount` from `payer`.
    struct Deposit {
        address payer;
        uint256 amount;
        bytes data;
    }

    /// @dev A job that anybody can end with the call `end`; that gives its payee `credit`.
    struct Job {
        bytes end;
        uint256 credit;
    }

    address internal constant NATIVE = address(0);

    address internal _ann = makeAddr("ann");
    address internal _bob = makeAddr("bob");
    address internal _elsewhere = makeAddr("elsewhere");

    /// @dev The escrow.
    function _custody() internal view virtual returns (ICustody);

    /// @dev Every kind of call that takes money, each of which works in the state that this leaves behind,
    /// as long as the token does as it should.
    function _deposits(address money) internal virtual returns (Deposit[] memory);

    /// @dev A job whose end pays `payee` for what it has sold. May let time pass, but an earlier sale can still be
    /// ended after it.
    function _sale(address money, address payee) internal virtual returns (Job memory);

    /// @dev A job whose end gives `payee` back what it has paid. May let any time pass.
    function _refund(address money, address payee) internal virtual returns (Job memory);

    /// @dev Every call that changes the escrow's state, withdrawals apart. The guard comes before all other
    /// checks, so nothing but the encoding of the arguments matters.
    function _guardedCalls(address money) internal virtual returns (bytes[] memory);

    /// @dev Gives `who` plenty, and the escrow the allowance.
    function _fund(address money, address who) internal {
        if (money == NATIVE) {
            vm.deal(who, who.balance + 1_000 ether);
            return;
        }
        // The silent token's functions answer nothing: this interface asks for nothing.
        SilentToken(money).mint(who, 1_000 ether);
        vm.prank(who);
        SilentToken(money).approve(address(_custody()), type(uint256).max);
    }

    /// @dev Ends the job as a bystander.
    function _end(Job memory job, address money, address payee) internal {
        uint256 credit = _custody().creditOf(money, payee);
        (bool ok,) = address(_custody()).call(job.end);
        assertTrue(ok, "the job could not be ended");
        assertEq(_custody().creditOf(money, payee) - credit, job.credit, "credited");
    }

    /// @dev Withdraws everything to `payee`, which must get exactly `amount`, and nobody else anything.
    function _withdraw(address money, address payee, uint256 amount) internal {
        uint256 had = _balance(money, payee);
        uint256 held = _balance(money, address(_custody()));
        vm.prank(payee);
        assertEq(_custody().withdraw(money), amount, "withdrawn");
        assertEq(_balance(money, payee) - had, amount, "received");
        assertEq(held - _balance(money, address(_custody())), amount, "left the escrow");
        assertEq(_custody().creditOf(money, payee), 0, "credit is left");
    }

    function _expectWithdrawalRefused(address money, address payee, bytes memory refusal) internal {
        uint256 credit = _custody().creditOf(money, payee);
        assertGt(credit, 0, "nothing to withdraw");
        vm.prank(payee);
        vm.expectRevert(refusal);
        _custody().withdraw(money);
        assertEq(_custody().creditOf(money, payee), credit, "credit was lost");
    }

    function _balance(address money, address who) internal view returns (uint256) {
        return money == NATIVE ? who.balance : PlainToken(money).balanceOf(who);
    }

    /// @dev A sale in ether and one in a token that does as it should.
    function _assertOthersArePaid() internal {
        address plain = address(new PlainToken());
        Job memory inToken = _sale(plain, _ann);
        Job memory inEther = _sale(NATIVE, _bob);
        _end(inToken, plain, _ann);
        _end(inEther, NATIVE, _bob);
        _withdraw(plain, _ann, inToken.credit);
        _withdraw(NATIVE, _bob, inEther.credit);
    }

    function _assertGuarded(ReenteringReceiver hook) internal view {
        assertEq(hook.calls(), 1, "hook did not run");
        assertFalse(hook.succeeded(), "a call got through");
        assertEq(
            hook.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
    }

    function _calls(address money) internal returns (bytes[] memory calls) {
        bytes[] memory own = _guardedCalls(money);
        ICustody.Permit memory permit;
        calls = new bytes[](own.length + 3);
        for (uint256 i = 0; i < own.length; ++i) {
            calls[i] = own[i];
        }
        calls[own.length] = abi.encodeCall(ICustody.withdraw, (money));
        calls[own.length + 1] = abi.encodeCall(ICustody.withdrawTo, (money, _elsewhere, 1));
        calls[own.length + 2] = abi.encodeCall(ICustody.usePermit, (money, 1, permit));
    }
}
