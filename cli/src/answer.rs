//! What the output word of a sold prediction says: a class or a number, by what the model's key states.

use std::path::PathBuf;

use alloy::primitives::{B256, U256};
use anyhow::{Result, bail};
use assay_client::ModelRegistry;
use assay_prover::{
    bundle::Architecture,
    circuit::{STATEMENT_CODE_BYTES, StatementCode},
    prediction::OutputWord,
};
use clap::Args;
use serde::Serialize;

use crate::{output::Decimal, public_inputs::output_step, published::read_architecture};

/// A word as it is reported.
#[derive(Serialize)]
pub(crate) struct Answer {
    /// As the proof shows it; reports have it besides.
    #[serde(skip)]
    output: Decimal,
    /// Of a model that states a class.
    class: Option<Decimal>,
    /// Of a model that states a number: the integer of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    /// The real number that it stands for, where the step is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    real: Option<f64>,
}

impl Answer {
    /// What a row is called, and what stands in it.
    pub(crate) fn row(&self) -> (&'static str, String) {
        match (self.class, self.number) {
            (Some(class), _) => ("class", class.to_string()),
            (None, Some(number)) => ("number", number_text(number, self.real)),
            (None, None) => ("output", self.output.to_string()),
        }
    }
}

/// A number of steps, and what they stand for.
pub(crate) fn number_text(number: i64, real: Option<f64>) -> String {
    match real {
        Some(real) => format!("{number} (stands for {real:.6})"),
        None => format!("{number} steps (--card says what one stands for)"),
    }
}

/// Where the step of a model's number is found.
#[derive(Args)]
pub(crate) struct StepArgs {
    /// Model card or architecture, which says what the integers of a score stand for
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
}

/// How a model's words are read.
pub(crate) struct Reading {
    code: Option<StatementCode>,
    step: Option<f64>,
}

impl StepArgs {
    /// By the model's entry, and a card of the same circuit.
    pub(crate) async fn reading(&self, registry: &ModelRegistry, model: U256) -> Result<Reading> {
        let binding = registry.binding(model).await?;
        let code = binding.and_then(|binding| code_of(binding.statement));
        let Some(path) = &self.card else {
            return Ok(Reading { code, step: None });
        };
        let architecture: Architecture = read_architecture(path)?;
        let circuit = registry.get(model).await?.commitment.circuitHash;
        if circuit != B256::from(architecture.circuit_hash()) {
            bail!(
                "{} is of another model than {model:#066x}: its circuit is another",
                path.display()
            );
        }
        Ok(Reading { code, step: output_step(&architecture.graph) })
    }
}

impl Reading {
    /// Of a model that is not known.
    pub(crate) const UNKNOWN: Self = Self { code: None, step: None };

    pub(crate) fn read(&self, output: U256) -> Answer {
        let word = |code| OutputWord::read(code, u64::try_from(output).ok()?);
        match self.code.and_then(word) {
            Some(OutputWord::Number(number)) => Answer {
                output: Decimal(output),
                class: None,
                number: Some(number),
                real: self.step.map(|step| number as f64 * step),
            },
            Some(OutputWord::Class(_)) => {
                let class = Some(Decimal(output));
                Answer { output: Decimal(output), class, number: None, real: None }
            }
            None => Answer { output: Decimal(output), class: None, number: None, real: None },
        }
    }
}

/// What the first word of a key states.
pub(crate) fn code_of(statement: B256) -> Option<StatementCode> {
    StatementCode::from_bytes(statement.last_chunk::<STATEMENT_CODE_BYTES>()?)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::b256;

    use super::*;

    const CLASS: B256 = b256!("0x0002010001000000010000000000000000000000000000000000000000000000");
    const NUMBER: B256 =
        b256!("0x0002010003000000010000000000000000000000000000000000000000000000");

    fn row(statement: B256, step: Option<f64>, word: u64) -> (&'static str, String) {
        Reading { code: code_of(statement), step }.read(U256::from(word)).row()
    }

    #[test]
    fn a_word_is_what_the_key_states() {
        assert_eq!(row(CLASS, Some(0.5), 7), ("class", "7".to_owned()));
        assert_eq!(
            row(NUMBER, Some(0.5), 32_765),
            ("number", "-3 (stands for -1.500000)".to_owned())
        );
        let (name, text) = row(NUMBER, None, 32_765);
        assert!(name == "number" && text.starts_with("-3 steps (--card"), "{text}");
        // No circuit shows it, or nobody knows what it is.
        assert_eq!(row(NUMBER, None, 1 << 16), ("output", "65536".to_owned()));
        assert_eq!(row(B256::ZERO, None, 7), ("output", "7".to_owned()));
    }
}
