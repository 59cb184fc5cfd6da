//! Words of 32 bytes as arguments, in hexadecimal.

use alloy::primitives::B256;
use assay_prover::arithmetic::field::field_from_bytes;

/// 32 bytes in hexadecimal, big-endian, that are a field element.
pub(crate) fn parse_word(text: &str) -> Result<B256, String> {
    let word = parse_hash(text)?;
    if field_from_bytes(&word.0).is_none() {
        return Err(format!("{text} is not below the order of BN254's scalar field"));
    }
    Ok(word)
}

/// 32 bytes in hexadecimal, such as a hash. Written out: a word that was cut short would be another word, on
/// which money could be locked for good.
pub(crate) fn parse_hash(text: &str) -> Result<B256, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut word = B256::ZERO;
    hex::decode_to_slice(digits, &mut word.0).map_err(|_| {
        let length = digits.chars().count();
        format!(
            "{text:?} is not 64 hexadecimal digits, with or without 0x, but {length} characters"
        )
    })?;
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_field_elements() {
        let seven = format!("{:064x}", 7);
        assert_eq!(parse_word(&seven), Ok(B256::with_last_byte(7)));
        assert_eq!(parse_word(&format!("0x{seven}")), Ok(B256::with_last_byte(7)));
        assert!(parse_word(&"f".repeat(64)).unwrap_err().contains("order"));
    }

    #[test]
    fn words_and_hashes_are_written_out() {
        let hash = B256::repeat_byte(0xab);
        assert_eq!(parse_hash(&hash.to_string()), Ok(hash));
        let long = "0".repeat(65);
        let cut = "0".repeat(63);
        let twice = format!("0x0x{}", "0".repeat(62));
        let wide = "é".repeat(32);
        for bad in ["", "0x", "7", "0x07", "0x1234", "zz", &cut, &long, &twice, &wide] {
            for refused in [parse_word(bad), parse_hash(bad)] {
                assert!(refused.unwrap_err().contains("64 hexadecimal digits"), "{bad}");
            }
        }
    }
}
