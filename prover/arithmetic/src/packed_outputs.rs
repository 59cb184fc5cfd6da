//! Outputs of 16 bits as they stand in field elements: 15 to an element, the first in the least significant
//! bits. The answers of a run's items are shown so, and all outputs of a prediction are hashed so.
//!
//! As bytes, an element is up to 30 bytes, the least significant first, two an output.

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};

/// Outputs in one element: 240 bits, below the modulus.
pub const OUTPUTS_PER_ELEMENT: usize = 15;
/// Bits of one output.
pub const OUTPUT_BITS: u32 = 16;

/// Packs outputs; what the last element has room for besides is zero.
pub fn pack_outputs(outputs: &[u16]) -> Vec<Fr> {
    outputs
        .chunks(OUTPUTS_PER_ELEMENT)
        .map(|chunk| {
            let mut repr = [0u8; 32];
            for (bytes, output) in repr.chunks_exact_mut(2).zip(chunk) {
                bytes.copy_from_slice(&output.to_le_bytes());
            }
            // 30 bytes are always below the modulus.
            Fr::from_repr(repr).unwrap_or(Fr::ZERO)
        })
        .collect()
}

/// Reads `count` outputs; [`None`] unless the elements are what [`pack_outputs`] makes of so many, with
/// zeros after them.
pub fn unpack_outputs(elements: &[Fr], count: usize) -> Option<Vec<u16>> {
    let mut outputs = Vec::with_capacity(elements.len() * OUTPUTS_PER_ELEMENT);
    for element in elements {
        let repr = element.to_repr();
        let (packed, rest) = repr.split_at(2 * OUTPUTS_PER_ELEMENT);
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        let pairs = packed.chunks_exact(2);
        outputs.extend(pairs.map(|pair| u16::from(pair[0]) | u16::from(pair[1]) << 8));
    }
    let after = outputs.get(count..)?;
    if after.iter().any(|output| *output != 0) {
        return None;
    }
    outputs.truncate(count);
    Some(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_as_they_were_packed() {
        let outputs = (0..40u16).map(|i| i.wrapping_mul(40_503)).collect::<Vec<_>>();
        for count in [0, 1, 14, 15, 16, 30, 31, 40] {
            let packed = pack_outputs(&outputs[..count]);
            assert_eq!(packed.len(), count.div_ceil(OUTPUTS_PER_ELEMENT));
            assert_eq!(unpack_outputs(&packed, count).as_deref(), Some(&outputs[..count]));
        }
    }

    #[test]
    fn an_output_has_its_place() {
        let packed = pack_outputs(&[1, 0xabcd, 0, 65_535]);
        assert_eq!(packed, [Fr::from(0xffff_0000_abcd_0001)]);
        let mut second = [0; 17];
        second[16] = 7;
        assert_eq!(pack_outputs(&second), [Fr::ZERO, Fr::from(7 << 16)]);
    }

    #[test]
    fn elements_with_more_in_them_are_refused() {
        let packed = pack_outputs(&[1, 2, 3]);
        assert_eq!(unpack_outputs(&packed, 2), None, "a third output");
        assert_eq!(unpack_outputs(&packed, 15).map(|outputs| outputs.len()), Some(15));
        assert_eq!(unpack_outputs(&packed, 16), None, "one element too few");
        let above = Fr::from(2).pow_vartime([240]);
        assert_eq!(unpack_outputs(&[packed[0] + above], 3), None);
        assert_eq!(unpack_outputs(&[-Fr::ONE], 15), None);
    }
}
