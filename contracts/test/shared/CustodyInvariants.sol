// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {PlainToken} from "../doubles/Tokens.sol";
import {CustodyHandler} from "../handlers/CustodyHandler.sol";

/// @notice What holds of every escrow, whoever calls what in whatever order. One invariant, so that one campaign
/// checks everything: it is solvent, its payouts and debts are its deposits, no job is paid twice, what has ended
/// stays as it is. After each campaign: nothing is stuck.
abstract contract CustodyInvariants is Test {
    CustodyHandler private _handler;
    ICustody private _custody;

    function invariant_SolventPaidOnceAndFinal() public view {
        address[] memory money = _handler.allTokens();
        uint256[] memory held = _heldByJobs(money);
        for (uint256 i = 0; i < money.length; ++i) {
            _assertMatchesGhostState(money[i], held[i]);
        }
        _assertEndedOnceAndForGood();
    }

    /// @dev Never stuck: once its last deadline has passed anybody can end everything, and then all is paid out to
    /// the last unit.
    function afterInvariant() public virtual {
        _endEverything();
        invariant_SolventPaidOnceAndFinal();
        for (uint256 i = 0; i < _handler.tokenCount(); ++i) {
            address money = _handler.tokens(i);
            uint256 paid = _handler.paidOut(money);
            for (uint256 j = 0; j < _handler.actorCount(); ++j) {
                address actor = _handler.actors(j);
                if (_custody.creditOf(money, actor) == 0) continue;
                vm.prank(actor);
                paid += _custody.withdraw(money);
            }
            assertEq(paid + _handler.burnt(money), _handler.deposited(money), "payouts and deposits");
            assertEq(_holdings(money), _handler.donated(money) + _handler.burnt(money), "money left behind");
        }
    }

    /// @dev Reverts unless all jobs that have ended have done so once and are as they were then.
    function _assertEndedOnceAndForGood() internal view virtual;

    /// @dev What jobs that have not ended hold, in each of these tokens.
    function _heldByJobs(address[] memory money) internal view virtual returns (uint256[] memory held);

    /// @dev Ends every job as a bystander, at the first moment that its deadlines allow.
    function _endEverything() internal virtual;

    function _target(CustodyHandler handler, bytes4[] memory selectors) internal {
        _handler = handler;
        _custody = handler.custody();
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev Adds an amount to what is held in that token.
    function _add(uint256[] memory held, address[] memory money, address token, uint256 amount)
        internal
        pure
    {
        for (uint256 i = 0; i < money.length; ++i) {
            if (money[i] == token) held[i] += amount;
        }
    }

    /// @dev Lets time pass until after the deadline, if it has not yet.
    function _passDeadline(uint256 deadline) internal {
        if (block.timestamp <= deadline) vm.warp(deadline + 1);
    }

    /// @dev No token misbehaves here, so holdings are even equal to debts, gifts apart. What was burnt stays, as if
    /// it were owed to nobody.
    function _assertMatchesGhostState(address money, uint256 held) private view {
        CustodyHandler.Ledger memory ledger = _handler.ledgerOf(money);
        assertEq(_custody.burntOf(money), ledger.burnt, "burnt");
        uint256 debts = held + ledger.burnt;
        for (uint256 j = 0; j < ledger.actors.length; ++j) {
            uint256 credit = _custody.creditOf(money, ledger.actors[j]);
            assertEq(credit, ledger.owed[j], "credit");
            debts += credit;
        }
        assertEq(_holdings(money), debts + ledger.donated, "holdings");
        assertEq(ledger.paidOut + debts, ledger.deposited, "payouts and debts");
    }

    function _holdings(address money) private view returns (uint256) {
        address holder = address(_custody);
        return money == address(0) ? holder.balance : PlainToken(money).balanceOf(holder);
    }
}
