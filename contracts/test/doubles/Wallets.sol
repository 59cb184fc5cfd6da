// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice Accepts what its owner's key signed.
contract OwnedWallet is IERC1271 {
    address public immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == OWNER ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Burns `GAS` gas, then accepts everything.
contract ThoughtfulWallet is IERC1271 {
    uint256 public immutable GAS;

    constructor(uint256 gas_) {
        GAS = gas_;
    }

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        uint256 start = gasleft();
        while (start - gasleft() < GAS) {}
        return IERC1271.isValidSignature.selector;
    }
}

/// @notice Burns all the gas it is given.
contract BurningWallet {
    fallback() external {
        while (true) {}
    }
}

/// @notice Answers with prepared bytes, or reverts with them.
contract ScriptedWallet {
    bytes public answer;
    bool public reverting;

    function prepare(bytes calldata answer_, bool reverting_) external {
        answer = answer_;
        reverting = reverting_;
    }

    fallback() external {
        bytes memory data = answer;
        bool failing = reverting;
        assembly ("memory-safe") {
            if failing { revert(add(data, 32), mload(data)) }
            return(add(data, 32), mload(data))
        }
    }
}

/// @notice Answers with 190,000 zero bytes, about as many as its gas pays for.
contract VerboseWallet {
    fallback() external {
        assembly ("memory-safe") {
            return(0x00, 190000)
        }
    }
}

/// @notice Tries to change the contract that asks it.
contract ReenteringWallet {
    fallback() external {
        (bool ok,) = msg.sender.call(abi.encodeWithSignature("close(bytes32)", bytes32(0)));
        (bool sent,) = msg.sender.call{value: 0}(abi.encodeWithSignature("withdraw(address)", address(0)));
        bytes32 answer = ok || sent ? bytes32(0) : bytes32(IERC1271.isValidSignature.selector);
        assembly ("memory-safe") {
            mstore(0x00, answer)
            return(0x00, 0x20)
        }
    }
}
