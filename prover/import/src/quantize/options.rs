//! How integers are chosen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::QuantizeError;
use crate::model::FloatGraph;
use assay_graph::MAX_SHIFT;

/// Which part of the values seen in calibration a tensor's integers must represent. Values beyond
/// it, up to the largest seen and the margin, are still taken; they become the nearest end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// All of them, and the margin.
    #[default]
    Max,
    /// This part of all values, in percent: above 50, at most 100.
    Percentile(f64),
    /// The part at which rounding and saturation together have the least mean squared error.
    MinimumError,
}

/// How integers are chosen. The defaults keep accuracy and small tables; see each field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QuantizeOptions {
    /// Largest size of one function table, as a power of two: the finest scale is taken at which
    /// each layer's calibrated range, with its margin, has at most this many integers. Default: 12
    /// for networks with up to 2^17 activations, 13 up to 2^18, 14 above and for inputs whose features
    /// are numbers, not ids, with scales of their own.
    pub table_bits: Option<u32>,
    /// Same, for the layer that makes the logits. Default: one bit less than `table_bits`.
    pub output_bits: Option<u32>,
    /// Tables that one function may have, for layers of different scales: a function that depends
    /// on the scale, such as ReLU6, has one table for each scale. Default: 1 for networks with up
    /// to 2^18 activations, 2 above.
    pub tables_per_function: Option<u32>,
    /// Size that the tables of clamps with fixed bounds, such as ReLU6, are extended to, as a power
    /// of two: values far outside the calibrated range are then taken too. Default: no extension
    /// for networks with up to 2^19 activations, one bit more than `table_bits` above.
    pub headroom_bits: Option<u32>,
    /// Values of a tensor stay below `2^(activation_bits - 1)`. Default: 12, and 14 where features have
    /// scales of their own.
    pub activation_bits: Option<u32>,
    /// The same for single tensors, by name.
    pub tensor_bits: BTreeMap<String, u32>,
    /// Bits that a layer shifts out, and the fraction bits of its weights at equal scales. Default:
    /// `table_bits - 2`.
    pub shift: Option<u32>,
    /// Instead of `shift`: bits, sign included, that the largest weight of every layer has at
    /// least. One shift is taken for all layers.
    pub weight_bits: Option<u32>,
    /// Room on each side of a calibrated range, as a part of its width. Default: 0.25, and 0.5 where
    /// features have scales of their own: tables of numbers have longer tails than images.
    pub margin: Option<f64>,
    /// Which part of the values seen a tensor's integers represent. Default: all.
    pub method: CalibrationMethod,
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        Self {
            table_bits: None,
            output_bits: None,
            tables_per_function: None,
            headroom_bits: None,
            activation_bits: None,
            tensor_bits: BTreeMap::new(),
            shift: None,
            weight_bits: None,
            margin: None,
            method: CalibrationMethod::Max,
        }
    }
}

/// [`QuantizeOptions`] with all defaults filled in.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub table_bits: u32,
    pub output_bits: u32,
    pub tables_per_function: usize,
    pub headroom_bits: Option<u32>,
    /// For each tensor.
    pub activation_bits: Vec<u32>,
    pub shift: u32,
    pub weight_bits: Option<u32>,
    pub margin: f64,
    pub method: CalibrationMethod,
}

impl Choices {
    pub(super) fn new(
        graph: &FloatGraph,
        options: &QuantizeOptions,
    ) -> Result<Self, QuantizeError> {
        let activations: usize =
            graph.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        let of_features = graph.input.values.is_some();
        // Ids only choose, and need no fine tables.
        let of_numbers = graph
            .input
            .values
            .as_ref()
            .is_some_and(|values| values.channels.iter().any(|channel| !channel.whole));
        let (default_bits, default_tables) = match activations {
            0..=0x4_0000 if of_numbers => (14, 1),
            0..=0x2_0000 => (12, 1),
            0x2_0001..=0x4_0000 => (13, 1),
            _ => (14, 2),
        };
        let table_bits = options.table_bits.unwrap_or(default_bits);
        let output_bits = options.output_bits.unwrap_or(table_bits.saturating_sub(1));
        let tables = options.tables_per_function.unwrap_or(default_tables);
        let shift = options.shift.unwrap_or(table_bits.saturating_sub(2));
        let large = (activations > 0x8_0000).then_some(table_bits.saturating_add(1).min(16));
        let headroom_bits = options.headroom_bits.or(large);
        if let Some(bits) = headroom_bits {
            check("headroom_bits", bits, 4, 16, "4 to 16")?;
        }
        check("table_bits", table_bits, 4, 16, "4 to 16")?;
        check("output_bits", output_bits, 3, 16, "3 to 16")?;
        check("tables_per_function", tables, 1, 16, "1 to 16")?;
        let bits = options.activation_bits.unwrap_or(if of_features { 14 } else { 12 });
        check("activation_bits", bits, 3, 16, "3 to 16")?;
        let margin = options.margin.unwrap_or(if of_features { 0.5 } else { 0.25 });
        check("shift", shift, 0, MAX_SHIFT, "0 to 16")?;
        if let Some(bits) = options.weight_bits {
            check("weight_bits", bits, 2, 24, "2 to 24")?;
            if options.shift.is_some() {
                return Err(invalid("weight_bits", bits, "either `shift` or `weight_bits`"));
            }
        }
        if !(0.0..=4.0).contains(&margin) {
            return Err(invalid("margin", margin, "0 to 4"));
        }
        if let CalibrationMethod::Percentile(part) = options.method
            && !(part > 50.0 && part <= 100.0)
        {
            return Err(invalid("percentile", part, "above 50 to 100"));
        }
        Ok(Self {
            table_bits,
            output_bits,
            tables_per_function: tables as usize,
            headroom_bits,
            activation_bits: activation_bits(graph, options, bits)?,
            shift,
            weight_bits: options.weight_bits,
            margin,
            method: options.method,
        })
    }
}

fn activation_bits(
    graph: &FloatGraph,
    options: &QuantizeOptions,
    default: u32,
) -> Result<Vec<u32>, QuantizeError> {
    for (name, bits) in &options.tensor_bits {
        check("tensor_bits", *bits, 3, 16, "3 to 16")?;
        if graph.tensors.iter().all(|tensor| tensor.name != *name) {
            return Err(QuantizeError::UnknownTensor(name.clone()));
        }
    }
    let bits = |name: &String| options.tensor_bits.get(name).copied();
    Ok(graph.tensors.iter().map(|tensor| bits(&tensor.name).unwrap_or(default)).collect())
}

fn check(
    option: &'static str,
    value: u32,
    low: u32,
    high: u32,
    allowed: &'static str,
) -> Result<(), QuantizeError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(invalid(option, value, allowed)) }
}

fn invalid(option: &'static str, value: impl ToString, allowed: &'static str) -> QuantizeError {
    QuantizeError::Option { option, value: value.to_string(), allowed }
}
