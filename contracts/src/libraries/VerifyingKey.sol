// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Errors} from "./Errors.sol";

/// @title Data contract of a verifying key
/// @notice Runtime code = 0x00 ++ flags byte ++ rest of the key. The leading STOP keeps the data from ever
/// running, so that it can neither change nor vanish.
library VerifyingKey {
    /// @notice Flag bit 0: the trusted setup was made locally, so whoever made it can forge proofs.
    uint256 internal constant FLAG_DEV_SETUP = 0x01;

    /// @notice Reads the key's mark of a locally made setup; refuses accounts that are no key.
    function isDevSetup(address vk) internal view returns (bool) {
        // One byte more than a key could do without: nothing but a header is no key either.
        if (vk.code.length < 3) revert Errors.MalformedVerifyingKey(vk);
        uint256 header;
        assembly ("memory-safe") {
            extcodecopy(vk, 0x00, 0, 2)
            header := shr(240, mload(0x00))
        }
        if (header >> 8 != 0) revert Errors.MalformedVerifyingKey(vk);
        uint256 flags = header & 0xff;
        if (flags & ~FLAG_DEV_SETUP != 0) revert Errors.UnknownKeyFlags(vk, flags);
        return flags & FLAG_DEV_SETUP != 0;
    }
}
