//! Indices into a few values, in as few bits as suffice.

/// Bits for each of the indices into so many values, at most 2^16: a divisor of 8, or 16.
pub(crate) fn width(values: usize) -> usize {
    [1, 2, 4, 8].into_iter().find(|width| values <= 1 << width).unwrap_or(16)
}

/// Bytes that so many indices take.
pub(crate) fn bytes(count: usize, width: usize) -> usize {
    (count * width).div_ceil(8)
}

/// The indices, the first in the lowest bits of a byte.
pub(crate) fn pack(indices: &[u16], width: usize) -> Vec<u8> {
    match width {
        16 => indices.iter().flat_map(|index| index.to_le_bytes()).collect(),
        _ => indices
            .chunks(8 / width)
            .map(|some| some.iter().rev().fold(0u16, |byte, index| byte << width | index) as u8)
            .collect(),
    }
}

/// Appends the first `count` indices of the bytes.
pub(crate) fn unpack(bytes: &[u8], width: usize, count: usize, indices: &mut Vec<u16>) {
    match width {
        16 => {
            let pairs = bytes.as_chunks::<2>().0.iter();
            indices.extend(pairs.take(count).map(|pair| u16::from_le_bytes(*pair)));
        }
        _ => {
            let mask = u16::MAX >> (16 - width);
            let end = indices.len() + count;
            for byte in bytes {
                indices
                    .extend((0..8 / width).map(|place| u16::from(*byte) >> (place * width) & mask));
            }
            indices.truncate(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_survive_their_bits() {
        for (values, bits) in [
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 4),
            (16, 4),
            (17, 8),
            (256, 8),
            (257, 16),
            (1 << 16, 16),
        ] {
            assert_eq!(width(values), bits, "{values} values");
            for count in [0, 1, 7, 8, 9, 1_000] {
                let indices: Vec<u16> =
                    (0..count).map(|at| ((at * 40_503 + values - 1) % values) as u16).collect();
                let packed = pack(&indices, bits);
                assert_eq!(packed.len(), bytes(count, bits));
                let mut unpacked = vec![7];
                unpack(&packed, bits, count, &mut unpacked);
                assert_eq!(unpacked[1..], indices);
            }
        }
    }

    #[test]
    fn the_first_index_is_lowest() {
        assert_eq!(pack(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 1], 1), [1, 3]);
        assert_eq!(pack(&[2, 1], 4), [0x12]);
        assert_eq!(pack(&[0x102], 16), [2, 1]);
    }
}
