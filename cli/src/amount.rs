//! Amounts of money: how they are given and shown.

use alloy::primitives::{Address, U256, aliases::U96, utils::parse_units};

/// An amount with a unit: `1ether`, `0.25eth`, `30gwei`, `1000wei`, or of a token `1000units`, in its smallest
/// unit. Only `0` needs none: a bare number would be wei to one and ether to another.
pub(crate) fn parse_amount(text: &str) -> Result<U256, String> {
    if text == "0" {
        return Ok(U256::ZERO);
    }
    let wrong = || {
        format!(
            "{text:?} is not an amount like 1ether, 0.5eth, 30gwei, 1000wei, or 1000units of a token's \
             smallest unit"
        )
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let decimals = match unit.trim() {
        "ether" | "eth" => 18,
        "gwei" => 9,
        "wei" | "units" => 0,
        "" if !number.is_empty() => {
            return Err(format!(
                "{text:?} has no unit; write {number}ether, {number}gwei or {number}wei, or {number}units of a \
                 token's smallest unit"
            ));
        }
        _ => return Err(wrong()),
    };
    if number.is_empty() || (decimals == 0 && number.contains('.')) {
        return Err(wrong());
    }
    let fraction = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if fraction > usize::from(decimals) {
        return Err(wrong());
    }
    parse_units(number, decimals).map(Into::into).map_err(|_| wrong())
}

/// The same for the terms of audits and retrievals, whose amounts are below 2^96.
pub(crate) fn parse_small_amount(text: &str) -> Result<U96, String> {
    let amount = parse_amount(text)?;
    if amount.bit_len() > 96 {
        return Err(format!("{amount} is too much; amounts are below 2^96"));
    }
    Ok(amount.to())
}

/// `1.5 ETH` for the native currency, units of the token otherwise.
pub(crate) fn amount_text(amount: U256, token: Address) -> String {
    if token == Address::ZERO {
        let text = alloy::primitives::utils::format_ether(amount);
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        format!("{text} ETH")
    } else {
        format!("{amount} units of token {token}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let ether = U256::from(10).pow(U256::from(18));
        assert_eq!(parse_amount("1ether"), Ok(ether));
        assert_eq!(parse_amount("0.5 eth"), Ok(ether / U256::from(2)));
        assert_eq!(parse_amount("30gwei"), Ok(U256::from(30_000_000_000u64)));
        assert_eq!(parse_amount("12wei"), Ok(U256::from(12)));
        assert_eq!(parse_amount("1000units"), Ok(U256::from(1000)));
        assert_eq!(parse_amount("0"), Ok(U256::ZERO));
        for bare in ["1", "12", "1.5", "00", "0.0"] {
            let refused = parse_amount(bare).unwrap_err();
            assert!(refused.contains(&format!("write {bare}ether")), "{refused}");
        }
        for bad in [
            "",
            "1.5units",
            "unit",
            "1unit",
            "eth",
            "1.5",
            "1.5wei",
            "-1",
            "1btc",
            "0.1234567891gwei",
            "1..2eth",
        ] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
        assert_eq!(amount_text(ether / U256::from(4), Address::ZERO), "0.25 ETH");
        assert_eq!(amount_text(U256::ZERO, Address::ZERO), "0 ETH");
    }

    #[test]
    fn small_amounts_fit_their_type() {
        assert_eq!(parse_small_amount("7wei"), Ok(U96::from(7)));
        let most = U256::from(U96::MAX);
        assert_eq!(parse_small_amount(&format!("{most}units")), Ok(U96::MAX));
        let error = parse_small_amount(&format!("{}units", most + U256::ONE)).unwrap_err();
        assert!(error.contains("2^96"), "{error}");
    }
}
