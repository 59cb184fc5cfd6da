// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice Data contracts of verifying keys for tests, put together byte by byte without the library under test. No
/// proof is valid for them: their points and commitments are names.
library Keys {
    /// @dev The generator of G2 in the order of EIP-197.
    bytes internal constant GENERATOR =
        hex"198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c21800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa";

    /// @dev The class of a committed input.
    bytes32 internal constant PREDICTION = hex"000201000100000001";

    /// @dev An audit's statement on runs of 2^log items in a tree of depth 20.
    function audit(uint8 log) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked(hex"000202000400000001", log, uint8(20), uint32(1)));
    }

    /// @dev A retrieval's statement on runs of 2^log items in a tree of depth 20.
    function retrieval(uint8 log) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked(hex"000203000500000001", log, uint8(20), uint32(7)));
    }

    /// @dev The one number of a committed input.
    bytes32 internal constant NUMBER = hex"000201000300000001";

    /// @dev Two logits of a committed input, one or two best classes, the class or the number of a public one.
    bytes32 internal constant TWO_LOGITS = hex"000201000300000002";
    bytes32 internal constant ONE_BEST = hex"000201000200000001";
    bytes32 internal constant TWO_BEST = hex"000201000200000002";
    bytes32 internal constant OF_PUBLIC_INPUT = hex"000201010100000001";
    bytes32 internal constant NUMBER_OF_PUBLIC_INPUT = hex"000201010300000001";

    /// @dev A classification's statement on runs of 2^log items, at most 2^8, in a tree of depth 20.
    function classification(uint8 log) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked(hex"0002040006", _wordsOf(log), log, uint8(20)));
    }

    /// @dev The same of a network with one output, whose numbers are shown.
    function numbers(uint8 log) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked(hex"0002040007", _wordsOf(log), log, uint8(20)));
    }

    /// @dev The commitment to the hidden outputs of a committed input.
    bytes32 internal constant HIDDEN = hex"000201000800000001";

    /// @dev Statements that are not about one committed input, as predictions for other contracts are.
    function notOfOneInput() internal pure returns (bytes32[] memory statements) {
        statements = new bytes32[](6);
        (statements[0], statements[1]) = (OF_PUBLIC_INPUT, NUMBER_OF_PUBLIC_INPUT);
        (statements[2], statements[3]) = (audit(0), retrieval(0));
        (statements[4], statements[5]) = (classification(0), numbers(4));
    }

    /// @dev Statements of which no predictions are sold.
    function notSold() internal pure returns (bytes32[] memory statements) {
        statements = new bytes32[](4);
        (statements[0], statements[1]) = (OF_PUBLIC_INPUT, NUMBER_OF_PUBLIC_INPUT);
        (statements[2], statements[3]) = (audit(0), retrieval(0));
    }

    /// @dev Statements of each kind that are neither about the class nor about the number of a committed input.
    function anythingElse() internal pure returns (bytes32[] memory statements) {
        statements = new bytes32[](9);
        (statements[7], statements[8]) = (HIDDEN, classification(0));
        (statements[0], statements[1]) = (TWO_LOGITS, NUMBER_OF_PUBLIC_INPUT);
        (statements[2], statements[3]) = (ONE_BEST, TWO_BEST);
        statements[4] = OF_PUBLIC_INPUT;
        (statements[5], statements[6]) = (audit(0), retrieval(0));
    }

    function _wordsOf(uint8 log) private pure returns (uint32) {
        return uint32((2 ** uint256(log) + 14) / 15);
    }

    /// @dev What stands for a setup's [s]_2 of this name.
    function point(string memory name) internal pure returns (bytes memory) {
        bytes32 seed = keccak256(bytes(name));
        return abi.encode(seed, ~seed, seed << 1, seed >> 1);
    }

    /// @dev The id of a setup of this name.
    function setupId(string memory name) internal pure returns (bytes32) {
        return keccak256(point(name));
    }

    /// @dev The key of this name, of a setup with these points.
    function code(bytes32 statement, bytes memory one, bytes memory s, string memory name)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(statement, new bytes(7 * 32), one, s, "commitments of ", bytes(name));
    }
}
