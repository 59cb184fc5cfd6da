//! Words of 32 bytes as arguments, in hexadecimal.

use alloy::primitives::B256;
use assay_prover::arithmetic::field::field_from_bytes;

/// Up to 32 bytes in hexadecimal, big-endian, that are a field element.
pub(crate) fn parse_word(text: &str) -> Result<B256, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() || digits.len() > 64 {
        return Err(format!("{text:?} is not a number of 1 to 64 hexadecimal digits"));
    }
    let bytes =
        hex::decode(format!("{digits:0>64}")).map_err(|error| format!("{text:?}: {error}"))?;
    let word: [u8; 32] = bytes.try_into().map_err(|_| format!("{text:?} is not 32 bytes"))?;
    if field_from_bytes(&word).is_none() {
        return Err(format!("{text} is not below the order of BN254's scalar field"));
    }
    Ok(B256::from(word))
}

/// 32 bytes in hexadecimal, such as a hash.
pub(crate) fn parse_hash(text: &str) -> Result<B256, String> {
    text.parse().map_err(|error| format!("{text:?} is not 32 bytes in hexadecimal: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_field_elements() {
        assert_eq!(parse_word("0x07"), Ok(B256::with_last_byte(7)));
        assert_eq!(parse_word("7"), Ok(B256::with_last_byte(7)));
        for bad in ["", "0x", "zz", &"f".repeat(64), &"0".repeat(65)] {
            assert!(parse_word(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hashes_are_written_out() {
        let hash = B256::repeat_byte(0xab);
        assert_eq!(parse_hash(&hash.to_string()), Ok(hash));
        for bad in ["", "0x07", &"f".repeat(65)] {
            assert!(parse_hash(bad).is_err(), "{bad}");
        }
    }
}
