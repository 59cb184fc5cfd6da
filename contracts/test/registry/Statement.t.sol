// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Statement, Statements} from "../../src/libraries/Statement.sol";
import {Keys} from "../shared/Keys.sol";

contract StatementTest is Test {
    function test_FieldsOfAPrediction() public pure {
        Statement statement = _at(1, 1, 2, 0x01020304, 0, 0, 0);
        assertEq(statement.format(), 2);
        assertEq(statement.kind(), Statements.PREDICTION);
        assertTrue(statement.isPublicInput());
        assertEq(statement.shows(), Statements.BEST);
        assertEq(statement.outputs(), 0x01020304);
        assertEq(statement.items(), 1);
        assertEq(statement.depth(), 0);
        assertEq(statement.parameter(), 0);
        assertTrue(statement.isWellFormed());
        assertFalse(_at(1, 0, 1, 1, 0, 0, 0).isPublicInput());
    }

    function test_TheStatementsThatArePaidFor() public pure {
        assertTrue(_at(1, 0, 1, 1, 0, 0, 0).equals(Statements.CLASS_OF_COMMITTED_INPUT));
        assertTrue(Statements.CLASS_OF_COMMITTED_INPUT.isWellFormed());
        assertFalse(_at(1, 1, 1, 1, 0, 0, 0).equals(Statements.CLASS_OF_COMMITTED_INPUT));
        assertTrue(_at(1, 0, 3, 1, 0, 0, 0).equals(Statements.NUMBER_OF_COMMITTED_INPUT));
        assertTrue(Statements.NUMBER_OF_COMMITTED_INPUT.isWellFormed());
        assertTrue(Statement.wrap(Keys.PREDICTION).isClass());
        assertFalse(Statement.wrap(Keys.PREDICTION).isNumber());
        assertTrue(Statement.wrap(Keys.NUMBER).isNumber());
        assertFalse(Statement.wrap(Keys.NUMBER).isClass());
        bytes32[] memory others = Keys.anythingElse();
        for (uint256 i = 0; i < others.length; ++i) {
            assertTrue(Statement.wrap(others[i]).isWellFormed());
            assertFalse(Statement.wrap(others[i]).isClass());
            assertFalse(Statement.wrap(others[i]).isNumber());
        }
        bytes32[6] memory sold =
            [Keys.PREDICTION, Keys.NUMBER, Keys.TWO_LOGITS, Keys.ONE_BEST, Keys.TWO_BEST, Keys.HIDDEN];
        for (uint256 i = 0; i < sold.length; ++i) {
            assertTrue(Statement.wrap(sold[i]).isWellFormed());
            assertTrue(Statement.wrap(sold[i]).isOfCommittedInput());
            assertFalse(Statement.wrap(sold[i]).isOfCommittedRun());
        }
        others = Keys.notOfOneInput();
        for (uint256 i = 0; i < others.length; ++i) {
            assertTrue(Statement.wrap(others[i]).isWellFormed());
            assertFalse(Statement.wrap(others[i]).isOfCommittedInput());
            assertEq(Statement.wrap(others[i]).isOfCommittedRun(), i > 3);
        }
    }

    /// @dev A bit more or less, and it is another statement.
    function testFuzz_ClassAndNumberAreExactlyTwoStatements(uint8 bit, bytes32 word) public pure {
        bytes32 flipped = bytes32(uint256(1) << bit);
        assertFalse(Statement.wrap(Keys.NUMBER ^ flipped).isNumber());
        // Class and number are one bit apart.
        bool toNumber = Keys.PREDICTION ^ flipped == Keys.NUMBER;
        assertEq(Statement.wrap(Keys.PREDICTION ^ flipped).isNumber(), toNumber);
        assertFalse(Statement.wrap(Keys.PREDICTION ^ flipped).isClass());
        assertEq(Statement.wrap(word).isClass(), word == Keys.PREDICTION);
        assertEq(Statement.wrap(word).isNumber(), word == Keys.NUMBER);
    }

    /// @dev A classification shows as many words as its runs need, of at most 256 items.
    function testFuzz_ClassificationHasTheWordsOfItsRun(uint8 log, uint8 depth, uint32 words, uint8 shows)
        public
        pure
    {
        log %= 12;
        depth %= 40;
        words %= 24;
        bool fits = log <= 8 && log <= depth && depth <= 32;
        bool exact = words * 15 >= 2 ** uint256(log) && (words == 0 || (words - 1) * 15 < 2 ** uint256(log));
        bool either = shows == 6 || shows == 7;
        assertEq(_at(4, 0, shows, words, log, depth, 0).isWellFormed(), either && fits && words > 0 && exact);
        assertFalse(_at(4, 0, 6, words, log, depth, 1).isWellFormed(), "a parameter");
        assertFalse(_at(4, 1, 6, words, log, depth, 0).isWellFormed(), "a public input");
    }

    function test_LargestClassification() public pure {
        assertTrue(_at(4, 0, 6, 18, 8, 32, 0).isWellFormed());
        assertTrue(_at(4, 0, 7, 1, 0, 0, 0).isWellFormed());
        assertFalse(_at(4, 0, 6, 35, 9, 32, 0).isWellFormed());
        assertFalse(_at(4, 0, 6, 18, 8, 33, 0).isWellFormed());
    }

    function testFuzz_FieldsOfARun(uint32 outputs, uint8 log, uint8 depth, uint32 parameter) public pure {
        Statement statement = _at(2, 0, 4, outputs, log, depth, parameter);
        assertEq(statement.kind(), Statements.AUDIT);
        assertFalse(statement.isPublicInput());
        assertEq(statement.shows(), Statements.CORRECT);
        assertEq(statement.outputs(), outputs);
        assertEq(statement.items(), uint256(1) << log);
        assertEq(statement.depth(), depth);
        assertEq(statement.parameter(), parameter);
    }

    /// @dev Of all values of the small fields exactly these fit together.
    function test_WellFormedStatements() public pure {
        uint256 found;
        for (uint8 kind = 0; kind < 6; ++kind) {
            for (uint8 input = 0; input < 3; ++input) {
                for (uint8 shows = 0; shows < 12; ++shows) {
                    for (uint32 outputs = 0; outputs < 3; ++outputs) {
                        if (_at(kind, input, shows, outputs, 0, 0, 0).isWellFormed()) ++found;
                        // Fields of runs: log 3 in depth 4, parameter 1.
                        if (_at(kind, input, shows, outputs, 3, 4, 1).isWellFormed()) found += 1_000;
                    }
                }
            }
        }
        // Of two inputs: a class, one or two best, one or two logits, a commitment, one best with its score; a retrieval of class 0, classes and
        // numbers in a tree of one leaf. Of runs: an audit, a retrieval.
        assertEq(found, 2 * (1 + 2 + 2 + 1 + 1) + 3 + 2_000);
        assertTrue(_at(3, 0, 5, 1, 0, 0, 0).isWellFormed());
        assertFalse(_at(2, 0, 4, 1, 0, 0, 0).isWellFormed(), "the best none of the classes");
    }

    /// @dev Fields of runs are zero for predictions, and a run is no larger than its tree.
    function testFuzz_RunFieldsFitTheKind(uint8 log, uint8 depth, uint32 parameter) public pure {
        bool none = log == 0 && depth == 0 && parameter == 0;
        assertEq(_at(1, 0, 1, 1, log, depth, parameter).isWellFormed(), none);
        (log, depth) = (log % 40, depth % 40);
        bool fits = log <= depth && depth <= 32;
        assertEq(_at(2, 0, 4, 1, log, depth, parameter).isWellFormed(), fits && parameter != 0);
        assertEq(_at(3, 0, 5, 1, log, depth, parameter).isWellFormed(), fits);
    }

    /// @dev Byte 0 keeps the key from running; byte 1, the format, is looked at before.
    function testFuzz_RevertWhen_ReservedByteIsSet(uint256 at, uint8 value) public pure {
        at = bound(at, 14, 31);
        if (at == 14) at = 0;
        bytes memory word = abi.encodePacked(Keys.audit(3));
        word[at] = bytes1(value);
        assertEq(Statement.wrap(abi.decode(word, (bytes32))).isWellFormed(), value == 0);
    }

    /// @dev Whatever the word, reading it fails nowhere.
    function testFuzz_AnyWordIsRead(bytes32 word) public pure {
        Statement statement = Statement.wrap(word);
        statement.isWellFormed();
        assertEq(statement.kind(), uint8(word[2]));
        assertEq(statement.format(), uint8(word[1]));
        assertEq(statement.outputs(), uint256(word << 40) >> 224);
        assertEq(statement.parameter(), uint256(word << 88) >> 224);
        assertEq(statement.depth(), uint8(word[10]));
    }

    function _at(
        uint8 kind,
        uint8 input,
        uint8 shows,
        uint32 outputs,
        uint8 log,
        uint8 depth,
        uint32 parameter
    ) private pure returns (Statement) {
        bytes memory packed = abi.encodePacked(hex"0002", kind, input, shows, outputs, log, depth, parameter);
        return Statement.wrap(abi.decode(bytes.concat(packed, new bytes(17)), (bytes32)));
    }
}
