// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";

/// @notice Refuses ether, but can pull its credit to somewhere else.
contract RefusingReceiver {
    function withdraw(ICustody custody, address token) external {
        custody.withdraw(token);
    }

    function withdrawTo(ICustody custody, address token, address to, uint256 amount) external {
        custody.withdrawTo(token, to, amount);
    }
}

/// @notice Calls its target with prepared data whenever it is paid or a token's hook calls it, and keeps
/// what came back.
contract ReenteringReceiver {
    address public target;
    bytes public data;
    bool public succeeded;
    bytes public answer;
    uint256 public calls;

    function prepare(address target_, bytes calldata data_) external {
        target = target_;
        data = data_;
    }

    function execute(address to, bytes calldata call_) external payable returns (bytes memory) {
        (bool ok, bytes memory returned) = to.call{value: msg.value}(call_);
        require(ok, "outer call failed");
        return returned;
    }

    function onTransfer() external {
        _reenter();
    }

    receive() external payable {
        _reenter();
    }

    function _reenter() private {
        ++calls;
        (succeeded, answer) = target.call(data);
    }
}

/// @notice Burns all the gas it is given.
contract GasBurner {
    function withdraw(ICustody custody, address token) external {
        custody.withdraw(token);
    }

    receive() external payable {
        while (true) {}
    }
}
