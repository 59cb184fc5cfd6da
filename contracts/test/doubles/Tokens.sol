// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @notice A well-behaved token that anyone may mint.
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLN") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice A well-behaved token with ERC-2612.
contract PermitToken is ERC20Permit {
    constructor() ERC20("Permit", "PRM") ERC20Permit("Permit") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Burns a percent of every transfer while the fee is on.
contract FeeToken is PlainToken {
    bool public feeOn = true;

    function setFee(bool on) external {
        feeOn = on;
    }

    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = feeOn && from != address(0) && to != address(0) ? amount / 100 : 0;
        if (fee != 0) super._update(from, address(0), fee);
        super._update(from, to, amount - fee);
    }
}

/// @notice Takes a fee from the sender, on top of what the receiver gets.
contract SurchargeToken is PlainToken {
    bool public feeOn;

    function setFee(bool on) external {
        feeOn = on;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (feeOn && from != address(0) && to != address(0)) super._update(from, address(0), amount / 100);
    }
}

/// @notice Answers transfers with false and moves nothing while told to fail.
contract FalseToken is PlainToken {
    bool public failing;

    function setFailing(bool on) external {
        failing = on;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !failing && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return !failing && super.transferFrom(from, to, amount);
    }
}

/// @notice Says that a transfer worked and moves nothing, while told to lie.
contract LyingToken is PlainToken {
    bool public lying = true;

    function setLying(bool on) external {
        lying = on;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return lying || super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return lying || super.transferFrom(from, to, amount);
    }
}

/// @notice Transfers return no value, as with the oldest tokens.
contract SilentToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Reverts on transfers of nothing.
contract NonZeroToken is PlainToken {
    error ZeroTransfer();

    function _update(address from, address to, uint256 amount) internal override {
        if (amount == 0) revert ZeroTransfer();
        super._update(from, to, amount);
    }
}

/// @notice Refuses to move anything from or to a blocked account.
contract BlockingToken is PlainToken {
    error Blocked(address account);

    mapping(address account => bool) public blocked;

    function setBlocked(address account, bool on) external {
        blocked[account] = on;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (blocked[from]) revert Blocked(from);
        if (blocked[to]) revert Blocked(to);
        super._update(from, to, amount);
    }
}

interface ITransferHook {
    function onTransfer() external;
}

/// @notice Calls a hook before every transfer, as ERC-777 tokens do.
contract HookToken is PlainToken {
    address public hook;

    function setHook(address to) external {
        hook = to;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (hook != address(0) && from != address(0)) ITransferHook(hook).onTransfer();
        super._update(from, to, amount);
    }
}

/// @notice Every balance can be scaled down by the issuer.
contract RebasingToken is PlainToken {
    uint256 public percent = 100;

    function rebase(uint256 newPercent) external {
        percent = newPercent;
    }

    function balanceOf(address account) public view override returns (uint256) {
        return super.balanceOf(account) * percent / 100;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount * 100 / percent);
    }
}
