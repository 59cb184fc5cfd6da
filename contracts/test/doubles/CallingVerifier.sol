// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice Makes a prepared call to the escrow while it is being asked, and fails as that call fails.
contract CallingVerifier {
    bytes private _data;

    constructor(bytes memory data) {
        _data = data;
    }

    fallback() external {
        (bool ok, bytes memory reason) = msg.sender.call(_data);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
