// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Claims} from "../../src/libraries/Claims.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {IndexedMerkle} from "../../src/libraries/IndexedMerkle.sol";
import {ItemList} from "../../src/libraries/ItemList.sol";
import {Outputs} from "../../src/libraries/Outputs.sol";
import {PublicInputs} from "../../src/libraries/PublicInputs.sol";
import {BatchTree} from "../doubles/BatchTree.sol";

contract ItemListTest is Test {
    function testFuzz_ListHoldsItsItems(uint16[16] memory steps, uint256 size) public view {
        size = bound(size, 1, 16);
        uint256[] memory indices = new uint256[](size);
        for (uint256 i = 0; i < size; ++i) {
            indices[i] = (i == 0 ? 0 : indices[i - 1] + 1) + steps[i] % 4_000;
        }
        uint256 list = this.pack(indices, ItemList.MAX_COUNT);
        for (uint256 i = 0; i < size; ++i) {
            assertEq(ItemList.at(list, i), indices[i]);
        }
        // Nothing beyond the list.
        if (size < 16) assertEq(list >> (16 * size), 0);
    }

    function pack(uint256[] calldata indices, uint256 count) external pure returns (uint256) {
        return ItemList.pack(indices, count);
    }
}

contract IndexedMerkleTest is Test {
    function test_Depths() public pure {
        uint256[2][7] memory depths = [
            [uint256(1), 0],
            [uint256(2), 1],
            [uint256(3), 2],
            [uint256(4), 2],
            [uint256(5), 3],
            [uint256(65_535), 16],
            [uint256(65_536), 16]
        ];
        for (uint256 i = 0; i < depths.length; ++i) {
            assertEq(IndexedMerkle.depthOf(depths[i][0]), depths[i][1]);
        }
    }

    function testFuzz_EveryItemIsInItsPlaceOnly(uint256 count, uint256 index, uint256 other) public view {
        count = bound(count, 1, 40);
        index = bound(index, 0, count - 1);
        other = bound(other, 0, 2 * count);
        bytes32 leaf = BatchTree.leaf(index, BatchTree.inputOf(index), BatchTree.outputOf(index));
        bytes32[] memory path = BatchTree.path(count, index);
        bytes32 root = BatchTree.root(count);
        assertTrue(this.contains(root, count, index, leaf, path));
        // The tree of two equal halves would be the exception; leaves differ by their index.
        uint256 width = 2 ** path.length;
        if (other % width != index) assertFalse(this.contains(root, count, other, leaf, path));
    }

    /// @dev An inner node cannot stand for an item: the path's length is fixed.
    function test_InnerNodeIsNoItem() public view {
        bytes32 root = BatchTree.root(4);
        bytes32[] memory level = BatchTree.above(BatchTree.leaves(4));
        bytes32[] memory path = new bytes32[](1);
        path[0] = level[1];
        assertFalse(this.contains(root, 4, 0, level[0], path));
        assertTrue(this.contains(root, 2, 0, level[0], path));
    }

    function contains(bytes32 root, uint256 count, uint256 index, bytes32 leaf, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return IndexedMerkle.contains(root, count, index, leaf, path);
    }
}

contract OutputsTest is Test {
    function test_NumbersAtTheEnds() public pure {
        assertEq(Outputs.number(0), -32_768);
        assertEq(Outputs.number(32_767), -1);
        assertEq(Outputs.number(32_768), 0);
        assertEq(Outputs.number(65_535), 32_767);
        assertEq(Outputs.LEAST, -32_768);
        assertEq(Outputs.MOST, 32_767);
    }

    function testFuzz_WordsHaveTheOrderOfTheirNumbers(uint16 a, uint16 b) public pure {
        assertEq(Outputs.number(a) < Outputs.number(b), a < b);
    }

    /// @dev Above the range nothing is read, also not what would be negative as a signed word.
    function testFuzz_RevertWhen_WordIsOutOfRange(uint256 word) public {
        word = bound(word, 1 << 16, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(Outputs.WordOutOfRange.selector, word));
        this.number(word);
    }

    function number(uint256 word) external pure returns (int256) {
        return Outputs.number(word);
    }

    /// @dev Packed as the circuit does, by a reference of its own.
    function testFuzz_ItemsOfARunAreRead(uint16[40] memory answers, uint256 items) public pure {
        items = bound(items, 1, 40);
        uint256[] memory words = new uint256[]((items + 14) / 15);
        for (uint256 i = 0; i < items; ++i) {
            words[i / 15] += uint256(answers[i]) * 2 ** (16 * (i % 15));
        }
        for (uint256 i = 0; i < items; ++i) {
            assertEq(Outputs.classOfItem(words, i), answers[i]);
            assertEq(Outputs.numberOfItem(words, i), int256(uint256(answers[i])) - 32_768);
        }
        for (uint256 i = items; i < 15 * words.length; ++i) {
            assertEq(Outputs.classOfItem(words, i), 0);
        }
    }

    function test_RevertWhen_ItemIsNotInWords() public {
        vm.expectRevert(abi.encodeWithSelector(Outputs.ItemNotInWords.selector, 30, 2));
        this.classOfItem(new uint256[](2), 30);
        vm.expectRevert(abi.encodeWithSelector(Outputs.ItemNotInWords.selector, 0, 0));
        this.classOfItem(new uint256[](0), 0);
        assertEq(this.classOfItem(new uint256[](2), 29), 0);
    }

    function test_NumbersOfLogits() public {
        uint256[] memory words = new uint256[](3);
        (words[0], words[1], words[2]) = (0, 32_768, 65_535);
        int256[] memory integers = Outputs.numbers(words);
        assertEq(integers.length, 3);
        assertEq(integers[0], -32_768);
        assertEq(integers[1], 0);
        assertEq(integers[2], 32_767);
        words[1] = 65_536;
        vm.expectRevert(abi.encodeWithSelector(Outputs.WordOutOfRange.selector, 65_536));
        this.numbers(words);
    }

    function test_AmongTheBest() public pure {
        uint256[] memory words = new uint256[](3);
        (words[0], words[1], words[2]) = (7, 2, 9);
        assertTrue(Outputs.isAmongBest(words, 1, 7));
        assertFalse(Outputs.isAmongBest(words, 1, 2));
        assertTrue(Outputs.isAmongBest(words, 2, 2));
        assertFalse(Outputs.isAmongBest(words, 2, 9));
        assertTrue(Outputs.isAmongBest(words, 5, 9));
        assertFalse(Outputs.isAmongBest(words, 5, 0));
        assertFalse(Outputs.isAmongBest(words, 0, 7));
    }

    function test_ScoresOfTheBest() public pure {
        uint256[] memory words = new uint256[](4);
        // Class 2's score is class 7's number: words of scores are no classes.
        (words[0], words[1], words[2], words[3]) = (7, 2, 40_000, 7);
        (bool found, int256 score) = Outputs.scoreOf(words, 7);
        assertTrue(found);
        assertEq(score, 40_000 - 32_768);
        (found, score) = Outputs.scoreOf(words, 2);
        assertTrue(found);
        assertEq(score, 7 - 32_768);
        (found, score) = Outputs.scoreOf(words, 40_000);
        assertFalse(found);
        assertEq(score, 0);
        (found,) = Outputs.scoreOf(new uint256[](0), 0);
        assertFalse(found);
        // Three classes without scores.
        (found,) = Outputs.scoreOf(new uint256[](3), 0);
        assertFalse(found);
    }

    function classOfItem(uint256[] memory words, uint256 item) external pure returns (uint256) {
        return Outputs.classOfItem(words, item);
    }

    function numbers(uint256[] memory words) external pure returns (int256[] memory) {
        return Outputs.numbers(words);
    }
}

contract PublicInputsTest is Test {
    uint256 internal constant R = PublicInputs.SCALAR_MODULUS;

    function testFuzz_ListsHoldTheirValues(uint256[5] memory values) public pure {
        uint256[] memory five = PublicInputs.list(values[0], values[1], values[2], values[3], values[4]);
        assertEq(five.length, 5);
        for (uint256 i = 0; i < 5; ++i) {
            assertEq(five[i], values[i]);
        }
    }

    /// @dev However many output words, in the order of the proof, and nothing behind them changes.
    function testFuzz_ListsHoldTheirOutputs(uint256[4] memory values, uint256[] calldata outputs)
        public
        view
    {
        uint256[] memory expected = new uint256[](2 + outputs.length);
        (expected[0], expected[1]) = (values[0], values[1]);
        for (uint256 i = 0; i < outputs.length; ++i) {
            expected[2 + i] = outputs[i];
        }
        assertEq(keccak256(this.ofInput(values, outputs)), keccak256(abi.encode(expected, values)));
        expected = new uint256[](4 + outputs.length);
        for (uint256 i = 0; i < expected.length; ++i) {
            expected[i] = i < 4 ? values[i] : outputs[i - 4];
        }
        assertEq(keccak256(this.ofRun(values, outputs)), keccak256(abi.encode(expected, values)));
    }

    function ofInput(uint256[4] memory values, uint256[] calldata outputs)
        external
        pure
        returns (bytes memory)
    {
        uint256[] memory list = PublicInputs.ofInput(values[0], values[1], outputs);
        uint256[4] memory next = values;
        return abi.encode(list, next);
    }

    function ofRun(uint256[4] memory values, uint256[] calldata outputs)
        external
        pure
        returns (bytes memory)
    {
        uint256[] memory list = PublicInputs.ofRun(values[0], values[1], values[2], values[3], outputs);
        uint256[4] memory next = values;
        return abi.encode(list, next);
    }

    function test_EachValueIsChecked() public {
        for (uint256 i = 0; i < 5; ++i) {
            uint256[] memory values = PublicInputs.list(0, R - 1, R - 1, R - 1, R - 1);
            values[i] = R;
            vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, i, R));
            this.requireCanonical(values);
        }
    }

    /// @dev And no more: what lies behind the list is no public input.
    function test_OnlyTheListIsChecked() public pure {
        uint256[] memory values = PublicInputs.list(0, 1, 2, 3, R - 1);
        uint256[1] memory next = [R];
        PublicInputs.requireCanonical(values);
        assertEq(next[0], R);
    }

    function requireCanonical(uint256[] memory values) external pure {
        PublicInputs.requireCanonical(values);
    }
}

contract ClaimsTest is Test {
    /// @dev Of any claims: turns are 0, 1, 2 and so on, and follow the claims down.
    function testFuzz_ClaimsTakeTurns(uint32[16] memory claims, uint16 among) public pure {
        uint256 seen;
        uint256 leader;
        for (uint256 entry = 1; entry <= 16; ++entry) {
            // Equal ones are common.
            claims[entry - 1] = 1 + claims[entry - 1] % 5;
        }
        uint256[16] memory order;
        for (uint256 entry = 1; entry <= 16; ++entry) {
            uint256 turn = Claims.turnOf(claims, entry);
            order[turn] = entry;
            seen |= 2 ** turn;
        }
        assertEq(seen, type(uint16).max);
        for (uint256 turn = 0; turn < 16; ++turn) {
            if (leader == 0 && among >> (order[turn] - 1) & 1 != 0) leader = order[turn];
            if (turn == 0) continue;
            (uint256 earlier, uint256 later) = (order[turn - 1], order[turn]);
            assertGe(claims[earlier - 1], claims[later - 1]);
            if (claims[earlier - 1] == claims[later - 1]) assertLt(earlier, later);
        }
        assertEq(Claims.first(claims, among), leader);
    }

    /// @dev Who has made no claim comes last.
    function testFuzz_NoClaimIsNobodysTurn(uint32[16] memory claims, uint8 entry) public pure {
        uint256 own = bound(entry, 1, 16);
        claims[own - 1] = 1;
        uint256 turn = Claims.turnOf(claims, own);
        for (uint256 other = 1; other <= 16; ++other) {
            if (claims[other - 1] == 0) assertFalse(Claims.comesBefore(claims, other, own));
        }
        assertLt(turn, 16);
    }
}
