//! Amounts of money: how they are given and shown.

use alloy::primitives::{Address, U256, aliases::U96, utils::parse_units};
use anyhow::{Result, bail};

/// An amount as it was given: in ether's units or in a token's, which must not be taken for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount {
    value: U256,
    currency: Currency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Currency {
    /// 0 is the same in all.
    Any,
    Native,
    Token,
}

impl Amount {
    /// The amount in a currency: that of a token, or with the zero address the native one.
    pub(crate) fn of(self, token: Address) -> Result<U256> {
        match (self.currency, token == Address::ZERO) {
            (Currency::Token, true) => bail!(
                "{}units is an amount of a token; without one amounts are in ether, gwei or wei",
                self.value
            ),
            (Currency::Native, false) => bail!(
                "amounts of token {token} are given in its smallest unit, like {}units; how many of these are \
                 one of it, the token decides",
                self.value
            ),
            _ => Ok(self.value),
        }
    }

    /// The same for the terms of audits and retrievals, whose amounts are below 2^96.
    pub(crate) fn small(self, token: Address) -> Result<U96> {
        let amount = self.of(token)?;
        if amount.bit_len() > 96 {
            bail!("{} is too much; amounts are below 2^96", amount_text(amount, token));
        }
        Ok(amount.to())
    }
}

/// An amount with a unit: `1ether`, `0.25eth`, `30gwei`, `1000wei`, or of a token `1000units`, in its smallest
/// unit. Only `0` needs none: a bare number would be wei to one and ether to another.
pub(crate) fn parse_amount(text: &str) -> Result<Amount, String> {
    if text == "0" {
        return Ok(Amount { value: U256::ZERO, currency: Currency::Any });
    }
    let wrong = || {
        format!(
            "{text:?} is not an amount like 1ether, 0.5eth, 30gwei, 1000wei, or 1000units of a token's \
             smallest unit"
        )
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (decimals, currency) = match unit.trim() {
        "ether" | "eth" => (18, Currency::Native),
        "gwei" => (9, Currency::Native),
        "wei" => (0, Currency::Native),
        "units" => (0, Currency::Token),
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
    let value = parse_units(number, decimals).map(Into::into).map_err(|_| wrong())?;
    Ok(Amount { value, currency })
}

/// An amount of the native currency.
pub(crate) fn parse_native(text: &str) -> Result<U256, String> {
    parse_amount(text)?.of(Address::ZERO).map_err(|error| error.to_string())
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
        assert_eq!(parse_native("1ether"), Ok(ether));
        assert_eq!(parse_native("0.5 eth"), Ok(ether / U256::from(2)));
        assert_eq!(parse_native("30gwei"), Ok(U256::from(30_000_000_000u64)));
        assert_eq!(parse_native("12wei"), Ok(U256::from(12)));
        assert_eq!(parse_native("0"), Ok(U256::ZERO));
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
    fn units_belong_to_their_currency() {
        let token = Address::with_last_byte(7);
        let amount = |text: &str| parse_amount(text).expect("an amount");
        assert_eq!(amount("1000units").of(token).ok(), Some(U256::from(1000)));
        assert!(amount("1000units").of(Address::ZERO).is_err());
        assert!(amount("1ether").of(token).is_err() && amount("1wei").of(token).is_err());
        assert_eq!(amount("0").of(token).ok(), Some(U256::ZERO));
        assert_eq!(amount("0").of(Address::ZERO).ok(), Some(U256::ZERO));
        assert!(parse_native("5units").is_err());
    }

    #[test]
    fn small_amounts_fit_their_type() {
        let small = |text: &str| parse_amount(text).expect("an amount").small(Address::ZERO);
        assert_eq!(small("7wei").ok(), Some(U96::from(7)));
        let most = U256::from(U96::MAX);
        assert_eq!(small(&format!("{most}wei")).ok(), Some(U96::MAX));
        let error = small(&format!("{}wei", most + U256::ONE)).unwrap_err().to_string();
        assert!(error.contains("2^96"), "{error}");
    }
}
