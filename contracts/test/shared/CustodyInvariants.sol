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
        for (uint256 i = 0; i < _handler.tokenCount(); ++i) {
            _assertMatchesGhostState(_handler.tokens(i));
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

    /// @dev What jobs that have not ended hold.
    function _heldByJobs(address money) internal view virtual returns (uint256);

    /// @dev Ends every job as a bystander, at the first moment that its deadlines allow.
    function _endEverything() internal virtual;

    function _target(CustodyHandler handler, bytes4[] memory selectors) internal {
        _handler = handler;
        _custody = handler.custody();
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev Lets time pass until after the deadline, if it has not yet.
    function _passDeadline(uint256 deadline) internal {
        if (block.timestamp <= deadline) vm.warp(deadline + 1);
    }

    /// @dev No token misbehaves here, so holdings are even equal to debts, gifts apart. What was burnt stays, as if
    /// it were owed to nobody.
    function _assertMatchesGhostState(address money) private view {
        assertEq(_custody.burntOf(money), _handler.burnt(money), "burnt");
        uint256 debts = _heldByJobs(money) + _handler.burnt(money);
        for (uint256 j = 0; j < _handler.actorCount(); ++j) {
            address actor = _handler.actors(j);
            uint256 credit = _custody.creditOf(money, actor);
            assertEq(credit, _handler.owed(money, actor), "credit");
            debts += credit;
        }
        assertEq(_holdings(money), debts + _handler.donated(money), "holdings");
        assertEq(_handler.paidOut(money) + debts, _handler.deposited(money), "payouts and debts");
    }

    function _holdings(address money) private view returns (uint256) {
        address holder = address(_custody);
        return money == address(0) ? holder.balance : PlainToken(money).balanceOf(holder);
    }
}
