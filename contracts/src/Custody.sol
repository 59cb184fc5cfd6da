// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICustody} from "./interfaces/ICustody.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";

/// @title Custody of ether and ERC-20 tokens, shared by the escrows
/// @notice The only place where money enters or leaves. Exactly the amount asked for must move, in and out;
/// so for each token the contract's balance covers what it owes unless the token itself takes it away
/// (rebasing, confiscation), and then ether and the other tokens are not affected.
abstract contract Custody is ICustody, ReentrancyGuardTransient, Multicall {
    using SafeERC20 for IERC20;

    /// @dev Stands for ether where a token's address is expected.
    address internal constant ETHER = address(0);

    mapping(address token => mapping(address account => uint256)) private _credits;

    /// @inheritdoc ICustody
    mapping(address token => uint256) public burntOf;

    /// @inheritdoc ICustody
    function usePermit(address token, uint256 amount, Permit calldata permit) external nonReentrant {
        _tryPermit(token, amount, permit);
    }

    /// @inheritdoc ICustody
    function withdraw(address token) external nonReentrant returns (uint256 amount) {
        amount = _credits[token][msg.sender];
        _withdraw(token, msg.sender, amount);
    }

    /// @inheritdoc ICustody
    function withdrawTo(address token, address to, uint256 amount) external nonReentrant {
        _withdraw(token, to, amount);
    }

    /// @inheritdoc ICustody
    function creditOf(address token, address account) external view returns (uint256 amount) {
        return _credits[token][account];
    }

    /// @dev Takes exactly `amount` from the caller. Call it from nonReentrant functions only.
    function _deposit(address token, uint256 amount) internal {
        if (token == ETHER) {
            if (msg.value != amount) revert Errors.WrongEtherAmount(amount, msg.value);
            return;
        }
        if (msg.value != 0) revert Errors.UnexpectedEther(msg.value);
        if (token.code.length == 0) revert Errors.NoCode(token);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert Errors.WrongTokenAmount(token, amount, received);
    }

    /// @dev Uses a permit if it works. Anybody may have sent it before us, so a failure means nothing.
    function _tryPermit(address token, uint256 amount, Permit calldata permit) internal {
        // Without code the call would fail outside of what `try` catches.
        if (token.code.length == 0) revert Errors.NoCode(token);
        try IERC20Permit(token)
            .permit(msg.sender, address(this), amount, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
    }

    /// @dev Owes `amount` to `account`. No call leaves the contract.
    function _credit(address token, address account, uint256 amount) internal {
        _credits[token][account] += amount;
    }

    /// @dev Keeps `amount` here for ever: owed to nobody, and nothing takes it out. So no token can refuse it,
    /// and no receiver is asked.
    function _burn(address token, uint256 amount) internal {
        burntOf[token] += amount;
        emit Events.Burnt(token, amount);
    }

    function _withdraw(address token, address to, uint256 amount) private {
        if (to == address(0) || to == address(this)) revert Errors.InvalidRecipient(to);
        uint256 credit = _credits[token][msg.sender];
        if (amount == 0 || amount > credit) revert Errors.InsufficientCredit(token, credit, amount);
        unchecked {
            _credits[token][msg.sender] = credit - amount;
        }
        emit Events.Withdrawn(token, msg.sender, to, amount);

        if (token == ETHER) {
            (bool sent,) = to.call{value: amount}("");
            if (!sent) revert Errors.EtherTransferFailed(to, amount);
            return;
        }
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(to, amount);
        uint256 spent = before - IERC20(token).balanceOf(address(this));
        if (spent != amount) revert Errors.WrongTokenAmount(token, amount, spent);
    }
}
