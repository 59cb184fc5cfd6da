// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IAuditEscrow} from "../interfaces/IAuditEscrow.sol";
import {Deadlines} from "./Deadlines.sol";
import {Errors} from "./Errors.sol";
import {PublicInputs} from "./PublicInputs.sol";

/// @title An audit's terms: which make sense, their hash, and whom they name
library AuditTerms {
    /// @notice Refuses terms that nobody could mean, or that leave a side without what it relies on.
    function requireSound(IAuditEscrow.Terms calldata terms, uint256 maxEntries) internal view {
        if (terms.reward == 0) revert Errors.ZeroValue("reward");
        if (terms.stake == 0) revert Errors.ZeroValue("stake");
        if (terms.abortFee > terms.stake) revert Errors.AbortFeeOutOfRange(terms.abortFee, terms.stake);
        if (terms.testSetRoot == 0) revert Errors.ZeroValue("testSetRoot");
        PublicInputs.requireCanonical(1, terms.testSetRoot);
        if (terms.metric == 0) revert Errors.ZeroValue("metric");
        if (terms.challengeRoot != 0) {
            PublicInputs.requireCanonical(1, terms.challengeRoot);
            // What a verifier of the seller's own accepts shows nothing.
            if (terms.admittedKeys == 0) revert Errors.ZeroValue("admittedKeys");
        }
        // With n = 0 there is no t.
        if (terms.required == 0 || terms.required > terms.items) {
            revert Errors.RequiredOutOfRange(terms.required, terms.items);
        }
        if (terms.maxEntries == 0 || terms.maxEntries > maxEntries) {
            revert Errors.MaxEntriesOutOfRange(terms.maxEntries, maxEntries);
        }
        // What spoils an entry is burnt from both sides, so the buyer's must be there for each.
        uint256 fees = uint256(terms.maxEntries) * terms.abortFee;
        if (terms.bond < fees) revert Errors.BondBelowFees(terms.bond, fees);
        Deadlines.requireOrder(block.timestamp, terms.enterBy);
        Deadlines.requireWindow(terms.enterBy, terms.deliverBy);
        Deadlines.requireWindow(terms.deliverBy, terms.acceptBy);
        // One claim after the other may have to be waited for.
        uint256 longest = (block.timestamp + Deadlines.MAX_DURATION - terms.acceptBy) / terms.maxEntries;
        if (terms.proveWindow < Deadlines.MIN_WINDOW || terms.proveWindow > longest) {
            revert Errors.TermOutOfRange("proveWindow", terms.proveWindow, Deadlines.MIN_WINDOW, longest);
        }
    }

    /// @notice Last second in which a claim is proven that comes after `turn` others.
    function proveBy(IAuditEscrow.Terms calldata terms, uint256 turn) internal pure returns (uint256) {
        return uint256(terms.acceptBy) + (turn + 1) * terms.proveWindow;
    }

    /// @notice How many windows for proofs have passed.
    function turnsPassed(IAuditEscrow.Terms calldata terms) internal view returns (uint256) {
        if (block.timestamp <= terms.acceptBy) return 0;
        return (block.timestamp - terms.acceptBy - 1) / terms.proveWindow;
    }

    /// @notice Whether the terms name this seller. The leaves are hashes of hashes, so no node is one.
    function names(IAuditEscrow.Terms calldata terms, address seller, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(seller))));
        return MerkleProof.verifyCalldata(path, terms.sellers, leaf);
    }

    /// @notice keccak256(abi.encode(terms)), for less gas: static types stand like that in the call data.
    /// Equal for terms that have been encoded once, which refuses values out of their types' ranges; others
    /// have a hash of their own.
    function hash(IAuditEscrow.Terms calldata terms) internal pure returns (bytes32 termsHash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            // 18 words
            calldatacopy(start, terms, 0x240)
            termsHash := keccak256(start, 0x240)
        }
    }
}
