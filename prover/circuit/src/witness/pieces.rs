//! Disjoint parts of a slice, for several threads to fill.

use std::ops::Range;

/// The parts at `ranges`, which ascend and do not overlap.
pub(super) fn pieces<T>(
    mut slice: &mut [T],
    ranges: impl IntoIterator<Item = Range<usize>>,
) -> Vec<&mut [T]> {
    let mut done = 0;
    ranges
        .into_iter()
        .map(|range| {
            let rest = std::mem::take(&mut slice);
            let (piece, rest) = rest[range.start - done..].split_at_mut(range.len());
            (slice, done) = (rest, range.end);
            piece
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_where_the_ranges_say() {
        let mut numbers = (0..20).collect::<Vec<_>>();
        let ranges = [0..0, 2..5, 5..6, 9..9, 11..20];
        let expected = ranges.clone().map(|range| numbers[range].to_vec());
        let cut = pieces(&mut numbers, ranges);
        assert_eq!(cut, expected.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}
