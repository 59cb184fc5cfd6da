// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IAuditEscrow} from "../interfaces/IAuditEscrow.sol";

/// @title Hash of an audit's terms
library AuditTerms {
    /// @notice keccak256(abi.encode(terms)), for less gas: static types stand like that in the call data.
    /// Equal for terms that have been encoded once, which refuses values out of their types' ranges; others
    /// have a hash of their own.
    function hash(IAuditEscrow.Terms calldata terms) internal pure returns (bytes32 termsHash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            // 17 words
            calldatacopy(start, terms, 0x220)
            termsHash := keccak256(start, 0x220)
        }
    }
}
