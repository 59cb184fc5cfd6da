// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @notice What the proofs of a key state: the first word of its data contract. From the left, in bytes: 0 (1),
/// format of the key (1), kind (1), input of a prediction (1), what is shown (1), number of output words (4),
/// log2 of the items of a run (1), depth of the collection's tree (1), parameter (4), zeros (17).
type Statement is bytes32;

using Statements for Statement global;

/// @title Statements of proofs
library Statements {
    /// @notice The format of keys that is read here.
    uint256 internal constant FORMAT = 2;

    /// @notice What a network makes of one input.
    uint256 internal constant PREDICTION = 1;
    /// @notice How many items of a run a network classifies correctly.
    uint256 internal constant AUDIT = 2;
    /// @notice Which items of a run a network selects.
    uint256 internal constant RETRIEVAL = 3;
    /// @notice What a network makes of each item of a run.
    uint256 internal constant CLASSIFICATION = 4;

    /// @notice A prediction shows the class.
    uint256 internal constant CLASS = 1;
    /// @notice A prediction shows the best classes.
    uint256 internal constant BEST = 2;
    /// @notice A prediction shows the logits.
    uint256 internal constant LOGITS = 3;
    /// @notice An audit shows how many items are correct.
    uint256 internal constant CORRECT = 4;
    /// @notice A retrieval shows a bitmap.
    uint256 internal constant BITMAP = 5;
    /// @notice A classification shows the classes of a run's items, packed, see {Outputs}.
    uint256 internal constant CLASSES = 6;
    /// @notice A classification shows the number of each of a run's items, packed, see {Outputs}.
    uint256 internal constant NUMBERS = 7;
    /// @notice A prediction shows a commitment to its outputs and a salt, and nothing else of them.
    uint256 internal constant COMMITMENT = 8;
    /// @notice A prediction shows the best classes, and after them the score of each.
    uint256 internal constant SCORED = 9;

    /// @notice Largest logarithm of the items of a run whose words are shown.
    uint256 internal constant MAX_LOG_CLASSIFIED = 8;
    /// @notice Items of a run in one word.
    uint256 internal constant ITEMS_OF_WORD = 15;

    /// @notice Largest depth of a collection's tree.
    uint256 internal constant MAX_DEPTH = 32;

    /// @notice The class of a committed input; the output word is the class.
    Statement internal constant CLASS_OF_COMMITTED_INPUT =
        Statement.wrap(0x0002010001000000010000000000000000000000000000000000000000000000);
    /// @notice The one number that a network with one output makes of a committed input: a score, a price. The
    /// output word is the output's integer + 2^15, see {Outputs}.
    Statement internal constant NUMBER_OF_COMMITTED_INPUT =
        Statement.wrap(0x0002010003000000010000000000000000000000000000000000000000000000);

    function format(Statement statement) internal pure returns (uint256) {
        return _field(statement, 1, 1);
    }

    function kind(Statement statement) internal pure returns (uint256) {
        return _field(statement, 2, 1);
    }

    /// @notice Whether the input of a prediction is public, not committed to.
    function isPublicInput(Statement statement) internal pure returns (bool) {
        return _field(statement, 3, 1) == 1;
    }

    function shows(Statement statement) internal pure returns (uint256) {
        return _field(statement, 4, 1);
    }

    /// @notice Number of output words.
    function outputs(Statement statement) internal pure returns (uint256) {
        return _field(statement, 5, 4);
    }

    /// @notice Items of a run; 1 for a prediction.
    function items(Statement statement) internal pure returns (uint256) {
        return 2 ** _logItems(statement);
    }

    /// @notice Depth of the collection's tree; 0 for a prediction.
    function depth(Statement statement) internal pure returns (uint256) {
        return _field(statement, 10, 1);
    }

    /// @notice Among how many best classes an audit looks for the label, or the class that a retrieval selects;
    /// 0 for a prediction.
    function parameter(Statement statement) internal pure returns (uint256) {
        return _field(statement, 11, 4);
    }

    /// @notice Whether it is of the form above, its fields fit together, and what is reserved is zero. The format
    /// is not looked at: it says what the other fields mean, so it is to be compared first.
    function isWellFormed(Statement statement) internal pure returns (bool) {
        if (_field(statement, 0, 1) != 0 || _field(statement, 15, 17) != 0) return false;
        uint256 kind_ = kind(statement);
        if (kind_ == PREDICTION) return _isPrediction(statement);
        if (kind_ == AUDIT) {
            return _isRun(statement) && shows(statement) == CORRECT && parameter(statement) != 0;
        }
        if (kind_ == CLASSIFICATION) return _isClassification(statement);
        return kind_ == RETRIEVAL && _isRun(statement) && shows(statement) == BITMAP;
    }

    /// @notice Whether it is about one committed input: proofs have the public inputs context, commitment, and the
    /// output words.
    function isOfCommittedInput(Statement statement) internal pure returns (bool) {
        return kind(statement) == PREDICTION && !isPublicInput(statement);
    }

    /// @notice Whether it is about what is made of each item of a run of a committed collection: proofs have the public
    /// inputs context, root, first item, number of items, and the output words.
    function isOfCommittedRun(Statement statement) internal pure returns (bool) {
        return kind(statement) == CLASSIFICATION;
    }

    /// @notice Whether the output is the class of a committed input.
    function isClass(Statement statement) internal pure returns (bool) {
        return equals(statement, CLASS_OF_COMMITTED_INPUT);
    }

    /// @notice Whether the output is the one number of a committed input. {Outputs} reads it.
    function isNumber(Statement statement) internal pure returns (bool) {
        return equals(statement, NUMBER_OF_COMMITTED_INPUT);
    }

    function equals(Statement a, Statement b) internal pure returns (bool) {
        return Statement.unwrap(a) == Statement.unwrap(b);
    }

    function _isPrediction(Statement statement) private pure returns (bool) {
        if (_field(statement, 3, 1) > 1 || _field(statement, 9, 6) != 0) return false;
        uint256 shows_ = shows(statement);
        uint256 outputs_ = outputs(statement);
        if (shows_ == CLASS || shows_ == COMMITMENT) return outputs_ == 1;
        if (shows_ == SCORED && outputs_ % 2 != 0) return false;
        return (shows_ == BEST || shows_ == SCORED || shows_ == LOGITS) && outputs_ != 0;
    }

    function _isClassification(Statement statement) private pure returns (bool) {
        uint256 shows_ = shows(statement);
        if (shows_ != CLASSES && shows_ != NUMBERS) return false;
        if (_logItems(statement) > MAX_LOG_CLASSIFIED || parameter(statement) != 0) return false;
        uint256 words = (items(statement) + ITEMS_OF_WORD - 1) / ITEMS_OF_WORD;
        return _isSubtree(statement) && outputs(statement) == words;
    }

    /// @dev A run with one output word.
    function _isRun(Statement statement) private pure returns (bool) {
        return outputs(statement) == 1 && _isSubtree(statement);
    }

    /// @dev A run is a subtree: it has no more items than the tree has leaves.
    function _isSubtree(Statement statement) private pure returns (bool) {
        uint256 depth_ = depth(statement);
        return _field(statement, 3, 1) == 0 && depth_ <= MAX_DEPTH && _logItems(statement) <= depth_;
    }

    function _logItems(Statement statement) private pure returns (uint256) {
        return _field(statement, 9, 1);
    }

    /// @dev `length` bytes from byte `offset` on, counted from the left, as a number.
    function _field(Statement statement, uint256 offset, uint256 length) private pure returns (uint256) {
        unchecked {
            return uint256(Statement.unwrap(statement) << (8 * offset)) >> (256 - 8 * length);
        }
    }
}
