//! How the inputs of a model are encoded, as `assay model import` is told or finds.

use std::path::Path;

use anyhow::{Result, bail};
use assay_prover::{
    graph::ValueEncoding,
    import::data::{self, Samples, Source, Values},
    import::model::Model,
    import::quantize::{EncodingOptions, InputChoice, InputEncoding, choose_encoding},
};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::input::ResizeArgs;

/// How the bytes of an input stand for the numbers that the float network takes.
#[derive(Args)]
pub(super) struct EncodingArgs {
    /// What input bytes stand for. Without it: bytes where the samples are bytes or lose nothing as
    /// `unit`, `raw` or `symmetric`; else `features`, with two or three bytes a number where one would lose something
    #[arg(long, value_enum, conflicts_with_all = ["scale", "offset"], help_heading = "Inputs")]
    encoding: Option<Encoding>,
    /// A byte b stands for b * SCALE + OFFSET
    #[arg(long, requires = "offset", help_heading = "Inputs")]
    scale: Option<f64>,
    /// See --scale
    #[arg(long, requires = "scale", allow_negative_numbers = true, help_heading = "Inputs")]
    offset: Option<f64>,
    /// Bits of a number with `features`, 8 to 24 [default: 8, 16 or 24, by what they lose and what integers
    /// need]
    #[arg(long, value_name = "BITS", conflicts_with = "scale", help_heading = "Inputs")]
    value_bits: Option<u32>,
    /// Room on each side of the range that the samples show of a feature, as a part of its width: numbers
    /// beyond it are refused later
    #[arg(long, value_name = "PART", default_value_t = EncodingOptions::default().margin, help_heading = "Inputs")]
    value_margin: f64,
    /// Of each feature's numbers in the samples, the part to cover, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = EncodingOptions::default().percentile, help_heading = "Inputs")]
    value_percentile: f64,
    /// The range of every feature, LOW:HIGH, instead of what the samples show
    #[arg(long, value_name = "LOW:HIGH", value_parser = parse_range, allow_hyphen_values = true, help_heading = "Inputs")]
    value_range: Option<[f64; 2]>,
    /// Take numbers outside the encoding as its nearest end: here, and later wherever an input of this model
    /// is made; the architecture and the card say so
    #[arg(long, help_heading = "Inputs")]
    clamp: bool,
    #[command(flatten)]
    resize: ResizeArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encoding {
    /// b / 255
    Unit,
    /// b
    Raw,
    /// (b - 128) / 128
    Symmetric,
    /// Each feature, or channel, with a scale of its own
    Features,
}

/// The encoding as `import` reports it.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(super) enum EncodingReport {
    Bytes(InputEncoding),
    Features(ValueEncoding),
}

fn parse_range(text: &str) -> Result<[f64; 2], String> {
    let ends = text
        .split_once(':')
        .and_then(|(low, high)| Some([low.parse::<f64>().ok()?, high.parse::<f64>().ok()?]));
    ends.filter(|[low, high]| low < high && low.is_finite() && high.is_finite())
        .ok_or_else(|| "expected LOW:HIGH, for instance -1:1".to_owned())
}

impl EncodingArgs {
    /// Reads the samples at `path`, at most `limit`, and encodes them; the model then takes bytes that
    /// stand for its numbers.
    pub(super) fn apply(
        &self,
        model: Model,
        path: &Path,
        limit: usize,
    ) -> Result<(Model, Samples, InputEncoding, EncodingReport)> {
        let shape = model.graph.value_shape();
        let choice = self.choose(&model, path)?;
        let (model, bytes, report) = match choice {
            InputChoice::Bytes(encoding) => (model, encoding, EncodingReport::Bytes(encoding)),
            InputChoice::Channels(values) => {
                let report = EncodingReport::Features(values.clone());
                (model.with_values(values)?, InputEncoding::RAW, report)
            }
        };
        let values = match &model.graph.input.values {
            Some(values) => Values::Channels(values),
            None => Values::Reals(bytes),
        };
        let published = model.graph.published_input();
        let (clamp, resize) = (self.clamp, self.resize.choice());
        let source = Source { limit, clamp, resize, ..Source::of(path, shape, values) };
        let source = source.in_file(&published);
        let samples = data::samples(&source)?;
        Ok((model, samples, bytes, report))
    }

    fn choose(&self, model: &Model, path: &Path) -> Result<InputChoice> {
        if let (Some(scale), Some(offset)) = (self.scale, self.offset) {
            if !scale.is_finite() || scale <= 0.0 || !offset.is_finite() {
                bail!("--scale must be a positive number and --offset a number");
            }
            return Ok(InputChoice::Bytes(InputEncoding { scale, offset }));
        }
        match self.encoding {
            Some(Encoding::Unit) => return Ok(InputChoice::Bytes(InputEncoding::UNIT)),
            Some(Encoding::Raw) => return Ok(InputChoice::Bytes(InputEncoding::RAW)),
            Some(Encoding::Symmetric) => return Ok(InputChoice::Bytes(InputEncoding::SYMMETRIC)),
            Some(Encoding::Features) | None => {}
        }
        if !data::holds_numbers(path) {
            return Ok(InputChoice::Bytes(InputEncoding::UNIT));
        }
        // All of the file, not only what is calibrated on: the ranges shall hold.
        let shape = model.graph.value_shape();
        let published = model.graph.published_input();
        let source = Source::of(path, shape, Values::Unencoded).in_file(&published);
        let samples = data::samples(&source)?;
        let channels = model.graph.input_channels();
        let mut numbers = samples.numbers;
        if channels.iter().any(|channel| channel.rows.is_some()) && numbers.is_empty() {
            // Bytes that choose rows of a table are numbers with a bound.
            let inputs = samples.data.inputs.into_iter();
            numbers = inputs.map(|bytes| bytes.into_iter().map(f64::from).collect()).collect();
        }
        if numbers.is_empty() {
            // Bytes of a picture are usually its 0 to 1; those of a table, or of a file that takes integers,
            // are numbers.
            let integral = channels.iter().any(|channel| channel.integers.is_some());
            let is_picture = shape[1] > 1 && !integral;
            let encoding = if is_picture { InputEncoding::UNIT } else { InputEncoding::RAW };
            return Ok(InputChoice::Bytes(encoding));
        }
        let bits = self.value_bits.or((self.encoding.is_some() || self.clamp).then_some(16));
        let choice = choose_encoding(
            &numbers,
            shape,
            &EncodingOptions {
                bits,
                margin: self.value_margin,
                percentile: self.value_percentile,
                range: self.value_range,
                compares: model.graph.input.compares,
                channels,
            },
        )?;
        Ok(match choice {
            InputChoice::Channels(values) => {
                InputChoice::Channels(ValueEncoding { clamp: self.clamp, ..values })
            }
            bytes => bytes,
        })
    }
}

impl EncodingReport {
    /// Bytes of a number of a feature; 0 where bytes stand for numbers as they are.
    pub(super) fn number_bytes(&self) -> usize {
        match self {
            Self::Bytes(_) => 0,
            Self::Features(values) => values.bytes,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Bytes(encoding) => format!("b * {:.6} + {:.6}", encoding.scale, encoding.offset),
            Self::Features(values) => {
                let ranges = values.channels.iter().map(|channel| {
                    let [low, high] = channel.range();
                    format!("{low:.6} to {high:.6}")
                });
                let shown = ranges.take(6).collect::<Vec<_>>().join(", ");
                let more = if values.channels.len() > 6 { ", ..." } else { "" };
                let clamped =
                    if values.clamp { "; what is beyond becomes the nearest end" } else { "" };
                let bytes = if values.bytes == 1 {
                    "1 byte".to_owned()
                } else {
                    format!("{} bytes", values.bytes)
                };
                format!("{bytes} a number; features {shown}{more}{clamped}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges_have_two_ends() {
        assert_eq!(parse_range("-1:2.5"), Ok([-1.0, 2.5]));
        for bad in ["", "1", "2:1", "a:b", "1:1", "0:inf"] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }
}
