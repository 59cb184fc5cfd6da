//! Rules that no forgery can be made for, each with the reason.

const UNREAD: &str =
    "says that a cell is zero in rows of other families, where nothing reads the cell";
const AFTER_LAST_TILE: &str = "the row holds no tile, so its evaluations are zero by their own step, and nothing reads its factors";
const AFTER_LAST_HASH: &str = "the row after the last permutation exports its result; it is absorbing \
                               only for that, and the row that it shifts into is read by nothing";

pub(super) const EQUIVALENT: [(&str, &str); 14] = [
    ("tile evaluations: produced (elsewhere)", UNREAD),
    ("tile evaluations: consumed (elsewhere)", UNREAD),
    ("tile evaluations: produced, result (elsewhere)", AFTER_LAST_TILE),
    ("tile evaluations: consumed, result (elsewhere)", AFTER_LAST_TILE),
    ("weight sums: step (elsewhere)", UNREAD),
    ("scalar program: products (elsewhere)", UNREAD),
    (
        "scalar program: load (end)",
        "the last usable row is a load row only so that the lookups' sum ends there; nothing reads its s1",
    ),
    (
        "hash: export (elsewhere)",
        "only the first row of a block holds a result; what the other absorbing rows export nothing reads",
    ),
    ("hash: absorption (after the last permutation)", AFTER_LAST_HASH),
    ("hash: shift 0 (after the last permutation)", AFTER_LAST_HASH),
    ("hash: shift 1 (after the last permutation)", AFTER_LAST_HASH),
    ("hash: shift 2 (after the last permutation)", AFTER_LAST_HASH),
    ("hash: shift 3 (after the last permutation)", AFTER_LAST_HASH),
    ("hash: shift 4 (after the last permutation)", AFTER_LAST_HASH),
];
