// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title What stands in output words
/// @notice For dApps that take the words of a proof. Which of these functions fits is what the model's key states
/// ({Statement}): words do not say what they are, so that is to be checked where the model is chosen.
///
/// A number is the integer of the network's output; the circuit shows it + 2^15. The real number is the integer times
/// the step in the model's card: a threshold is given in steps.
///
/// The words of a run of a collection hold 16 bits for each item, 15 items a word: the answer of item i, counted from
/// the run's first, stands in word i / 15 at bit 16 * (i % 15).
library Outputs {
    /// @notice What is added to the integer.
    int256 internal constant OFFSET = 1 << 15;
    /// @notice Least integer of an output.
    int256 internal constant LEAST = -OFFSET;
    /// @notice Largest integer of an output.
    int256 internal constant MOST = OFFSET - 1;
    /// @notice Items of a run in one word.
    uint256 internal constant ITEMS_OF_WORD = 15;

    /// @notice No circuit shows this word for a number.
    /// @param word What was to be read.
    error WordOutOfRange(uint256 word);
    /// @notice The words say nothing of this item.
    /// @param item Place in the run, from 0.
    /// @param words Number of words.
    error ItemNotInWords(uint256 item, uint256 words);

    /// @notice The integer behind an output word. Reverts with WordOutOfRange above 2^16 - 1.
    function number(uint256 word) internal pure returns (int256) {
        if (word > type(uint16).max) revert WordOutOfRange(word);
        // Below 2^16.
        // forge-lint: disable-next-line(unsafe-typecast)
        return int256(word) - OFFSET;
    }

    /// @notice The integers behind the words of a prediction that shows its logits, in the order of the classes.
    function numbers(uint256[] memory words) internal pure returns (int256[] memory integers) {
        integers = new int256[](words.length);
        for (uint256 i = 0; i < words.length; ++i) {
            integers[i] = number(words[i]);
        }
    }

    /// @notice The score of `class` in the words of a prediction that shows its best classes and their scores: `found`
    /// says whether it is among them. Words of an odd number are none of such a prediction, and nothing is found.
    function scoreOf(uint256[] memory words, uint256 class) internal pure returns (bool found, int256 score) {
        uint256 count = words.length / 2;
        if (words.length % 2 != 0) return (false, 0);
        for (uint256 i = 0; i < count; ++i) {
            if (words[i] == class) return (true, number(words[count + i]));
        }
    }

    /// @notice Whether `class` is among the first `k` words of a prediction that shows its best classes, best
    /// first. Where their scores follow, `k` is at most half the words: {scoreOf}.
    function isAmongBest(uint256[] memory words, uint256 k, uint256 class) internal pure returns (bool) {
        if (k > words.length) k = words.length;
        for (uint256 i = 0; i < k; ++i) {
            if (words[i] == class) return true;
        }
        return false;
    }

    /// @notice The class of an item of a run, `item` counted from the run's first one. Past the run's last item it is
    /// 0, which is also a class: how many items a run has, its proof says, not the words.
    function classOfItem(uint256[] memory words, uint256 item) internal pure returns (uint256) {
        uint256 place = item / ITEMS_OF_WORD;
        if (place >= words.length) revert ItemNotInWords(item, words.length);
        return (words[place] >> (16 * (item % ITEMS_OF_WORD))) & type(uint16).max;
    }

    /// @notice The integer of an item of a run of numbers, see {classOfItem}.
    function numberOfItem(uint256[] memory words, uint256 item) internal pure returns (int256) {
        return number(classOfItem(words, item));
    }
}
